/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a key's blob (docs/BLOB.md, "Key body"). */

#include "provider/blob.h"

/* Numbers on disk, which outlive the order of an enum. */
static const uint8_t type_numbers[PKEY_TYPES] = {
	[PKEY_ECC_P256] = 1,
	[PKEY_ECC_P384] = 2,
	[PKEY_RSA_2048] = 3,
	[PKEY_RSA_3072] = 4,
};

void blob_key_public_write(const struct blob_key_public *key, struct buf *ret_body)
{
	buf_put_u8(ret_body, type_numbers[key->type]);
	buf_put_u16(ret_body, (uint16_t)key->spki.len);
	buf_put(ret_body, key->spki);
	buf_put_u8(ret_body, (uint8_t)key->name.len);
	buf_put(ret_body, key->name);
}

static bool type_of_number(uint8_t number, enum pkey_type *ret_type)
{
	for (unsigned i = 0; i < PKEY_TYPES; i++) {
		if (type_numbers[i] == number) {
			*ret_type = (enum pkey_type)i;
			return true;
		}
	}
	return false;
}

int blob_key_public_parse(struct slice body, struct blob_key_public *ret_key, struct err *err)
{
	struct cursor cursor = cursor_of(body);
	struct blob_key_public key = {0};
	uint8_t number = cursor_u8(&cursor);

	key.spki = cursor_take(&cursor, cursor_u16(&cursor));
	key.name = cursor_take(&cursor, cursor_u8(&cursor));
	if (!cursor_done(&cursor) || key.spki.len == 0 || key.spki.len > BLOB_SPKI_MAX ||
	    key.name.len > PROVIDER_ROOT_MAX)
		return err_set(err, ERR_DAMAGED,
			       "the blob is damaged: its public key is not whole");
	if (!type_of_number(number, &key.type))
		return err_set(err, ERR_NOT_SUPPORTED, "the blob's key is of an unknown type (%u)",
			       number);
	*ret_key = key;
	return 0;
}
