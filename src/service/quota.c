/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A count is exact when no change was at work while it was taken. Where one was, or where two
 * changes of one secret met so that nobody knows what replaced what, the larger value is kept: a
 * limit is never passed, and a tenant that would be refused by such a value is counted anew.
 */
#include "service/quota.h"

#include <string.h>

#include "service/op.h"

#define REMEDY_KEYS                                                                                \
	"Delete keys or attestation keys that are no longer needed, or have the administrator "    \
	"raise `keys =` of the tenant."
#define REMEDY_STORED                                                                              \
	"Delete secrets that are no longer needed, or have the administrator raise `stored =` of " \
	"the tenant."

static struct service_tenant *tenant_of(const struct op *op)
{
	return (struct service_tenant *)op->peer.tenant;
}

static struct quota *quota_of(const struct op *op)
{
	return &tenant_of(op)->quotas[op->quota.of];
}

static uint64_t limit_of(const struct tenant *tenant, enum quota_of of)
{
	return of == QUOTA_KEYS ? tenant->keys_max : tenant->stored_max;
}

static void watch_of(struct service_tenant *tenant, enum quota_of of, struct quota_change *change)
{
	const struct quota *quota = &tenant->quotas[of];

	change->watched = true;
	change->of = of;
	change->blind = !quota->known;
	change->quiet = quota->at_work == 0;
	change->begun = quota->begun;
	change->grown = quota->grown;
	change->counts = limit_of(&tenant->tenant, of) > 0 && (!quota->known || quota->loose);
}

static void watch(struct op *op, enum quota_of of)
{
	watch_of(tenant_of(op), of, &op->quota);
}

/* Two at one secret: neither can tell what it replaces. */
static void join_secret(struct op *op)
{
	struct service_tenant *tenant = tenant_of(op);
	struct op *other;

	for (other = tenant->secret_changes; other; other = other->quota.next)
		if (strcmp(other->name, op->name) == 0)
			other->quota.shared = op->quota.shared = true;
	op->quota.next = tenant->secret_changes;
	tenant->secret_changes = op;
}

static void leave_secret(struct op *op)
{
	struct op **at = &tenant_of(op)->secret_changes;

	while (*at && *at != op)
		at = &(*at)->quota.next;
	if (*at)
		*at = op->quota.next;
}

static void begin(struct quota *quota, struct quota_change *change, uint64_t reserved)
{
	quota->begun++;
	quota->at_work++;
	quota->reserved += reserved;
	change->reserved = reserved;
	change->at_work = true;
}

static uint64_t growth(const struct quota_change *change)
{
	if (change->shared)
		return change->need;
	return change->need > change->was ? change->need - change->was : 0;
}

/* How much more fits under @limit, which is one. */
static uint64_t room_in(const struct quota *quota, uint64_t limit)
{
	uint64_t taken = quota->used + quota->reserved;

	return taken < limit ? limit - taken : 0;
}

static bool fits(const struct op *op, uint64_t more)
{
	uint64_t limit = limit_of(op->peer.tenant, op->quota.of);

	/* What needs nothing more is never refused, also where the limit was lowered. */
	return limit == 0 || more == 0 || more <= room_in(quota_of(op), limit);
}

static int refuse(const struct op *op, struct err *err)
{
	unsigned long long limit = limit_of(op->peer.tenant, op->quota.of);

	if (op->quota.of == QUOTA_KEYS) {
		(void)err_set(err, ERR_QUOTA, "the tenant may have %llu keys, and has them", limit);
		return err_add_remedy(err, REMEDY_KEYS);
	}
	(void)err_set(err, ERR_QUOTA,
		      "the tenant's secrets may take %llu bytes, and would take more", limit);
	return err_add_remedy(err, REMEDY_STORED);
}

static int count(struct store *store, const char *tenant, struct quota_change *change,
		 struct err *err)
{
	uint64_t counted[QUOTA_KINDS];
	int r;

	if (!change->counts)
		return 0;
	r = keystore_usage(store, tenant, &counted[QUOTA_KEYS], &counted[QUOTA_STORED], err);
	if (r == 0)
		change->counted = counted[change->of];
	return r;
}

int quota_count(void *arg, struct err *err)
{
	struct op *op = arg;

	return count(op->store, op->tenant.name, &op->quota, err);
}

