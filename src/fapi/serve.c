/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two listening sockets, as swtpm has them, and the connections to them. A connection is read as
 * it comes and never waited for; once it holds a whole command, the chip has it at once. Answers
 * are small against a socket's buffer: who does not take them is sent away, like everybody who
 * breaks the framing. When there are too many, the one that was silent longest makes room.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/secret.h"
#include "broker/filter.h"
#include "broker/wire.h"
#include "fapi/impl.h"

#define CONNECTIONS_MAX 16u
#define BACKLOG		16
#define FOLDER_MODE	0700
#define SOCKET_MODE	0600

/* TPM 2.0 Part 2, 6.6.3 and 6.5.2. */
#define RC_FAILURE	0x101u
#define RC_COMMAND_SIZE 0x142u
#define CC_EVICTCONTROL 0x120u

enum { DATA, CONTROL, LISTENERS };

static const char *const NAMES[LISTENERS] = {"tpm.sock", "tpm.sock.ctrl"};

struct connection {
	struct serve *serve;
	struct loop_fd *watch;
	int fd;
	int kind;
	uint64_t turn; /* when it last sent something */
	size_t len;
	uint8_t received[WIRE_MAX];
};

struct listener {
	struct serve *serve;
	struct loop_fd *watch;
	int fd; /* -1 = none, and no name of ours in the folder */
};

struct serve {
	const struct fapi_chip *chip;
	struct loop *loop;
	struct filter_facts facts;
	uint64_t deadline_us;
	uint64_t turns;
	int dir;
	struct listener listeners[LISTENERS];
	struct connection *connections[CONNECTIONS_MAX];
	struct err failure;
};

const struct err *serve_failure(const struct serve *serve)
{
	return &serve->failure;
}

static void keep_failure(struct serve *serve, const struct err *err)
{
	if (serve->failure.code == 0)
		serve->failure = *err;
}

/* --- connections --- */

static void connection_free(struct connection **slot)
{
	struct connection *connection = *slot;

	if (!connection)
		return;
	*slot = NULL;
	loop_unwatch(connection->watch);
	close(connection->fd);
	wipe(connection, sizeof(*connection));
	free(connection);
}

static void connection_end(struct connection *connection)
{
	struct serve *serve = connection->serve;
	size_t i;

	for (i = 0; i < CONNECTIONS_MAX; i++)
		if (serve->connections[i] == connection)
			connection_free(&serve->connections[i]);
}

/* Everything that was received is done with. */
static void connection_forget(struct connection *connection)
{
	wipe(connection->received, connection->len);
	connection->len = 0;
}

static bool connection_send(struct connection *connection, const struct buf *answer)
{
	return buf_ok(answer) && send(connection->fd, answer->data, answer->len,
				      MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)answer->len;
}

/* --- the chip --- */

static uint32_t code_of(struct slice message)
{
	struct cursor cursor = cursor_of(message);

	(void)cursor_take(&cursor, WIRE_HEADER - sizeof(uint32_t));
	return cursor_u32(&cursor);
}

static void pass_on(struct serve *serve, struct slice command, struct buf *ret_answer)
{
	struct err err = {0};

	if (serve->chip->raw(serve->chip->arg, command, ret_answer, &err) < 0) {
		keep_failure(serve, &err);
		buf_reset(ret_answer);
	}
	if (!buf_ok(ret_answer) || ret_answer->len < WIRE_HEADER) {
		buf_reset(ret_answer);
		wire_refuse(ret_answer, RC_FAILURE);
	}
	/* The filter lets one through that puts the SRK into its place. */
	if (code_of(command) == CC_EVICTCONTROL && code_of(buf_slice(ret_answer)) == 0)
		serve->facts.srk_absent = false;
}

/*
 * One command at a time: behind it nothing may stand, as with swtpm, since nobody sends another
 * before he has the answer. False: the connection is of no more use.
 */
static bool data_received(struct connection *connection)
{
	struct slice received = slice_of(connection->received, connection->len);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_MAX);
	size_t size = wire_command_size(received);
	bool whole = size == connection->len;

	if (size == 0)
		return true;
	if (!whole)
		wire_refuse(&answer, RC_COMMAND_SIZE);
	else if (filter_judge(&connection->serve->facts, received, &answer) == FILTER_PASS)
		pass_on(connection->serve, received, &answer);
	connection_forget(connection);
	return connection_send(connection, &answer) && whole;
}

static bool control_received(struct connection *connection)
{
	CLEANUP(buf_fini) struct buf answers = BUF_INIT(WIRE_MAX);
	size_t done = 0, taken;

	do {
		taken = wire_control(slice_of(connection->received + done, connection->len - done),
				     &answers);
		done += taken;
	} while (taken > 0 && done < connection->len);
	if (done == 0)
		return true;
	memmove(connection->received, connection->received + done, connection->len - done);
	connection->len -= done;
	return connection_send(connection, &answers);
}

