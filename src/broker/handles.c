/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tenant has, and what the handles of a command mean to it. The number of a transient
 * object comes back only after 16 million others, so that a stale one names nothing. Sessions keep
 * their handle, which is part of their Name (TPM 2.0 Part 1, "Names").
 */
#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"

#define TRANSIENT_FIRST 0x80000000u
#define NUMBERS		0x00ffffffu /* the last one, 0x80ffffff, is in no range (Part 2, 7.5) */
#define SRK_HANDLE	0x81000001u
#define EK_FIRST	0x81010000u /* TCG "Registry of Reserved TPM 2.0 Handles", endorsement keys */
#define EK_LAST		0x8101ffffu

static bool is_lost(const struct vchip *vchip, const struct held *held)
{
	return held->guest && provider_guest_lost(vchip->broker->p, held->guest);
}

static struct held *look_up(const struct vchip *vchip, uint32_t handle)
{
	struct held *held = vchip->first;

	while (held && held->handle != handle)
		held = held->next;
	return held;
}

struct held *handles_find(struct vchip *vchip, uint32_t handle)
{
	struct held *held = look_up(vchip, handle);

	if (!held || !is_lost(vchip, held))
		return held;
	handles_drop(vchip, held);
	return NULL;
}

static uint32_t number(struct vchip *vchip)
{
	uint32_t handle;

	do {
		handle = TRANSIENT_FIRST + vchip->next_handle;
		vchip->next_handle = (vchip->next_handle + 1) % NUMBERS;
	} while (look_up(vchip, handle));
	return handle;
}

uint32_t handles_add(struct run *run, enum guest_kind kind, struct provider_guest *guest,
		     struct held **ret_held)
{
	struct vchip *vchip = run->vchip;
	struct held *held = calloc(1, sizeof(*held)), *old;

	if (!held) {
		provider_guest_free(run->broker->p, guest);
		return TPM2_RC_MEMORY;
	}
	held->kind = kind;
	held->guest = guest;
	held->used = run->broker->uses;
	if (kind == GUEST_SESSION) {
		held->handle = provider_guest_handle(run->broker->p, guest);
		old = look_up(vchip, held->handle); /* spent, or ended behind our back */
		if (old)
			handles_forget(run, old);
		vchip->sessions++;
	} else {
		held->handle = number(vchip);
		vchip->objects++;
	}
	held->next = vchip->first;
	vchip->first = held;
	run->broker->guests++;
	*ret_held = held;
	return 0;
}

void handles_drop(struct vchip *vchip, struct held *held)
{
	struct held **at = &vchip->first;

	while (*at && *at != held)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = held->next;
	if (held_is_session(held))
		vchip->sessions--;
	else
		vchip->objects--;
	vchip->broker->guests--;
	provider_guest_free(vchip->broker->p, held->guest);
	secret_free(held->recipe);
	wipe(held, sizeof(*held));
	free(held);
}

void handles_forget(struct run *run, struct held *held)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(run->held); i++)
		if (run->held[i] == held)
			run->held[i] = NULL;
	for (i = 0; i < ARRAY_LEN(run->sessions); i++)
		if (run->sessions[i] == held)
			run->sessions[i] = NULL;
	handles_drop(run->vchip, held);
}

void handles_sweep(struct vchip *vchip)
{
	struct held *held = vchip->first, *next;
	size_t i;

	for (; held; held = next) {
		next = held->next;
		if (!held->guest || is_lost(vchip, held))
			handles_drop(vchip, held);
	}
	for (i = 0; i < vchip->kept_count; i++)
		if (vchip->kept[i].guest &&
		    provider_guest_lost(vchip->broker->p, vchip->kept[i].guest))
			kept_unload(vchip->broker, &vchip->kept[i]);
}

/* --- what a command names ------------------------------------------------------------------ */

