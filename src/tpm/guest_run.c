/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A command of a guest's owner: all that it names comes into the chip, its objects' handles are put
 * in, and it goes out as it is. A refused command moves no nonce (Part 1, "Nonces"), so the same
 * bytes may be sent again after something gave way.
 */

#include <string.h>

#include "base/secret.h"
#include "tpm/guest.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

#define HEADER_SIZE	 10u
#define GROUP_PERSISTENT 0x81000000u
#define REPEATS_MAX	 24u /* of one command, for all reasons together */
#define GAPS_MAX	 4u

struct run {
	const struct engine_guest_command *command;
	struct engine_guest *made; /* entered when the command has succeeded */
	struct answer answer;
	unsigned repeats, gaps;
	uint8_t bytes[TRANSPORT_BUFFER]; /* the command as it is sent */
};

/* What comes of one attempt. */
enum step {
	STEP_ANSWERED,
	STEP_AGAIN,
	STEP_UNSENT,  /* the chip was lost before the command went there */
	STEP_UNKNOWN, /* .. or while it was there */
};

static void run_wipe(struct run *run)
{
	wipe(run, sizeof(*run));
}

static bool is_object(const struct engine_guest *guest)
{
	return guest && guest->kind != ENGINE_GUEST_SESSION;
}

static bool is_session(const struct engine_guest *guest)
{
	return guest && guest->kind == ENGINE_GUEST_SESSION;
}

static bool makes_object(const struct engine_guest_command *command)
{
	return command->makes == ENGINE_GUEST_OBJECT || command->makes == ENGINE_GUEST_SEQUENCE;
}

static uint8_t *handle_at(struct run *run, size_t i)
{
	return run->bytes + HEADER_SIZE + 4 * i;
}

static uint32_t handle_of(struct run *run, size_t i)
{
	struct cursor cursor = cursor_of(slice_of(handle_at(run, i), 4));

	return cursor_u32(&cursor);
}

static enum step answer_by(struct run *run, uint32_t code)
{
	answer_set(&run->answer, code);
	return STEP_ANSWERED;
}

/* --- before -------------------------------------------------------------------------------- */

/*
 * A guest that is lost, or something that is no guest's: what lies in slots and places is only ever
 * reached as the guest that it is. 0 when all is there.
 */
static uint32_t absent(const struct engine *engine, struct run *run)
{
	const struct engine_guest_command *command = run->command;
	const struct engine_guest *guest;
	uint32_t handle;
	size_t i;

	for (i = 0; i < command->handle_count; i++) {
		guest = command->handles[i];
		handle = handle_of(run, i);
		if (guest ? engine_guest_lost(engine, guest)
			  : chip_is_of(handle, GROUP_TRANSIENT) ||
				    chip_same_session(handle, handle))
			return TPM2_RC_REFERENCE_H0 + (uint32_t)i;
	}
	for (i = 0; i < command->session_count; i++)
		if (command->sessions[i] && engine_guest_lost(engine, command->sessions[i]))
			return TPM2_RC_REFERENCE_S0 + (uint32_t)i;
	return 0;
}

static unsigned persistent_count(struct run *run)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; i < run->command->handle_count; i++)
		count += !run->command->handles[i] &&
			 chip_is_of(handle_of(run, i), GROUP_PERSISTENT);
	return count;
}

/* By its context, into a slot that is free. */
static TSS2_RC enter(struct engine *engine, struct engine_guest *guest)
{
	uint32_t handle = 0;
	TSS2_RC rc = chip_context_load(engine, buf_slice(&guest->context), &handle);

	if (!rc)
		guest_settle(engine, guest, handle);
	if (!rc || rc_is_layer(rc) || rc_is_warning(rc))
		return rc;
	guest_lose(engine, guest);
	return TPM2_RC_REFERENCE_H0;
}

static TSS2_RC gather_objects(struct engine *engine, struct run *run)
{
	const struct engine_guest_command *command = run->command;
	unsigned missing = 0, more = makes_object(command);
	struct engine_guest *guest;
	const struct slot *slot;
	TSS2_RC rc;
	size_t i;

	for (i = 0; i < command->handle_count; i++)
		if (is_object(command->handles[i]))
			missing += !slots_find(&engine->slots, command->handles[i]->id);
	rc = resident_room(engine, missing + more + command->takes_slot + persistent_count(run),
			   missing + more);
	for (i = 0; i < command->handle_count && !rc; i++) {
		guest = command->handles[i];
		if (!is_object(guest))
			continue;
		if (!slots_peek(&engine->slots, guest->id))
			rc = enter(engine, guest);
		slot = slots_peek(&engine->slots, guest->id);
		if (slot)
			chip_handle_name(slot->handle, handle_at(run, i));
		else if (!rc) /* never the number that the guest has of it */
			rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	}
	return rc;
}

