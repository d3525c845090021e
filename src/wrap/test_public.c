/* SPDX-License-Identifier: Apache-2.0 */
/* Public areas by hand, each field at its edges: what is read, what is refused, and as what. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/buf.h"
#include "crypto/hash.h"
#include "crypto/pkey_parts.h"
#include "wrap/public.h"

#define FIXED 0x00000032u /* fixedTPM, fixedParent, sensitiveDataOrigin */
#define ROOT  0x00030000u /* restricted, decrypt */
#define USE   0x00000440u /* userWithAuth, noDA */
#define SIGN  0x00040000u

/* A public area in its fields; every zero is the good value of it. */
struct fields {
	uint16_t type, hash, policy, cipher, bits, mode, scheme, curve, kdf, rsa_bits;
	uint32_t attributes, exponent;
	int size, x, y; /* added to the true sizes */
	bool is_rsa, is_large;
	bool off_curve, even;
};

static struct pkey *keys[PKEY_TYPES];

static int setup(void **state)
{
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++)
		if (pkey_generate((enum pkey_type)i, &keys[i], &err) < 0)
			return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++)
		pkey_free(keys[i]);
	return 0;
}

static uint16_t or_good(uint16_t value, uint16_t good)
{
	return value ? value : good;
}

static void put_number(struct buf *buf, const uint8_t *bytes, size_t size, int more)
{
	size_t len = (size_t)((int)size + more);

	buf_put_u16(buf, (uint16_t)len);
	for (size_t i = 0; i < len; i++)
		buf_put_u8(buf, i < size ? bytes[i] : 0);
}

static enum pkey_type type_of(const struct fields *fields)
{
	if (fields->is_rsa)
		return fields->is_large ? PKEY_RSA_3072 : PKEY_RSA_2048;
	return fields->is_large ? PKEY_ECC_P384 : PKEY_ECC_P256;
}

static void put_ecc(const struct fields *fields, struct buf *inside)
{
	struct pkey_point point;
	struct err err = {0};

	assert_int_equal(pkey_point(keys[type_of(fields)], &point, &err), 0);
	if (fields->off_curve)
		point.y[point.size - 1] ^= 1;
	buf_put_u16(inside, or_good(fields->scheme, 0x0010));
	buf_put_u16(inside, or_good(fields->curve, fields->is_large ? 4 : 3));
	buf_put_u16(inside, or_good(fields->kdf, 0x0010));
	put_number(inside, point.x, point.size, fields->x);
	put_number(inside, point.y, point.size, fields->y);
}

static void put_rsa(const struct fields *fields, struct buf *inside)
{
	struct pkey_modulus modulus;
	struct err err = {0};

	assert_int_equal(pkey_modulus(keys[type_of(fields)], &modulus, &err), 0);
	if (fields->even)
		modulus.bytes[modulus.size - 1] &= 0xfe;
	if (fields->off_curve)
		modulus.bytes[0] &= 0x7f;
	buf_put_u16(inside, or_good(fields->scheme, 0x0010));
	buf_put_u16(inside, or_good(fields->rsa_bits, fields->is_large ? 3072 : 2048));
	buf_put_u32(inside, fields->exponent);
	put_number(inside, modulus.bytes, modulus.size, fields->x);
}

static void put_area(const struct fields *fields, struct buf *ret_area)
{
	CLEANUP(buf_fini) struct buf inside = BUF_INIT(1024);

	buf_put_u16(&inside, or_good(fields->type, fields->is_rsa ? 0x0001 : 0x0023));
	buf_put_u16(&inside, or_good(fields->hash, 0x000b));
	buf_put_u32(&inside, fields->attributes ? fields->attributes : FIXED | ROOT | USE);
	buf_put_u16(&inside, fields->policy);
	for (size_t i = 0; i < fields->policy; i++)
		buf_put_u8(&inside, 0x5a);
	buf_put_u16(&inside, or_good(fields->cipher, 0x0006));
	buf_put_u16(&inside, or_good(fields->bits, 128));
	buf_put_u16(&inside, or_good(fields->mode, 0x0043));
	if (fields->is_rsa)
		put_rsa(fields, &inside);
	else
		put_ecc(fields, &inside);
	buf_put_u16(ret_area, (uint16_t)((int)inside.len + fields->size));
	buf_put(ret_area, buf_slice(&inside));
	assert_true(buf_ok(ret_area));
}

static int read_fields(const struct fields *fields, struct wrap_public **ret_public)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(1024);
	struct err err = {0};
	int r;

	put_area(fields, &area);
	r = wrap_public_read(buf_slice(&area), ret_public, &err);
	assert_int_equal(r, err.code);
	if (r == 0)
		assert_true(slice_equal(wrap_public_area(*ret_public), buf_slice(&area)));
	return r;
}

/* --- what is read -------------------------------------------------------------------------- */

