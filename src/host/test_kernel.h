/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_TEST_KERNEL_H
#define HOST_TEST_KERNEL_H

/*
 * A kernel that answers as the test likes: for programs of one source, linked with --wrap=syscall.
 * Five arguments are as many as anybody here gives; more is read than was given, and passed on.
 */

#include <stdarg.h>
#include <stdbool.h>

#define KERNEL_ARGUMENTS 5

/* The test's own: *ret_result (-1 with errno) in the kernel's place; false = the kernel is asked.
 */
bool kernel_answers(long number, const long arguments[static KERNEL_ARGUMENTS], long *ret_result);

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long a[KERNEL_ARGUMENTS], result;
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < KERNEL_ARGUMENTS; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return kernel_answers(number, a, &result)
		       ? result
		       : __real_syscall(number, a[0], a[1], a[2], a[3], a[4]);
}

#endif
