/* SPDX-License-Identifier: Apache-2.0 */
/* The lanes under a lock. A cancelled job leaves from the middle at once. */
#include "jobs/impl.h"

int queue_init(struct queue *queue, struct err *err)
{
	int r;

	*queue = (struct queue){.closed = false};
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

void queue_push(struct queue *queue, struct turn *turn, unsigned level, uint32_t lane)
{
	pthread_mutex_lock(&queue->lock);
	lanes_push(&queue->lanes, turn, level, lane);
	pthread_mutex_unlock(&queue->lock);
	/* Not under the lock, which the thread that wakes would find taken. */
	pthread_cond_signal(&queue->filled);
}

struct turn *queue_take(struct queue *queue)
{
	struct turn *turn = NULL;

	pthread_mutex_lock(&queue->lock);
	while (!queue->closed && !(turn = lanes_take(&queue->lanes)))
		pthread_cond_wait(&queue->filled, &queue->lock);
	pthread_mutex_unlock(&queue->lock);
	return turn;
}

bool queue_remove(struct queue *queue, struct turn *turn)
{
	bool was_queued;

	pthread_mutex_lock(&queue->lock);
	was_queued = lanes_remove(&queue->lanes, turn);
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
