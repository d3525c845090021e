/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Our sessions in the chip. The first is there whenever a command of ours needs one. The others
 * come when a command wants them: the second then stays, since most chips have room for three, and
 * a policy session goes with its command. Guests who want a place park what is there (places.c).
 */

#include "tpm/impl.h"
#include "tpm/rc.h"

/* With fewer places than these nothing but the first stays. */
#define SLOTS_FOR_TWO 3u

static struct session *session_of(struct engine *engine, enum line_session which)
{
	return &engine->line.sessions[which];
}

bool session_is_loaded(const struct engine *engine, enum line_session which)
{
	return engine->line.sessions[which].handle != SESSION_NONE && !engine->parked[which].len;
}

/*
 * Loaded or saved. One that the chip will not let go is asked for once more; then all is looked at
 * anew, which begins with an empty chip.
 */
static void flush(struct engine *engine, uint32_t handle)
{
	TSS2_RC rc = chip_flush(engine, handle);

	if (resident_stays(rc))
		rc = chip_flush(engine, handle);
	if (resident_stays(rc))
		engine->ready = false;
}

void session_end(struct engine *engine, enum line_session which)
{
	uint32_t handle = session_of(engine, which)->handle;

	if (handle != SESSION_NONE)
		flush(engine, handle);
	session_fini(session_of(engine, which));
	buf_reset(&engine->parked[which]);
}

void session_discard(struct engine *engine)
{
	for (int i = 0; i < LINE_SESSIONS; i++)
		session_end(engine, (enum line_session)i);
}

void session_displaced(struct engine *engine, uint32_t handle)
{
	for (int i = 0; i < LINE_SESSIONS; i++) {
		if (!chip_same_session(engine->line.sessions[i].handle, handle))
			continue;
		session_fini(&engine->line.sessions[i]);
		buf_reset(&engine->parked[i]);
	}
}

void session_end_parked(struct engine *engine)
{
	for (int i = 0; i < LINE_SESSIONS; i++)
		if (engine->parked[i].len)
			session_end(engine, (enum line_session)i);
}

void session_doom_parked(struct engine *engine)
{
	for (int i = 0; i < LINE_SESSIONS; i++)
		if (engine->parked[i].len)
			chip_handles_add(&engine->guests.doomed,
					 session_of(engine, (enum line_session)i)->handle);
}

void session_rest(struct engine *engine)
{
	if (engine->facts.session_slots < SLOTS_FOR_TWO)
		session_end(engine, LINE_SECOND);
}

TSS2_RC session_open(struct engine *engine, enum line_session which, const struct root *salt,
		     const TPM2B_PUBLIC *public)
{
	TSS2_RC rc;

	session_end(engine, which);
	rc = places_room(engine, 1, which != LINE_POLICY);
	if (rc)
		return rc;
	rc = chip_start_session(engine, which, salt, public);
	/* A saved session is in the way, which may be ours or a guest's. */
	if (rc_want(rc) == RC_WANTS_GAP && places_close_gap(engine))
		rc = chip_start_session(engine, which, salt, public);
	if (rc)
		return rc;
	guests_displace(engine, session_of(engine, which)->handle);
	places_touch(engine, which);
	return TSS2_RC_SUCCESS;
}

/* Whoever lies where the SRK was cannot read a salt that is for the SRK. */
TSS2_RC session_want(struct engine *engine, enum line_session which)
{
	TSS2_RC rc;

	if (session_unpark(engine, which))
		return TSS2_RC_SUCCESS;
	rc = resident_room(engine, 1, 0);
	return rc ? rc : session_open(engine, which, &engine->srk, &engine->srk_public);
}

TSS2_RC session_park_one(struct engine *engine, enum line_session which)
{
	uint32_t handle = session_of(engine, which)->handle;
	struct buf *parked = &engine->parked[which];
	TSS2_RC rc;

	if (handle == SESSION_NONE || parked->len)
		return TSS2_RC_SUCCESS;
	rc = chip_context_save(engine, handle, parked);
	if (rc_is_layer(rc))
		return rc;
	if (!rc && buf_ok(parked)) {
		places_saved(engine, buf_slice(parked));
		return TSS2_RC_SUCCESS;
	}
	/* Another one is started in its place then. */
	session_fini(session_of(engine, which));
	buf_reset(parked);
	return resident_forgotten(engine, chip_flush(engine, handle));
}

/* Parked, into a place that is free. */
static TSS2_RC unpark(struct engine *engine, enum line_session which)
{
	struct buf *parked = &engine->parked[which];
	uint32_t handle = SESSION_NONE;
	TSS2_RC rc = chip_context_load(engine, buf_slice(parked), &handle);

	if (!rc && handle == session_of(engine, which)->handle) {
		buf_reset(parked);
		return TSS2_RC_SUCCESS;
	}
	session_end(engine, which);
	engine->ready = engine->ready && rc_is_warning(rc); /* no room now; else it was forgotten */
	return rc ? rc : TSS2_SYS_RC_MALFORMED_RESPONSE;
}

bool session_unpark(struct engine *engine, enum line_session which)
{
	places_touch(engine, which);
	if (!engine->parked[which].len)
		return session_of(engine, which)->handle != SESSION_NONE;
	/* What does not make room now, the chip refuses below. */
	(void)places_room(engine, 1, 1);
	return !unpark(engine, which);
}

bool session_renew_one(struct engine *engine, enum line_session which)
{
	/* One that does not come back is given up, which helps as well. */
	return unpark(engine, which) || !session_park_one(engine, which);
}
