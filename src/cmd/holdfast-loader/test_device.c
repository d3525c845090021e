/* SPDX-License-Identifier: Apache-2.0 */
/* What the service says, as the loader hears it. The library of the service is the test's. */
#include "cmd/holdfast-loader/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "holdfast/client.h"
#include "tests/vectors/v1_sig.inc"

#define KEY  "{\"public\":\"%s\",\"protection\":\"%s\"}"
#define PEM  "-----BEGIN CERTIFICATE-----\\n" VECTOR_CA "\\n-----END CERTIFICATE-----\\n"
#define EK   "{\"type\":\"ecc-p256\",\"tpm_public\":\"ZWs=\",\"certificate\":%s,\"chain\":[%s]}"
#define LONG 16384

struct hf {
	int code;
};

static struct {
	struct hf hf;
	int code; /* of each call but that of the endorsement key */
	int ek_code, status_code;
	const char *protection, *certificate, *chain;
	unsigned eks, opened, asked;
	unsigned number; /* of the storage key; 0: "storage" */
} world;
static struct device device;

int hf_open(const char *socket, struct hf **ret_hf)
{
	assert_string_equal(socket, "/s");
	world.opened++;
	*ret_hf = &world.hf;
	return 0;
}

void hf_close(struct hf *hf)
{
	if (hf)
		world.opened--;
}

void hf_set_timeout_ms(struct hf *hf, unsigned ms)
{
	assert_true(hf == &world.hf && ms > 0);
}

int hf_error_code(const struct hf *hf)
{
	return hf->code;
}

const char *hf_error_text(const struct hf *hf)
{
	(void)hf;
	return "its text";
}

void hf_free(void *data)
{
	free(data);
}

static int give_text(int code, const char *text, char **ret_text)
{
	world.hf.code = code;
	if (code == 0)
		*ret_text = strdup(text);
	return code;
}

int hf_status_json(struct hf *hf, char **ret_json)
{
	int before = hf->code;
	int r = give_text(world.status_code, "{}", ret_json);

	hf->code = before;
	return r;
}

int hf_device_storage_key(struct hf *hf, char **ret_json)
{
	char text[200], area[] = "AAAA";

	(void)hf;
	world.asked++;
	area[3] = (char)('A' + world.number);
	(void)snprintf(text, sizeof(text), KEY,
		       world.number ? area : "c3RvcmFnZQ==", world.protection);
	return give_text(world.code, text, ret_json);
}

int hf_ek_json(struct hf *hf, const char *type, char **ret_json)
{
	char text[LONG];

	(void)hf;
	assert_null(type);
	world.eks++;
	(void)snprintf(text, sizeof(text), EK, world.certificate, world.chain);
	return give_text(world.ek_code, text, ret_json);
}

static int give_bytes(void **ret_data, size_t *ret_len)
{
	char *text = NULL;
	int r = give_text(world.code, "secret", &text);

	if (r == 0) {
		*ret_data = text;
		*ret_len = strlen(text);
	}
	return r;
}

int hf_storage_key_activate(struct hf *hf, const struct hf_credential *credential,
			    void **ret_secret, size_t *ret_len)
{
	(void)hf;
	assert_null(credential->ek);
	assert_int_equal(credential->len, 3);
	return give_bytes(ret_secret, ret_len);
}

int hf_unwrap(struct hf *hf, const struct hf_wrapped *wrapped, void **ret_data, size_t *ret_len)
{
	(void)hf;
	assert_int_equal(wrapped->public_len, 1);
	assert_int_equal(wrapped->duplicate_len, 2);
	assert_int_equal(wrapped->seed_len, 3);
	return give_bytes(ret_data, ret_len);
}

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.protection = "tpm";
	world.certificate = "null";
	world.chain = "";
	device_init(&device, "/s");
	return 0;
}

static int end(void **state)
{
	(void)state;
	device_fini(&device);
	assert_int_equal(world.opened, 0);
	return 0;
}

static void describes(const char *wanted)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(LONG);
	struct err err;

	assert_int_equal(device.ops.describe(device.ops.arg, &json, &err), 0);
	if (!slice_equal(buf_slice(&json), slice_str(wanted)))
		fail_msg("%.*s, not %s", (int)json.len, json.data, wanted);
}

