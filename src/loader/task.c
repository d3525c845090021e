/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/task.h"

void task_init(struct task *task, struct jobs *jobs, void (*ended)(void *, const struct err *),
	       void *arg)
{
	*task = (struct task){.jobs = jobs, .ended = ended, .arg = arg, .priority = JOB_BULK};
}

static int run_step(void *arg, struct err *err)
{
	struct task *task = arg;

	return task->step(task->arg, err);
}

static void done(void *arg, const struct err *err)
{
	struct task *task = arg;

	task->job = NULL;
	if (err)
		task->err = *err;
}

static void release(void *arg)
{
	struct task *task = arg;
	struct err err = task->err;

	task->busy = false;
	task->ended(task->arg, err.code ? &err : NULL);
}

int task_run(struct task *task, task_step_fn step, struct err *err)
{
	const struct job_plan plan = {
		.steps = {{JOB_POOL, run_step}},
		.count = 1,
		.done = done,
		.release = release,
		.arg = task,
		.priority = task->priority,
	};
	int r;

	task->step = step;
	task->err.code = 0;
	task->busy = true;
	r = jobs_submit(task->jobs, &plan, &task->job, err);
	if (r < 0)
		task->busy = false;
	return r;
}

bool task_busy(const struct task *task)
{
	return task->busy;
}

void task_cancel(struct task *task)
{
	if (task->job)
		jobs_cancel(task->job);
}
