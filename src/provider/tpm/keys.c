/* SPDX-License-Identifier: Apache-2.0 */

/* Keys: made here, brought along, taken out, used. */

#include <string.h>

#include "crypto/keyfile.h"
#include "provider/impl.h"
#include "provider/tpm/impl.h"

static const char remedy_other_parent[] =
	"Create the key under the storage root key (its persistent handle, or 0x40000001 with the "
	"standard template).";

static const struct {
	unsigned use, engine;
} uses[] = {
	{KEY_USE_SIGN, ENGINE_SIGN},
	{KEY_USE_DECRYPT, ENGINE_DECRYPT},
	{KEY_USE_AGREE, ENGINE_AGREE},
	{KEY_USE_MAC, ENGINE_MAC},
};

static unsigned engine_uses(unsigned of)
{
	unsigned engine = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(uses); i++)
		engine |= of & uses[i].use ? uses[i].engine : 0;
	return engine;
}

static unsigned key_uses(unsigned of)
{
	unsigned key = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(uses); i++)
		key |= of & uses[i].engine ? uses[i].use : 0;
	return key;
}

int tpm_fill_result(struct slice public, struct key_result *result, struct err *err)
{
	struct engine_public parsed = {0};
	int r = engine_public_parse(public, &parsed, err);

	if (r < 0)
		return r;
	result->type = parsed.type;
	result->uses = key_uses(parsed.uses);
	buf_put(&result->name, slice_of(parsed.name.bytes, parsed.name.len));
	buf_put(&result->public, public);
	if (parsed.key)
		r = pkey_to_spki(parsed.key, &result->spki, err);
	pkey_free(parsed.key);
	if (r == 0 && (!buf_ok(&result->name) || !buf_ok(&result->public)))
		r = err_set(err, ERR_INTERNAL, "out of memory");
	return r;
}

int tpm_finish_key(struct tpm_provider *tpm, struct slice header, const struct tpm_object *parts,
		   struct key_result *ret_key, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	int r = tpm_fill_result(parts->public, &key, err);

	if (r == 0)
		r = tpm_object_write(parts, tpm->auth_key, header, &key.object, err);
	if (r < 0)
		return r;
	key_result_fini(ret_key);
	*ret_key = key;
	key = (struct key_result)KEY_RESULT_INIT;
	return 0;
}

int tpm_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
		   struct key_result *ret_key, struct err *err)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *auth = NULL;
	struct tpm_provider *tpm = tpm_of(p);
	/* Exported keys are loaded by tools that know the SRK and nothing of our HSK. */
	struct tpm_object parts = {
		.parent = spec->exportable ? ENGINE_SRK : ENGINE_HSK,
		.flags = (uint8_t)((spec->exportable ? TPM_OBJECT_EXPORTABLE : 0) |
				   (spec->empty_auth ? TPM_OBJECT_EMPTY_AUTH : 0)),
	};
	struct engine_key key = {
		.parent = parts.parent, .type = spec->type, .uses = engine_uses(spec->uses)};
	int r = 0;

	if (!spec->empty_auth)
		r = tpm_object_auth(tpm->auth_key, header, &auth, err);
	if (auth)
		key.auth = secret_slice(auth);
	if (r == 0)
		r = tpm_used(p, engine_create_key(tpm_engine(p), &key, &made, err));
	if (r < 0)
		return r;
	parts.public = buf_slice(&made.public);
	parts.private = buf_slice(&made.private);
	return tpm_finish_key(tpm, header, &parts, ret_key, err);
}

static void public_fini(struct engine_public *public)
{
	pkey_free(public->key);
}

/*
 * Would we serve such a key: a free one of a known type, with a password. Keys of the stock tools
 * are taken though they are subject to dictionary-attack lockout, which ours never are
 * (docs/THREATS.md).
 */
