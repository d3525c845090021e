/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM2B_PUBLIC byte by byte. All structures here have one form, so what is read would be written
 * the same way again, and the Name is that of the bytes.
 */

#include "wrap/public.h"

#include "base/base64.h"
#include "base/buf.h"
#include "crypto/pkey_parts.h"
#include "wrap/impl.h"

#define RSA_EXPONENT   65537u /* also written as 0 (Part 2, 12.2.3.5) */
#define SOFTWARE_BITS  128u
#define SOFTWARE_ATTRS (OBJECT_RESTRICTED | OBJECT_DECRYPT | OBJECT_USER_WITH_AUTH | OBJECT_NO_DA)

static int damaged(struct err *err)
{
	return err_set(err, ERR_DAMAGED, "the public area is no TPM2B_PUBLIC");
}

static int other_kind(struct err *err, const char *what)
{
	return err_set(err, ERR_NOT_SUPPORTED, "the public area is of a key %s", what);
}

bool sized_whole(struct slice bytes, struct slice *ret_inside)
{
	struct cursor cursor = cursor_of(bytes);
	struct slice inside = cursor_take(&cursor, cursor_u16(&cursor));

	if (!cursor_done(&cursor))
		return false;
	*ret_inside = inside;
	return true;
}

int public_area_name(struct slice area, uint8_t ret_name[WRAP_NAME_SIZE], struct err *err)
{
	int r = hash_digest(HASH_SHA256, &area, 1, ret_name + 2, err);

	if (r < 0)
		return r;
	ret_name[0] = ALG_SHA256 >> 8;
	ret_name[1] = ALG_SHA256 & 0xff;
	return 0;
}

/* --- reading ------------------------------------------------------------------------------- */

static const struct {
	uint16_t curve;
	enum pkey_type type;
	uint16_t size;
} curves[] = {
	{CURVE_P256, PKEY_ECC_P256, 32},
	{CURVE_P384, PKEY_ECC_P384, 48},
};

/* Whatever a key is refused for, but short memory, is the area's fault. */
static int taken(int r, struct err *err)
{
	return r == 0 || r == ERR_INTERNAL ? r : damaged(err);
}

/* TPMS_ECC_PARMS from the scheme on, and the point (Part 2, 12.2.3.6). */
static int read_ecc(struct cursor *cursor, struct wrap_public *public, struct err *err)
{
	uint16_t scheme = cursor_u16(cursor), curve = cursor_u16(cursor), kdf = cursor_u16(cursor);
	size_t i = 0;
	struct slice y;

	if (cursor->failed)
		return damaged(err);
	while (i < ARRAY_LEN(curves) && curves[i].curve != curve)
		i++;
	if (scheme != ALG_NULL || kdf != ALG_NULL)
		return other_kind(err, "with a scheme");
	if (i == ARRAY_LEN(curves))
		return other_kind(err, "on a curve that is not served");
	public->x = cursor_take(cursor, cursor_u16(cursor));
	y = cursor_take(cursor, cursor_u16(cursor));
	if (!cursor_done(cursor) || public->x.len != curves[i].size || y.len != curves[i].size)
		return damaged(err);
	return taken(pkey_from_ecc(curves[i].type, public->x, y, &public->key, err), err);
}

/* TPMS_RSA_PARMS from the scheme on, and the modulus (Part 2, 12.2.3.5). */
static int read_rsa(struct cursor *cursor, struct wrap_public *public, struct err *err)
{
	uint16_t scheme = cursor_u16(cursor), bits = cursor_u16(cursor);
	uint32_t exponent = cursor_u32(cursor);
	struct slice modulus;

	if (cursor->failed)
		return damaged(err);
	if (scheme != ALG_NULL)
		return other_kind(err, "with a scheme");
	if ((bits != 2048 && bits != 3072) || (exponent != 0 && exponent != RSA_EXPONENT))
		return other_kind(err, "of another size or exponent than is served");
	modulus = cursor_take(cursor, cursor_u16(cursor));
	/* Its highest bit is set: pkey_from_rsa() takes exact sizes only. */
	if (!cursor_done(cursor) || modulus.len != bits / 8u)
		return damaged(err);
	return taken(pkey_from_rsa(modulus, exponent, &public->key, err), err);
}

/* What stands before the parameters of a type; AES in CFB mode. */
static int read_head(struct cursor *cursor, uint16_t *ret_type, struct wrap_public *public,
		     struct err *err)
{
	const uint32_t wanted = OBJECT_RESTRICTED | OBJECT_DECRYPT;
	uint16_t type = cursor_u16(cursor), hash = cursor_u16(cursor);
	uint16_t policy, cipher, bits, mode;

