/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/json.h"
#include "base/loop.h"
#include "fapi/test_fixture.h"

#define SHORT_US 150000u

static void assert_said(const struct fixture *fixture, const char *name, const char *expected)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *said = NULL;
	struct err err = {0};

	assert_int_equal(json_parse(buf_slice(&fixture->json), &json, &err), 0);
	assert_int_equal(json_get_string(json, name, true, &said, &err), 0);
	assert_string_equal(said, expected);
}

static void assert_true_said(const struct fixture *fixture, const char *name, bool expected)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	bool said = false;
	struct err err = {0};

	assert_int_equal(json_parse(buf_slice(&fixture->json), &json, &err), 0);
	assert_int_equal(json_get_bool(json, name, true, &said, &err), 0);
	assert_int_equal(said, expected);
}

/* --- what the helper gets --- */

static void check_echo(struct fixture *fixture, const struct fapi_request *request,
		       const char *arguments, const char *data)
{
	char expected[256];

	snprintf(expected, sizeof(expected), "%s LANG PATH TSS2_FAPICONF TSS2_LOG C all+NONE",
		 arguments);
	assert_int_equal(fixture_request(fixture, request), 0);
	assert_said(fixture, "text", expected);
	assert_said(fixture, "data", data);
	assert_true_said(fixture, "more", false);
	assert_true_said(fixture, "clean", true);
}

static void test_what_the_helper_gets(void **state)
{
	struct fapi_request request = {.verb = FAPI_PROBE,
				       .path = "/HS/SRK/unused",
				       .data = slice_str("unused"),
				       .deadline_us = clock_monotonic_us() + PATIENCE_US};
	struct fixture fixture;
	sigset_t blocked, before;
	int fd = open("/dev/null", O_RDONLY); /* one that is not closed on exec */

	(void)state;
	/* Before the starter begins, so that it has to undo it. */
	sigfillset(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	fixture_init(&fixture);
	check_echo(&fixture, &request, "probe", "");
	request.verb = FAPI_PROVISION;
	check_echo(&fixture, &request, "provision", "");
	request.verb = FAPI_LIST;
	check_echo(&fixture, &request, "list", "");
	request.verb = FAPI_SEAL;
	request.path = "/HS/SRK/echo";
	request.data = slice_str("a secret");
	check_echo(&fixture, &request, "seal /HS/SRK/echo", "a secret");
	request.verb = FAPI_DELETE;
	check_echo(&fixture, &request, "delete /HS/SRK/echo", "");
	signal(SIGUSR1, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(fd);
	fixture_fini(&fixture);
}

static void test_bad_requests(void **state)
{
	static const uint8_t bytes[129] = {0};
	char longest[FAPI_PATH_MAX + 1];
	const struct fapi_request requests[] = {
		{.verb = FAPI_SEAL, .path = "/HS/SRK/echo"},
		{.verb = FAPI_SEAL, .path = "/HS/SRK/echo", .data = slice_of(bytes, 129)},
		{.verb = FAPI_SEAL, .data = slice_of(bytes, 1)},
		{.verb = FAPI_DELETE},
		{.verb = FAPI_DELETE, .path = "--help"},
		{.verb = FAPI_DELETE, .path = "/HS/SRK/../x"},
		{.verb = FAPI_DELETE, .path = longest},
	};
	struct fixture fixture;
	size_t i;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "/HS/SRK/", 8);
	longest[FAPI_PATH_MAX] = '\0';
	fixture_init(&fixture);
	for (i = 0; i < ARRAY_LEN(requests); i++) {
		struct fapi_request request = requests[i];

		request.deadline_us = clock_monotonic_us() + PATIENCE_US;
		assert_int_equal(fixture_request(&fixture, &request), ERR_INVALID);
	}
	fixture_fini(&fixture);
}

/* --- how it ends --- */

static const struct {
	const char *behaviour;
	int code;
	const char *text; /* its beginning */
} ENDS[] = {
	{"ok", 0, ""},
	{"largest", 0, ""},
	{"too_large", ERR_INTERNAL, "holdfast-fapi answered more than 65536 bytes"},
	{"flood", ERR_INTERNAL, "holdfast-fapi answered more than 65536 bytes"},
	{"conflict", ERR_CONFLICT, "Fapi_Provision: provisioned before"},
	{"nothing", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"nothing_1", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"garbage", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"torn", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"two", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"array", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"no_ok", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"ok_but_1", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"not_ok_but_0", ERR_INTERNAL, "holdfast-fapi answered no JSON"},
	{"exit_2", ERR_INTERNAL, "holdfast-fapi ended with 2"},
	{"complain", ERR_INTERNAL, "holdfast-fapi ended with 3: first ?[1m line"},
	{"by_signal", ERR_INTERNAL, "holdfast-fapi ended by signal 9: it hurts"},
};

static void test_ends(void **state)
{
	struct fixture fixture;
	size_t i;

	(void)state;
	fixture_init(&fixture);
	for (i = 0; i < ARRAY_LEN(ENDS); i++) {
		int r = fixture_run(&fixture, ENDS[i].behaviour, PATIENCE_US);

		if (r != ENDS[i].code || (r < 0 && fixture.err.code != r) ||
		    (r < 0 && strncmp(fixture.err.text, ENDS[i].text, strlen(ENDS[i].text)) != 0))
			fail_msg("%s: %d %s", ENDS[i].behaviour, r, fixture.err.text);
	}
	assert_int_equal(fixture_run(&fixture, "conflict", PATIENCE_US), ERR_CONFLICT);
	assert_int_equal(fixture.err.origin_kind, ERR_ORIGIN_TSS2);
	assert_int_equal(fixture.err.origin, 0x60034);
	fixture_fini(&fixture);
}

/* What stands in the buf already stays; what does not fit is left out as a whole. */
static void test_answer_is_appended(void **state)
{
	struct fapi_request request = {.verb = FAPI_DELETE,
				       .path = "/HS/SRK/ok",
				       .deadline_us = clock_monotonic_us() + PATIENCE_US};
	CLEANUP(buf_fini) struct buf json = BUF_INIT(16);
	struct fixture fixture;
	struct err err = {0};

	(void)state;
	fixture_init(&fixture);
	buf_put_str(&json, "> ");
	assert_int_equal(fapi_run(&fixture.place, &request, &json, &err), 0);
	assert_memory_equal(json.data, "> {\"ok\": true}", json.len);
	assert_int_equal(json.len, 14);
	assert_int_equal(fapi_run(&fixture.place, &request, &json, &err), ERR_TOO_LARGE);
	assert_true(buf_ok(&json));
	assert_int_equal(json.len, 14);
	fixture_fini(&fixture);
}

static void test_deadline(void **state)
{
	struct fixture fixture;
	uint64_t start = clock_monotonic_us(), took;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(fixture_run(&fixture, "hang", SHORT_US), ERR_TIMEOUT);
	took = clock_monotonic_us() - start;
	assert_in_range(took, SHORT_US, PATIENCE_US);
	/* One that was over before. */
	assert_int_equal(fixture_run(&fixture, "hang", 0), ERR_TIMEOUT);
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), 0);
	fixture_fini(&fixture);
}

