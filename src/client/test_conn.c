/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the library, by a scripted service that is away, closes early, answers too much or
 * too little, or too late: what is repeated, what must not be, and when a call ends.
 */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/mem.h"
#include "client/call.h"
#include "client/test_fixture.h"

#define BIG (4u * 1024u * 1024u) /* more than a socket takes without a reader */

/* --- connections --- */

static void test_no_service(void **state)
{
	struct fake *fake = *state;
	char *text;

	assert_int_equal(unlink(fake->path), 0);
	assert_int_equal(hf_status_json(fake->hf, &text), HF_INTERNAL);
	assert_non_null(strstr(hf_error_text(fake->hf), "no service answers at "));
	assert_non_null(strstr(hf_error_remedy(fake->hf), "Start holdfastd"));
}

static void test_no_socket(void **state)
{
	struct fake *fake = *state;
	char *text;
	int fd;

	assert_int_equal(unlink(fake->path), 0);
	fd = open(fake->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(hf_status_json(fake->hf, &text), HF_INTERNAL);
	assert_non_null(strstr(hf_error_text(fake->hf), "is no socket"));
}

/* Root may open anything, so the question is asked by somebody else. */
static void ask_denied(struct fake *fake, mode_t mode, const char *end, const char *remedy)
{
	int status = -1;
	pid_t pid;

	assert_int_equal(chmod(fake->folder, 0711), 0);
	assert_int_equal(chmod(fake->path, mode), 0);
	pid = fork();
	if (pid == 0) {
		const char *said;
		char *text;

		if (geteuid() == 0)
			fake_check(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
				   setresuid(65534, 65534, 65534) == 0);
		fake_check(hf_status_json(fake->hf, &text) == HF_FORBIDDEN);
		said = hf_error_text(fake->hf);
		fake_check(strlen(said) > strlen(end) &&
			   strcmp(said + strlen(said) - strlen(end), end) == 0);
		fake_check(strstr(hf_error_remedy(fake->hf), remedy) != NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_no_permission(void **state)
{
	const struct group *group;
	struct fake *fake = *state;
	char end[128];
	struct stat st;

	assert_int_equal(stat(fake->path, &st), 0);
	group = getgrgid(st.st_gid);
	if (group)
		(void)snprintf(end, sizeof(end), "members of group %s", group->gr_name);
	else
		(void)snprintf(end, sizeof(end), "members of group %u", (unsigned)st.st_gid);
	ask_denied(fake, 0020, end, "that group");
	ask_denied(fake, 0, fake->path, "or as root");
}

static int seal_once(struct hf *hf)
{
	void *blob;
	size_t len;
	int r = hf_seal(hf, "x", 1, &blob, &len);

	if (r == 0)
		hf_free(blob);
	return r;
}

/* Waits until the other end of a kept connection is gone. */
static void wait_for_close(const struct hf *hf)
{
	struct pollfd pollfd = {.fd = hf->conn.fd, .events = POLLIN};

	assert_true(hf->conn.fd >= 0);
	assert_int_equal(poll(&pollfd, 1, -1), 1);
}

static void test_closed_between_requests(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .then = CLOSE},
				     {.answer = JSON("201 x"), .body = "{}"}};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	wait_for_close(fake->hf);
	assert_int_equal(hf_key_create(fake->hf, "k", "ecc-p256", 0, NULL), 0);
	fake_served_all(fake);
}

static void test_lost_request_is_repeated(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED}, {.answer = NULL, .then = CLOSE}, {SEALED}};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	assert_int_equal(seal_once(fake->hf), 0);
	assert_string_equal(hf_error_text(fake->hf), "");
	fake_served_all(fake);
}

static void test_repeated_once_only(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{SEALED}, {.answer = NULL, .then = CLOSE}, {.answer = NULL, .then = CLOSE}};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	assert_int_equal(seal_once(fake->hf), HF_INTERNAL);
	assert_non_null(strstr(hf_error_text(fake->hf), "broke off"));
	fake_served_all(fake);
}