	public->attributes = cursor_u32(cursor);
	policy = cursor_u16(cursor);
	(void)cursor_take(cursor, policy);
	if (cursor->failed)
		return damaged(err);
	if (hash != ALG_SHA256 || (type != ALG_ECC && type != ALG_RSA))
		return other_kind(err, "of another type, or named by another hash than SHA-256");
	if (policy != 0 && policy != NAME_DIGEST)
		return damaged(err);
	if ((public->attributes & (wanted | OBJECT_SIGN)) != wanted)
		return other_kind(err, "that is no restricted decryption key");
	cipher = cursor_u16(cursor);
	bits = cursor_u16(cursor);
	mode = cursor_u16(cursor);
	if (cursor->failed)
		return damaged(err);
	if (cipher != ALG_AES || (bits != 128 && bits != 256) || mode != ALG_CFB)
		return other_kind(err, "with another cipher than AES in CFB mode");
	public->key_bits = bits;
	*ret_type = type;
	return 0;
}

int wrap_public_read(struct slice area, struct wrap_public **ret_public, struct err *err)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
	struct slice inside = {0};
	struct cursor cursor;
	uint16_t type = 0;
	int r;

	if (area.len > WRAP_PUBLIC_MAX)
		return damaged(err);
	public = calloc(1, sizeof(*public));
	if (!public)
		return err_set(err, ERR_INTERNAL, "out of memory");
	if (area.len)
		memcpy(public->area, area.data, area.len);
	public->len = area.len;
	if (!sized_whole(slice_of(public->area, public->len), &inside))
		return damaged(err);
	cursor = cursor_of(inside);
	r = read_head(&cursor, &type, public, err);
	if (r == 0)
		r = type == ALG_ECC ? read_ecc(&cursor, public, err)
				    : read_rsa(&cursor, public, err);
	if (r == 0)
		r = public_area_name(inside, public->name, err);
	if (r == 0)
		*ret_public = TAKE(public);
	return r;
}

void wrap_public_free(struct wrap_public *public)
{
	if (!public)
		return;
	pkey_free(public->key);
	free(public);
}

/* --- telling ------------------------------------------------------------------------------- */

struct slice wrap_public_area(const struct wrap_public *public)
{
	return slice_of(public->area, public->len);
}

struct slice wrap_public_name(const struct wrap_public *public)
{
	return slice_of(public->name, sizeof(public->name));
}

const struct pkey *wrap_public_key(const struct wrap_public *public)
{
	return public->key;
}

void wrap_name_hex(const uint8_t name[WRAP_NAME_SIZE], char ret_hex[WRAP_NAME_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < WRAP_NAME_SIZE; i++) {
		ret_hex[2 * i] = digits[name[i] >> 4];
		ret_hex[2 * i + 1] = digits[name[i] & 0xf];
	}
	ret_hex[2 * WRAP_NAME_SIZE] = '\0';
}

void wrap_public_hex(const struct wrap_public *public, char ret_hex[WRAP_NAME_HEX])
{
	wrap_name_hex(public->name, ret_hex);
}

/* A signing key, or one that is not restricted, is not read at all. */
const char *wrap_public_unfit(const struct wrap_public *public)
{
	static const struct {
		uint32_t bit;
		const char *text;
	} wanted[] = {
		{OBJECT_FIXED_TPM, "may leave its TPM"},
		{OBJECT_FIXED_PARENT, "may be moved to another parent"},
		{OBJECT_DATA_ORIGIN, "was not made by its TPM"},
	};

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (!(public->attributes & wanted[i].bit))
			return wanted[i].text;
	return NULL;
}

int wrap_public_of_software(const struct pkey *pkey, struct buf *ret_area, struct err *err)
{
	CLEANUP(buf_fini) struct buf inside = BUF_INIT(WRAP_PUBLIC_MAX);
	struct pkey_point point;
	int r;

	if (pkey_type(pkey) != PKEY_ECC_P256)
		return err_set(err, ERR_INVALID, "a storage key in software is on P-256");
	r = pkey_point(pkey, &point, err);
	if (r < 0)
		return r;
	buf_put_u16(&inside, ALG_ECC);
	buf_put_u16(&inside, ALG_SHA256);
	buf_put_u32(&inside, SOFTWARE_ATTRS);
	buf_put_u16(&inside, 0);
	buf_put_u16(&inside, ALG_AES);
	buf_put_u16(&inside, SOFTWARE_BITS);
	buf_put_u16(&inside, ALG_CFB);
	buf_put_u16(&inside, ALG_NULL);
	buf_put_u16(&inside, CURVE_P256);
	buf_put_u16(&inside, ALG_NULL);
	buf_put_u16(&inside, (uint16_t)point.size);
	buf_put(&inside, slice_of(point.x, point.size));
	buf_put_u16(&inside, (uint16_t)point.size);
	buf_put(&inside, slice_of(point.y, point.size));
	buf_put_u16(ret_area, (uint16_t)inside.len);
	buf_put(ret_area, buf_slice(&inside));
	return buf_ok(&inside) && buf_ok(ret_area)
		       ? 0
		       : err_set(err, ERR_INTERNAL, "no room for a public area");
}
