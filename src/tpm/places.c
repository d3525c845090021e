/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A chip has few places for loaded sessions, and lets saved ones fall behind the newest only so
 * far (the context gap, Part 1, "Session context management"). Both are shared by our sessions and
 * guests'. Least recently used goes first, by TPM2_ContextSave. Where saving is what the chip
 * refuses, the session that was saved first is loaded and saved again; a place for it comes from
 * ending one of ours, which can be started anew.
 */

#include "tpm/impl.h"
#include "tpm/rc.h"

#define GAP_UNTOLD   0xffu /* the smallest that a chip may have */
#define GAP_ROUNDS   4u
#define RENEWALS_MAX 4u /* before one command */

/* One of all sessions. */
struct pick {
	bool any;
	struct engine_guest *guest; /* NULL = ours */
	enum line_session ours;
	uint64_t key;
};

void places_mark(struct engine *engine)
{
	engine->guests.mark = engine->guests.clock;
}

void places_touch(struct engine *engine, enum line_session which)
{
	engine->guests.ours[which] = ++engine->guests.clock;
}

void places_touch_guest(struct engine *engine, struct engine_guest *guest)
{
	guest->used = ++engine->guests.clock;
}

static unsigned count_loaded(const struct engine *engine)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; i < LINE_SESSIONS; i++)
		count += session_is_loaded(engine, (enum line_session)i);
	for (i = 0; i < engine->guests.session_count; i++)
		count += !engine->guests.sessions[i]->saved;
	return count;
}

static void pick_least(struct pick *pick, const struct pick *other)
{
	if (!pick->any || other->key < pick->key)
		*pick = *other;
}

/* The least recently used that is loaded and not in use. */
static struct pick victim(const struct engine *engine)
{
	const struct guests *guests = &engine->guests;
	struct pick least = {.any = false};
	size_t i;

	for (i = 0; i < LINE_SESSIONS; i++) {
		const struct pick ours = {
			.any = true, .ours = (enum line_session)i, .key = guests->ours[i]};

		if (session_is_loaded(engine, ours.ours) && ours.key <= guests->mark)
			pick_least(&least, &ours);
	}
	for (i = 0; i < guests->session_count; i++) {
		const struct pick one = {.any = true,
					 .guest = guests->sessions[i],
					 .key = guests->sessions[i]->used};

		if (!one.guest->saved && one.key <= guests->mark)
			pick_least(&least, &one);
	}
	return least;
}

/* Part 2, TPMS_CONTEXT: its first field, which counts the sessions that the chip has saved. */
static uint64_t sequence_of(const struct buf *context)
{
	struct cursor cursor = cursor_of(buf_slice(context));

	return cursor_u64(&cursor);
}

/* The saved one that was saved first. */
static struct pick oldest(const struct engine *engine)
{
	const struct guests *guests = &engine->guests;
	struct pick least = {.any = false};
	size_t i;

	for (i = 0; i < LINE_SESSIONS; i++) {
		const struct pick ours = {.any = true,
					  .ours = (enum line_session)i,
					  .key = sequence_of(&engine->parked[i])};

		if (engine->parked[i].len)
			pick_least(&least, &ours);
	}
	for (i = 0; i < guests->session_count; i++) {
		const struct pick one = {.any = true,
					 .guest = guests->sessions[i],
					 .key = sequence_of(&guests->sessions[i]->context)};

		if (one.guest->saved)
			pick_least(&least, &one);
	}
	return least;
}

void places_saved(struct engine *engine, struct slice context)
{
	struct cursor cursor = cursor_of(context);

	/* Also where it is less: the chip has begun anew, or did not tell the truth before. */
	engine->guests.saved = cursor_u64(&cursor);
}

/* --- out ----------------------------------------------------------------------------------- */

static TSS2_RC leave(struct engine *engine, const struct pick *pick)
{
	if (pick->guest)
		return guest_park(engine, pick->guest);
	/* What one command has made of it is of no use to another. */
	if (pick->ours != LINE_POLICY)
		return session_park_one(engine, pick->ours);
	session_end(engine, LINE_POLICY);
	return TSS2_RC_SUCCESS;
}

static bool has_room(const struct engine *engine, unsigned need)
{
	return count_loaded(engine) + need <= engine->facts.session_slots;
}

/* As of objects, one place stays free for others between commands (resident.c). */
static bool leaves_room(const struct engine *engine, unsigned stay)
{
	return count_loaded(engine) + stay < engine->facts.session_slots;
}

TSS2_RC places_room(struct engine *engine, unsigned need, unsigned stay)
{
	unsigned gaps = 0;
	struct pick next;
	TSS2_RC rc;

	while (!has_room(engine, need) || !leaves_room(engine, stay)) {
		next = victim(engine);
		if (!next.any)
			break; /* the chip decides */
		rc = leave(engine, &next);
		if (rc_want(rc) == RC_WANTS_GAP && gaps++ < GAP_ROUNDS && places_close_gap(engine))
			continue;
		if (rc)
			return rc_is_warning(rc) && has_room(engine, need) ? TSS2_RC_SUCCESS : rc;
	}
	return TSS2_RC_SUCCESS;
}

/* Ours beside the first is ended, even in use: less may do, and it starts anew at any time. */
bool places_yield(struct engine *engine)
{
	struct pick next = victim(engine);

	if (next.any && (next.guest || next.ours == LINE_FIRST))
		return !leave(engine, &next);
	if (!session_is_loaded(engine, LINE_SECOND))
		return false;
	session_end(engine, LINE_SECOND);
	return true;
}

/* --- the gap ------------------------------------------------------------------------------- */

static void renew(struct engine *engine, const struct pick *pick)
{
	if (pick->guest)
		guest_renew(engine, pick->guest);
	else
		(void)session_renew_one(engine, pick->ours);
}

static void give_up(struct engine *engine, const struct pick *pick)
{
	if (pick->guest)
		guest_flush_session(engine, pick->guest);
	else
		session_end(engine, pick->ours);
}

/* A place without saving anything. */
static bool end_ours(struct engine *engine)
{
	size_t i;

	for (i = LINE_SESSIONS; i > 0; i--) {
		enum line_session which = (enum line_session)(i - 1);

		if (!session_is_loaded(engine, which) ||
		    engine->guests.ours[which] > engine->guests.mark)
			continue;
		session_end(engine, which);
		return true;
	}
	return false;
}

bool places_close_gap(struct engine *engine)
{
	struct pick first = oldest(engine);

	if (!first.any)
		return false;
	if (has_room(engine, 1) || end_ours(engine))
		renew(engine, &first);
	else
		give_up(engine, &first);
	return true;
}

static bool is_due(const struct engine *engine, const struct pick *first)
{
	uint32_t told = engine->facts.context_gap;
	uint64_t half = (told ? told : GAP_UNTOLD) / 2;

	return first->any && engine->guests.saved > first->key &&
	       engine->guests.saved - first->key > half;
}

TSS2_RC places_renew(struct engine *engine)
{
	struct pick first = oldest(engine);
	TSS2_RC rc = TSS2_RC_SUCCESS;
	unsigned i;

	for (i = 0; i < RENEWALS_MAX && !rc && is_due(engine, &first); i++) {
		rc = places_room(engine, 1, 0);
		if (!rc && has_room(engine, 1))
			renew(engine, &first);
		first = oldest(engine);
	}
	return rc;
}
