/* SPDX-License-Identifier: Apache-2.0 */
/* Duplicates in software, both ways: what opens, and all that must not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wrap/credential.h"
#include "wrap/duplicate.h"
#include "wrap/impl.h"
#include "wrap/seed.h"

static struct pkey *own, *other;
static struct wrap_public *parent;

static struct wrap_public *public_of(const struct pkey *pair)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
	struct wrap_public *public = NULL;
	struct err err = {0};

	assert_int_equal(wrap_public_of_software(pair, &area, &err), 0);
	assert_int_equal(wrap_public_read(buf_slice(&area), &public, &err), 0);
	return public;
}

static int setup(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &own, &err), 0);
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &other, &err), 0);
	parent = public_of(own);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	wrap_public_free(parent);
	pkey_free(own);
	pkey_free(other);
	return 0;
}

static struct secret *secret_of(size_t len)
{
	struct secret *secret = NULL;
	struct err err = {0};

	assert_int_equal(secret_new(len, &secret, &err), 0);
	for (size_t i = 0; i < len; i++)
		secret_data(secret)[i] = (uint8_t)(i + 1);
	return secret;
}

static void make(const struct wrap_public *to, size_t len, struct duplicate_made *ret_made)
{
	CLEANUP(secret_cleanup) struct secret *data = secret_of(len);
	struct err err = {0};

	assert_int_equal(duplicate_make(to, data, ret_made, &err), 0);
}

static int open_with(const struct pkey *pair, const struct wrap_public *as,
		     const struct duplicate *duplicate, size_t len)
{
	CLEANUP(secret_cleanup) struct secret *data = NULL;
	struct err err = {0};
	int r = duplicate_open(pair, as, duplicate, &data, &err);

	assert_int_equal(r, err.code);
	if (r < 0) {
		assert_null(data);
	} else {
		CLEANUP(secret_cleanup) struct secret *wanted = secret_of(len);

		assert_true(secret_equal(secret_slice(data), secret_slice(wanted)));
		assert_int_equal(duplicate_check(duplicate, &err), 0);
	}
	return r;
}

/* --- there and back ------------------------------------------------------------------------ */

