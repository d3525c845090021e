/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cage.h"
#include "host/test_kernel.h"

static bool old_kernel;
static bool first_abi;
static bool full_kernel; /* it knows Landlock, and a rule fails */

bool kernel_answers(long number, const long arguments[static KERNEL_ARGUMENTS], long *ret_result)
{
	*ret_result = -1;
	if (old_kernel && (number == SYS_landlock_create_ruleset || number == SYS_seccomp)) {
		errno = ENOSYS;
		return true;
	}
	if (first_abi && number == SYS_landlock_create_ruleset && arguments[0] == 0) {
		*ret_result = 1;
		return true;
	}
	if (full_kernel && number == SYS_landlock_add_rule) {
		errno = ENOMEM;
		return true;
	}
	return false;
}

static bool has_landlock(void)
{
	return __real_syscall(SYS_landlock_create_ruleset, 0L, 0L, 1L, 0L, 0L) >= 2;
}

/* --- paths --- */

static void test_folder_of(void **state)
{
	static const struct {
		const char *file, *folder;
	} CASES[] = {
		{"/a/b/c", "/a/b"}, {"/a/b/", "/a"},	{"/a", "/a"},
		{"a", "."},	    {"a/b", "a"},	{"/a//b", "/a/"},
		{"//a", "//a"},	    {"/../a", "/../a"}, {"/tmp/../a", "/tmp/../a"},
	};
	struct cage cage = {.count = 0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		cage_cut(&cage, 0);
		cage_add_folder_of(&cage, CASES[i].file, CONFINE_READ);
		assert_int_equal(cage.count, 1);
		assert_string_equal(cage.paths[0].path, CASES[i].folder);
	}
	cage_add_folder_of(&cage, NULL, CONFINE_READ);
	cage_add_folder_of(&cage, "", CONFINE_READ);
	cage_add(&cage, NULL, CONFINE_READ);
	cage_add(&cage, "", CONFINE_READ);
	assert_int_equal(cage.count, 1);
	cage_fini(&cage);
	assert_int_equal(cage.count, 0);
}

/* A service manager starts in the root. */
static void test_folder_of_root(void **state)
{
	struct cage cage = {.count = 0};
	char before[256];

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir("/"), 0);
	cage_add_folder_of(&cage, "conf", CONFINE_READ);
	cage_add_folder_of(&cage, "./conf", CONFINE_READ);
	cage_add_nearest(&cage, "none/at/all", CONFINE_READ);
	cage_add_nearest(&cage, "/..", CONFINE_READ);
	assert_int_equal(chdir(before), 0);
	assert_int_equal(cage.count, 2);
	assert_string_equal(cage.paths[0].path, "conf");
	assert_string_equal(cage.paths[1].path, "./conf");
	cage_fini(&cage);
}

/* What a link leads to lies in a folder of its own. */
static void test_folder_of_link(void **state)
{
	char root[] = "/tmp/hd-cage-XXXXXX", link[64];
	struct cage cage = {.count = 0};

	(void)state;
	assert_non_null(mkdtemp(root));
	(void)snprintf(link, sizeof(link), "%s/link", root);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	cage_add_folder_of(&cage, link, CONFINE_READ);
	assert_int_equal(cage.count, 2);
	assert_string_equal(cage.paths[0].path, root);
	assert_string_equal(cage.paths[1].path, "/etc");
	cage_fini(&cage);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(root), 0);
}

/* Never the whole machine. */
static void test_nearest(void **state)
{
	static const char *const PATHS[] = {"/dev/null", "/dev"};
	struct cage cage = {.count = 0};
	size_t i;

	(void)state;
	cage_add_nearest(&cage, "/dev/null", CONFINE_READ);
	cage_add_nearest(&cage, "/dev/holdfast/none/at/all", CONFINE_READ);
	cage_add_nearest(&cage, "/holdfast-none/at/all", CONFINE_READ);
	cage_add_nearest(&cage, NULL, CONFINE_READ);
	cage_add_nearest(&cage, "", CONFINE_READ);
	assert_int_equal(cage.count, ARRAY_LEN(PATHS));
	for (i = 0; i < ARRAY_LEN(PATHS); i++)
		assert_string_equal(cage.paths[i].path, PATHS[i]);
	cage_fini(&cage);
}

