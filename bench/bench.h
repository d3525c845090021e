/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_H
#define BENCH_H

/*
 * What the bench's programs share, and nothing of src/: a program sets itself up, says "ready" and
 * then serves its standard input. A line "OP WARM COUNT" asks for a batch: the operation is begun,
 * run WARM times untimed and COUNT times timed, and ended. The answer is one line
 * "MEDIAN P99 MEAN" in nanoseconds, or "error TEXT". So the driver can let several programs take
 * turns on one machine and one chip, and compare them turn by turn.
 */

#include <stddef.h>
#include <stdint.h>

struct bench_op {
	const char *name;
	int (*begin)(void *arg); /* may be NULL, as end; 0 or -1 after bench_say() */
	int (*run)(void *arg);
	void (*end)(void *arg);
	void *arg;
};

/* Until the end of the input; the exit status of the program. */
int bench_serve(const struct bench_op *ops, size_t count);

/* Keeps why something failed, for the answer; returns -1. */
int bench_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints why and ends the program. */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

uint64_t bench_now_ns(void);

/* A connected Unix stream socket, or -1 after bench_say(). */
int bench_connect(const char *path);

/* A whole file; ends the program when it cannot be read. */
uint8_t *bench_read_file(const char *path, size_t *ret_len);

#endif
