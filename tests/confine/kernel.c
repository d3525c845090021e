/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this kernel can confine as tests/integration/confine.bats expects it: asked here, not of
 * the programs that are tested. Says what is missing and exits with 1, else with 0.
 */
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ABI_NEEDED 2 /* holdfastd moves files between folders */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNFILTERED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNFILTERED 1
#endif
#endif
#ifndef UNFILTERED
#define UNFILTERED 0
#endif

int main(void)
{
	const uint32_t action = SECCOMP_RET_ERRNO;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < ABI_NEEDED)
		puts("this kernel has no Landlock that serves");
	else if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0u, &action) != 0)
		puts("this kernel has no seccomp");
	else if (UNFILTERED)
		puts("builds that look for leaks and races have no filter");
	else
		return 0;
	return 1;
}
