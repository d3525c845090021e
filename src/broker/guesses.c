/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dictionary attack (TPM 2.0 Part 1, "Dictionary Attack Protection") is the chip's, and its lockout
 * hits everybody. So each tenant has a budget below the chip's limit that heals as the chip's
 * counter does, by one for each interval since the last failure; who has spent it meets a lockout
 * of its own.
 *
 * Where we can set the chip's counter back, a tenant has one guess less than the chip. Where we
 * cannot, it has half of them, less what the chip had counted before we began; and when the chip is
 * one guess from its end, as it says itself when it is asked, those that have guessed wrong wait.
 * What remains: tenants that have not guessed wrong yet can still bring the counter to its end
 * together, the last of them by its first wrong guess; refusing them all would let one tenant's
 * guesses change another's results, which is worse and certain.
 */
#include <tss2/tss2_tpm2_types.h>

#include "base/loop.h"
#include "broker/impl.h"

#define SESSION_NUMBER 0x700u /* which session a code is about (Part 2, 6.6.3) */
#define SECOND_US      1000000u

/* --- the budget ---------------------------------------------------------------------------- */

/* A chip that counts to no end, or forgets at once, locks nobody out. */
static bool counts(const struct guest_lockout *lockout)
{
	return lockout->max > 0 && lockout->interval > 0;
}

static uint32_t budget(const struct guest_lockout *lockout)
{
	uint32_t most = lockout->may_reset ? lockout->max - 1 : (lockout->max - 1) / 2;

	return most > 0 ? most : 1;
}

static void heal(struct guesses *guesses, const struct guest_lockout *lockout, uint64_t now_us)
{
	uint64_t interval_us = (uint64_t)lockout->interval * SECOND_US;
	uint64_t healed =
		now_us > guesses->since_us ? (now_us - guesses->since_us) / interval_us : 0;

	if (healed >= guesses->failed) {
		guesses->failed = 0;
		guesses->since_us = now_us;
		return;
	}
	guesses->failed -= (uint32_t)healed;
	guesses->since_us += healed * interval_us;
}

void guesses_begin(struct guesses *guesses, const struct guest_lockout *lockout, uint32_t found,
		   uint64_t now_us)
{
	uint32_t left, most;

	if (guesses->begun || !counts(lockout))
		return;
	*guesses = (struct guesses){.since_us = now_us, .begun = true};
	if (lockout->may_reset)
		return;
	most = budget(lockout);
	left = found < lockout->max - 1 ? lockout->max - 1 - found : 0;
	if (left < most)
		guesses->failed = most - left < found ? most - left : found;
}

/* A chip's timer begins anew with each failure. */
void guesses_add(struct guesses *guesses, const struct guest_lockout *lockout, uint64_t now_us)
{
	if (!counts(lockout))
		return;
	heal(guesses, lockout, now_us);
	guesses->since_us = now_us;
	if (guesses->failed < UINT32_MAX)
		guesses->failed++;
}

bool guesses_spent(struct guesses *guesses, const struct guest_lockout *lockout, uint64_t now_us)
{
	if (!counts(lockout))
		return false;
	heal(guesses, lockout, now_us);
	return guesses->failed >= budget(lockout);
}

/* --- of everybody -------------------------------------------------------------------------- */

static void set_outstanding(struct outstanding *all, uint32_t counter, uint64_t now_us)
{
	all->now.failed = counter;
	all->now.since_us = now_us;
}

/* The provider's figure is from when it last had reason to look; another one is news. */
static void follow(struct broker *broker, const struct guest_lockout *lockout, uint64_t now_us)
{
	struct outstanding *all = &broker->outstanding;

	if (!counts(lockout))
		return;
	if (!all->now.begun) {
		all->now = (struct guesses){lockout->counter, now_us, true};
		all->found = all->now;
		all->read = lockout->counter;
	}
	heal(&all->now, lockout, now_us);
	heal(&all->found, lockout, now_us);
	if (lockout->counter != all->read && lockout->counter > all->now.failed)
		set_outstanding(all, lockout->counter, now_us);
	all->read = lockout->counter;
}

/* One property (Part 3, 30.2): moreData, capability, count, property, value. */
static bool read_counter(struct broker *broker, uint32_t *ret_counter)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64), answer = BUF_INIT(ASK_MAX);
	struct ask question = {.has_handle = false};
	struct cursor cursor;
	struct err err;
	uint32_t property;

	ask_begin(&command, TPM2_CC_GetCapability);
	buf_put_u32(&command, TPM2_CAP_TPM_PROPERTIES);
	buf_put_u32(&command, TPM2_PT_LOCKOUT_COUNTER);
	buf_put_u32(&command, 1);
	ask_end(&command);
	question.command = buf_slice(&command);
	if (!buf_ok(&command) || ask_chip(broker, &question, &answer, NULL, &err) < 0 ||
	    response_code(buf_slice(&answer)))
		return false;
	cursor = cursor_of(buf_slice(&answer));
	(void)cursor_take(&cursor, WIRE_HEADER + 1 + 4 + 4);
	property = cursor_u32(&cursor);
	*ret_counter = cursor_u32(&cursor);
	return !cursor.failed && property == TPM2_PT_LOCKOUT_COUNTER;
}

