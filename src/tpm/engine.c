/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opening, losing and finding the chip again. Every operation goes through engine_do(): it makes
 * the engine ready first, and once more when the chip has forgotten what we had loaded, which is
 * how a reset, a restart or a returned device shows.
 */

#include "tpm/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/loop.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

#define REFUSED_LOOK_US (5u * 1000u * 1000u)
#define TRIES		3u

struct slice engine_auth(const struct secret *auth)
{
	return auth ? secret_slice(auth) : slice_of(NULL, 0);
}

/* Behind a resource manager: what the chip refuses to flush now goes with the connection. */
static void flush_ours(struct engine *engine)
{
	TSS2_RC rc = resident_flush(engine);

	session_discard(engine);
	if (rc && !rc_is_stale(rc) && transport_is_managed(engine->line.transport))
		transport_close(engine->line.transport);
}

void engine_drop(struct engine *engine)
{
	bool lost = transport_is_lost(engine->line.transport);

	guests_hold(engine);
	if (lost) {
		engine->srk_tried = false; /* it may come back as another chip */
		session_doom_parked(engine);
	} else if (transport_is_managed(engine->line.transport)) {
		flush_ours(engine);
	} else {
		session_end_parked(engine); /* among saved ones nobody would find them */
	}
	slots_reset(&engine->slots);
	for (size_t i = 0; i < LINE_SESSIONS; i++) {
		session_fini(&engine->line.sessions[i]);
		buf_reset(&engine->parked[i]);
	}
	memset(&engine->srk, 0, sizeof(engine->srk));
	memset(&engine->hsk, 0, sizeof(engine->hsk));
	memset(engine->others, 0, sizeof(engine->others));
	memset(&engine->persistent, 0, sizeof(engine->persistent));
	eks_misplace(&engine->eks);
	transport_clear_lost(engine->line.transport);
	engine->ready = false;
}

TSS2_RC engine_flush_left(struct engine *engine)
{
	TSS2_RC rc;

	if (transport_is_managed(engine->line.transport))
		return TSS2_RC_SUCCESS;
	rc = chip_flush_group(engine, GROUP_TRANSIENT);
	if (!rc)
		rc = chip_flush_group(engine, GROUP_LOADED_SESSION);
	/* Saved sessions may be those of programs on /dev/tpmrm0: only at the start. */
	if (!rc && !engine->flushed)
		rc = chip_flush_group(engine, GROUP_SAVED_SESSION);
	if (!rc)
		engine->flushed = true;
	return rc;
}

/* From an open device to a verified chip with a session. */
static int link_up(struct engine *engine, bool *ret_new, struct err *err)
{
	uint32_t resets, restarts;
	TSS2_RC rc;

	engine_drop(engine);
	engine->banks.count = 0; /* a reset may have brought others */
	rc = chip_startup(engine);
	if (rc)
		return rc_err(err, rc, "starting the TPM");
	rc = guests_check(engine);
	if (!rc)
		rc = engine_flush_left(engine);
	if (!rc)
		rc = guests_return(engine);
	if (rc)
		return rc_err(err, rc, "emptying the TPM's slots");
	resets = engine->facts.reset_count;
	restarts = engine->facts.restart_count;
	rc = chip_facts(engine);
	if (rc)
		return rc_err(err, rc, "reading the TPM's properties");
	guests_compare(engine, resets, restarts);
	/* Its seed may be another one since. */
	if (engine->eks.reset_count != engine->facts.reset_count)
		eks_fini(&engine->eks);
	engine->eks.reset_count = engine->facts.reset_count;
	return roots_open(engine, ret_new, err);
}

/* Is it an answer about this chip, rather than a failure to speak with it? */
static bool is_refusal(int code)
{
	return code == ERR_TPM_CHANGED || code == ERR_OWNER_AUTH_REQUIRED || code == ERR_DAMAGED ||
	       code == ERR_NOT_SUPPORTED;
}

static int link_verified(struct engine *engine, bool *ret_new, struct err *err)
{
	bool refused = engine->refusal.code;
	int r = link_up(engine, ret_new, err);

	if (!refused && is_refusal(r))
		guests_lose(engine); /* they were another chip's */
	engine->refusal = r < 0 && is_refusal(r) ? *err : (struct err){0};
	engine->refused_until_us = clock_monotonic_us() + REFUSED_LOOK_US;
	engine->ready = r == 0;
	return r;
}

