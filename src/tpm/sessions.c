/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Our sessions in the chip. The first is there whenever the engine is ready. The others come when a
 * command wants them: the second then stays, since most chips have room for three, and a policy
 * session goes with its command. Raw commands park what is there.
 */

#include "tpm/impl.h"
#include "tpm/rc.h"

/* With fewer places than these nothing but the first stays. */
#define SLOTS_FOR_TWO 3u

static struct session *session_of(struct engine *engine, enum line_session which)
{
	return &engine->line.sessions[which];
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

bool session_yield(struct engine *engine)
{
	if (session_of(engine, LINE_SECOND)->handle == SESSION_NONE)
		return false;
	session_end(engine, LINE_SECOND);
	return true;
}

void session_end_parked(struct engine *engine)
{
	for (int i = 0; i < LINE_SESSIONS; i++)
		if (engine->parked[i].len)
			session_end(engine, (enum line_session)i);
}

void session_rest(struct engine *engine)
{
	if (engine->facts.session_slots < SLOTS_FOR_TWO)
		(void)session_yield(engine);
}

TSS2_RC session_open(struct engine *engine, enum line_session which, const struct root *salt,
		     const TPM2B_PUBLIC *public)
{
	TSS2_RC rc;

	session_end(engine, which);
	rc = chip_start_session(engine, which, salt, public);
	/* Others' saved sessions are in the way; some of them came through us. */
	if (rc_want(rc) == RC_WANTS_GAP && raw_end_saved(engine))
		rc = chip_start_session(engine, which, salt, public);
	return rc;
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

static TSS2_RC park(struct engine *engine, enum line_session which)
{
	uint32_t handle = session_of(engine, which)->handle;
	struct buf *parked = &engine->parked[which];
	TSS2_RC rc;

	if (handle == SESSION_NONE || parked->len)
		return TSS2_RC_SUCCESS;
	rc = chip_context_save(engine, handle, parked);
	if ((!rc && buf_ok(parked)) || rc_is_layer(rc))
		return rc;
	/* Another one is started in its place then. */
	session_fini(session_of(engine, which));
	buf_reset(parked);
	return resident_forgotten(engine, chip_flush(engine, handle));
}

TSS2_RC session_park(struct engine *engine)
{
	TSS2_RC rc = TSS2_RC_SUCCESS;

	for (int i = 0; i < LINE_SESSIONS && !rc; i++)
		rc = park(engine, (enum line_session)i);
	return rc;
}

bool session_unpark(struct engine *engine, enum line_session which)
{
	struct buf *parked = &engine->parked[which];
	uint32_t handle = SESSION_NONE;
	TSS2_RC rc;

	if (!parked->len)
		return session_of(engine, which)->handle != SESSION_NONE;
	rc = chip_context_load(engine, buf_slice(parked), &handle);
	if (rc || handle != session_of(engine, which)->handle) {
		session_end(engine, which);
		engine->ready =
			engine->ready && rc_is_warning(rc); /* no room now; else it was forgotten */
		return false;
	}
	buf_reset(parked);
	return true;
}

bool session_renew(struct engine *engine)
{
	bool any = false;

	for (int i = 0; i < LINE_SESSIONS; i++) {
		enum line_session which = (enum line_session)i;

		if (!engine->parked[which].len)
			continue;
		/* One that does not come back is given up, which helps as well. */
		any |= !session_unpark(engine, which) || !park(engine, which);
	}
	return any;
}
