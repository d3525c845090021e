/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_SYSCALLS_H
#define HOST_SYSCALLS_H

/*
 * Syscalls: which calls of the kernel a program of ours may make (seccomp). There is no way back,
 * neither for the process nor for what it starts. Calls that nobody listed are answered with
 * ENOSYS, so that a newer C library falls back to older ones; those known to be dangerous with
 * EPERM. Calls of another architecture end the process.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"

enum syscalls_program {
	SYSCALLS_DAEMON,  /* holdfastd: alone may change the mode of a file that has a name */
	SYSCALLS_STARTER, /* its starter: alone may start a program and signal others */
	SYSCALLS_HELPER,  /* holdfast-fapi, within what the starter has */
	SYSCALLS_LOADER,
	SYSCALLS_ORIGIN,
};

/*
 * For all threads. @inet: also sockets of IPv4 and IPv6, which the loader and the origin have in
 * any case. *ret_count tells how many calls are left; 0 = there is no filter: the kernel has none,
 * a sandbox around us refuses it, or this build has none (syscalls_built()). Needs
 * confine_privileges().
 */
int syscalls_limit(enum syscalls_program program, bool inet, unsigned *ret_count, struct err *err)
	MUST_CHECK;

/* Builds that look for leaks and races do what no filter of ours would allow. */
bool syscalls_built(void);

#endif
