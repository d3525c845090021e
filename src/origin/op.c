/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls from outside nest (a pull may bring its piece at once), and only the outermost may find the
 * op over and free it.
 */

#include <stdlib.h>

#include "origin/impl.h"

void op_enter(struct op *op)
{
	op->inside++;
}

void op_leave(struct op *op)
{
	if (--op->inside > 0 || !op->over || op->busy)
		return;
	op->fini(op);
	free(op);
}

void op_fail(struct op *op, const struct err *err)
{
	if (op->request) {
		op->over = true;
		http_answer_error(TAKE(op->request), err);
	} else if (op->answer) {
		origin_note(op->origin, "an answer was cut off: %s", err->text);
		http_answer_cut(TAKE(op->answer));
	}
}

struct http_request *op_answer(struct op *op)
{
	op->over = true;
	return TAKE(op->request);
}

struct http_request *op_stream(struct op *op)
{
	op->answer = TAKE(op->request);
	return op->answer;
}

void op_sent(struct op *op)
{
	op_enter(op);
	op->answer = NULL;
	op->over = true;
	op_leave(op);
}

/* The client left, or was too slow. */
static void gone(void *arg)
{
	struct op *op = arg;
	struct err err;

	op_enter(op);
	if (op->job) {
		jobs_cancel(op->job);
	} else {
		(void)err_set(&err, ERR_TIMEOUT, "the client left, or was too slow");
		op_fail(op, &err);
	}
	op_leave(op);
}

bool op_begin(struct op *op, struct origin *origin, struct http_request *request,
	      void (*fini)(struct op *op))
{
	struct err err;

	if (!op) {
		(void)err_set(&err, ERR_INTERNAL, "memory is short");
		http_answer_error(request, &err);
		return false;
	}
	op->origin = origin;
	op->request = request;
	op->fini = fini;
	http_request_suspend(request, gone, op);
	return true;
}

static void job_done(void *arg, const struct err *err)
{
	struct op *op = arg;

	op->job = NULL;
	op->failed = err != NULL;
	if (err)
		op_fail(op, err);
}

static void job_released(void *arg)
{
	struct op *op = arg;

	op_enter(op);
	op->busy = false;
	if (!op->over && !op->failed)
		op->next(op);
	op_leave(op);
}

void op_run(struct op *op, int (*step)(void *arg, struct err *err), void (*next)(struct op *op))
{
	const struct job_plan plan = {
		.steps = {{JOB_POOL, step}},
		.count = 1,
		.done = job_done,
		.release = job_released,
		.arg = op,
		.deadline_us = clock_monotonic_us() + (uint64_t)ORIGIN_JOB_S * 1000000u,
	};
	struct err err;

	op->next = next;
	op->busy = true;
	if (jobs_submit(op->origin->jobs, &plan, &op->job, &err) == 0)
		return;
	op->busy = false;
	op_fail(op, &err);
}
