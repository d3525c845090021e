/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A chip is emptied of what is ours, at a time when nothing of ours is known any more but handles
 * and Names. There is no root to trust; the session is salted to the storage key that lies where it
 * usually lies, if one does, and its HMAC covers the Names, so that no other key goes by mistake.
 *
 * A wrong password locks the lockout hierarchy for hours, and after a TPM2_Clear whose answer was
 * lost there is none: so the chip is asked first whether it has one.
 */

#include <stdio.h>
#include <string.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

#define TRIES 3u

struct erasing {
	const struct engine_erase *what;
	struct engine_erased erased;
	TPMA_PERMANENT permanent;
};

static TSS2_RC ask_permanent(struct engine *engine, TPMA_PERMANENT *ret_permanent)
{
	TPMS_CAPABILITY_DATA data = {0};
	const TPML_TAGGED_TPM_PROPERTY *list = &data.data.tpmProperties;
	TSS2_RC rc =
		chip_capability(engine, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PERMANENT, 1, &data, NULL);

	if (rc)
		return rc;
	if (list->count != 1 || list->tpmProperty[0].property != TPM2_PT_PERMANENT)
		return TSS2_SYS_RC_MALFORMED_RESPONSE;
	*ret_permanent = list->tpmProperty[0].value;
	return TSS2_RC_SUCCESS;
}

static void drop_password(struct secret **password)
{
	secret_free(*password);
	*password = NULL;
}

/* A storage key at one of the two usual handles; *ret_key has handle 0 where there is none. */
static TSS2_RC find_salt(struct engine *engine, struct root *ret_key, TPM2B_PUBLIC *ret_public)
{
	const uint32_t handles[] = {SRK_SHARED_HANDLE, engine->srk_handle};
	TSS2_RC rc;

	ret_key->handle = 0;
	for (size_t i = 0; i < ARRAY_LEN(handles); i++) {
		rc = chip_read_public(engine, handles[i], ret_public);
		if (rc_is_layer(rc))
			return rc;
		if (rc || public_unfit_srk(ret_public))
			continue;
		ret_key->handle = handles[i];
		break;
	}
	return TSS2_RC_SUCCESS;
}

static TSS2_RC begin(struct engine *engine, struct erasing *erasing)
{
	TPM2B_PUBLIC public;
	struct root key;
	TSS2_RC rc = chip_startup(engine);

	if (!rc)
		rc = engine_flush_left(engine);
	if (!rc)
		rc = ask_permanent(engine, &erasing->permanent);
	if (rc)
		return rc;
	if (!(erasing->permanent & TPMA_PERMANENT_OWNERAUTHSET))
		drop_password(&engine->owner_auth);
	if (!(erasing->permanent & TPMA_PERMANENT_LOCKOUTAUTHSET))
		drop_password(&engine->lockout_auth);
	rc = find_salt(engine, &key, &public);
	return rc ? rc
		  : chip_start_session(engine, LINE_FIRST, key.handle ? &key : NULL,
				       key.handle ? &public : NULL);
}

/* --- keys ---------------------------------------------------------------------------------- */

/* Only the first is told. */
static TSS2_RC leave(struct erasing *erasing, uint32_t handle, const char *why)
{
	struct engine_erased *erased = &erasing->erased;

	if (erased->left++ == 0)
		snprintf(erased->why, sizeof(erased->why), "0x%08x was left: %s", handle, why);
	return TSS2_RC_SUCCESS;
}

static TSS2_RC erase_key(struct engine *engine, const struct engine_persistent *key,
			 struct erasing *erasing)
{
	struct root found = {.handle = key->handle};
	TPM2B_PUBLIC public;
	TSS2_RC rc = chip_read_public(engine, key->handle, &public);

	if (persistent_is_absent(rc))
		return TSS2_RC_SUCCESS;
	if (rc)
		return rc;
	persistent_name(&public, &found.name);
	if (!slice_equal(name_slice(&found.name), key->name))
		return leave(erasing, key->handle, "another key lies there");
	rc = chip_persist(engine, &found, key->handle);
	if (!rc_is_refusal(rc))
		return rc;
	return leave(erasing, key->handle,
		     engine->owner_auth ? "the TPM refused the configured owner password"
					: "the TPM's owner hierarchy has a password");
}

/* --- all ----------------------------------------------------------------------------------- */

static TSS2_RC not_cleared(struct erasing *erasing, const char *why)
{
	struct engine_erased *erased = &erasing->erased;
	size_t len = strlen(erased->why);

	snprintf(erased->why + len, sizeof(erased->why) - len, "%sthe TPM was not cleared: %s",
		 len ? "; " : "", why);
	return TSS2_RC_SUCCESS;
}

static TSS2_RC clear(struct engine *engine, struct erasing *erasing)
{
	TSS2_RC rc;

	if (erasing->permanent & TPMA_PERMANENT_DISABLECLEAR)
		return not_cleared(erasing, "it is forbidden (TPM2_ClearControl)");
	if (erasing->permanent & TPMA_PERMANENT_LOCKOUTAUTHSET && !engine->lockout_auth)
		return not_cleared(erasing, "its lockout hierarchy has a password");
	rc = chip_clear(engine);
	if (rc_is_layer(rc))
		return rc;
	if (rc_is_refusal(rc))
		return not_cleared(erasing, "it refused the configured lockout password");
	if (rc_base(rc) == TPM2_RC_LOCKOUT)
		return not_cleared(erasing, "its lockout hierarchy is locked out");
	if (rc_base(rc) == TPM2_RC_DISABLED)
		return not_cleared(erasing, "it is forbidden (TPM2_ClearControl)");
	erasing->erased.cleared = !rc;
	return rc;
}

static TSS2_RC run(struct engine *engine, struct erasing *erasing)
{
	const struct engine_erase *what = erasing->what;
	TSS2_RC rc = begin(engine, erasing);

	erasing->erased = (struct engine_erased){.left = 0};
	for (size_t i = 0; i < what->count && !rc; i++)
		rc = erase_key(engine, &what->keys[i], erasing);
	return rc || !what->clear ? rc : clear(engine, erasing);
}

static bool may_pass(TSS2_RC rc)
{
	return rc != COMMAND_OURS && (rc_is_layer(rc) || rc_is_stale(rc) || rc_is_full(rc));
}

int engine_erase(const struct engine_options *options, const struct engine_erase *erase,
		 struct engine_erased *ret_erased, struct err *err)
{
	CLEANUP(engine_cleanup) struct engine *engine = NULL;
	struct erasing erasing = {.what = erase};
	TSS2_RC rc = TSS2_RC_SUCCESS;
	int r = engine_new(options, &engine, err);

	for (unsigned try = 0; r == 0 && try < TRIES; try++) {
		rc = run(engine, &erasing);
		if (!may_pass(rc))
			break;
		engine_drop(engine);
		if (rc_is_layer(rc))
			transport_close(engine->line.transport);
	}
	if (r == 0 && rc == COMMAND_OURS) {
		*err = engine->line.fault;
		return err_wrap(err, "erasing keys of the TPM");
	}
	if (r == 0 && rc)
		return rc_err(err, rc, "erasing keys of the TPM");
	if (r == 0)
		*ret_erased = erasing.erased;
	return r;
}
