/* SPDX-License-Identifier: Apache-2.0 */
/* The known answer of the contract, and those of the openssl command (tests/vectors/make). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/v1_key.h"
#include "base/base64.h"
#include "base/mem.h"
#include "crypto/cipher.h"
#include "tests/vectors/v1_keys.inc"

#define PRINT "CPU: Cortex-A78AE. GPU: Orin. Memory: 7802888. DriveSerial: S1"

static struct v1_salts salts_of(const char *prefix, const char *hw, const char *api,
				const char *resource)
{
	return (struct v1_salts){.prefix = slice_str(prefix),
				 .hw = slice_str(hw),
				 .api = slice_str(api),
				 .resource = slice_str(resource)};
}

static struct v1_user user_of(const char *email, const char *password, const char *print)
{
	return (struct v1_user){.email = slice_str(email),
				.password = slice_str(password),
				.fingerprint = slice_str(print)};
}

static void assert_key(const struct secret *key, const char *hex)
{
	uint8_t expected[CIPHER_KEY256];

	assert_true(hex_decode(slice_str(hex), expected, sizeof(expected)));
	assert_int_equal(secret_size(key), sizeof(expected));
	assert_memory_equal(secret_slice(key).data, expected, sizeof(expected));
}

static void assert_user(enum v1_formula formula, const struct v1_salts *salts,
			const struct v1_user *user, const char *text, const char *hex)
{
	CLEANUP(secret_cleanup) struct secret *said = NULL;
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	struct err err = {0};

	assert_int_equal(v1_key_user_text(formula, salts, user, &said, &err), 0);
	assert_int_equal(secret_size(said), V1_KEY_TEXT);
	assert_memory_equal(secret_slice(said).data, text, V1_KEY_TEXT);
	assert_int_equal(v1_key_user(formula, salts, user, &key, &err), 0);
	assert_key(key, hex);
}

static void test_contract(void **state)
{
	const struct v1_salts salts = salts_of("PFX", "HWSALT", "APISALT", "");
	const struct v1_user user = user_of("a@b.c", "pw", PRINT);
	char text[V1_KEY_TEXT];
	struct err err = {0};

	(void)state;
	assert_int_equal(v1_key_hardware(&salts, user.fingerprint, text, &err), 0);
	assert_memory_equal(text,
			    "sdpQlsNOiwuddrrN4FW56cUzwgNjgAw7bGium0zs7Kwh1Q4D04QHmfFdrOHGIH70",
			    V1_KEY_TEXT);
	assert_user(V1_HW, &salts, &user,
		    "DPV6QYU5aOjFEGh+NWRr3AxuZzGK4eo0eiXts48XTDuMcpLsM7MKqsnOB15FwrDr",
		    "bcbf25ab2d6815dc7296291383309a968ab59cb8da6d32d739503b24f460cc3c");
}

static void test_vectors(void **state)
{
	static const struct {
		const char *email, *password, *print, *hardware;
		const char *text, *key, *short_text, *short_key;
	} rows[] = {VECTOR_ROWS};
	const struct v1_salts salts =
		salts_of(VECTOR_PREFIX, VECTOR_HW, VECTOR_API, VECTOR_RESOURCE);
	CLEANUP(secret_cleanup) struct secret *fleet = NULL;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct v1_user user = user_of(rows[i].email, rows[i].password, rows[i].print);
		char text[V1_KEY_TEXT];

		assert_int_equal(v1_key_hardware(&salts, user.fingerprint, text, &err), 0);
		assert_memory_equal(text, rows[i].hardware, V1_KEY_TEXT);
		assert_user(V1_HW, &salts, &user, rows[i].text, rows[i].key);
		user.fingerprint = slice_of(NULL, 0);
		assert_user(V1_NOHW, &salts, &user, rows[i].short_text, rows[i].short_key);
	}
	assert_int_equal(v1_key_resource(&salts, &fleet, &err), 0);
	assert_key(fleet, VECTOR_RESOURCE_KEY);
}

/* A server's way: the hash as it was sent, of its length and no other; without salts of hardware.
 */