static void note_session(struct engine *engine, struct engine_guest *guest, unsigned *missing)
{
	if (!is_session(guest))
		return;
	places_touch_guest(engine, guest);
	*missing += guest->saved;
}

static TSS2_RC fetch_session(struct engine *engine, struct engine_guest *guest)
{
	return is_session(guest) && guest->saved ? guest_unpark(engine, guest) : TSS2_RC_SUCCESS;
}

static TSS2_RC gather_sessions(struct engine *engine, struct run *run)
{
	const struct engine_guest_command *command = run->command;
	unsigned missing = 0, more = command->makes == ENGINE_GUEST_SESSION;
	TSS2_RC rc;
	size_t i;

	for (i = 0; i < command->handle_count; i++)
		note_session(engine, command->handles[i], &missing);
	for (i = 0; i < command->session_count; i++)
		note_session(engine, command->sessions[i], &missing);
	if (missing + more == 0)
		return TSS2_RC_SUCCESS;
	rc = places_renew(engine);
	if (!rc)
		rc = places_room(engine, missing + more, missing + more);
	for (i = 0; i < command->handle_count && !rc; i++)
		rc = fetch_session(engine, command->handles[i]);
	for (i = 0; i < command->session_count && !rc; i++)
		rc = fetch_session(engine, command->sessions[i]);
	return rc;
}

/* --- after --------------------------------------------------------------------------------- */

/* Something gives way that the command does not name. */
static bool make_way(struct engine *engine, struct run *run, uint32_t code)
{
	switch (rc_want(code)) {
	case RC_WANTS_OBJECT:
		return resident_yield_idle(engine);
	case RC_WANTS_SESSION:
		return places_yield(engine);
	case RC_WANTS_ANY:
		return resident_yield_idle(engine) || places_yield(engine);
	case RC_WANTS_GAP:
		return run->gaps++ < GAPS_MAX && places_close_gap(engine);
	default:
		return false;
	}
}

static enum step ungathered(struct engine *engine, struct run *run, TSS2_RC rc)
{
	if (rc_is_layer(rc))
		return STEP_UNSENT;
	/* Whoever is lost is told so next time. */
	if (rc_is_stale(rc))
		return guests_look_again(engine, rc) ? STEP_AGAIN : STEP_UNSENT;
	return make_way(engine, run, rc) ? STEP_AGAIN : answer_by(run, rc);
}

/* The guest that the chip says it does not have. */
static struct engine_guest *blamed(const struct run *run, uint32_t code)
{
	const struct engine_guest_command *command = run->command;

	if (code >= TPM2_RC_REFERENCE_H0 && code - TPM2_RC_REFERENCE_H0 < command->handle_count)
		return command->handles[code - TPM2_RC_REFERENCE_H0];
	if (code >= TPM2_RC_REFERENCE_S0 && code - TPM2_RC_REFERENCE_S0 < command->session_count)
		return command->sessions[code - TPM2_RC_REFERENCE_S0];
	return NULL;
}

static enum step refused(struct engine *engine, struct run *run, uint32_t code)
{
	bool lifted = lockout_note(engine, code);
	struct engine_guest *guest = blamed(run, code);

	if (guest) {
		guest_gone(engine, guest);
		return STEP_AGAIN;
	}
	if (code == TPM2_RC_INITIALIZE) {
		engine->ready = false;
		return STEP_AGAIN;
	}
	return (lifted && code == TPM2_RC_LOCKOUT) || make_way(engine, run, code) ? STEP_AGAIN
										  : STEP_ANSWERED;
}

static bool take_made(struct engine *engine, struct run *run)
{
	struct cursor cursor = cursor_of(slice_of(run->answer.bytes, run->answer.len));
	uint32_t handle;
	bool fits;

	(void)cursor_take(&cursor, HEADER_SIZE);
	handle = cursor_u32(&cursor);
	fits = makes_object(run->command) ? chip_is_of(handle, GROUP_TRANSIENT)
					  : chip_same_session(handle, handle);
	if (fits)
		guest_enter(engine, run->made, handle);
	return fits;
}

