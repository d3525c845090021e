/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door to every SecurityProvider. Arguments are checked here once, for all of them, and what
 * an implementation made is handed over only when it succeeded: outputs are untouched otherwise.
 */

#include "provider/provider.h"

#include "crypto/keyfile.h"
#include "provider/blob.h"
#include "provider/impl.h"

#define RANDOM_MAX    65536u
#define SIGNATURE_MAX 1024u

void key_result_fini(struct key_result *result)
{
	buf_fini(&result->object);
	buf_fini(&result->spki);
	buf_fini(&result->name);
	buf_fini(&result->public);
}

int provider_not_there(struct err *err)
{
	return err_set(err, ERR_TPM_REQUIRED, "the operation needs a TPM, and none is in use");
}

int provider_check_header(struct slice header, struct err *err)
{
	if (header.len == 0 || header.len > BLOB_HEADER_MAX)
		return err_set(err, ERR_INTERNAL, "a header of %zu bytes is not possible",
			       header.len);
	return 0;
}

int provider_check_object(struct slice header, struct slice object, struct err *err)
{
	if (object.len == 0 || object.len > PROVIDER_OBJECT_MAX)
		return err_set(err, ERR_DAMAGED, "the sealed object has an impossible length");
	return provider_check_header(header, err);
}

int provider_check_aik(struct slice header, bool wanted, struct err *err)
{
	if ((blob_header_kind(header) == BLOB_AIK) == wanted)
		return 0;
	return err_set(err, ERR_DAMAGED, "the object is %s attestation key", wanted ? "no" : "an");
}

/* Appends what was made. */
int provider_hand_over(const struct buf *made, struct buf *ret_bytes, struct err *err)
{
	size_t before = ret_bytes->len;

	if (buf_ok(made))
		buf_put(ret_bytes, buf_slice(made));
	if (buf_ok(made) && buf_ok(ret_bytes))
		return 0;
	ret_bytes->len = before;
	return err_set(err, ERR_INTERNAL, "no room for what the SecurityProvider made");
}

int provider_random(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err)
{
	if (!p || !p->ops->random)
		return provider_not_there(err);
	if (len == 0 || len > RANDOM_MAX)
		return err_set(err, ERR_INVALID, "1 to %u random bytes at a time", RANDOM_MAX);
	return p->ops->random(p, ret_bytes, len, err);
}

int provider_seal(struct provider *p, struct slice header, const struct secret *plain,
		  struct buf *ret_object, struct err *err)
{
	CLEANUP(buf_fini) struct buf object = BUF_INIT(PROVIDER_OBJECT_MAX);
	size_t size = secret_size(plain);
	int r;

	if (!p || !p->ops->seal)
		return provider_not_there(err);
	if (size == 0)
		return err_set(err, ERR_INVALID, "nothing to seal");
	if (size > PROVIDER_SEAL_MAX)
		return err_set(err, ERR_TOO_LARGE, "at most %u bytes are sealed directly",
			       PROVIDER_SEAL_MAX);
	r = provider_check_header(header, err);
	if (r == 0)
		r = p->ops->seal(p, header, plain, &object, err);
	return r < 0 ? r : provider_hand_over(&object, ret_object, err);
}

int provider_unseal(struct provider *p, struct slice header, struct slice object,
		    struct secret **ret_plain, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r;

	if (!p || !p->ops->unseal)
		return provider_not_there(err);
	r = provider_check_object(header, object, err);
	if (r == 0)
		r = p->ops->unseal(p, header, object, &plain, err);
	if (r == 0)
		*ret_plain = TAKE(plain);
	return r;
}

/* The caller's old buffers are freed, the new ones take their place. */
int provider_key_hand_over(struct key_result *made, struct key_result *ret_key, struct err *err)
{
	if (!buf_ok(&made->object) || !buf_ok(&made->spki) || !buf_ok(&made->name) ||
	    !buf_ok(&made->public))
		return err_set(err, ERR_INTERNAL, "no room for what the SecurityProvider made");
	key_result_fini(ret_key);
	*ret_key = *made;
	*made = (struct key_result)KEY_RESULT_INIT;
	return 0;
}

int provider_check_uses(enum pkey_type type, unsigned uses, struct err *err)
{
	bool is_rsa = (unsigned)type < PKEY_TYPES && pkey_type_is_rsa(type);
	unsigned possible = KEY_USE_SIGN | (is_rsa ? KEY_USE_DECRYPT : KEY_USE_AGREE);

	if (uses == KEY_USE_MAC)
		return 0;
	if (uses & KEY_USE_MAC)
		return err_set(err, ERR_INVALID, "a key for HMAC is for nothing else");
	if ((unsigned)type >= PKEY_TYPES)
		return err_set(err, ERR_INVALID, "unknown type of key");
	if (uses == 0 || uses & ~possible)
		return err_set(err, ERR_INVALID, "a key of type %s can %s", pkey_type_name(type),
			       is_rsa ? "sign and decrypt" : "sign and agree");
	return 0;
}