static void test_sizes(void **state)
{
	static const size_t good[] = {1, 2, 32, 64, 127, 128}, bad[] = {0, 129, 240, 4096};
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	struct duplicate duplicate;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		make(parent, good[i], &made);
		duplicate = duplicate_of(&made);
		assert_int_equal(open_with(own, parent, &duplicate, good[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(secret_cleanup) struct secret *data = secret_of(bad[i]);
		struct err err = {0};

		assert_int_equal(duplicate_make(parent, data, &made, &err), ERR_INVALID);
	}
	/* The last good one is still there. */
	assert_int_equal(open_with(own, parent, &duplicate, 128), 0);
}

/* Nobody sees from two of them that they hold the same. */
static void test_never_the_same(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made a = DUPLICATE_MADE_INIT;
	CLEANUP(duplicate_made_cleanup) struct duplicate_made b = DUPLICATE_MADE_INIT;

	(void)state;
	make(parent, 64, &a);
	make(parent, 64, &b);
	assert_false(slice_equal(buf_slice(&a.public_area), buf_slice(&b.public_area)));
	assert_false(slice_equal(buf_slice(&a.private_area), buf_slice(&b.private_area)));
	assert_false(slice_equal(buf_slice(&a.seed), buf_slice(&b.seed)));
}

/* The bytes that a chip is given, but for what is random. */
static void test_form(void **state)
{
	static const uint8_t head[] = {0x00, 0x2e, 0x00, 0x08, 0x00, 0x0b, 0x00, 0x00,
				       0x04, 0x40, 0x00, 0x00, 0x00, 0x10, 0x00, 0x20};
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;

	(void)state;
	make(parent, 64, &made);
	assert_int_equal(made.public_area.len, 48);
	assert_memory_equal(made.public_area.data, head, sizeof(head));
	assert_int_equal(made.private_area.len, 2 + 34 + 42 + 64);
	assert_memory_equal(made.private_area.data, "\x00\x8c\x00\x20", 4);
	assert_int_equal(made.seed.len, 70);
	assert_memory_equal(made.seed.data, "\x00\x44\x00\x20", 4);
	assert_memory_equal(made.seed.data + 36, "\x00\x20", 2);
}

/* --- what must not open -------------------------------------------------------------------- */

static void test_other_keys(void **state)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *others = public_of(other);
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(pkey_cleanup) struct pkey *p384 = NULL;
	struct duplicate duplicate;
	struct err err = {0};

	(void)state;
	make(parent, 64, &made);
	duplicate = duplicate_of(&made);
	assert_int_equal(pkey_generate(PKEY_ECC_P384, &p384, &err), 0);
	assert_int_equal(open_with(other, parent, &duplicate, 64), ERR_DAMAGED);
	assert_int_equal(open_with(own, others, &duplicate, 64), ERR_DAMAGED);
	assert_int_equal(open_with(other, others, &duplicate, 64), ERR_DAMAGED);
	assert_int_equal(open_with(p384, parent, &duplicate, 64), ERR_DAMAGED);
	assert_int_equal(open_with(wrap_public_key(parent), parent, &duplicate, 64), ERR_DAMAGED);
	assert_int_equal(open_with(own, parent, &duplicate, 64), 0);
}

static struct slice *part_of(struct duplicate *duplicate, unsigned part)
{
	struct slice *const parts[] = {&duplicate->public_area, &duplicate->private_area,
				       &duplicate->seed};

	return parts[part];
}

static void test_every_bit(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	struct buf *const parts[] = {&made.public_area, &made.private_area, &made.seed};
	struct duplicate duplicate;

	(void)state;
	make(parent, 64, &made);
	duplicate = duplicate_of(&made);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		for (size_t bit = 0; bit < 8 * parts[i]->len; bit++) {
			uint8_t *byte = &parts[i]->data[bit / 8];

			*byte ^= (uint8_t)(1u << (bit % 8));
			assert_int_equal(open_with(own, parent, &duplicate, 64), ERR_DAMAGED);
			*byte ^= (uint8_t)(1u << (bit % 8));
		}
	}
	assert_int_equal(open_with(own, parent, &duplicate, 64), 0);
}

/* Cut anywhere, or with a byte behind. */
static void test_lengths(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	struct err err = {0};

	(void)state;
	make(parent, 1, &made);
	for (unsigned part = 0; part < 3; part++) {
		struct duplicate whole = duplicate_of(&made);
		const struct slice good = *part_of(&whole, part);

		for (size_t len = 0; len <= good.len + 1; len++) {
			/* A copy without room behind it: whoever reads on is found. */
			uint8_t *bytes = calloc(1, len ? len : 1);

			memcpy(bytes, good.data, len < good.len ? len : good.len);
			*part_of(&whole, part) = slice_of(bytes, len);
			if (len != good.len)
				assert_int_equal(duplicate_check(&whole, &err), ERR_DAMAGED);
			if (len != good.len)
				assert_int_equal(open_with(own, parent, &whole, 1), ERR_DAMAGED);
			else
				assert_int_equal(open_with(own, parent, &whole, 1), 0);
			free(bytes);
		}
	}
}

/* Parts of two that are each good. */
static void test_mixed(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made a = DUPLICATE_MADE_INIT;
	CLEANUP(duplicate_made_cleanup) struct duplicate_made b = DUPLICATE_MADE_INIT;
	struct err err = {0};

	(void)state;
	make(parent, 64, &a);
	make(parent, 64, &b);
	for (unsigned part = 0; part < 3; part++) {
		struct duplicate mixed = duplicate_of(&a), from = duplicate_of(&b);

		*part_of(&mixed, part) = *part_of(&from, part);
		assert_int_equal(duplicate_check(&mixed, &err), 0);
		assert_int_equal(open_with(own, parent, &mixed, 64), ERR_DAMAGED);
	}
}

