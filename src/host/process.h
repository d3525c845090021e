/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

/*
 * Process: another process, held by a descriptor. A process id alone may be given to somebody else
 * at any time; while process_lives() says yes, the id is still that of the process meant.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

struct process {
	pid_t pid;
	int fd; /* a pidfd (pidfd_open(2)) */
};
#define PROCESS_INIT                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * The process that connected the Unix socket @socket, whose SO_PEERCRED says @pid, at @since_us
 * (process_clock_us(), taken when it was accepted). By SO_PEERPIDFD where the kernel has it (6.5);
 * else by pidfd_open() when the process is not younger than the connection.
 * ERR_NOT_FOUND: it has ended, or @pid is 0, of a pid namespace that cannot be seen from here.
 */
int process_of_peer(int socket, pid_t pid, uint64_t since_us, struct process *ret_process,
		    struct err *err) MUST_CHECK;

/* It has not ended so far. */
bool process_lives(const struct process *process);

/* CLOCK_BOOTTIME, in which the kernel states when a process began. */
uint64_t process_clock_us(void);

void process_fini(struct process *process);

#endif