/* A key may have been made: the request must not be sent again. */
static void test_lost_creation_is_not_repeated(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED}, {.answer = NULL, .then = CLOSE}};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	assert_int_equal(hf_key_create(fake->hf, "k", "ecc-p256", 0, NULL), HF_INTERNAL);
	fake_served_all(fake);
}

/* .. but a request that never was whole on the other side may. */
static void test_creation_cut_short_is_repeated(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED},
				     {.then = CLOSE, .head_only = true},
				     {.answer = JSON("201 x"), .body = "{}"}};
	CLEANUP(buf_fini) struct buf big = BUF_INIT(BIG);

	assert_non_null(buf_grow(&big, BIG));
	memset(big.data, 'b', BIG);
	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	assert_int_equal(hf_secret_put(fake->hf, "s", big.data, BIG, HF_SECRET_CREATE), 0);
	fake_served_all(fake);
}

/* A refusal that comes while most of the request is still unsent is heard. */
static void test_early_answer(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = PROBLEM("413 x"),
		 .body = "{\"code\":\"too_large\",\"detail\":\"limit\"}",
		 .then = CLOSE,
		 .head_only = true},
		{SEALED},
	};
	CLEANUP(buf_fini) struct buf big = BUF_INIT(BIG);
	void *blob;
	size_t len;

	assert_non_null(buf_grow(&big, BIG));
	memset(big.data, 'b', BIG);
	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_seal(fake->hf, big.data, BIG, &blob, &len), HF_TOO_LARGE);
	assert_string_equal(hf_error_text(fake->hf), "limit");
	assert_int_equal(seal_once(fake->hf), 0);
	fake_served_all(fake);
}

static void test_connection_close_is_obeyed(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = OCTETS "Connection: close\r\n", .body = "blob", .then = LINGER},
		{.answer = OCTETS "Content-Length: 4\r\n\r\nblobsurplus", .then = LINGER},
		{SEALED},
	};
	size_t i;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(steps); i++)
		assert_int_equal(seal_once(fake->hf), 0);
	fake_served_all(fake);
}

/* The request of a forked child must come on a connection of its own. */
static void test_fork(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .then = CLOSE}, {SEALED}};
	int status = -1;
	pid_t pid;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), 0);
	pid = fork();
	if (pid == 0)
		_exit(seal_once(fake->hf) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fake_served_all(fake);
}

/* A daemon closes what it did not open itself: what it opens then is not the library's. */
static void test_descriptors_of_others(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .then = CLOSE}, {SEALED, .then = CLOSE}};
	int pair[2], old, i;
	char byte;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		if (i == 0)
			assert_int_equal(seal_once(fake->hf), 0);
		old = fake->hf->conn.fd;
		assert_true(old >= 0);
		assert_int_equal(dup3(pair[0], old, O_CLOEXEC), old);
		if (i == 0)
			assert_int_equal(seal_once(fake->hf), 0);
		else
			hf_close(TAKE(fake->hf));
		assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
		assert_int_equal(send(old, "x", 1, MSG_NOSIGNAL), 1);
		close(old);
		close(pair[0]);
		close(pair[1]);
	}
	fake_served_all(fake);
}

/* --- hostile answers --- */

static const struct step HOSTILE[] = {
	{.answer = "", .then = CLOSE},
	{.answer = "garbage\r\n", .then = LINGER},
	{.answer = OCTETS "Content-Length: 999\r\n\r\nblob", .then = CLOSE},
	{.answer = "HTTP/1.1 200 OK\r\nContent-Le", .then = CLOSE},
	{.answer = OCTETS "Content-Length: 5\r\n", .body = "blob", .then = LINGER},
	{.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nblob\r\n",
	 .then = CLOSE},
};

