/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Guests' sessions: out of the chip and back. A session's context loads once, so it is either in
 * the chip or here; one whose context the chip does not take is lost, and flushed, since a saved
 * session holds one of the chip's numbers until then.
 */

#include "tpm/guest.h"

#include "tpm/impl.h"
#include "tpm/rc.h"

bool guests_are_full(const struct engine *engine)
{
	uint32_t told = engine->facts.sessions_max;
	uint32_t most = told && told < SESSIONS_MAX ? told : SESSIONS_MAX;

	return engine->guests.session_count + SESSIONS_OURS >= most;
}

void guest_forget_session(struct engine *engine, const struct engine_guest *guest)
{
	struct guests *guests = &engine->guests;
	size_t i;

	for (i = 0; i < guests->session_count; i++)
		if (guests->sessions[i] == guest) {
			guests->sessions[i] = guests->sessions[--guests->session_count];
			return;
		}
}

void guest_flush_session(struct engine *engine, struct engine_guest *guest)
{
	TSS2_RC rc = chip_flush(engine, guest->handle);

	guest_lose(engine, guest);
	if (!rc_is_layer(rc) && !resident_stays(rc))
		return;
	/* When the chip is open again; it is looked at anew at once, unless it is lost anyway. */
	chip_handles_add(&engine->guests.doomed, guest->handle);
	engine->ready = false;
}

void guests_flush_doomed(struct engine *engine)
{
	struct chip_handles *doomed = &engine->guests.doomed;

	for (; doomed->count > 0; doomed->count--)
		(void)chip_flush(engine, doomed->handle[doomed->count - 1]);
}

TSS2_RC guest_park(struct engine *engine, struct engine_guest *guest)
{
	TSS2_RC rc = chip_context_save(engine, guest->handle, &guest->context);

	if (!rc && buf_ok(&guest->context)) {
		guest->saved = true;
		places_saved(engine, buf_slice(&guest->context));
		return TSS2_RC_SUCCESS;
	}
	if (rc_is_layer(rc) || rc_is_warning(rc))
		return rc;
	guest_flush_session(engine, guest);
	return rc;
}

TSS2_RC guests_park(struct engine *engine)
{
	TSS2_RC rc = TSS2_RC_SUCCESS;
	size_t i;

	/* From the end, where one that is lost makes no gap; closing the gap may lose another. */
	for (i = engine->guests.session_count; i > 0 && !rc; i--) {
		struct engine_guest *guest;

		if (i > engine->guests.session_count)
			continue;
		guest = engine->guests.sessions[i - 1];
		if (!guest->saved)
			rc = resident_forgotten(engine, guest_park(engine, guest));
		if (rc_want(rc) == RC_WANTS_GAP && places_close_gap(engine))
			rc = guest_park(engine, guest);
	}
	return rc;
}

static TSS2_RC load(struct engine *engine, struct engine_guest *guest)
{
	uint32_t handle = 0;
	TSS2_RC rc = chip_context_load(engine, buf_slice(&guest->context), &handle);

	if (!rc && handle != guest->handle)
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (rc)
		return rc;
	guest->saved = false;
	buf_reset(&guest->context);
	places_touch_guest(engine, guest);
	return TSS2_RC_SUCCESS;
}

TSS2_RC guest_unpark(struct engine *engine, struct engine_guest *guest)
{
	TSS2_RC rc = load(engine, guest);

	if (rc_want(rc) == RC_WANTS_GAP && places_close_gap(engine) && guest->saved)
		rc = load(engine, guest);
	if (!rc || rc_is_layer(rc) || rc_is_warning(rc))
		return rc;
	guest_flush_session(engine, guest);
	return TPM2_RC_REFERENCE_S0;
}

void guest_renew(struct engine *engine, struct engine_guest *guest)
{
	uint64_t used = guest->used;
	TSS2_RC rc = load(engine, guest);

	guest->used = used;
	if (rc)
		guest_flush_session(engine, guest);
	else
		(void)guest_park(engine, guest);
}