int engine_linked(struct engine *engine, struct err *err)
{
	bool made = false;

	if (transport_is_lost(engine->line.transport))
		engine->ready = false;
	if (engine->ready)
		return 0;
	if (engine->refusal.code && clock_monotonic_us() < engine->refused_until_us) {
		*err = engine->refusal;
		return err->code;
	}
	return link_verified(engine, &made, err);
}

int engine_ready(struct engine *engine, struct err *err)
{
	int r = engine_linked(engine, err);

	if (r < 0 || (engine->line.sessions[LINE_FIRST].handle != SESSION_NONE &&
		      !engine->parked[LINE_FIRST].len))
		return r;
	/* A guest needed its place. */
	slots_mark(&engine->slots);
	places_mark(engine);
	if (session_unpark(engine, LINE_FIRST) ||
	    (engine->ready && roots_session(engine, err) == 0))
		return 0;
	*err = (struct err){0};
	engine->ready = false;
	return engine_linked(engine, err);
}

/* May another try help? Makes what it can of the chip for it. */
static bool try_again(struct engine *engine, const struct engine_op *op, TSS2_RC rc, unsigned try)
{
	if (rc == COMMAND_OURS || (rc_is_refusal(rc) && (op->guess || try > 0)))
		return false;
	if (!rc_is_full(rc) && !rc_is_stale(rc) && !rc_is_layer(rc) && !rc_is_refusal(rc))
		return false;
	engine_drop(engine);
	/* What such a command loaded has no handle that we know. */
	if (rc_is_layer(rc))
		transport_close(engine->line.transport);
	return true;
}

/* Can it simply be sent again: after something of ours gave way, or lockout was lifted? */
static bool repeat(struct engine *engine, TSS2_RC rc)
{
	bool lifted = lockout_note(engine, rc);

	if (rc_want(rc) == RC_WANTS_SESSION)
		return places_yield(engine);
	if (rc_is_full(rc))
		return resident_yield(engine) || places_yield(engine);
	return lifted && !rc_is_refusal(rc);
}

static int op_err(struct engine *engine, const struct engine_op *op, TSS2_RC rc, struct err *err)
{
	if (rc == COMMAND_OURS) {
		*err = engine->line.fault;
		return err_wrap(err, "%s", op->what);
	}
	(void)rc_err(err, rc, op->what);
	if (err->code == ERR_TPM_LOCKOUT)
		err->retry_after = engine->facts.lockout_interval;
	return err->code;
}

int engine_do(struct engine *engine, const struct engine_op *op, struct err *err)
{
	unsigned try = 0, repeats = 0;
	TSS2_RC rc;
	int r;

	do {
		r = engine_ready(engine, err);
		if (r < 0)
			return r;
		slots_mark(&engine->slots);
		places_mark(engine);
		places_touch(engine, LINE_FIRST);
		rc = op->run(engine, op->arg);
		if (!rc)
			return 0;
		if (repeats++ < SLOTS_MAX && repeat(engine, rc))
			continue;
		if (!try_again(engine, op, rc, try))
			break;
		try++;
	} while (try < TRIES);
	return op_err(engine, op, rc, err);
}

static int options_take(struct engine *engine, const struct engine_options *options,
			struct err *err)
{
	int r = 0;

	engine->line.encrypt = options->encrypt;
	engine->srk_type = options->srk_type;
	engine->srk_handle = options->srk_handle;
	engine->hsk_handle = options->hsk_handle;
	if (options->recorded)
		engine->roots = *options->recorded;
	for (size_t i = 0; i < LINE_SESSIONS; i++)
		engine->parked[i] = (struct buf)BUF_INIT(SLOTS_CONTEXT_MAX);
	if (options->owner_auth.len)
		r = secret_copy(options->owner_auth, &engine->owner_auth, err);
	if (r == 0 && options->endorsement_auth.len)
		r = secret_copy(options->endorsement_auth, &engine->endorsement_auth, err);
	if (r == 0 && options->lockout_auth.len)
		r = secret_copy(options->lockout_auth, &engine->lockout_auth, err);
	if (r == 0)
		r = secret_copy(options->hsk_auth, &engine->hsk_auth, err);
	return r;
}

