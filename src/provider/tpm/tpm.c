/* SPDX-License-Identifier: Apache-2.0 */

/* The contract of provider.h on the engine: headers become authValues, objects become bytes. */

#include "provider/tpm/tpm.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "crypto/keyfile.h"
#include "provider/tpm/impl.h"
#include "tpm/transport.h"

static const char remedy_other_parent[] =
	"Create the key under the storage root key (its persistent handle, or 0x40000001 with the "
	"standard template).";

static struct tpm_provider *tpm_of(struct provider *p)
{
	return (struct tpm_provider *)(void *)p;
}

static struct engine *engine_of(struct provider *p)
{
	struct engine *engine = tpm_of(p)->engine;

	engine_set_deadline(engine, p->deadline_us);
	return engine;
}

static void live_update(struct tpm_provider *tpm, int fault)
{
	struct tpm_live *live = &tpm->live;
	struct engine_facts facts;

	engine_facts(tpm->engine, &facts);
	atomic_store(&live->fault, fault);
	atomic_store(&live->reset_count, facts.reset_count);
	atomic_store(&live->restart_count, facts.restart_count);
	atomic_store(&live->lockout_counter, facts.lockout_counter);
	atomic_store(&live->lockout_max, facts.lockout_max);
	atomic_store(&live->lockout_resets, facts.lockout_resets);
	atomic_store(&live->in_lockout, facts.in_lockout);
	atomic_store(&live->lockout_auth_refused, facts.lockout_auth_refused);
}

/* After each use of the engine: what status tells of the chip. Hands @r on. */
static int used(struct provider *p, int r)
{
	int refusal = engine_refusal(tpm_of(p)->engine);

	live_update(tpm_of(p), refusal ? refusal : r == ERR_TPM_FAILED ? r : 0);
	return r;
}

/* An object ready for the engine: its parts and, unless empty, its authValue. */
struct opened {
	struct tpm_object parts;
	struct secret *auth;
	struct engine_object object;
};

static void opened_fini(struct opened *opened)
{
	secret_free(opened->auth);
}

static int open_object(struct tpm_provider *tpm, struct slice header, struct slice bytes,
		       struct opened *ret_opened, struct err *err)
{
	struct opened opened = {0};
	int r = tpm_object_parse(bytes, tpm->auth_key, header, &opened.parts, err);

	if (r == 0 && !(opened.parts.flags & TPM_OBJECT_EMPTY_AUTH))
		r = tpm_object_auth(tpm->auth_key, header, &opened.auth, err);
	if (r < 0)
		return r;
	opened.object = (struct engine_object){
		.parent = opened.parts.parent,
		.public = opened.parts.public,
		.private = opened.parts.private,
		.auth = opened.auth ? secret_slice(opened.auth) : slice_of(NULL, 0),
	};
	*ret_opened = opened;
	return 0;
}

/*
 * Header, tag and auth key fit (blob_check() and the tag saw to it), so a refused authorisation
 * means that the object is not the one that this header was made with.
 */
static int refused_is_damaged(int r, struct err *err)
{
	if (r != ERR_AUTH_FAILED)
		return r;
	err->code = ERR_DAMAGED;
	err->remedy = NULL;
	return ERR_DAMAGED;
}

static int tpm_random(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err)
{
	return used(p, random_pool_take(&tpm_of(p)->pool, engine_of(p), ret_bytes, len, err));
}

static int tpm_seal(struct provider *p, struct slice header, const struct secret *plain,
		    struct buf *ret_object, struct err *err)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *auth = NULL;
	struct tpm_provider *tpm = tpm_of(p);
	struct tpm_object parts = {.parent = ENGINE_HSK};
	int r = tpm_object_auth(tpm->auth_key, header, &auth, err);

	if (r == 0)
		r = used(p, engine_seal(engine_of(p), secret_slice(auth), plain, &made, err));
	if (r < 0)
		return r;
	parts.public = buf_slice(&made.public);
	parts.private = buf_slice(&made.private);
	return tpm_object_write(&parts, tpm->auth_key, header, ret_object, err);
}

