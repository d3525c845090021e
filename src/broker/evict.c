/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EvictControl (TPM 2.0 Part 3, 28.5) without the chip's NV: what becomes persistent is a recipe.
 * It is tried before it is kept, so that one that cannot work is refused now and not after the
 * next power cut.
 *
 * The owner's password guards the chip's NV; here a tenant disposes of what is its own, so a
 * password is not looked at. A session must be one whose response we can make (vsession.c).
 */
#include <tss2/tss2_tpm2_types.h>

#include "base/tpm_range.h"
#include "broker/impl.h"
#include "broker/make.h"

#define SRK_HANDLE 0x81000001u

/* Session attributes that such a command can have (Part 2, 8.4). */
#define PLAIN_ATTRIBUTES TPMA_SESSION_CONTINUESESSION

/* Can we answer in this authorisation? */
static uint32_t check_auth(const struct run *run)
{
	const struct held *session = run->sessions[0];

	if (run->view->auth_count != 1)
		return TPM2_RC_AUTH_UNAVAILABLE;
	if (!session)
		return 0;
	if (!session->session.plain || handle_type(session->handle) != TPM2_HT_HMAC_SESSION ||
	    (run->view->auths[0].attributes & ~(unsigned)PLAIN_ATTRIBUTES))
		return TPM2_RC_AUTH_UNAVAILABLE;
	return 0;
}

static uint32_t check_hmac(struct run *run, const struct ask_public *public)
{
	if (!run->sessions[0])
		return 0;
	return vsession_check(run, ask_name(public));
}

static uint32_t read_public(struct run *run, struct provider_guest *guest, size_t i,
			    struct ask_public *ret_public)
{
	struct err err;

	if (ask_read_public(run->broker, guest, 0, ret_public, &err) < 0)
		return run_fault(run, &err);
	return ret_public->rc ? TPM2_RC_REFERENCE_H0 + (uint32_t)i : 0;
}

/* --- becoming persistent ------------------------------------------------------------------- */

/* Does the chip have something there that the tenant sees? */
static uint32_t check_chip(struct run *run, uint32_t handle)
{
	uint32_t found[1];
	size_t count = 0;
	bool granted = false;
	struct err err;
	uint32_t rc = handles_grant(run, handle, &granted);

	if (rc || !granted)
		return rc;
	if (ask_handles(run->broker, handle, found, ARRAY_LEN(found), &count, &err) < 0)
		return run_fault(run, &err);
	return count > 0 && found[0] == handle ? TPM2_RC_NV_DEFINED : 0;
}

static uint32_t check_place(struct run *run, uint32_t handle)
{
	struct kept *there;
	uint32_t rc;

	if (handle_type(handle) != TPM2_HT_PERSISTENT || handle > TPM_OWNER_LAST)
		return code_at_parameter(TPM2_RC_RANGE, 0);
	if (handles_is_reserved(run->limits, handle))
		return TPM2_RC_NV_DEFINED;
	rc = kept_at(run, handle, &there);
	if (rc)
		return rc;
	return there ? TPM2_RC_NV_DEFINED : check_chip(run, handle);
}

/* By its recipe there comes an object of the same Names; it is the one that will be used. */
static uint32_t try_recipe(struct run *run, const struct held *held,
			   const struct ask_public *public, struct provider_guest **ret_guest)
{
	struct provider_guest *guest = NULL;
	struct ask_public again;
	uint32_t rc = 0;
	struct err err;

	if (!held->recipe)
		return TPM2_RC_NV_SPACE;
	if (make_again(run, secret_slice(held->recipe), &guest, &rc, &err) < 0)
		return run_fault(run, &err);
	if (rc)
		return make_may_work_later(rc) ? rc : TPM2_RC_NV_SPACE;
	rc = read_public(run, guest, 1, &again);
	if (!rc && !slice_equal(slice_of(again.names, again.names_len),
				slice_of(public->names, public->names_len)))
		rc = TPM2_RC_NV_SPACE;
	if (rc)
		provider_guest_free(run->broker->p, guest);
	else
		*ret_guest = guest;
	return rc;
}

static uint32_t persist(struct run *run, uint32_t handle)
{
	const struct held *held = run->held[1];
	struct provider_guest *guest = NULL;
	struct ask_public public;
	uint32_t rc = check_place(run, handle);

	if (!rc)
		rc = read_public(run, held->guest, 1, &public);
	if (!rc)
		rc = check_hmac(run, &public);
	if (!rc)
		rc = try_recipe(run, held, &public, &guest);
	if (!rc)
		rc = kept_put(run, handle, held, &public, guest);
	if (rc)
		provider_guest_free(run->broker->p, guest);
	return rc;
}

/* --- and no longer ------------------------------------------------------------------------- */

/* Nothing is made for that: what cannot be made any more must go too. */
static uint32_t unpersist(struct run *run, uint32_t handle)
{
	struct kept *kept = run->kept[1];
	uint8_t name[NAME_MAX_SIZE];
	size_t len = 0;
	uint32_t rc;

	if (!kept || kept->handle != handle)
		return code_at_handle(TPM2_RC_HANDLE, 1);
	if (run->sessions[0]) {
		rc = kept_name(run, kept, name, &len);
		if (!rc)
			rc = vsession_check(run, slice_of(name, len));
		if (rc)
			return rc;
	}
	return kept_take_away(run, kept);
}

/* Provisioning makes the SRK of the chip: the filter has looked at who asks, and the chip looks
 * whether one is there. */
static bool is_real(const struct run *run, uint32_t handle)
{
	return handle == SRK_HANDLE && run->held[1];
}

uint32_t evict_control(struct run *run)
{
	struct cursor cursor = cursor_of(run->view->parameters);
	uint32_t handle = cursor_u32(&cursor), rc;

	if (cursor.failed)
		return code_at_parameter(TPM2_RC_INSUFFICIENT, 0);
	if (!cursor_done(&cursor))
		return TPM2_RC_SIZE;
	if (is_real(run, handle))
		return forward(run);
	rc = check_auth(run);
	if (!rc)
		rc = run->held[1] ? persist(run, handle) : unpersist(run, handle);
	return rc ? rc : vsession_answer(run);
}
