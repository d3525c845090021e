/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/tool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int tool_run(const char *const *argv)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd = 0; fd < 3; fd++)
			dup2(quiet, fd);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static FILE *open_in(const char *dir, const char *name, const char *mode)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, mode);
	assert_non_null(file);
	return file;
}

void tool_write(const char *dir, const char *name, struct slice bytes)
{
	FILE *file = open_in(dir, name, "we");

	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	assert_int_equal(fclose(file), 0);
}

void tool_read(const char *dir, const char *name, struct buf *ret_bytes)
{
	FILE *file = open_in(dir, name, "re");
	int c;

	while ((c = fgetc(file)) != EOF)
		buf_put_u8(ret_bytes, (uint8_t)c);
	assert_int_equal(fclose(file), 0);
	assert_true(buf_ok(ret_bytes));
}