static int tpm_unseal(struct provider *p, struct slice header, struct slice object,
		      struct secret **ret_plain, struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	int r = open_object(tpm_of(p), header, object, &opened, err);

	if (r == 0)
		r = used(p, engine_unseal(engine_of(p), &opened.object, ret_plain, err));
	return refused_is_damaged(r, err);
}

/* The public half in the forms that everybody else reads. */
static int fill_result(struct slice public, struct key_result *result, struct err *err)
{
	struct engine_public parsed = {0};
	int r = engine_public_parse(public, &parsed, err);

	if (r < 0)
		return r;
	result->type = parsed.type;
	buf_put(&result->name, slice_of(parsed.name.bytes, parsed.name.len));
	r = pkey_to_spki(parsed.key, &result->spki, err);
	pkey_free(parsed.key);
	if (r == 0 && !buf_ok(&result->name))
		r = err_set(err, ERR_INTERNAL, "out of memory");
	return r;
}

static int finish_key(struct tpm_provider *tpm, struct slice header, const struct tpm_object *parts,
		      struct key_result *ret_key, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	int r = fill_result(parts->public, &key, err);

	if (r == 0)
		r = tpm_object_write(parts, tpm->auth_key, header, &key.object, err);
	if (r < 0)
		return r;
	key_result_fini(ret_key);
	*ret_key = key;
	key = (struct key_result)KEY_RESULT_INIT;
	return 0;
}

static int tpm_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
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
	int r = 0;

	if (!spec->empty_auth)
		r = tpm_object_auth(tpm->auth_key, header, &auth, err);
	if (r == 0)
		r = used(p, engine_create_key(engine_of(p), parts.parent, spec->type,
					      auth ? secret_slice(auth) : slice_of(NULL, 0), &made,
					      err));
	if (r < 0)
		return r;
	parts.public = buf_slice(&made.public);
	parts.private = buf_slice(&made.private);
	return finish_key(tpm, header, &parts, ret_key, err);
}

/*
 * Would we serve such a key: a free signing key of a known type. Keys of the stock tools are taken
 * though they are subject to dictionary-attack lockout, which ours never are (docs/THREATS.md).
 */
static int check_importable(const struct keyfile *file, struct err *err)
{
	struct engine_public parsed = {0};
	int r;

	if (file->type != KEYFILE_LOADABLE)
		return err_set(err, ERR_NOT_SUPPORTED, "the PEM holds sealed data, not a key");
	r = engine_public_parse(buf_slice(&file->pubkey), &parsed, err);
	if (r == ERR_DAMAGED)
		return err_set(err, ERR_INVALID, "the PEM's public part is no TPM public area");
	if (r < 0)
		return r;
	pkey_free(parsed.key);
	if (!parsed.sign || parsed.restricted || !parsed.user_with_auth)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "the PEM's key is no free signing key with a password");
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
	r = used(p, engine_change_auth(engine_of(p), &object, new_auth, ret_private, err));
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

static int tpm_key_import(struct provider *p, struct slice header, const struct key_source *source,
			  struct key_result *ret_key, struct err *err)
{
	struct slice pem = source->pem;
	CLEANUP(buf_fini) struct buf private = BUF_INIT(ENGINE_PRIVATE_MAX);
	CLEANUP(keyfile_cleanup) struct keyfile file = {0};
	CLEANUP(secret_cleanup) struct secret *auth = NULL;
	struct tpm_provider *tpm = tpm_of(p);
	struct tpm_object parts = {.parent = ENGINE_SRK};
	int r;

	if (!keyfile_is_tss2(pem) && memmem(pem.data, pem.len, "PRIVATE KEY-----", 16))
		return err_set(err, ERR_NOT_SUPPORTED,
			       "a TPM takes TSS2 PRIVATE KEY files; this is a software key");
	r = keyfile_read(pem, &file, err);
	if (r == 0)
		r = check_importable(&file, err);
	if (r == 0)
		r = tpm_object_auth(tpm->auth_key, header, &auth, err);
	if (r == 0)
		r = change_password(p, &file, source->passphrase, secret_slice(auth), &private,
				    err);
	if (r < 0)
		return r;
	parts.public = buf_slice(&file.pubkey);
	parts.private = buf_slice(&private);
	return finish_key(tpm, header, &parts, ret_key, err);
}