int engine_new(const struct engine_options *options, struct engine **ret_engine, struct err *err)
{
	CLEANUP(engine_cleanup) struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return err_set(err, ERR_INTERNAL, "out of memory");
	r = line_open(options->tcti, &engine->line, err);
	if (r == 0)
		r = options_take(engine, options, err);
	if (r == 0)
		*ret_engine = TAKE(engine);
	return r;
}

int engine_open(const struct engine_options *options, struct engine **ret_engine, bool *ret_new,
		struct err *err)
{
	CLEANUP(engine_cleanup) struct engine *engine = NULL;
	bool made = false;
	int r = engine_new(options, &engine, err);

	if (r < 0)
		return r;
	r = link_verified(engine, &made, err);
	if (r < 0 && !(engine->refusal.code && options->recorded))
		return r;
	if (r < 0) {
		snprintf(engine->remark, sizeof(engine->remark), "%s", err->text);
		*err = (struct err){0};
	}
	*ret_new = made;
	*ret_engine = TAKE(engine);
	return 0;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	if (engine->line.sys && !transport_is_lost(engine->line.transport)) {
		guests_flush(engine);
		flush_ours(engine);
		/* What it has forgotten, it finds again only like this. */
		if (!engine->ready)
			(void)engine_flush_left(engine);
		/* Without it the chip takes the next power-off for a cut and counts it. */
		if (!transport_is_managed(engine->line.transport))
			(void)chip_shutdown(engine);
	}
	for (size_t i = 0; i < ENGINE_MESSAGES_MAX; i++)
		engine_message_free(engine, engine->messages[i]);
	guests_free(engine);
	line_close(&engine->line);
	slots_reset(&engine->slots);
	for (size_t i = 0; i < LINE_SESSIONS; i++)
		buf_fini(&engine->parked[i]);
	eks_fini(&engine->eks);
	secret_free(engine->owner_auth);
	secret_free(engine->endorsement_auth);
	secret_free(engine->hsk_auth);
	secret_free(engine->lockout_auth);
	wipe(engine, sizeof(*engine));
	free(engine);
}

static TSS2_RC persist_hsk(struct engine *engine, void *arg)
{
	const struct resident_parent wanted = {.parent = ENGINE_HSK};
	struct slice unused;
	struct root hsk;
	TSS2_RC rc;

	(void)arg;
	if (engine->hsk.handle == engine->hsk_handle)
		return TSS2_RC_SUCCESS;
	rc = resident_parent(engine, &wanted, &hsk, &unused);
	if (!rc)
		rc = chip_persist(engine, &hsk, engine->hsk_handle);
	if (rc)
		return rc;
	engine->hsk.handle = engine->hsk_handle;
	resident_forget(engine, engine->hsk_id);
	return TSS2_RC_SUCCESS;
}

int engine_persist_hsk(struct engine *engine, struct err *err)
{
	const struct engine_op op = {.what = "keeping Holdfast's storage key in the TPM",
				     .run = persist_hsk};

	if (!engine->hsk_handle || engine->refusal.code)
		return 0;
	return engine_do(engine, &op, err);
}

const struct engine_roots *engine_roots(const struct engine *engine)
{
	return &engine->roots;
}

uint32_t engine_hsk_handle(const struct engine *engine)
{
	return engine->hsk.handle;
}

int engine_refusal(const struct engine *engine)
{
	return engine->refusal.code;
}

const char *engine_remark(const struct engine *engine)
{
	return engine->remark;
}

bool engine_resets_lockout(const struct engine *engine)
{
	return engine->lockout_auth && !engine->facts.lockout_auth_refused;
}

void engine_set_deadline(struct engine *engine, uint64_t deadline_us)
{
	transport_set_deadline(engine->line.transport, deadline_us);
}

void engine_facts(const struct engine *engine, struct engine_facts *ret_facts)
{
	static const char *const managers[] = {
		[TRANSPORT_BARE] = "none",
		[TRANSPORT_KERNEL] = "kernel",
		[TRANSPORT_OTHER] = "unknown",
	};

	*ret_facts = engine->facts;
	ret_facts->manager = managers[transport_manager(engine->line.transport)];
	snprintf(ret_facts->tcti, sizeof(ret_facts->tcti), "%s",
		 transport_conf(engine->line.transport));
}
