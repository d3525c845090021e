/* SPDX-License-Identifier: Apache-2.0 */
/* Loop: order of timers, watches that end in the middle of a batch, signals, hooks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/loop.h"

#define TIMERS 200

struct watched {
	struct loop *loop;
	struct loop_fd *watch;
	struct watched *victim; /* whose watch this one ends */
	int fds[2];
	int calls;
	int stop_after;
};

static struct loop *new_loop(void)
{
	struct loop *loop = NULL;
	struct err err = {0};

	assert_int_equal(loop_new(&loop, &err), 0);
	return loop;
}

static void run(struct loop *loop)
{
	struct err err = {0};

	assert_int_equal(loop_run(loop, &err), 0);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

/* --- descriptors --- */

static void on_readable(void *arg, uint32_t events)
{
	struct watched *self = arg;
	char byte;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(self->fds[0], &byte, 1), 1);
	if (++self->calls == self->stop_after)
		loop_stop(self->loop);
}

static void open_watched(struct watched *self, struct loop *loop, loop_fd_fn fn)
{
	struct err err = {0};

	self->loop = loop;
	assert_int_equal(pipe(self->fds), 0);
	assert_int_equal(loop_watch(loop, self->fds[0], EPOLLIN, fn, self, &self->watch, &err), 0);
	assert_int_equal(write(self->fds[1], "abc", 3), 3);
}

static void close_watched(struct watched *self)
{
	close(self->fds[0]);
	close(self->fds[1]);
}

static void watch_is_called_while_readable(void **state)
{
	CLEANUP(loop_cleanup) struct loop *loop = new_loop();
	struct watched self = {.stop_after = 3};

	(void)state;
	open_watched(&self, loop, on_readable);
	run(loop);
	assert_int_equal(self.calls, 3);
	loop_unwatch(self.watch);
	loop_unwatch(NULL);
	close_watched(&self);
}

struct seen_events {
	struct loop *loop;
	uint32_t events;
};

static void on_any(void *arg, uint32_t events)
{
	struct seen_events *self = arg;

	self->events = events;
	loop_stop(self->loop);
}

static void hang_up_always_comes(void **state)
{
	CLEANUP(loop_cleanup) struct loop *loop = new_loop();
	struct seen_events seen = {.loop = loop};
	struct loop_fd *watch = NULL;
	struct err err = {0};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_watch(loop, fds[0], 0, on_any, &seen, &watch, &err), 0);
	close(fds[1]);
	run(loop);
	assert_int_equal(seen.events, EPOLLHUP);
	loop_unwatch(watch);
	close(fds[0]);
}

static void closed_descriptor_is_refused(void **state)
{
	CLEANUP(loop_cleanup) struct loop *loop = new_loop();
	struct loop_fd *watch = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(loop_watch(loop, -1, EPOLLIN, on_any, NULL, &watch, &err), ERR_INTERNAL);
	assert_int_equal(err.origin, EBADF);
	assert_null(watch);
}

/* Both are ready in one batch; the one that comes first ends the other, which must stay silent. */
static void on_kill_the_other(void *arg, uint32_t events)
{
	struct watched *self = arg;

	(void)events;
	self->calls++;
	loop_unwatch(TAKE(self->victim->watch));
	loop_unwatch(TAKE(self->watch));
	loop_stop(self->loop);
}

static void on_kill_and_go_on(void *arg, uint32_t events)
{
	struct watched *self = arg;

	(void)events;
	self->calls++;
	if (self->victim->watch)
		loop_unwatch(TAKE(self->victim->watch));
	if (self->watch)
		loop_unwatch(TAKE(self->watch));
}

static void unwatch_inside_a_batch(void **state)
{
	static const loop_fd_fn fns[] = {on_kill_the_other, on_kill_and_go_on};
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(fns); i++) {
		CLEANUP(loop_cleanup) struct loop *loop = new_loop();
		struct watched one = {0};
		struct watched two = {0};
		struct loop_timer timer;

		one.victim = &two;
		two.victim = &one;
		open_watched(&one, loop, fns[i]);
		open_watched(&two, loop, fns[i]);
		loop_timer_init(&timer, loop, stop_loop, loop);
		assert_int_equal(loop_timer_set(&timer, 2000, &err), 0);
		run(loop);
		assert_int_equal(one.calls + two.calls, 1);
		loop_timer_clear(&timer);
		close_watched(&one);
		close_watched(&two);
	}
}

/* --- timers --- */

struct ticking {
	struct loop_timer timer;
	struct loop *loop;
	uint64_t *last_due;
	int *left;
	uint64_t due;
	int fired;
};

static void on_tick(void *arg)
{
	struct ticking *self = arg;

	assert_true(clock_monotonic_us() >= self->due);
	assert_true(*self->last_due <= self->due);
	assert_int_equal(self->timer.slot, 0);
	*self->last_due = self->due;
	self->fired++;
	if (--*self->left == 0)
		loop_stop(self->loop);
}