#define TOLD(ek, protection)                                                                       \
	"{\"storage_key\":{\"public\":\"c3RvcmFnZQ==\"},\"ek\":" ek                                \
	",\"protection\":\"" protection "\"}"
#define BARE "{\"type\":\"ecc-p256\",\"public\":\"ZWs=\",\"certificate\":null,\"chain\":null}"

static void test_describe(void **state)
{
	(void)state;
	describes(TOLD(BARE, "tpm"));
	/* The chip is asked once. */
	describes(TOLD(BARE, "tpm"));
	assert_int_equal(world.eks, 1);
	/* In software there is none. */
	world.protection = "software";
	describes(TOLD("null", "software"));
	assert_int_equal(world.eks, 1);
}

static void test_certificates(void **state)
{
	(void)state;
	world.certificate = "\"" PEM "\"";
	world.chain = "\"" PEM "\"";
	describes(TOLD("{\"type\":\"ecc-p256\",\"public\":\"ZWs=\",\"certificate\":\"" VECTOR_CA
		       "\",\"chain\":\"" VECTOR_CA "\"}",
		       "tpm"));
}

/* Without the right there is none, and it is asked for again. */
static void test_no_ek(void **state)
{
	static const int CODES[] = {HF_FORBIDDEN, HF_NOT_SUPPORTED, HF_NO_CERTIFICATE,
				    HF_OWNER_AUTH_REQUIRED};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CODES); i++) {
		world.ek_code = CODES[i];
		describes(TOLD("null", "tpm"));
	}
	world.ek_code = 0;
	describes(TOLD(BARE, "tpm"));
}

static const struct {
	int theirs, status; /* of the call, and of whether anybody is there */
	int ours;
	uint32_t again;
} CODES[] = {
	{HF_DAMAGED, 0, ERR_DAMAGED, 0},
	{HF_WRONG_TPM, 0, ERR_DAMAGED, 0},
	{HF_FORBIDDEN, 0, ERR_FORBIDDEN, 0},
	{HF_TPM_REQUIRED, 0, ERR_TPM_REQUIRED, 0},
	{HF_TPM_BUSY, 0, ERR_TPM_BUSY, 2},
	{HF_QUOTA, 0, ERR_TPM_BUSY, 2},
	{HF_STARTING, 0, ERR_STARTING, 2},
	{HF_TPM_LOCKOUT, 0, ERR_TPM_LOCKOUT, 0},
	{HF_TPM_FAILED, 0, ERR_TPM_FAILED, 0},
	{HF_TPM_CHANGED, 0, ERR_TPM_CHANGED, 0},
	{HF_NOT_FOUND, 0, ERR_NOT_SUPPORTED, 0},
	{HF_INTERNAL, 0, ERR_INTERNAL, 0},
	{HF_INTERNAL, HF_INTERNAL, ERR_TPM_REQUIRED, 0},
	{HF_INTERNAL, HF_STARTING, ERR_INTERNAL, 0},
};

static void test_codes(void **state)
{
	static const uint8_t BYTES[] = {1, 2, 3};
	const struct duplicate wrapped = {slice_of(BYTES, 1), slice_of(BYTES, 2),
					  slice_of(BYTES, 3)};
	struct buf json = BUF_INIT(LONG);
	struct secret *secret = NULL;
	bool is_tpm;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CODES); i++) {
		struct err errs[4];
		size_t j;

		world.code = CODES[i].theirs;
		world.status_code = CODES[i].status;
		(void)!device.ops.describe(&device, &json, &errs[0]);
		(void)!device.ops.activate(&device, slice_of(BYTES, 3), &secret, &errs[1]);
		(void)!device.ops.unwrap(&device, &wrapped, &secret, &errs[2]);
		(void)!device.ops.storage_key(&device, false, &json, &is_tpm, &errs[3]);
		for (j = 0; j < ARRAY_LEN(errs); j++) {
			assert_int_equal(errs[j].code, CODES[i].ours);
			assert_int_equal(errs[j].retry_after, CODES[i].again);
		}
		assert_null(secret);
		assert_int_equal(json.len, 0);
	}
}

