/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Some tests start their threads by <threads.h>, which ThreadSanitizer does not know: it dies in
 * the first function that such a thread calls. ./do tsan links this to every program, so that they
 * are started and joined by the calls that it does know.
 */

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct start {
	thrd_start_t function;
	void *arg;
};

static void *begin(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	return (void *)(intptr_t)start.function(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *arg)
{
	struct start *start = malloc(sizeof(*start));
	pthread_t id;

	if (!start)
		return thrd_nomem;
	*start = (struct start){.function = function, .arg = arg};
	if (pthread_create(&id, NULL, begin, start) != 0) {
		free(start);
		return thrd_error;
	}
	*thread = id;
	return thrd_success;
}

int thrd_join(thrd_t thread, int *ret_result)
{
	void *result;

	if (pthread_join(thread, &result) != 0)
		return thrd_error;
	if (ret_result)
		*ret_result = (int)(intptr_t)result;
	return thrd_success;
}