/* --- made by somebody who knows how, which anybody may ------------------------------------- */

/* A sealed object in its fields; every zero is the good value of it. */
struct crafted {
	uint16_t type;
	int size, obfuscation, data, hmac_size;
	size_t auth, behind;
	bool other_unique, other_bits;
	uint32_t attributes;
};

static void put_counted(struct buf *buf, const uint8_t *bytes, size_t len, int more)
{
	buf_put_u16(buf, (uint16_t)((int)len + more));
	buf_put(buf, slice_of(bytes, len));
}

static void craft_sensitive(const struct crafted *how, const uint8_t salt[32], struct slice data,
			    struct buf *ret_sensitive)
{
	static const uint8_t zeros[64];
	CLEANUP(buf_fini) struct buf inside = BUF_INIT(512);

	buf_put_u16(&inside, how->type ? how->type : 8);
	put_counted(&inside, zeros, how->auth, 0);
	put_counted(&inside, salt, 32, how->obfuscation);
	put_counted(&inside, data.data, data.len, how->data);
	buf_put(&inside, slice_of(zeros, how->behind));
	put_counted(ret_sensitive, inside.data, inside.len, how->size);
}

static void craft(const struct crafted *how, struct duplicate_made *ret_made)
{
	static const uint8_t salt[32] = {1, 2, 3}, data[64] = {4, 5, 6};
	const struct slice salted[] = {slice_of(salt, 32), slice_of(data, sizeof(data))};
	CLEANUP(buf_fini) struct buf area = BUF_INIT(512), sensitive = BUF_INIT(512);
	CLEANUP(buf_fini) struct buf private = BUF_INIT(512), sealed = BUF_INIT(512);
	uint8_t unique[HASH_MAX_SIZE], seed[SEED_SIZE], name[WRAP_NAME_SIZE];
	const struct seed_holder holder = {.key = parent->key, .x = parent->x, .use = "DUPLICATE"};
	const struct duplicate_wrapper wrapper = {
		.seed = slice_of(seed, sizeof(seed)),
		.name = slice_of(name, sizeof(name)),
		.key_bits = how->other_bits ? 256 : 128,
	};
	struct err err = {0};

	assert_int_equal(hash_digest(HASH_SHA256, salted, how->other_unique ? 1 : 2, unique, &err),
			 0);
	buf_put_u32(&area, 0x0008000b);
	buf_put_u32(&area, how->attributes ? how->attributes : 0x440);
	buf_put_u32(&area, 0x00000010);
	put_counted(&area, unique, 32, 0);
	assert_int_equal(public_area_name(buf_slice(&area), name, &err), 0);
	craft_sensitive(how, salt, salted[1], &sensitive);
	assert_int_equal(seed_make(&holder, seed, &sealed, &err), 0);
	assert_int_equal(duplicate_wrap(&wrapper, sensitive.data, sensitive.len, &private, &err),
			 0);
	private.data[1] = (uint8_t)(32 + how->hmac_size);
	put_counted(&ret_made->public_area, area.data, area.len, 0);
	put_counted(&ret_made->private_area, private.data, private.len, 0);
	put_counted(&ret_made->seed, sealed.data, sealed.len, 0);
}

static int open_crafted(const struct crafted *how)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *data = NULL;
	struct duplicate duplicate;
	struct err err = {0};

	craft(how, &made);
	duplicate = duplicate_of(&made);
	return duplicate_open(own, parent, &duplicate, &data, &err);
}

