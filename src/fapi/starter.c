/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's side of it. What it says of a child comes on that child's leash, so that several
 * threads may ask at once and none takes the answer of another.
 */
#include "fapi/starter.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fapi/impl.h"

#define END_MS 5000 /* what it starts is killed, so it ends at once */

/* By restarting the service: it cannot begin another one, since it starts nothing any more. */
#define GONE_REMEDY "Restart holdfastd."

int starter_gone(int errnum, struct err *err)
{
	err_set_errno(err, ERR_INTERNAL, errnum, "the process that starts holdfast-fapi is gone");
	return err_add_remedy(err, GONE_REMEDY);
}

static int hear_report(int socket, struct err *err)
{
	struct starter_report report;
	ssize_t n;

	do {
		n = recv(socket, &report, sizeof(report), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(report))
		return starter_gone(n < 0 ? errno : EPIPE, err);
	if (report.code == 0)
		return 0;
	report.text[sizeof(report.text) - 1] = '\0';
	return err_set(err, report.code, "%s", report.text);
}

/* It ended by itself, or does so when @socket is closed. */
static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

int starter_begin(const struct starter_plan *plan, struct starter **ret_starter, struct err *err)
{
	CLEANUP(mem_free_cleanup) struct starter *starter = calloc(1, sizeof(*starter));
	CLEANUP(fd_close_cleanup) int theirs = -1;
	pid_t parent = getpid();
	int fds[2], r;

	if (!starter)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a pair of sockets");
	starter->socket = fds[0];
	theirs = fds[1];
	starter->pid = fork();
	if (starter->pid == 0)
		starter_serve(plan, theirs, parent);
	if (starter->pid < 0) {
		r = err_set_errno(err, ERR_INTERNAL, errno, "cannot make a process");
		close(starter->socket);
		return r;
	}
	close(theirs);
	theirs = -1;
	r = hear_report(starter->socket, err);
	if (r < 0) {
		close(starter->socket);
		reap(starter->pid);
		return err_wrap(err, "the starter of holdfast-fapi");
	}
	*ret_starter = TAKE(starter);
	return 0;
}

/* Behind its report it sends nothing: its socket has something to say when it ends. */
static bool ends_within(const struct starter *starter, int ms)
{
	struct pollfd gone = {.fd = starter->socket, .events = POLLIN};

	return poll(&gone, 1, ms) == 1;
}

int starter_check(const struct starter *starter, struct err *err)
{
	return starter && ends_within(starter, 0) ? starter_gone(EPIPE, err) : 0;
}

int starter_end(const struct starter *starter)
{
	return starter->socket;
}

void starter_free(struct starter *starter)
{
	if (!starter)
		return;
	(void)shutdown(starter->socket, SHUT_WR);
	/* Refused to a service that is confined; then who started the service reaps it. */
	if (ends_within(starter, END_MS))
		reap(starter->pid);
	close(starter->socket);
	free(starter);
}

int starter_ask(const struct starter *starter, enum fapi_verb verb, const char *path,
		const int fds[static STARTER_FDS], struct err *err)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(STARTER_FDS * sizeof(int))];
	} control = {.bytes = {0}};
	struct starter_request request = {.verb = (uint32_t)verb};
	struct iovec text = {&request, sizeof(request)};
	struct msghdr message = {.msg_iov = &text,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	ssize_t n;

	(void)snprintf(request.path, sizeof(request.path), "%s", path ? path : "");
	control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
					.cmsg_type = SCM_RIGHTS,
					.cmsg_len = CMSG_LEN(STARTER_FDS * sizeof(int))};
	memcpy(CMSG_DATA(&control.head), fds, STARTER_FDS * sizeof(int));
	do {
		n = sendmsg(starter->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return err_set(err, ERR_TIMEOUT, "the starter of holdfast-fapi does not listen");
	return n == (ssize_t)sizeof(request) ? 0 : starter_gone(n < 0 ? errno : EMSGSIZE, err);
}
