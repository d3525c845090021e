/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that end early: by their deadline or by a cancellation, in every state. */
#include "jobs/test_probe.h"

uint64_t __real_clock_monotonic_us(void);
uint64_t __wrap_clock_monotonic_us(void);

static uint64_t frozen_us; /* the time as jobs sees it; 0 = it goes on */

uint64_t __wrap_clock_monotonic_us(void)
{
	return frozen_us != 0 ? frozen_us : __real_clock_monotonic_us();
}

static int cancel_self_step(void *arg, struct err *err)
{
	struct probe *probe = arg;

	jobs_cancel(probe->job);
	assert_int_equal(probe->done, 1);
	assert_int_equal(probe->released, 0);
	return note_step(arg, err);
}

/* --- deadlines --- */

static void deadline_while_queued(void **state)
{
	struct world *world = *state;
	struct probe holder, late;
	unsigned left = 0;

	probe_init(&holder, world, &left);
	probe_init(&late, world, &left);
	add_step(&holder, JOB_WORKER, gate_step);
	add_step(&late, JOB_WORKER, note_step);
	late.plan.deadline_us = clock_monotonic_us() + 2000;
	late.on_done = open_others_gate;
	late.other = &holder;
	submit(&holder);
	wait_running(&holder);
	submit(&late);
	run(world);
	assert_int_equal(late.code, ERR_TIMEOUT);
	assert_int_equal(late.ran, 0);
	assert_int_equal(late.released, 1);
	assert_int_equal(holder.code, 0);
}

/* done() comes while the step stands at the gate, and opens it: release() can only follow. */
static void deadline_while_a_step_runs(void **state)
{
	static const enum job_place PLACES[] = {JOB_WORKER, JOB_POOL};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PLACES); i++) {
		struct probe late;
		unsigned left = 0;

		probe_init(&late, world, &left);
		add_step(&late, PLACES[i], gate_step);
		add_step(&late, JOB_LOOP, note_step);
		/* However long submitting takes, it is not late by then. */
		frozen_us = clock_monotonic_us();
		late.plan.deadline_us = frozen_us + 2000;
		late.on_done = open_gate;
		submit(&late);
		frozen_us = 0;
		wait_running(&late);
		run(world);
		assert_int_equal(late.code, ERR_TIMEOUT);
		assert_int_equal(late.ran, 1);
		assert_int_equal(late.done, 1);
		assert_int_equal(late.released, 1);
	}
}

static void deadline_in_the_past(void **state)
{
	static const enum job_place PLACES[] = {JOB_LOOP, JOB_WORKER, JOB_POOL};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PLACES); i++) {
		struct probe late;
		unsigned left = 0;

		probe_init(&late, world, &left);
		add_step(&late, PLACES[i], note_step);
		late.plan.deadline_us = 1;
		submit(&late);
		run(world);
		assert_int_equal(late.code, ERR_TIMEOUT);
		assert_int_equal(late.ran, 0);
	}
}

static void deadline_that_is_met_is_forgotten(void **state)
{
	struct world *world = *state;
	struct probe probe;
	unsigned left = 0;

	probe_init(&probe, world, &left);
	add_step(&probe, JOB_POOL, note_step);
	probe.plan.deadline_us = clock_monotonic_us() + LONG_US;
	submit(&probe);
	run(world);
	assert_int_equal(probe.code, 0);
	assert_int_equal(probe.done, 1);
}

/* --- cancelling --- */

static void cancel_while_queued(void **state)
{
	static const enum job_place PLACES[] = {JOB_LOOP, JOB_WORKER};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PLACES); i++) {
		struct probe holder, probe;
		unsigned left = 0;

		probe_init(&holder, world, &left);
		probe_init(&probe, world, &left);
		add_step(&holder, JOB_WORKER, gate_step);
		add_step(&probe, PLACES[i], note_step);
		submit(&holder);
		wait_running(&holder);
		submit(&probe);
		jobs_cancel(probe.job);
		assert_int_equal(probe.code, ERR_TIMEOUT);
		assert_string_equal(probe.err.text, "cancelled");
		assert_int_equal(probe.released, 0);
		jobs_cancel(probe.job);
		assert_int_equal(probe.done, 1);
		open_gate(&holder);
		run(world);
		assert_int_equal(probe.ran, 0);
		assert_int_equal(probe.released, 1);
	}
}

/* --- held --- */

static void held_until_resumed(void **state)
{
	static const enum job_place PLACES[] = {JOB_LOOP, JOB_WORKER, JOB_POOL};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PLACES); i++) {
		struct probe held, other;
		unsigned left = 0;

		probe_init(&held, world, &left);
		probe_init(&other, world, &left);
		add_step(&held, PLACES[i], note_step);
		add_step(&other, PLACES[i], note_step);
		held.plan.held = true;
		submit(&held);
		submit(&other);
		left--;
		run(world);
		left++;
		assert_int_equal(other.released, 1);
		assert_int_equal(held.ran, 0);
		jobs_resume(held.job);
		jobs_resume(held.job);
		run(world);
		assert_int_equal(held.ran, 1);
		assert_int_equal(held.code, 0);
		assert_int_equal(held.released, 1);
	}
}

