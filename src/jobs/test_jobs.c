/* SPDX-License-Identifier: Apache-2.0 */
/* Chains, their places and their order; waking, stopping, and many at once. */
#include <stdatomic.h>

#include "jobs/test_probe.h"

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

static atomic_uint rings; /* writes of 8 bytes: nobody but the jobs' eventfd has such */

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (len == sizeof(uint64_t))
		atomic_fetch_add(&rings, 1);
	return __real_write(fd, data, len);
}

static int fail_step(void *arg, struct err *err)
{
	(void)note_step(arg, err);
	return err_set(err, ERR_DAMAGED, "broken on purpose");
}

static int turn_step(void *arg, struct err *err)
{
	struct probe *probe = arg;

	probe->turn = (*probe->order)++;
	return note_step(arg, err);
}

/* --- chains --- */

static void chain_goes_through_its_places(void **state)
{
	static const enum job_place PLACES[] = {JOB_LOOP, JOB_WORKER, JOB_POOL,	  JOB_LOOP,
						JOB_LOOP, JOB_WORKER, JOB_WORKER, JOB_POOL};
	struct world *world = *state;
	struct probe probe;
	unsigned left = 0;
	size_t i;

	probe_init(&probe, world, &left);
	for (i = 0; i < ARRAY_LEN(PLACES); i++)
		add_step(&probe, PLACES[i], note_step);
	submit(&probe);
	assert_int_equal(jobs_count(world->jobs), 1);
	run(world);
	assert_int_equal(jobs_count(world->jobs), 0);
	assert_int_equal(probe.ran, ARRAY_LEN(PLACES));
	assert_int_equal(probe.code, 0);
	assert_int_equal(probe.done, 1);
	assert_int_equal(probe.released, 1);
	for (i = 0; i < ARRAY_LEN(PLACES); i++) {
		assert_int_equal(probe.threads[i] == getpid(), PLACES[i] == JOB_LOOP);
		assert_int_equal(probe.threads[i] == probe.threads[1], PLACES[i] == JOB_WORKER);
	}
}

static void submit_runs_nothing_itself(void **state)
{
	struct world *world = *state;
	struct probe probe;
	unsigned left = 0;

	probe_init(&probe, world, &left);
	add_step(&probe, JOB_LOOP, note_step);
	submit(&probe);
	assert_int_equal(probe.ran, 0);
	run(world);
	assert_int_equal(probe.ran, 1);
}

static void failure_ends_the_chain(void **state)
{
	static const enum job_place PLACES[] = {JOB_LOOP, JOB_WORKER, JOB_POOL, JOB_LONG};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PLACES); i++) {
		struct probe probe;
		unsigned left = 0;

		probe_init(&probe, world, &left);
		add_step(&probe, JOB_POOL, note_step);
		add_step(&probe, PLACES[i], fail_step);
		add_step(&probe, JOB_WORKER, note_step);
		submit(&probe);
		run(world);
		assert_int_equal(probe.ran, 2);
		assert_int_equal(probe.code, ERR_DAMAGED);
		assert_string_equal(probe.err.text, "broken on purpose");
	}
}

static void each_place_is_first_come_first_served(void **state)
{
	static const enum job_place PLACES[] = {JOB_LOOP, JOB_WORKER};
	struct world *world = *state;
	struct probe probes[50];
	size_t p, i;

	for (p = 0; p < ARRAY_LEN(PLACES); p++) {
		unsigned left = 0, order = 0;
		struct probe holder;

		probe_init(&holder, world, &left);
		add_step(&holder, JOB_WORKER, gate_step);
		submit(&holder);
		wait_running(&holder);
		for (i = 0; i < ARRAY_LEN(probes); i++) {
			probe_init(&probes[i], world, &left);
			probes[i].order = &order;
			add_step(&probes[i], PLACES[p], turn_step);
			submit(&probes[i]);
		}
		open_gate(&holder);
		run(world);
		for (i = 0; i < ARRAY_LEN(probes); i++)
			assert_int_equal(probes[i].turn, i);
	}
}

