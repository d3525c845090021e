/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of guest.h on the engine, whose guests they are under another name. */
#include "provider/guest.h"

#include "provider/tpm/impl.h"
#include "tpm/guest.h"

_Static_assert((int)GUEST_NONE == (int)ENGINE_GUEST_NONE &&
		       (int)GUEST_OBJECT == (int)ENGINE_GUEST_OBJECT &&
		       (int)GUEST_SEQUENCE == (int)ENGINE_GUEST_SEQUENCE &&
		       (int)GUEST_SESSION == (int)ENGINE_GUEST_SESSION &&
		       GUEST_HANDLES_MAX == ENGINE_GUEST_HANDLES &&
		       GUEST_SESSIONS_MAX == ENGINE_GUEST_SESSIONS,
	       "both say the same");

static struct engine_guest *inner(struct provider_guest *guest)
{
	return (struct engine_guest *)(void *)guest;
}

static const struct engine_guest *inner_const(const struct provider_guest *guest)
{
	return (const struct engine_guest *)(const void *)guest;
}

static struct provider_guest *outer(struct engine_guest *guest)
{
	return (struct provider_guest *)(void *)guest;
}

static const struct engine *engine_of(const struct provider *p)
{
	return ((const struct tpm_provider *)(const void *)p)->engine;
}

static int run(struct provider *p, const struct guest_command *command, struct buf *ret_answer,
	       struct provider_guest **ret_made, struct err *err)
{
	struct engine_guest_command wanted = {
		.bytes = command->bytes,
		.handle_count = command->handle_count,
		.session_count = command->session_count,
		.makes = (enum engine_guest_kind)command->makes,
		.takes_slot = command->takes_slot,
		.ends_sessions = command->ends_sessions,
		.ends_handles = command->ends_handles,
	};
	struct engine_guest *made = NULL;
	size_t i;
	int r;

	for (i = 0; i < ENGINE_GUEST_HANDLES; i++)
		wanted.handles[i] = inner(command->handles[i]);
	for (i = 0; i < ENGINE_GUEST_SESSIONS; i++)
		wanted.sessions[i] = inner(command->sessions[i]);
	r = tpm_used(p, engine_guest_run(tpm_engine(p), &wanted, ret_answer, &made, err));
	if (r == 0)
		*ret_made = outer(made);
	return r;
}

static int save(struct provider *p, struct provider_guest *guest, struct buf *ret_context,
		struct err *err)
{
	return tpm_used(p, engine_guest_save(tpm_engine(p), inner(guest), ret_context, err));
}

static int load(struct provider *p, enum guest_kind kind, struct slice context, uint32_t *ret_rc,
		struct provider_guest **ret_guest, struct err *err)
{
	struct engine_guest *guest = NULL;
	int r = engine_guest_load(tpm_engine(p), (enum engine_guest_kind)kind, context, ret_rc,
				  &guest, err);

	if (r == 0 && guest)
		*ret_guest = outer(guest);
	return tpm_used(p, r);
}

static uint32_t handle(const struct provider *p, const struct provider_guest *guest)
{
	return engine_guest_handle(engine_of(p), inner_const(guest));
}

static bool lost(const struct provider *p, const struct provider_guest *guest)
{
	return engine_guest_lost(engine_of(p), inner_const(guest));
}

static void guest_free(struct provider *p, struct provider_guest *guest)
{
	engine_guest_free(tpm_engine(p), inner(guest));
}

static uint64_t epoch(const struct provider *p)
{
	return engine_guest_epoch(engine_of(p));
}

static void lockout(const struct provider *p, struct guest_lockout *ret_lockout)
{
	struct engine_facts facts;

	engine_facts(engine_of(p), &facts);
	*ret_lockout = (struct guest_lockout){
		.counter = facts.lockout_counter,
		.max = facts.lockout_max,
		.interval = facts.lockout_interval,
		.may_reset = engine_resets_lockout(engine_of(p)),
	};
}

const struct guest_ops tpm_guests = {
	.run = run,
	.save = save,
	.load = load,
	.handle = handle,
	.lost = lost,
	.free = guest_free,
	.epoch = epoch,
	.lockout = lockout,
};
