/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOBS_TEST_PROBE_H
#define JOBS_TEST_PROBE_H

/*
 * Probe: a job that notes what happens to it. Tests of jobs do not wait for time to pass, but for
 * events: a step that must be found running stands at a gate until the test opens it.
 */

#include <limits.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "jobs/jobs.h"

#define LONG_US	  (60u * 1000000u)
#define STEPS_LOG 16u

struct world {
	struct loop *loop;
	struct jobs *jobs;
	struct err err;
};

/* One job's argument, and what happened to it. */
struct probe {
	struct world *world;
	struct job *job;
	struct job_plan plan;
	sem_t running; /* posted by gate_step when it has begun */
	sem_t gate;    /* gate_step waits for it */
	pid_t threads[STEPS_LOG];
	size_t ran; /* steps */
	unsigned done;
	unsigned released;
	int code;
	struct err err;	 /* as done() got it */
	unsigned *order; /* counter shared by several probes */
	unsigned turn;
	void (*on_done)(struct probe *probe);
	void (*on_release)(struct probe *probe);
	struct probe *other;
	unsigned *left; /* the loop is stopped when it gets to 0 */
};

int setup(void **state); /* *state becomes a struct world */
int teardown(void **state);

/* Steps: one that only notes its thread, and one that stands at the gate. */
int note_step(void *arg, struct err *err);
int gate_step(void *arg, struct err *err);

/* @left counts probes that are not released yet; the last one stops the loop. */
void probe_init(struct probe *probe, struct world *world, unsigned *left);
void add_step(struct probe *probe, enum job_place place, int (*step)(void *arg, struct err *err));

/* Asserts that nothing of the job happens before it returns. */
void submit(struct probe *probe);

/* The loop, until it is stopped. */
void run(struct world *world);

void wait_running(struct probe *probe);
void open_gate(struct probe *probe);
void open_others_gate(struct probe *probe);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
