/* SPDX-License-Identifier: Apache-2.0 */
/* Real sockets on ports that the kernel chooses and in a folder of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "listen/listen.h"

#define CLIENTS 4u

static struct {
	struct loop *loop;
	struct listen *listen;
	unsigned taken, goal;
	bool drops; /* take() closes at once */
	int fds[2 * CLIENTS];
	struct listen_address peer;
	char dir[32];
	char path[64];
} t;

static void take(void *arg, int fd, const struct listen_address *peer)
{
	assert_ptr_equal(arg, &t);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	t.peer = *peer;
	if (t.drops) {
		close(fd);
		listen_closed(t.listen);
		t.taken++;
		return;
	}
	t.fds[t.taken++] = fd;
}

static const struct listen_ops OPS = {.take = take};

static void check(void *arg)
{
	(void)arg;
	if (t.taken >= t.goal)
		loop_stop(t.loop);
}

static void on_over(void *arg)
{
	(void)arg;
	loop_stop(t.loop);
}

/* Runs until so many were taken; false when nothing more came for @ms. */
static bool run(unsigned goal, unsigned ms)
{
	struct loop_timer guard = {.slot = 0};
	struct err err;

	t.goal = goal;
	loop_timer_init(&guard, t.loop, on_over, NULL);
	assert_int_equal(loop_timer_set(&guard, ms * 1000u, &err), 0);
	assert_int_equal(loop_run(t.loop, &err), 0);
	loop_timer_clear(&guard);
	return t.taken >= goal;
}

static int begin(void **state)
{
	struct err err;

	(void)state;
	memset(&t, 0, sizeof(t));
	memset(t.fds, -1, sizeof(t.fds));
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/listen-XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	(void)snprintf(t.path, sizeof(t.path), "%s/sock", t.dir);
	assert_int_equal(loop_new(&t.loop, &err), 0);
	loop_before_sleep(t.loop, check, NULL);
	return 0;
}

static int end(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(t.fds); i++)
		if (t.fds[i] >= 0)
			close(t.fds[i]);
	listen_free(t.listen);
	loop_free(t.loop);
	(void)unlink(t.path);
	return rmdir(t.dir);
}

static int open_on(const char *text, unsigned max, struct listen **ret_listen, struct err *err)
{
	struct listen_address address;
	int r = listen_parse(text, &address, err);

	return r < 0 ? r : listen_new(t.loop, &address, max, &OPS, &t, ret_listen, err);
}

static void must_open(const char *text, unsigned max)
{
	struct err err;

	if (open_on(text, max, &t.listen, &err) < 0)
		fail_msg("%s: %s", text, err.text);
}

static int dial(void)
{
	const struct listen_address *bound = listen_bound(t.listen);
	int fd = socket(bound->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&bound->address, bound->length), 0);
	return fd;
}

/* Port 0: what was bound can be dialled, and what is written through comes out. */
static void test_families(void **state)
{
	static const char *const BEGINNINGS[] = {"127.0.0.1:", "[::1]:", "unix:"};
	char unix_text[80];
	const char *texts[] = {"127.0.0.1:0", "[::1]:0", unix_text};
	size_t i;

	(void)state;
	(void)snprintf(unix_text, sizeof(unix_text), "unix:%s", t.path);
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		char text[LISTEN_TEXT_MAX], c = 'x';
		int fd;

		must_open(texts[i], CLIENTS);
		listen_print(listen_bound(t.listen), text);
		assert_int_equal(strncmp(text, BEGINNINGS[i], strlen(BEGINNINGS[i])), 0);
		assert_null(strstr(text, ":0"));
		fd = dial();
		assert_true(run(t.taken + 1, 10000));
		assert_int_equal(t.peer.address.ss_family,
				 listen_bound(t.listen)->address.ss_family);
		assert_true(listen_is_loopback(&t.peer));
		assert_int_equal(write(t.fds[t.taken - 1], &c, 1), 1);
		assert_int_equal(read(fd, &c, 1), 1);
		close(fd);
		listen_free(TAKE(t.listen));
	}
	assert_int_equal(access(t.path, F_OK), -1);
}

static void test_port_taken(void **state)
{
	char text[LISTEN_TEXT_MAX];
	struct listen *other = NULL;
	struct err err = {.code = 0};

	(void)state;
	must_open("127.0.0.1:0", 1);
	listen_print(listen_bound(t.listen), text);
	assert_int_equal(open_on(text, 1, &other, &err), ERR_CONFLICT);
	assert_null(other);
	/* An address of documentation (RFC 5737) is none of ours. */
	assert_int_equal(open_on("192.0.2.1:0", 1, &other, &err), ERR_INVALID);
	assert_null(other);
}