static int tpm_key_export(struct provider *p, struct slice header, struct slice object,
			  struct buf *ret_pem, struct secret **ret_passphrase, struct err *err)
{
	CLEANUP(keyfile_cleanup) struct keyfile file = {0};
	CLEANUP(opened_fini) struct opened opened = {0};
	struct tpm_provider *tpm = tpm_of(p);
	int r = open_object(tpm, header, object, &opened, err);

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

static int tpm_key_sign(struct provider *p, struct slice header, struct slice object,
			const struct sign_request *request, struct buf *ret_signature,
			struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	struct engine_sign sign = {
		.scheme = request->scheme, .hash = request->hash, .digest = request->digest};
	int r = open_object(tpm_of(p), header, object, &opened, err);

	if (r == 0)
		r = used(p, engine_sign(engine_of(p), &opened.object, &sign, ret_signature, err));
	return refused_is_damaged(r, err);
}

static int tpm_unseal_loadable(struct provider *p, const struct provider_loadable *object,
			       struct secret **ret_plain, struct err *err)
{
	const struct engine_roots *roots = engine_roots(tpm_of(p)->engine);
	struct slice srk = slice_of(roots->srk.bytes, roots->srk.len);
	bool ours =
		object->parent_handle == roots->srk_handle && slice_equal(object->parent_name, srk);
	const struct engine_object loaded = {
		.parent = ours ? ENGINE_SRK : ENGINE_OTHER,
		.other_handle = object->parent_handle,
		.other_name = object->parent_name,
		.public = object->public_part,
		.private = object->private_part,
	};

	return used(p, engine_unseal(engine_of(p), &loaded, ret_plain, err));
}

static int tpm_raw(struct provider *p, struct slice command, struct buf *ret_answer,
		   struct err *err)
{
	return used(p, engine_raw(engine_of(p), command, ret_answer, err));
}

static int tpm_raw_end(struct provider *p, struct err *err)
{
	return used(p, engine_raw_end(engine_of(p), err));
}

static void tpm_forget(struct provider *p, struct slice object)
{
	struct engine_object parts = {0};
	struct cursor cursor = cursor_of(object);

	/* Without its header the tag cannot be checked, nor need it: only what is loaded matches.
	 */
	(void)cursor_u8(&cursor);
	parts.parent = (enum engine_parent)cursor_u8(&cursor);
	(void)cursor_u8(&cursor);
	parts.public = cursor_take(&cursor, cursor_u16(&cursor));
	parts.private = cursor_take(&cursor, cursor_u16(&cursor));
	if (!cursor.failed)
		engine_forget(tpm_of(p)->engine, &parts);
}

/* Any thread: what changes after the provider was opened is in @live. */
static void tpm_status(struct provider *p, struct provider_status *ret_status)
{
	const struct engine_facts *facts = &tpm_of(p)->facts;
	const struct tpm_live *live = &tpm_of(p)->live;
	int fault = atomic_load(&live->fault);

	*ret_status = (struct provider_status){
		.manufacturer = facts->manufacturer,
		.firmware = facts->firmware,
		.resource_manager = facts->manager,
		.tcti = facts->tcti,
		.commands = transport_command_count(),
		.reset_count = atomic_load(&live->reset_count),
		.restart_count = atomic_load(&live->restart_count),
		.ek_handle = facts->ek_handle,
		.ek_name = slice_of(facts->ek.bytes, facts->ek.len),
		.lockout_counter = atomic_load(&live->lockout_counter),
		.lockout_max = atomic_load(&live->lockout_max),
		.in_lockout = atomic_load(&live->in_lockout),
		.has_lockout = true,
		.lockout_resets = atomic_load(&live->lockout_resets),
		.lockout_auth_refused = atomic_load(&live->lockout_auth_refused),
		.fault = fault ? err_info(fault)->name : NULL,
	};
}

static void tpm_close(struct provider *p)
{
	struct tpm_provider *tpm = tpm_of(p);

	engine_free(tpm->engine);
	secret_free(tpm->auth_key);
	random_pool_fini(&tpm->pool);
	wipe(tpm, sizeof(*tpm));
	free(tpm);
}

static const struct provider_ops tpm_ops = {
	.name = "tpm",
	.kind = PROVIDER_TPM,
	.protection = "tpm",
	.on_chip = true,
	.random = tpm_random,
	.seal = tpm_seal,
	.unseal = tpm_unseal,
	.key_create = tpm_key_create,
	.key_import = tpm_key_import,
	.key_export = tpm_key_export,
	.key_sign = tpm_key_sign,
	.unseal_loadable = tpm_unseal_loadable,
	.raw = tpm_raw,
	.raw_end = tpm_raw_end,
	.forget = tpm_forget,
	.status = tpm_status,
	.close = tpm_close,
};

bool tpm_device_present(const char *tcti)
{
	return tcti[0] || access("/dev/tpm0", F_OK) == 0 || access("/dev/tpmrm0", F_OK) == 0;
}

static int open_engine(struct tpm_provider *tpm, const struct tpm_options *options,
		       const struct engine_roots *recorded, bool *ret_new, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *hsk_auth = NULL;
	struct engine_options engine = {
		.tcti = options->tcti,
		.srk_type = options->srk_type,
		.srk_handle = options->srk_handle,
		.hsk_handle = options->hsk_handle,
		.encrypt = options->encrypt,
		.owner_auth = options->owner_auth,
		.lockout_auth = options->lockout_auth,
		.recorded = recorded,
	};
	int r = tpm_object_auth(tpm->auth_key, slice_str("hsk"), &hsk_auth, err);

	if (r < 0)
		return r;
	engine.hsk_auth = secret_slice(hsk_auth);
	return engine_open(&engine, &tpm->engine, ret_new, err);
}

static int identify(struct tpm_provider *tpm, struct err *err)
{
	const struct engine_roots *roots = engine_roots(tpm->engine);
	struct slice parts[] = {slice_str("holdfast auth key id"), secret_slice(tpm->auth_key)};
	uint8_t digest[HASH_MAX_SIZE];
	int r = hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), digest, err);

	if (r < 0)
		return r;
	memcpy(tpm->base.auth_id, digest, sizeof(tpm->base.auth_id));
	memcpy(tpm->base.root, roots->hsk.bytes, roots->hsk.len);
	tpm->base.root_len = roots->hsk.len;
	engine_facts(tpm->engine, &tpm->facts);
	live_update(tpm, engine_refusal(tpm->engine));
	snprintf(tpm->remark, sizeof(tpm->remark), "%s", engine_remark(tpm->engine));
	return 0;
}

