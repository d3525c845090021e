/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/tpm/impl.h"

static const struct slice header = {.data = (const uint8_t *)"header bytes", .len = 12};

static struct secret *new_key(uint8_t fill)
{
	struct secret *key = NULL;
	struct err err;

	assert_int_equal(secret_new(TPM_AUTH_KEY_SIZE, &key, &err), 0);
	secret_data(key)[0] = fill;
	return key;
}

static void write_sample(const struct secret *key, struct buf *out)
{
	struct tpm_object object = {.parent = ENGINE_SRK,
				    .flags = TPM_OBJECT_EXPORTABLE,
				    .public = slice_str("public part"),
				    .private = slice_str("private part")};
	struct err err;

	assert_int_equal(tpm_object_write(&object, key, header, out, &err), 0);
}

static void test_round_trip(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(PROVIDER_OBJECT_MAX);
	CLEANUP(secret_cleanup) struct secret *key = new_key(1);
	struct tpm_object object;
	struct err err;

	(void)state;
	write_sample(key, &bytes);
	assert_int_equal(tpm_object_parse(buf_slice(&bytes), key, header, &object, &err), 0);
	assert_int_equal(object.parent, ENGINE_SRK);
	assert_int_equal(object.flags, TPM_OBJECT_EXPORTABLE);
	assert_true(slice_equal(object.public, slice_str("public part")));
	assert_true(slice_equal(object.private, slice_str("private part")));
}

static void test_any_change_is_damage(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(PROVIDER_OBJECT_MAX);
	CLEANUP(secret_cleanup) struct secret *key = new_key(1), *other = new_key(2);
	struct tpm_object object = {.flags = 0xee};
	struct err err;
	size_t i;

	(void)state;
	write_sample(key, &bytes);
	for (i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 0x20;
		assert_int_equal(tpm_object_parse(buf_slice(&bytes), key, header, &object, &err),
				 ERR_DAMAGED);
		bytes.data[i] ^= 0x20;
		assert_int_equal(
			tpm_object_parse(slice_of(bytes.data, i), key, header, &object, &err),
			ERR_DAMAGED);
	}
	assert_int_equal(
		tpm_object_parse(buf_slice(&bytes), key, slice_str("header byteS"), &object, &err),
		ERR_DAMAGED);
	assert_int_equal(tpm_object_parse(buf_slice(&bytes), other, header, &object, &err),
			 ERR_DAMAGED);
	assert_int_equal(object.flags, 0xee); /* untouched */
}

static void test_auth_is_text_and_depends_on_all(void **state)
{
	CLEANUP(secret_cleanup) struct secret *key = new_key(1), *other = new_key(2);
	CLEANUP(secret_cleanup) struct secret *a = NULL, *b = NULL, *c = NULL;
	struct err err;
	size_t i;

	(void)state;
	assert_int_equal(tpm_object_auth(key, header, &a, &err), 0);
	assert_int_equal(tpm_object_auth(key, slice_str("header byteS"), &b, &err), 0);
	assert_int_equal(tpm_object_auth(other, header, &c, &err), 0);
	assert_int_equal(secret_size(a), TPM_AUTH_SIZE);
	for (i = 0; i < TPM_AUTH_SIZE; i++)
		assert_non_null(memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_",
				       secret_data(a)[i], 64));
	assert_false(secret_equal(secret_slice(a), secret_slice(b)));
	assert_false(secret_equal(secret_slice(a), secret_slice(c)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_any_change_is_damage),
		cmocka_unit_test(test_auth_is_text_and_depends_on_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
