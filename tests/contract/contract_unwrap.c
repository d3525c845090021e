/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others have sealed for the storage key: by our own hand, without a TPM (src/wrap), and by
 * pytss (tests/support/wrap.py). It opens on its device and nowhere else, once it is exactly such
 * sealed data.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/contract/contract_impl.h"
#include "tests/support/tool.h"
#include "wrap/credential.h"
#include "wrap/duplicate.h"

#define PARTS 3u

/* Whatever is wrong, and on both providers. */
#define DAMAGED "it was sealed for another storage key, or changed, or is no such sealed data"

static struct wrap_public *storage_of(struct provider *p)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct wrap_public *storage = NULL;
	struct err err = {0};

	contract_expect(provider_storage_key(p, &key, &err), 0, &err, "storage key");
	contract_expect(wrap_public_read(buf_slice(&key.public), &storage, &err), 0, &err,
			"its public area");
	assert_true(slice_equal(buf_slice(&key.name), wrap_public_name(storage)));
	assert_int_equal(key.object.len, 0);
	assert_int_equal(key.uses, 0);
	return storage;
}

static struct provider *other_device(void)
{
	struct provider *p = NULL;
	struct err err = {0};

	contract_expect(contract_factory->open(contract_factory, 1, &p, &err), 0, &err, "another");
	return p;
}

static void seal(const struct wrap_public *storage, const struct secret *data,
		 struct duplicate_made *ret_made)
{
	struct err err = {0};

	contract_expect(duplicate_make(storage, data, ret_made, &err), 0, &err, "duplicate");
}

/* The code; what comes out must be @expected, and nothing must when it fails. */
static int unwrap(struct provider *p, const struct duplicate_made *made,
		  const struct secret *expected, struct err *err)
{
	const struct provider_wrapped wrapped = {
		.public_area = buf_slice(&made->public_area),
		.private_area = buf_slice(&made->private_area),
		.seed = buf_slice(&made->seed),
	};
	struct secret *const untouched = (struct secret *)(void *)&contract_factory;
	struct secret *plain = untouched;
	int r = provider_unwrap(p, &wrapped, &plain, err);

	if (r < 0) {
		assert_ptr_equal(plain, untouched);
		if (r == ERR_DAMAGED) {
			assert_string_equal(err->text, DAMAGED);
			assert_int_equal(err->origin_kind, ERR_ORIGIN_NONE);
		}
		return r;
	}
	assert_true(slice_equal(secret_slice(plain), secret_slice(expected)));
	secret_free(plain);
	return 0;
}

static void expect_unwrap(const struct duplicate_made *made, const struct secret *data, int wanted,
			  const char *what)
{
	struct err err = {0};
	int r = unwrap(contract_provider, made, data, &err);

	contract_expect(r, wanted, &err, what);
}

static uint64_t commands_of(struct provider *p)
{
	struct provider_status status;

	provider_status(p, &status);
	return status.commands;
}

/* A storage key for everybody, whose attributes do not lie about what it is. */
void contract_unwrap_storage(void **state)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL, *again = NULL;
	CLEANUP(wrap_public_cleanup) struct wrap_public *others = NULL;
	CLEANUP(provider_cleanup) struct provider *other = other_device();

	(void)state;
	storage = storage_of(contract_provider);
	assert_int_equal(wrap_public_unfit(storage) == NULL, contract_on_chip());
	others = storage_of(other);
	assert_false(slice_equal(wrap_public_name(storage), wrap_public_name(others)));
	contract_reopen();
	again = storage_of(contract_provider);
	assert_true(slice_equal(wrap_public_area(storage), wrap_public_area(again)));
}

void contract_unwrap(void **state)
{
	static const size_t sizes[] = {1, 31, 64, DUPLICATE_DATA_MAX};
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = storage_of(contract_provider);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(duplicate_made_cleanup)
		struct duplicate_made made = DUPLICATE_MADE_INIT;
		CLEANUP(secret_cleanup) struct secret *data = contract_secret(sizes[i]);
		uint64_t before;

		seal(storage, data, &made);
		expect_unwrap(&made, data, 0, "what was sealed for it");
		before = commands_of(contract_provider);
		expect_unwrap(&made, data, 0, "once more");
		assert_int_equal(commands_of(contract_provider) - before, contract_on_chip());
		contract_reopen();
		expect_unwrap(&made, data, 0, "after closing and opening");
	}
}

/* More than are remembered, and than a chip has slots. */
void contract_unwrap_many(void **state)
{
	enum { MANY = PROVIDER_UNWRAPPED + 3 };
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = storage_of(contract_provider);
	struct duplicate_made *made = calloc(MANY, sizeof(*made));

	(void)state;
	assert_non_null(made);
	for (size_t i = 0; i < MANY; i++) {
		CLEANUP(secret_cleanup) struct secret *data = contract_secret(1 + i);

		made[i] = (struct duplicate_made)DUPLICATE_MADE_INIT;
		seal(storage, data, &made[i]);
	}
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < MANY; i++) {
			CLEANUP(secret_cleanup) struct secret *data = contract_secret(1 + i);

			expect_unwrap(&made[i], data, 0, "one of many");
		}
	for (size_t i = 0; i < MANY; i++)
		duplicate_made_fini(&made[i]);
	free(made);
}

