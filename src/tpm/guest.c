/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is kept of a guest, and when it is lost. Handles are given out anew after a reset, so what
 * is believed to be in the chip must never be believed of two: whoever enters displaces whoever had
 * the number, and then the chip's counts of resets tell about the rest.
 */

#include "tpm/guest.h"

#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "base/secret.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

#define TRIES 2u /* after the first */

/* For TPM2_ContextLoad, whose one parameter is the context. */
#define RC_OF_CONTEXT (TPM2_RC_P | TPM2_RC_1)

int guest_new(enum engine_guest_kind kind, struct engine_guest **ret_guest, struct err *err)
{
	struct engine_guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return err_set(err, ERR_INTERNAL, "out of memory");
	guest->kind = kind;
	guest->context = (struct buf)BUF_INIT(SLOTS_CONTEXT_MAX);
	*ret_guest = guest;
	return 0;
}

static void list_remove(struct guests *guests, struct engine_guest *guest)
{
	if (guest->newer)
		guest->newer->older = guest->older;
	else if (guests->newest == guest)
		guests->newest = guest->older;
	if (guest->older)
		guest->older->newer = guest->newer;
}

static void list_add(struct guests *guests, struct engine_guest *guest)
{
	guest->older = guests->newest;
	if (guest->older)
		guest->older->newer = guest;
	guests->newest = guest;
}

static void guest_destroy(struct engine_guest *guest)
{
	buf_fini(&guest->context);
	wipe(guest, sizeof(*guest));
	free(guest);
}

void guest_settle(struct engine *engine, struct engine_guest *guest, uint32_t handle)
{
	static const struct engine_name no_name = {.len = 0}; /* its owner knows it */
	struct slot *slot = slots_put(&engine->slots, guest->id, handle, &no_name);

	slot->keep = &guest->context;
	slot->constant = guest->kind == ENGINE_GUEST_OBJECT;
	if (!slot->constant)
		buf_reset(&guest->context);
}

/* Is what has this handle in the chip, as far as we know, another one than what got it now? */
static bool is_taken(const struct engine *engine, uint32_t handle)
{
	if (chip_is_of(handle, GROUP_TRANSIENT))
		return slots_hold(&engine->slots, handle);
	for (size_t i = 0; i < LINE_SESSIONS; i++)
		if (chip_same_session(engine->line.sessions[i].handle, handle))
			return true;
	return guests_have(engine, handle);
}

void guest_enter(struct engine *engine, struct engine_guest *guest, uint32_t handle)
{
	struct guests *guests = &engine->guests;

	if (is_taken(engine, handle)) {
		(void)guests_look(engine);
		session_displaced(engine, handle);
		guests_displace(engine, handle);
	}
	list_add(guests, guest);
	if (guest->kind == ENGINE_GUEST_SESSION) {
		guest->handle = handle;
		guests->sessions[guests->session_count++] = guest;
		places_touch_guest(engine, guest);
		return;
	}
	guests->last_id++;
	memcpy(guest->id, &guests->last_id, sizeof(guests->last_id));
	guest_settle(engine, guest, handle);
}

/* --- lost ---------------------------------------------------------------------------------- */

bool guests_have(const struct engine *engine, uint32_t handle)
{
	const struct engine_guest *guest;
	size_t i;

	for (i = 0; i < engine->guests.session_count; i++)
		if (chip_same_session(engine->guests.sessions[i]->handle, handle))
			return true;
	if (!chip_is_of(handle, GROUP_TRANSIENT))
		return false;
	for (guest = engine->guests.newest; guest; guest = guest->older)
		if (guest->kind != ENGINE_GUEST_SESSION && guest->handle == handle)
			return true;
	return false;
}

void guest_lose(struct engine *engine, struct engine_guest *guest)
{
	struct slot *slot;

	if (guest->lost)
		return;
	guest->lost = true;
	buf_fini(&guest->context);
	if (guest->kind == ENGINE_GUEST_SESSION) {
		guest_forget_session(engine, guest);
		return;
	}
	guest->handle = 0;
	slot = slots_find(&engine->slots, guest->id);
	if (slot)
		slots_leave(&engine->slots, slot);
}

void guests_displace(struct engine *engine, uint32_t handle)
{
	struct guests *guests = &engine->guests;
	size_t i;

	for (i = guests->session_count; i > 0; i--)
		if (chip_same_session(guests->sessions[i - 1]->handle, handle))
			guest_lose(engine, guests->sessions[i - 1]);
}

void guests_lose(struct engine *engine)
{
	struct engine_guest *guest;

	for (guest = engine->guests.newest; guest; guest = guest->older)
		guest_lose(engine, guest);
	engine->guests.doomed.count = 0;
	engine->guests.epoch++;
}

bool engine_guest_lost(const struct engine *engine, const struct engine_guest *guest)
{
	return guest->lost || (guest->kind != ENGINE_GUEST_SESSION && !guest->handle &&
			       !guest->context.len && !slots_peek(&engine->slots, guest->id));
}