static void assert_same_key(const struct pkey *a, const struct pkey *b)
{
	CLEANUP(buf_fini) struct buf spki_a = BUF_INIT(1024), spki_b = BUF_INIT(1024);
	struct err err = {0};

	assert_int_equal(pkey_to_spki(a, &spki_a, &err), 0);
	assert_int_equal(pkey_to_spki(b, &spki_b, &err), 0);
	assert_true(slice_equal(buf_slice(&spki_a), buf_slice(&spki_b)));
}

/* nameAlg and the digest of what is inside, in bytes and in digits. */
static void check_name(const struct wrap_public *public)
{
	CLEANUP(buf_fini) struct buf hex = BUF_INIT(WRAP_NAME_HEX);
	struct slice area = wrap_public_area(public), name = wrap_public_name(public);
	struct slice inside = slice_of(area.data + 2, area.len - 2);
	uint8_t digest[HASH_MAX_SIZE];
	char text[WRAP_NAME_HEX];
	struct err err = {0};

	assert_int_equal(hash_digest(HASH_SHA256, &inside, 1, digest, &err), 0);
	assert_int_equal(name.len, 34);
	assert_memory_equal(name.data, "\x00\x0b", 2);
	assert_memory_equal(name.data + 2, digest, 32);
	wrap_public_hex(public, text);
	hex_encode(&hex, name);
	assert_true(slice_equal(slice_str(text), buf_slice(&hex)));
}

static void test_good(void **state)
{
	static const struct fields rows[] = {
		{.bits = 0},
		{.is_large = true},
		{.bits = 256},
		{.policy = 32},
		{.is_rsa = true},
		{.is_rsa = true, .is_large = true, .bits = 256},
		{.is_rsa = true, .exponent = 65537},
		{.is_rsa = true, .policy = 32},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;

		assert_int_equal(read_fields(&rows[i], &public), 0);
		assert_same_key(wrap_public_key(public), keys[type_of(&rows[i])]);
		check_name(public);
		assert_null(wrap_public_unfit(public));
	}
}

/* --- what is refused ----------------------------------------------------------------------- */

static void test_refused(void **state)
{
	static const struct {
		struct fields fields;
		int code;
	} rows[] = {
		/* Another kind of key. */
		{{.type = 0x0008}, ERR_NOT_SUPPORTED},
		{{.type = 0x0025}, ERR_NOT_SUPPORTED},
		{{.hash = 0x0004}, ERR_NOT_SUPPORTED},
		{{.hash = 0x000c}, ERR_NOT_SUPPORTED},
		{{.hash = 0x0010}, ERR_NOT_SUPPORTED},
		{{.attributes = FIXED | USE | 0x00010000}, ERR_NOT_SUPPORTED},
		{{.attributes = FIXED | USE | 0x00020000}, ERR_NOT_SUPPORTED},
		{{.attributes = FIXED | USE | ROOT | SIGN}, ERR_NOT_SUPPORTED},
		{{.cipher = 0x0010}, ERR_NOT_SUPPORTED},
		{{.cipher = 0x0013}, ERR_NOT_SUPPORTED},
		{{.bits = 192}, ERR_NOT_SUPPORTED},
		{{.bits = 129}, ERR_NOT_SUPPORTED},
		{{.mode = 0x0042}, ERR_NOT_SUPPORTED},
		{{.scheme = 0x0019}, ERR_NOT_SUPPORTED},
		{{.kdf = 0x0020}, ERR_NOT_SUPPORTED},
		{{.curve = 5}, ERR_NOT_SUPPORTED},
		{{.curve = 0x0010}, ERR_NOT_SUPPORTED},
		{{.is_rsa = true, .scheme = 0x0017}, ERR_NOT_SUPPORTED},
		{{.is_rsa = true, .rsa_bits = 1024}, ERR_NOT_SUPPORTED},
		{{.is_rsa = true, .rsa_bits = 4096}, ERR_NOT_SUPPORTED},
		{{.is_rsa = true, .exponent = 3}, ERR_NOT_SUPPORTED},
		{{.is_rsa = true, .exponent = 65539}, ERR_NOT_SUPPORTED},
		/* No such structure. */
		{{.size = 1}, ERR_DAMAGED},
		{{.size = -1}, ERR_DAMAGED},
		{{.policy = 1}, ERR_DAMAGED},
		{{.policy = 31}, ERR_DAMAGED},
		{{.policy = 48}, ERR_DAMAGED},
		{{.x = 1}, ERR_DAMAGED},
		{{.x = -1}, ERR_DAMAGED},
		{{.x = -32}, ERR_DAMAGED},
		{{.y = 1}, ERR_DAMAGED},
		{{.y = -1}, ERR_DAMAGED},
		{{.x = 1, .y = -1}, ERR_DAMAGED},
		{{.curve = 4}, ERR_DAMAGED},
		{{.is_large = true, .curve = 3}, ERR_DAMAGED},
		{{.off_curve = true}, ERR_DAMAGED},
		{{.is_large = true, .off_curve = true}, ERR_DAMAGED},
		{{.is_rsa = true, .x = 1}, ERR_DAMAGED},
		{{.is_rsa = true, .x = -1}, ERR_DAMAGED},
		{{.is_rsa = true, .even = true}, ERR_DAMAGED},
		{{.is_rsa = true, .off_curve = true}, ERR_DAMAGED}, /* of 2047 bits */
		{{.is_rsa = true, .rsa_bits = 3072}, ERR_DAMAGED},
		{{.is_rsa = true, .is_large = true, .rsa_bits = 2048}, ERR_DAMAGED},
		{{.is_rsa = true, .is_large = true, .x = 112}, ERR_DAMAGED}, /* over the maximum */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wrap_public *public = NULL;
		int r = read_fields(&rows[i].fields, &public);

		if (r != rows[i].code)
			print_error("row %zu\n", i);
		assert_int_equal(r, rows[i].code);
		assert_null(public);
	}
}

