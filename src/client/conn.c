/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending and reading share one loop around poll(), so that a service that answers early (an
 * error, say) is heard while the rest of a long request is still on its way, and neither side can
 * wait for the other for ever.
 */
#include "client/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/loop.h"
#include "base/mem.h"
#include "base/secret.h"
#include "client/group.h"

#define READ_SIZE	16384u
#define GROUP_NAME_SIZE 64u

_Static_assert(CONN_PATH_MAX + 1 == sizeof(((struct sockaddr_un *)NULL)->sun_path),
	       "the longest path fits with its NUL");

static const char REMEDY_GROUP[] =
	"Become a member of that group (usermod -aG GROUP USER, then log in again), or ask root to "
	"run it.";
static const char REMEDY_DENIED[] = "Run it as a user who may open the socket, or as root.";
static const char REMEDY_ABSENT[] =
	"Start holdfastd, or name its socket with --socket or HOLDFAST_SOCKET.";
static const char REMEDY_OTHER[] = "Name the socket of holdfastd with --socket or HOLDFAST_SOCKET.";
static const char REMEDY_BROKEN[] =
	"Look whether holdfastd still runs and what it logged, then repeat.";

static int timed_out(struct err *err)
{
	return err_set(err, ERR_TIMEOUT, "the service did not answer in time");
}

/* --- connecting --- */

/* The group that may use the socket; false when none may, or it cannot be found out. */
static bool group_of(const char *path, char *name, size_t name_size)
{
	struct stat st;

	if (stat(path, &st) < 0 || !(st.st_mode & S_IWGRP))
		return false;
	group_name(st.st_gid, name, name_size);
	return true;
}

static int denied(const char *path, int errnum, struct err *err)
{
	char group[GROUP_NAME_SIZE];

	if (!group_of(path, group, sizeof(group))) {
		(void)err_set_errno(err, ERR_FORBIDDEN, errnum, "no permission to open %s", path);
		return err_add_remedy(err, REMEDY_DENIED);
	}
	(void)err_set_errno(err, ERR_FORBIDDEN, errnum,
			    "no permission to open %s: it is for members of group %s", path, group);
	return err_add_remedy(err, REMEDY_GROUP);
}

static int absent(const char *path, int errnum, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		(void)err_set_errno(err, ERR_INTERNAL, errnum, "%s is no socket", path);
		return err_add_remedy(err, REMEDY_OTHER);
	}
	(void)err_set_errno(err, ERR_INTERNAL, errnum, "no service answers at %s", path);
	return err_add_remedy(err, REMEDY_ABSENT);
}

static int connect_error(const char *path, int errnum, struct err *err)
{
	switch (errnum) {
	case EAGAIN:
		return timed_out(err);
	case EACCES:
	case EPERM:
		return denied(path, errnum, err);
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		return absent(path, errnum, err);
	default:
		(void)err_set_errno(err, ERR_INTERNAL, errnum, "cannot connect to %s: %s", path,
				    strerrordesc_np(errnum));
		return err_add_remedy(err, REMEDY_ABSENT);
	}
}

/*
 * Connecting to a Unix socket only waits while the queue of the listener is full, and does not
 * wait at all on a descriptor that does not block; the time to send bounds the wait.
 */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline)
{
	uint64_t now;
	struct timeval left;
	int r;

	do {
		now = clock_monotonic_us();
		if (now >= deadline)
			return EAGAIN;
		left.tv_sec = (time_t)((deadline - now) / 1000000u);
		left.tv_usec = (suseconds_t)((deadline - now) % 1000000u);
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof(left)) < 0)
			return errno;
		r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	} while (r < 0 && errno == EINTR);
	return r < 0 ? errno : 0;
}

int conn_open(struct conn *conn, const char *path, uint64_t deadline, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct stat st;
	int r;

	if (strlen(path) > CONN_PATH_MAX)
		return err_set(err, ERR_INVALID, "the path of the socket is too long");
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a socket");
	r = connect_until(fd, &address, deadline);
	if (r != 0)
		return connect_error(path, r, err);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot set up the socket");
	conn_close(conn);
	*conn = (struct conn){.fd = fd, .device = st.st_dev, .inode = st.st_ino, .owner = getpid()};
	fd = -1;
	return 0;
}

/* A program that closes all descriptors, as daemons do, may have another's under our number. */
static bool is_ours(const struct conn *conn)
{
	struct stat st;

	return conn->fd >= 0 && fstat(conn->fd, &st) == 0 && st.st_dev == conn->device &&
	       st.st_ino == conn->inode;
}

void conn_close(struct conn *conn)
{
	if (is_ours(conn))
		fd_close_cleanup(&conn->fd);
	conn->fd = -1;
}