static int check_importable(const struct keyfile *file, unsigned wanted, struct err *err)
{
	CLEANUP(public_fini) struct engine_public parsed = {0};
	int r;

	if (file->type != KEYFILE_LOADABLE)
		return err_set(err, ERR_NOT_SUPPORTED, "the PEM holds sealed data, not a key");
	r = engine_public_parse(buf_slice(&file->pubkey), &parsed, err);
	if (r == ERR_DAMAGED)
		return err_set(err, ERR_INVALID, "the PEM's public part is no TPM public area");
	if (r < 0)
		return r;
	if (!parsed.key || !parsed.uses || parsed.restricted || !parsed.user_with_auth)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "the PEM's key is no pair for free use with a password");
	if (wanted & ~key_uses(parsed.uses))
		return err_set(err, ERR_NOT_SUPPORTED,
			       "the PEM's key was not made for all of these uses");
	return 0;
}

static int change_password(struct provider *p, const struct keyfile *file,
			   const struct secret *passphrase, struct slice new_auth,
			   struct buf *ret_private, struct err *err)
{
	struct engine_object object = {
		.parent = ENGINE_SRK,
		.public = buf_slice(&file->pubkey),
		.private = buf_slice(&file->privkey),
		/* Not by the file's emptyAuth: tpm2_encodeobject 5.4 writes it the wrong way round.
		 */
		.auth = passphrase ? secret_slice(passphrase) : slice_of(NULL, 0),
	};
	int r;

	/* The chip drops trailing zeros of a password (Part 1, "Authorization Values"). */
	while (object.auth.len && object.auth.data[object.auth.len - 1] == 0)
		object.auth.len--;
	r = tpm_used(p, engine_change_auth(tpm_engine(p), &object, new_auth, ret_private, err));
	engine_forget(tpm_of(p)->engine, &object);
	if (r == ERR_DAMAGED) {
		err_set(err, ERR_WRONG_TPM,
			"the key is of another TPM, under another parent, or damaged");
		return err_add_remedy(err, remedy_other_parent);
	}
	if (r == ERR_AUTH_FAILED)
		return err_set(err, ERR_AUTH_FAILED, "the key's passphrase is wrong or missing");
	return r;
}

/* TSS2 PRIVATE KEY: it stays where it is, below the SRK, with another password. */
static int import_tss2(struct provider *p, struct slice header, const struct key_source *source,
		       struct key_result *ret_key, struct err *err)
{
	CLEANUP(buf_fini) struct buf private = BUF_INIT(ENGINE_PRIVATE_MAX);
	CLEANUP(keyfile_cleanup) struct keyfile file = {0};
	CLEANUP(secret_cleanup) struct secret *auth = NULL;
	struct tpm_provider *tpm = tpm_of(p);
	struct tpm_object parts = {.parent = ENGINE_SRK};
	int r;

	r = keyfile_read(source->pem, &file, err);
	if (r == 0)
		r = check_importable(&file, source->uses, err);
	if (r == 0)
		r = tpm_object_auth(tpm->auth_key, header, &auth, err);
	if (r == 0)
		r = change_password(p, &file, source->passphrase, secret_slice(auth), &private,
				    err);
	if (r < 0)
		return r;
	parts.public = buf_slice(&file.pubkey);
	parts.private = buf_slice(&private);
	return tpm_finish_key(tpm, header, &parts, ret_key, err);
}

/* PKCS#8: into the chip, below our own storage key. */
static int import_pkcs8(struct provider *p, struct slice header, const struct key_source *source,
			struct key_result *ret_key, struct err *err)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *auth = NULL;
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	unsigned wanted = source->uses ? source->uses : KEY_USE_SIGN;
	struct tpm_provider *tpm = tpm_of(p);
	struct tpm_object parts = {.parent = ENGINE_HSK};
	int r = pkey_from_pkcs8_pem(source->pem, source->passphrase, &pair, err);

	if (r == 0)
		r = provider_check_uses(pkey_type(pair), wanted, err);
	if (r == 0)
		r = tpm_object_auth(tpm->auth_key, header, &auth, err);
	if (r == 0)
		r = tpm_used(p, engine_import_key(tpm_engine(p), pair, engine_uses(wanted),
						  secret_slice(auth), &made, err));
	if (r < 0)
		return r;
	parts.public = buf_slice(&made.public);
	parts.private = buf_slice(&made.private);
	return tpm_finish_key(tpm, header, &parts, ret_key, err);
}

