/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The two storage keys at the root.
 *
 * First time: the SRK is the fit key at 0x81000001, or at the configured handle, or made where one
 * of the two is free. Fit means its attributes and that a Create under it succeeds with an empty
 * password, which making the HSK proves. Nothing that lies there is ever evicted.
 *
 * Ever after: both are looked up by the recorded Names. The SRK may be made again from its
 * template, since the same seed gives the same key; if the Name differs the chip is another one.
 * The HSK is found at its handle or loaded from its blob. Nothing else is ever made.
 */

#include <stdio.h>
#include <string.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

/* A slot where an SRK may live. */
struct place {
	uint32_t handle;
	bool present;
	const char *unfit; /* NULL when the key there can serve */
	TPM2B_PUBLIC public;
	struct root root;
};

/* Absent, present, or an error: unreadable is not absent. */
static int place_look(struct engine *engine, uint32_t handle, struct place *ret_place,
		      struct err *err)
{
	struct place place = {.handle = handle};
	TSS2_RC rc = chip_read_public(engine, handle, &place.public);
	int r;

	if (rc && rc_base(rc) == TPM2_RC_HANDLE && !(rc & 0xffff0000u)) {
		*ret_place = place;
		return 0;
	}
	if (rc)
		return rc_err(err, rc, "reading a persistent key");
	r = public_name(&place.public, &place.root.name, err);
	if (r < 0) {
		place.unfit = "of an unknown kind";
	} else {
		place.unfit = public_unfit_srk(&place.public);
	}
	place.present = true;
	place.root.handle = handle;
	*ret_place = place;
	return 0;
}

/* A layer's code, the chip's, or our own failure, as an error. */
static int line_err(struct engine *engine, TSS2_RC rc, const char *what, struct err *err)
{
	if (rc != COMMAND_OURS)
		return rc_err(err, rc, what);
	*err = engine->line.fault;
	return err_wrap(err, "%s", what);
}

int roots_owner_refused(const struct engine *engine, const char *what, struct err *err)
{
	return err_set(err, ERR_OWNER_AUTH_REQUIRED, "%s: %s", what,
		       engine->owner_auth ? "the TPM refused the configured owner password"
					  : "the TPM's owner hierarchy has a password");
}

static int owner_err(struct engine *engine, TSS2_RC rc, const char *what, struct err *err)
{
	return rc_is_refusal(rc) ? roots_owner_refused(engine, what, err)
				 : line_err(engine, rc, what, err);
}

/* A session salted to this key, in the place of all before. */
static int session_start(struct engine *engine, const struct place *key, struct err *err)
{
	TSS2_RC rc;

	session_discard(engine);
	rc = session_open(engine, LINE_FIRST, &key->root, &key->public);
	return rc ? line_err(engine, rc, "starting a session", err) : 0;
}

/*
 * CreatePrimary needs the owner's password: by HMAC where there is one, never in clear. There is
 * no key yet that a salt could be sent to (docs/THREATS.md).
 */
static int srk_make(struct engine *engine, enum pkey_type type, struct place *ret_transient,
		    struct err *err)
{
	struct place made = {0};
	TPM2B_PUBLIC template = {0};
	const struct chip_primary primary = {
		.hierarchy = TPM2_RH_OWNER,
		.auth = engine_auth(engine->owner_auth),
		.template = &template,
	};
	TSS2_RC rc = TSS2_RC_SUCCESS;
	int r = public_storage(type, &template, err);

	if (r < 0)
		return r;
	if (engine->owner_auth)
		rc = chip_start_session(engine, LINE_FIRST, NULL, NULL);
	if (!rc)
		rc = chip_create_primary(engine, &primary, &made.root, &made.public);
	session_discard(engine);
	if (rc)
		return owner_err(engine, rc, "making the storage root key", err);
	*ret_transient = made;
	return 0;
}

/*
 * Persists a fresh primary at a free handle; the transient one goes in any case. What lies there
 * then must be that key: salts go to it, and who could put his own in its place would know them.
 */
static int srk_settle(struct engine *engine, const struct place *transient, uint32_t handle,
		      struct place *ret_srk, struct err *err)
{
	TSS2_RC rc = TSS2_RC_SUCCESS;
	int r = 0;

	if (engine->owner_auth)
		r = session_start(engine, transient, err);
	if (r == 0)
		rc = chip_persist(engine, &transient->root, handle);
	(void)chip_flush(engine, transient->root.handle);
	session_discard(engine);
	if (r < 0)
		return r;
	if (rc)
		return owner_err(engine, rc, "keeping the storage root key", err);
	r = place_look(engine, handle, ret_srk, err);
	if (r == 0 && !(ret_srk->present && name_equal(&ret_srk->root.name, &transient->root.name)))
		r = err_set(err, ERR_TPM_FAILED,
			    "the TPM did not keep the storage root key that it made");
	return r;
}

