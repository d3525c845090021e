/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage key in software: it is the one of docs/BLOB.md for ever, says what it is, and opens
 * what was made for it, from any thread, and nothing else.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <threads.h>

#include "base/base64.h"
#include "provider/legacy/legacy.h"
#include "wrap/credential.h"
#include "wrap/duplicate.h"

static struct provider *provider, *other;

static struct provider *open_with(uint8_t first)
{
	CLEANUP(secret_cleanup) struct secret *host_key = NULL;
	struct provider *opened = NULL;
	struct err err = {0};

	assert_int_equal(secret_new(32, &host_key, &err), 0);
	for (size_t i = 0; i < 32; i++)
		secret_data(host_key)[i] = (uint8_t)(first + i);
	assert_int_equal(legacy_open(host_key, &opened, &err), 0);
	return opened;
}

static int setup(void **state)
{
	(void)state;
	provider = open_with(0);
	other = open_with(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	provider_free(provider);
	provider_free(other);
	return 0;
}

static struct wrap_public *public_of(struct provider *p)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	struct wrap_public *public = NULL;
	struct err err = {0};

	assert_int_equal(provider_storage_key(p, &key, &err), 0);
	assert_int_equal(key.type, PKEY_ECC_P256);
	assert_int_equal(key.uses, 0);
	assert_int_equal(key.object.len, 0);
	assert_int_equal(wrap_public_read(buf_slice(&key.public), &public, &err), 0);
	assert_true(slice_equal(buf_slice(&key.name), wrap_public_name(public)));
	assert_int_equal(pkey_to_spki(wrap_public_key(public), &spki, &err), 0);
	assert_true(slice_equal(buf_slice(&key.spki), buf_slice(&spki)));
	return public;
}

/* Worked out from the host key 00..1f by another program, in integers. */
static void test_vector(void **state)
{
	static const char area[] =
		"005a0023000b00030440000000060080004300100003001000"
		"20df555d3f94784c12694d00296c121895c2190b40592054c7b54b9dcc7a3657"
		"030020d073caffdbfb336a7987a67ed8b1d93ace80fc03de083ecabafe049f3e"
		"c0c7f9";
	static const char name[] =
		"000b175e0a03b7ad55314282140d5133b229c736ba4c366e776f272d7dce124ab933";
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = public_of(provider);
	CLEANUP(buf_fini) struct buf hex = BUF_INIT(512);
	char told[WRAP_NAME_HEX];

	(void)state;
	hex_encode(&hex, wrap_public_area(public));
	assert_true(slice_equal(buf_slice(&hex), slice_str(area)));
	wrap_public_hex(public, told);
	assert_string_equal(told, name);
	/* It does not pass for a TPM's. */
	assert_string_equal(wrap_public_unfit(public), "may leave its TPM");
}

static void test_of_its_host(void **state)
{
	struct provider *again = open_with(0);
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = public_of(provider);
	CLEANUP(wrap_public_cleanup) struct wrap_public *same = public_of(again);
	CLEANUP(wrap_public_cleanup) struct wrap_public *another = public_of(other);

	(void)state;
	assert_true(slice_equal(wrap_public_name(public), wrap_public_name(same)));
	assert_false(slice_equal(wrap_public_name(public), wrap_public_name(another)));
	provider_free(again);
}

static void make(struct provider *p, const char *text, struct duplicate_made *ret_made)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = public_of(p);
	CLEANUP(secret_cleanup) struct secret *data = NULL;
	struct err err = {0};

	assert_int_equal(secret_copy(slice_str(text), &data, &err), 0);
	assert_int_equal(duplicate_make(public, data, ret_made, &err), 0);
}

static int unwrap(struct provider *p, const struct duplicate_made *made, const char *text)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	const struct provider_wrapped wrapped = {
		.public_area = buf_slice(&made->public_area),
		.private_area = buf_slice(&made->private_area),
		.seed = buf_slice(&made->seed),
	};
	struct err err = {0};
	int r = provider_unwrap(p, &wrapped, &plain, &err);

	if (r < 0)
		return plain ? 1 : r;
	return slice_equal(secret_slice(plain), slice_str(text)) ? 0 : 1;
}

static void test_unwrap(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;

	(void)state;
	make(provider, "a key", &made);
	for (int i = 0; i < 2; i++)
		assert_int_equal(unwrap(provider, &made, "a key"), 0);
	assert_int_equal(unwrap(other, &made, "a key"), ERR_DAMAGED);
	made.private_area.data[40] ^= 1;
	assert_int_equal(unwrap(provider, &made, "a key"), ERR_DAMAGED);
}

/* Whoever wants proof wants a TPM. */
static void test_no_proof(void **state)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = public_of(provider);
	CLEANUP(buf_fini) struct buf file = BUF_INIT(CREDENTIAL_FILE_MAX);
	CLEANUP(secret_cleanup) struct secret *hidden = NULL;
	struct secret *answer = NULL;
	struct credential credential = {.ek = PKEY_ECC_P256};
	struct cursor cursor;
	struct err err = {0};

	(void)state;
	assert_int_equal(secret_copy(slice_str("hidden"), &hidden, &err), 0);
	assert_int_equal(credential_make(public, wrap_public_name(public), hidden, &file, &err), 0);
	cursor = cursor_of(slice_of(file.data + 8, file.len - 8));
	credential.blob.data = cursor.rest.data;
	credential.blob.len = 2u + cursor_u16(&cursor);
	(void)cursor_take(&cursor, credential.blob.len - 2);
	credential.secret = cursor.rest;
	assert_int_equal(provider_storage_activate(provider, &credential, &answer, &err),
			 ERR_TPM_REQUIRED);
	assert_null(answer);
}

static int work(void *arg)
{
	for (unsigned i = 0; i < 50; i++)
		if (unwrap(provider, arg, "shared") != 0)
			return 1;
	return 0;
}

static void test_threads(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	thrd_t threads[4];

	(void)state;
	make(provider, "shared", &made);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(thrd_create(&threads[i], work, &made), thrd_success);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		int failed = 1;

		assert_int_equal(thrd_join(threads[i], &failed), thrd_success);
		assert_int_equal(failed, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),	cmocka_unit_test(test_of_its_host),
		cmocka_unit_test(test_unwrap),	cmocka_unit_test(test_no_proof),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
