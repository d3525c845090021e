/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

/*
 * Loop: one epoll set, its timers and its signals. One thread runs it and alone may call these
 * functions. It sleeps without a timeout when no timer is set: an idle daemon wakes for nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

struct loop;
struct loop_fd; /* one watched descriptor; the loop does not own the descriptor itself */

typedef void (*loop_fd_fn)(void *arg, uint32_t events);
typedef void (*loop_timer_fn)(void *arg);

/* Embedded in its owner; zero-initialised, then loop_timer_init(). */
struct loop_timer {
	struct loop *loop;
	loop_timer_fn fn;
	void *arg;
	uint64_t due_us;
	size_t slot; /* place in the loop's heap + 1; 0 = not set */
};

int loop_new(struct loop **ret_loop, struct err *err) MUST_CHECK;
void loop_free(struct loop *loop);
MEM_DEFINE_CLEANUP(loop)

/* Watches @fd for EPOLL* @events (EPOLLHUP and EPOLLERR always come). */
int loop_watch(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg,
	       struct loop_fd **ret_watch, struct err *err) MUST_CHECK;

/*
 * Ends a watch; safe inside its own callback and for events already fetched. NULL is allowed.
 * Call it before closing the descriptor and before loop_free(), which frees what is left.
 */
void loop_unwatch(struct loop_fd *watch);

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn fn, void *arg);
/* (Re)arms; @delay_us from now. ERR_INTERNAL when memory is short. */
int loop_timer_set(struct loop_timer *timer, uint64_t delay_us, struct err *err) MUST_CHECK;
void loop_timer_clear(struct loop_timer *timer);

/* Delivers the signal to @fn(arg, signo) inside the loop; it must be blocked in every thread. */
int loop_signal(struct loop *loop, int signo, loop_fd_fn fn, void *arg, struct err *err) MUST_CHECK;

/*
 * Calls @fn before each sleep (once per turn), for adapters that must run after any callback.
 * At most 8 of them.
 */
void loop_before_sleep(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Runs until loop_stop(); a stop that came before counts. Can be run again afterwards. */
int loop_run(struct loop *loop, struct err *err) MUST_CHECK;
void loop_stop(struct loop *loop);

/* CLOCK_MONOTONIC in microseconds: the clock of every deadline. */
uint64_t clock_monotonic_us(void);

#endif
