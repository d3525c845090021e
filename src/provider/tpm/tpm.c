/* SPDX-License-Identifier: Apache-2.0 */

/* The contract of provider.h on the engine: headers become authValues, objects become bytes. */

#include "provider/tpm/tpm.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "provider/tpm/impl.h"
#include "tpm/transport.h"

struct engine *tpm_engine(struct provider *p)
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

int tpm_used(struct provider *p, int r)
{
	int refusal = engine_refusal(tpm_of(p)->engine);

	live_update(tpm_of(p), refusal ? refusal : r == ERR_TPM_FAILED ? r : 0);
	return r;
}

void opened_fini(struct opened *opened)
{
	secret_free(opened->auth);
}

static int open_as(const struct provider_object *from, bool aik, struct tpm_provider *tpm,
		   struct opened *ret_opened, struct err *err)
{
	struct opened opened = {0};
	int r = tpm_object_parse(from->object, tpm->auth_key, from->header, &opened.parts, err);

	if (r == 0 && aik != !!(opened.parts.flags & TPM_OBJECT_AIK))
		r = err_set(err, ERR_DAMAGED, "the object is %s attestation key",
			    aik ? "no" : "an");
	if (r == 0 && !(opened.parts.flags & TPM_OBJECT_EMPTY_AUTH))
		r = tpm_object_auth(tpm->auth_key, from->header, &opened.auth, err);
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

int opened_open(struct tpm_provider *tpm, struct slice header, struct slice bytes,
		struct opened *ret_opened, struct err *err)
{
	const struct provider_object from = {.header = header, .object = bytes};

	return open_as(&from, false, tpm, ret_opened, err);
}

int opened_open_aik(struct tpm_provider *tpm, struct slice header, struct slice bytes,
		    struct opened *ret_opened, struct err *err)
{
	const struct provider_object from = {.header = header, .object = bytes};

	return open_as(&from, true, tpm, ret_opened, err);
}

int tpm_refused_is_damaged(int r, struct err *err)
{
	if (r != ERR_AUTH_FAILED)
		return r;
	err->code = ERR_DAMAGED;
	err->remedy = NULL;
	return ERR_DAMAGED;
}

static int tpm_random(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err)
{
	return tpm_used(p, random_pool_take(&tpm_of(p)->pool, tpm_engine(p), ret_bytes, len, err));
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
		r = tpm_used(p, engine_seal(tpm_engine(p), secret_slice(auth), plain, &made, err));
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
	int r = opened_open(tpm_of(p), header, object, &opened, err);

	if (r == 0)
		r = tpm_used(p, engine_unseal(tpm_engine(p), &opened.object, ret_plain, err));
	return tpm_refused_is_damaged(r, err);
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

	return tpm_used(p, engine_unseal(tpm_engine(p), &loaded, ret_plain, err));
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
	unwrapped_fini(&tpm->unwrapped);
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
	.key_decrypt = tpm_key_decrypt,
	.key_agree = tpm_key_agree,
	.key_mac = tpm_key_mac,
	.pieces_start = tpm_pieces_start,
	.pieces_add = tpm_pieces_add,
	.pieces_end = tpm_pieces_end,
	.pieces_free = tpm_pieces_free,
	.aik_create = tpm_aik_create,
	.aik_sign = tpm_aik_sign,
	.quote = tpm_quote,
	.certify = tpm_certify,
	.activate = tpm_activate,
	.ek = tpm_ek,
	.pcrs = tpm_pcrs,
	.pcr_banks = tpm_pcr_banks,
	.unseal_loadable = tpm_unseal_loadable,
	.persist = tpm_persist,
	.taken = tpm_taken,
	.resident = tpm_resident,
	.resident_sign = tpm_resident_sign,
	.evict = tpm_evict,
	.storage_key = tpm_storage_key,
	.unwrap = tpm_unwrap,
	.storage_activate = tpm_storage_activate,
	.guests = &tpm_guests,
	.forget = tpm_forget,
	.status = tpm_status,
	.close = tpm_close,
};

bool tpm_device_present(const char *tcti)
{
	return tcti[0] || access("/dev/tpm0", F_OK) == 0 || access("/dev/tpmrm0", F_OK) == 0;
}

struct engine_options tpm_engine_options(const struct tpm_options *options)
{
	return (struct engine_options){
		.tcti = options->tcti,
		.srk_type = options->srk_type,
		.srk_handle = options->srk_handle,
		.hsk_handle = options->hsk_handle,
		.encrypt = options->encrypt,
		.owner_auth = options->owner_auth,
		.endorsement_auth = options->endorsement_auth,
		.lockout_auth = options->lockout_auth,
	};
}

static int open_engine(struct tpm_provider *tpm, const struct tpm_options *options,
		       const struct engine_roots *recorded, bool *ret_new, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *hsk_auth = NULL;
	struct engine_options engine = tpm_engine_options(options);
	int r = tpm_object_auth(tpm->auth_key, slice_str("hsk"), &hsk_auth, err);

	if (r < 0)
		return r;
	engine.recorded = recorded;
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
	int r = engine_persist_hsk(tpm_engine(p), err);

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