int tpm_provider_open(const struct tpm_options *options, const struct secret *auth_key,
		      struct slice state, struct provider **ret_provider, struct buf *ret_state,
		      struct err *err)
{
	CLEANUP(provider_cleanup) struct provider *p = NULL;
	struct tpm_provider *tpm = calloc(1, sizeof(*tpm));
	struct engine_roots recorded = {0};
	bool made = false;
	int r;

	if (!tpm)
		return err_set(err, ERR_INTERNAL, "out of memory");
	p = &tpm->base;
	p->ops = &tpm_ops;
	r = secret_copy(secret_slice(auth_key), &tpm->auth_key, err);
	if (r == 0)
		r = random_pool_init(&tpm->pool, err);
	if (r == 0 && state.len)
		r = tpm_record_parse(state, &recorded, err);
	if (r == 0)
		r = open_engine(tpm, options, state.len ? &recorded : NULL, &made, err);
	if (r == 0)
		r = identify(tpm, err);
	if (r == 0 && made)
		r = tpm_record_write(engine_roots(tpm->engine), ret_state, err);
	if (r < 0)
		return r;
	*ret_provider = TAKE(p);
	return 0;
}

int tpm_provider_commit(struct provider *p, struct err *err)
{
	struct tpm_provider *tpm = tpm_of(p);
	size_t len = strlen(tpm->remark);
	int r = engine_persist_hsk(engine_of(p), err);

	/* The key serves as well from its blob, a Load at each start. */
	if (r < 0)
		snprintf(tpm->remark + len, sizeof(tpm->remark) - len,
			 "%sHoldfast's storage key stays a blob (%s)", len ? "; " : "", err->text);
	*err = (struct err){0};
	return 0;
}

const char *tpm_provider_remark(const struct provider *p)
{
	const struct tpm_provider *tpm = (const struct tpm_provider *)(const void *)p;

	return tpm->remark[0] ? tpm->remark : NULL;
}
