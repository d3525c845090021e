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

static bool ends_in(const char *bytes, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && memcmp(bytes + len - end_len, end, end_len) == 0;
}

/* Byte by byte, so that what comes behind can be left unread. False at once when there is none. */
static bool read_until(int fd, char *bytes, size_t *len, const char *end)
{
	size_t start = *len;

	while (*len == start || !ends_in(bytes, *len, end)) {
		fake_check(*len < FAKE_REQUEST_MAX);
		if (read(fd, bytes + *len, 1) != 1) {
			fake_check(*len == 0);
			return false;
		}
		++*len;
	}
	bytes[*len] = '\0';
	return true;
}

static void read_all(int fd, char *bytes, size_t len)
{
	ssize_t n;

	for (; len > 0; bytes += n, len -= (size_t)n) {
		n = read(fd, bytes, len);
		fake_check(n > 0);
	}
}

/* The log gets a chunked body as it came. */
static void read_chunks(int fd, char *bytes, size_t *len)
{
	size_t start, size;

	do {
		start = *len;
		(void)read_until(fd, bytes, len, "\r\n");
		size = strtoul(bytes + start, NULL, 16) + 2;
		fake_check(size < FAKE_REQUEST_MAX - *len);
		read_all(fd, bytes + *len, size);
		*len += size;
		fake_check(ends_in(bytes, *len, "\r\n"));
	} while (size > 2);
}

/* Reads one request; false when the connection ended before its first byte. */
static bool child_read(const struct fake *fake, int fd, const struct step *step)
{
	static const char GO_ON[] = "HTTP/1.1 100 Continue\r\n\r\n";
	static char bytes[FAKE_REQUEST_MAX + 1];
	size_t len = 0, size;

	if (!read_until(fd, bytes, &len, "\r\n\r\n"))
		return false;
	if ((!step->head_only || step->then == DRAIN) && !step->silent &&
	    strstr(bytes, "\r\nExpect: 100-continue\r\n"))
		fake_check(write(fd, GO_ON, sizeof(GO_ON) - 1) == (ssize_t)sizeof(GO_ON) - 1);
	size = announced(bytes);
	fake_check(size < FAKE_REQUEST_MAX - len);
	if (!step->head_only && strstr(bytes, "\r\nTransfer-Encoding: chunked\r\n")) {
		read_chunks(fd, bytes, &len);
	} else if (!step->head_only) {
		read_all(fd, bytes + len, size);
		len += size;
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
	char piece[4096];

	while (then == DRIP && poll(&pollfd, 1, 1) == 0)
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	if (then == LINGER)
		(void)poll(&pollfd, 1, -1);
	while (then == DRAIN && read(fd, piece, sizeof(piece)) > 0)
		;
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
		fake_check(child_read(fake, fd, &steps[i]));
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