static void test_too_many(void **state)
{
	struct cage cage = {.count = 0};
	struct cage_report report;
	struct err err = {0};
	char path[32];
	size_t i;

	(void)state;
	for (i = 0; i <= CAGE_PATHS; i++) {
		cage_add(&cage, "/the/same", CONFINE_READ);
		assert_false(cage.failed);
	}
	assert_int_equal(cage.count, 1);
	for (i = 0; i < CAGE_PATHS; i++) {
		(void)snprintf(path, sizeof(path), "/%zu", i);
		cage_add(&cage, path, CONFINE_READ);
	}
	assert_true(cage.failed);
	assert_int_equal(cage_close(&cage, &report, &err), ERR_INTERNAL);
	cage_fini(&cage);
}

static void test_same(void **state)
{
	struct cage a = {.count = 0}, b = {.count = 0};

	(void)state;
	assert_true(cage_same(&a, &b));
	cage_add(&a, "/x", CONFINE_READ);
	assert_false(cage_same(&a, &b));
	cage_add(&b, "/x", CONFINE_WRITE);
	assert_false(cage_same(&a, &b));
	cage_cut(&b, 0);
	cage_add(&b, "/y", CONFINE_READ);
	assert_false(cage_same(&a, &b));
	cage_cut(&b, 0);
	cage_add(&b, "/x", CONFINE_READ);
	assert_true(cage_same(&a, &b));
	b.tcp_connect = true;
	assert_false(cage_same(&a, &b));
	cage_fini(&a);
	cage_fini(&b);
}

/* A script and what is not there need no linker. */
static void test_program(void **state)
{
	struct cage cage = {.count = 0};

	(void)state;
	cage_add_program(&cage, "/proc/self/exe");
	assert_int_equal(cage.count, 2);
	assert_int_equal(cage.paths[0].rights, CONFINE_EXECUTE);
	assert_int_equal(cage.paths[1].rights, CONFINE_EXECUTE);
	assert_non_null(strstr(cage.paths[1].path, "/ld-"));
	cage_cut(&cage, 0);
	cage_add_program(&cage, "/etc/passwd");
	assert_int_equal(cage.count, 1);
	cage_add_program(&cage, "/nonexistent/holdfast");
	assert_int_equal(cage.count, 1);
	cage_fini(&cage);
}

/* --- closed --- */

static char folder[] = "/tmp/hd-cage-XXXXXX";

static int in_child(int (*look)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(look());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int close_around(struct cage_report *ret_report)
{
	CLEANUP(cage_fini) struct cage cage = {.program = SYSCALLS_STARTER};
	struct err err = {0};

	cage_add(&cage, folder, CONFINE_WRITE);
	cage_add_system(&cage);
	cage_add_program(&cage, "/bin/true");
	return cage_close(&cage, ret_report, &err);
}

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	int e = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return e;
}

static int look_closed(void)
{
	char *const argv[] = {(char *)"true", NULL};
	char path[64], text[CAGE_TEXT_MAX];
	struct cage_report report;

	if (close_around(&report) < 0 || report.abi < 2)
		return 1;
	if ((cage_print(&report, text) == LOG_LEVEL_NOTICE) !=
		    (report.calls > 0 || !syscalls_built()) ||
	    strncmp(text, "confined: Landlock ABI ", 23) != 0)
		return 2;
	(void)snprintf(path, sizeof(path), "%s/new", folder);
	if (try_open(path, O_RDWR | O_CREAT) != 0 || unlink(path) < 0)
		return 3;
	if (try_open("/etc/shells", O_RDONLY) != EACCES || try_open("/", O_DIRECTORY) != EACCES)
		return 4;
	if (try_open("/etc/passwd", O_RDONLY) != 0 || try_open("/etc/passwd", O_RDWR) != EACCES)
		return 5;
	if (execv("/bin/false", argv) == 0 || errno != EACCES)
		return 6;
	/* It ends with 0. */
	(void)execv("/bin/true", argv);
	return 7;
}

static void test_closed(void **state)
{
	(void)state;
	if (!has_landlock())
		skip();
	assert_non_null(mkdtemp(folder));
	assert_int_equal(in_child(look_closed), 0);
	assert_int_equal(rmdir(folder), 0);
}

