/* SPDX-License-Identifier: Apache-2.0 */
/* The starter, asked by somebody who took the service over, and left alone by one who was killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/loop.h"
#include "fapi/impl.h"
#include "fapi/test_fixture.h"

#define FDS_MAX	    8
#define PATIENCE_MS 60000

/* --- what is sent, right or wrong --- */

/* The other end of the leash, which is the last descriptor; -1 where there is none. */
struct asked {
	int leash;
	int fds[FDS_MAX];
	size_t count;
};

static void open_fds(struct asked *ret_asked, size_t count)
{
	int leash[2];
	size_t i;

	assert_true(count <= FDS_MAX);
	*ret_asked = (struct asked){.leash = -1, .count = count};
	for (i = 0; i + 1 < count; i++) {
		ret_asked->fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		assert_true(ret_asked->fds[i] >= 0);
	}
	if (count == 0)
		return;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, leash), 0);
	ret_asked->leash = leash[0];
	ret_asked->fds[count - 1] = leash[1];
}

static void send_as_is(const struct starter *starter, const void *bytes, size_t len,
		       const struct asked *asked)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec text = {(void *)(uintptr_t)bytes, len};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};

	if (asked->count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(asked->count * sizeof(int));
		control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						.cmsg_type = SCM_RIGHTS,
						.cmsg_len = CMSG_LEN(asked->count * sizeof(int))};
		memcpy(CMSG_DATA(&control.head), asked->fds, asked->count * sizeof(int));
	}
	assert_int_equal(sendmsg(starter->socket, &message, MSG_NOSIGNAL), len);
}

/* The descriptors are the starter's now; only the leash stays. */
static void let_go(struct asked *asked)
{
	size_t i;

	for (i = 0; i < asked->count; i++)
		close(asked->fds[i]);
	asked->count = 0;
}

static struct asked ask_for(const struct starter *starter, const char *path)
{
	struct starter_request request = {.verb = FAPI_DELETE};
	struct asked asked;

	snprintf(request.path, sizeof(request.path), "%s", path);
	open_fds(&asked, STARTER_FDS);
	send_as_is(starter, &request, sizeof(request), &asked);
	let_go(&asked);
	return asked;
}

static void hang_up(struct asked *asked)
{
	fd_close_cleanup(&asked->leash);
	asked->leash = -1;
}

/* Waits. False: the leash has ended, and nothing is said any more. */
static bool hear(const struct asked *asked, struct starter_word *ret_word)
{
	struct pollfd word = {.fd = asked->leash, .events = POLLIN};
	ssize_t n;

	assert_int_equal(poll(&word, 1, PATIENCE_MS), 1);
	n = recv(asked->leash, ret_word, sizeof(*ret_word), 0);
	if (n > 0)
		assert_int_equal(n, sizeof(*ret_word));
	return n > 0;
}

static void assert_answer(const struct asked *asked, int error)
{
	struct starter_word word = {.kind = 0};

	assert_true(hear(asked, &word));
	assert_int_equal(word.kind, STARTER_STARTED);
	assert_int_equal(word.error, error);
}

static void assert_end(const struct asked *asked, int exit_code, int signo)
{
	struct starter_word word = {.kind = 0};

	assert_true(hear(asked, &word));
	assert_int_equal(word.kind, STARTER_ENDED);
	assert_int_equal(word.end.exit_code, exit_code);
	assert_int_equal(word.end.signal, signo);
	assert_false(hear(asked, &word));
}

/* --- tests --- */

