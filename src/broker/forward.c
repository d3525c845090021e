/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that the chip itself answers. Its bytes stay as they are but for handles, since a
 * client's HMAC covers the parameters (TPM 2.0 Part 1, "cpHash"); names, not handles, stand for
 * objects there, so those may change.
 */
#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"
#include "broker/make.h"

#define MADE_HANDLE_AT WIRE_HEADER /* of a response that begins with one */
#define TRIES_MAX      4u

static enum guest_kind makes(const struct run *run)
{
	unsigned effects = run->view->command->effects;

	if (effects & MAKES_OBJECT)
		return GUEST_OBJECT;
	if (effects & MAKES_SEQUENCE)
		return GUEST_SEQUENCE;
	return effects & MAKES_SESSION ? GUEST_SESSION : GUEST_NONE;
}

/* Bit of the object that the command completes: its last handle that is a transient one. */
static unsigned ended_handles(const struct run *run)
{
	size_t i = run->view->handle_count;

	if (!(run->view->command->effects & ENDS_SEQUENCE))
		return 0;
	while (i-- > 0)
		if (run->held[i] && !held_is_session(run->held[i]))
			return 1u << i;
	return 0;
}

static struct guest_command command_of(const struct run *run)
{
	const struct filter_view *view = run->view;
	struct guest_command command = {
		.bytes = view->bytes,
		.handle_count = view->handle_count,
		.session_count = view->auth_count,
		.makes = makes(run),
		.takes_slot = view->command->effects & TAKES_SLOT,
		.ends_handles = ended_handles(run),
	};
	size_t i;

	for (i = 0; i < view->handle_count; i++) {
		if (run->held[i])
			command.handles[i] = run->held[i]->guest;
		else if (run->kept[i])
			command.handles[i] = run->kept[i]->guest;
	}
	for (i = 0; i < view->auth_count; i++) {
		if (!run->sessions[i])
			continue;
		command.sessions[i] = run->sessions[i]->guest;
		if (!(view->auths[i].attributes & TPMA_SESSION_CONTINUESESSION))
			command.ends_sessions |= 1u << i;
	}
	return command;
}

/* The chip lost what a persistent handle stood for: that comes back, since its recipe is there. */
static bool lost_kept(const struct run *run, uint32_t rc)
{
	size_t i = rc - TPM2_RC_REFERENCE_H0;

	return i < run->view->handle_count && run->kept[i] &&
	       provider_guest_lost(run->broker->p, run->kept[i]->guest);
}

/* Until the chip has answered with something that nothing here can change. */
static uint32_t run_on_chip(struct run *run, struct provider_guest **ret_made)
{
	unsigned tries;

	for (tries = 0;; tries++) {
		struct guest_command command;
		struct err err = {.code = 0};
		uint32_t rc = kept_ensure(run);

		if (rc)
			return rc;
		command = command_of(run);
		*ret_made = NULL;
		if (provider_guest_run(run->broker->p, &command, run->answer, ret_made, &err) < 0)
			return run_fault(run, &err);
		rc = response_code(run_answer(run));
		if (tries == TRIES_MAX)
			return 0;
		if (!lost_kept(run, rc) &&
		    (rc != TPM2_RC_SESSION_HANDLES || !room_take_session(run)))
			return 0;
		run->answer->len = run->begin;
	}
}

static uint32_t make_room(struct run *run)
{
	switch (makes(run)) {
	case GUEST_OBJECT:
	case GUEST_SEQUENCE:
		return room_for_object(run);
	case GUEST_SESSION:
		return room_for_session(run);
	default:
		return 0;
	}
}

/* The tenant's own handle takes the place of the chip's. */
static void put_handle(struct run *run, uint32_t handle)
{
	uint8_t *at = run->answer->data + run->begin + MADE_HANDLE_AT;
	size_t i;

	for (i = 0; i < 4; i++)
		at[i] = (uint8_t)(handle >> (24 - 8 * i));
}

static uint32_t note_made(struct run *run, struct provider_guest *made)
{
	struct held *held;
	uint32_t rc;

	if (run_answer(run).len < MADE_HANDLE_AT + 4) {
		provider_guest_free(run->broker->p, made);
		return TPM2_RC_FAILURE;
	}
	rc = handles_add(run, makes(run), made, &held);
	if (rc)
		return rc;
	put_handle(run, held->handle);
	if (held_is_session(held))
		vsession_began(run, held);
	else
		make_note(run, held);
	return 0;
}

/* What ended with this command is no longer the tenant's. */
static void drop_ended(struct run *run, unsigned handles)
{
	size_t i;

	for (i = 0; i < run->view->handle_count; i++)
		if (handles & (1u << i) && run->held[i])
			handles_forget(run, run->held[i]);
	for (i = 0; i < run->view->auth_count; i++)
		if (run->sessions[i] &&
		    !(run->view->auths[i].attributes & TPMA_SESSION_CONTINUESESSION))
			handles_forget(run, run->sessions[i]);
}

/*
 * The tenant does not get it. To the chip the command succeeded, and the nonces of its sessions are
 * others now, which the client does not learn: they are at their end.
 */
static void undo(struct run *run, struct provider_guest *made)
{
	size_t i;

	provider_guest_free(run->broker->p, made);
	for (i = 0; i < run->view->auth_count; i++)
		if (run->sessions[i])
			handles_forget(run, run->sessions[i]);
}

/* After success: tables follow. What ended goes first, since the chip may give its number again. */
static uint32_t note_success(struct run *run, struct provider_guest *made)
{
	uint32_t rc = made ? guard_made(run) : 0;

	if (rc) {
		undo(run, made);
		return rc;
	}
	if (run->view->command->effects & LOCAL)
		constants_drop(&run->broker->constants); /* EvictControl of the chip's own */
	vsession_note(run);
	drop_ended(run, ended_handles(run));
	return made ? note_made(run, made) : 0;
}

/* Perhaps since another key lies there by now than the one that is remembered. */
static void forget_named(struct run *run)
{
	size_t i;

	for (i = 0; i < run->view->handle_count; i++)
		if (handle_type(run->view->handles[i]) == TPM2_HT_PERSISTENT && !run->kept[i])
			ask_forget_public(run->broker, run->view->handles[i]);
}

uint32_t forward(struct run *run)
{
	struct provider_guest *made = NULL;
	uint32_t rc = kept_ensure(run);

	if (!rc)
		rc = guesses_check(run);
	if (!rc)
		rc = make_room(run);
	if (!rc)
		rc = run_on_chip(run, &made);
	if (rc)
		return rc;
	guesses_note(run);
	constants_note(run);
	if (!response_code(run_answer(run)))
		return note_success(run, made);
	forget_named(run);
	return 0;
}
