/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object is `version 1 || salt 32 || AES-256-GCM(plaintext)`. Its key is derived from the host
 * key, its purpose and its own random salt, and used once; so the nonce can be zero and no number
 * of objects wears the host key out. The header is the associated data.
 *
 * A sealed object's plaintext is the data; a key's is in keys.c.
 */

#include "provider/legacy/legacy.h"

#include "crypto/cipher.h"
#include "provider/legacy/impl.h"

#define OBJECT_VERSION 1u
#define SALT_SIZE      32u
#define HOST_KEY_SIZE  32u
#define ROOT_DIGEST    32u

/* More labels under which the host key is hashed. */
#define LABEL_ROOT "holdfast host key id"
#define LABEL_AUTH "holdfast host key auth"

static int object_key(const struct legacy *legacy, const char *label, struct slice salt,
		      struct secret **ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	const struct slice parts[] = {slice_of(label, strlen(label) + 1), salt};
	int r = secret_new(CIPHER_KEY256, &key, err);

	if (r == 0)
		r = hash_hmac(HASH_SHA256, secret_slice(legacy->host_key), parts, ARRAY_LEN(parts),
			      secret_data(key), err);
	if (r == 0)
		*ret_key = TAKE(key);
	return r;
}

static const uint8_t zero_nonce[CIPHER_GCM_NONCE];

int legacy_object_seal(const struct legacy_binding *to, struct slice plain, struct buf *ret_object,
		       struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	uint8_t salt[SALT_SIZE];
	struct cipher_gcm gcm = {.nonce = slice_of(zero_nonce, sizeof(zero_nonce)),
				 .aad = to->header};
	int r = cipher_random(salt, sizeof(salt), err);

	if (r == 0)
		r = object_key(to->legacy, to->label, slice_of(salt, sizeof(salt)), &key, err);
	if (r < 0)
		return r;
	gcm.key = secret_slice(key);
	buf_put_u8(ret_object, OBJECT_VERSION);
	buf_put(ret_object, slice_of(salt, sizeof(salt)));
	return cipher_gcm_seal(&gcm, plain, ret_object, err);
}

int legacy_object_open(const struct legacy_binding *to, struct slice object,
		       struct secret **ret_plain, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct cipher_gcm gcm = {.nonce = slice_of(zero_nonce, sizeof(zero_nonce)),
				 .aad = to->header};
	struct cursor cursor = cursor_of(object);
	uint8_t version = cursor_u8(&cursor);
	struct slice salt = cursor_take(&cursor, SALT_SIZE);
	int r;

	if (cursor.failed || version != OBJECT_VERSION || cursor.rest.len <= CIPHER_GCM_TAG)
		return err_set(err, ERR_DAMAGED, "the sealed object is not whole");
	r = object_key(to->legacy, to->label, salt, &key, err);
	if (r == 0)
		r = secret_new(cursor.rest.len - CIPHER_GCM_TAG, &plain, err);
	if (r < 0)
		return r;
	gcm.key = secret_slice(key);
	if (cipher_gcm_open(&gcm, cursor.rest, secret_data(plain), err) < 0)
		return err_wrap(err, "object or header");
	*ret_plain = TAKE(plain);
	return 0;
}

static int legacy_random(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err)
{
	(void)p;
	return cipher_random(ret_bytes, len, err);
}

static int legacy_seal(struct provider *p, struct slice header, const struct secret *plain,
		       struct buf *ret_object, struct err *err)
{
	const struct legacy_binding to = {
		.legacy = legacy_of(p), .label = LEGACY_LABEL_SEALED, .header = header};

	return legacy_object_seal(&to, secret_slice(plain), ret_object, err);
}

static int legacy_unseal(struct provider *p, struct slice header, struct slice object,
			 struct secret **ret_plain, struct err *err)
{
	const struct legacy_binding to = {
		.legacy = legacy_of(p), .label = LEGACY_LABEL_SEALED, .header = header};

	return legacy_object_open(&to, object, ret_plain, err);
}

/* All of them, since a key's place tells nothing of its object; to delete is rare. */
static void legacy_forget(struct provider *p, struct slice object)
{
	(void)object;
	key_cache_wipe(&legacy_of(p)->keys);
}

static void legacy_close(struct provider *p)
{
	struct legacy *legacy = legacy_of(p);

	key_cache_wipe(&legacy->keys);
	legacy_storage_fini(&legacy->storage);
	secret_free(legacy->host_key);
	free(legacy);
}

/* No chip to tell about. */
static const struct provider_ops legacy_ops = {
	.name = "legacy",
	.kind = PROVIDER_SOFTWARE,
	.protection = "software",
	.on_chip = false,
	.random = legacy_random,
	.seal = legacy_seal,
	.unseal = legacy_unseal,
	.key_create = legacy_key_create,
	.key_import = legacy_key_import,
	.key_export = legacy_key_export,
	.key_sign = legacy_key_sign,
	.key_decrypt = legacy_key_decrypt,
	.key_agree = legacy_key_agree,
	.key_mac = legacy_key_mac,
	.pieces_start = legacy_pieces_start,
	.pieces_add = legacy_pieces_add,
	.pieces_end = legacy_pieces_end,
	.pieces_free = legacy_pieces_free,
	.storage_key = legacy_storage_key,
	.unwrap = legacy_unwrap,
	.forget = legacy_forget,
	.close = legacy_close,
};

/* The ids that go into headers: shaped like a TPM's Name, with algorithm 0. */
static int make_ids(struct legacy *legacy, struct err *err)
{
	struct slice root[] = {slice_str(LABEL_ROOT), secret_slice(legacy->host_key)};
	struct slice auth[] = {slice_str(LABEL_AUTH), secret_slice(legacy->host_key)};
	struct provider *p = &legacy->provider;
	uint8_t digest[HASH_MAX_SIZE];
	int r = hash_digest(HASH_SHA256, root, ARRAY_LEN(root), p->root + 2, err);

	if (r == 0)
		r = hash_digest(HASH_SHA256, auth, ARRAY_LEN(auth), digest, err);
	if (r < 0)
		return r;
	p->root_len = 2 + ROOT_DIGEST;
	memcpy(p->auth_id, digest, sizeof(p->auth_id));
	return 0;
}

static void legacy_cleanup(struct legacy **legacy)
{
	if (*legacy)
		legacy_close(&(*legacy)->provider);
}

int legacy_open(const struct secret *host_key, struct provider **ret_provider, struct err *err)
{
	CLEANUP(legacy_cleanup) struct legacy *legacy = NULL;
	int r;

	if (secret_size(host_key) != HOST_KEY_SIZE)
		return err_set(err, ERR_DAMAGED, "the host key must have %u bytes", HOST_KEY_SIZE);
	legacy = calloc(1, sizeof(*legacy));
	if (!legacy)
		return err_set(err, ERR_INTERNAL, "out of memory");
	legacy->provider.ops = &legacy_ops;
	r = secret_copy(secret_slice(host_key), &legacy->host_key, err);
	if (r == 0)
		r = make_ids(legacy, err);
	if (r == 0)
		r = legacy_storage_init(&legacy->storage, legacy->host_key, err);
	if (r == 0)
		*ret_provider = &TAKE(legacy)->provider;
	return r;
}
