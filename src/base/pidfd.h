/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PIDFD_H
#define BASE_PIDFD_H

/* pidfd_open(2), whose wrapper came with glibc 2.36 only. */

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Readable when the process has ended. It closes on exec. -1 and errno. */
static inline int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

#endif