static void test_unix_file(void **state)
{
	char text[80];
	struct stat st;
	struct listen *other = NULL;
	struct err err = {.code = 0};
	mode_t mask = umask(0);

	(void)state;
	(void)snprintf(text, sizeof(text), "unix:%s", t.path);
	must_open(text, 1);
	umask(mask);
	assert_int_equal(stat(t.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	/* Somebody answers. */
	assert_int_equal(open_on(text, 1, &other, &err), ERR_CONFLICT);
	assert_int_equal(stat(t.path, &st), 0);
	/* Another's file at our place stays when we go. */
	assert_int_equal(unlink(t.path), 0);
	assert_int_equal(mknod(t.path, S_IFREG | 0600, 0), 0);
	listen_free(TAKE(t.listen));
	assert_int_equal(access(t.path, F_OK), 0);
	/* No socket is no old socket. */
	assert_int_equal(open_on(text, 1, &other, &err), ERR_CONFLICT);
	assert_int_equal(access(t.path, F_OK), 0);
	assert_null(other);
	assert_int_equal(open_on("unix:/nowhere/at/all", 1, &other, &err), ERR_INVALID);
}

/* What a killed process leaves behind. */
static void test_stale(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char text[80];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", t.path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(access(t.path, F_OK), 0);
	(void)snprintf(text, sizeof(text), "unix:%s", t.path);
	must_open(text, 1);
	fd = dial();
	assert_true(run(1, 10000));
	close(fd);
}

/* Beyond the limit they wait, and come when one is closed. */
static void test_limit(void **state)
{
	int fds[CLIENTS];
	unsigned i;

	(void)state;
	must_open("127.0.0.1:0", 2);
	for (i = 0; i < CLIENTS; i++)
		fds[i] = dial();
	assert_true(run(2, 10000));
	assert_false(run(3, 50));
	for (i = 3; i <= CLIENTS; i++) {
		listen_closed(t.listen);
		assert_true(run(i, 10000));
	}
	assert_false(run(CLIENTS + 1, 50));
	for (i = 0; i < CLIENTS; i++)
		close(fds[i]);
}

/* Each is closed within take(): the limit of one never stops the next. */
static void test_dropped_at_once(void **state)
{
	int fds[CLIENTS];
	unsigned i;

	(void)state;
	t.drops = true;
	must_open("[::1]:0", 1);
	for (i = 0; i < CLIENTS; i++)
		fds[i] = dial();
	assert_true(run(CLIENTS, 10000));
	for (i = 0; i < CLIENTS; i++)
		close(fds[i]);
}

/* Without a descriptor it rests, and comes back by itself. */
static void test_no_descriptors(void **state)
{
	struct rlimit before, none;
	int fd;

	(void)state;
	must_open("127.0.0.1:0", CLIENTS);
	fd = dial();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_false(run(1, 50));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(run(1, 10000));
	close(fd);
}

/* A manager's socket: its address is told, and its path stays when we go. */
static void test_adopted(void **state)
{
	struct listen_address address;
	char text[LISTEN_TEXT_MAX];
	struct stat st;
	struct err err;
	int fd;

	(void)state;
	(void)snprintf(text, sizeof(text), "unix:%s", t.path);
	assert_int_equal(listen_parse(text, &address, &err), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address.address, address.length), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(listen_adopt(t.loop, fd, CLIENTS, &OPS, &t, &t.listen, &err), 0);
	listen_print(listen_bound(t.listen), text);
	assert_string_equal(text + strlen("unix:"), t.path);
	fd = dial();
	assert_true(run(1, 10000));
	close(fd);
	listen_free(TAKE(t.listen));
	assert_int_equal(lstat(t.path, &st), 0);
	assert_int_equal(unlink(t.path), 0);
	assert_int_equal(listen_adopt(t.loop, -1, CLIENTS, &OPS, &t, &t.listen, &err), ERR_INVALID);
	assert_null(t.listen);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_families, begin, end),
		cmocka_unit_test_setup_teardown(test_port_taken, begin, end),
		cmocka_unit_test_setup_teardown(test_unix_file, begin, end),
		cmocka_unit_test_setup_teardown(test_stale, begin, end),
		cmocka_unit_test_setup_teardown(test_limit, begin, end),
		cmocka_unit_test_setup_teardown(test_dropped_at_once, begin, end),
		cmocka_unit_test_setup_teardown(test_no_descriptors, begin, end),
		cmocka_unit_test_setup_teardown(test_adopted, begin, end),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
