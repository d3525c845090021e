/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's side of a helper that runs: its pipes and its leash. The starter starts it, which
 * also kills and reaps it. What the helper is to read is so short that the pipe takes it before the
 * helper exists, so nothing waits for a helper that does not read, and the starter never sees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fapi/impl.h"

#define REAP_US 2000000u /* from the kill to the word of it; who waits has a little more */

#define PROGRAM_REMEDY                                                                             \
	"Install the package holdfast-fapi, or write probe = false into the section fapi of the "  \
	"configuration."

/* A confined daemon may start the file that was there when it began. */
#define ACCESS_REMEDY                                                                              \
	"Restart holdfastd, if the program or the C library was replaced since it started; else "  \
	"let its user execute the program."

/* The ends of the three pipes: ours in struct child, but for the input's. */
struct pipes {
	int input_read;
	int input_write;
	int out_write;
	int complaint_write;
};

static void pipes_fini(struct pipes *pipes)
{
	fd_close_cleanup(&pipes->input_read);
	fd_close_cleanup(&pipes->input_write);
	fd_close_cleanup(&pipes->out_write);
	fd_close_cleanup(&pipes->complaint_write);
}

static int check_request(const struct fapi_request *request, struct err *err)
{
	bool with_data = request->verb == FAPI_SEAL;

	/* As the starter judges it. */
	if (starter_verb_has_path(request->verb) &&
	    (!request->path || !fapi_path_ok(request->path) ||
	     strlen(request->path) >= FAPI_PATH_MAX))
		return err_set(err, ERR_INVALID, "not a path of a FAPI object");
	if (with_data && (request->data.len < 1 || request->data.len > FAPI_DATA_MAX))
		return err_set(err, ERR_INVALID, "FAPI seals 1 to %u bytes", FAPI_DATA_MAX);
	return 0;
}

