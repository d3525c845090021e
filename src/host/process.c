/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/pidfd.h"
#include "host/meter.h"

#ifndef SO_PEERPIDFD /* Linux 6.5; the headers of Debian 12 are older */
#define SO_PEERPIDFD 77
#endif

#define STAT_MAX 4096u
/* Of /proc/PID/stat, counted behind the name's bracket (proc_pid_stat(5), 22). */
#define STAT_START 20u

uint64_t process_clock_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void process_fini(struct process *process)
{
	fd_close_cleanup(&process->fd);
	process->fd = -1;
}

/* A pidfd becomes readable when its process ends. */
bool process_lives(const struct process *process)
{
	struct pollfd ended = {.fd = process->fd, .events = POLLIN};

	return process->fd >= 0 && poll(&ended, 1, 0) == 0;
}

static int gone(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "the process that connected has ended");
}

/* The name, in brackets, may hold brackets and spaces itself: the last bracket ends it. */
static bool start_of(struct slice stat, uint64_t *ret_ticks)
{
	size_t i, word = 0;

	for (i = stat.len; i > 0 && stat.data[i - 1] != ')'; i--)
		;
	if (i == 0)
		return false;
	for (; i < stat.len && word < STAT_START; i++)
		if (stat.data[i] == ' ')
			word++;
	stat = slice_of(stat.data + i, stat.len - i);
	for (i = 0; i < stat.len && stat.data[i] != ' '; i++)
		;
	return meter_number(slice_of(stat.data, i), ret_ticks);
}

/* Both are rounded down to the kernel's ticks of 10 ms. */
static bool is_older(pid_t pid, uint64_t since_us)
{
	CLEANUP(buf_fini) struct buf stat = BUF_INIT(STAT_MAX);
	CLEANUP(fd_close_cleanup) int dir = -1;
	uint64_t start, hz = (uint64_t)sysconf(_SC_CLK_TCK);
	char path[32];
	struct err err;

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return file_open_dir(AT_FDCWD, path, false, 0, &dir, &err) == 0 &&
	       file_read(dir, "stat", &stat, &err) == 0 && start_of(buf_slice(&stat), &start) &&
	       start <= since_us / 1000u * hz / 1000u;
}

/* For kernels that do not tell the peer's: the id may be another's by now, which is then younger.
 */
static int open_by_id(pid_t pid, uint64_t since_us, struct process *ret_process, struct err *err)
{
	struct process process = {.pid = pid, .fd = pidfd_of(pid)};

	if (process.fd < 0)
		return gone(err);
	if (!is_older(pid, since_us) || !process_lives(&process)) {
		process_fini(&process);
		return gone(err);
	}
	*ret_process = process;
	return 0;
}

int process_of_peer(int socket, pid_t pid, uint64_t since_us, struct process *ret_process,
		    struct err *err)
{
	socklen_t len = sizeof(int);
	int fd = -1;

	if (pid <= 0)
		return err_set(err, ERR_NOT_FOUND,
			       "the process that connected cannot be seen from here");
	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) < 0)
		return errno == ENOPROTOOPT ? open_by_id(pid, since_us, ret_process, err)
					    : gone(err);
	*ret_process = (struct process){.pid = pid, .fd = fd};
	return 0;
}
