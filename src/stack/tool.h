/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_TOOL_H
#define STACK_TOOL_H

/*
 * Tool: runs one of the machine's own programs to its end. Found in the system's folders alone,
 * never by the caller's PATH; it gets a small environment, no standard input, and no file of ours.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define TOOL_OUTPUT_MAX 65536u
#define TOOL_ARGS_MAX	16u

struct tool_run {
	const char *const *argv; /* ends in NULL; argv[0] is a name without a slash */
	const char *const *env; /* "NAME=VALUE" beside PATH and LC_ALL, ends in NULL; NULL = none */
	unsigned timeout_ms;	/* 0 = 10 s; then it is killed, and its process group with it */
	const char *const *folders; /* where it is looked for, ends in NULL; NULL = the system's */
};

struct tool_end {
	bool found; /* the program is on this machine; nothing else is set otherwise */
	bool in_time;
	int status; /* of exit, or 128 + the signal; 126, 127: it cannot be executed */
};

/*
 * A signal of tool_hold_signals() that comes meanwhile ends it, as the time does, and comes through
 * when this returns, unless the caller holds it too.
 *
 * Appends its standard output and error to @output, cut at its limit or at TOOL_OUTPUT_MAX. When
 * it has ended, what is left of its process group is killed too. A program that others than root
 * and this user could have written is not found. ERR_INTERNAL.
 */
int tool_run(const struct tool_run *run, struct tool_end *ret_end, struct buf *output,
	     struct err *err) MUST_CHECK;

/* Blocks what a user or a manager ends a program by, unless it is ignored; @ret_before is to be set
 * again. */
void tool_hold_signals(sigset_t *ret_before);

/* Of the clock that the time is taken by. */
uint64_t tool_now_ms(void);

/* Is it there? */
bool tool_found(const char *name);

#endif