static int open_pipe(int *ret_read, int *ret_write, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int open_pipes(struct pipes *pipes, struct child *child, struct err *err)
{
	int r = open_pipe(&pipes->input_read, &pipes->input_write, err);

	if (r == 0)
		r = open_pipe(&child->out, &pipes->out_write, err);
	if (r == 0)
		r = open_pipe(&child->complaint, &pipes->complaint_write, err);
	if (r < 0)
		return r;
	/* Of our ends only: the two ends of a pipe are not one open file. */
	if (fcntl(child->out, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(child->complaint, F_SETFL, O_NONBLOCK) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot prepare a pipe");
	return 0;
}

static int put_input(struct pipes *pipes, const struct fapi_request *request, struct err *err)
{
	struct slice data = request->verb == FAPI_SEAL ? request->data : slice_of(NULL, 0);

	/* An empty pipe takes up to PIPE_BUF bytes at once (pipe(7)). */
	if (data.len > 0 && write(pipes->input_write, data.data, data.len) != (ssize_t)data.len)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot hand over the data");
	close(pipes->input_write);
	pipes->input_write = -1;
	return 0;
}

static int not_started(int errnum, struct err *err)
{
	if (errnum != ENOENT && errnum != ENOTDIR && errnum != EACCES && errnum != ENOEXEC)
		return err_set_errno(err, ERR_INTERNAL, errnum, "cannot start holdfast-fapi");
	err_set_errno(err, ERR_NOT_SUPPORTED, errnum,
		      errnum == EACCES ? "the program holdfast-fapi may not be started"
				       : "the program holdfast-fapi is not there");
	return err_add_remedy(err, errnum == EACCES ? ACCESS_REMEDY : PROGRAM_REMEDY);
}

/* --- what the starter says --- */

enum heard { HEARD, LATE, STOPPED, GONE };

/*
 * The next word on the leash that is of this @kind; a leash that ends never says any. @stop_fd: 0 =
 * none, else its being readable ends the wait.
 */
static enum heard hear(int leash, uint32_t kind, uint64_t until_us, int stop_fd,
		       struct starter_word *ret_word)
{
	struct pollfd fds[] = {{.fd = leash, .events = POLLIN},
			       {.fd = stop_fd > 0 ? stop_fd : -1, .events = POLLIN}};
	uint64_t now = clock_monotonic_us(), left;
	ssize_t n;
	int r;

	for (;; now = clock_monotonic_us()) {
		left = until_us > now ? (until_us - now) / 1000u + 1 : 0;
		r = poll(fds, ARRAY_LEN(fds), left < INT_MAX ? (int)left : INT_MAX);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? GONE : LATE;
		if (fds[0].revents == 0)
			return STOPPED;
		n = recv(leash, ret_word, sizeof(*ret_word), MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n != (ssize_t)sizeof(*ret_word))
			return GONE;
		if (ret_word->kind == kind)
			return HEARD;
	}
}

static int ask(const struct fapi_place *place, const struct fapi_request *request,
	       const struct pipes *pipes, struct child *child, struct err *err)
{
	CLEANUP(fd_close_cleanup) int theirs = -1;
	int fds[STARTER_FDS] = {
		[STARTER_INPUT] = pipes->input_read,
		[STARTER_OUT] = pipes->out_write,
		[STARTER_COMPLAINT] = pipes->complaint_write,
	};
	int leash[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, leash) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a pair of sockets");
	child->leash = leash[0];
	fds[STARTER_LEASH] = theirs = leash[1];
	return starter_ask(place->starter, request->verb,
			   starter_verb_has_path(request->verb) ? request->path : NULL, fds, err);
}

/* Whether it runs. One that was asked for and not heard of is killed by child_fini(). */
static int hear_start(struct child *child, const struct fapi_request *request, struct err *err)
{
	struct starter_word word;

	switch (hear(child->leash, STARTER_STARTED, request->deadline_us, request->stop_fd,
		     &word)) {
	case STOPPED:
		return err_set(err, ERR_TIMEOUT, "cancelled");
	case LATE:
		return err_set(err, ERR_TIMEOUT, "holdfast-fapi did not start in time");
	case GONE:
		child->running = false;
		return starter_gone(EPIPE, err);
	case HEARD:
		break;
	}
	child->running = word.error == 0;
	return word.error == 0 ? 0 : not_started(word.error, err);
}

int child_start(const struct fapi_place *place, const struct fapi_request *request,
		struct child *ret_child, struct err *err)
{
	CLEANUP(pipes_fini) struct pipes pipes = {-1, -1, -1, -1};
	CLEANUP(child_fini) struct child child = CHILD_NONE;
	int r = check_request(request, err);

	if (r < 0)
		return r;
	/* One that came later is not executed, as one that was replaced is not. */
	if (!place->starter)
		return not_started(access(place->program, F_OK) == 0 ? EACCES : ENOENT, err);
	r = open_pipes(&pipes, &child, err);
	if (r == 0)
		r = put_input(&pipes, request, err);
	if (r == 0)
		r = ask(place, request, &pipes, &child, err);
	if (r < 0)
		return r;
	child.running = true;
	r = hear_start(&child, request, err);
	if (r < 0)
		return r;
	*ret_child = child;
	child = (struct child)CHILD_NONE;
	return 0;
}

bool child_has_ended(const struct child *child)
{
	struct pollfd ended = {.fd = child->leash, .events = POLLIN};

	return poll(&ended, 1, 0) == 1;
}

/* The starter kills it, and has killed what is left of one that has ended. */
void child_kill(const struct child *child)
{
	if (child->running)
		(void)shutdown(child->leash, SHUT_WR);
}

int child_reap(struct child *child, struct child_end *ret_end, struct err *err)
{
	struct starter_word word;
	enum heard heard =
		hear(child->leash, STARTER_ENDED, clock_monotonic_us() + REAP_US, 0, &word);

	child->running = false;
	if (heard == GONE)
		return starter_gone(EPIPE, err);
	if (heard != HEARD)
		return err_set(err, ERR_INTERNAL, "nobody knows how holdfast-fapi ended");
	*ret_end = word.end;
	return 0;
}

void child_fini(struct child *child)
{
	struct child_end end;
	struct err err;

	child_kill(child);
	if (child->running)
		(void)!child_reap(child, &end, &err);
	fd_close_cleanup(&child->leash);
	fd_close_cleanup(&child->out);
	fd_close_cleanup(&child->complaint);
	*child = (struct child)CHILD_NONE;
}