/* Behind a gate: a flood, then one urgent, one bulky and a polite lane. Turns 0 to 7 are theirs. */
static void lanes_and_priorities_hold_between_threads(void **state)
{
	struct world *world = *state;
	struct probe holder, flood[6], polite, urgent, bulky;
	struct probe *const all[] = {&flood[0], &flood[1], &flood[2], &flood[3], &flood[4],
				     &flood[5], &bulky,	   &polite,   &urgent};
	unsigned left = 0, order = 0;
	size_t i;

	probe_init(&holder, world, &left);
	add_step(&holder, JOB_WORKER, gate_step);
	submit(&holder); /* takes the first turn of eight */
	wait_running(&holder);
	for (i = 0; i < ARRAY_LEN(flood); i++) {
		probe_init(&flood[i], world, &left);
		flood[i].plan.lane = 1;
	}
	probe_init(&bulky, world, &left);
	bulky.plan.lane = 2;
	bulky.plan.priority = JOB_BULK;
	probe_init(&polite, world, &left);
	polite.plan.lane = 2;
	probe_init(&urgent, world, &left);
	urgent.plan.lane = 1;
	urgent.plan.priority = JOB_URGENT;
	for (i = 0; i < ARRAY_LEN(all); i++) {
		all[i]->order = &order;
		add_step(all[i], JOB_WORKER, turn_step);
		submit(all[i]);
	}
	jobs_cancel(flood[3].job);
	open_gate(&holder);
	run(world);
	assert_int_equal(urgent.turn, 0);
	assert_int_equal(flood[0].turn, 1);
	assert_int_equal(polite.turn, 2);
	assert_int_equal(flood[1].turn, 3);
	assert_int_equal(flood[2].turn, 4);
	assert_int_equal(flood[4].turn, 5);
	assert_int_equal(bulky.turn, 6); /* the eighth */
	assert_int_equal(flood[5].turn, 7);
	assert_int_equal(flood[3].ran, 0);
}

/* The first long job is let go by what the pool does: were they one, neither would end. */
static void long_work_leaves_the_pool_free(void **state)
{
	struct world *world = *state;
	struct probe slow[4], quick;
	unsigned left = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(slow); i++) {
		probe_init(&slow[i], world, &left);
		add_step(&slow[i], JOB_LONG, i == 0 ? gate_step : note_step);
		submit(&slow[i]);
	}
	wait_running(&slow[0]);
	probe_init(&quick, world, &left);
	add_step(&quick, JOB_POOL, note_step);
	quick.other = &slow[0];
	quick.on_done = open_others_gate;
	submit(&quick);
	run(world);
	for (i = 0; i < ARRAY_LEN(slow); i++)
		assert_int_equal(slow[i].ran, 1);
}

static void incomplete_plans_are_refused(void **state)
{
	struct world *world = *state;
	unsigned left = 0, i;
	struct probe good;
	struct job *job = (struct job *)(void *)&left;

	probe_init(&good, world, &left);
	add_step(&good, JOB_LOOP, note_step);
	for (i = 0; i < 7; i++) {
		struct job_plan plan = good.plan;

		if (i == 0)
			plan.count = 0;
		else if (i == 1)
			plan.count = JOB_STEPS_MAX + 1;
		else if (i == 2)
			plan.done = NULL;
		else if (i == 3)
			plan.release = NULL;
		else if (i == 4)
			plan.steps[0].run = NULL;
		else if (i == 5)
			plan.priority = JOB_BULK + 1;
		else
			plan.count = 2; /* its second step is empty */
		assert_int_equal(jobs_submit(world->jobs, &plan, &job, &world->err), ERR_INTERNAL);
		assert_ptr_equal(job, &left);
	}
	assert_int_equal(jobs_count(world->jobs), 0);
	assert_int_equal(good.done + good.released, 0);
}

/* --- submitting from callbacks, stopping, numbers --- */

static void submit_other(struct probe *probe)
{
	submit(probe->other);
}

static void submit_from_callbacks(void **state)
{
	struct world *world = *state;
	struct probe first, second, third;
	unsigned left = 0;

	probe_init(&first, world, &left);
	probe_init(&second, world, &left);
	probe_init(&third, world, &left);
	add_step(&first, JOB_WORKER, note_step);
	add_step(&second, JOB_LOOP, note_step);
	add_step(&third, JOB_POOL, note_step);
	first.on_done = submit_other;
	first.other = &second;
	second.on_release = submit_other;
	second.other = &third;
	submit(&first);
	run(world);
	assert_int_equal(first.released + second.released + third.released, 3);
	assert_int_equal(second.ran + third.ran, 2);
}

static void submit_in_vain(struct probe *probe)
{
	struct job *job = NULL;

	assert_int_equal(jobs_submit(probe->world->jobs, &probe->plan, &job, &probe->world->err),
			 ERR_INTERNAL);
	assert_null(job);
	open_gate(probe);
}

static void free_with_queued_and_running(void **state)
{
	struct world *world = *state;
	struct probe running, queued[3];
	unsigned left = 0;
	size_t i;

	probe_init(&running, world, &left);
	add_step(&running, JOB_WORKER, gate_step);
	add_step(&running, JOB_LOOP, note_step);
	running.on_done = submit_in_vain;
	submit(&running);
	wait_running(&running);
	for (i = 0; i < ARRAY_LEN(queued); i++) {
		probe_init(&queued[i], world, &left);
		add_step(&queued[i], i < 2 ? JOB_WORKER : JOB_LOOP, note_step);
		submit(&queued[i]);
	}
	assert_true(jobs_free(world->jobs, LONG_US));
	world->jobs = NULL;
	assert_int_equal(running.code, ERR_TIMEOUT);
	assert_int_equal(running.ran, 1);
	assert_int_equal(running.released, 1);
	for (i = 0; i < ARRAY_LEN(queued); i++) {
		assert_int_equal(queued[i].released, 1);
		/* Jobs whose turn on the loop had come get it. */
		assert_int_equal(queued[i].ran, i < 2 ? 0 : 1);
	}
}

