/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two bindings to the header. The authValue is derived from it, so the chip itself refuses the
 * object under another header, at no extra command. The tag covers header and object, so damage
 * is told before a command is spent, and keys with an empty authValue are bound as well.
 *
 *   u8 version, u8 parent, u8 flags, u16 length, TPM2B_PUBLIC, u16 length, TPM2B_PRIVATE,
 *   16 bytes: HMAC-SHA-256 under the authorisation key
 */

#include "base/base64.h"
#include "provider/tpm/impl.h"

#define OBJECT_VERSION 1u
#define TAG_SIZE       16u
#define FLAGS_KNOWN    (TPM_OBJECT_EXPORTABLE | TPM_OBJECT_EMPTY_AUTH | TPM_OBJECT_AIK)
#define AUTH_BYTES     24u

static int tag_of(const struct secret *auth_key, struct slice header, struct slice body,
		  uint8_t ret_tag[HASH_MAX_SIZE], struct err *err)
{
	uint8_t header_len[2] = {(uint8_t)(header.len >> 8), (uint8_t)header.len};
	struct slice parts[] = {slice_str("holdfast object"), slice_of(header_len, 2), header,
				body};

	return hash_hmac(HASH_SHA256, secret_slice(auth_key), parts, ARRAY_LEN(parts), ret_tag,
			 err);
}

int tpm_object_write(const struct tpm_object *object, const struct secret *auth_key,
		     struct slice header, struct buf *ret_bytes, struct err *err)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(PROVIDER_OBJECT_MAX - TAG_SIZE);
	uint8_t tag[HASH_MAX_SIZE];
	int r;

	buf_put_u8(&body, OBJECT_VERSION);
	buf_put_u8(&body, (uint8_t)object->parent);
	buf_put_u8(&body, object->flags);
	buf_put_u16(&body, (uint16_t)object->public.len);
	buf_put(&body, object->public);
	buf_put_u16(&body, (uint16_t)object->private.len);
	buf_put(&body, object->private);
	if (!buf_ok(&body))
		return err_set(err, ERR_INTERNAL, "an object does not fit its buffer");
	r = tag_of(auth_key, header, buf_slice(&body), tag, err);
	if (r < 0)
		return r;
	buf_put(ret_bytes, buf_slice(&body));
	buf_put(ret_bytes, slice_of(tag, TAG_SIZE));
	if (!buf_ok(ret_bytes))
		return err_set(err, ERR_INTERNAL, "an object does not fit its buffer");
	return 0;
}

int tpm_object_parse(struct slice bytes, const struct secret *auth_key, struct slice header,
		     struct tpm_object *ret_object, struct err *err)
{
	struct tpm_object object = {0};
	uint8_t tag[HASH_MAX_SIZE], version, parent;
	struct cursor cursor;
	int r;

	if (bytes.len <= TAG_SIZE)
		return err_set(err, ERR_DAMAGED, "the object is cut short");
	cursor = cursor_of(slice_of(bytes.data, bytes.len - TAG_SIZE));
	r = tag_of(auth_key, header, cursor.rest, tag, err);
	if (r < 0)
		return r;
	if (!secret_equal(slice_of(tag, TAG_SIZE),
			  slice_of(bytes.data + bytes.len - TAG_SIZE, TAG_SIZE)))
		return err_set(err, ERR_DAMAGED, "the object or its header was changed");
	version = cursor_u8(&cursor);
	parent = cursor_u8(&cursor);
	object.flags = cursor_u8(&cursor);
	object.public = cursor_take(&cursor, cursor_u16(&cursor));
	object.private = cursor_take(&cursor, cursor_u16(&cursor));
	if (!cursor_done(&cursor) || version != OBJECT_VERSION || object.flags & ~FLAGS_KNOWN ||
	    (parent != ENGINE_SRK && parent != ENGINE_HSK))
		return err_set(err, ERR_NOT_SUPPORTED, "an object of a later version");
	object.parent = (enum engine_parent)parent;
	*ret_object = object;
	return 0;
}

int tpm_object_auth(const struct secret *auth_key, struct slice header, struct secret **ret_auth,
		    struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TPM_AUTH_SIZE);
	struct slice parts[] = {slice_str("holdfast auth"), header};
	uint8_t mac[HASH_MAX_SIZE];
	int r = hash_hmac(HASH_SHA256, secret_slice(auth_key), parts, ARRAY_LEN(parts), mac, err);

	if (r == 0)
		base64url_encode(&text, slice_of(mac, AUTH_BYTES));
	wipe(mac, sizeof(mac));
	if (r < 0)
		return r;
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "out of memory");
	return secret_copy(buf_slice(&text), ret_auth, err);
}