/* Many timers in scattered order, some moved, some cleared: each fires once, in order. */
static void timers_fire_in_order(void **state)
{
	static struct ticking ticks[TIMERS];
	CLEANUP(loop_cleanup) struct loop *loop = new_loop();
	uint64_t last_due = 0;
	struct err err = {0};
	int left = TIMERS;
	size_t i;

	(void)state;
	for (i = 0; i < TIMERS; i++) {
		ticks[i] = (struct ticking){.loop = loop, .last_due = &last_due, .left = &left};
		loop_timer_init(&ticks[i].timer, loop, on_tick, &ticks[i]);
		assert_int_equal(loop_timer_set(&ticks[i].timer, i * 7919 % 5000, &err), 0);
	}
	for (i = 0; i < TIMERS; i += 3)
		assert_int_equal(loop_timer_set(&ticks[i].timer, i * 104729 % 5000, &err), 0);
	for (i = 0; i < TIMERS; i += 7) {
		loop_timer_clear(&ticks[i].timer);
		loop_timer_clear(&ticks[i].timer);
		assert_int_equal(ticks[i].timer.slot, 0);
		left--;
	}
	for (i = 0; i < TIMERS; i++)
		ticks[i].due = ticks[i].timer.due_us;
	run(loop);
	for (i = 0; i < TIMERS; i++)
		assert_int_equal(ticks[i].fired, i % 7 == 0 ? 0 : 1);
}

struct again {
	struct loop_timer timer;
	struct loop_timer other;
	struct loop *loop;
	int fired;
};

static void on_again(void *arg)
{
	struct again *self = arg;
	struct err err = {0};

	loop_timer_clear(&self->other);
	if (++self->fired == 5)
		loop_stop(self->loop);
	else
		assert_int_equal(loop_timer_set(&self->timer, 0, &err), 0);
}

static void must_not_fire(void *arg)
{
	(void)arg;
	fail();
}

static void timer_rearms_itself_and_clears_another(void **state)
{
	CLEANUP(loop_cleanup) struct loop *loop = new_loop();
	struct again self = {.loop = loop};
	struct err err = {0};

	(void)state;
	loop_timer_init(&self.timer, loop, on_again, &self);
	loop_timer_init(&self.other, loop, must_not_fire, NULL);
	assert_int_equal(loop_timer_set(&self.timer, 0, &err), 0);
	assert_int_equal(loop_timer_set(&self.other, 1, &err), 0);
	run(loop);
	assert_int_equal(self.fired, 5);
}

static void far_timer_and_late_clear(void **state)
{
	struct loop *loop = new_loop();
	struct loop_timer far, near;
	struct err err = {0};

	(void)state;
	loop_timer_init(&far, loop, must_not_fire, NULL);
	loop_timer_init(&near, loop, stop_loop, loop);
	assert_int_equal(loop_timer_set(&far, UINT64_MAX, &err), 0);
	assert_true(far.due_us == UINT64_MAX);
	assert_int_equal(loop_timer_set(&near, 100, &err), 0);
	run(loop);
	/* The owner of the timer outlives the loop. */
	loop_free(loop);
	loop_timer_clear(&far);
	loop_free(NULL);
}

/* --- signals, hooks --- */

struct signalled {
	struct loop *loop;
	uint32_t signo;
};

static void on_signal(void *arg, uint32_t signo)
{
	struct signalled *self = arg;

	self->signo = signo;
	loop_stop(self->loop);
}

static void signals_arrive(void **state)
{
	static const int signos[] = {SIGTERM, SIGUSR1};
	CLEANUP(loop_cleanup) struct loop *loop = new_loop();
	struct signalled self = {.loop = loop};
	struct err err = {0};
	sigset_t set, old;
	size_t i;

	(void)state;
	sigemptyset(&set);
	for (i = 0; i < ARRAY_LEN(signos); i++)
		sigaddset(&set, signos[i]);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	for (i = 0; i < ARRAY_LEN(signos); i++)
		assert_int_equal(loop_signal(loop, signos[i], on_signal, &self, &err), 0);
	for (i = 0; i < ARRAY_LEN(signos); i++) {
		assert_int_equal(raise(signos[i]), 0);
		run(loop);
		assert_int_equal(self.signo, signos[i]);
	}
	assert_int_equal(loop_signal(loop, 12345, on_signal, &self, &err), ERR_INTERNAL);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
}

struct hooked {
	struct loop *loop;
	struct loop_timer timer;
	int hooks;
	int ticks;
};

static void on_hook(void *arg)
{
	struct hooked *self = arg;
	struct err err = {0};

	/* A timer that a hook sets counts for the sleep right after it. */
	if (self->hooks++ < 3)
		assert_int_equal(loop_timer_set(&self->timer, 0, &err), 0);
	else
		loop_stop(self->loop);
}

static void on_hooked_tick(void *arg)
{
	struct hooked *self = arg;

	self->ticks++;
}

static void hooks_run_before_each_sleep(void **state)
{
	CLEANUP(loop_cleanup) struct loop *loop = new_loop();
	struct hooked self = {.loop = loop};

	(void)state;
	loop_timer_init(&self.timer, loop, on_hooked_tick, &self);
	loop_before_sleep(loop, on_hook, &self);
	run(loop);
	assert_int_equal(self.hooks, 4);
	assert_int_equal(self.ticks, 3);
}

static void stop_before_run_is_kept(void **state)
{
	CLEANUP(loop_cleanup) struct loop *loop = new_loop();

	(void)state;
	loop_stop(loop);
	run(loop);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(watch_is_called_while_readable),
		cmocka_unit_test(hang_up_always_comes),
		cmocka_unit_test(closed_descriptor_is_refused),
		cmocka_unit_test(unwatch_inside_a_batch),
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(timer_rearms_itself_and_clears_another),
		cmocka_unit_test(far_timer_and_late_clear),
		cmocka_unit_test(signals_arrive),
		cmocka_unit_test(hooks_run_before_each_sleep),
		cmocka_unit_test(stop_before_run_is_kept),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
