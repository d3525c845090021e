/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/limits.h"

/* In a child, since there is no way back. Each wrong answer has its own exit status. */
static int look(void)
{
	const struct rlimit few = {64, 2048};
	struct sigaction action;
	struct rlimit limit;
	struct err err = {0};

	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		return 1;
	if (limits_apply(&err) < 0)
		return 2;
	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur != 0 || limit.rlim_max != 0)
		return 3;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 4;
	if (umask(0) != 077)
		return 5;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur != 2048 ||
	    limits_files() != 2048)
		return 6;
	if (sigaction(SIGPIPE, NULL, &action) < 0 || action.sa_handler != SIG_IGN)
		return 7;
	if (sigaction(SIGXFSZ, NULL, &action) < 0 || action.sa_handler != SIG_IGN)
		return 8;
	return 0;
}

static void test_applied(void **state)
{
	pid_t pid = fork();
	int status = -1;

	(void)state;
	if (pid == 0)
		_exit(look());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_applied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