/* A restart ends what was loaded; what was saved holds its number until it is flushed. */
void guests_compare(struct engine *engine, uint32_t resets, uint32_t restarts)
{
	struct guests *guests = &engine->guests;
	struct chip_handles doomed = guests->doomed;
	size_t i;

	if (engine->facts.reset_count == resets && engine->facts.restart_count == restarts)
		return;
	for (i = 0; i < guests->session_count; i++)
		if (guests->sessions[i]->saved)
			chip_handles_add(&doomed, guests->sessions[i]->handle);
	guests_lose(engine);
	if (engine->facts.reset_count == resets)
		guests->doomed = doomed;
}

TSS2_RC guests_look(struct engine *engine)
{
	uint32_t resets = engine->facts.reset_count, restarts = engine->facts.restart_count;
	uint64_t epoch = engine->guests.epoch;
	TSS2_RC rc = chip_counts(engine);

	guests_compare(engine, resets, restarts);
	if (rc || engine->guests.epoch != epoch)
		engine->ready = false;
	return rc_is_layer(rc) ? rc : TSS2_RC_SUCCESS;
}

bool guests_look_again(struct engine *engine, TSS2_RC rc)
{
	if (!rc_is_stale(rc) || guests_look(engine))
		return false;
	engine->ready = engine->ready && rc != TPM2_RC_INITIALIZE;
	return true;
}

void guest_gone(struct engine *engine, struct engine_guest *guest)
{
	struct slot *slot = NULL;

	if (guests_look(engine) || !engine->ready)
		return;
	if (guest->kind != ENGINE_GUEST_SESSION)
		slot = slots_find(&engine->slots, guest->id);
	else
		guest_flush_session(engine, guest); /* saved, though we do not know it? */
	if (slot)
		slots_leave(&engine->slots, slot);
	engine->ready = false; /* two chips may have been reset as often as each other */
}

/* --- while the engine opens the chip again ---------------------------------------------------- */

/* Behind a manager everything goes with the connection, so nothing may be left there. */
static void leave_managed(struct engine *engine)
{
	size_t i;

	if (!transport_is_lost(engine->line.transport)) {
		(void)resident_leave(engine);
		(void)guests_park(engine);
	}
	for (i = engine->guests.session_count; i > 0; i--)
		if (!engine->guests.sessions[i - 1]->saved)
			guest_lose(engine, engine->guests.sessions[i - 1]);
}

void guests_hold(struct engine *engine)
{
	bool managed = transport_is_managed(engine->line.transport);
	struct engine_guest *guest;
	struct slot *slot;

	if (!engine->guests.newest)
		return;
	if (managed)
		leave_managed(engine);
	for (guest = engine->guests.newest; guest; guest = guest->older) {
		if (guest->kind == ENGINE_GUEST_SESSION)
			continue;
		slot = slots_find(&engine->slots, guest->id);
		if (!slot)
			continue;
		guest->handle = managed ? 0 : slot->handle;
		slot->keep = NULL;
		slot->handle = 0;
	}
}

TSS2_RC guests_check(struct engine *engine)
{
	if (!engine->guests.newest && !engine->guests.doomed.count)
		return TSS2_RC_SUCCESS;
	return guests_look(engine);
}

TSS2_RC guests_return(struct engine *engine)
{
	struct engine_guest *guest;

	for (guest = engine->guests.newest; guest; guest = guest->older) {
		if (guest->kind == ENGINE_GUEST_SESSION || !guest->handle)
			continue;
		guest_settle(engine, guest, guest->handle);
		guest->handle = 0;
	}
	guests_flush_doomed(engine);
	slots_mark(&engine->slots);
	places_mark(engine);
	if (!slots_count(&engine->slots))
		return TSS2_RC_SUCCESS;
	/* For a root, and what is loaded below it. */
	return resident_room(engine, 2, 0);
}

void guests_flush(struct engine *engine)
{
	struct guests *guests = &engine->guests;
	struct engine_guest *guest;

	while (guests->session_count)
		guest_flush_session(engine, guests->sessions[guests->session_count - 1]);
	guests_flush_doomed(engine);
	for (guest = guests->newest; guest; guest = guest->older)
		if (guest->kind != ENGINE_GUEST_SESSION && guest->handle)
			(void)chip_flush(engine, guest->handle);
}

void guests_free(struct engine *engine)
{
	struct engine_guest *guest = engine->guests.newest, *older;

	for (; guest; guest = older) {
		older = guest->older;
		guest_destroy(guest);
	}
	memset(&engine->guests, 0, sizeof(engine->guests));
}

/* --- for their owner ------------------------------------------------------------------------- */

void engine_guest_free(struct engine *engine, struct engine_guest *guest)
{
	if (!guest)
		return;
	if (guest->kind != ENGINE_GUEST_SESSION)
		slots_abandon(&engine->slots, guest->id);
	else if (!guest->lost && guest->handle)
		guest_flush_session(engine, guest);
	list_remove(&engine->guests, guest);
	guest_destroy(guest);
}