static void test_stop(void **state)
{
	struct fixture fixture;
	struct fapi_request request = {.verb = FAPI_DELETE,
				       .path = "/HS/SRK/hang",
				       .deadline_us = clock_monotonic_us() + PATIENCE_US,
				       .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

	(void)state;
	fixture_init(&fixture);
	request.path = "/HS/SRK/ok";
	assert_int_equal(fixture_request(&fixture, &request), 0);
	request.path = "/HS/SRK/hang";
	assert_int_equal(eventfd_write(request.stop_fd, 1), 0);
	assert_int_equal(fixture_request(&fixture, &request), ERR_TIMEOUT);
	assert_string_equal(fixture.err.text, "cancelled");
	close(request.stop_fd);
	fixture_fini(&fixture);
}

/*
 * This process inherits what the helper left behind, and sees that it was killed. False: the
 * helper had not come so far as to leave anything.
 */
static bool await_child(const struct fixture *fixture)
{
	char path[96], text[16] = {0};
	int status, fd;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/child", fixture->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	pid = (pid_t)strtol(text, NULL, 10);
	if (pid <= 0)
		return false;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(remove(path), 0);
	return true;
}

static int run_with_child(struct fixture *fixture, const char *path, uint64_t patience_us)
{
	struct fapi_request request = {.verb = FAPI_DELETE,
				       .path = path,
				       .deadline_us = clock_monotonic_us() + patience_us};
	struct err err = {0};

	buf_reset(&fixture->json);
	return fapi_run(&fixture->place, &request, &fixture->json, &err);
}

/* A child of the helper that keeps its pipes open is not waited for, and does not stay. */
static void test_children_of_the_helper(void **state)
{
	uint64_t start = clock_monotonic_us(), patience_us = SHORT_US;
	struct fixture fixture;

	(void)state;
	fixture_needs_kernel();
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	fixture_init(&fixture);
	assert_int_equal(run_with_child(&fixture, "/HS/SRK/child", PATIENCE_US), 0);
	assert_true(clock_monotonic_us() - start < PATIENCE_US);
	assert_true(await_child(&fixture));
	do {
		assert_int_equal(run_with_child(&fixture, "/HS/SRK/child_hang", patience_us),
				 ERR_TIMEOUT);
		patience_us *= 2;
		/* On a busy machine the helper may need more time. */
	} while (!await_child(&fixture));
	fixture_fini(&fixture);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void test_no_program(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture_begin_starter(&fixture, "/nonexistent/holdfast-fapi");
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), ERR_NOT_SUPPORTED);
	assert_non_null(strstr(err_remedy(&fixture.err), "holdfast-fapi"));
	assert_non_null(strstr(err_remedy(&fixture.err), "probe = false"));
	fixture_begin_starter(&fixture, "/dev/null");
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), ERR_NOT_SUPPORTED);
	assert_non_null(strstr(err_remedy(&fixture.err), "Restart holdfastd"));
	fixture_fini(&fixture);
}

/* The program was not there when the service began; now it is, or it is not. */
static void test_no_starter(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	starter_free(TAKE(fixture.starter));
	fixture.place.starter = NULL;
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), ERR_NOT_SUPPORTED);
	assert_non_null(strstr(err_remedy(&fixture.err), "Restart holdfastd"));
	fixture.place.program = "/nonexistent/holdfast-fapi";
	assert_int_equal(fixture_run(&fixture, "ok", PATIENCE_US), ERR_NOT_SUPPORTED);
	assert_non_null(strstr(err_remedy(&fixture.err), "probe = false"));
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_helper_gets),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_answer_is_appended),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_children_of_the_helper),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_no_starter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