static void test_secrets(void **state)
{
	static const uint8_t BYTES[] = {1, 2, 3};
	const struct duplicate wrapped = {slice_of(BYTES, 1), slice_of(BYTES, 2),
					  slice_of(BYTES, 3)};
	struct secret *one = NULL, *other = NULL;
	struct err err;

	(void)state;
	assert_int_equal(device.ops.activate(&device, slice_of(BYTES, 3), &one, &err), 0);
	assert_int_equal(device.ops.unwrap(&device, &wrapped, &other, &err), 0);
	assert_true(slice_equal(secret_slice(one), slice_str("secret")));
	assert_true(slice_equal(secret_slice(other), slice_str("secret")));
	secret_free(one);
	secret_free(other);
}

static void has_key(bool anew, bool tpm, unsigned asked)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(LONG);
	bool is_tpm = !tpm;
	struct err err;

	assert_int_equal(device.ops.storage_key(&device, anew, &area, &is_tpm, &err), 0);
	assert_true(slice_equal(buf_slice(&area), slice_str("storage")));
	assert_int_equal(is_tpm, tpm);
	assert_int_equal(world.asked, asked);
}

/* It is asked for once, until something does not open, or who asks wants to know for sure. */
static void test_storage_key(void **state)
{
	static const uint8_t BYTES[] = {1, 2, 3};
	const struct duplicate wrapped = {slice_of(BYTES, 1), slice_of(BYTES, 2),
					  slice_of(BYTES, 3)};
	struct buf area = BUF_INIT(LONG);
	struct secret *secret = NULL;
	struct err err;
	bool is_tpm;

	(void)state;
	has_key(false, true, 1);
	has_key(false, true, 1);
	assert_int_equal(device.ops.unwrap(&device, &wrapped, &secret, &err), 0);
	secret_free(secret);
	has_key(false, true, 1);
	has_key(true, true, 2);
	world.protection = "software";
	has_key(false, true, 2);
	world.code = HF_WRONG_TPM;
	assert_int_equal(device.ops.unwrap(&device, &wrapped, &secret, &err), ERR_DAMAGED);
	world.code = 0;
	has_key(false, false, 3);
	world.protection = "tpm";
	world.code = HF_DAMAGED;
	assert_int_equal(device.ops.activate(&device, slice_of(BYTES, 3), &secret, &err),
			 ERR_DAMAGED);
	world.code = 0;
	has_key(false, true, 4);
	/* What was asked anew and is not there is not there. */
	world.code = HF_TPM_REQUIRED;
	assert_int_equal(device.ops.storage_key(&device, true, &area, &is_tpm, &err),
			 ERR_TPM_REQUIRED);
	assert_int_equal(device.ops.storage_key(&device, false, &area, &is_tpm, &err),
			 ERR_TPM_REQUIRED);
	assert_int_equal(area.len, 0);
	/* The chip was never asked for its endorsement key. */
	assert_int_equal(world.eks, 0);
}

/* More than are remembered: each is right, and has its own endorsement key. */
static void test_many_keys(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		CLEANUP(buf_fini) struct buf area = BUF_INIT(LONG), json = BUF_INIT(LONG);
		struct err err;
		bool is_tpm;

		world.number = i + 1;
		assert_int_equal(device.ops.storage_key(&device, true, &area, &is_tpm, &err), 0);
		assert_int_equal(area.data[area.len - 1], (uint8_t)(i + 1));
		assert_int_equal(device.ops.describe(&device, &json, &err), 0);
		assert_int_equal(world.eks, i + 1);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_describe, begin, end),
		cmocka_unit_test_setup_teardown(test_certificates, begin, end),
		cmocka_unit_test_setup_teardown(test_no_ek, begin, end),
		cmocka_unit_test_setup_teardown(test_codes, begin, end),
		cmocka_unit_test_setup_teardown(test_secrets, begin, end),
		cmocka_unit_test_setup_teardown(test_storage_key, begin, end),
		cmocka_unit_test_setup_teardown(test_many_keys, begin, end),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
