/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the starter, a fork of a service that had no threads yet. Whoever asks may be
 * somebody who took that service over: a request that is not right in all its parts is dropped with
 * its descriptors. Nothing here waits for one child or one asker alone.
 *
 * The leash of a child is one end of a pair of sockets. On it goes out whether the child was
 * started and how it ended; whatever comes in, its end above all, is the wish to kill that child.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/pidfd.h"
#include "fapi/impl.h"

#define NAME	   "holdfast-start" /* what ps shows; the kernel keeps 15 bytes */
#define OWN_SOCKET (STDERR_FILENO + 1)
#define SECOND_US  UINT64_C(1000000)

static const char *const VERBS[] = {
	[FAPI_PROBE] = "probe", [FAPI_PROVISION] = "provision", [FAPI_SEAL] = "seal",
	[FAPI_LIST] = "list",	[FAPI_DELETE] = "delete",
};

struct kid {
	pid_t pid; /* also its session and process group; 0 = none */
	int ended; /* pidfd */
	int leash;
	uint64_t due_us; /* CLOCK_MONOTONIC; when it is killed */
	bool killed;	 /* .. so what else comes on the leash says nothing new */
};

struct serve {
	const char *program;
	char conf[PATH_MAX + 32]; /* of its environment */
	int socket;
	int parent; /* pidfd: who was taken over might have kept the other end of the socket open */
	uint64_t longest_us; /* that a child may take */
	struct kid kids[STARTER_CHILDREN];
};

/* --- a child --- */

/*
 * A session of its own, three pipes and no other descriptor, since all of ours close on exec. No
 * signal is blocked or ignored, as they are here. It dies with us, whenever that is.
 */
static bool prepare_kid(const int fds[static STARTER_FDS], pid_t starter)
{
	sigset_t none;
	int i;

	sigemptyset(&none);
	for (i = 1; i <= SIGRTMAX; i++)
		(void)signal(i, SIG_DFL);
	return setsid() >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
	       getppid() == starter && dup2(fds[STARTER_INPUT], STDIN_FILENO) >= 0 &&
	       dup2(fds[STARTER_OUT], STDOUT_FILENO) >= 0 &&
	       dup2(fds[STARTER_COMPLAINT], STDERR_FILENO) >= 0 &&
	       sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

static _Noreturn void be_kid(struct serve *serve, struct starter_request *request,
			     const int fds[static STARTER_FDS], pid_t starter, int tells)
{
	char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lang[] = "LANG=C";
	char log[] = "TSS2_LOG=all+NONE", verb[16], program[PATH_MAX];
	char *const environment[] = {serve->conf, path, lang, log, NULL};
	char *const arguments[] = {program, verb, request->path[0] ? request->path : NULL, NULL};
	int e = ENAMETOOLONG;

	(void)snprintf(verb, sizeof(verb), "%s", VERBS[request->verb]);
	if ((size_t)snprintf(program, sizeof(program), "%s", serve->program) < sizeof(program)) {
		if (prepare_kid(fds, starter))
			(void)execve(program, arguments, environment);
		e = errno;
	}
	(void)!write(tells, &e, sizeof(e));
	_exit(127);
}

/*
 * fork() rather than posix_spawn(): there are no threads, and only so can the child be tied to us
 * before it is another program. A number of errno, or 0 when it is.
 */
static int spawn(struct serve *serve, struct starter_request *request,
		 const int fds[static STARTER_FDS], pid_t *ret_pid)
{
	pid_t starter = getpid(), pid;
	int failed[2], e = 0;
	ssize_t n;

	if (pipe2(failed, O_CLOEXEC) < 0)
		return errno;
	pid = fork();
	if (pid == 0)
		be_kid(serve, request, fds, starter, failed[1]);
	if (pid < 0)
		e = errno;
	close(failed[1]);
	/* Ends when the other end is closed by execve(). */
	do {
		n = pid < 0 ? 0 : read(failed[0], &e, sizeof(e));
	} while (n < 0 && errno == EINTR);
	close(failed[0]);
	if (n != 0) {
		(void)waitpid(pid, NULL, 0);
		e = e != 0 ? e : ECHILD;
	}
	*ret_pid = e == 0 ? pid : 0;
	return e;
}

/* Before it is reaped its number, which is also that of its group, belongs to nobody else. */
static void kill_kid(struct kid *kid)
{
	(void)kill(-kid->pid, SIGKILL);
	kid->killed = true;
}

/* What came is taken off, since an end with unread bytes would take what was said with it. */
static void leash_moved(struct kid *kid)
{
	char byte;

	(void)!recv(kid->leash, &byte, sizeof(byte), MSG_DONTWAIT);
	kill_kid(kid);
}

/* One that was killed or has ended, so it is not waited for. */
static void reap_kid(struct kid *kid, struct child_end *ret_end)
{
	int status = 0;
	pid_t pid;

	do {
		pid = waitpid(kid->pid, &status, 0);
	} while (pid < 0 && errno == EINTR);
	*ret_end = (struct child_end){
		.exit_code = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = pid > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	};
	fd_close_cleanup(&kid->ended);
	*kid = (struct kid){.ended = -1, .leash = -1};
}

/* A leash that is none, or that nobody reads: false. It is never waited for. */
static bool tell(int leash, const struct starter_word *word)
{
	return send(leash, word, sizeof(*word), MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)sizeof(*word);
}

static void kid_ended(struct kid *kid)
{
	struct starter_word word = {.kind = STARTER_ENDED};
	int leash = kid->leash;

	/* And what it left behind, which may write a moment longer. */
	kill_kid(kid);
	reap_kid(kid, &word.end);
	(void)tell(leash, &word);
	fd_close_cleanup(&leash);
}

/* --- requests --- */

static struct kid *free_kid(struct serve *serve)
{
	size_t i;

	for (i = 0; i < STARTER_CHILDREN; i++)
		if (serve->kids[i].pid == 0)
			return &serve->kids[i];
	return NULL;
}

static bool request_ok(const struct starter_request *request)
{
	if (request->verb >= ARRAY_LEN(VERBS) ||
	    !memchr(request->path, '\0', sizeof(request->path)))
		return false;
	return starter_verb_has_path(request->verb) ? fapi_path_ok(request->path)
						    : request->path[0] == '\0';
}

/* Takes the leash from @fds when it went well. */
static int start(struct serve *serve, struct starter_request *request, int fds[static STARTER_FDS])
{
	struct kid *kid = free_kid(serve);
	struct child_end end;
	int e;

	if (!kid)
		return EAGAIN;
	e = spawn(serve, request, fds, &kid->pid);
	if (e != 0)
		return e;
	kid->ended = pidfd_of(kid->pid);
	if (kid->ended < 0) {
		e = errno;
		kill_kid(kid);
		reap_kid(kid, &end);
		return e;
	}
	kid->due_us = clock_monotonic_us() + serve->longest_us;
	kid->leash = fds[STARTER_LEASH];
	fds[STARTER_LEASH] = -1;
	if (!tell(kid->leash, &(struct starter_word){.kind = STARTER_STARTED}))
		kill_kid(kid);
	return 0;
}

/* Of those that came all are in @ret_fds, the others -1. */
static size_t take_fds(struct msghdr *message, int ret_fds[static STARTER_FDS])
{
	struct cmsghdr *head;
	size_t count = 0, i, here;
	int fd;

	for (i = 0; i < STARTER_FDS; i++)
		ret_fds[i] = -1;
	for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		here = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < here; i++) {
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
			if (count < STARTER_FDS)
				ret_fds[count] = fd;
			else
				close(fd);
			count++;
		}
	}
	return count;
}

