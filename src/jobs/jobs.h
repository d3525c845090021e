/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

/*
 * Jobs: everything that takes time. A job is a chain of steps, each in one place: the loop, the
 * one worker that owns the chip, the pool for disk and software crypto, or the one thread for what
 * takes a second of it (RSA keys in software), so that many of those delay nobody. Steps of one job
 * run one after the other and hand their data on in the job's argument; nothing else is shared
 * between threads. Each place of threads serves by priority and lane (enum job_priority), the loop
 * first come, first served.
 *
 * A job has one answer and one end:
 *  - done(arg, err) once, on the loop: when the last step succeeded (err NULL), when a step
 *    failed, when the deadline passed (ERR_TIMEOUT) or when it was cancelled (ERR_TIMEOUT with
 *    the text "cancelled"). After a deadline or a cancellation a step may still be running: done
 *    must then not look at results in @arg.
 *  - release(arg) once, on the loop, after done and after the last step has ended. It frees @arg
 *    and sees all that the steps did, also when nobody waits any more.
 * A job whose answer was given starts no further step.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"

enum job_place { JOB_LOOP, JOB_WORKER, JOB_POOL, JOB_LONG };

/*
 * Within a place: the urgent before the normal before the bulky, and within each the lanes in
 * turn, one job each, so that a lane with a thousand jobs delays another by one. Within a lane
 * first come, first served. Of eight turns one is offered to the bulky and one to the normal first,
 * so that nothing waits for ever.
 */
enum job_priority { JOB_NORMAL, JOB_URGENT, JOB_BULK };

struct job_step {
	enum job_place place;
	int (*run)(void *arg, struct err *err);
};

#define JOB_STEPS_MAX 8u

/* Copied by jobs_submit(). */
struct job_plan {
	struct job_step steps[JOB_STEPS_MAX];
	size_t count; /* 1 .. JOB_STEPS_MAX */
	void (*done)(void *arg, const struct err *err);
	void (*release)(void *arg);
	void *arg;
	uint64_t deadline_us; /* CLOCK_MONOTONIC; 0 = none */
	uint32_t lane;	      /* opaque: whose turn it takes, such as a tenant's number */
	enum job_priority priority;
	bool held; /* its first step waits for jobs_resume(); the deadline runs meanwhile */
};

struct jobs; /* queues, worker and pool; called from the loop's thread only */
struct job;  /* valid until its done() was called */

/* Starts the worker, two pool threads and the long one, with all signals blocked. */
int jobs_new(struct loop *loop, struct jobs **ret_jobs, struct err *err) MUST_CHECK;

/*
 * Cancels what is queued, waits up to @grace_us for running steps and ends the threads. Returns
 * false when a step did not end: the threads then still live and the process should _exit().
 * It may be called again after that. Not from inside a job's callback. NULL is allowed.
 */
bool jobs_free(struct jobs *jobs, uint64_t grace_us);

/* On failure neither done nor release is called. */
int jobs_submit(struct jobs *jobs, const struct job_plan *plan, struct job **ret_job,
		struct err *err) MUST_CHECK;

/*
 * Another deadline for a held job, CLOCK_MONOTONIC and not 0: it was held on one account and begins
 * on another. Nothing happens to one that is held no more. When memory is short the old one may
 * stay.
 */
void jobs_set_deadline(struct job *job, uint64_t deadline_us);

/* Lets a held job begin. Nothing happens to one that was answered meanwhile, or was not held. */
void jobs_resume(struct job *job);

/* Calls done() before it returns, unless it was called already; release() comes later. */
void jobs_cancel(struct job *job);

/* The loop that was given, for whoever submits and needs a timer beside. */
struct loop *jobs_loop(const struct jobs *jobs);

/* Jobs whose release() is outstanding. */
size_t jobs_count(const struct jobs *jobs);

#endif
