/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket. When all places are taken, or the process has no descriptor left, it is not
 * looked at: the backlog keeps who waits. A Unix socket's file outlives its process; whether
 * somebody is behind it is found out by connecting, and only when the kernel says that nobody
 * listens it is removed.
 */
#include "listen/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG	     128
#define ACCEPT_BATCH 32u
#define PAUSE_US     100000u

struct listen {
	struct loop *loop;
	struct listen_ops ops;
	void *arg;
	int fd;
	unsigned open;
	unsigned max;
	struct listen_address bound;
	struct stat file; /* of a Unix socket that is ours; else st_ino 0 */
	struct loop_fd *watch;
	struct loop_timer pause;
};

/* --- the address --- */

static const char *path_of(const struct listen_address *address)
{
	return address->address.ss_family == AF_UNIX
		       ? ((const struct sockaddr_un *)&address->address)->sun_path
		       : NULL;
}

/* Errors of the call for an address; the text has no more than that. */
static int refuse(const struct listen_address *address, int errnum, struct err *err)
{
	static const struct {
		int errnum;
		int code;
		const char *text;
	} ROWS[] = {
		{EADDRINUSE, ERR_CONFLICT, "is taken"},
		{EADDRNOTAVAIL, ERR_INVALID, "is none of this machine"},
		{EACCES, ERR_FORBIDDEN, "may not be used by this user"},
		{EPERM, ERR_FORBIDDEN, "may not be used by this user"},
		{ENOENT, ERR_INVALID, "is in a folder that does not exist"},
		{ENOTDIR, ERR_INVALID, "is in a folder that does not exist"},
		{0, ERR_INTERNAL, "cannot be used"},
	};
	char text[LISTEN_TEXT_MAX];
	size_t i = 0;

	while (ROWS[i].errnum != errnum && ROWS[i].errnum != 0)
		i++;
	listen_print(address, text);
	return err_set_errno(err, ROWS[i].code, errnum, "the address %s %s", text, ROWS[i].text);
}

