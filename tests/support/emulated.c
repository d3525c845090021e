/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in the place of a program of another processor, whose name it has with SUFFIX taken off,
 * and runs it by the EMULATOR, with the same name, arguments, environment and descriptors. A shell
 * script would do but for the environment, to which a shell adds.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX	".arm64"
#define NOT_RUN 127 /* as a shell says it */

#ifndef EMULATOR
#define EMULATOR "/usr/bin/qemu-aarch64-static"
#endif

int main(int argc, char **argv)
{
	char program[PATH_MAX + sizeof(SUFFIX)];
	ssize_t len = readlink("/proc/self/exe", program, PATH_MAX);
	char **arguments = calloc((size_t)argc + 4, sizeof(*arguments));

	if (len < 0 || len >= PATH_MAX || !arguments || argc < 1)
		return NOT_RUN;
	memcpy(program + len, SUFFIX, sizeof(SUFFIX));
	arguments[0] = EMULATOR;
	arguments[1] = "-0";
	arguments[2] = argv[0];
	arguments[3] = program;
	memcpy(arguments + 4, argv + 1, (size_t)argc * sizeof(*argv)); /* the last is NULL */
	execv(EMULATOR, arguments);
	(void)fprintf(stderr, "%s: %s\n", EMULATOR, strerror(errno));
	return NOT_RUN;
}