/* False: nobody asks any more. An empty message is taken for that. */
static bool take_request(struct serve *serve)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(STARTER_FDS * sizeof(int))];
	} control = {.bytes = {0}};
	struct starter_request request;
	struct iovec text = {&request, sizeof(request)};
	struct msghdr message = {.msg_iov = &text,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct starter_word word = {.kind = STARTER_STARTED, .error = EINVAL};
	ssize_t n = recvmsg(serve->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fds[STARTER_FDS];
	size_t count, i;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	count = take_fds(&message, fds);
	if (count == STARTER_FDS && n == (ssize_t)sizeof(request) &&
	    !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && request_ok(&request))
		word.error = start(serve, &request, fds);
	/* One that was started was told so. */
	if (word.error != 0 && count == STARTER_FDS)
		(void)tell(fds[STARTER_LEASH], &word);
	for (i = 0; i < STARTER_FDS; i++)
		fd_close_cleanup(&fds[i]);
	return n > 0;
}

/* --- the process --- */

/* Whoever asked has a deadline of his own; who took his place may have forgotten it. */
static void end_late(struct serve *serve)
{
	uint64_t now = clock_monotonic_us();
	size_t i;

	for (i = 0; i < STARTER_CHILDREN; i++) {
		struct kid *kid = &serve->kids[i];

		if (kid->pid > 0 && !kid->killed && kid->due_us <= now)
			kill_kid(kid);
	}
}

/* Milliseconds until there is a late one; -1 = nobody can be late. */
static int patience(const struct serve *serve)
{
	uint64_t now = clock_monotonic_us(), due_us = UINT64_MAX;
	size_t i;

	for (i = 0; i < STARTER_CHILDREN; i++) {
		const struct kid *kid = &serve->kids[i];

		if (kid->pid > 0 && !kid->killed && kid->due_us < due_us)
			due_us = kid->due_us;
	}
	if (due_us == UINT64_MAX)
		return -1;
	return due_us > now ? (int)((due_us - now) / 1000 + 1) : 0;
}

/* False: it is to end. */
static bool turn(struct serve *serve)
{
	enum { SOCKET, PARENT, KIDS };
	struct pollfd fds[KIDS + 2 * STARTER_CHILDREN];
	size_t i;

	fds[SOCKET] = (struct pollfd){.fd = serve->socket, .events = POLLIN};
	fds[PARENT] = (struct pollfd){.fd = serve->parent, .events = POLLIN};
	for (i = 0; i < STARTER_CHILDREN; i++) {
		const struct kid *kid = &serve->kids[i];

		fds[KIDS + 2 * i] = (struct pollfd){.fd = kid->ended, .events = POLLIN};
		fds[KIDS + 2 * i + 1] =
			(struct pollfd){.fd = kid->killed ? -1 : kid->leash, .events = POLLIN};
	}
	if (poll(fds, ARRAY_LEN(fds), patience(serve)) < 0)
		return errno == EINTR;
	end_late(serve);
	for (i = 0; i < STARTER_CHILDREN; i++) {
		if (fds[KIDS + 2 * i].revents != 0)
			kid_ended(&serve->kids[i]);
		else if (fds[KIDS + 2 * i + 1].revents != 0)
			leash_moved(&serve->kids[i]);
	}
	if (fds[PARENT].revents != 0)
		return false;
	return fds[SOCKET].revents == 0 || take_request(serve);
}

static void end_all(struct serve *serve)
{
	struct child_end end;
	size_t i;

	for (i = 0; i < STARTER_CHILDREN; i++)
		if (serve->kids[i].pid > 0)
			kill_kid(&serve->kids[i]);
	for (i = 0; i < STARTER_CHILDREN; i++)
		if (serve->kids[i].pid > 0)
			reap_kid(&serve->kids[i], &end);
}

/* Its socket, the way to complain, and nothing else of the service. Standard ones may be absent. */
static int keep_socket(int socket)
{
	int high = fcntl(socket, F_DUPFD_CLOEXEC, OWN_SOCKET + 1);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd;

	if (high < 0 || null < 0)
		return -1;
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if ((fd != STDERR_FILENO || fcntl(fd, F_GETFD) < 0) && dup2(null, fd) < 0)
			return -1;
	if (dup3(high, OWN_SOCKET, O_CLOEXEC) < 0)
		return -1;
	closefrom(OWN_SOCKET + 1);
	return 0;
}

/* A signal to all of a terminal or of a unit is for the service, which ends this process. */
static void hold_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would leave nothing to wait for */
}