static struct buf *part_of(struct duplicate_made *made, size_t which)
{
	return which == 0 ? &made->public_area : which == 1 ? &made->private_area : &made->seed;
}

static void check_changes(struct buf *part, struct duplicate_made *made, const struct secret *data)
{
	const size_t whole = part->len;

	for (size_t i = 0; i < whole; i = contract_next(i, whole)) {
		part->data[i] ^= (uint8_t)(1u << i % 8);
		expect_unwrap(made, data, ERR_DAMAGED, "a changed byte");
		part->data[i] ^= (uint8_t)(1u << i % 8);
	}
	part->len--;
	expect_unwrap(made, data, ERR_DAMAGED, "a byte less");
	part->len++;
	buf_put_u8(part, 0);
	expect_unwrap(made, data, ERR_DAMAGED, "a byte more");
	part->len = 0;
	expect_unwrap(made, data, ERR_INVALID, "nothing");
	part->len = whole;
}

void contract_unwrap_changed(void **state)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = storage_of(contract_provider);
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *data = contract_secret(64);
	struct provider_status before, after;

	(void)state;
	seal(storage, data, &made);
	provider_status(contract_provider, &before);
	for (unsigned remembered = 0; remembered < 2; remembered++) {
		for (size_t i = 0; i < PARTS; i++)
			check_changes(part_of(&made, i), &made, data);
		expect_unwrap(&made, data, 0, "as it was made");
	}
	/* No chip counts that, nor is there anything wrong with it. */
	provider_status(contract_provider, &after);
	assert_int_equal(after.lockout_counter, before.lockout_counter);
	assert_false(after.in_lockout);
	assert_null(after.fault);
}

/* A chip would take bytes behind the point: no seed is of two forms. */
void contract_unwrap_seed(void **state)
{
	static const struct {
		uint16_t outer; /* what its size says more */
		const char *behind;
		size_t count;
	} rows[] = {{1, "x", 1}, {2, "\0\0", 2}, {0, "x", 1}, {200, NULL, 200}};
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = storage_of(contract_provider);
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *data = contract_secret(64);
	size_t whole;

	(void)state;
	seal(storage, data, &made);
	whole = made.seed.len;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint16_t size = (uint16_t)(whole - 2 + rows[i].outer);

		for (size_t k = 0; k < rows[i].count; k++)
			buf_put_u8(&made.seed, rows[i].behind ? (uint8_t)rows[i].behind[k] : 0);
		made.seed.data[0] = (uint8_t)(size >> 8);
		made.seed.data[1] = (uint8_t)size;
		expect_unwrap(&made, data, ERR_DAMAGED, "bytes behind the point");
		made.seed.len = whole;
	}
	made.seed.data[0] = (uint8_t)((whole - 2) >> 8);
	made.seed.data[1] = (uint8_t)(whole - 2);
	expect_unwrap(&made, data, 0, "as it was made");
}

void contract_unwrap_elsewhere(void **state)
{
	CLEANUP(provider_cleanup) struct provider *other = other_device();
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = storage_of(contract_provider);
	CLEANUP(wrap_public_cleanup) struct wrap_public *others = storage_of(other);
	CLEANUP(duplicate_made_cleanup) struct duplicate_made a = DUPLICATE_MADE_INIT;
	CLEANUP(duplicate_made_cleanup) struct duplicate_made b = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *data = contract_secret(64);
	struct duplicate_made mixed;
	struct err err = {0};
	int r;

	(void)state;
	seal(storage, data, &a);
	seal(others, data, &b);
	expect_unwrap(&b, data, ERR_DAMAGED, "what was sealed for another");
	r = unwrap(other, &b, data, &err);
	contract_expect(r, 0, &err, "for whom it was sealed");
	r = unwrap(other, &a, data, &err);
	contract_expect(r, ERR_DAMAGED, &err, "ours, there");
	for (size_t i = 0; i < PARTS; i++) {
		mixed = a;
		*part_of(&mixed, i) = *part_of(&b, i);
		expect_unwrap(&mixed, data, ERR_DAMAGED, "a part of another's");
	}
	expect_unwrap(&a, data, 0, "ours, here");
}

/* --- by pytss ------------------------------------------------------------------------------ */

