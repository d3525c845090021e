/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/confine.h"
#include "host/test_kernel.h"

/* What the kernel is to answer to the first question; 0 = let it speak for itself. */
static int fake_errno;
static long fake_abi;

bool kernel_answers(long number, const long arguments[static KERNEL_ARGUMENTS], long *ret_result)
{
	bool asks = number == SYS_landlock_create_ruleset && arguments[0] == 0;

	*ret_result = fake_errno != 0 ? -1 : fake_abi;
	if (asks && fake_errno != 0)
		errno = fake_errno;
	return asks && *ret_result != 0;
}

static long kernel_abi(void)
{
	return __real_syscall(SYS_landlock_create_ruleset, 0L, 0L, 1L);
}

/* Runs @look in a child, since there is no way back. Each wrong answer is an exit status. */
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

/* --- the process --- */

static int look_at_process(void)
{
	struct rlimit limit;
	struct err err = {0};
	int sig = 0;

	if (confine_process(&err) < 0)
		return 1;
	if (prctl(PR_GET_PDEATHSIG, &sig, 0, 0, 0) < 0 || sig != SIGKILL)
		return 2;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 3;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur != CONFINE_FILES ||
	    limit.rlim_max != CONFINE_FILES)
		return 4;
	/* A lower limit stays. */
	limit.rlim_cur = limit.rlim_max = 32;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || confine_process(&err) < 0 ||
	    getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max != 32)
		return 5;
	return 0;
}

static void test_process(void **state)
{
	(void)state;
	assert_int_equal(in_child(look_at_process), 0);
}

/* --- the paths: a folder to write, one to read, one that is not named --- */

static char root[32];

static const char *at(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void put_file(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL, 0700);

	assert_true(fd >= 0);
	close(fd);
}

static int bind_socket(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", at(name));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, SOMAXCONN), 0);
	return fd;
}

static int setup(void **state)
{
	static const char *const FOLDERS[] = {"write", "read", "other"};
	static const char *const FILES[] = {"write/file", "read/file", "other/file", "single"};
	size_t i;

	snprintf(root, sizeof(root), "/tmp/hd-confine-XXXXXX");
	assert_non_null(mkdtemp(root));
	for (i = 0; i < ARRAY_LEN(FOLDERS); i++)
		assert_int_equal(mkdir(at(FOLDERS[i]), 0700), 0);
	for (i = 0; i < ARRAY_LEN(FILES); i++)
		put_file(FILES[i]);
	*state = (void *)(intptr_t)bind_socket("other/sock");
	return 0;
}

static int teardown(void **state)
{
	static const char *const FILES[] = {"write/file", "read/file", "other/file",
					    "other/sock", "single",    "write/new"};
	static const char *const FOLDERS[] = {"write", "read", "other", ""};
	size_t i;

	close((int)(intptr_t)*state);
	for (i = 0; i < ARRAY_LEN(FILES); i++)
		(void)unlink(at(FILES[i]));
	for (i = 0; i < ARRAY_LEN(FOLDERS); i++)
		assert_int_equal(rmdir(at(FOLDERS[i])), 0);
	return 0;
}