bool handles_is_reserved(const struct vchip_limits *limits, uint32_t handle)
{
	size_t i;

	for (i = 0; i < limits->reserved_count; i++)
		if (limits->reserved[i] == handle)
			return true;
	return false;
}

/* Other keys lie among them too: attestation keys of whoever set up the machine. */
static uint32_t is_ek(struct run *run, uint32_t handle, bool now, bool *ret_is)
{
	const uint32_t must = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM |
			      TPMA_OBJECT_FIXEDPARENT;
	struct ask_public public;
	struct err err;

	if (now)
		ask_forget_public(run->broker, handle);
	if (ask_read_public(run->broker, NULL, handle, &public, &err) < 0)
		return run_fault(run, &err);
	*ret_is = !public.rc && (public.attributes & (must | TPMA_OBJECT_SIGN_ENCRYPT)) == must;
	if (!*ret_is)
		ask_forget_public(run->broker, handle);
	return 0;
}

static uint32_t grant(struct run *run, uint32_t handle, bool now, bool *ret_granted)
{
	bool reserved = handles_is_reserved(run->limits, handle);

	if (!reserved && !run->limits->full && handle >= EK_FIRST && handle <= EK_LAST)
		return is_ek(run, handle, now, ret_granted);
	*ret_granted = !reserved && (run->limits->full || handle == SRK_HANDLE);
	return 0;
}

uint32_t handles_grant(struct run *run, uint32_t handle, bool *ret_granted)
{
	return grant(run, handle, false, ret_granted);
}

uint32_t handles_grant_now(struct run *run, uint32_t handle, bool *ret_granted)
{
	return grant(run, handle, true, ret_granted);
}

/*
 * One that is there and can be used now; using it counts for what must go first. A session that is
 * spent can still be saved, as resource managers do after each command of their clients.
 */
static struct held *use(struct run *run, uint32_t handle)
{
	struct held *held = handles_find(run->vchip, handle);
	bool is_save = run->view->command->code == TPM2_CC_ContextSave;

	if (!held || (held_is_session(held) && held->saved) || (!held->guest && !is_save))
		return NULL;
	held->used = run->broker->uses;
	return held;
}

static uint32_t resolve_persistent(struct run *run, size_t i, uint32_t handle)
{
	uint32_t rc = kept_at(run, handle, &run->kept[i]);
	bool granted = false;

	if (rc)
		return rc;
	if (run->kept[i]) {
		run->kept[i]->used = run->broker->uses;
		return 0;
	}
	/* Its public half is nobody's secret; what it authorises is. */
	rc = grant(run, handle, i < run->view->command->auths, &granted);
	return rc || granted ? rc : code_at_handle(TPM2_RC_HANDLE, i);
}

static uint32_t resolve_handle(struct run *run, size_t i)
{
	uint32_t handle = run->view->handles[i];

	switch (handle_type(handle)) {
	case TPM2_HT_PERSISTENT:
		return resolve_persistent(run, i, handle);
	case TPM2_HT_TRANSIENT:
	case TPM2_HT_HMAC_SESSION:
	case TPM2_HT_POLICY_SESSION:
		run->held[i] = use(run, handle);
		return run->held[i] ? 0 : TPM2_RC_REFERENCE_H0 + (uint32_t)i;
	default:
		return 0; /* hierarchies, NV, PCR: the filter's to judge */
	}
}

uint32_t handles_resolve(struct run *run)
{
	uint32_t rc = 0;
	size_t i;

	for (i = 0; !rc && i < run->view->handle_count; i++)
		rc = resolve_handle(run, i);
	for (i = 0; !rc && i < run->view->auth_count; i++) {
		if (run->view->auths[i].handle == TPM2_RS_PW)
			continue;
		run->sessions[i] = use(run, run->view->auths[i].handle);
		if (!run->sessions[i])
			rc = TPM2_RC_REFERENCE_S0 + (uint32_t)i;
	}
	return rc;
}
