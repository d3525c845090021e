/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn of the loop: hooks, sleep, events, due timers. Timers stand in a binary heap that orders
 * by due time, each knowing its place so that it can leave in O(log n). A watch that ends while a
 * batch of events is handled stays allocated, marked dead, until the batch is over, because a
 * later event of the batch may still point to it.
 */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>

#define BATCH	   64
#define HOOKS_MAX  8u
#define FIRST_HEAP 16u

struct loop_fd {
	struct loop *loop;
	loop_fd_fn fn;
	void *arg;
	int fd;
	bool dead;
	struct loop_fd *next;
};

struct signal_watch {
	loop_fd_fn fn;
	void *arg;
	int fd; /* owned, unlike that of other watches */
	struct signal_watch *next;
};

struct loop {
	int epoll;
	bool stopped;
	bool in_batch;
	bool any_dead;
	struct loop_fd *watches;
	struct signal_watch *signals;
	struct loop_timer **heap;
	size_t heap_len;
	size_t heap_cap;
	struct {
		void (*fn)(void *arg);
		void *arg;
	} hooks[HOOKS_MAX];
	size_t hook_count;
};

uint64_t clock_monotonic_us(void)
{
	struct timespec now;

	/* Cannot fail for this clock. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int loop_new(struct loop **ret_loop, struct err *err)
{
	CLEANUP(loop_cleanup) struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return err_set(err, ERR_INTERNAL, "memory is short");
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make an event loop");
	*ret_loop = TAKE(loop);
	return 0;
}

void loop_free(struct loop *loop)
{
	size_t i;

	if (!loop)
		return;
	while (loop->watches) {
		struct loop_fd *watch = loop->watches;

		loop->watches = watch->next;
		free(watch);
	}
	while (loop->signals) {
		struct signal_watch *signal = loop->signals;

		loop->signals = signal->next;
		fd_close_cleanup(&signal->fd);
		free(signal);
	}
	/* So that an owner which outlives the loop may still clear its timer. */
	for (i = 0; i < loop->heap_len; i++)
		loop->heap[i]->slot = 0;
	free(loop->heap);
	fd_close_cleanup(&loop->epoll);
	free(loop);
}

/* --- descriptors --- */

int loop_watch(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg,
	       struct loop_fd **ret_watch, struct err *err)
{
	CLEANUP(mem_free_cleanup) struct loop_fd *watch = calloc(1, sizeof(*watch));
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (!watch)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*watch = (struct loop_fd){
		.loop = loop, .fn = fn, .arg = arg, .fd = fd, .next = loop->watches};
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot watch a descriptor");
	loop->watches = watch;
	*ret_watch = TAKE(watch);
	return 0;
}

static void free_dead(struct loop *loop)
{
	struct loop_fd **at = &loop->watches;

	if (!loop->any_dead)
		return;
	while (*at) {
		struct loop_fd *watch = *at;

		if (watch->dead) {
			*at = watch->next;
			free(watch);
		} else {
			at = &watch->next;
		}
	}
	loop->any_dead = false;
}

void loop_unwatch(struct loop_fd *watch)
{
	struct loop *loop;

	if (!watch)
		return;
	loop = watch->loop;
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->dead = true;
	loop->any_dead = true;
	if (!loop->in_batch)
		free_dead(loop);
}

/* --- timers --- */

static void heap_put(struct loop *loop, size_t i, struct loop_timer *timer)
{
	loop->heap[i] = timer;
	timer->slot = i + 1;
}