/* In the order of exit statuses: what may be done, told by the errno that it ends with. */
static int try_open(const char *name, int flags)
{
	int fd = open(at(name), flags, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_connect(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", at(name));
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
}

static int try_exec(const char *name)
{
	char *const argv[] = {NULL};

	/* An empty file: where it may be executed, it is no program. */
	(void)execv(at(name), argv);
	return errno;
}

static int confine_here(bool *ret_confined)
{
	char writable[128], readable[128], single[128];
	const struct confine_path paths[] = {
		{.path = writable, .rights = CONFINE_WRITE},
		{.path = readable},
		{.path = single},
		{.path = "/nonexistent/holdfast"},
	};
	const struct confine_rules rules = {.paths = paths, .count = ARRAY_LEN(paths)};
	unsigned abi = *ret_confined;
	struct err err = {0};
	int r;

	snprintf(writable, sizeof(writable), "%s", at("write"));
	snprintf(readable, sizeof(readable), "%s", at("read"));
	snprintf(single, sizeof(single), "%s", at("single"));
	if (confine_process(&err) < 0)
		return err.code;
	r = confine_paths(&rules, &abi, &err);
	*ret_confined = abi != 0;
	return r;
}

static int look_at_paths(void)
{
	const struct {
		const char *name;
		int flags;
		int answer;
	} cases[] = {
		{"write/file", O_RDWR, 0},
		{"write/new", O_RDWR | O_CREAT | O_EXCL, 0},
		{"write", O_RDONLY | O_DIRECTORY, 0},
		{"read/file", O_RDONLY, 0},
		{"read", O_RDONLY | O_DIRECTORY, 0},
		{"read/file", O_WRONLY, EACCES},
		{"read/new", O_RDWR | O_CREAT, EACCES},
		{"single", O_RDONLY, 0},
		{"single", O_RDWR, EACCES},
		{"other/file", O_RDONLY, EACCES},
		{"other", O_RDONLY | O_DIRECTORY, EACCES},
		{"", O_RDONLY | O_DIRECTORY, EACCES},
	};
	bool confined = false;
	size_t i;

	if (confine_here(&confined) < 0)
		return 100;
	if (!confined)
		return 101;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		if (try_open(cases[i].name, cases[i].flags) != cases[i].answer)
			return (int)i + 1;
	if (unlink(at("write/new")) < 0 || unlink(at("read/file")) == 0)
		return 102;
	if (try_connect("other/sock") != 0)
		return 103;
	if (try_exec("write/file") != EACCES)
		return 104;
	return 0;
}

static void test_paths(void **state)
{
	(void)state;
	if (kernel_abi() < 1)
		skip();
	assert_int_equal(in_child(look_at_paths), 0);
}

/* A kernel of each earlier ABI gets a request that it can have understood, and it holds as well. */
static void test_earlier_kernels(void **state)
{
	long newest = kernel_abi();

	(void)state;
	if (newest < 1)
		skip();
	for (fake_abi = 1; fake_abi <= newest; fake_abi++)
		assert_int_equal(in_child(look_at_paths), 0);
	fake_abi = 0;
}

/* --- what else a rule can give --- */

static int try_bind(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", at(name));
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
}

static int try_tcp(bool connects)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(connects ? 1 : 0),
				      .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int r = connects ? connect(fd, (struct sockaddr *)&address, sizeof(address))
			 : bind(fd, (struct sockaddr *)&address, sizeof(address));

	return r == 0 ? 0 : errno;
}

/* A folder whose files may change, one for sockets, and a file to execute. */
static int look_at_rights(void)
{
	char changing[128], sockets[128], program[128];
	const struct confine_path paths[] = {
		{.path = changing, .rights = CONFINE_CHANGE},
		{.path = sockets, .rights = CONFINE_SOCKETS},
		{.path = program, .rights = CONFINE_EXECUTE},
	};
	const struct confine_rules rules = {
		.paths = paths, .count = ARRAY_LEN(paths), .tcp_listen = true, .moves = true};
	struct err err = {0};
	unsigned abi = 0;

	snprintf(changing, sizeof(changing), "%s", at("read"));
	snprintf(sockets, sizeof(sockets), "%s", at("write"));
	snprintf(program, sizeof(program), "%s", at("single"));
	if (confine_privileges(&err) < 0 || confine_paths(&rules, &abi, &err) < 0)
		return 100;
	if (abi < 2)
		return 0;
	if (try_open("read/file", O_RDWR) != 0 || try_open("read/new", O_RDWR | O_CREAT) != EACCES)
		return 1;
	if (try_bind("write/new") != 0 || unlink(at("write/new")) < 0 ||
	    try_open("write/file", O_RDWR) != EACCES || try_bind("read/new") != EACCES)
		return 2;
	if (try_exec("single") != ENOEXEC || try_exec("write/file") != EACCES)
		return 3;
	if (try_tcp(false) != 0 || try_tcp(true) != (abi >= 4 ? EACCES : ECONNREFUSED))
		return 4;
	return 0;
}

static void test_rights(void **state)
{
	long newest = kernel_abi();

	(void)state;
	if (newest < 2)
		skip();
	for (fake_abi = 2; fake_abi <= newest; fake_abi++)
		assert_int_equal(in_child(look_at_rights), 0);
	fake_abi = 0;
}

/* Who moves files between folders could not do so with the first ABI, and is not confined by it. */
static int look_at_moves(void)
{
	const struct confine_rules rules = {.moves = true};
	struct err err = {0};
	unsigned abi = 7;

	if (confine_privileges(&err) < 0 || confine_paths(&rules, &abi, &err) < 0 || abi != 0)
		return 1;
	return try_open("other/file", O_RDONLY);
}

static void test_moves(void **state)
{
	(void)state;
	fake_abi = 1;
	assert_int_equal(in_child(look_at_moves), 0);
	fake_abi = 0;
}

/* --- a kernel without it --- */

static int look_without(void)
{
	bool confined = true;

	if (confine_here(&confined) < 0)
		return 1;
	if (confined)
		return 2;
	return try_open("other/file", O_RDONLY) == 0 ? 0 : 3;
}

static int look_at_failure(void)
{
	bool confined = true;
	int r = confine_here(&confined);

	return r == ERR_INTERNAL && confined ? 0 : 1;
}

static void test_without(void **state)
{
	static const int NONE[] = {ENOSYS, EOPNOTSUPP, EPERM};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(NONE); i++) {
		fake_errno = NONE[i];
		assert_int_equal(in_child(look_without), 0);
	}
	/* Anything else is not the absence of Landlock, and ends the start. */
	fake_errno = ENOMEM;
	assert_int_equal(in_child(look_at_failure), 0);
	fake_errno = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_earlier_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