static enum step succeeded(struct engine *engine, struct run *run)
{
	const struct engine_guest_command *command = run->command;
	size_t i;

	for (i = 0; i < command->handle_count; i++)
		if (command->handles[i] && command->ends_handles & 1u << i)
			guest_lose(engine, command->handles[i]);
	for (i = 0; i < command->session_count; i++)
		if (command->sessions[i] && command->ends_sessions & 1u << i)
			guest_lose(engine, command->sessions[i]);
	return run->made && !take_made(engine, run) ? STEP_UNKNOWN : STEP_ANSWERED;
}

/* --- the whole ----------------------------------------------------------------------------- */

static enum step attempt(struct engine *engine, struct run *run, TSS2_RC *ret_rc)
{
	uint32_t code = absent(engine, run);

	if (code)
		return answer_by(run, code);
	if (run->command->makes == ENGINE_GUEST_SESSION && guests_are_full(engine))
		return answer_by(run, TPM2_RC_SESSION_HANDLES);
	slots_mark(&engine->slots);
	places_mark(engine);
	*ret_rc = gather_objects(engine, run);
	if (!*ret_rc)
		*ret_rc = gather_sessions(engine, run);
	if (*ret_rc)
		return ungathered(engine, run, *ret_rc);
	*ret_rc = exchange(engine, slice_of(run->bytes, run->command->bytes.len), &run->answer);
	if (*ret_rc)
		return STEP_UNKNOWN;
	code = answer_code(&run->answer);
	return code ? refused(engine, run, code) : succeeded(engine, run);
}

/* What it may have changed is not what we know of it. */
static void lose_named(struct engine *engine, const struct engine_guest_command *command)
{
	size_t i;

	for (i = 0; i < command->handle_count; i++)
		if (command->handles[i] && command->handles[i]->kind != ENGINE_GUEST_OBJECT)
			guest_lose(engine, command->handles[i]);
	for (i = 0; i < command->session_count; i++)
		if (command->sessions[i])
			guest_lose(engine, command->sessions[i]);
}

static int failed(struct engine *engine, struct run *run, enum step step, TSS2_RC rc,
		  struct err *err)
{
	if (step == STEP_UNKNOWN)
		lose_named(engine, run->command);
	engine_drop(engine);
	transport_close(engine->line.transport);
	return rc_err(err, rc ? rc : TSS2_SYS_RC_MALFORMED_RESPONSE, "a raw command");
}

static int judge(const struct engine_guest_command *command, struct err *err)
{
	if (command->handle_count > ENGINE_GUEST_HANDLES ||
	    command->session_count > ENGINE_GUEST_SESSIONS || !exchange_is_whole(command->bytes) ||
	    command->bytes.len < HEADER_SIZE + 4 * command->handle_count)
		return err_set(err, ERR_INVALID, "these %zu bytes are no TPM command",
			       command->bytes.len);
	return 0;
}

static int go(struct engine *engine, struct run *run, struct err *err)
{
	TSS2_RC rc = TSS2_RC_SUCCESS;
	enum step step;
	int r;

	do {
		r = engine_linked(engine, err);
		if (r < 0)
			return r;
		step = attempt(engine, run, &rc);
	} while (step == STEP_AGAIN && run->repeats++ < REPEATS_MAX);
	if (step == STEP_UNSENT || step == STEP_UNKNOWN)
		return failed(engine, run, step, rc, err);
	/* Nothing helps: the chip's own word. */
	if (step == STEP_AGAIN && rc)
		(void)answer_by(run, rc);
	return 0;
}

int engine_guest_run(struct engine *engine, const struct engine_guest_command *command,
		     struct buf *ret_answer, struct engine_guest **ret_made, struct err *err)
{
	CLEANUP(run_wipe) struct run run = {.command = command};
	int r = judge(command, err);

	if (r == 0 && command->makes != ENGINE_GUEST_NONE)
		r = guest_new(command->makes, &run.made, err);
	if (r < 0)
		return r;
	memcpy(run.bytes, command->bytes.data, command->bytes.len);
	r = go(engine, &run, err);
	if (r == 0)
		r = answer_hand_over(&run.answer, ret_answer, err);
	if (r < 0 || answer_code(&run.answer)) {
		engine_guest_free(engine, run.made);
		run.made = NULL;
	}
	if (r == 0)
		*ret_made = run.made;
	return r;
}