/* Makes the HSK as a blob; with an SRK whose password is not empty the chip refuses. */
static TSS2_RC hsk_make(struct engine *engine, const struct place *srk, TPM2B_PUBLIC *ret_public,
			TPM2B_PRIVATE *ret_private)
{
	enum pkey_type type =
		srk->public.publicArea.type == TPM2_ALG_RSA ? PKEY_RSA_2048 : PKEY_ECC_P256;
	struct err ignored = {0};
	TPM2B_PUBLIC template = {0};
	struct chip_create create = {
		.parent = &srk->root,
		.template = &template,
		.auth = engine_auth(engine->hsk_auth),
	};

	if (public_storage(type, &template, &ignored) < 0)
		return TSS2_SYS_RC_GENERAL_FAILURE;
	return chip_create(engine, &create, ret_public, ret_private);
}

/* Of a buf whose max is the room in @out. */
static size_t take_bytes(uint8_t *out, const struct buf *bytes)
{
	if (bytes->len)
		memcpy(out, bytes->data, bytes->len);
	return bytes->len;
}

static int hsk_record(struct engine *engine, const TPM2B_PUBLIC *public,
		      const TPM2B_PRIVATE *private, struct err *err)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	struct engine_roots *roots = &engine->roots;
	int r = public_name(public, &roots->hsk, err);

	if (r == 0)
		r = public_marshal(public, &made.public, err);
	if (r == 0)
		r = private_marshal(private, &made.private, err);
	if (r < 0)
		return r;
	roots->hsk_public_len = take_bytes(roots->hsk_public, &made.public);
	roots->hsk_private_len = take_bytes(roots->hsk_private, &made.private);
	return 0;
}

static void srk_take(struct engine *engine, const struct place *srk)
{
	engine->srk = srk->root;
	engine->srk_public = srk->public;
}

/* 0 and an HSK below this SRK; 1 when the SRK cannot serve, since it has a password. */
static int try_adopt(struct engine *engine, const struct place *srk, struct err *err)
{
	TPM2B_PRIVATE private = {0};
	TPM2B_PUBLIC public = {0};
	TSS2_RC rc;
	int r;

	r = session_start(engine, srk, err);
	if (r < 0)
		return r;
	rc = hsk_make(engine, srk, &public, &private);
	if (rc) {
		session_discard(engine);
		return rc_is_refusal(rc)
			       ? 1
			       : line_err(engine, rc, "making Holdfast's storage key", err);
	}
	engine->roots.srk_handle = srk->handle;
	engine->roots.srk = srk->root.name;
	srk_take(engine, srk);
	return hsk_record(engine, &public, &private, err);
}

static void remark_passed_over(struct engine *engine, const struct place *place, const char *why)
{
	size_t len = strlen(engine->remark);

	snprintf(engine->remark + len, sizeof(engine->remark) - len,
		 "%sthe key at 0x%08x was left alone (%s)", len ? "; " : "", place->handle, why);
}

/* The first of the two places that serves or is free. */
static int srk_first_time(struct engine *engine, struct err *err)
{
	const uint32_t handles[] = {SRK_SHARED_HANDLE, engine->srk_handle};
	struct place place = {0}, transient = {0};
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(handles); i++) {
		r = place_look(engine, handles[i], &place, err);
		if (r < 0)
			return r;
		if (!place.present) {
			r = srk_make(engine, engine->srk_type, &transient, err);
			if (r == 0)
				r = srk_settle(engine, &transient, handles[i], &place, err);
			if (r < 0)
				return r;
		}
		if (place.unfit) {
			remark_passed_over(engine, &place, place.unfit);
			continue;
		}
		r = try_adopt(engine, &place, err);
		if (r <= 0)
			return r;
		remark_passed_over(engine, &place, "it has a password");
	}
	err_set(err, ERR_CONFLICT, "no place for a storage root key: %s", engine->remark);
	return err_add_remedy(err, "Set tpm { srk_handle } to a free persistent handle of the "
				   "owner range, 0x81000000 to 0x817fffff.");
}

/* The HSK was made in the SRK's family, so its public part tells which template to take. */
static enum pkey_type recorded_type(const struct engine *engine)
{
	const struct engine_roots *roots = &engine->roots;
	struct err unused;
	TPM2B_PUBLIC hsk;

	if (public_unmarshal(slice_of(roots->hsk_public, roots->hsk_public_len), &hsk, &unused) < 0)
		return engine->srk_type;
	return hsk.publicArea.type == TPM2_ALG_RSA ? PKEY_RSA_2048 : PKEY_ECC_P256;
}

