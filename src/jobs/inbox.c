/* SPDX-License-Identifier: Apache-2.0 */
/* A list under a lock that is emptied as a whole, so that the loop takes the lock once a batch. */
#include "jobs/impl.h"

int inbox_init(struct inbox *inbox, struct err *err)
{
	int r;

	*inbox = (struct inbox){.first = NULL};
	r = pthread_mutex_init(&inbox->lock, NULL);
	return r != 0 ? err_set_errno(err, ERR_INTERNAL, r, "cannot make a lock") : 0;
}

void inbox_fini(struct inbox *inbox)
{
	pthread_mutex_destroy(&inbox->lock);
}

bool inbox_push(struct inbox *inbox, struct inbox_link *link)
{
	bool was_empty;

	pthread_mutex_lock(&inbox->lock);
	was_empty = !inbox->first;
	link->next = NULL;
	if (was_empty)
		inbox->first = link;
	else
		inbox->last->next = link;
	inbox->last = link;
	pthread_mutex_unlock(&inbox->lock);
	return was_empty;
}

struct inbox_link *inbox_take_all(struct inbox *inbox)
{
	struct inbox_link *first;

	pthread_mutex_lock(&inbox->lock);
	first = inbox->first;
	inbox->first = NULL;
	inbox->last = NULL;
	pthread_mutex_unlock(&inbox->lock);
	return first;
}
