/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_spawn() rather than fork(): the daemon has threads. What the helper is to read is so short
 * that the pipe takes it before the helper exists, so nothing waits for a helper that does not
 * read. It leads a session of its own; whatever it starts ends with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fapi/impl.h"

static const char *const VERBS[] = {
	[FAPI_PROBE] = "probe", [FAPI_PROVISION] = "provision", [FAPI_SEAL] = "seal",
	[FAPI_LIST] = "list",	[FAPI_DELETE] = "delete",
};

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
	bool with_path = request->verb == FAPI_SEAL || request->verb == FAPI_DELETE;
	bool with_data = request->verb == FAPI_SEAL;

	if ((size_t)request->verb >= ARRAY_LEN(VERBS))
		return err_set(err, ERR_INTERNAL, "FAPI has no such verb");
	if (with_path &&
	    (!request->path || request->path[0] != '/' || strlen(request->path) >= FAPI_PATH_MAX))
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

/* The descriptors: three pipes and nothing else. A number of errno, or 0. */
static int prepare_files(posix_spawn_file_actions_t *files, const struct pipes *pipes)
{
	int e = posix_spawn_file_actions_adddup2(files, pipes->input_read, STDIN_FILENO);

	if (e == 0)
		e = posix_spawn_file_actions_adddup2(files, pipes->out_write, STDOUT_FILENO);
	if (e == 0)
		e = posix_spawn_file_actions_adddup2(files, pipes->complaint_write, STDERR_FILENO);
	if (e == 0)
		e = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	return e;
}

/* A session of its own, no signal blocked or ignored, as this thread may have them. */
static int prepare_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;
	int e;

	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	e = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
							 POSIX_SPAWN_SETSIGDEF);
	if (e == 0)
		e = posix_spawnattr_setsigmask(attributes, &none);
	if (e == 0)
		e = posix_spawnattr_setsigdefault(attributes, &all);
	return e;
}

static int spawn(const struct fapi_place *place, const struct fapi_request *request,
		 const struct pipes *pipes, pid_t *ret_pid)
{
	char conf[PATH_MAX + 32], path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	char lang[] = "LANG=C", log[] = "TSS2_LOG=all+NONE", verb[16];
	char program[PATH_MAX], object[FAPI_PATH_MAX];
	char *const environment[] = {conf, path, lang, log, NULL};
	bool with_path = request->verb == FAPI_SEAL || request->verb == FAPI_DELETE;
	char *const arguments[] = {program, verb, with_path ? object : NULL, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int e = ENAMETOOLONG;

	if ((size_t)snprintf(conf, sizeof(conf), "TSS2_FAPICONF=%s/" FAPI_CONFIG, place->folder) >=
		    sizeof(conf) ||
	    (size_t)snprintf(program, sizeof(program), "%s", place->program) >= sizeof(program))
		return e;
	(void)snprintf(verb, sizeof(verb), "%s", VERBS[request->verb]);
	(void)snprintf(object, sizeof(object), "%s", with_path ? request->path : "");
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	e = prepare_files(&files, pipes);
	if (e == 0)
		e = prepare_attributes(&attributes);
	if (e == 0)
		e = posix_spawn(ret_pid, program, &files, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return e;
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

int child_start(const struct fapi_place *place, const struct fapi_request *request,
		struct child *ret_child, struct err *err)
{
	CLEANUP(pipes_fini) struct pipes pipes = {-1, -1, -1, -1};
	CLEANUP(child_fini) struct child child = CHILD_NONE;
	int r = check_request(request, err);

	if (r == 0)
		r = open_pipes(&pipes, &child, err);
	if (r == 0)
		r = put_input(&pipes, request, err);
	if (r < 0)
		return r;
	r = spawn(place, request, &pipes, &child.pid);
	if (r != 0) {
		child.pid = 0;
		return not_started(r, err);
	}
	/* By number: its wrapper came with glibc 2.36. It closes on exec in any case. */
	child.ended = (int)syscall(SYS_pidfd_open, child.pid, 0);
	if (child.ended < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot watch holdfast-fapi");
	*ret_child = child;
	child = (struct child)CHILD_NONE;
	return 0;
}

bool child_has_ended(const struct child *child)
{
	struct pollfd ended = {.fd = child->ended, .events = POLLIN};

	return poll(&ended, 1, 0) == 1 && ended.revents & POLLIN;
}

/* Before it is reaped its number, which is also that of its group, belongs to nobody else. */
void child_kill(const struct child *child)
{
	if (child->pid > 0)
		(void)kill(-child->pid, SIGKILL);
}

int child_reap(struct child *child, struct child_end *ret_end, struct err *err)
{
	int status, errnum;
	pid_t pid;

	do {
		pid = waitpid(child->pid, &status, 0);
	} while (pid < 0 && errno == EINTR);
	errnum = errno;
	child->pid = 0;
	if (pid < 0)
		return err_set_errno(err, ERR_INTERNAL, errnum,
				     "nobody knows how holdfast-fapi ended");
	*ret_end = (struct child_end){
		.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	};
	return 0;
}

void child_fini(struct child *child)
{
	struct child_end end;
	struct err err;

	child_kill(child);
	if (child->pid > 0 && child_reap(child, &end, &err) < 0)
		child->pid = 0;
	fd_close_cleanup(&child->ended);
	fd_close_cleanup(&child->out);
	fd_close_cleanup(&child->complaint);
	*child = (struct child)CHILD_NONE;
}