/* The same seed and template give the same key; another Name is another chip. */
static int srk_remake(struct engine *engine, struct place *ret_srk, struct err *err)
{
	struct place transient = {0};
	int r;

	if (engine->srk_tried)
		return err_set(err, ERR_TPM_CHANGED, "the TPM was cleared or replaced");
	r = srk_make(engine, recorded_type(engine), &transient, err);
	if (r < 0)
		return r;
	if (name_equal(&transient.root.name, &engine->roots.srk))
		return srk_settle(engine, &transient, engine->roots.srk_handle, ret_srk, err);
	(void)chip_flush(engine, transient.root.handle);
	engine->srk_tried = true;
	return err_set(err, ERR_TPM_CHANGED, "the TPM was cleared or replaced");
}

/* The recorded SRK where it was, in the other place, or made anew from the same seed. */
static int srk_again(struct engine *engine, struct place *ret_srk, struct err *err)
{
	const uint32_t handles[] = {engine->roots.srk_handle, SRK_SHARED_HANDLE,
				    engine->srk_handle};
	bool vacant = false;
	struct place place = {0};
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(handles); i++) {
		r = place_look(engine, handles[i], &place, err);
		if (r < 0)
			return r;
		if (place.present && name_equal(&place.root.name, &engine->roots.srk)) {
			*ret_srk = place;
			return 0;
		}
		vacant = i == 0 ? !place.present : vacant;
	}
	if (!vacant)
		return err_set(err, ERR_TPM_CHANGED, "another storage root key is in the TPM");
	r = srk_remake(engine, ret_srk, err);
	return r < 0 ? err_wrap(err, "the recorded storage root key is not in the TPM") : r;
}

int roots_damaged(const char *what, struct err *err)
{
	err_set(err, ERR_DAMAGED, "the recorded storage key of Holdfast %s", what);
	return err_add_remedy(err,
			      "Restore tpm.state and its copy from a backup of the state folder.");
}

/* The SRK was just found by its Name: if this does not load, the record is not what it was. */
static int hsk_load(struct engine *engine, struct err *err)
{
	const struct engine_roots *roots = &engine->roots;
	const struct engine_object object = {
		.parent = ENGINE_SRK,
		.public = slice_of(roots->hsk_public, roots->hsk_public_len),
		.private = slice_of(roots->hsk_private, roots->hsk_private_len),
	};
	struct loadable loadable;
	struct root root;
	TSS2_RC rc;
	int r = loadable_parse(engine, &object, &loadable, err);

	if (r < 0)
		return r;
	rc = resident_object(engine, &loadable, &root);
	if (!rc_is_layer(rc) && rc_base(rc) == TPM2_RC_INTEGRITY)
		return roots_damaged("does not load", err);
	if (rc)
		return line_err(engine, rc, "loading Holdfast's storage key", err);
	if (!name_equal(&root.name, &roots->hsk)) {
		resident_forget(engine, loadable.id);
		return roots_damaged("does not load", err);
	}
	memcpy(engine->hsk_id, loadable.id, sizeof(engine->hsk_id));
	engine->hsk = (struct root){.handle = 0, .name = root.name};
	return 0;
}

/* At its handle, or loaded from its blob. */
static int hsk_find(struct engine *engine, struct err *err)
{
	struct place place = {0};
	int r;

	if (engine->hsk_handle) {
		r = place_look(engine, engine->hsk_handle, &place, err);
		if (r < 0)
			return r;
		if (place.present && name_equal(&place.root.name, &engine->roots.hsk)) {
			engine->hsk = place.root;
			return 0;
		}
	}
	return hsk_load(engine, err);
}

int roots_session(struct engine *engine, struct err *err)
{
	struct place srk = {0};
	TSS2_RC rc = resident_room(engine, 1, 0);
	int r = rc ? line_err(engine, rc, "making room", err) : 0;

	if (r == 0)
		r = place_look(engine, engine->srk.handle, &srk, err);
	if (r == 0 && !(srk.present && name_equal(&srk.root.name, &engine->srk.name)))
		r = err_set(err, ERR_TPM_CHANGED, "the storage root key is gone from the TPM");
	return r < 0 ? r : session_start(engine, &srk, err);
}

int roots_open(struct engine *engine, bool *ret_new, struct err *err)
{
	struct place srk = {0};
	int r;

	if (engine->roots.srk.len == 0) {
		r = srk_first_time(engine, err);
		if (r < 0)
			return r;
		*ret_new = true;
		return hsk_find(engine, err);
	}
	r = srk_again(engine, &srk, err);
	if (r < 0)
		return r;
	srk_take(engine, &srk);
	r = session_start(engine, &srk, err);
	if (r < 0)
		return r;
	*ret_new = false;
	return hsk_find(engine, err);
}
