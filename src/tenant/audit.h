/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_AUDIT_H
#define TENANT_AUDIT_H

/*
 * Audit: who did what to which object and how it ended; never data. Every line goes to the log, and
 * the last AUDIT_KEPT_MAX are kept in memory to be asked for. Loop only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tenant/tenant.h"

struct audit_event {
	const struct tenant_peer *peer;
	const char *operation;
	const char *object;    /* a checked name, or "" */
	int code;	       /* enum err_code; 0 = done */
	uint64_t tpm_commands; /* that this operation cost, as far as known when it was answered */
	uint64_t microseconds; /* from the complete request to the answer */
	bool late;	       /* done after all: its client was told that it was not, or left */
};

#define AUDIT_LINE_MAX 1024u
#define AUDIT_KEPT_MAX 1024u

/* Pure: appends the event as one line of JSON, without a newline. @time: seconds since 1970. */
void audit_format(const struct audit_event *event, uint64_t time, struct buf *ret_line);

/* Writes it to the log and keeps it. */
void audit_write(const struct audit_event *event);

/*
 * Appends the last @limit kept lines with commas between them, oldest first: those of @tenant, or
 * of all when that is NULL.
 */
void audit_recall(const char *tenant, size_t limit, struct buf *ret_lines);

/* Forgets all that was kept. */
void audit_forget(void);

#endif