static void take_count(struct quota *quota, const struct quota_change *change)
{
	bool exact = change->quiet && quota->at_work == 0 && quota->begun == change->begun;

	if (!change->counts || (quota->known && !exact))
		return;
	/* What ended since the op began may be in the count or not: a change without a limit, or
	 * one that began before the limit did, is at work unseen. */
	quota->used = change->counted + (quota->grown - change->grown);
	quota->known = true;
	quota->loose = !exact;
}

int quota_admits(void *arg, struct err *err)
{
	struct op *op = arg;
	uint64_t more;

	take_count(quota_of(op), &op->quota);
	more = growth(&op->quota);
	if (!fits(op, more))
		return refuse(op, err);
	begin(quota_of(op), &op->quota, more);
	return 0;
}

int quota_adds_key(struct op *op, struct err *err)
{
	watch(op, QUOTA_KEYS);
	op->quota.need = 1;
	if (!op->quota.counts || (quota_of(op)->known && fits(op, 1))) {
		op->quota.counts = false;
		return quota_admits(op, err);
	}
	op_step(op, JOB_POOL, quota_count);
	op_step(op, JOB_LOOP, quota_admits);
	return 0;
}

void quota_puts_secret(struct op *op, uint64_t at_most)
{
	watch(op, QUOTA_STORED);
	join_secret(op);
	if (limit_of(op->peer.tenant, QUOTA_STORED) == 0)
		begin(quota_of(op), &op->quota, at_most);
}

void quota_removes(struct op *op, enum quota_of of)
{
	watch(op, of);
	op->quota.counts = false;
	op->quota.was = of == QUOTA_KEYS;
	if (of == QUOTA_STORED)
		join_secret(op);
	begin(quota_of(op), &op->quota, 0);
}

/* docs/ERRORS.md: after every other code nothing was changed. */
static bool is_unsure(int code)
{
	return code == ERR_TIMEOUT || code == ERR_UNREADABLE || code == ERR_INTERNAL;
}

void quota_failed(struct op *op, int code)
{
	op->quota.unsure = is_unsure(code);
}

static void add(struct quota *quota, uint64_t more)
{
	quota->used += more;
	quota->grown += more;
}

/* The change was made. */
static void note(struct quota *quota, const struct quota_change *change)
{
	if (change->was_unknown || change->shared || (change->blind && change->was > 0)) {
		add(quota, change->need);
		quota->loose = true;
	} else if (change->need > change->was) {
		add(quota, change->need - change->was);
	} else {
		quota->used -= change->was - change->need;
	}
}

static void end(struct quota *quota, struct quota_change *change, bool changed)
{
	change->watched = false;
	if (!change->at_work)
		return;
	change->at_work = false;
	quota->at_work--;
	quota->reserved -= change->reserved;
	if (changed) {
		note(quota, change);
	} else if (change->unsure) {
		add(quota, change->need);
		quota->loose = true;
	}
}

void quota_end(struct op *op)
{
	if (!op->quota.watched)
		return;
	if (op->quota.of == QUOTA_STORED)
		leave_secret(op);
	end(quota_of(op), &op->quota, op->changed);
}

/* --- of no op --- */

void quota_other_begins(struct service_tenant *tenant, uint64_t at_most,
			struct quota_change *change)
{
	const struct quota *quota = &tenant->quotas[QUOTA_STORED];

	watch_of(tenant, QUOTA_STORED, change);
	change->need = at_most;
	if (at_most == 0 ||
	    (quota->known && at_most <= room_in(quota, limit_of(&tenant->tenant, QUOTA_STORED))))
		change->counts = false;
}

int quota_other_count(struct store *store, const char *tenant, struct quota_change *change,
		      struct err *err)
{
	return count(store, tenant, change, err);
}

uint64_t quota_other_admits(struct service_tenant *tenant, struct quota_change *change)
{
	uint64_t limit = limit_of(&tenant->tenant, QUOTA_STORED);
	struct quota *quota = &tenant->quotas[QUOTA_STORED];
	uint64_t room = change->need;

	take_count(quota, change);
	if (limit > 0 && room > room_in(quota, limit))
		room = room_in(quota, limit);
	begin(quota, change, room);
	return room;
}

void quota_other_ends(struct service_tenant *tenant, struct quota_change *change,
		      const struct quota_other *other)
{
	if (!change->watched)
		return;
	change->unsure = is_unsure(other->failed);
	change->need = other->changed ? other->put : change->reserved;
	change->was = other->taken;
	change->was_unknown = other->changed && other->put == 0 && other->taken == 0;
	end(&tenant->quotas[QUOTA_STORED], change, other->changed);
}