bool conn_is_ready(const struct conn *conn)
{
	struct pollfd pollfd = {.fd = conn->fd, .events = POLLIN};

	return is_ours(conn) && conn->owner == getpid() && poll(&pollfd, 1, 0) == 0;
}

/* --- exchanging --- */

/* The body waits for the service to ask for it; one that never does gets it all the same. */
static bool is_held(struct conn_exchange *exchange)
{
	if (exchange->reader->continued || clock_monotonic_us() >= exchange->hold_until)
		exchange->hold_until = 0;
	return exchange->hold_until != 0;
}

static bool has_to_send(struct conn_exchange *exchange)
{
	if (exchange->broken || conn_exchange_is_sent(exchange))
		return false;
	return exchange->head.len > 0 || !is_held(exchange);
}

/* Waits for any of @events (and for the other end to go away); *ret_events may be 0. */
static int wait_for(int fd, short events, const struct conn_exchange *exchange, short *ret_events,
		    struct err *err)
{
	struct pollfd pollfd = {.fd = fd, .events = events};
	uint64_t now = clock_monotonic_us();
	uint64_t until = exchange->deadline;
	uint64_t ms;

	if (now >= until)
		return timed_out(err);
	if (exchange->hold_until > now && exchange->hold_until < until)
		until = exchange->hold_until;
	ms = (until - now + 999u) / 1000u;
	if (poll(&pollfd, 1, ms < INT_MAX ? (int)ms : INT_MAX) < 0 && errno != EINTR)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot wait for the service");
	*ret_events = pollfd.revents;
	return 0;
}

static void advance(struct slice *bytes, size_t *len)
{
	size_t n = *len < bytes->len ? *len : bytes->len;

	if (n > 0)
		*bytes = slice_of(bytes->data + n, bytes->len - n);
	*len -= n;
}

static void note_progress(struct conn_exchange *exchange)
{
	if (exchange->silence_us > 0)
		exchange->deadline = clock_monotonic_us() + exchange->silence_us;
}

/* Whoever makes the body may take its time: that is not the service's silence. */
static int refill(struct conn_exchange *exchange, struct err *err)
{
	int r;

	if (exchange->body.len > 0 || !exchange->source)
		return 0;
	r = exchange->source->next(exchange->source->arg, &exchange->body, err);
	if (r < 0)
		return r;
	if (exchange->body.len == 0)
		exchange->source = NULL;
	note_progress(exchange);
	return 0;
}

static struct iovec iovec_of(struct slice bytes)
{
	return (struct iovec){.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.len};
}

/* An end that takes nothing more may still have an answer for us: reading goes on. */
static int send_some(int fd, struct conn_exchange *exchange, struct err *err)
{
	struct iovec parts[2] = {iovec_of(exchange->head), iovec_of(exchange->body)};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = exchange->hold_until ? 1 : 2};
	ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	size_t len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		exchange->broken = true;
		return 0;
	}
	if (n < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot send to the service");
	len = (size_t)n;
	advance(&exchange->head, &len);
	advance(&exchange->body, &len);
	note_progress(exchange);
	return 0;
}

static int broke_off(struct conn_exchange *exchange, struct err *err)
{
	exchange->broken = true;
	(void)err_set(err, ERR_INTERNAL, "the service broke off before its answer was whole");
	return err_add_remedy(err, REMEDY_BROKEN);
}

static int receive_some(int fd, struct conn_exchange *exchange, struct err *err)
{
	uint8_t piece[READ_SIZE];
	ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return broke_off(exchange, err);
	if (n < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot read from the service");
	exchange->answered = true;
	r = http_reader_feed(exchange->reader, slice_of(piece, (size_t)n), err);
	wipe(piece, (size_t)n);
	note_progress(exchange);
	return r;
}

int conn_exchange(struct conn *conn, struct conn_exchange *exchange, struct err *err)
{
	int r = 0;

	while (r == 0 && !http_reader_done(exchange->reader)) {
		bool sending = has_to_send(exchange);
		short events = 0;

		if (sending && exchange->head.len == 0) {
			r = refill(exchange, err);
			sending = !conn_exchange_is_sent(exchange);
		}
		if (r == 0)
			r = wait_for(conn->fd, (short)(sending ? POLLIN | POLLOUT : POLLIN),
				     exchange, &events, err);
		if (r == 0 && (events & (POLLIN | POLLHUP | POLLERR)))
			r = receive_some(conn->fd, exchange, err);
		else if (r == 0 && (events & POLLOUT))
			r = send_some(conn->fd, exchange, err);
	}
	return r;
}
