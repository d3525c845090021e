/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * Log: one line per event on standard error, control characters escaped, never a secret. Under
 * systemd (JOURNAL_STREAM) each line carries its priority as <N>. A line that standard error does
 * not take at once is dropped and counted, so that a stuck reader does not stop the program. Only
 * the top of a program logs; libraries and rooms return struct err.
 */

#include "base/err.h"
#include "base/slice.h"

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6
};

void log_init(const char *program);

void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_notice(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Where the level is not known beforehand. */
void log_at(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "what: text (code, origin)": the one place where an error's origin is shown. */
void log_err(enum log_level level, const struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* One line of JSON, made by the caller, as an audit record. */
void log_audit(struct slice json_line);

#endif
