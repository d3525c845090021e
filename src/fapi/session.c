/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: the helper, and a loop of its own that reads its pipes until it has ended, the deadline
 * has passed or somebody wants it to stop. Only the helper's own end is waited for, never that of
 * its pipes, which a child of it may hold open.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "base/secret.h"
#include "fapi/impl.h"

#define CHUNK 4096u

enum why { ENDED, LATE, STOPPED, TALKATIVE };

struct session {
	struct loop *loop;
	struct child child;
	struct loop_fd *out_watch;
	struct loop_fd *complaint_watch;
	struct buf out;
	struct buf complaint;
	enum why why; /* the loop stopped */
};

static void stop(struct session *session, enum why why)
{
	session->why = why;
	loop_stop(session->loop);
}

/* What the helper writes. 1: there may be more, 0: not now, -1: never again. */
static int read_some(int fd, struct buf *kept)
{
	uint8_t chunk[CHUNK];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -1;
	buf_put(kept, slice_of(chunk, (size_t)n));
	wipe(chunk, (size_t)n);
	return n > 0 ? 1 : -1;
}

/* Of the complaint its beginning is kept; the rest is read, so that the helper can go on. */
static int read_complaint(struct session *session)
{
	struct buf chunk = BUF_INIT(CHUNK);
	size_t room = session->complaint.max - session->complaint.len;
	int r = read_some(session->child.complaint, &chunk);

	buf_put(&session->complaint, slice_of(chunk.data, chunk.len < room ? chunk.len : room));
	buf_fini(&chunk);
	return r;
}

static void out_ready(void *arg, uint32_t events)
{
	struct session *session = arg;
	int r = read_some(session->child.out, &session->out);

	(void)events;
	if (!buf_ok(&session->out))
		stop(session, TALKATIVE);
	else if (r < 0)
		loop_unwatch(TAKE(session->out_watch));
}

static void complaint_ready(void *arg, uint32_t events)
{
	struct session *session = arg;

	(void)events;
	if (read_complaint(session) < 0)
		loop_unwatch(TAKE(session->complaint_watch));
}

static void child_ended(void *arg, uint32_t events)
{
	(void)events;
	stop(arg, ENDED);
}

static void stop_wanted(void *arg, uint32_t events)
{
	(void)events;
	stop(arg, STOPPED);
}

static void deadline_passed(void *arg)
{
	stop(arg, LATE);
}

static int watch_child(struct session *session, struct err *err)
{
	struct loop_fd *watch;
	int r = loop_watch(session->loop, session->child.leash, EPOLLIN, child_ended, session,
			   &watch, err);

	if (r == 0)
		r = loop_watch(session->loop, session->child.out, EPOLLIN, out_ready, session,
			       &session->out_watch, err);
	if (r == 0)
		r = loop_watch(session->loop, session->child.complaint, EPOLLIN, complaint_ready,
			       session, &session->complaint_watch, err);
	return r;
}

/* Reads until there is a reason to end. */
static int run(struct session *session, const struct fapi_request *request, struct err *err)
{
	uint64_t now = clock_monotonic_us();
	uint64_t left = request->deadline_us > now ? request->deadline_us - now : 0;
	struct loop_timer deadline;
	struct loop_fd *watch;
	int r = watch_child(session, err);

	if (r == 0 && request->stop_fd > 0)
		r = loop_watch(session->loop, request->stop_fd, EPOLLIN, stop_wanted, session,
			       &watch, err);
	loop_timer_init(&deadline, session->loop, deadline_passed, session);
	if (r == 0)
		r = loop_timer_set(&deadline, left, err);
	if (r == 0)
		r = loop_run(session->loop, err);
	loop_timer_clear(&deadline);
	return r;
}

/*
 * After the helper's end its whole group is killed, so that nobody writes any more, and what lies
 * in the pipes is read. A helper that ended just in time counts as such.
 */
static int end(struct session *session, struct child_end *ret_end, struct err *err)
{
	if (session->why != TALKATIVE && child_has_ended(&session->child))
		session->why = ENDED;
	child_kill(&session->child);
	while (session->why == ENDED && buf_ok(&session->out) &&
	       read_some(session->child.out, &session->out) > 0)
		continue;
	while (session->why == ENDED && session->complaint.len < session->complaint.max &&
	       read_complaint(session) > 0)
		continue;
	if (!buf_ok(&session->out))
		session->why = TALKATIVE;
	return child_reap(&session->child, ret_end, err);
}

static int judge(struct session *session, struct err *err)
{
	struct child_end child_end;
	int r = end(session, &child_end, err);

	if (r < 0)
		return r;
	switch (session->why) {
	case LATE:
		return err_set(err, ERR_TIMEOUT, "holdfast-fapi did not end in time");
	case STOPPED:
		return err_set(err, ERR_TIMEOUT, "cancelled");
	case TALKATIVE:
		return err_set(err, ERR_INTERNAL, "holdfast-fapi answered more than %u bytes",
			       FAPI_ANSWER_MAX);
	case ENDED:
		break;
	}
	return answer_judge(&child_end, buf_slice(&session->out), buf_slice(&session->complaint),
			    err);
}

static void session_fini(struct session *session)
{
	child_fini(&session->child);
	buf_fini(&session->out);
	buf_fini(&session->complaint);
}

int fapi_run(const struct fapi_place *place, const struct fapi_request *request,
	     struct buf *ret_json, struct err *err)
{
	CLEANUP(loop_cleanup) struct loop *loop = NULL;
	CLEANUP(session_fini)
	struct session session = {.child = CHILD_NONE,
				  .out = BUF_INIT(FAPI_ANSWER_MAX),
				  .complaint = BUF_INIT(FAPI_COMPLAINT_MAX)};
	int r = loop_new(&loop, err);

	if (r == 0)
		r = child_start(place, request, &session.child, err);
	session.loop = loop;
	if (r == 0)
		r = run(&session, request, err);
	if (r == 0)
		r = judge(&session, err);
	if (r == 0 && (!buf_ok(ret_json) || session.out.len > ret_json->max - ret_json->len))
		r = err_set(err, ERR_TOO_LARGE, "the answer of holdfast-fapi is too large");
	if (r == 0)
		buf_put(ret_json, buf_slice(&session.out));
	return r;
}
