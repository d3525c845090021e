/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOBS_IMPL_H
#define JOBS_IMPL_H

/*
 * The inside of jobs: whose turn it is (lanes.c), a queue by that order that threads may wait at
 * (queue.c), the loop's plain one (inbox.c), and a crew of threads that serves a queue (threads.c).
 * None of them knows of jobs; only jobs.c does. Links are embedded in what is queued, so that
 * nothing here allocates or fails once it is made.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* --- lanes.c: no lock, no thread --- */

#define LANES_CLASSES 3u /* 0 is the most urgent */
#define LANES_BUCKETS 256u

/* A place in the lanes. Of its lane's first one the lane itself is a part. */
struct turn {
	struct turn *prev; /* in its lane; NULL = it is the first */
	struct turn *next;
	uint32_t lane;
	unsigned level; /* of LANES_CLASSES */
	bool queued;
	/* The first of a lane only. */
	struct turn *last;	/* of the lane */
	struct turn *earlier;	/* the lane that is served before this one */
	struct turn *later;	/* .. and after it */
	struct turn *neighbour; /* another lane in the same bucket */
};

struct lanes_class {
	struct turn *first; /* the lane whose turn it is, by its first one */
	struct turn *last;
	struct turn *buckets[LANES_BUCKETS]; /* lanes by number */
	uint32_t served;		     /* the lane that had the last turn; .. */
	bool any_served;		     /* .. if any had one */
};

/* Zero is empty. */
struct lanes {
	struct lanes_class classes[LANES_CLASSES];
	unsigned turns; /* taken so far, modulo the share's period */
};

/*
 * Adds to the end of its lane, whose number and class are given; a lane that was empty comes after
 * all others of its class but the one that had the last turn: who comes while one of a flood is at
 * work waits for that one and for no other. All three are O(1) but for lanes that share a bucket.
 */
void lanes_push(struct lanes *lanes, struct turn *turn, unsigned level, uint32_t lane);

/*
 * Whose turn it is; NULL when all are empty. Of eight turns one is offered to the lowest class, one
 * to the middle one and six to the highest; what a class does not need the highest waiting takes.
 */
struct turn *lanes_take(struct lanes *lanes);

/* Out of the middle; false when it is not in there (any more). */
bool lanes_remove(struct lanes *lanes, struct turn *turn);

/* --- queue.c --- */

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct lanes lanes;
	bool closed;
};

int queue_init(struct queue *queue, struct err *err) MUST_CHECK;
void queue_fini(struct queue *queue);

/* Adds one and wakes a waiting thread. */
void queue_push(struct queue *queue, struct turn *turn, unsigned level, uint32_t lane);

/* Waits for the next one. NULL: the queue was closed, whatever may still be in it. */
struct turn *queue_take(struct queue *queue);

/* Takes one out of the middle; false when it is not in there (any more). */
bool queue_remove(struct queue *queue, struct turn *turn);

/* Sends all waiting threads home. */
void queue_close(struct queue *queue);

/* --- inbox.c: what threads give back, first come, first served --- */

struct inbox_link {
	struct inbox_link *next;
};

struct inbox {
	pthread_mutex_t lock;
	struct inbox_link *first;
	struct inbox_link *last;
};

int inbox_init(struct inbox *inbox, struct err *err) MUST_CHECK;
void inbox_fini(struct inbox *inbox);

/* Adds to the end. Returns whether the inbox was empty before. */
bool inbox_push(struct inbox *inbox, struct inbox_link *link);

/* Empties it: the first one, the others by next; NULL when there is none. */
struct inbox_link *inbox_take_all(struct inbox *inbox);

/* --- threads.c --- */

#define CREW_MAX 2u

/* Threads that serve one queue. */
struct crew {
	struct queue queue;
	const char *name; /* of the threads, at most 15 bytes */
	void (*serve)(struct turn *turn);
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
