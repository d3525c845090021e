/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Dictionary-attack lockout (Part 1, "Dictionary Attack Protection") is the chip's, not ours: what
 * is ours is exempt, but other software's keys and FAPI's are not. The counter is read again
 * whenever the chip has counted a failure. Who gave us the lockout password wants the counter back
 * at 0 in time: it is reset when half of the tries are used.
 */

#include "tpm/impl.h"
#include "tpm/rc.h"

static bool is_due(const struct engine_facts *facts)
{
	uint32_t half = facts->lockout_max / 2;

	return facts->in_lockout || facts->lockout_counter >= (half ? half : 1);
}

/* A wrong password locks the lockout hierarchy itself, so it is tried once. */
static bool reset(struct engine *engine)
{
	struct err ignored = {0};
	TSS2_RC rc;

	if (!engine->lockout_auth || engine->facts.lockout_auth_refused || !is_due(&engine->facts))
		return false;
	/* Guests may have taken its place. */
	if (!session_unpark(engine, LINE_FIRST) && roots_session(engine, &ignored) < 0)
		return false;
	rc = chip_lockout_reset(engine);
	if (rc_is_counted(rc) || rc_is_refusal(rc))
		engine->facts.lockout_auth_refused = true;
	if (rc)
		return false;
	engine->facts.lockout_resets++;
	engine->facts.lockout_counter = 0;
	engine->facts.in_lockout = false;
	return true;
}

bool lockout_note(struct engine *engine, TSS2_RC rc)
{
	if (!rc_is_counted(rc) || chip_lockout(engine))
		return false;
	return reset(engine);
}
