/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_spawn() rather than fork(): it is as good in a program with threads. The program leads a
 * session of its own, so that whatever it starts can be ended with it. Only its own end is waited
 * for: what it leaves behind may keep the pipe open for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/pidfd.h"
#include "stack/place.h"
#include "stack/tool.h"

#define DEFAULT_MS   10000u
#define MAX_MS	     600000u
#define NAME_LEN_MAX 64u
#define PATH_ROOM    256u
#define ENV_MAX	     8u
#define NOT_RUNNABLE 126 /* as a shell has it */
#define NOT_THERE    127
#define PIECE	     4096u

/* The last is NixOS's, which has no other. */
static const char *const FOLDERS[] = {
	"/usr/sbin",
	"/usr/bin",
	"/sbin",
	"/bin",
	"/usr/local/sbin",
	"/usr/local/bin",
	"/run/current-system/sw/bin",
	NULL,
};
static const char PATH_LINE[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:"
				"/run/current-system/sw/bin";

struct tool {
	pid_t pid; /* 0 = reaped, or never was */
	int ended; /* pidfd */
	int out;
	int told; /* signalfd: we are to end */
};

/*
 * Before it is reaped its number, which is also that of its group, belongs to nobody else. Where
 * posix_spawn() returns before the program runs, as under an emulator, there is no such group yet.
 */
static void tool_kill(const struct tool *tool)
{
	if (tool->pid > 0 && kill(-tool->pid, SIGKILL) < 0)
		(void)kill(tool->pid, SIGKILL);
}

static int tool_reap(struct tool *tool)
{
	int status = 0;
	pid_t pid;

	do {
		pid = waitpid(tool->pid, &status, 0);
	} while (pid < 0 && errno == EINTR);
	tool->pid = 0;
	if (pid < 0)
		return NOT_THERE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void tool_fini(struct tool *tool)
{
	tool_kill(tool);
	if (tool->pid > 0)
		(void)tool_reap(tool);
	fd_close_cleanup(&tool->ended);
	fd_close_cleanup(&tool->out);
	fd_close_cleanup(&tool->told);
}

/* --- where it is --- */

static bool is_program(const char *folder, const char *name, char ret_path[PATH_ROOM])
{
	char path[PATH_ROOM];
	struct stat st;
	int len = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (len < 0 || (size_t)len >= sizeof(path) || stat(folder, &st) < 0 || !place_is_ours(&st))
		return false;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !place_is_ours(&st) ||
	    !(st.st_mode & 0111u))
		return false;
	memcpy(ret_path, path, sizeof(path));
	return true;
}

static bool find(const char *const *folders, const char *name, char ret_path[PATH_ROOM])
{
	size_t i;

	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') || strlen(name) > NAME_LEN_MAX)
		return false;
	for (i = 0; folders[i]; i++)
		if (is_program(folders[i], name, ret_path))
			return true;
	return false;
}

bool tool_found(const char *name)
{
	char path[PATH_ROOM];

	return find(FOLDERS, name, path);
}

/* --- its start --- */

/* No input, one pipe for what it says, nothing else. A number of errno, or 0. */
static int prepare_files(posix_spawn_file_actions_t *files, int out)
{
	int e = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (e == 0)
		e = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
	if (e == 0)
		e = posix_spawn_file_actions_adddup2(files, out, STDERR_FILENO);
	if (e == 0)
		e = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	if (e == 0)
		e = posix_spawn_file_actions_addchdir_np(files, "/");
	return e;
}

/* A session of its own, no signal blocked or ignored. */
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

/* posix_spawn() only reads the texts, though its type does not say so. Their number, or -1. */
static int copy_list(const char *const *from, char **to, int max)
{
	int count = 0;

	while (from && from[count]) {
		if (count == max)
			return -1;
		memcpy(&to[count], &from[count], sizeof(to[count]));
		count++;
	}
	return count;
}

static int spawn(const char *path, const struct tool_run *run, int out, pid_t *ret_pid)
{
	char path_line[sizeof(PATH_LINE)], locale[] = "LC_ALL=C";
	char *argv[TOOL_ARGS_MAX + 1] = {NULL}, *env[ENV_MAX + 3] = {NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int count = copy_list(run->env, env, ENV_MAX), e;

	if (count < 0 || copy_list(run->argv, argv, TOOL_ARGS_MAX) < 1)
		return E2BIG;
	memcpy(path_line, PATH_LINE, sizeof(PATH_LINE));
	env[count++] = path_line;
	env[count] = locale;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	e = prepare_files(&files, out);
	if (e == 0)
		e = prepare_attributes(&attributes);
	if (e == 0)
		e = posix_spawn(ret_pid, path, &files, &attributes, argv, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return e;
}

/* 0, or a number of errno. */
static int start(const char *path, const struct tool_run *run, struct tool *tool, struct err *err)
{
	CLEANUP(fd_close_cleanup) int write_end = -1;
	int fds[2], e;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a pipe");
	tool->out = fds[0];
	write_end = fds[1];
	if (fcntl(tool->out, F_SETFL, O_NONBLOCK) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot prepare a pipe");
	e = spawn(path, run, write_end, &tool->pid);
	if (e != 0) {
		tool->pid = 0;
		return e;
	}
	tool->ended = pidfd_of(tool->pid);
	if (tool->ended < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot watch %s", run->argv[0]);
	return 0;
}

/* --- its life --- */

uint64_t tool_now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* What there is no room for is read all the same: a program that waits for a reader never ends. */
static void keep(struct buf *output, size_t limit, const uint8_t *data, size_t len)
{
	size_t room = limit > output->len ? limit - output->len : 0;

	buf_put(output, slice_of(data, len < room ? len : room));
}

/* One piece. False when there is nothing more for now, or for ever: *ret_open says which. */
static bool drain(const struct tool *tool, struct buf *output, size_t limit, bool *ret_open)
{
	uint8_t piece[PIECE];
	ssize_t n = read(tool->out, piece, sizeof(piece));

	if (n > 0) {
		keep(output, limit, piece, (size_t)n);
		return true;
	}
	*ret_open = n < 0 && (errno == EAGAIN || errno == EINTR);
	return n < 0 && errno == EINTR;
}

/* True when the program ended before the deadline. */
static bool follow(const struct tool *tool, uint64_t deadline, struct buf *output, size_t limit)
{
	bool open = true;

	for (;;) {
		struct pollfd fds[] = {{.fd = tool->ended, .events = POLLIN},
				       {.fd = open ? tool->out : -1, .events = POLLIN},
				       {.fd = tool->told, .events = POLLIN}};
		uint64_t now = tool_now_ms();

		if (now >= deadline)
			return false;
		if (poll(fds, ARRAY_LEN(fds), (int)(deadline - now)) < 0)
			continue;
		if (fds[1].revents)
			(void)drain(tool, output, limit, &open);
		if (fds[0].revents & POLLIN)
			return true;
		if (fds[2].revents & POLLIN)
			return false;
	}
}

/* What it had written before its end, and no more than a pipe holds: others may write on. */
static void read_rest(const struct tool *tool, struct buf *output, size_t limit)
{
	size_t pieces = 65536u / PIECE;
	bool open;

	while (pieces-- > 0 && drain(tool, output, limit, &open))
		continue;
}

static int not_started(int e, const char *name, struct tool_end *ret_end, struct err *err)
{
	if (e != EACCES && e != ENOENT && e != ENOEXEC && e != ENOTDIR && e != ELOOP)
		return err_set_errno(err, ERR_INTERNAL, e, "cannot start %s", name);
	*ret_end = (struct tool_end){
		.found = true, .in_time = true, .status = e == EACCES ? NOT_RUNNABLE : NOT_THERE};
	return 0;
}

/* --- signals: the program is of another session, and hears nothing of Ctrl-C --- */

/* Those by which we are ended. One that is ignored would come all the same while it is blocked. */
static void signals_of_end(sigset_t *ret_set)
{
	static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction now;
	size_t i;

	sigemptyset(ret_set);
	for (i = 0; i < ARRAY_LEN(SIGNALS); i++)
		if (sigaction(SIGNALS[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(ret_set, SIGNALS[i]);
}

void tool_hold_signals(sigset_t *ret_before)
{
	sigset_t set;

	signals_of_end(&set);
	(void)sigprocmask(SIG_BLOCK, &set, ret_before);
}

static void release_signals(const sigset_t *before)
{
	(void)sigprocmask(SIG_SETMASK, before, NULL);
}

int tool_run(const struct tool_run *run, struct tool_end *ret_end, struct buf *output,
	     struct err *err)
{
	CLEANUP(release_signals) sigset_t before;
	CLEANUP(tool_fini) struct tool tool = {.ended = -1, .out = -1, .told = -1};
	size_t limit = output->max < TOOL_OUTPUT_MAX ? output->max : TOOL_OUTPUT_MAX;
	unsigned ms = run->timeout_ms > 0 ? run->timeout_ms : DEFAULT_MS;
	struct tool_end end = {.found = true};
	uint64_t deadline = tool_now_ms() + (ms < MAX_MS ? ms : MAX_MS);
	char path[PATH_ROOM];
	sigset_t set;
	int r;

	tool_hold_signals(&before);
	signals_of_end(&set);
	tool.told = signalfd(-1, &set, SFD_CLOEXEC);
	if (!find(run->folders ? run->folders : FOLDERS, run->argv[0], path)) {
		*ret_end = (struct tool_end){.found = false};
		return 0;
	}
	r = start(path, run, &tool, err);
	if (r < 0)
		return r;
	if (r > 0)
		return not_started(r, run->argv[0], ret_end, err);
	end.in_time = follow(&tool, deadline, output, limit);
	tool_kill(&tool);
	end.status = tool_reap(&tool);
	read_rest(&tool, output, limit);
	if (!buf_ok(output))
		return err_set(err, ERR_INTERNAL, "no memory for what %s says", run->argv[0]);
	*ret_end = end;
	return 0;
}