static void test_start_and_end(void **state)
{
	struct fixture fixture;
	struct asked asked;

	(void)state;
	fixture_init(&fixture);
	asked = ask_for(fixture.starter, "/HS/SRK/exit_2");
	assert_answer(&asked, 0);
	assert_end(&asked, 2, 0);
	hang_up(&asked);
	asked = ask_for(fixture.starter, "/HS/SRK/by_signal");
	assert_answer(&asked, 0);
	assert_end(&asked, -1, SIGKILL);
	hang_up(&asked);
	/* Killed by any word, by half an end of the leash .. */
	asked = ask_for(fixture.starter, "/HS/SRK/hang");
	assert_answer(&asked, 0);
	assert_int_equal(send(asked.leash, "x", 1, 0), 1);
	assert_end(&asked, -1, SIGKILL);
	hang_up(&asked);
	asked = ask_for(fixture.starter, "/HS/SRK/hang");
	assert_answer(&asked, 0);
	assert_int_equal(shutdown(asked.leash, SHUT_WR), 0);
	assert_end(&asked, -1, SIGKILL);
	hang_up(&asked);
	fixture_fini(&fixture);
}

/* .. and by its whole end, also one that comes before the child. */
static void test_asker_gone(void **state)
{
	struct fixture fixture;
	struct asked asked, other;

	(void)state;
	fixture_init(&fixture);
	asked = ask_for(fixture.starter, "/HS/SRK/hang");
	assert_answer(&asked, 0);
	assert_int_equal(fixture_children_of(fixture.starter->pid), 1);
	hang_up(&asked);
	asked = ask_for(fixture.starter, "/HS/SRK/hang");
	hang_up(&asked);
	/* Answers come one after the other, and the places become free when a child is reaped. */
	do {
		other = ask_for(fixture.starter, "/HS/SRK/ok");
		assert_true(hear(&other, &(struct starter_word){0}));
		hang_up(&other);
	} while (fixture_children_of(fixture.starter->pid) > 0);
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), 0);
	fixture_fini(&fixture);
}

/* Both whose askers hold on and say nothing are ended by time, and make room. */
static void test_forgotten(void **state)
{
	struct fixture fixture;
	struct asked asked, other;

	(void)state;
	fixture_init(&fixture);
	fixture.longest_s = 1;
	fixture_begin_starter(&fixture, FAKE_HELPER);
	asked = ask_for(fixture.starter, "/HS/SRK/hang");
	other = ask_for(fixture.starter, "/HS/SRK/hang");
	assert_answer(&asked, 0);
	assert_answer(&other, 0);
	assert_end(&asked, -1, SIGKILL);
	assert_end(&other, -1, SIGKILL);
	hang_up(&asked);
	hang_up(&other);
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), 0);
	fixture_fini(&fixture);
}

#define RIGHT_PATH "/HS/SRK/ok"

static const struct {
	const char *what;
	uint32_t verb;
	const char *path;
	int length; /* more or less than a request has */
	size_t fds;
} WRONG[] = {
	{"short", FAPI_DELETE, RIGHT_PATH, -1, STARTER_FDS},
	{"one byte", FAPI_DELETE, RIGHT_PATH, 1 - (int)sizeof(struct starter_request), STARTER_FDS},
	{"long", FAPI_DELETE, RIGHT_PATH, 1, STARTER_FDS},
	{"unknown verb", FAPI_DELETE + 1, "", 0, STARTER_FDS},
	{"wild verb", UINT32_MAX, "", 0, STARTER_FDS},
	{"no path", FAPI_DELETE, "", 0, STARTER_FDS},
	{"path of another folder", FAPI_DELETE, "/HS/SRK/../../x", 0, STARTER_FDS},
	{"option", FAPI_SEAL, "--help", 0, STARTER_FDS},
	{"path where none is wanted", FAPI_PROBE, RIGHT_PATH, 0, STARTER_FDS},
	{"no descriptor", FAPI_DELETE, RIGHT_PATH, 0, 0},
	{"one descriptor", FAPI_DELETE, RIGHT_PATH, 0, 1},
	{"three descriptors", FAPI_DELETE, RIGHT_PATH, 0, 3},
	{"five descriptors", FAPI_DELETE, RIGHT_PATH, 0, 5},
	{"eight descriptors", FAPI_DELETE, RIGHT_PATH, 0, 8},
};

