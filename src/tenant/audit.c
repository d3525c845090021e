/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of JSON per operation; its members are the same for all, so that tools can filter;
 * only `late` and `refusals` are there where they say something. What is kept are the lines
 * themselves, in a ring.
 */
#include "tenant/audit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#define REFUSALS_AT_ONCE 10u
#define REFUSAL_US	 1000000u /* .. and one more after each */
#define BUCKETS		 64u

struct kept {
	char tenant[sizeof(((struct tenant *)NULL)->name)];
	bool refusal;
	size_t len;
	uint8_t line[];
};

static struct kept *ring[AUDIT_KEPT_MAX];
static size_t next; /* the place of the next line, which is the oldest's */

void audit_format(const struct audit_event *event, uint64_t time, struct buf *ret_line)
{
	buf_printf(ret_line, "{\"time\":%" PRIu64 ",\"tenant\":", time);
	json_put_string(ret_line, event->peer->tenant->name);
	buf_printf(ret_line,
		   ",\"pid\":%d,\"uid\":%u,\"gid\":%u,\"operation\":", (int)event->peer->pid,
		   (unsigned)event->peer->uid, (unsigned)event->peer->gid);
	json_put_string(ret_line, event->operation);
	buf_put_str(ret_line, ",\"object\":");
	json_put_string(ret_line, event->object);
	buf_put_str(ret_line, ",\"result\":");
	json_put_string(ret_line, event->code == 0 ? "ok" : err_info(event->code)->name);
	buf_printf(ret_line, ",\"tpm_commands\":%" PRIu64 ",\"microseconds\":%" PRIu64 "%s",
		   event->tpm_commands, event->microseconds, event->late ? ",\"late\":true" : "");
	if (event->refusals > 0)
		buf_printf(ret_line, ",\"refusals\":%" PRIu64, event->refusals);
	buf_put_str(ret_line, "}");
}

/* --- lines that are kept --- */

static bool is_wanted(const struct kept *kept, const char *tenant)
{
	return kept && (!tenant || strcmp(kept->tenant, tenant) == 0);
}

/* The place of the @i-th, from the oldest on. */
static struct kept **place_at(size_t i)
{
	return &ring[(next + i) % AUDIT_KEPT_MAX];
}

/* The oldest of all; or, of a tenant with its share of refusals, the oldest of these. */
static size_t find_victim(const char *tenant)
{
	size_t count = 0, oldest = 0;
	size_t i;

	for (i = AUDIT_KEPT_MAX; i > 0; i--) {
		const struct kept *kept = *place_at(i - 1);

		if (!is_wanted(kept, tenant) || !kept->refusal)
			continue;
		count++;
		oldest = i - 1;
	}
	return count < AUDIT_REFUSALS_MAX ? 0 : oldest;
}

/* Where memory is short the log alone has it, and the oldest line goes all the same. */
static void keep(const struct audit_event *event, struct slice line)
{
	struct kept *kept = calloc(1, sizeof(*kept) + line.len);
	const char *tenant = event->peer->tenant->name;
	size_t i = event->code != 0 ? find_victim(tenant) : 0;

	if (kept) {
		memcpy(kept->tenant, tenant, sizeof(kept->tenant));
		kept->refusal = event->code != 0;
		kept->len = line.len;
		memcpy(kept->line, line.data, line.len);
	}
	free(*place_at(i));
	/* Those before it move up, so that the oldest place of all is free. */
	for (; i > 0; i--)
		*place_at(i) = *place_at(i - 1);
	ring[next] = kept;
	next = (next + 1) % AUDIT_KEPT_MAX;
}

static void write_line(const struct audit_event *event)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(AUDIT_LINE_MAX);

	audit_format(event, (uint64_t)time(NULL), &line);
	log_audit(buf_slice(&line));
	if (buf_ok(&line))
		keep(event, buf_slice(&line));
}

/* --- refusals --- */

/* A tenant that was refused something lately, by its number. */
struct refuser {
	struct refuser *next;
	uint32_t number;
	char name[sizeof(((struct tenant *)NULL)->name)];
	uint64_t paid_us; /* from when on it has all its lines at once again */
	/* Counted and not told, with the peer and the code of the last one. */
	struct tenant_peer peer;
	struct audit_event counted;
};

static struct refuser *refusers[BUCKETS];
static uint64_t looked_us;
static struct loop_timer teller; /* set while something is untold; of no loop: never */

static bool take_line(struct refuser *refuser, uint64_t now_us)
{
	uint64_t from = refuser->paid_us > now_us ? refuser->paid_us : now_us;

	if (from - now_us > (uint64_t)(REFUSALS_AT_ONCE - 1) * REFUSAL_US)
		return false;
	refuser->paid_us = from + REFUSAL_US;
	return true;
}

