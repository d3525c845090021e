/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOBS_IMPL_H
#define JOBS_IMPL_H

/*
 * The inside of jobs: a FIFO that threads may wait at (queue.c) and a crew of threads that serves
 * one (threads.c). Both know nothing of jobs; only jobs.c does.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* A place in a queue, embedded in what is queued. One link serves one queue at a time. */
struct queue_link {
	struct queue_link *prev;
	struct queue_link *next;
	bool queued; /* belongs to the lock of the queue */
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct queue_link *first;
	struct queue_link *last;
	bool closed;
};

int queue_init(struct queue *queue, struct err *err) MUST_CHECK;
void queue_fini(struct queue *queue);

/* Adds to the end and wakes one waiting thread. Returns whether the queue was empty before. */
bool queue_push(struct queue *queue, struct queue_link *link);

/* Waits for the first one. NULL: the queue was closed, whatever may still be in it. */
struct queue_link *queue_take(struct queue *queue);

/* Empties the queue: the first one, the others by next; NULL when there is none. */
struct queue_link *queue_take_all(struct queue *queue);

/* Takes one out of the middle; false when it is not in there (any more). */
bool queue_remove(struct queue *queue, struct queue_link *link);

/* Sends all waiting threads home. */
void queue_close(struct queue *queue);

#define CREW_MAX 2u

/* Threads that serve one queue, first come, first served. */
struct crew {
	struct queue queue;
	const char *name; /* of the threads, at most 15 bytes */
	void (*serve)(struct queue_link *link);
	pthread_t threads[CREW_MAX];
	size_t count; /* threads to be joined */
	pthread_mutex_t lock;
	pthread_cond_t left;
	size_t present; /* threads that did not leave yet */
};

/* Starts @count threads with all signals blocked. @crew has name and serve set, the rest zero. */
int crew_init(struct crew *crew, size_t count, struct err *err) MUST_CHECK;

/* Lets every thread end its present work and leave. */
void crew_close(struct crew *crew);

/* After crew_close(): waits until all left, at most until @until_us (CLOCK_MONOTONIC). */
bool crew_wait(struct crew *crew, uint64_t until_us);

/* After crew_wait() returned true. */
void crew_fini(struct crew *crew);

#endif
