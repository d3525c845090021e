/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_AUDIT_H
#define TENANT_AUDIT_H

/*
 * Audit: who did what to which object and how it ended; never data. Lines go to the log, and the
 * last AUDIT_KEPT_MAX are kept in memory to be asked for. Loop only.
 *
 * What was refused or failed costs its tenant nothing, so he gets ten such lines at once and one a
 * second from then on: what is beyond is counted and told in one line, a second or so after the
 * first of it. Of the kept lines not more than AUDIT_REFUSALS_MAX are one tenant's refusals.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "tenant/tenant.h"

struct audit_event {
	const struct tenant_peer *peer;
	const char *operation;
	const char *object;    /* a checked name, or "" */
	int code;	       /* enum err_code; 0 = done */
	uint64_t tpm_commands; /* that this operation cost, as far as known when it was answered */
	uint64_t microseconds; /* from the complete request to the answer */
	bool late;	       /* done after all: its client was told that it was not, or left */
	uint64_t refusals;     /* not 0: so many are told in one; code is the last one's */
};

#define AUDIT_LINE_MAX	   1024u
#define AUDIT_KEPT_MAX	   1024u
#define AUDIT_REFUSALS_MAX 64u

/*
 * From now on a timer of @loop tells what was counted; it is set only while something is untold.
 * Without one that waits for somebody's next event. NULL, before the loop is freed, ends it.
 */
void audit_set_loop(struct loop *loop);

/* Pure: appends the event as one line of JSON, without a newline. @time: seconds since 1970. */
void audit_format(const struct audit_event *event, uint64_t time, struct buf *ret_line);

/* Writes it to the log and keeps it, or counts it. */
void audit_write(const struct audit_event *event);

/* Tells what was counted and was not told yet. */
void audit_flush(void);

/*
 * After audit_flush(), appends the last @limit kept lines with commas between them, oldest first:
 * those of @tenant, or of all when that is NULL.
 */
void audit_recall(const char *tenant, size_t limit, struct buf *ret_lines);

/* Forgets all that was kept and counted. */
void audit_forget(void);

#endif