/* However much of one there is, and a byte behind it. */
static void test_lengths(void **state)
{
	static const struct fields rows[] = {{.policy = 32}, {.is_rsa = true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf area = BUF_INIT(1024);
		struct wrap_public *public = NULL;
		struct err err = {0};

		put_area(&rows[i], &area);
		for (size_t len = 0; len < area.len; len++) {
			/* A copy without room behind it: whoever reads on is found. */
			uint8_t *cut = malloc(len ? len : 1);

			memcpy(cut, area.data, len);
			assert_int_equal(wrap_public_read(slice_of(cut, len), &public, &err),
					 ERR_DAMAGED);
			if (len >= 2) {
				cut[0] = (uint8_t)((len - 2) >> 8);
				cut[1] = (uint8_t)(len - 2);
				assert_int_equal(
					wrap_public_read(slice_of(cut, len), &public, &err),
					ERR_DAMAGED);
			}
			free(cut);
		}
		buf_put_u8(&area, 0);
		assert_int_equal(wrap_public_read(buf_slice(&area), &public, &err), ERR_DAMAGED);
		assert_null(public);
	}
}

/* No bit is passed over: it is refused, or makes another Name. */
static void test_flips(void **state)
{
	static const struct fields rows[] = {{.policy = 32}, {.is_large = true}, {.is_rsa = true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf area = BUF_INIT(1024);
		CLEANUP(wrap_public_cleanup) struct wrap_public *good = NULL;
		struct err err = {0};

		put_area(&rows[i], &area);
		assert_int_equal(wrap_public_read(buf_slice(&area), &good, &err), 0);
		for (size_t bit = 0; bit < 8 * area.len; bit++) {
			CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
			int r;

			area.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
			r = wrap_public_read(buf_slice(&area), &public, &err);
			area.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
			assert_true(r == 0 || r == ERR_DAMAGED || r == ERR_NOT_SUPPORTED);
			if (r == 0)
				assert_false(slice_equal(wrap_public_name(public),
							 wrap_public_name(good)));
		}
	}
}

/* --- attributes ---------------------------------------------------------------------------- */

static void test_unfit(void **state)
{
	static const struct {
		uint32_t lacks;
		const char *text;
	} rows[] = {
		{0x02, "may leave its TPM"},
		{0x10, "may be moved to another parent"},
		{0x20, "was not made by its TPM"},
		{0x32, "may leave its TPM"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
		const struct fields fields = {.attributes = (FIXED & ~rows[i].lacks) | ROOT | USE};

		assert_int_equal(read_fields(&fields, &public), 0);
		assert_string_equal(wrap_public_unfit(public), rows[i].text);
	}
}

static void test_software(void **state)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX), wanted = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf little = BUF_INIT(40);
	const struct fields fields = {.attributes = ROOT | USE};
	struct err err = {0};

	(void)state;
	assert_int_equal(wrap_public_of_software(keys[PKEY_ECC_P256], &area, &err), 0);
	put_area(&fields, &wanted);
	assert_true(slice_equal(buf_slice(&area), buf_slice(&wanted)));
	assert_int_equal(wrap_public_read(buf_slice(&area), &public, &err), 0);
	assert_string_equal(wrap_public_unfit(public), "may leave its TPM");
	assert_int_equal(wrap_public_of_software(keys[PKEY_ECC_P384], &area, &err), ERR_INVALID);
	assert_int_equal(wrap_public_of_software(keys[PKEY_RSA_2048], &area, &err), ERR_INVALID);
	assert_int_equal(wrap_public_of_software(keys[PKEY_ECC_P256], &little, &err), ERR_INTERNAL);
	assert_true(slice_equal(buf_slice(&area), buf_slice(&wanted)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lengths), cmocka_unit_test(test_flips),
		cmocka_unit_test(test_unfit),	cmocka_unit_test(test_software),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
