/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_TASK_H
#define LOADER_TASK_H

/*
 * Task: steps on the pool for an owner on the loop, one at a time. It is embedded in its owner, who
 * may not be freed while a step is at work: ended() comes once for each step, when that touches
 * nothing any more, also for one that was cancelled.
 */

#include "jobs/jobs.h"

typedef int (*task_step_fn)(void *arg, struct err *err);

struct task {
	struct jobs *jobs;
	void *arg;
	void (*ended)(void *arg, const struct err *err); /* on the loop; NULL: the step succeeded */
	enum job_priority priority;
	/* Its own. */
	struct job *job;
	task_step_fn step;
	bool busy;
	struct err err;
};

void task_init(struct task *task, struct jobs *jobs, void (*ended)(void *, const struct err *),
	       void *arg);
/* On failure nothing is called. */
int task_run(struct task *task, task_step_fn step, struct err *err) MUST_CHECK;
bool task_busy(const struct task *task);
/* A step that has not begun does not. */
void task_cancel(struct task *task);

#endif
