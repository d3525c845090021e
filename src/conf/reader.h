/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_READER_H
#define CONF_READER_H

/*
 * Reader: drives libconfuse over a guarded text and stores each value as it is met, so that every
 * error has the line of its value. Libconfuse keeps its scanner in globals: one thread at a time.
 */

#include "base/buf.h"
#include "base/err.h"
#include "conf/schema.h"

/* Where the values go. */
struct reader_target {
	const struct schema *schema;
	void *base; /* its struct, with all defaults */
	/* Only of schemas with titled sections: makes one, *ret_titled is its struct. */
	int (*begin)(void *base, const char *title, void **ret_titled, struct err *err);
	/* After each of its keys: whether they go together. */
	int (*check)(const void *titled, struct err *err);
};

/*
 * Puts what @text says over the defaults in @target, which is half done after a failure.
 * ERR_INVALID with "FILE:LINE: what, and what is allowed", ERR_CONFLICT when another thread reads,
 * or ERR_INTERNAL (memory).
 */
int reader_run(const struct reader_target *target, struct slice text, const char *file,
	       struct err *err) MUST_CHECK;

#endif