/* Nothing is started, and no descriptor kept: the leash, which is the last one, ends. */
static void check_wrong(const struct starter *starter, const void *bytes, size_t len, size_t fds,
			const char *what)
{
	struct starter_word word;
	struct asked asked;

	open_fds(&asked, fds);
	send_as_is(starter, bytes, len, &asked);
	let_go(&asked);
	while (asked.leash >= 0 && hear(&asked, &word))
		if (word.kind != STARTER_STARTED || word.error != EINVAL)
			fail_msg("%s: word %u, %d", what, word.kind, word.error);
	hang_up(&asked);
}

static size_t files_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	return fixture_entries(path);
}

static void test_wrong_requests(void **state)
{
	struct {
		struct starter_request request;
		char more[8];
	} bytes;
	struct fixture fixture;
	size_t i, files;

	(void)state;
	fixture_needs_kernel();
	fixture_init(&fixture);
	files = files_of(fixture.starter->pid);
	for (i = 0; i < ARRAY_LEN(WRONG); i++) {
		memset(&bytes, 0, sizeof(bytes));
		bytes.request.verb = WRONG[i].verb;
		snprintf(bytes.request.path, sizeof(bytes.request.path), "%s", WRONG[i].path);
		check_wrong(fixture.starter, &bytes,
			    sizeof(bytes.request) + (size_t)WRONG[i].length, WRONG[i].fds,
			    WRONG[i].what);
	}
	memset(&bytes, 'x', sizeof(bytes));
	bytes.request.verb = FAPI_DELETE;
	memcpy(bytes.request.path, "/HS/SRK/", 8);
	check_wrong(fixture.starter, &bytes, sizeof(bytes.request), STARTER_FDS, "endless path");
	/* A right one is answered after all of them were dropped. The leash is closed last. */
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), 0);
	memset(&bytes, 0, sizeof(bytes));
	check_wrong(fixture.starter, &bytes, 1, STARTER_FDS, "last");
	assert_int_equal(files_of(fixture.starter->pid), files);
	fixture_fini(&fixture);
}

/* A killed one is reaped a moment later. */
static void await_no_children(const struct fixture *fixture)
{
	uint64_t until = clock_monotonic_us() + PATIENCE_US;

	while (fixture_children_of(fixture->starter->pid) > 0) {
		assert_true(clock_monotonic_us() < until);
		usleep(1000);
	}
}

/* Nobody could end its child. */
static void test_leash_that_is_none(void **state)
{
	struct starter_request request = {.verb = FAPI_DELETE, .path = "/HS/SRK/hang"};
	struct fixture fixture;
	struct asked asked, next;

	(void)state;
	fixture_init(&fixture);
	open_fds(&asked, STARTER_FDS);
	hang_up(&asked);
	close(asked.fds[STARTER_LEASH]);
	asked.fds[STARTER_LEASH] = open("/dev/null", O_RDWR | O_CLOEXEC);
	send_as_is(fixture.starter, &request, sizeof(request), &asked);
	let_go(&asked);
	/* Requests are taken in turn: when this one was answered, that one was seen. */
	next = ask_for(fixture.starter, "/HS/SRK/ok");
	assert_answer(&next, 0);
	assert_end(&next, 0, 0);
	hang_up(&next);
	await_no_children(&fixture);
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), 0);
	fixture_fini(&fixture);
}