static void connection_ready(void *arg, uint32_t events)
{
	struct connection *connection = arg;
	struct serve *serve = connection->serve;
	bool alive;
	ssize_t n;

	(void)events;
	/* What is at the chip cannot be broken off; nothing more goes there. */
	if (clock_monotonic_us() >= serve->deadline_us)
		return;
	n = recv(connection->fd, connection->received + connection->len,
		 sizeof(connection->received) - connection->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	alive = n > 0;
	if (alive) {
		connection->len += (size_t)n;
		connection->turn = ++serve->turns;
		alive = connection->kind == DATA ? data_received(connection)
						 : control_received(connection);
	}
	if (!alive)
		connection_end(connection);
}

/* A free place, if need be that of the connection which was silent longest. */
static struct connection **find_slot(struct serve *serve)
{
	struct connection **oldest = &serve->connections[0];
	size_t i;

	for (i = 0; i < CONNECTIONS_MAX; i++) {
		if (!serve->connections[i])
			return &serve->connections[i];
		if (serve->connections[i]->turn < (*oldest)->turn)
			oldest = &serve->connections[i];
	}
	connection_free(oldest);
	return oldest;
}

/* Owns @fd from here on. */
static int connection_new(struct serve *serve, int fd, int kind, struct err *err)
{
	struct connection **slot = find_slot(serve);
	struct connection *connection = calloc(1, sizeof(*connection));
	int r;

	if (!connection) {
		close(fd);
		return err_set(err, ERR_INTERNAL, "memory is short");
	}
	connection->serve = serve;
	connection->fd = fd;
	connection->kind = kind;
	connection->turn = ++serve->turns;
	*slot = connection;
	r = loop_watch(serve->loop, fd, EPOLLIN, connection_ready, connection, &connection->watch,
		       err);
	if (r < 0)
		connection_free(slot);
	return r;
}

static void listener_ready(void *arg, uint32_t events)
{
	struct listener *listener = arg;
	struct serve *serve = listener->serve;
	struct err err = {0};
	int fd, r;

	(void)events;
	fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0)
		r = err_set_errno(&err, ERR_INTERNAL, errno, "cannot accept a connection");
	else
		r = connection_new(serve, fd, (int)(listener - serve->listeners), &err);
	if (r == 0)
		return;
	keep_failure(serve, &err);
	loop_stop(serve->loop);
}

/* --- sockets --- */

static int open_folder(struct serve *serve, const char *path, struct err *err)
{
	struct stat st;
	int r = file_open_dir(AT_FDCWD, path, true, FOLDER_MODE, &serve->dir, err);

	if (r < 0)
		return err_wrap(err, "the folder of the FAPI sockets");
	if (fstat(serve->dir, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno,
				     "cannot look at the folder of the FAPI sockets");
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, ERR_UNREADABLE,
			       "others can write into the folder of the FAPI sockets");
	return 0;
}

/* Of a run that was killed: nobody listens there, since one runs at a time. */
static int clear_name(int dir, const char *name, struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : err_set_errno(err, ERR_UNREADABLE, errno,
						       "cannot look at %s", name);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_UNREADABLE, "%s exists and is no socket", name);
	if (unlinkat(dir, name, 0) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot remove the old %s", name);
	return 0;
}

static int open_socket(struct serve *serve, const char *path, int kind, struct err *err)
{
	struct listener *listener = &serve->listeners[kind];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int len, r;

	len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", path, NAMES[kind]);
	if (len < 0 || (size_t)len >= sizeof(address.sun_path))
		return err_set(err, ERR_INTERNAL, "the path of the FAPI sockets is too long");
	r = clear_name(serve->dir, NAMES[kind], err);
	if (r < 0)
		return r;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a socket");
	/* Nobody connects before listen(), and then the mode is the right one. */
	if (bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(serve->dir, NAMES[kind], SOCKET_MODE, 0) < 0 ||
	    listen(listener->fd, BACKLOG) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot listen on %s", NAMES[kind]);
	listener->serve = serve;
	return loop_watch(serve->loop, listener->fd, EPOLLIN, listener_ready, listener,
			  &listener->watch, err);
}

int serve_new(const struct fapi_place *place, const struct fapi_chip *chip, struct loop *loop,
	      uint64_t deadline_us, struct serve **ret_serve, struct err *err)
{
	CLEANUP(serve_cleanup) struct serve *serve = calloc(1, sizeof(*serve));
	int kind, r;

	if (!serve)
		return err_set(err, ERR_INTERNAL, "memory is short");
	serve->chip = chip;
	serve->loop = loop;
	serve->deadline_us = deadline_us;
	serve->facts = (struct filter_facts){.set = FILTER_PROVISION,
					     .srk_absent = chip->srk_absent,
					     .reserved = chip->reserved,
					     .reserved_count = chip->reserved_count};
	serve->dir = -1;
	for (kind = 0; kind < LISTENERS; kind++)
		serve->listeners[kind].fd = -1;
	r = open_folder(serve, place->run, err);
	for (kind = 0; r == 0 && kind < LISTENERS; kind++)
		r = open_socket(serve, place->run, kind, err);
	if (r < 0)
		return r;
	*ret_serve = TAKE(serve);
	return 0;
}

static void listener_fini(struct serve *serve, int kind)
{
	if (serve->listeners[kind].fd < 0)
		return;
	loop_unwatch(serve->listeners[kind].watch);
	close(serve->listeners[kind].fd);
	(void)unlinkat(serve->dir, NAMES[kind], 0);
}

void serve_free(struct serve *serve)
{
	size_t i;

	if (!serve)
		return;
	for (i = 0; i < CONNECTIONS_MAX; i++)
		connection_free(&serve->connections[i]);
	listener_fini(serve, DATA);
	listener_fini(serve, CONTROL);
	fd_close_cleanup(&serve->dir);
	free(serve);
}
