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

static uint64_t limit_of(const struct op *op)
{
	const struct tenant *tenant = op->peer.tenant;

	return op->quota.of == QUOTA_KEYS ? tenant->keys_max : tenant->stored_max;
}

static void watch(struct op *op, enum quota_of of)
{
	struct quota_change *change = &op->quota;
	const struct quota *quota;

	change->watched = true;
	change->of = of;
	quota = quota_of(op);
	change->blind = !quota->known;
	change->quiet = quota->at_work == 0;
	change->begun = quota->begun;
	change->grown = quota->grown;
	change->counts = limit_of(op) > 0 && (!quota->known || quota->loose);
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

static void begin(struct op *op, uint64_t reserved)
{
	struct quota *quota = quota_of(op);

	quota->begun++;
	quota->at_work++;
	quota->reserved += reserved;
	op->quota.reserved = reserved;
	op->quota.at_work = true;
}

static uint64_t growth(const struct quota_change *change)
{
	if (change->shared)
		return change->need;
	return change->need > change->was ? change->need - change->was : 0;
}

static bool fits(const struct op *op, uint64_t more)
{
	const struct quota *quota = quota_of(op);
	uint64_t limit = limit_of(op);

	/* What needs nothing more is never refused, also where the limit was lowered. */
	return limit == 0 || more == 0 || quota->used + quota->reserved + more <= limit;
}

static int refuse(const struct op *op, struct err *err)
{
	unsigned long long limit = limit_of(op);

	if (op->quota.of == QUOTA_KEYS) {
		(void)err_set(err, ERR_QUOTA, "the tenant may have %llu keys, and has them", limit);
		return err_add_remedy(err, REMEDY_KEYS);
	}
	(void)err_set(err, ERR_QUOTA,
		      "the tenant's secrets may take %llu bytes, and would take more", limit);
	return err_add_remedy(err, REMEDY_STORED);
}

int quota_count(void *arg, struct err *err)
{
	struct op *op = arg;
	uint64_t counted[QUOTA_KINDS];
	int r;

	if (!op->quota.counts)
		return 0;
	r = keystore_usage(op->store, op->tenant.name, &counted[QUOTA_KEYS], &counted[QUOTA_STORED],
			   err);
	if (r == 0)
		op->quota.counted = counted[op->quota.of];
	return r;
}

static void take_count(struct op *op)
{
	struct quota_change *change = &op->quota;
	struct quota *quota = quota_of(op);
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

	take_count(op);
	more = growth(&op->quota);
	if (!fits(op, more))
		return refuse(op, err);
	begin(op, more);
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
	if (limit_of(op) == 0)
		begin(op, at_most);
}

void quota_removes(struct op *op, enum quota_of of)
{
	watch(op, of);
	op->quota.counts = false;
	op->quota.was = of == QUOTA_KEYS;
	if (of == QUOTA_STORED)
		join_secret(op);
	begin(op, 0);
}

/* docs/ERRORS.md: after every other code nothing was changed. */
void quota_failed(struct op *op, int code)
{
	op->quota.unsure = code == ERR_TIMEOUT || code == ERR_UNREADABLE || code == ERR_INTERNAL;
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

void quota_end(struct op *op)
{
	struct quota_change *change = &op->quota;
	struct quota *quota;

	if (!change->watched)
		return;
	quota = quota_of(op);
	if (change->of == QUOTA_STORED)
		leave_secret(op);
	if (change->at_work) {
		quota->at_work--;
		quota->reserved -= change->reserved;
		if (op->changed) {
			note(quota, change);
		} else if (change->unsure) {
			add(quota, change->need);
			quota->loose = true;
		}
	}
	change->watched = false;
}
