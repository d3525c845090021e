/* SPDX-License-Identifier: Apache-2.0 */

/* Saved contexts: nobody else's, not changed, and short enough for a response. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/saved.h"
#include "provider/guest.h"

#define OUTER_SIZE 18u /* sequence, handle, hierarchy, size of the blob */

static uint8_t bytes[SAVED_CONTEXT_MAX];

struct keys {
	struct secret *secret;
	uint8_t id[BROKER_TENANT_ID_SIZE];
	struct saved_key key;
};

static void keys_init(struct keys *keys, uint8_t secret, uint8_t id)
{
	struct err err;

	assert_int_equal(secret_new(BROKER_KEY_SIZE, &keys->secret, &err), 0);
	secret_data(keys->secret)[0] = secret;
	keys->id[0] = id;
	keys->key = (struct saved_key){.broker = keys->secret, .id = keys->id};
}

static const struct saved SAVED = {
	.head = {7, 0x80000000, 0x40000001},
	.kind = GUEST_OBJECT,
	.no_da = true,
	.context = {bytes, 500},
	.recipe = {bytes, 300},
};

static int open_context(const struct keys *keys, struct slice context, struct saved *ret_saved,
			struct secret **ret_plain)
{
	struct cursor cursor = cursor_of(context);
	struct saved_head head;
	struct slice blob;
	struct err err;

	head.sequence = cursor_u64(&cursor);
	head.handle = cursor_u32(&cursor);
	head.hierarchy = cursor_u32(&cursor);
	blob = cursor_take(&cursor, cursor_u16(&cursor));
	if (!cursor_done(&cursor))
		return ERR_DAMAGED;
	return saved_open(&keys->key, &head, blob, ret_saved, ret_plain, &err);
}

static void test_there_and_back(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SAVED_CONTEXT_MAX);
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct saved saved;
	struct keys keys;
	struct err err;

	(void)state;
	keys_init(&keys, 1, 1);
	assert_int_equal(saved_seal(&keys.key, &SAVED, &context, &err), 0);
	assert_int_equal(open_context(&keys, buf_slice(&context), &saved, &plain), 0);
	assert_int_equal(saved.kind, SAVED.kind);
	assert_true(saved.no_da);
	assert_true(slice_equal(saved.context, SAVED.context));
	assert_true(slice_equal(saved.recipe, SAVED.recipe));
	assert_int_equal(saved.head.sequence, 7);
	secret_free(keys.secret);
}

static void test_of_others(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SAVED_CONTEXT_MAX);
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct keys keys, others[2];
	struct saved saved;
	struct err err;
	size_t i;

	(void)state;
	keys_init(&keys, 1, 1);
	keys_init(&others[0], 1, 2);
	keys_init(&others[1], 2, 1);
	assert_int_equal(saved_seal(&keys.key, &SAVED, &context, &err), 0);
	for (i = 0; i < ARRAY_LEN(others); i++) {
		assert_int_equal(open_context(&others[i], buf_slice(&context), &saved, &plain),
				 ERR_DAMAGED);
		secret_free(others[i].secret);
	}
	secret_free(keys.secret);
}

static void test_every_byte_counts(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SAVED_CONTEXT_MAX);
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct saved saved;
	struct keys keys;
	struct err err;
	size_t i;

	(void)state;
	keys_init(&keys, 1, 1);
	assert_int_equal(saved_seal(&keys.key, &SAVED, &context, &err), 0);
	for (i = 0; i < context.len; i++) {
		context.data[i] ^= 1;
		assert_int_equal(open_context(&keys, buf_slice(&context), &saved, &plain),
				 ERR_DAMAGED);
		context.data[i] ^= 1;
	}
	for (i = 0; i < context.len - OUTER_SIZE; i++) { /* and every one must be there */
		struct slice blob = slice_of(context.data + OUTER_SIZE, i);

		assert_int_equal(saved_open(&keys.key, &SAVED.head, blob, &saved, &plain, &err),
				 ERR_DAMAGED);
	}
	assert_null(plain);
	secret_free(keys.secret);
}

static void test_sizes(void **state)
{
	static const struct {
		size_t context, recipe;
		int r;
		bool has_recipe;
	} cases[] = {
		{0, 0, 0, false},
		{3000, 1000, 0, true},
		{3000, 1031, 0, true},
		{3000, 1032, 0, false}, /* one byte more than fits */
		{4031, 0, 0, false},
		{4032, 0, ERR_TOO_LARGE, false},
		{sizeof(bytes), 0, ERR_TOO_LARGE, false},
	};
	struct keys keys;
	struct err err;
	size_t i;

	(void)state;
	keys_init(&keys, 1, 1);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf context = BUF_INIT(SAVED_CONTEXT_MAX);
		CLEANUP(secret_cleanup) struct secret *plain = NULL;
		struct saved saved = SAVED, opened;

		saved.context.len = cases[i].context;
		saved.recipe.len = cases[i].recipe;
		assert_int_equal(saved_seal(&keys.key, &saved, &context, &err), cases[i].r);
		assert_true(buf_ok(&context));
		if (cases[i].r)
			continue;
		assert_int_equal(open_context(&keys, buf_slice(&context), &opened, &plain), 0);
		assert_int_equal(opened.context.len, cases[i].context);
		assert_int_equal(opened.recipe.len, cases[i].has_recipe ? cases[i].recipe : 0);
	}
	secret_free(keys.secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_of_others),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
