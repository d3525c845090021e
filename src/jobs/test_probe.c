/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/test_probe.h"

int note_step(void *arg, struct err *err)
{
	struct probe *probe = arg;

	(void)err;
	assert_true(probe->ran < STEPS_LOG);
	probe->threads[probe->ran++] = gettid();
	return 0;
}

int gate_step(void *arg, struct err *err)
{
	struct probe *probe = arg;

	(void)note_step(arg, err);
	sem_post(&probe->running);
	while (sem_wait(&probe->gate) < 0)
		continue;
	return 0;
}

static void probe_done(void *arg, const struct err *err)
{
	struct probe *probe = arg;

	assert_int_equal(gettid(), getpid());
	assert_int_equal(probe->released, 0);
	probe->done++;
	probe->code = err ? err->code : 0;
	if (err)
		probe->err = *err;
	if (probe->on_done)
		probe->on_done(probe);
}

static void probe_release(void *arg)
{
	struct probe *probe = arg;

	assert_int_equal(gettid(), getpid());
	assert_int_equal(probe->done, 1);
	probe->released++;
	if (probe->on_release)
		probe->on_release(probe);
	if (--*probe->left == 0)
		loop_stop(probe->world->loop);
}

int setup(void **state)
{
	static struct world world;

	world = (struct world){.loop = NULL};
	if (loop_new(&world.loop, &world.err) < 0 ||
	    jobs_new(world.loop, &world.jobs, &world.err) < 0)
		return -1;
	*state = &world;
	return 0;
}

int teardown(void **state)
{
	struct world *world = *state;
	bool ended = jobs_free(world->jobs, LONG_US);

	loop_free(world->loop);
	return ended ? 0 : -1;
}

void probe_init(struct probe *probe, struct world *world, unsigned *left)
{
	*probe = (struct probe){.world = world, .left = left, .code = 1};
	sem_init(&probe->running, 0, 0);
	sem_init(&probe->gate, 0, 0);
	probe->plan = (struct job_plan){.done = probe_done, .release = probe_release, .arg = probe};
	(*left)++;
}

void add_step(struct probe *probe, enum job_place place, int (*step)(void *arg, struct err *err))
{
	probe->plan.steps[probe->plan.count++] = (struct job_step){place, step};
}

void submit(struct probe *probe)
{
	unsigned done = probe->done;
	int r = jobs_submit(probe->world->jobs, &probe->plan, &probe->job, &probe->world->err);

	assert_int_equal(r, 0);
	assert_int_equal(probe->done, done);
}

void run(struct world *world)
{
	assert_int_equal(loop_run(world->loop, &world->err), 0);
}

void wait_running(struct probe *probe)
{
	while (sem_wait(&probe->running) < 0)
		continue;
}

void open_gate(struct probe *probe)
{
	sem_post(&probe->gate);
}

void open_others_gate(struct probe *probe)
{
	sem_post(&probe->other->gate);
}