static void by_pytss(const char *dir, const char *how, struct duplicate_made *ret_made)
{
	char storage[64], data[64];

	snprintf(storage, sizeof(storage), "%s/storage", dir);
	snprintf(data, sizeof(data), "%s/data", dir);
	assert_int_equal(TOOL_RUN(WRAP_TOOL, storage, data, dir, how), 0);
	for (size_t i = 0; i < PARTS; i++)
		buf_reset(part_of(ret_made, i));
	tool_read(dir, "public", &ret_made->public_area);
	tool_read(dir, "duplicate", &ret_made->private_area);
	tool_read(dir, "seed", &ret_made->seed);
}

/* All are whole and for this device; only the first is what a device key is. */
static const struct {
	const char *how;
	int code;
} kinds[] = {
	{NULL, 0},
	{"auth=sesame", ERR_DAMAGED},
	{"attributes=40", ERR_DAMAGED},
	{"attributes=400", ERR_DAMAGED},
	{"attributes=40440", ERR_DAMAGED}, /* may sign */
	{"attributes=c40", ERR_DAMAGED},   /* would need its own inner wrapper */
	{"policy", ERR_DAMAGED},
	{"scheme", ERR_DAMAGED},
	{"sha384", ERR_DAMAGED},
	{"inner", ERR_DAMAGED},
};

static void remove_in(const char *dir)
{
	static const char *const NAMES[] = {"storage",	 "data", "public",
					    "duplicate", "seed", "key.json"};
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, NAMES[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

void contract_unwrap_others(void **state)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = storage_of(contract_provider);
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *data = contract_secret(64);
	char dir[] = "/tmp/hd-unwrap-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	tool_write(dir, "storage", wrap_public_area(storage));
	tool_write(dir, "data", secret_slice(data));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		by_pytss(dir, kinds[i].how, &made);
		expect_unwrap(&made, data, kinds[i].code, kinds[i].how ? kinds[i].how : "pytss");
		expect_unwrap(&made, data, kinds[i].code, "and again");
	}
	remove_in(dir);
}

/* --- challenges ---------------------------------------------------------------------------- */

/* As an origin makes one. */
static struct slice challenge(struct slice name, enum pkey_type type, struct buf *ret_file,
			      const struct secret *secret)
{
	CLEANUP(ek_result_cleanup) struct ek_result ek = EK_RESULT_INIT;
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
	struct err err = {0};

	contract_expect(provider_ek(contract_provider, type, &ek, &err), 0, &err, "an EK");
	contract_expect(wrap_public_read(buf_slice(&ek.public), &public, &err), 0, &err,
			"its area");
	contract_expect(credential_make(public, name, secret, ret_file, &err), 0, &err,
			"challenge");
	return slice_of(ret_file->data + 8, ret_file->len - 8);
}

static int answer(struct slice parts, enum pkey_type type, const struct secret *expected)
{
	struct cursor cursor = cursor_of(parts);
	const struct credential credential = {.ek = type,
					      .blob = contract_take_sized(&cursor),
					      .secret = contract_take_sized(&cursor)};
	struct secret *got = NULL;
	struct err err = {0};
	int r = provider_storage_activate(contract_provider, &credential, &got, &err);

	assert_int_equal(r == 0, got != NULL);
	if (r == 0)
		assert_true(slice_equal(secret_slice(got), secret_slice(expected)));
	secret_free(got);
	return r;
}

void contract_storage_activate(void **state)
{
	static const enum pkey_type types[] = {PKEY_TYPES, PKEY_ECC_P256, PKEY_RSA_2048};
	CLEANUP(secret_cleanup) struct secret *secret = contract_secret(CREDENTIAL_SECRET_MAX);
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = storage_of(contract_provider);
	uint8_t other[WRAP_NAME_SIZE];
	struct slice name = wrap_public_name(storage);

	(void)state;
	if (!contract_on_chip()) {
		assert_int_equal(answer(slice_of("\0\4blob\0\6secret", 14), PKEY_TYPES, NULL),
				 ERR_TPM_REQUIRED);
		return;
	}
	memcpy(other, name.data, sizeof(other));
	other[sizeof(other) - 1] ^= 1;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		CLEANUP(buf_fini) struct buf good = BUF_INIT(CREDENTIAL_FILE_MAX);
		CLEANUP(buf_fini) struct buf bad = BUF_INIT(CREDENTIAL_FILE_MAX);
		struct slice parts = challenge(name, types[i], &good, secret);

		assert_int_equal(answer(parts, types[i], secret), 0);
		good.data[good.len - 1] ^= 1;
		assert_int_equal(answer(parts, types[i], secret), ERR_DAMAGED);
		good.data[good.len - 1] ^= 1;
		assert_int_equal(answer(parts, types[i], secret), 0);
		parts = challenge(slice_of(other, sizeof(other)), types[i], &bad, secret);
		assert_int_equal(answer(parts, types[i], secret), ERR_DAMAGED);
	}
	assert_int_equal(answer(slice_of("\0\0\0\0", 4), PKEY_TYPES, NULL), ERR_DAMAGED);
}
