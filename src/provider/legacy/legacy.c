/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object is `version 1 || salt 32 || AES-256-GCM(plaintext)`. Its key is derived from the host
 * key, its purpose and its own random salt, and used once; so the nonce can be zero and no number
 * of objects wears the host key out. The header is the associated data.
 *
 * A sealed object's plaintext is the data; a key's is one byte of flags and its PKCS#8.
 */

#include "provider/legacy/legacy.h"

#include "base/base64.h"
#include "crypto/cipher.h"
#include "crypto/keyfile.h"
#include "provider/legacy/key_cache.h"

#define OBJECT_VERSION	1u
#define SALT_SIZE	32u
#define HOST_KEY_SIZE	32u
#define ROOT_DIGEST	32u
#define PASSPHRASE_SIZE 24u /* random bytes; 32 characters in base64url */

enum key_flag { KEY_EXPORTABLE = 1 << 0, KEY_EMPTY_AUTH = 1 << 1 };

/* Labels under which the host key is hashed. Sealed data never open as a key, or the reverse. */
#define LABEL_ROOT   "holdfast host key id"
#define LABEL_AUTH   "holdfast host key auth"
#define LABEL_SEALED "holdfast legacy sealed"
#define LABEL_KEY    "holdfast legacy key"

struct legacy {
	struct provider provider; /* first: what the ops are given */
	struct secret *host_key;
	struct key_cache keys;
};

static const struct legacy *legacy_of(const struct provider *p)
{
	return (const struct legacy *)p;
}

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

/* What an object is bound to. */
struct binding {
	const struct legacy *legacy;
	const char *label;
	struct slice header;
};

static const uint8_t zero_nonce[CIPHER_GCM_NONCE];

static int object_seal(const struct binding *to, struct slice plain, struct buf *ret_object,
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

static int object_open(const struct binding *to, struct slice object, struct secret **ret_plain,
		       struct err *err)
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
	const struct binding to = {.legacy = legacy_of(p), .label = LABEL_SEALED, .header = header};

	return object_seal(&to, secret_slice(plain), ret_object, err);
}

static int legacy_unseal(struct provider *p, struct slice header, struct slice object,
			 struct secret **ret_plain, struct err *err)
{
	const struct binding to = {.legacy = legacy_of(p), .label = LABEL_SEALED, .header = header};

	return object_open(&to, object, ret_plain, err);
}

/* The pair as an object, with its public half beside it. */
static int key_seal(const struct binding *to, const struct pkey *pkey, uint8_t flags,
		    struct key_result *ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *der = NULL;
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r = pkey_to_pkcs8(pkey, &der, err);

	if (r == 0)
		r = secret_new(1 + secret_size(der), &plain, err);
	if (r < 0)
		return r;
	secret_data(plain)[0] = flags;
	memcpy(secret_data(plain) + 1, secret_data(der), secret_size(der));
	r = object_seal(to, secret_slice(plain), &ret_key->object, err);
	if (r == 0)
		r = pkey_to_spki(pkey, &ret_key->spki, err);
	ret_key->type = pkey_type(pkey);
	return r;
}

static int key_open(const struct binding *to, struct slice object, struct pkey **ret_pkey,
		    uint8_t *ret_flags, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct slice bytes;
	int r = object_open(to, object, &plain, err);

	if (r < 0)
		return r;
	bytes = secret_slice(plain);
	r = pkey_from_pkcs8(slice_of(bytes.data + 1, bytes.len - 1), ret_pkey, err);
	if (r == 0)
		*ret_flags = bytes.data[0];
	return r;
}

static int legacy_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
			     struct key_result *ret_key, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	const struct binding to = {.legacy = legacy_of(p), .label = LABEL_KEY, .header = header};
	uint8_t flags = (uint8_t)((spec->exportable ? KEY_EXPORTABLE : 0) |
				  (spec->empty_auth ? KEY_EMPTY_AUTH : 0));
	int r = pkey_generate(spec->type, &pkey, err);

	return r < 0 ? r : key_seal(&to, pkey, flags, ret_key, err);
}

static int legacy_key_import(struct provider *p, struct slice header,
			     const struct key_source *source, struct key_result *ret_key,
			     struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	const struct binding to = {.legacy = legacy_of(p), .label = LABEL_KEY, .header = header};
	int r;

	if (keyfile_is_tss2(source->pem))
		return err_set(err, ERR_TPM_REQUIRED,
			       "the PEM is a key of a TPM, and the legacy provider is in use");
	r = pkey_from_pkcs8_pem(source->pem, source->passphrase, &pkey, err);
	return r < 0 ? r : key_seal(&to, pkey, 0, ret_key, err);
}

/* Printable, so that it can be typed and given to any tool. */
static int make_passphrase(struct secret **ret_passphrase, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(64);
	uint8_t bytes[PASSPHRASE_SIZE];
	int r = cipher_random(bytes, sizeof(bytes), err);

	if (r < 0)
		return r;
	base64url_encode(&text, slice_of(bytes, sizeof(bytes)));
	wipe(bytes, sizeof(bytes));
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "out of memory");
	return secret_copy(buf_slice(&text), ret_passphrase, err);
}

static int legacy_key_export(struct provider *p, struct slice header, struct slice object,
			     struct buf *ret_pem, struct secret **ret_passphrase, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
	const struct binding to = {.legacy = legacy_of(p), .label = LABEL_KEY, .header = header};
	uint8_t flags = 0;
	int r = key_open(&to, object, &pkey, &flags, err);

	if (r < 0)
		return r;
	if (!(flags & KEY_EXPORTABLE)) {
		err_set(err, ERR_CONFLICT, "the key was not created for export");
		return err_add_remedy(err, PROVIDER_REMEDY_EXPORT);
	}
	if (!(flags & KEY_EMPTY_AUTH))
		r = make_passphrase(&passphrase, err);
	if (r == 0)
		r = pkey_to_pkcs8_pem(pkey, passphrase, ret_pem, err);
	if (r == 0)
		*ret_passphrase = TAKE(passphrase);
	return r;
}

static int legacy_key_sign(struct provider *p, struct slice header, struct slice object,
			   const struct sign_request *request, struct buf *ret_signature,
			   struct err *err)
{
	struct key_cache *keys = &((struct legacy *)p)->keys;
	CLEANUP(key_cached_cleanup) struct key_cached *key = NULL;
	const struct binding to = {.legacy = legacy_of(p), .label = LABEL_KEY, .header = header};
	uint8_t flags = 0;
	int r = key_cache_take(keys, header, object, &key, err);

	if (r == 0 && !key->pkey)
		r = key_open(&to, object, &key->pkey, &flags, err);
	if (r < 0)
		return r;
	r = pkey_sign(key->pkey, request->scheme, request->hash, request->digest, ret_signature,
		      err);
	key_cache_put(keys, TAKE(key));
	return r;
}

/* All of them, since a key's place tells nothing of its object; to delete is rare. */
static void legacy_forget(struct provider *p, struct slice object)
{
	(void)object;
	key_cache_wipe(&((struct legacy *)p)->keys);
}

static void legacy_close(struct provider *p)
{
	struct legacy *legacy = (struct legacy *)p;

	key_cache_wipe(&legacy->keys);
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
		*ret_provider = &TAKE(legacy)->provider;
	return r;
}