static void test_hardware(void **state)
{
	static const char HASH[] =
		"sdpQlsNOiwuddrrN4FW56cUzwgNjgAw7bGium0zs7Kwh1Q4D04QHmfFdrOHGIH70";
	const struct v1_salts salts = salts_of("", "", "APISALT", "");
	struct v1_user user = user_of("a@b.c", "pw", "");

	(void)state;
	user.hardware = slice_str(HASH);
	assert_user(V1_HW, &salts, &user,
		    "DPV6QYU5aOjFEGh+NWRr3AxuZzGK4eo0eiXts48XTDuMcpLsM7MKqsnOB15FwrDr",
		    "bcbf25ab2d6815dc7296291383309a968ab59cb8da6d32d739503b24f460cc3c");
	for (size_t len = 1; len < 2 * V1_KEY_TEXT; len++) {
		uint8_t long_one[2 * V1_KEY_TEXT] = {0};
		CLEANUP(secret_cleanup) struct secret *key = NULL;
		struct err err = {0};

		if (len == V1_KEY_TEXT)
			continue;
		user.hardware = slice_of(long_one, len);
		assert_int_equal(v1_key_user(V1_HW, &salts, &user, &key, &err), ERR_INVALID);
		assert_null(key);
	}
}

static void test_archive(void **state)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(v1_key_archive(slice_str(""), &key, &err), ERR_INVALID);
	assert_null(key);
	assert_int_equal(v1_key_archive(slice_str("abc"), &key, &err), 0);
	assert_key(key, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* Each field, empty or too long, where it is needed and where it is not; nothing of it is told. */
static void test_fields(void **state)
{
	enum { PREFIX, HW, API, EMAIL, PASSWORD, FIELDS };
	static char long_one[V1_FIELD_MAX + 1];
	const struct slice bad[] = {slice_of(NULL, 0), slice_of(long_one, sizeof(long_one))};

	(void)state;
	memset(long_one, 'q', sizeof(long_one));
	for (unsigned field = 0; field < FIELDS * 2; field++) {
		struct v1_salts salts = salts_of("p", "h", "a", "r");
		struct v1_user user = user_of("e", "pw", "f");
		struct slice *const fields[FIELDS] = {&salts.prefix, &salts.hw, &salts.api,
						      &user.email, &user.password};
		bool hardware = field / 2 == PREFIX || field / 2 == HW;
		CLEANUP(secret_cleanup) struct secret *key = NULL;
		CLEANUP(secret_cleanup) struct secret *other = NULL;
		struct err err = {0};

		*fields[field / 2] = bad[field % 2];
		assert_int_equal(v1_key_user(V1_HW, &salts, &user, &key, &err), ERR_INVALID);
		assert_null(key);
		assert_null(strchr(err.text, 'q'));
		assert_int_equal(v1_key_user(V1_NOHW, &salts, &user, &other, &err),
				 hardware ? 0 : ERR_INVALID);
	}
}

static void test_missing(void **state)
{
	const struct v1_salts none = {0};
	char text[V1_KEY_TEXT] = "kept";
	struct secret *key = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(v1_key_hardware(&none, slice_str("f"), text, &err), ERR_INVALID);
	assert_string_equal(text, "kept");
	assert_int_equal(v1_key_resource(&none, &key, &err), ERR_INVALID);
	assert_string_equal(err.text, "the salt \"resource\" is missing");
	assert_null(key);
}

static void test_formulas(void **state)
{
	enum v1_formula formula;
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < V1_FORMULAS; i++) {
		assert_int_equal(
			v1_formula_of_name(v1_formula_name((enum v1_formula)i), &formula, &err), 0);
		assert_int_equal(formula, i);
	}
	assert_int_equal(v1_formula_of_name("v1", &formula, &err), ERR_NOT_SUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contract), cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_hardware), cmocka_unit_test(test_archive),
		cmocka_unit_test(test_fields),	 cmocka_unit_test(test_missing),
		cmocka_unit_test(test_formulas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
