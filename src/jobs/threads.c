/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread's life: take the next one, serve it, until the queue is closed; then sign off. Signing
 * off is what a bounded wait can wait for, since pthread_join() waits for ever.
 */
#include "jobs/impl.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static void *crew_member(void *arg)
{
	struct crew *crew = arg;
	struct turn *turn;

	/* By the thread itself, which needs no file of /proc for it. */
	(void)pthread_setname_np(pthread_self(), crew->name);
	while ((turn = queue_take(&crew->queue)))
		crew->serve(turn);
	pthread_mutex_lock(&crew->lock);
	crew->present--;
	pthread_cond_signal(&crew->left);
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

/* Signals are the loop's: a thread inherits the mask that blocks them all. */
static int start_threads(struct crew *crew, size_t count, struct err *err)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r != 0)
		return err_set_errno(err, ERR_INTERNAL, r, "cannot block signals");
	crew->present = count;
	while (r == 0 && crew->count < count) {
		r = pthread_create(&crew->threads[crew->count], NULL, crew_member, crew);
		crew->count += r == 0;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return err_set_errno(err, ERR_INTERNAL, r, "cannot start a thread");
	return 0;
}

static int init_left(struct crew *crew)
{
	pthread_condattr_t attr;
	int r;

	r = pthread_condattr_init(&attr);
	if (r != 0)
		return r;
	r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (r == 0)
		r = pthread_cond_init(&crew->left, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

int crew_init(struct crew *crew, size_t count, struct err *err)
{
	int r;

	r = queue_init(&crew->queue, err);
	if (r < 0)
		return r;
	r = pthread_mutex_init(&crew->lock, NULL);
	if (r != 0) {
		queue_fini(&crew->queue);
		return err_set_errno(err, ERR_INTERNAL, r, "cannot make a lock");
	}
	r = init_left(crew);
	if (r != 0) {
		pthread_mutex_destroy(&crew->lock);
		queue_fini(&crew->queue);
		return err_set_errno(err, ERR_INTERNAL, r, "cannot make a condition");
	}
	r = start_threads(crew, count, err);
	if (r < 0) {
		crew_close(crew);
		crew_fini(crew);
	}
	return r;
}

void crew_close(struct crew *crew)
{
	queue_close(&crew->queue);
}

bool crew_wait(struct crew *crew, uint64_t until_us)
{
	struct timespec until = {
		.tv_sec = (time_t)(until_us / 1000000u),
		.tv_nsec = (long)(until_us % 1000000u) * 1000,
	};
	bool all_left;
	int r = 0;

	pthread_mutex_lock(&crew->lock);
	while (crew->present > 0 && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&crew->left, &crew->lock, &until);
	all_left = crew->present == 0;
	pthread_mutex_unlock(&crew->lock);
	return all_left;
}

void crew_fini(struct crew *crew)
{
	while (crew->count > 0)
		pthread_join(crew->threads[--crew->count], NULL);
	pthread_cond_destroy(&crew->left);
	pthread_mutex_destroy(&crew->lock);
	queue_fini(&crew->queue);
}