/* Would one more lock everybody out? The chip is asked before somebody is refused for that. */
static bool is_at_end(struct broker *broker, const struct guest_lockout *lockout, uint64_t now_us)
{
	struct outstanding *all = &broker->outstanding;
	uint32_t counter;

	if (lockout->may_reset || (uint64_t)all->now.failed + 1 < lockout->max)
		return false;
	if (!read_counter(broker, &counter))
		return true;
	set_outstanding(all, counter, now_us);
	return (uint64_t)counter + 1 >= lockout->max;
}

bool guesses_are_spent(struct run *run)
{
	struct guesses *own = &run->vchip->guesses;
	uint64_t now_us = clock_monotonic_us();
	struct guest_lockout lockout;

	provider_guest_lockout(run->broker->p, &lockout);
	if (!counts(&lockout))
		return false;
	follow(run->broker, &lockout, now_us);
	guesses_begin(own, &lockout, run->broker->outstanding.found.failed, now_us);
	return guesses_spent(own, &lockout, now_us) ||
	       (own->failed > 0 && is_at_end(run->broker, &lockout, now_us));
}

/* --- what counts --------------------------------------------------------------------------- */

static bool persistent_counts(struct run *run, uint32_t handle)
{
	struct ask_public public;
	struct err err;

	if (ask_read_public(run->broker, NULL, handle, &public, &err) < 0 || public.rc)
		return true;
	return !(public.attributes & TPMA_OBJECT_NODA);
}

/* NV_ReadPublic: nvPublic is size, index, nameAlg, attributes, .. (Part 3, 31.6). */
static bool nv_counts(struct run *run, uint32_t index)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64), answer = BUF_INIT(ASK_MAX);
	struct ask question = {.has_handle = true};
	struct cursor cursor;
	uint32_t attributes;
	struct err err;

	ask_begin(&command, TPM2_CC_NV_ReadPublic);
	buf_put_u32(&command, index);
	ask_end(&command);
	question.command = buf_slice(&command);
	if (!buf_ok(&command) || ask_chip(run->broker, &question, &answer, NULL, &err) < 0 ||
	    response_code(buf_slice(&answer)))
		return true;
	cursor = cursor_of(buf_slice(&answer));
	(void)cursor_take(&cursor, WIRE_HEADER + 2 + 4 + 2);
	attributes = cursor_u32(&cursor);
	return cursor.failed || !(attributes & TPMA_NV_NO_DA);
}

bool guesses_count_at(struct run *run, size_t i)
{
	uint32_t handle = run->view->handles[i];

	if (run->held[i])
		return !held_is_session(run->held[i]) && !run->held[i]->no_da;
	if (run->kept[i])
		return !run->kept[i]->no_da;
	switch (handle_type(handle)) {
	case TPM2_HT_PERSISTENT:
		return persistent_counts(run, handle);
	case TPM2_HT_NV_INDEX:
		return nv_counts(run, handle);
	default:
		return false; /* hierarchies; that of lockout has a counter of its own */
	}
}

/* A policy that asks for no authValue tells the chip nothing of it. */
static bool asks_for_auth(const struct run *run, size_t i)
{
	const struct held *session = run->sessions[i];

	return !session || handle_type(session->handle) != TPM2_HT_POLICY_SESSION ||
	       session->session.needs_auth;
}

static bool is_guess(struct run *run)
{
	size_t i;

	for (i = 0; i < run->view->auth_count; i++) {
		if (run->sessions[i] && run->sessions[i]->session.da_bound)
			return true;
		if (i < run->view->command->auths && i < run->view->handle_count &&
		    asks_for_auth(run, i) && guesses_count_at(run, i))
			return true;
	}
	return false;
}

uint32_t guesses_check(struct run *run)
{
	if (run->view->auth_count == 0 || !guesses_are_spent(run))
		return 0;
	return is_guess(run) ? TPM2_RC_LOCKOUT : 0;
}

/* TPM_RC_AUTH_FAIL is said where the chip has counted; where it does not, it is TPM_RC_BAD_AUTH. */
void guesses_note_code(struct run *run, uint32_t rc)
{
	struct outstanding *all = &run->broker->outstanding;
	uint64_t now_us = clock_monotonic_us();
	struct guest_lockout lockout;

	if ((rc & ~SESSION_NUMBER) != TPM2_RC_AUTH_FAIL + TPM2_RC_S)
		return;
	provider_guest_lockout(run->broker->p, &lockout);
	guesses_add(&run->vchip->guesses, &lockout, now_us);
	guesses_add(&all->now, &lockout, now_us);
	follow(run->broker, &lockout, now_us);
}

void guesses_note(struct run *run)
{
	guesses_note_code(run, response_code(run_answer(run)));
}