static void free_reports_a_step_that_hangs(void **state)
{
	struct world *world = *state;
	struct probe stuck;
	unsigned left = 0;

	probe_init(&stuck, world, &left);
	add_step(&stuck, JOB_POOL, gate_step);
	submit(&stuck);
	wait_running(&stuck);
	assert_false(jobs_free(world->jobs, 1000));
	assert_int_equal(stuck.done, 1);
	assert_int_equal(stuck.released, 0);
	open_gate(&stuck);
	assert_true(jobs_free(world->jobs, LONG_US));
	world->jobs = NULL;
	assert_int_equal(stuck.released, 1);
}

/* 99 of them came back for sure when the hundredth has begun, while the loop did not run. */
static void a_batch_rings_once(void **state)
{
	struct world *world = *state;
	struct probe probes[100];
	unsigned left = 0;
	size_t i;

	atomic_store(&rings, 0);
	for (i = 0; i < ARRAY_LEN(probes); i++) {
		probe_init(&probes[i], world, &left);
		add_step(&probes[i], JOB_WORKER, i + 1 < ARRAY_LEN(probes) ? note_step : gate_step);
		submit(&probes[i]);
	}
	wait_running(&probes[ARRAY_LEN(probes) - 1]);
	assert_int_equal(atomic_load(&rings), 1);
	open_gate(&probes[ARRAY_LEN(probes) - 1]);
	run(world);
	assert_true(atomic_load(&rings) <= 2);
}

static void count_turn(void *arg)
{
	unsigned *turns = arg;

	(*turns)++;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void idle_means_asleep(void **state)
{
	struct world *world = *state;
	struct loop_timer timer;
	struct probe probe;
	unsigned left = 0, turns = 0;

	probe_init(&probe, world, &left);
	add_step(&probe, JOB_POOL, note_step);
	probe.plan.deadline_us = clock_monotonic_us() + 1000000; /* met, on any machine */
	submit(&probe);
	run(world);
	assert_int_equal(probe.code, 0);
	loop_timer_init(&timer, world->loop, stop, world->loop);
	assert_int_equal(loop_timer_set(&timer, 1100000, &world->err), 0);
	loop_before_sleep(world->loop, count_turn, &turns);
	run(world);
	/* A forgotten deadline of the job would make a second turn, polling hundreds. */
	assert_int_equal(turns, 1);
}

struct crowd {
	struct world *world;
	unsigned steps[10000];
	unsigned done, released;
};

struct member {
	struct crowd *crowd;
	size_t number;
};

static int crowd_step(void *arg, struct err *err)
{
	struct member *member = arg;

	(void)err;
	member->crowd->steps[member->number]++;
	return 0;
}

static void crowd_done(void *arg, const struct err *err)
{
	struct member *member = arg;

	assert_null(err);
	assert_int_equal(member->crowd->steps[member->number], 3);
	member->crowd->done++;
}

static void crowd_release(void *arg)
{
	struct member *member = arg;
	struct crowd *crowd = member->crowd;

	free(member);
	if (++crowd->released == ARRAY_LEN(crowd->steps))
		loop_stop(crowd->world->loop);
}

static void ten_thousand_jobs(void **state)
{
	static struct crowd crowd;
	size_t i;

	crowd = (struct crowd){.world = *state};
	for (i = 0; i < ARRAY_LEN(crowd.steps); i++) {
		struct member *member = malloc(sizeof(*member));
		struct job_plan plan = {
			.steps = {{JOB_POOL, crowd_step},
				  {JOB_WORKER, crowd_step},
				  {i % 2 ? JOB_LOOP : JOB_POOL, crowd_step}},
			.count = 3,
			.done = crowd_done,
			.release = crowd_release,
			.arg = member,
			.deadline_us = clock_monotonic_us() + LONG_US,
		};
		struct job *job;

		assert_non_null(member);
		*member = (struct member){.crowd = &crowd, .number = i};
		assert_int_equal(jobs_submit(crowd.world->jobs, &plan, &job, &crowd.world->err), 0);
	}
	run(crowd.world);
	assert_int_equal(crowd.done, ARRAY_LEN(crowd.steps));
	assert_int_equal(jobs_count(crowd.world->jobs), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(chain_goes_through_its_places),
		TEST(submit_runs_nothing_itself),
		TEST(failure_ends_the_chain),
		TEST(each_place_is_first_come_first_served),
		TEST(lanes_and_priorities_hold_between_threads),
		TEST(long_work_leaves_the_pool_free),
		TEST(incomplete_plans_are_refused),
		TEST(submit_from_callbacks),
		TEST(free_with_queued_and_running),
		TEST(free_reports_a_step_that_hangs),
		TEST(a_batch_rings_once),
		TEST(idle_means_asleep),
		TEST(ten_thousand_jobs),
	};

	return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