/* It ends as any other does, and is not resumed any more. */
static void held_ends_early(void **state)
{
	static const enum job_place PLACES[] = {JOB_LOOP, JOB_WORKER};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < 2 * ARRAY_LEN(PLACES); i++) {
		struct probe held;
		unsigned left = 0;

		probe_init(&held, world, &left);
		add_step(&held, PLACES[i / 2], note_step);
		held.plan.held = true;
		held.plan.deadline_us = clock_monotonic_us() + (i % 2 ? LONG_US : 2000);
		submit(&held);
		if (i % 2) {
			jobs_cancel(held.job);
			jobs_resume(held.job);
		}
		run(world);
		assert_int_equal(held.code, ERR_TIMEOUT);
		assert_int_equal(held.done, 1);
		assert_int_equal(held.ran, 0);
		assert_int_equal(held.released, 1);
	}
}

/* The time that it waits and the time that it works are two. */
static void held_gets_another_deadline(void **state)
{
	struct world *world = *state;
	struct probe shorter, longer;
	unsigned left = 0;

	probe_init(&shorter, world, &left);
	probe_init(&longer, world, &left);
	add_step(&shorter, JOB_WORKER, note_step);
	add_step(&longer, JOB_WORKER, note_step);
	shorter.plan.held = longer.plan.held = true;
	shorter.plan.deadline_us = clock_monotonic_us() + LONG_US;
	longer.plan.deadline_us = clock_monotonic_us() + 100000;
	submit(&shorter);
	submit(&longer);
	jobs_set_deadline(shorter.job, clock_monotonic_us() + 2000);
	jobs_set_deadline(longer.job, clock_monotonic_us() + LONG_US);
	left--;
	run(world);
	left++;
	assert_int_equal(shorter.code, ERR_TIMEOUT);
	assert_int_equal(shorter.ran, 0);
	usleep(100000);
	jobs_resume(longer.job);
	/* It is held no more: nothing of it is changed. */
	jobs_set_deadline(longer.job, 1);
	run(world);
	assert_int_equal(longer.code, 0);
	assert_int_equal(longer.ran, 1);
	assert_int_equal(longer.released, 1);
}

static void cancel_while_a_step_runs(void **state)
{
	struct world *world = *state;
	struct probe probe;
	unsigned left = 0;

	probe_init(&probe, world, &left);
	add_step(&probe, JOB_POOL, gate_step);
	add_step(&probe, JOB_POOL, note_step);
	submit(&probe);
	wait_running(&probe);
	jobs_cancel(probe.job);
	assert_int_equal(probe.done, 1);
	assert_int_equal(probe.released, 0);
	open_gate(&probe);
	run(world);
	assert_int_equal(probe.ran, 1);
	assert_int_equal(probe.released, 1);
}

static void cancel_other(struct probe *probe)
{
	jobs_cancel(probe->other->job);
	assert_int_equal(probe->other->done, 1);
	assert_int_equal(probe->other->released, 0);
}

static void cancel_own(struct probe *probe)
{
	jobs_cancel(probe->job);
}

/* The other one stands behind it in the same batch, or waits for the worker. */
static void cancel_from_callbacks(void **state)
{
	static const enum job_place PLACES[] = {JOB_LOOP, JOB_WORKER};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < 2 * ARRAY_LEN(PLACES); i++) {
		struct probe holder, first, second;
		unsigned left = 0;

		probe_init(&holder, world, &left);
		probe_init(&first, world, &left);
		probe_init(&second, world, &left);
		add_step(&holder, JOB_WORKER, gate_step);
		add_step(&first, JOB_LOOP, note_step);
		add_step(&second, PLACES[i / 2], note_step);
		first.other = &second;
		second.other = &holder;
		second.on_done = open_others_gate;
		if (i % 2 == 0)
			first.on_done = cancel_other;
		else
			first.on_release = cancel_other;
		submit(&holder);
		wait_running(&holder);
		submit(&first);
		submit(&second);
		run(world);
		assert_int_equal(first.code, 0);
		assert_int_equal(second.code, ERR_TIMEOUT);
		assert_int_equal(second.ran, 0);
		assert_int_equal(second.released, 1);
	}
}

static void cancel_oneself(void **state)
{
	struct world *world = *state;
	struct probe in_step, in_done;
	unsigned left = 0;

	probe_init(&in_step, world, &left);
	probe_init(&in_done, world, &left);
	add_step(&in_step, JOB_LOOP, cancel_self_step);
	add_step(&in_step, JOB_LOOP, note_step);
	add_step(&in_done, JOB_LOOP, note_step);
	in_done.on_done = cancel_own;
	submit(&in_step);
	submit(&in_done);
	run(world);
	assert_int_equal(in_step.ran, 1);
	assert_int_equal(in_step.done, 1);
	assert_int_equal(in_step.code, ERR_TIMEOUT);
	assert_int_equal(in_done.done, 1);
	assert_int_equal(in_done.code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(deadline_while_queued),	TEST(deadline_while_a_step_runs),
		TEST(deadline_in_the_past),	TEST(deadline_that_is_met_is_forgotten),
		TEST(cancel_while_queued),	TEST(held_until_resumed),
		TEST(held_ends_early),		TEST(held_gets_another_deadline),
		TEST(cancel_while_a_step_runs), TEST(cancel_from_callbacks),
		TEST(cancel_oneself),
	};

	return cmocka_run_group_tests_name("jobs that end early", tests, NULL, NULL);
}