static void test_too_many(void **state)
{
	struct fixture fixture;
	struct asked asked[STARTER_CHILDREN], more;
	size_t i;

	(void)state;
	fixture_init(&fixture);
	for (i = 0; i < STARTER_CHILDREN; i++) {
		asked[i] = ask_for(fixture.starter, "/HS/SRK/hang");
		assert_answer(&asked[i], 0);
	}
	more = ask_for(fixture.starter, "/HS/SRK/ok");
	assert_answer(&more, EAGAIN);
	assert_false(hear(&more, &(struct starter_word){0}));
	hang_up(&more);
	assert_int_equal(fixture_children_of(fixture.starter->pid), STARTER_CHILDREN);
	assert_int_equal(shutdown(asked[0].leash, SHUT_WR), 0);
	assert_end(&asked[0], -1, SIGKILL);
	assert_int_equal(shutdown(asked[1].leash, SHUT_WR), 0);
	assert_end(&asked[1], -1, SIGKILL);
	for (i = 0; i < STARTER_CHILDREN; i++)
		hang_up(&asked[i]);
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), 0);
	fixture_fini(&fixture);
}

/* Who asks is told at once, also in the middle of a run, and what to do. */
static void test_starter_killed(void **state)
{
	struct fixture fixture;
	struct asked asked;
	uint64_t start;

	(void)state;
	fixture_init(&fixture);
	asked = ask_for(fixture.starter, "/HS/SRK/hang");
	assert_answer(&asked, 0);
	start = clock_monotonic_us();
	assert_int_equal(kill(fixture.starter->pid, SIGKILL), 0);
	assert_false(hear(&asked, &(struct starter_word){0}));
	assert_int_equal(waitpid(fixture.starter->pid, NULL, 0), fixture.starter->pid);
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), ERR_INTERNAL);
	assert_non_null(strstr(fixture.err.text, "is gone"));
	assert_string_equal(err_remedy(&fixture.err), "Restart holdfastd.");
	assert_true(clock_monotonic_us() - start < PATIENCE_US / 2);
	hang_up(&asked);
	fixture_fini(&fixture);
}

/* In the middle of a run that a service waits for. */
static void test_killed_while_it_runs(void **state)
{
	struct fapi_request request = {.verb = FAPI_DELETE,
				       .path = "/HS/SRK/hang",
				       .deadline_us = clock_monotonic_us() + PATIENCE_US};
	struct child child = CHILD_NONE;
	struct child_end end;
	struct fixture fixture;
	int status, ended;
	struct err err;

	(void)state;
	fixture_needs_kernel();
	fixture_init(&fixture);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(child_start(&fixture.place, &request, &child, &err), 0);
	assert_false(child_has_ended(&child));
	assert_int_equal(kill(fixture.starter->pid, SIGKILL), 0);
	assert_int_equal(
		poll(&(struct pollfd){.fd = child.leash, .events = POLLIN}, 1, PATIENCE_MS), 1);
	assert_true(child_has_ended(&child));
	assert_int_equal(child_reap(&child, &end, &err), ERR_INTERNAL);
	assert_string_equal(err_remedy(&err), "Restart holdfastd.");
	child_fini(&child);
	/* The starter, and the helper that this process inherits: it dies with the starter. */
	for (ended = 0; ended < 2; ended++) {
		assert_true(waitpid(-1, &status, 0) > 0);
		assert_true(WIFSIGNALED(status));
	}
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	fixture_fini(&fixture);
}

/* --- whoever began it is killed --- */

/* A service of its own process: begins a starter and a child, tells their numbers, and waits. */
static void serve_until_killed(struct fixture *fixture, int tells, bool keeps_open)
{
	pid_t pid;

	fixture_init(fixture);
	(void)ask_for(fixture->starter, "/HS/SRK/child_hang");
	/* The starter itself holds the other end of its socket then, so that this has no end. */
	if (keeps_open) {
		const struct starter_request request = {.verb = FAPI_DELETE,
							.path = "/HS/SRK/hang"};
		int socket = fixture->starter->socket;
		const struct asked kept = {.fds = {socket, socket, socket, socket}, .count = 4};

		send_as_is(fixture->starter, &request, sizeof(request), &kept);
	}
	pid = fixture->starter->pid;
	(void)!write(tells, &pid, sizeof(pid));
	(void)!write(tells, fixture->dir, sizeof(fixture->dir));
	for (;;)
		(void)pause();
}

