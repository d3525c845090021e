/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_EVENTLOG_H
#define SERVICE_EVENTLOG_H

/* The firmware's event log, as the kernel keeps it: the measurements behind the PCRs. */

#include "base/buf.h"
#include "base/err.h"

#define EVENTLOG_MAX (1024u * 1024u)

/* For the pool: appends the log. ERR_NOT_FOUND with a remedy when none is readable. */
int eventlog_read(const char *path, struct buf *ret_log, struct err *err) MUST_CHECK;

#endif
