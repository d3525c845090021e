/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FlushContext, ContextSave and ContextLoad (TPM 2.0 Part 3, 28). An object's copy holds the chip's
 * own context and is good until the chip is reset; a session's is only a reference, since the
 * provider moves sessions in and out as it needs, and an older copy must not come back.
 */
#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"
#include "broker/saved.h"

#define SESSION_REFERENCE 20u /* handle, generation, saves */

static struct saved_key key_of(const struct run *run)
{
	return (struct saved_key){.broker = run->broker->key, .id = run->vchip->id};
}

/* --- FlushContext -------------------------------------------------------------------------- */

uint32_t context_flush(struct run *run)
{
	struct cursor cursor = cursor_of(run->view->parameters);
	uint32_t handle = cursor_u32(&cursor);
	struct held *held = handles_find(run->vchip, handle);

	if (!held)
		return code_at_parameter(TPM2_RC_HANDLE, 0);
	handles_drop(run->vchip, held);
	run_succeed(run);
	return 0;
}

/* --- ContextSave --------------------------------------------------------------------------- */

/* Header, then the TPMS_CONTEXT. */
static uint32_t answer_saved(struct run *run, const struct saved *saved)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SAVED_CONTEXT_MAX);
	const struct saved_key key = key_of(run);
	struct err err;
	int r = saved_seal(&key, saved, &context, &err);

	if (r == ERR_TOO_LARGE)
		return TPM2_RC_MEMORY;
	if (r < 0)
		return run_fault(run, &err);
	buf_put_u16(run->answer, TPM2_ST_NO_SESSIONS);
	buf_put_u32(run->answer, (uint32_t)(WIRE_HEADER + context.len));
	buf_put_u32(run->answer, TPM2_RC_SUCCESS);
	buf_put(run->answer, buf_slice(&context));
	return buf_ok(&context) && buf_ok(run->answer) ? 0 : TPM2_RC_MEMORY;
}

static uint32_t save_session(struct run *run, struct held *held)
{
	CLEANUP(buf_fini) struct buf reference = BUF_INIT(SESSION_REFERENCE);
	struct saved saved = {
		.head = {held->session.saves + 1, held->handle, TPM2_RH_NULL},
		.kind = GUEST_SESSION,
	};
	uint32_t rc;

	buf_put_u32(&reference, held->handle);
	buf_put_u64(&reference, held->session.generation);
	buf_put_u64(&reference, held->session.saves + 1);
	saved.context = buf_slice(&reference);
	rc = answer_saved(run, &saved);
	if (rc)
		return rc;
	held->session.saves++;
	held->saved = true;
	return 0;
}

static struct saved_head read_head(struct cursor *cursor)
{
	struct saved_head head;

	head.sequence = cursor_u64(cursor);
	head.handle = cursor_u32(cursor);
	head.hierarchy = cursor_u32(cursor);
	return head;
}

static uint32_t save_object(struct run *run, struct held *held)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(GUEST_BYTES_MAX);
	struct saved saved = {.kind = (uint8_t)held->kind, .no_da = held->no_da};
	struct cursor cursor;
	struct err err;
	uint32_t rc;
	int r = provider_guest_save(run->broker->p, held->guest, &context, &err);

	if (r == ERR_NOT_FOUND)
		return TPM2_RC_REFERENCE_H0;
	if (r < 0)
		return run_fault(run, &err);
	cursor = cursor_of(buf_slice(&context));
	saved.head = read_head(&cursor);
	saved.context = buf_slice(&context);
	if (held->recipe)
		saved.recipe = secret_slice(held->recipe);
	rc = answer_saved(run, &saved);
	held->saved = held->saved || !rc;
	return rc;
}

uint32_t context_save(struct run *run)
{
	struct held *held = run->held[0];

	return held_is_session(held) ? save_session(run, held) : save_object(run, held);
}

/* --- ContextLoad --------------------------------------------------------------------------- */

static void answer_handle(struct run *run, uint32_t handle)
{
	buf_put_u16(run->answer, TPM2_ST_NO_SESSIONS);
	buf_put_u32(run->answer, WIRE_HEADER + 4);
	buf_put_u32(run->answer, TPM2_RC_SUCCESS);
	buf_put_u32(run->answer, handle);
}

/* A session loads once from its last copy; what else there is of it is of no use. */
static uint32_t load_session(struct run *run, const struct saved *saved)
{
	struct cursor cursor = cursor_of(saved->context);
	uint32_t handle = cursor_u32(&cursor);
	uint64_t generation = cursor_u64(&cursor), saves = cursor_u64(&cursor);
	struct held *held = handles_find(run->vchip, handle);

	if (!cursor_done(&cursor) || !held || !held->saved || !held_is_session(held) ||
	    held->session.generation != generation || held->session.saves != saves)
		return code_at_parameter(TPM2_RC_HANDLE, 0);
	held->saved = false;
	held->used = run->broker->uses;
	answer_handle(run, handle);
	return 0;
}

static uint32_t load_object(struct run *run, const struct saved *saved)
{
	struct provider_guest *guest = NULL;
	struct held *held;
	struct err err;
	uint32_t rc = room_for_object(run);

	if (rc)
		return rc;
	if (provider_guest_load(run->broker->p, saved->kind, saved->context, &rc, &guest, &err) < 0)
		return run_fault(run, &err);
	if (!rc)
		rc = handles_add(run, saved->kind, guest, &held);
	if (rc)
		return rc;
	held->saved = true;
	held->no_da = saved->no_da;
	if (saved->recipe.len > 0 && secret_copy(saved->recipe, &held->recipe, &err) < 0) {
		handles_drop(run->vchip, held);
		return TPM2_RC_MEMORY;
	}
	answer_handle(run, held->handle);
	return 0;
}

/* TPMS_CONTEXT and nothing after it. */
static uint32_t read_context(struct slice parameters, struct saved_head *ret_head,
			     struct slice *ret_blob)
{
	struct cursor cursor = cursor_of(parameters);

	*ret_head = read_head(&cursor);
	*ret_blob = cursor_take(&cursor, cursor_u16(&cursor));
	if (cursor.failed)
		return code_at_parameter(TPM2_RC_INSUFFICIENT, 0);
	return cursor_done(&cursor) ? 0 : TPM2_RC_SIZE;
}

uint32_t context_load(struct run *run)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	const struct saved_key key = key_of(run);
	struct saved_head head;
	struct saved saved;
	struct slice blob;
	struct err err;
	uint32_t rc = read_context(run->view->parameters, &head, &blob);
	int r;

	if (rc)
		return rc;
	r = saved_open(&key, &head, blob, &saved, &plain, &err);
	if (r == ERR_DAMAGED)
		return code_at_parameter(TPM2_RC_INTEGRITY, 0);
	if (r < 0)
		return run_fault(run, &err);
	if (saved.kind == GUEST_SESSION)
		return load_session(run, &saved);
	return load_object(run, &saved);
}