static void test_hostile(void **state)
{
	struct fake *fake = *state;
	size_t i;

	fake_serve(fake, HOSTILE, ARRAY_LEN(HOSTILE));
	for (i = 0; i < ARRAY_LEN(HOSTILE); i++) {
		assert_int_equal(seal_once(fake->hf), HF_INTERNAL);
		assert_int_equal(fake->hf->conn.fd, -1);
	}
	fake_served_all(fake);
}

static void test_hostile_sizes(void **state)
{
	struct fake *fake = *state;
	CLEANUP(buf_fini) struct buf huge = BUF_INIT(FAKE_REQUEST_MAX);
	struct step steps[] = {
		{.answer = OCTETS "Content-Length: 99999999999\r\n\r\n", .then = LINGER},
		{.answer = NULL, .then = LINGER},
	};

	buf_put_str(&huge, "HTTP/1.1 200 OK\r\n");
	while (huge.len <= HTTP_HEAD_MAX)
		buf_put_str(&huge, "X-Filler: 0123456789abcdef\r\n");
	buf_put_u8(&huge, '\0');
	steps[1].answer = (const char *)huge.data;
	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal_once(fake->hf), HF_TOO_LARGE);
	assert_int_equal(seal_once(fake->hf), HF_INTERNAL);
	fake_served_all(fake);
}

/* --- time --- */

static const struct step SLOW[] = {
	{.answer = NULL, .then = LINGER},
	{.answer = OCTETS "Content-Length: 60000\r\n\r\n", .then = DRIP},
	{.answer = "HTTP/1.1 200 OK\r\nX: ", .then = DRIP},
};

static void test_deadline(void **state)
{
	struct fake *fake = *state;
	size_t i;

	fake_serve(fake, SLOW, ARRAY_LEN(SLOW));
	hf_set_timeout_ms(fake->hf, 500);
	for (i = 0; i < ARRAY_LEN(SLOW); i++) {
		uint64_t before = clock_monotonic_us();

		assert_int_equal(seal_once(fake->hf), HF_TIMEOUT);
		assert_true(clock_monotonic_us() - before >= 500000u);
		assert_int_equal(fake->hf->conn.fd, -1);
	}
	fake_served_all(fake);
}

#define STARTING(wait)                                                                             \
	.answer = PROBLEM("503 x") "Retry-After: " wait "\r\n",                                    \
	.body = "{\"code\":\"starting\",\"detail\":\"not yet\"}"

static void test_starting_is_repeated(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{STARTING("0")},
		{STARTING("0"), .then = CLOSE},
		{.answer = JSON("201 x"), .body = "{}"},
	};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_key_create(fake->hf, "k", "ecc-p256", 0, NULL), 0);
	fake_served_all(fake);
}

static void test_starting_until_the_deadline(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{STARTING("1")}};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	hf_set_timeout_ms(fake->hf, 900);
	assert_int_equal(seal_once(fake->hf), HF_STARTING);
	assert_string_equal(hf_error_text(fake->hf), "not yet");
	fake_served_all(fake);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		WITH_FAKE(test_no_service),
		WITH_FAKE(test_no_permission),
		WITH_FAKE(test_no_socket),
		WITH_FAKE(test_closed_between_requests),
		WITH_FAKE(test_lost_request_is_repeated),
		WITH_FAKE(test_repeated_once_only),
		WITH_FAKE(test_lost_creation_is_not_repeated),
		WITH_FAKE(test_creation_cut_short_is_repeated),
		WITH_FAKE(test_early_answer),
		WITH_FAKE(test_connection_close_is_obeyed),
		WITH_FAKE(test_fork),
		WITH_FAKE(test_descriptors_of_others),
		WITH_FAKE(test_hostile),
		WITH_FAKE(test_hostile_sizes),
		WITH_FAKE(test_deadline),
		WITH_FAKE(test_starting_is_repeated),
		WITH_FAKE(test_starting_until_the_deadline),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