static void tell(struct refuser *refuser)
{
	struct tenant tenant = {.number = refuser->number};
	struct audit_event event = refuser->counted;

	memcpy(tenant.name, refuser->name, sizeof(tenant.name));
	refuser->peer.tenant = &tenant;
	event.peer = &refuser->peer;
	write_line(&event);
	refuser->peer.tenant = NULL;
	refuser->counted = (struct audit_event){.refusals = 0};
}

/*
 * Tells what is due, or with @all what there is, and forgets who has all his lines again. Is
 * something untold after that?
 */
static bool look(uint64_t now_us, bool all)
{
	bool untold = false;
	size_t i;

	looked_us = now_us;
	for (i = 0; i < BUCKETS; i++) {
		struct refuser **at = &refusers[i];

		while (*at) {
			struct refuser *refuser = *at;

			if (refuser->counted.refusals > 0 && (take_line(refuser, now_us) || all))
				tell(refuser);
			untold |= refuser->counted.refusals > 0;
			if (refuser->paid_us > now_us || refuser->counted.refusals > 0) {
				at = &refuser->next;
				continue;
			}
			*at = refuser->next;
			free(refuser);
		}
	}
	return untold;
}

/* NULL when memory is short. */
static struct refuser *refuser_of(const struct tenant *tenant)
{
	struct refuser **first = &refusers[tenant->number % BUCKETS];
	struct refuser *refuser = *first;

	while (refuser && refuser->number != tenant->number)
		refuser = refuser->next;
	if (refuser)
		return refuser;
	refuser = calloc(1, sizeof(*refuser));
	if (!refuser)
		return NULL;
	refuser->number = tenant->number;
	memcpy(refuser->name, tenant->name, sizeof(refuser->name));
	refuser->next = *first;
	*first = refuser;
	return refuser;
}

static void count(struct refuser *refuser, const struct audit_event *event)
{
	struct audit_event *counted = &refuser->counted;

	refuser->peer = *event->peer;
	refuser->peer.tenant = NULL;
	counted->operation = "refusals";
	counted->object = "";
	counted->code = event->code;
	counted->tpm_commands += event->tpm_commands;
	counted->microseconds += event->microseconds;
	counted->refusals++;
}

/* When the timer has no room in memory, it is told with the next event. */
static void tell_later(void)
{
	struct err ignored;

	if (teller.loop && teller.slot == 0)
		(void)!loop_timer_set(&teller, REFUSAL_US, &ignored);
}

static void tell_due(void *arg)
{
	(void)arg;
	if (look(clock_monotonic_us(), false))
		tell_later();
}

void audit_set_loop(struct loop *loop)
{
	loop_timer_clear(&teller);
	loop_timer_init(&teller, loop, tell_due, NULL);
}

/* Behind what is counted, else single lines could take the counted ones' turn for ever. */
static bool must_count(struct refuser *refuser, uint64_t now_us)
{
	return refuser->counted.refusals > 0 || !take_line(refuser, now_us);
}

void audit_write(const struct audit_event *event)
{
	uint64_t now_us = clock_monotonic_us();
	struct refuser *refuser;

	if (now_us - looked_us >= REFUSAL_US)
		(void)look(now_us, false);
	refuser = event->code != 0 ? refuser_of(event->peer->tenant) : NULL;
	if (!refuser || !must_count(refuser, now_us)) {
		write_line(event);
		return;
	}
	count(refuser, event);
	tell_later();
}

void audit_flush(void)
{
	(void)look(clock_monotonic_us(), true);
	loop_timer_clear(&teller);
}

/* --- asking --- */

void audit_recall(const char *tenant, size_t limit, struct buf *ret_lines)
{
	const char *comma = "";
	size_t first = AUDIT_KEPT_MAX;
	size_t i;

	audit_flush();
	while (first > 0 && limit > 0)
		limit -= is_wanted(*place_at(--first), tenant);
	for (i = first; i < AUDIT_KEPT_MAX; i++) {
		const struct kept *kept = *place_at(i);

		if (!is_wanted(kept, tenant))
			continue;
		buf_put_str(ret_lines, comma);
		buf_put(ret_lines, slice_of(kept->line, kept->len));
		comma = ",";
	}
}

void audit_forget(void)
{
	size_t i;

	loop_timer_clear(&teller);
	for (i = 0; i < AUDIT_KEPT_MAX; i++)
		free(TAKE(ring[i]));
	for (i = 0; i < BUCKETS; i++)
		while (refusers[i]) {
			struct refuser *refuser = refusers[i];

			refusers[i] = refuser->next;
			free(refuser);
		}
}