static size_t heap_up(struct loop *loop, size_t i)
{
	struct loop_timer *timer = loop->heap[i];

	while (i > 0 && loop->heap[(i - 1) / 2]->due_us > timer->due_us) {
		heap_put(loop, i, loop->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(loop, i, timer);
	return i;
}

static void heap_down(struct loop *loop, size_t i)
{
	struct loop_timer *timer = loop->heap[i];

	for (;;) {
		size_t child = i * 2 + 1;

		if (child + 1 < loop->heap_len &&
		    loop->heap[child + 1]->due_us < loop->heap[child]->due_us)
			child++;
		if (child >= loop->heap_len || loop->heap[child]->due_us >= timer->due_us)
			break;
		heap_put(loop, i, loop->heap[child]);
		i = child;
	}
	heap_put(loop, i, timer);
}

static int heap_reserve(struct loop *loop, struct err *err)
{
	size_t cap = loop->heap_cap > 0 ? loop->heap_cap * 2 : FIRST_HEAP;
	struct loop_timer **heap;

	if (loop->heap_len < loop->heap_cap)
		return 0;
	heap = calloc(cap, sizeof(struct loop_timer *));
	if (!heap)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (loop->heap_len > 0)
		memcpy(heap, loop->heap, loop->heap_len * sizeof(struct loop_timer *));
	free(loop->heap);
	loop->heap = heap;
	loop->heap_cap = cap;
	return 0;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn fn, void *arg)
{
	*timer = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg};
}

int loop_timer_set(struct loop_timer *timer, uint64_t delay_us, struct err *err)
{
	struct loop *loop = timer->loop;
	uint64_t now = clock_monotonic_us();
	int r;

	if (timer->slot == 0) {
		r = heap_reserve(loop, err);
		if (r < 0)
			return r;
		heap_put(loop, loop->heap_len++, timer);
	}
	timer->due_us = delay_us > UINT64_MAX - now ? UINT64_MAX : now + delay_us;
	heap_down(loop, heap_up(loop, timer->slot - 1));
	return 0;
}

void loop_timer_clear(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;
	size_t i = timer->slot - 1;

	if (timer->slot == 0)
		return;
	timer->slot = 0;
	loop->heap_len--;
	if (i == loop->heap_len)
		return;
	heap_put(loop, i, loop->heap[loop->heap_len]);
	heap_down(loop, heap_up(loop, i));
}

/* Timers that callbacks arm meanwhile wait for the next turn, else descriptors could starve. */
static void run_timers(struct loop *loop)
{
	uint64_t now = loop->heap_len > 0 ? clock_monotonic_us() : 0;

	while (loop->heap_len > 0 && loop->heap[0]->due_us <= now && !loop->stopped) {
		struct loop_timer *timer = loop->heap[0];

		loop_timer_clear(timer);
		timer->fn(timer->arg);
	}
}

/* Milliseconds for epoll_wait(), rounded up: to wake early would be to spin. */
static int sleep_ms(const struct loop *loop)
{
	uint64_t now, ms;

	if (loop->heap_len == 0)
		return -1;
	now = clock_monotonic_us();
	if (loop->heap[0]->due_us <= now)
		return 0;
	ms = (loop->heap[0]->due_us - now - 1) / 1000 + 1;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* --- signals --- */

static void signal_ready(void *arg, uint32_t events)
{
	struct signal_watch *signal = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(signal->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		signal->fn(signal->arg, info.ssi_signo);
}

int loop_signal(struct loop *loop, int signo, loop_fd_fn fn, void *arg, struct err *err)
{
	CLEANUP(mem_free_cleanup) struct signal_watch *signal = calloc(1, sizeof(*signal));
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct loop_fd *watch;
	sigset_t set;
	int r;

	if (!signal)
		return err_set(err, ERR_INTERNAL, "memory is short");
	sigemptyset(&set);
	if (sigaddset(&set, signo) == 0)
		fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot watch signal %d", signo);
	r = loop_watch(loop, fd, EPOLLIN, signal_ready, signal, &watch, err);
	if (r < 0)
		return r;
	*signal = (struct signal_watch){.fn = fn, .arg = arg, .fd = fd, .next = loop->signals};
	fd = -1;
	loop->signals = TAKE(signal);
	return 0;
}

/* --- running --- */

void loop_before_sleep(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	assert(loop->hook_count < HOOKS_MAX);
	loop->hooks[loop->hook_count].fn = fn;
	loop->hooks[loop->hook_count].arg = arg;
	loop->hook_count++;
}

static void run_hooks(struct loop *loop)
{
	size_t i;

	for (i = 0; i < loop->hook_count; i++)
		loop->hooks[i].fn(loop->hooks[i].arg);
}

static void run_batch(struct loop *loop, const struct epoll_event *events, int count)
{
	int i;

	loop->in_batch = true;
	for (i = 0; i < count && !loop->stopped; i++) {
		struct loop_fd *watch = events[i].data.ptr;

		if (!watch->dead)
			watch->fn(watch->arg, events[i].events);
	}
	loop->in_batch = false;
	free_dead(loop);
}

int loop_run(struct loop *loop, struct err *err)
{
	struct epoll_event events[BATCH];
	int n;

	while (!loop->stopped) {
		run_hooks(loop);
		if (loop->stopped)
			break;
		n = epoll_wait(loop->epoll, events, BATCH, sleep_ms(loop));
		if (n < 0 && errno != EINTR)
			return err_set_errno(err, ERR_INTERNAL, errno, "cannot wait for events");
		run_batch(loop, events, n);
		run_timers(loop);
	}
	loop->stopped = false;
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
