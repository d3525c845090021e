/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's side. A job waits in the queue of its next step's place; a thread runs the step and
 * puts the job into `back`, where the loop takes it up: next step, or answer and end. Steps for
 * the loop wait in `back` as well, so nothing runs inside jobs_submit(), and a job that was
 * answered early goes there to be released.
 *
 * `next`, `answered` and the list of all belong to the loop. `result` and `err` are written by
 * whoever runs the step and read by the loop after the job came back; the queues' locks order
 * that. `waiting` is a link of the threads' queues only, `returned` one of `back` only, so that a
 * cancellation can ask for the former while a thread uses the latter.
 */
#include "jobs/jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "jobs/impl.h"

#define POOL_THREADS   2u
#define WORKER_THREADS 1u
#define LONG_THREADS   1u

static const unsigned LEVELS[] = {[JOB_URGENT] = 0, [JOB_NORMAL] = 1, [JOB_BULK] = 2};
_Static_assert(ARRAY_LEN(LEVELS) == LANES_CLASSES, "a class for each priority");

#define LATE	  "the deadline passed"
#define CANCELLED "cancelled"

struct job {
	struct turn waiting;
	struct inbox_link returned;
	struct jobs *jobs;
	struct job_plan plan;
	struct loop_timer timer;
	size_t next; /* the step that runs, or comes next */
	bool answered;
	int result; /* of the step that ran last */
	struct err err;
	struct job *all_prev;
	struct job *all_next;
};

struct jobs {
	struct loop *loop;
	struct crew crews[JOB_LONG + 1]; /* by enum job_place; none for JOB_LOOP */
	struct inbox back;
	int wake; /* eventfd: `back` became non-empty */
	struct loop_fd *watch;
	struct job *all;
	size_t count;
	bool closed;
};

#define OWNER(link, member) ((struct job *)(void *)((char *)(link)-offsetof(struct job, member)))

/*
 * One write per batch: only who finds the queue empty rings. Once it is pushed the job is the
 * loop's again, which may free it at once.
 */
static void put_back(struct job *job)
{
	struct jobs *jobs = job->jobs;
	uint64_t one = 1;
	ssize_t n;

	if (!inbox_push(&jobs->back, &job->returned))
		return;
	/* It cannot block or fail: the loop reads the counter long before it is full. */
	do
		n = write(jobs->wake, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static void run_step(struct job *job)
{
	job->err = (struct err){.code = 0};
	job->result = job->plan.steps[job->next].run(job->plan.arg, &job->err);
	if (job->result < 0)
		job->err.code = job->result;
}

/* On a thread. */
static void serve(struct turn *turn)
{
	struct job *job = OWNER(turn, waiting);

	run_step(job);
	put_back(job);
}

static void answer(struct job *job, const struct err *err)
{
	if (job->answered)
		return;
	job->answered = true;
	loop_timer_clear(&job->timer);
	job->plan.done(job->plan.arg, err);
}

static void finish(struct job *job)
{
	struct jobs *jobs = job->jobs;

	if (job->all_prev)
		job->all_prev->all_next = job->all_next;
	else
		jobs->all = job->all_next;
	if (job->all_next)
		job->all_next->all_prev = job->all_prev;
	jobs->count--;
	job->plan.release(job->plan.arg);
	free(job);
}

/* Answers early. A job that waits for a thread is taken away from there. */
static void give_up(struct job *job, const char *why)
{
	enum job_place place;
	struct err err;

	if (job->answered)
		return;
	place = job->plan.steps[job->next].place;
	(void)err_set(&err, ERR_TIMEOUT, "%s", why);
	if (job->plan.held ||
	    (place != JOB_LOOP && queue_remove(&job->jobs->crews[place].queue, &job->waiting)))
		put_back(job);
	job->plan.held = false;
	answer(job, &err);
}

static void deadline_passed(void *arg)
{
	give_up(arg, LATE);
}

/* The timer may come a little late: a step that is due no more must not start meanwhile. */
static void check_deadline(struct job *job)
{
	if (job->plan.deadline_us != 0 && job->plan.deadline_us <= clock_monotonic_us())
		job->result = err_set(&job->err, ERR_TIMEOUT, LATE);
}

static bool goes_on(const struct job *job)
{
	return !job->answered && job->result >= 0 && job->next < job->plan.count;
}

/* The next step's turn, in the queue of its place. */
static void send_on(struct job *job)
{
	enum job_place place = job->plan.steps[job->next].place;

	if (place == JOB_LOOP)
		put_back(job);
	else
		queue_push(&job->jobs->crews[place].queue, &job->waiting,
			   LEVELS[job->plan.priority], job->plan.lane);
}

/*
 * A job in `back` has its step behind it when that was a thread's, and before it when it is the
 * loop's. One that never started, because it was late or cancelled, has failed or was answered.
 */
static void take_up(struct job *job)
{
	if (goes_on(job) && job->plan.steps[job->next].place == JOB_LOOP)
		run_step(job);
	job->next++;
	if (goes_on(job))
		check_deadline(job);
	if (goes_on(job)) {
		send_on(job);
		return;
	}
	answer(job, job->result < 0 ? &job->err : NULL);
	finish(job);
}

/* What callbacks put back meanwhile waits for the next turn, else descriptors could starve. */
static void take_up_all(struct jobs *jobs)
{
	struct inbox_link *link = inbox_take_all(&jobs->back);

	while (link) {
		struct inbox_link *next = link->next;

		take_up(OWNER(link, returned));
		link = next;
	}
}

/* The counter is read before the queue: who pushes in between rings again. */
static void woken(void *arg, uint32_t events)
{
	struct jobs *jobs = arg;
	uint64_t rings;

	(void)events;
	if (read(jobs->wake, &rings, sizeof(rings)) == (ssize_t)sizeof(rings))
		take_up_all(jobs);
}

/* Also of one that is half built; no job is left. */
static void destroy(struct jobs *jobs)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(jobs->crews); i++)
		if (jobs->crews[i].count > 0) {
			crew_close(&jobs->crews[i]);
			crew_fini(&jobs->crews[i]);
		}
	loop_unwatch(jobs->watch);
	if (jobs->wake >= 0) {
		close(jobs->wake);
		inbox_fini(&jobs->back);
	}
	free(jobs);
}

