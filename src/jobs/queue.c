/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A doubly linked list under a lock, its links embedded in what is queued: pushing allocates
 * nothing, so it cannot fail, and a cancelled job leaves from the middle at once.
 */
#include "jobs/impl.h"

int queue_init(struct queue *queue, struct err *err)
{
	int r;

	*queue = (struct queue){.first = NULL};
	r = pthread_mutex_init(&queue->lock, NULL);
	if (r != 0)
		return err_set_errno(err, ERR_INTERNAL, r, "cannot make a lock");
	r = pthread_cond_init(&queue->filled, NULL);
	if (r != 0) {
		pthread_mutex_destroy(&queue->lock);
		return err_set_errno(err, ERR_INTERNAL, r, "cannot make a condition");
	}
	return 0;
}

void queue_fini(struct queue *queue)
{
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
}

/* The lock is held. */
static void unlink_one(struct queue *queue, struct queue_link *link)
{
	if (link->prev)
		link->prev->next = link->next;
	else
		queue->first = link->next;
	if (link->next)
		link->next->prev = link->prev;
	else
		queue->last = link->prev;
	*link = (struct queue_link){.queued = false};
}

bool queue_push(struct queue *queue, struct queue_link *link)
{
	bool was_empty;

	pthread_mutex_lock(&queue->lock);
	was_empty = !queue->first;
	*link = (struct queue_link){.prev = queue->last, .queued = true};
	if (was_empty)
		queue->first = link;
	else
		queue->last->next = link;
	queue->last = link;
	pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
	return was_empty;
}

struct queue_link *queue_take(struct queue *queue)
{
	struct queue_link *link = NULL;

	pthread_mutex_lock(&queue->lock);
	while (!queue->first && !queue->closed)
		pthread_cond_wait(&queue->filled, &queue->lock);
	if (!queue->closed) {
		link = queue->first;
		unlink_one(queue, link);
	}
	pthread_mutex_unlock(&queue->lock);
	return link;
}

struct queue_link *queue_take_all(struct queue *queue)
{
	struct queue_link *first, *link;

	pthread_mutex_lock(&queue->lock);
	first = queue->first;
	for (link = first; link; link = link->next)
		link->queued = false;
	queue->first = NULL;
	queue->last = NULL;
	pthread_mutex_unlock(&queue->lock);
	return first;
}

bool queue_remove(struct queue *queue, struct queue_link *link)
{
	bool was_queued;

	pthread_mutex_lock(&queue->lock);
	was_queued = link->queued;
	if (was_queued)
		unlink_one(queue, link);
	pthread_mutex_unlock(&queue->lock);
	return was_queued;
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}