static int prepare(struct serve *serve, const struct starter_plan *plan, int socket, pid_t parent,
		   struct err *err)
{
	size_t i;

	for (i = 0; i < STARTER_CHILDREN; i++)
		serve->kids[i] = (struct kid){.ended = -1, .leash = -1};
	hold_signals();
	(void)prctl(PR_SET_NAME, NAME, 0, 0, 0);
	if ((size_t)snprintf(serve->conf, sizeof(serve->conf), "TSS2_FAPICONF=%s/" FAPI_CONFIG,
			     plan->folder) >= sizeof(serve->conf))
		return err_set(err, ERR_INVALID, "the path of its folder is too long");
	if (keep_socket(socket) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot prepare its descriptors");
	serve->socket = OWN_SOCKET;
	/* Where a sandbox refuses the one the other does nearly as well: it kills without a word.
	 */
	serve->parent = pidfd_of(parent);
	if (serve->parent < 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot watch who began it");
	if (getppid() != parent)
		return err_set(err, ERR_INTERNAL, "who began it is gone");
	return plan->confine ? plan->confine(plan->arg, err) : 0;
}

_Noreturn void starter_serve(const struct starter_plan *plan, int socket, pid_t parent)
{
	struct serve serve = {.program = plan->program,
			      .socket = socket,
			      .parent = -1,
			      .longest_us = plan->longest_s * SECOND_US};
	struct starter_report report = {.code = 0};
	struct err err = {0};

	report.code = prepare(&serve, plan, socket, parent, &err);
	if (report.code < 0)
		(void)snprintf(report.text, sizeof(report.text), "%s", err.text);
	if (send(serve.socket, &report, sizeof(report), MSG_NOSIGNAL) != (ssize_t)sizeof(report) ||
	    report.code < 0)
		_exit(1);
	/* From here on next to nothing is allocated; what the confinement took goes back. */
	(void)malloc_trim(0);
	while (turn(&serve))
		continue;
	end_all(&serve);
	_exit(0);
}
