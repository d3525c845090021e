/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in software. What is sealed of one is a byte of flags, which says what it is and may do, and
 * behind that its PKCS#8, or the bytes of an HMAC key. Pairs that were used last stay parsed.
 */

#include "base/base64.h"
#include "crypto/cipher.h"
#include "crypto/keyfile.h"
#include "provider/impl.h"
#include "provider/legacy/impl.h"

#define PASSPHRASE_SIZE 24u /* random bytes; 32 characters in base64url */
#define MAC_KEY_SIZE	32u
#define MAC_SIZE	32u

/* Four more bits are the uses. Keys of before have none of those: they sign. */
enum key_flag {
	KEY_EXPORTABLE = 1 << 0,
	KEY_EMPTY_AUTH = 1 << 1,
	KEY_UNKNOWN = 1 << 2 | 1 << 3,
};
#define USES_SHIFT 4u

struct pieces {
	struct hash_stream *mac;
};

/* A key as it comes out of its object. */
struct opened {
	uint8_t flags;
	unsigned uses;
	struct pkey *pkey;	/* NULL with KEY_USE_MAC */
	struct secret *mac_key; /* NULL without */
};

static void opened_fini(struct opened *opened)
{
	pkey_free(opened->pkey);
	secret_free(opened->mac_key);
}

static struct legacy_binding binding_of(struct provider *p, struct slice header)
{
	return (struct legacy_binding){
		.legacy = legacy_of(p), .label = LEGACY_LABEL_KEY, .header = header};
}

static int seal(const struct legacy_binding *to, uint8_t flags, struct slice key,
		struct buf *ret_object, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r = secret_new(1 + key.len, &plain, err);

	if (r < 0)
		return r;
	secret_data(plain)[0] = flags;
	memcpy(secret_data(plain) + 1, key.data, key.len);
	return legacy_object_seal(to, secret_slice(plain), ret_object, err);
}

/* The pair as an object, with its public half beside it. */
static int seal_pair(const struct legacy_binding *to, const struct pkey *pkey, uint8_t flags,
		     struct key_result *ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *der = NULL;
	int r = pkey_to_pkcs8(pkey, &der, err);

	if (r == 0)
		r = seal(to, flags, secret_slice(der), &ret_key->object, err);
	if (r == 0)
		r = pkey_to_spki(pkey, &ret_key->spki, err);
	ret_key->type = pkey_type(pkey);
	ret_key->uses = flags >> USES_SHIFT;
	return r;
}

/* An HMAC key has no public half at all. */
static int make_mac_key(const struct legacy_binding *to, struct key_result *ret_key,
			struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r = secret_new(MAC_KEY_SIZE, &key, err);

	if (r == 0)
		r = cipher_random(secret_data(key), MAC_KEY_SIZE, err);
	if (r == 0)
		r = seal(to, (uint8_t)(KEY_USE_MAC << USES_SHIFT), secret_slice(key),
			 &ret_key->object, err);
	ret_key->type = PKEY_TYPES;
	ret_key->uses = KEY_USE_MAC;
	return r;
}

static int open_key(const struct legacy_binding *to, struct slice object, struct opened *ret_opened,
		    struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	CLEANUP(opened_fini) struct opened opened = {0};
	struct slice key;
	int r = legacy_object_open(to, object, &plain, err);

	if (r < 0)
		return r;
	key = slice_of(secret_data(plain) + 1, secret_size(plain) - 1);
	opened.flags = secret_data(plain)[0];
	opened.uses = opened.flags >> USES_SHIFT ? opened.flags >> USES_SHIFT : KEY_USE_SIGN;
	if (opened.flags & KEY_UNKNOWN)
		return err_set(err, ERR_NOT_SUPPORTED, "the key was made by a later version");
	if (opened.uses != KEY_USE_MAC)
		r = pkey_from_pkcs8(key, &opened.pkey, err);
	else if (key.len != MAC_KEY_SIZE)
		r = err_set(err, ERR_DAMAGED, "the sealed object is not whole");
	else
		r = secret_copy(key, &opened.mac_key, err);
	if (r < 0)
		return r;
	*ret_opened = opened;
	opened = (struct opened){0};
	return 0;
}

