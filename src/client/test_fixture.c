/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted service of the library's tests. */
#include "client/test_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#define ALARM_S 20u

int fake_setup(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct fake *fake = calloc(1, sizeof(*fake));
	const char *temp = getenv("TMPDIR");

	assert_non_null(fake);
	if (!temp || strlen(temp) > 32)
		temp = "/tmp";
	(void)snprintf(fake->folder, sizeof(fake->folder), "%s/hf-client-XXXXXX", temp);
	assert_non_null(mkdtemp(fake->folder));
	(void)snprintf(fake->path, sizeof(fake->path), "%s/sock", fake->folder);
	memcpy(address.sun_path, fake->path, strlen(fake->path) + 1);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fake->listener >= 0);
	assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fake->listener, 8), 0);
	fake->log = memfd_create("requests", MFD_CLOEXEC);
	assert_true(fake->log >= 0);
	assert_int_equal(hf_open(fake->path, &fake->hf), 0);
	hf_set_timeout_ms(fake->hf, ALARM_S * 1000u);
	*state = fake;
	return 0;
}

int fake_teardown(void **state)
{
	struct fake *fake = *state;

	hf_close(fake->hf);
	if (fake->child > 0) {
		(void)kill(fake->child, SIGKILL);
		(void)waitpid(fake->child, NULL, 0);
	}
	close(fake->listener);
	close(fake->log);
	(void)unlink(fake->path);
	(void)rmdir(fake->folder);
	free(fake);
	return 0;
}

void fake_check(bool good)
{
	if (!good)
		_exit(1);
}

/* The length of the body that the request's head announces. */
static size_t announced(const char *head)
{
	const char *field = strstr(head, "Content-Length: ");

	return field ? strtoul(field + strlen("Content-Length: "), NULL, 10) : 0;
}

/* Reads one request; false when the connection ended before its first byte. */
static bool child_read(const struct fake *fake, int fd, bool head_only)
{
	static char bytes[FAKE_REQUEST_MAX + 1];
	size_t len = 0, want = SIZE_MAX;
	ssize_t n;

	while (len < want) {
		/* Byte by byte through the head, so that its body can be left unread. */
		n = read(fd, bytes + len, want == SIZE_MAX ? 1 : want - len);
		if (n == 0 && len == 0)
			return false;
		fake_check(n > 0);
		len += (size_t)n;
		bytes[len] = '\0';
		if (want == SIZE_MAX && len >= 4 && strcmp(bytes + len - 4, "\r\n\r\n") == 0)
			want = len + (head_only ? 0 : announced(bytes));
		fake_check(len < FAKE_REQUEST_MAX && (want == SIZE_MAX || want < FAKE_REQUEST_MAX));
	}
	fake_check(write(fake->log, bytes, len) == (ssize_t)len);
	return true;
}

static void child_answer(int fd, const struct step *step)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(FAKE_REQUEST_MAX);
	size_t at, n;

	buf_put_str(&bytes, step->answer);
	if (step->body)
		buf_printf(&bytes, "Content-Length: %zu\r\n\r\n%s", strlen(step->body), step->body);
	for (at = 0; at < bytes.len; at += n) {
		n = bytes.len - at;
		if (step->piece > 0 && n > step->piece)
			n = step->piece;
		fake_check(send(fd, bytes.data + at, n, MSG_NOSIGNAL) == (ssize_t)n);
	}
}

static void child_end(int fd, enum then then)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN | POLLRDHUP};

	while (then == DRIP && poll(&pollfd, 1, 1) == 0)
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	if (then == LINGER)
		(void)poll(&pollfd, 1, -1);
	close(fd);
}

static void child_run(const struct fake *fake, const struct step *steps, size_t count)
{
	int fd = -1;
	size_t i;

	alarm(ALARM_S);
	for (i = 0; i < count; i++) {
		if (fd < 0)
			fd = accept(fake->listener, NULL, NULL);
		fake_check(fd >= 0);
		fake_check(child_read(fake, fd, steps[i].head_only));
		if (steps[i].answer)
			child_answer(fd, &steps[i]);
		if (steps[i].then == KEEP)
			continue;
		child_end(fd, steps[i].then);
		fd = -1;
	}
	_exit(0);
}

void fake_serve(struct fake *fake, const struct step *steps, size_t count)
{
	fake->child = fork();
	assert_true(fake->child >= 0);
	if (fake->child == 0)
		child_run(fake, steps, count);
}

void fake_served(struct fake *fake, struct buf *ret_log)
{
	int status = -1;
	off_t len;

	hf_close(TAKE(fake->hf));
	assert_int_equal(waitpid(fake->child, &status, 0), fake->child);
	fake->child = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	len = lseek(fake->log, 0, SEEK_END);
	assert_true(len >= 0);
	if (len > 0)
		assert_int_equal(pread(fake->log, buf_grow(ret_log, (size_t)len), (size_t)len, 0),
				 len);
	buf_put_u8(ret_log, '\0');
	assert_true(buf_ok(ret_log));
}

void fake_served_all(struct fake *fake)
{
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);

	fake_served(fake, &log);
}