/* Until the helper has a child of its own, which nothing but a kill of their group ends. */
static void await_child_of_helper(const struct fixture *fixture)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/child", fixture->dir);
	while (access(path, F_OK) < 0)
		usleep(1000);
}

/* What this process inherited has been killed, so it ends. */
static void reap_orphans(void)
{
	uint64_t until = clock_monotonic_us() + PATIENCE_US;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		assert_true(pid > 0 ? WIFSIGNALED(status) : clock_monotonic_us() < until);
		usleep(1000);
	}
}

/* This process is who inherits the starter, and sees it end by itself, with all it started. */
static void check_service_killed(bool keeps_open)
{
	struct fixture fixture = {.json = BUF_INIT(1)};
	int pipe_fds[2], status;
	pid_t service, starter;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	service = fork();
	if (service == 0)
		serve_until_killed(&fixture, pipe_fds[1], keeps_open);
	assert_true(service > 0);
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &starter, sizeof(starter)), sizeof(starter));
	assert_int_equal(read(pipe_fds[0], fixture.dir, sizeof(fixture.dir)), sizeof(fixture.dir));
	await_child_of_helper(&fixture);
	assert_int_equal(kill(service, SIGKILL), 0);
	assert_int_equal(waitpid(service, &status, 0), service);
	assert_int_equal(waitpid(starter, &status, 0), starter);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	reap_orphans();
	close(pipe_fds[0]);
	fixture_fini(&fixture);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void test_service_killed(void **state)
{
	(void)state;
	fixture_needs_kernel();
	check_service_killed(false);
}

static void test_service_killed_with_its_socket_kept(void **state)
{
	(void)state;
	fixture_needs_kernel();
	check_service_killed(true);
}

/* --- how it begins --- */

static int confine_not(void *arg, struct err *err)
{
	(void)arg;
	return err_set(err, ERR_INTERNAL, "no such cage");
}

/* In the new process, with standard descriptors and a socket only. */
static int confine_so(void *arg, struct err *err)
{
	char name[16] = {0};
	sigset_t blocked;

	(void)prctl(PR_GET_NAME, name, 0, 0, 0);
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	if (getppid() != *(const pid_t *)arg || strcmp(name, "holdfast-start") != 0)
		return err_set(err, ERR_INTERNAL, "not in a process of its own");
	if (sigismember(&blocked, SIGTERM) != 1 || sigismember(&blocked, SIGHUP) != 1)
		return err_set(err, ERR_INTERNAL, "a signal ends it");
	/* Three standard ones, the socket, its parent, and the folder that is looked at. */
	if (fixture_entries("/proc/self/fd") != 6)
		return err_set(err, ERR_INTERNAL, "there are more descriptors");
	return 0;
}

static void test_confinement(void **state)
{
	pid_t self = getpid();
	struct starter_plan plan = {.program = FAKE_HELPER,
				    .folder = "/nonexistent/fapi",
				    .confine = confine_not,
				    .arg = &self};
	struct starter *starter = NULL;
	struct err err;
	int fd = open("/dev/null", O_RDONLY);
	pid_t pid;

	(void)state;
	fixture_needs_kernel();
	assert_int_equal(starter_begin(&plan, &starter, &err), ERR_INTERNAL);
	assert_non_null(strstr(err.text, "no such cage"));
	assert_null(starter);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	plan.confine = confine_so;
	if (starter_begin(&plan, &starter, &err) < 0)
		fail_msg("%s", err.text);
	pid = starter->pid;
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGHUP), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	starter_free(starter);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_and_end),
		cmocka_unit_test(test_asker_gone),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_wrong_requests),
		cmocka_unit_test(test_leash_that_is_none),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_starter_killed),
		cmocka_unit_test(test_killed_while_it_runs),
		cmocka_unit_test(test_service_killed),
		cmocka_unit_test(test_service_killed_with_its_socket_kept),
		cmocka_unit_test(test_confinement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