int legacy_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
		      struct key_result *ret_key, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	const struct legacy_binding to = binding_of(p, header);
	unsigned flags = (spec->exportable ? KEY_EXPORTABLE : 0u) |
			 (spec->empty_auth ? KEY_EMPTY_AUTH : 0u) | spec->uses << USES_SHIFT;
	int r;

	if (spec->uses == KEY_USE_MAC)
		return make_mac_key(&to, ret_key, err);
	r = pkey_generate(spec->type, &pkey, err);
	return r < 0 ? r : seal_pair(&to, pkey, (uint8_t)flags, ret_key, err);
}

int legacy_key_import(struct provider *p, struct slice header, const struct key_source *source,
		      struct key_result *ret_key, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	const struct legacy_binding to = binding_of(p, header);
	unsigned uses = source->uses ? source->uses : KEY_USE_SIGN;
	int r;

	if (keyfile_is_tss2(source->pem))
		return err_set(err, ERR_TPM_REQUIRED,
			       "the PEM is a key of a TPM, and the legacy provider is in use");
	r = pkey_from_pkcs8_pem(source->pem, source->passphrase, &pkey, err);
	if (r == 0)
		r = provider_check_uses(pkey_type(pkey), uses, err);
	return r < 0 ? r : seal_pair(&to, pkey, (uint8_t)(uses << USES_SHIFT), ret_key, err);
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

int legacy_key_export(struct provider *p, struct slice header, struct slice object,
		      struct buf *ret_pem, struct secret **ret_passphrase, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
	CLEANUP(opened_fini) struct opened opened = {0};
	const struct legacy_binding to = binding_of(p, header);
	int r = open_key(&to, object, &opened, err);

	if (r < 0)
		return r;
	if (!(opened.flags & KEY_EXPORTABLE) || !opened.pkey) {
		err_set(err, ERR_CONFLICT, "the key was not created for export");
		return err_add_remedy(err, PROVIDER_REMEDY_EXPORT);
	}
	if (!(opened.flags & KEY_EMPTY_AUTH))
		r = make_passphrase(&passphrase, err);
	if (r == 0)
		r = pkey_to_pkcs8_pem(opened.pkey, passphrase, ret_pem, err);
	if (r == 0)
		*ret_passphrase = TAKE(passphrase);
	return r;
}

/* --- uses ---------------------------------------------------------------------------------- */

static int need_use(unsigned uses, enum key_use use, struct err *err)
{
	static const char *const doings[] = {
		[KEY_USE_SIGN] = "sign",
		[KEY_USE_DECRYPT] = "decrypt",
		[KEY_USE_AGREE] = "agree on secrets",
		[KEY_USE_MAC] = "make MACs",
	};

	if (uses & use)
		return 0;
	return err_set(err, ERR_INVALID, "the key was not made to %s", doings[use]);
}

/* The pair, parsed already or parsed now; put back by the caller. */
static int take_pair(struct provider *p, const struct provider_object *from, enum key_use use,
		     struct key_cached **ret_key, struct err *err)
{
	CLEANUP(key_cached_cleanup) struct key_cached *key = NULL;
	CLEANUP(opened_fini) struct opened opened = {0};
	struct key_cache *keys = &legacy_of(p)->keys;
	const struct legacy_binding to = binding_of(p, from->header);
	int r = key_cache_take(keys, from->header, from->object, &key, err);

	if (r == 0 && !key->pkey) {
		r = open_key(&to, from->object, &opened, err);
		if (r < 0)
			return r;
		key->pkey = TAKE(opened.pkey);
		key->uses = opened.uses;
	}
	if (r == 0)
		r = need_use(key->uses, use, err);
	if (r == 0)
		*ret_key = TAKE(key);
	else if (key && key->pkey)
		key_cache_put(keys, TAKE(key));
	return r;
}

int legacy_key_sign(struct provider *p, struct slice header, struct slice object,
		    const struct sign_request *request, struct buf *ret_signature, struct err *err)
{
	const struct provider_object from = {.header = header, .object = object};
	struct key_cached *key = NULL;
	int r = take_pair(p, &from, KEY_USE_SIGN, &key, err);

	if (r < 0)
		return r;
	r = pkey_sign(key->pkey, request->scheme, request->hash, request->digest, ret_signature,
		      err);
	key_cache_put(&legacy_of(p)->keys, key);
	return r;
}

int legacy_key_decrypt(struct provider *p, struct slice header, struct slice object,
		       const struct decrypt_request *request, struct secret **ret_plain,
		       struct err *err)
{
	const struct provider_object from = {.header = header, .object = object};
	struct key_cached *key = NULL;
	int r = take_pair(p, &from, KEY_USE_DECRYPT, &key, err);

	if (r < 0)
		return r;
	r = pkey_oaep_decrypt(key->pkey, request->hash, request->label, request->ciphertext,
			      ret_plain, err);
	key_cache_put(&legacy_of(p)->keys, key);
	return r;
}

int legacy_key_agree(struct provider *p, struct slice header, struct slice object,
		     const struct pkey *peer, struct secret **ret_shared, struct err *err)
{
	const struct provider_object from = {.header = header, .object = object};
	struct key_cached *key = NULL;
	int r = take_pair(p, &from, KEY_USE_AGREE, &key, err);

	if (r < 0)
		return r;
	r = pkey_agree(key->pkey, peer, ret_shared, err);
	key_cache_put(&legacy_of(p)->keys, key);
	return r;
}

static int open_mac_key(struct provider *p, struct slice header, struct slice object,
			struct secret **ret_key, struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	const struct legacy_binding to = binding_of(p, header);
	int r = open_key(&to, object, &opened, err);

	if (r == 0)
		r = need_use(opened.uses, KEY_USE_MAC, err);
	if (r == 0)
		*ret_key = TAKE(opened.mac_key);
	return r;
}

int legacy_key_mac(struct provider *p, struct slice header, struct slice object, struct slice data,
		   struct buf *ret_mac, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	uint8_t mac[HASH_MAX_SIZE];
	int r = open_mac_key(p, header, object, &key, err);

	if (r == 0)
		r = hash_hmac(HASH_SHA256, secret_slice(key), &data, 1, mac, err);
	if (r == 0)
		buf_put(ret_mac, slice_of(mac, MAC_SIZE));
	return r;
}

/* --- pieces -------------------------------------------------------------------------------- */

void legacy_pieces_free(struct provider *p, struct pieces *pieces)
{
	(void)p;
	hash_stream_free(pieces->mac);
	free(pieces);
}

int legacy_pieces_start(struct provider *p, enum pieces_of of, struct slice header,
			struct slice object, struct pieces **ret_pieces, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(mem_free_cleanup) struct pieces *pieces = calloc(1, sizeof(*pieces));
	int r;

	if (of != PIECES_MAC)
		return provider_not_there(err);
	if (!pieces)
		return err_set(err, ERR_INTERNAL, "out of memory");
	r = open_mac_key(p, header, object, &key, err);
	if (r == 0)
		r = hash_hmac_new(HASH_SHA256, secret_slice(key), &pieces->mac, err);
	if (r == 0)
		*ret_pieces = TAKE(pieces);
	return r;
}

int legacy_pieces_add(struct provider *p, struct pieces *pieces, struct slice piece,
		      struct err *err)
{
	(void)p;
	return hash_stream_add(pieces->mac, piece, err);
}

int legacy_pieces_end(struct provider *p, struct pieces *pieces, struct slice last,
		      struct buf *ret_result, struct err *err)
{
	uint8_t mac[HASH_MAX_SIZE];
	int r = hash_stream_add(pieces->mac, last, err);

	if (r == 0)
		r = hash_stream_end(pieces->mac, mac, err);
	if (r == 0)
		buf_put(ret_result, slice_of(mac, MAC_SIZE));
	legacy_pieces_free(p, pieces);
	return r;
}
