/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a key's blob (docs/BLOB.md, "Key body"). */

#include "provider/blob.h"

#include "provider/impl.h"

/* Numbers on disk, which outlive the order of an enum. */
static const uint8_t type_numbers[PKEY_TYPES] = {
	[PKEY_ECC_P256] = 1,
	[PKEY_ECC_P384] = 2,
	[PKEY_RSA_2048] = 3,
	[PKEY_RSA_3072] = 4,
};
#define TYPE_HMAC 5u /* no pkey_type */

static const uint8_t hash_numbers[HASH_ALGS] = {
	[HASH_SHA256] = 1,
	[HASH_SHA384] = 2,
	[HASH_SHA512] = 3,
};

_Static_assert(KEY_USE_SIGN == 1 && KEY_USE_DECRYPT == 2 && KEY_USE_AGREE == 4 && KEY_USE_MAC == 8,
	       "the values stand in blobs");

void blob_key_public_write(const struct blob_key_public *key, struct buf *ret_body)
{
	buf_put_u8(ret_body, key->uses == KEY_USE_MAC ? TYPE_HMAC : type_numbers[key->type]);
	buf_put_u16(ret_body, (uint16_t)key->spki.len);
	buf_put(ret_body, key->spki);
	buf_put_u8(ret_body, (uint8_t)key->name.len);
	buf_put(ret_body, key->name);
	buf_put_u8(ret_body, (uint8_t)key->uses);
	buf_put_u16(ret_body, (uint16_t)key->public.len);
	buf_put(ret_body, key->public);
}

void blob_aik_public_write(const struct blob_key_public *aik, struct buf *ret_body)
{
	blob_key_public_write(aik, ret_body);
	buf_put_u8(ret_body, hash_numbers[aik->hash]);
	buf_put_u32(ret_body, aik->handle);
}

/* Zero is nobody's number. */
static bool number_find(const uint8_t *numbers, unsigned count, uint8_t number, unsigned *ret_which)
{
	for (unsigned i = 0; number != 0 && i < count; i++) {
		if (numbers[i] == number) {
			*ret_which = i;
			return true;
		}
	}
	return false;
}

static int damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_DAMAGED, "the blob is damaged: %s", what);
}

/* The body as it stands, before anybody judges it. */
struct raw_key {
	uint8_t type, uses, hash;
	uint32_t handle;
	struct slice spki, name, public;
};

/* Records of before end behind the Name. */
static bool raw_read(struct slice body, bool is_aik, struct raw_key *ret_raw)
{
	struct cursor cursor = cursor_of(body);
	struct raw_key raw = {.type = cursor_u8(&cursor), .uses = KEY_USE_SIGN};

	raw.spki = cursor_take(&cursor, cursor_u16(&cursor));
	raw.name = cursor_take(&cursor, cursor_u8(&cursor));
	if (is_aik || !cursor_done(&cursor)) {
		raw.uses = cursor_u8(&cursor);
		raw.public = cursor_take(&cursor, cursor_u16(&cursor));
	}
	if (is_aik) {
		raw.hash = cursor_u8(&cursor);
		raw.handle = cursor_u32(&cursor);
	}
	*ret_raw = raw;
	return cursor_done(&cursor);
}

static bool lengths_possible(const struct raw_key *raw)
{
	return (raw->type == TYPE_HMAC ? raw->spki.len == 0 : raw->spki.len > 0) &&
	       raw->spki.len <= BLOB_SPKI_MAX && raw->name.len <= PROVIDER_ROOT_MAX &&
	       raw->public.len <= BLOB_PUBLIC_MAX;
}

static int parse(struct slice body, bool is_aik, struct blob_key_public *ret_key, struct err *err)
{
	unsigned type = PKEY_TYPES, hash = HASH_ALGS;
	struct raw_key raw;
	struct err unfit;

	if (!raw_read(body, is_aik, &raw) || !lengths_possible(&raw))
		return damaged(err, "its public key is not whole");
	if (raw.type != TYPE_HMAC && !number_find(type_numbers, PKEY_TYPES, raw.type, &type))
		return err_set(err, ERR_NOT_SUPPORTED, "the blob's key is of an unknown type (%u)",
			       raw.type);
	if (is_aik && !number_find(hash_numbers, HASH_ALGS, raw.hash, &hash))
		return err_set(err, ERR_NOT_SUPPORTED, "the blob's key is of an unknown hash (%u)",
			       raw.hash);
	if ((raw.type == TYPE_HMAC) != (raw.uses == KEY_USE_MAC) ||
	    provider_check_uses((enum pkey_type)type, raw.uses, &unfit) < 0)
		return damaged(err, "its key's uses are not possible");
	if (is_aik && (raw.uses != KEY_USE_SIGN || raw.handle < BLOB_AIK_HANDLE ||
		       raw.handle - BLOB_AIK_HANDLE >= BLOB_AIK_NUMBERS))
		return damaged(err, "its attestation key is not possible");
	*ret_key = (struct blob_key_public){
		.type = (enum pkey_type)type,
		.uses = raw.uses,
		.spki = raw.spki,
		.name = raw.name,
		.public = raw.public,
		.hash = (enum hash_alg)hash,
		.handle = raw.handle,
	};
	return 0;
}

int blob_key_public_parse(struct slice body, struct blob_key_public *ret_key, struct err *err)
{
	return parse(body, false, ret_key, err);
}

int blob_aik_public_parse(struct slice body, struct blob_key_public *ret_aik, struct err *err)
{
	return parse(body, true, ret_aik, err);
}
