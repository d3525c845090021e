/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of JSON per operation; its members are the same for all, so that tools can filter;
 * only `late` is there where it is true. What is kept are the lines themselves, in a ring.
 */
#include "tenant/audit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"

struct kept {
	char tenant[sizeof(((struct tenant *)NULL)->name)];
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
	buf_printf(ret_line, ",\"tpm_commands\":%" PRIu64 ",\"microseconds\":%" PRIu64 "%s}",
		   event->tpm_commands, event->microseconds, event->late ? ",\"late\":true" : "");
}

/* Where memory is short the log alone has it, and the oldest line goes all the same. */
static void keep(const char *tenant, struct slice line)
{
	struct kept *kept = calloc(1, sizeof(*kept) + line.len);

	if (kept) {
		memcpy(kept->tenant, tenant, sizeof(kept->tenant));
		kept->len = line.len;
		memcpy(kept->line, line.data, line.len);
	}
	free(ring[next]);
	ring[next] = kept;
	next = (next + 1) % AUDIT_KEPT_MAX;
}

void audit_write(const struct audit_event *event)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(AUDIT_LINE_MAX);

	audit_format(event, (uint64_t)time(NULL), &line);
	log_audit(buf_slice(&line));
	if (buf_ok(&line))
		keep(event->peer->tenant->name, buf_slice(&line));
}

static bool is_wanted(const struct kept *kept, const char *tenant)
{
	return kept && (!tenant || strcmp(kept->tenant, tenant) == 0);
}

/* The @i-th, from the oldest on. */
static const struct kept *kept_at(size_t i)
{
	return ring[(next + i) % AUDIT_KEPT_MAX];
}

void audit_recall(const char *tenant, size_t limit, struct buf *ret_lines)
{
	const char *comma = "";
	size_t first = AUDIT_KEPT_MAX;
	size_t i;

	while (first > 0 && limit > 0)
		limit -= is_wanted(kept_at(--first), tenant);
	for (i = first; i < AUDIT_KEPT_MAX; i++) {
		const struct kept *kept = kept_at(i);

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

	for (i = 0; i < AUDIT_KEPT_MAX; i++)
		free(TAKE(ring[i]));
}