static int new_socket(const struct listen_address *address, int *ret_fd, struct err *err)
{
	int fd = socket(address->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return refuse(address, errno, err);
	*ret_fd = fd;
	return 0;
}

/* Removes what nobody listens on. */
static int clear_path(const struct listen_address *address, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	const char *path = path_of(address);
	struct stat st;
	int r;

	if (!path || lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFLICT, "%s exists and is no socket", path);
	r = new_socket(address, &fd, err);
	if (r < 0)
		return r;
	if (connect(fd, (const struct sockaddr *)&address->address, address->length) == 0 ||
	    errno != ECONNREFUSED)
		return err_set(err, ERR_CONFLICT, "another process answers on %s", path);
	if (unlink(path) < 0)
		return refuse(address, errno, err);
	return 0;
}

/* Without our file nobody is left behind a path of ours. */
static void remove_file(const struct listen *listen)
{
	const char *path = path_of(&listen->bound);
	struct stat st;

	if (listen->file.st_ino != 0 && lstat(path, &st) == 0 && st.st_ino == listen->file.st_ino &&
	    st.st_dev == listen->file.st_dev)
		(void)unlink(path);
}

/*
 * Made with its mode, 0660: a confined program may not change that of a file by its path. The file
 * gets the mode that the socket has, less the umask; that is of all threads, so what others make in
 * the meantime is at most readable by our group.
 */
static int bind_file(struct listen *listen, struct err *err)
{
	const char *path = path_of(&listen->bound);
	mode_t before;
	int r;

	if (fchmod(listen->fd, 0660) < 0)
		return refuse(&listen->bound, errno, err);
	before = umask(0007);
	r = bind(listen->fd, (const struct sockaddr *)&listen->bound.address, listen->bound.length);
	(void)umask(before);
	if (r < 0 || lstat(path, &listen->file) < 0)
		return refuse(&listen->bound, errno, err);
	return 0;
}

static int bind_port(struct listen *listen, struct err *err)
{
	static const int YES = 1;
	socklen_t len = sizeof(listen->bound.address);
	bool six = listen->bound.address.ss_family == AF_INET6;

	if (setsockopt(listen->fd, SOL_SOCKET, SO_REUSEADDR, &YES, sizeof(YES)) < 0 ||
	    (six && setsockopt(listen->fd, IPPROTO_IPV6, IPV6_V6ONLY, &YES, sizeof(YES)) < 0) ||
	    bind(listen->fd, (const struct sockaddr *)&listen->bound.address,
		 listen->bound.length) < 0 ||
	    getsockname(listen->fd, (struct sockaddr *)&listen->bound.address, &len) < 0)
		return refuse(&listen->bound, errno, err);
	return 0;
}

static int open_socket(struct listen *made, struct err *err)
{
	int r = clear_path(&made->bound, err);

	if (r == 0)
		r = new_socket(&made->bound, &made->fd, err);
	if (r == 0)
		r = path_of(&made->bound) ? bind_file(made, err) : bind_port(made, err);
	if (r == 0 && listen(made->fd, BACKLOG) < 0)
		r = refuse(&made->bound, errno, err);
	return r;
}

/* --- connections --- */

static void ready(void *arg, uint32_t events);

static void pause_for(struct listen *listen)
{
	struct err err;

	/* The loop keeps the timer's room from the first time on; without it we go on looking. */
	if (loop_timer_set(&listen->pause, PAUSE_US, &err) == 0)
		loop_unwatch(TAKE(listen->watch));
}

static void resume(void *arg)
{
	struct listen *listen = arg;
	struct err err;

	if (listen->watch || listen->open >= listen->max)
		return;
	if (loop_watch(listen->loop, listen->fd, EPOLLIN, ready, listen, &listen->watch, &err) < 0)
		pause_for(listen);
}

static bool no_descriptors(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

static void ready(void *arg, uint32_t events)
{
	struct listen *listen = arg;
	unsigned i;

	(void)events;
	for (i = 0; i < ACCEPT_BATCH && listen->open < listen->max; i++) {
		struct listen_address peer = {.length = sizeof(peer.address)};
		int fd = accept4(listen->fd, (struct sockaddr *)&peer.address, &peer.length,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && no_descriptors(errno))
			pause_for(listen);
		if (fd < 0)
			return;
		listen->open++;
		listen->ops.take(listen->arg, fd, &peer);
	}
	if (listen->open >= listen->max)
		loop_unwatch(TAKE(listen->watch));
}

void listen_closed(struct listen *listen)
{
	listen->open--;
	if (listen->pause.slot == 0)
		resume(listen);
}

/* --- life --- */

static int make(struct loop *loop, const struct listen_ops *ops, void *arg,
		struct listen **ret_listen, struct err *err)
{
	struct listen *made = calloc(1, sizeof(*made));

	if (!made)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*made = (struct listen){.loop = loop, .ops = *ops, .arg = arg, .fd = -1};
	loop_timer_init(&made->pause, loop, resume, made);
	*ret_listen = made;
	return 0;
}

static int begin(struct listen *made, unsigned max, struct err *err)
{
	made->max = max;
	return loop_watch(made->loop, made->fd, EPOLLIN, ready, made, &made->watch, err);
}

int listen_new(struct loop *loop, const struct listen_address *address, unsigned max,
	       const struct listen_ops *ops, void *arg, struct listen **ret_listen, struct err *err)
{
	CLEANUP(listen_cleanup) struct listen *made = NULL;
	int r;

	r = make(loop, ops, arg, &made, err);
	if (r < 0)
		return r;
	made->bound = *address;
	r = open_socket(made, err);
	if (r == 0)
		r = begin(made, max, err);
	if (r < 0)
		return r;
	*ret_listen = TAKE(made);
	return 0;
}

int listen_adopt(struct loop *loop, int fd, unsigned max, const struct listen_ops *ops, void *arg,
		 struct listen **ret_listen, struct err *err)
{
	CLEANUP(listen_cleanup) struct listen *made = NULL;
	struct listen_address bound = {.length = sizeof(bound.address)};
	int r;

	r = make(loop, ops, arg, &made, err);
	if (r < 0)
		return r;
	if (getsockname(fd, (struct sockaddr *)&bound.address, &bound.length) < 0)
		return err_set_errno(err, ERR_INVALID, errno, "the given socket has no address");
	made->bound = bound;
	made->fd = fd;
	r = begin(made, max, err);
	if (r < 0) {
		made->fd = -1;
		return r;
	}
	*ret_listen = TAKE(made);
	return 0;
}

const struct listen_address *listen_bound(const struct listen *listen)
{
	return &listen->bound;
}

void listen_free(struct listen *listen)
{
	if (!listen)
		return;
	loop_timer_clear(&listen->pause);
	loop_unwatch(listen->watch);
	remove_file(listen);
	fd_close_cleanup(&listen->fd);
	free(listen);
}