uint32_t engine_guest_handle(const struct engine *engine, const struct engine_guest *guest)
{
	const struct slot *slot;

	if (guest->kind == ENGINE_GUEST_SESSION)
		return guest->handle;
	slot = slots_peek(&engine->slots, guest->id);
	return slot ? slot->handle : 0;
}

uint64_t engine_guest_epoch(const struct engine *engine)
{
	return 1 + engine->guests.epoch; /* never what software answers */
}

static int no_guest(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "the TPM has lost the object");
}

/* A sequence is saved as it stands now, and goes on. */
static TSS2_RC save(struct engine *engine, struct engine_guest *guest, struct buf *ret_context)
{
	const struct slot *slot = slots_peek(&engine->slots, guest->id);
	TSS2_RC rc = TSS2_RC_SUCCESS;

	if (slot && !guest->context.len)
		rc = chip_context_save(engine, slot->handle, &guest->context);
	if (rc_is_stale(rc))
		guest_gone(engine, guest);
	if (rc)
		return rc;
	if (buf_ok(&guest->context))
		buf_put(ret_context, buf_slice(&guest->context));
	if (!buf_ok(&guest->context) || (slot && !slot->constant))
		buf_reset(&guest->context);
	return TSS2_RC_SUCCESS;
}

int engine_guest_save(struct engine *engine, struct engine_guest *guest, struct buf *ret_context,
		      struct err *err)
{
	size_t before = ret_context->len;
	unsigned tries = 0;
	TSS2_RC rc;
	int r;

	if (guest->kind == ENGINE_GUEST_SESSION)
		return err_set(err, ERR_INVALID, "a session's context is loaded once");
	do {
		r = engine_linked(engine, err);
		if (r < 0)
			return r;
		if (engine_guest_lost(engine, guest))
			return no_guest(err);
		rc = save(engine, guest, ret_context);
	} while (rc_is_stale(rc) && tries++ < TRIES);
	if (rc_is_layer(rc)) {
		engine_drop(engine);
		transport_close(engine->line.transport);
	}
	if (rc && engine_guest_lost(engine, guest))
		return no_guest(err);
	if (rc)
		return rc_err(err, rc, "saving a client's object");
	if (buf_ok(ret_context) && ret_context->len > before)
		return 0;
	ret_context->len = before;
	return err_set(err, ERR_INTERNAL, "no room for an object's context");
}

/* Is it an object's or a sequence's, and nothing more? */
static uint32_t judge(struct slice context)
{
	TPMS_CONTEXT parsed = {0};
	size_t at = 0;

	if (context.len > SLOTS_CONTEXT_MAX ||
	    Tss2_MU_TPMS_CONTEXT_Unmarshal(context.data, context.len, &at, &parsed) ||
	    at != context.len)
		return TPM2_RC_SIZE | RC_OF_CONTEXT;
	return chip_is_of(parsed.savedHandle, GROUP_TRANSIENT) ? TPM2_RC_SUCCESS
							       : TPM2_RC_VALUE | RC_OF_CONTEXT;
}

static TSS2_RC load(struct engine *engine, struct slice context, uint32_t *ret_handle)
{
	unsigned tries = 0;
	TSS2_RC rc;

	slots_mark(&engine->slots);
	do {
		rc = resident_room(engine, 1, 1);
		if (!rc)
			rc = chip_context_load(engine, context, ret_handle);
	} while (rc_is_full(rc) && tries++ < SLOTS_MAX && resident_yield(engine));
	return rc;
}

static int load_linked(struct engine *engine, struct slice context, TSS2_RC *rc,
		       uint32_t *ret_handle, struct err *err)
{
	unsigned tries = 0;
	int r;

	if (*rc)
		return 0;
	do {
		r = engine_linked(engine, err);
		if (r < 0)
			return r;
		*rc = load(engine, context, ret_handle);
	} while (tries++ < TRIES && guests_look_again(engine, *rc));
	return 0;
}

static void guest_destroy_cleanup(struct engine_guest **guest)
{
	if (*guest)
		guest_destroy(*guest);
}

int engine_guest_load(struct engine *engine, enum engine_guest_kind kind, struct slice context,
		      uint32_t *ret_rc, struct engine_guest **ret_guest, struct err *err)
{
	CLEANUP(guest_destroy_cleanup) struct engine_guest *guest = NULL;
	uint32_t handle = 0;
	TSS2_RC rc = judge(context);
	int r;

	if (kind != ENGINE_GUEST_OBJECT && kind != ENGINE_GUEST_SEQUENCE)
		return err_set(err, ERR_INVALID, "only objects and sequences are loaded");
	r = guest_new(kind, &guest, err);
	if (r == 0)
		r = load_linked(engine, context, &rc, &handle, err);
	if (r < 0)
		return r;
	if (rc_is_layer(rc)) {
		engine_drop(engine);
		transport_close(engine->line.transport);
		return rc_err(err, rc, "loading a client's object");
	}
	*ret_rc = rc;
	if (rc)
		return 0;
	guest_enter(engine, guest, handle);
	if (kind == ENGINE_GUEST_OBJECT)
		buf_put(&guest->context, context);
	*ret_guest = TAKE(guest);
	return 0;
}