static int check_spec(const struct key_spec *spec, struct err *err)
{
	if (spec->empty_auth && !spec->exportable)
		return err_set(err, ERR_INVALID, "only exportable keys can do without auth");
	if (spec->exportable && spec->uses & KEY_USE_MAC)
		return err_set(err, ERR_INVALID, "a key for HMAC is not for export");
	return provider_check_uses(spec->type, spec->uses, err);
}

int provider_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
			struct key_result *ret_key, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
	struct key_spec settled = *spec;
	int r;

	if (!p || !p->ops->key_create)
		return provider_not_there(err);
	if (settled.uses == 0)
		settled.uses = KEY_USE_SIGN;
	r = check_spec(&settled, err);
	if (r == 0)
		r = provider_check_header(header, err);
	if (r == 0)
		r = provider_check_aik(header, false, err);
	if (r == 0)
		r = p->ops->key_create(p, header, &settled, &made, err);
	made.type = settled.type;
	made.uses = settled.uses;
	return r < 0 ? r : provider_key_hand_over(&made, ret_key, err);
}

int provider_key_import(struct provider *p, struct slice header, const struct key_source *source,
			struct key_result *ret_key, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
	int r;

	if (!p || !p->ops->key_import)
		return provider_not_there(err);
	if (source->pem.len == 0)
		return err_set(err, ERR_INVALID, "an empty text is no key");
	if (source->pem.len > KEYFILE_PEM_MAX)
		return err_set(err, ERR_TOO_LARGE, "a key's PEM has at most %u bytes",
			       KEYFILE_PEM_MAX);
	if (source->uses & ~(unsigned)(KEY_USE_SIGN | KEY_USE_DECRYPT | KEY_USE_AGREE))
		return err_set(err, ERR_INVALID, "an imported key can sign, decrypt or agree");
	r = provider_check_header(header, err);
	if (r == 0)
		r = provider_check_aik(header, false, err);
	if (r == 0)
		r = p->ops->key_import(p, header, source, &made, err);
	/* A key of the chip's own tells its uses; others have those that were asked for. */
	if (made.uses == 0)
		made.uses = source->uses ? source->uses : KEY_USE_SIGN;
	return r < 0 ? r : provider_key_hand_over(&made, ret_key, err);
}

int provider_key_export(struct provider *p, struct slice header, struct slice object,
			struct buf *ret_pem, struct secret **ret_passphrase, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
	CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
	int r;

	if (!p || !p->ops->key_export)
		return provider_not_there(err);
	r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, false, err);
	if (r == 0)
		r = p->ops->key_export(p, header, object, &pem, &passphrase, err);
	if (r == 0)
		r = provider_hand_over(&pem, ret_pem, err);
	if (r == 0)
		*ret_passphrase = TAKE(passphrase);
	return r;
}

int provider_check_request(const struct sign_request *request, struct err *err)
{
	if ((unsigned)request->scheme >= PKEY_SCHEMES)
		return err_set(err, ERR_INVALID, "unknown scheme");
	if ((unsigned)request->hash >= HASH_ALGS)
		return err_set(err, ERR_INVALID, "unknown hash");
	if (request->digest.len != hash_size(request->hash))
		return err_set(err, ERR_INVALID, "a digest by %s must have %zu bytes",
			       hash_name(request->hash), hash_size(request->hash));
	return 0;
}

int provider_key_sign(struct provider *p, struct slice header, struct slice object,
		      const struct sign_request *request, struct buf *ret_signature,
		      struct err *err)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(SIGNATURE_MAX);
	int r;

	if (!p || !p->ops->key_sign)
		return provider_not_there(err);
	r = provider_check_request(request, err);
	if (r == 0)
		r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, false, err);
	if (r == 0)
		r = p->ops->key_sign(p, header, object, request, &signature, err);
	return r < 0 ? r : provider_hand_over(&signature, ret_signature, err);
}

int provider_unseal_loadable(struct provider *p, const struct provider_loadable *object,
			     struct secret **ret_plain, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r;

	if (!p || !p->ops->unseal_loadable)
		return provider_not_there(err);
	r = p->ops->unseal_loadable(p, object, &plain, err);
	if (r == 0)
		*ret_plain = TAKE(plain);
	return r;
}

void provider_forget(struct provider *p, struct slice object)
{
	if (p && p->ops->forget)
		p->ops->forget(p, object);
}

void provider_status(struct provider *p, struct provider_status *ret_status)
{
	*ret_status = (struct provider_status){0};
	if (p && p->ops->status)
		p->ops->status(p, ret_status);
}

void provider_free(struct provider *p)
{
	if (p && p->ops->close)
		p->ops->close(p);
}
