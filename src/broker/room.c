/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has too much loses what it used least lately: first what it has a copy of. A connection for
 * each command tells nothing of who still lives, so nothing goes by time. What the command itself
 * names bears its number in the clock of commands, and stays.
 *
 * The chip gives a session's number to the next one, so a stale session may name a newer one of the
 * same tenant, whose nonce it does not have: as on a chip whose sessions somebody flushes.
 */
#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"

static bool is_gone(const struct broker *broker, const struct held *held)
{
	return !held->guest || provider_guest_lost(broker->p, held->guest);
}

/* Does @a go before @b? */
static bool goes_first(const struct held *a, const struct held *b)
{
	if (!b || a->saved != b->saved)
		return !b || a->saved;
	return a->used < b->used;
}

static bool may_go(const struct broker *broker, const struct held *held, bool sessions)
{
	return held_is_session(held) == sessions && held->used != broker->uses;
}

/* What the chip no longer has takes only our place. */
static void sweep(struct broker *broker, struct vchip *vchip)
{
	struct held *held = vchip->first, *next;

	for (; held; held = next) {
		next = held->next;
		if (held->used != broker->uses && is_gone(broker, held))
			handles_drop(vchip, held);
	}
}

static void sweep_all(struct broker *broker)
{
	struct vchip *vchip;

	for (vchip = broker->first; vchip; vchip = vchip->next)
		sweep(broker, vchip);
}

/* After a sweep: what goes was in the chip. */
static bool take(struct broker *broker, struct vchip *vchip, bool sessions)
{
	struct held *held, *victim = NULL;

	for (held = vchip->first; held; held = held->next)
		if (may_go(broker, held, sessions) && goes_first(held, victim))
			victim = held;
	if (victim)
		handles_drop(vchip, victim);
	return victim;
}

static bool has_any(const struct broker *broker, const struct vchip *vchip, bool sessions)
{
	const struct held *held = vchip->first;

	while (held && !may_go(broker, held, sessions))
		held = held->next;
	return held;
}

/* Of those that have as many the one that asks; NULL: nobody has any that may go. */
static struct vchip *richest(const struct run *run, bool sessions)
{
	struct vchip *vchip, *found = NULL;
	unsigned most = 0;

	for (vchip = run->broker->first; vchip; vchip = vchip->next) {
		unsigned has = sessions ? vchip->sessions : vchip->objects;

		if ((has > most || (has == most && vchip == run->vchip)) &&
		    has_any(run->broker, vchip, sessions)) {
			most = has;
			found = vchip;
		}
	}
	return found;
}

/* A persistent object comes back when it is named. */
static bool take_kept(struct broker *broker)
{
	struct kept *victim = NULL;
	struct vchip *vchip;
	size_t i;

	for (vchip = broker->first; vchip; vchip = vchip->next)
		for (i = 0; i < vchip->kept_count; i++) {
			struct kept *kept = &vchip->kept[i];

			if (kept->guest && kept->used != broker->uses &&
			    (!victim || kept->used < victim->used))
				victim = kept;
		}
	if (victim)
		kept_unload(broker, victim);
	return victim;
}

/* Of all tenants together, whatever each may have. */
static bool make_room_for_all(struct run *run, bool sessions)
{
	struct vchip *vchip;

	if (run->broker->guests >= BROKER_GUESTS_MAX)
		sweep_all(run->broker);
	while (run->broker->guests >= BROKER_GUESTS_MAX) {
		if (take_kept(run->broker))
			continue;
		vchip = richest(run, sessions);
		if (!vchip || !take(run->broker, vchip, sessions))
			return false;
	}
	return true;
}

static bool make_room_for_one(struct run *run, bool sessions, unsigned max)
{
	const unsigned *has = sessions ? &run->vchip->sessions : &run->vchip->objects;

	if (*has >= max)
		sweep(run->broker, run->vchip);
	while (*has >= max)
		if (!take(run->broker, run->vchip, sessions))
			return false;
	return make_room_for_all(run, sessions);
}

uint32_t room_for_object(struct run *run)
{
	return make_room_for_one(run, false, run->limits->objects_max) ? 0 : TPM2_RC_OBJECT_MEMORY;
}

uint32_t room_for_session(struct run *run)
{
	return make_room_for_one(run, true, run->limits->sessions_max) ? 0
								       : TPM2_RC_SESSION_HANDLES;
}

uint32_t room_for_kept(struct run *run)
{
	return make_room_for_all(run, false) ? 0 : TPM2_RC_OBJECT_MEMORY;
}

bool room_take_session(struct run *run)
{
	struct vchip *vchip;

	sweep_all(run->broker);
	vchip = richest(run, true);
	return vchip && take(run->broker, vchip, true);
}