int tpm_key_import(struct provider *p, struct slice header, const struct key_source *source,
		   struct key_result *ret_key, struct err *err)
{
	return keyfile_is_tss2(source->pem) ? import_tss2(p, header, source, ret_key, err)
					    : import_pkcs8(p, header, source, ret_key, err);
}

int tpm_key_export(struct provider *p, struct slice header, struct slice object,
		   struct buf *ret_pem, struct secret **ret_passphrase, struct err *err)
{
	CLEANUP(keyfile_cleanup) struct keyfile file = {0};
	CLEANUP(opened_fini) struct opened opened = {0};
	struct tpm_provider *tpm = tpm_of(p);
	int r = opened_open(tpm, header, object, &opened, err);

	if (r < 0)
		return r;
	if (!(opened.parts.flags & TPM_OBJECT_EXPORTABLE)) {
		err_set(err, ERR_CONFLICT, "the key was not created for export");
		return err_add_remedy(err, PROVIDER_REMEDY_EXPORT);
	}
	file.type = KEYFILE_LOADABLE;
	file.empty_auth = opened.auth == NULL;
	file.parent = engine_roots(tpm->engine)->srk_handle;
	file.pubkey.max = file.privkey.max = KEYFILE_PART_MAX;
	buf_put(&file.pubkey, opened.parts.public);
	buf_put(&file.privkey, opened.parts.private);
	if (!buf_ok(&file.pubkey) || !buf_ok(&file.privkey))
		return err_set(err, ERR_INTERNAL, "out of memory");
	r = keyfile_write(&file, ret_pem, err);
	if (r == 0)
		*ret_passphrase = TAKE(opened.auth);
	return r;
}

int tpm_key_sign(struct provider *p, struct slice header, struct slice object,
		 const struct sign_request *request, struct buf *ret_signature, struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	struct engine_sign sign = {
		.scheme = request->scheme, .hash = request->hash, .digest = request->digest};
	int r = opened_open(tpm_of(p), header, object, &opened, err);

	if (r == 0)
		r = tpm_used(p,
			     engine_sign(tpm_engine(p), &opened.object, &sign, ret_signature, err));
	return tpm_refused_is_damaged(r, err);
}

int tpm_key_decrypt(struct provider *p, struct slice header, struct slice object,
		    const struct decrypt_request *request, struct secret **ret_plain,
		    struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	struct engine_decrypt decrypt = {
		.hash = request->hash, .label = request->label, .ciphertext = request->ciphertext};
	int r = opened_open(tpm_of(p), header, object, &opened, err);

	if (r == 0)
		r = tpm_used(
			p, engine_decrypt(tpm_engine(p), &opened.object, &decrypt, ret_plain, err));
	return tpm_refused_is_damaged(r, err);
}

int tpm_key_agree(struct provider *p, struct slice header, struct slice object,
		  const struct pkey *peer, struct secret **ret_shared, struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	int r = opened_open(tpm_of(p), header, object, &opened, err);

	if (r == 0)
		r = tpm_used(p, engine_agree(tpm_engine(p), &opened.object, peer, ret_shared, err));
	return tpm_refused_is_damaged(r, err);
}

int tpm_key_mac(struct provider *p, struct slice header, struct slice object, struct slice data,
		struct buf *ret_mac, struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	int r = opened_open(tpm_of(p), header, object, &opened, err);

	if (r == 0)
		r = tpm_used(p, engine_mac(tpm_engine(p), &opened.object, data, ret_mac, err));
	return tpm_refused_is_damaged(r, err);
}