static void test_crafted(void **state)
{
	static const struct crafted bad[] = {
		{.type = 1},
		{.type = 0x23},
		{.size = 1},
		{.size = -1},
		{.auth = 1},
		{.auth = 32},
		{.obfuscation = 1},
		{.obfuscation = -1},
		{.obfuscation = 66},
		{.data = 1},
		{.data = -1},
		{.data = -64},
		{.behind = 1},
		{.hmac_size = 1},
		{.hmac_size = -32},
		{.other_unique = true},
		{.other_bits = true},
		{.attributes = 0x442},
		{.attributes = 0x040},
		{.attributes = 0x400},
		{.attributes = 0x40440},
	};
	const struct crafted good = {.type = 8};

	(void)state;
	assert_int_equal(open_crafted(&good), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int r = open_crafted(&bad[i]);

		if (r != ERR_DAMAGED)
			print_error("row %zu\n", i);
		assert_int_equal(r, ERR_DAMAGED);
	}
}

/* Seeds that are no point of the curve, or one of another: none opens, and none gives away more. */
static void test_bad_points(void **state)
{
	static const struct {
		size_t x, y;
	} rows[] = {{0, 0}, {32, 0}, {0, 32}, {31, 32}, {33, 33}, {48, 48}, {32, 32}, {1, 1}};
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	static const uint8_t ones[48] = {[47] = 1};

	(void)state;
	make(parent, 64, &made);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf point = BUF_INIT(256), seed = BUF_INIT(256);
		struct duplicate duplicate = duplicate_of(&made);

		put_counted(&point, ones, rows[i].x, 0);
		put_counted(&point, ones, rows[i].y, 0);
		put_counted(&seed, point.data, point.len, 0);
		duplicate.seed = buf_slice(&seed);
		assert_int_equal(open_with(own, parent, &duplicate, 64), ERR_DAMAGED);
	}
}

/* --- the wrapper alone, and challenges ----------------------------------------------------- */

static void test_wrapper(void **state)
{
	static const unsigned bad[] = {0, 64, 127, 192, 512};
	uint8_t seed[SEED_SIZE] = {1}, name[WRAP_NAME_SIZE] = {2}, data[50] = {3};
	struct duplicate_wrapper wrapper = {.seed = slice_of(seed, sizeof(seed)),
					    .name = slice_of(name, sizeof(name))};
	CLEANUP(buf_fini) struct buf out = BUF_INIT(100), little = BUF_INIT(40);
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		wrapper.key_bits = bad[i];
		assert_int_equal(duplicate_wrap(&wrapper, data, sizeof(data), &out, &err),
				 ERR_INTERNAL);
	}
	assert_int_equal(out.len, 0);
	wrapper.key_bits = 256;
	assert_int_equal(duplicate_wrap(&wrapper, data, sizeof(data), &out, &err), 0);
	assert_int_equal(out.len, 34 + sizeof(data));
	assert_memory_equal(out.data + 34, data, sizeof(data));
	assert_int_equal(duplicate_wrap(&wrapper, data, sizeof(data), &little, &err), ERR_INTERNAL);
}

static void test_credential_sizes(void **state)
{
	static const struct {
		size_t len;
		int code;
	} rows[] = {{0, ERR_INVALID}, {1, 0}, {32, 0}, {33, ERR_INVALID}, {500, ERR_INVALID}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(secret_cleanup) struct secret *secret = secret_of(rows[i].len);
		CLEANUP(buf_fini) struct buf file = BUF_INIT(CREDENTIAL_FILE_MAX);
		struct err err = {0};

		assert_int_equal(
			credential_make(parent, wrap_public_name(parent), secret, &file, &err),
			rows[i].code);
		/* magic, version, both sizes, HMAC and secret, and the point */
		assert_int_equal(file.len,
				 rows[i].code ? 0 : 8 + 2 + 34 + 2 + rows[i].len + 2 + 68);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_never_the_same),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_crafted),
		cmocka_unit_test(test_bad_points),
		cmocka_unit_test(test_wrapper),
		cmocka_unit_test(test_credential_sizes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