static void destroy_cleanup(struct jobs **jobs)
{
	if (*jobs)
		destroy(*jobs);
}

static int init_back(struct jobs *jobs, struct err *err)
{
	int r;

	r = inbox_init(&jobs->back, err);
	if (r < 0)
		return r;
	jobs->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (jobs->wake < 0) {
		r = err_set_errno(err, ERR_INTERNAL, errno, "cannot make an eventfd");
		inbox_fini(&jobs->back);
	}
	return r;
}

int jobs_new(struct loop *loop, struct jobs **ret_jobs, struct err *err)
{
	CLEANUP(destroy_cleanup) struct jobs *jobs = calloc(1, sizeof(*jobs));
	int r;

	if (!jobs)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*jobs = (struct jobs){
		.loop = loop,
		.wake = -1,
		.crews[JOB_WORKER] = {.name = "worker", .serve = serve},
		.crews[JOB_POOL] = {.name = "pool", .serve = serve},
		.crews[JOB_LONG] = {.name = "long", .serve = serve},
	};
	r = init_back(jobs, err);
	if (r < 0)
		return r;
	r = loop_watch(loop, jobs->wake, EPOLLIN, woken, jobs, &jobs->watch, err);
	if (r < 0)
		return r;
	r = crew_init(&jobs->crews[JOB_WORKER], WORKER_THREADS, err);
	if (r < 0)
		return r;
	r = crew_init(&jobs->crews[JOB_POOL], POOL_THREADS, err);
	if (r < 0)
		return r;
	r = crew_init(&jobs->crews[JOB_LONG], LONG_THREADS, err);
	if (r < 0)
		return r;
	*ret_jobs = TAKE(jobs);
	return 0;
}

bool jobs_free(struct jobs *jobs, uint64_t grace_us)
{
	uint64_t now = clock_monotonic_us();
	uint64_t until = grace_us > UINT64_MAX - now ? UINT64_MAX : now + grace_us;
	bool ended = true;
	struct job *job;
	size_t i;

	if (!jobs)
		return true;
	jobs->closed = true;
	take_up_all(jobs);
	for (job = jobs->all; job; job = job->all_next)
		give_up(job, CANCELLED);
	for (i = 0; i < ARRAY_LEN(jobs->crews); i++)
		if (jobs->crews[i].count > 0)
			crew_close(&jobs->crews[i]);
	for (i = 0; i < ARRAY_LEN(jobs->crews); i++)
		if (jobs->crews[i].count > 0 && !crew_wait(&jobs->crews[i], until))
			ended = false;
	take_up_all(jobs);
	if (ended)
		destroy(jobs);
	return ended;
}

static int check_plan(const struct job_plan *plan, struct err *err)
{
	size_t i;

	if (plan->priority >= ARRAY_LEN(LEVELS))
		return err_set(err, ERR_INTERNAL, "a job has no such priority");
	if (plan->count < 1 || plan->count > JOB_STEPS_MAX || !plan->done || !plan->release)
		return err_set(err, ERR_INTERNAL, "the plan of a job is not complete");
	for (i = 0; i < plan->count; i++)
		if (plan->steps[i].place > JOB_LONG || !plan->steps[i].run)
			return err_set(err, ERR_INTERNAL, "step %zu of a job has no place", i);
	return 0;
}

static int start_timer(struct job *job, struct err *err)
{
	uint64_t deadline = job->plan.deadline_us;
	uint64_t now = clock_monotonic_us();

	if (deadline == 0)
		return 0;
	return loop_timer_set(&job->timer, deadline > now ? deadline - now : 0, err);
}

int jobs_submit(struct jobs *jobs, const struct job_plan *plan, struct job **ret_job,
		struct err *err)
{
	CLEANUP(mem_free_cleanup) struct job *job = NULL;
	int r;

	if (jobs->closed)
		return err_set(err, ERR_INTERNAL, "the service is stopping");
	r = check_plan(plan, err);
	if (r < 0)
		return r;
	job = calloc(1, sizeof(*job));
	if (!job)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*job = (struct job){.jobs = jobs, .plan = *plan, .all_next = jobs->all};
	loop_timer_init(&job->timer, jobs->loop, deadline_passed, job);
	r = start_timer(job, err);
	if (r < 0)
		return r;
	if (jobs->all)
		jobs->all->all_prev = job;
	jobs->all = job;
	jobs->count++;
	*ret_job = job;
	check_deadline(job);
	if (!goes_on(job)) {
		job->plan.held = false;
		put_back(job);
	} else if (!plan->held) {
		send_on(job);
	}
	job = NULL;
	return 0;
}

void jobs_set_deadline(struct job *job, uint64_t deadline_us)
{
	struct err ignored;

	if (!job->plan.held)
		return;
	job->plan.deadline_us = deadline_us;
	(void)!start_timer(job, &ignored);
}

void jobs_resume(struct job *job)
{
	if (!job->plan.held)
		return;
	job->plan.held = false;
	send_on(job);
}

void jobs_cancel(struct job *job)
{
	give_up(job, CANCELLED);
}

struct loop *jobs_loop(const struct jobs *jobs)
{
	return jobs->loop;
}

size_t jobs_count(const struct jobs *jobs)
{
	return jobs->count;
}