static int look_old(void)
{
	struct cage_report report = {.abi = 9, .calls = 9};
	char text[CAGE_TEXT_MAX];

	old_kernel = true;
	if (close_around(&report) < 0 || report.abi != 0 || report.calls != 0)
		return 1;
	return cage_print(&report, text) != LOG_LEVEL_WARNING || !strstr(text, "no Landlock") ||
	       !strstr(text, "all system calls");
}

/* --- a stick that is put in later --- */

static char stick[40], stick_file[48];

/* The one that is confined; answers when it was told that something is mounted. */
static int look_at_stick(int told, int tells)
{
	CLEANUP(cage_fini) struct cage cage = {.program = SYSCALLS_LOADER};
	struct cage_report report;
	struct err err = {0};
	char byte = 0;

	cage_add_nearest(&cage, stick, CONFINE_READ);
	if (cage_close(&cage, &report, &err) < 0 || write(tells, &byte, 1) != 1 ||
	    read(told, &byte, 1) != 1)
		return 1;
	return try_open(stick_file, O_RDONLY) == 0 ? 0 : 2;
}

static int mount_later(void)
{
	char byte = 0;
	int there[2], back[2], fd, status = -1;
	pid_t pid;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    pipe(there) < 0 || pipe(back) < 0)
		return 100;
	pid = fork();
	if (pid == 0)
		_exit(look_at_stick(there[0], back[1]));
	close(back[1]);
	if (read(back[0], &byte, 1) != 1 || mount("none", stick, "tmpfs", 0, NULL) < 0)
		return 101;
	fd = open(stick_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(there[1], &byte, 1) != 1 || waitpid(pid, &status, 0) != pid)
		return 102;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 103;
}

static void test_mounted_later(void **state)
{
	char root[] = "/tmp/hd-cage-XXXXXX";

	(void)state;
	if (!has_landlock() || geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(root));
	(void)snprintf(stick, sizeof(stick), "%s/stick", root);
	(void)snprintf(stick_file, sizeof(stick_file), "%s/stick/file", root);
	assert_int_equal(mkdir(stick, 0700), 0);
	assert_int_equal(in_child(mount_later), 0);
	assert_int_equal(rmdir(stick), 0);
	assert_int_equal(rmdir(root), 0);
}

/* Who moves nothing between folders is confined by the first ABI as well. */
static int look_first_abi(int moves)
{
	CLEANUP(cage_fini) struct cage cage = {.program = SYSCALLS_ORIGIN, .moves = moves};
	struct cage_report report = {.abi = 9};
	struct err err = {0};

	first_abi = true;
	cage_add_system(&cage);
	if (cage_close(&cage, &report, &err) < 0 || report.abi != !moves)
		return 1;
	return try_open("/etc/shells", O_RDONLY) != (moves ? 0 : EACCES);
}

static int look_first_moving(void)
{
	return look_first_abi(true);
}

static int look_first_still(void)
{
	return look_first_abi(false);
}

static void test_first_abi(void **state)
{
	(void)state;
	if (!has_landlock())
		skip();
	assert_int_equal(in_child(look_first_moving), 0);
	assert_int_equal(in_child(look_first_still), 0);
}

static void test_old_kernel(void **state)
{
	(void)state;
	assert_int_equal(in_child(look_old), 0);
}

static int look_failing(void)
{
	struct cage_report report = {.abi = 9};

	full_kernel = true;
	return close_around(&report) != ERR_INTERNAL || report.abi != 9;
}

static void test_failing_kernel(void **state)
{
	(void)state;
	if (!has_landlock())
		skip();
	assert_int_equal(in_child(look_failing), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folder_of),      cmocka_unit_test(test_folder_of_root),
		cmocka_unit_test(test_folder_of_link), cmocka_unit_test(test_mounted_later),
		cmocka_unit_test(test_first_abi),      cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_too_many),       cmocka_unit_test(test_same),
		cmocka_unit_test(test_program),	       cmocka_unit_test(test_closed),
		cmocka_unit_test(test_old_kernel),     cmocka_unit_test(test_failing_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
