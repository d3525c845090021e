/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/confine.h"
#include "host/syscalls.h"
#include "host/test_kernel.h"

#define PROGRAMS 5
#define NO_CALL	 9999

/* What the kernel is to answer to the first question; 0 = let it speak for itself. */
static int fake_errno;

bool kernel_answers(long number, const long arguments[static KERNEL_ARGUMENTS], long *ret_result)
{
	(void)arguments;
	*ret_result = -1;
	if (number != SYS_seccomp || fake_errno == 0)
		return false;
	errno = fake_errno;
	return true;
}

static long result(long r)
{
	return r < 0 ? errno : 0;
}

/* --- tries; each returns a number of errno, or 0 --- */

static long try_open(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return result(fd < 0 ? fd : close(fd));
}

static long try_event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	return result(fd < 0 ? fd : close(fd));
}

static long try_exec(void)
{
	char *const argv[] = {NULL};

	return result(execve("/nonexistent/holdfast", argv, argv));
}

static long try_kill(void)
{
	return result(kill(getpid(), 0));
}

static long try_thread_kill(void)
{
	return result(__real_syscall(SYS_tgkill, (long)getpid(), (long)gettid(), 0L, 0L, 0L));
}

static long try_thread_kill_other(void)
{
	return result(__real_syscall(SYS_tgkill, (long)getppid(), (long)getppid(), 0L, 0L, 0L));
}

static long try_own(int command)
{
	int fds[2];
	long e;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return errno;
	e = result(fcntl(fds[0], command, 0));
	close(fds[0]);
	close(fds[1]);
	return e;
}

static long try_set_owner(void)
{
	return try_own(F_SETOWN);
}

static long try_set_signal(void)
{
	return try_own(F_SETSIG);
}

static long try_flags(void)
{
	return try_own(F_SETFL);
}

/* What is not there: the answer tells whether the kernel looked. */
#define NOTHING "/nonexistent/holdfast"

static long try_chmod(void)
{
	return result(__real_syscall(SYS_fchmodat, (long)AT_FDCWD, (long)NOTHING, 0L, 0L, 0L));
}

static long try_chown(void)
{
	return result(__real_syscall(SYS_fchownat, (long)AT_FDCWD, (long)NOTHING, -1L, -1L, 0L));
}

static long try_truncate(void)
{
	return result(truncate(NOTHING, 0));
}

static long try_times(void)
{
	return result(__real_syscall(SYS_utimensat, (long)AT_FDCWD, (long)NOTHING, 0L, 0L, 0L));
}

static long try_symlink(void)
{
	return result(symlink("x", NOTHING));
}

static long try_trace(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static long try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : result(waitpid(pid, NULL, 0));
}

static long try_wait(void)
{
	return result(waitpid(-1, NULL, WNOHANG));
}

static long try_session(void)
{
	return result(setsid());
}

static long try_look(void)
{
	int fd = (int)__real_syscall(SYS_pidfd_open, (long)getppid(), 0L, 0L, 0L, 0L);

	return result(fd < 0 ? fd : close(fd));
}

static long try_signal_process(void)
{
	return result(__real_syscall(SYS_pidfd_send_signal, -1L, 0L, 0L, 0L, 0L));
}

static long try_clone3(void)
{
	return result(__real_syscall(SYS_clone3, 0L, 0L, 0L, 0L, 0L));
}

static long try_namespace(void)
{
	long pid = __real_syscall(SYS_clone, (long)(CLONE_NEWUSER | SIGCHLD), 0L, 0L, 0L, 0L);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static void *run_nothing(void *arg)
{
	return arg;
}

static long try_thread(void)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run_nothing, NULL);

	return r != 0 ? r : pthread_join(thread, NULL);
}

static long try_family(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	return result(fd < 0 ? fd : close(fd));
}

static long try_unix(void)
{
	return try_family(AF_UNIX, SOCK_STREAM);
}

static long try_inet(void)
{
	return try_family(AF_INET, SOCK_STREAM);
}

static long try_inet6(void)
{
	return try_family(AF_INET6, SOCK_DGRAM);
}

static long try_netlink(void)
{
	return try_family(AF_NETLINK, SOCK_RAW);
}

static long try_packet(void)
{
	return try_family(AF_PACKET, SOCK_DGRAM);
}

static long try_pair(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return errno;
	close(fds[0]);
	return result(close(fds[1]));
}

static long try_memory(int prot)
{
	void *page = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? errno : 0;
}

static long try_data(void)
{
	return try_memory(PROT_READ | PROT_WRITE);
}

static long try_code(void)
{
	return try_memory(PROT_READ | PROT_EXEC);
}

static long try_both(void)
{
	return try_memory(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static long try_limit(void)
{
	struct rlimit limit;

	return result(getrlimit(RLIMIT_NOFILE, &limit));
}

static long try_limit_of_other(void)
{
	struct rlimit limit;

	return result(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit));
}

static long try_type_for_user(void)
{
	return result(ioctl(0, TIOCSTI, "x"));
}

static long try_unknown(void)
{
	return result(__real_syscall(NO_CALL, 0L, 0L, 0L, 0L, 0L));
}

static long try_landlock(void)
{
	return result(__real_syscall(SYS_landlock_create_ruleset, 0L, 0L, 0L, 0L, 0L)) == ENOSYS
		       ? ENOSYS
		       : 0;
}

/* --- what each program gets --- */

static const struct {
	const char *name;
	long (*run)(void);
	long answers[PROGRAMS]; /* daemon, starter, helper, loader, origin */
} CASES[] = {
	{"open", try_open, {0, 0, 0, 0, 0}},
	{"eventfd", try_event, {0, 0, 0, 0, 0}},
	{"thread", try_thread, {0, 0, 0, 0, 0}},
	{"exec", try_exec, {EPERM, ENOENT, EPERM, EPERM, EPERM}},
	{"kill", try_kill, {EPERM, 0, EPERM, EPERM, EPERM}},
	{"tgkill", try_thread_kill, {0, 0, 0, 0, 0}},
	{"tgkill of another", try_thread_kill_other, {ENOSYS, 0, ENOSYS, ENOSYS, ENOSYS}},
	{"F_SETOWN", try_set_owner, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS}},
	{"F_SETSIG", try_set_signal, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS}},
	{"F_SETFL", try_flags, {0, 0, 0, 0, 0}},
	{"chmod", try_chmod, {ENOENT, EPERM, EPERM, EPERM, EPERM}},
	{"chown", try_chown, {ENOENT, EPERM, EPERM, EPERM, EPERM}},
	{"truncate", try_truncate, {EPERM, EPERM, EPERM, EPERM, EPERM}},
	{"utimensat", try_times, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS}},
	{"symlink", try_symlink, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS}},
	{"fork", try_fork, {ENOSYS, 0, ENOSYS, ENOSYS, ENOSYS}},
	{"wait", try_wait, {ENOSYS, ECHILD, ENOSYS, ENOSYS, ENOSYS}},
	{"session", try_session, {ENOSYS, 0, ENOSYS, ENOSYS, ENOSYS}},
	{"look at a process", try_look, {0, 0, ENOSYS, ENOSYS, ENOSYS}},
	{"signal a process", try_signal_process, {EPERM, ENOSYS, EPERM, EPERM, EPERM}},
	{"clone3", try_clone3, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS}},
	{"namespace", try_namespace, {EPERM, EPERM, EPERM, EPERM, EPERM}},
	{"ptrace", try_trace, {EPERM, EPERM, EPERM, EPERM, EPERM}},
	{"unix", try_unix, {0, 0, 0, 0, 0}},
	{"pair", try_pair, {0, 0, 0, 0, 0}},
	{"inet", try_inet, {EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, 0, 0}},
	{"inet6", try_inet6, {EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, 0, 0}},
	{"netlink", try_netlink, {EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, 0, EAFNOSUPPORT}},
	{"packet",
	 try_packet,
	 {EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT}},
	{"data", try_data, {0, 0, 0, 0, 0}},
	{"code", try_code, {0, 0, 0, 0, 0}},
	{"both", try_both, {EPERM, EPERM, EPERM, EPERM, EPERM}},
	{"limit", try_limit, {0, 0, 0, 0, 0}},
	{"limit of another", try_limit_of_other, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS}},
	{"TIOCSTI", try_type_for_user, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS}},
	{"unknown", try_unknown, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS}},
	{"landlock", try_landlock, {ENOSYS, 0, ENOSYS, ENOSYS, ENOSYS}},
};

/* The exit status of a child, which is the only one to be confined. */
static int in_child(int (*look)(int arg), int arg)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(look(arg));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool has_filter(void)
{
	return syscalls_built() &&
	       __real_syscall(SYS_seccomp, 2L, 0L, &(uint32_t){0x00050000u}, 0L, 0L) == 0;
}

static int look_at_program(int program)
{
	unsigned count = 0;
	struct err err = {0};
	size_t i;

	if (confine_privileges(&err) < 0 ||
	    syscalls_limit((enum syscalls_program)program, false, &count, &err) < 0)
		return 200;
	if (count < 100)
		return 201;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		if (CASES[i].run() != CASES[i].answers[program])
			return (int)i + 1;
	return 0;
}

static void test_programs(void **state)
{
	int program, wrong;

	(void)state;
	if (!has_filter())
		skip();
	for (program = 0; program < PROGRAMS; program++) {
		wrong = in_child(look_at_program, program);
		if (wrong != 0)
			fail_msg("program %d: %d %s", program, wrong,
				 wrong <= (int)ARRAY_LEN(CASES) ? CASES[wrong - 1].name : "");
	}
}

/* Where its TPM is to be reached so, and then it asks for addresses, too. */
static int look_at_inet(int program)
{
	unsigned count;
	struct err err = {0};

	if (confine_privileges(&err) < 0 ||
	    syscalls_limit((enum syscalls_program)program, true, &count, &err) < 0)
		return 200;
	return try_inet() != 0 || try_inet6() != 0 || try_netlink() != 0 ||
	       try_packet() != EAFNOSUPPORT;
}

static void test_inet(void **state)
{
	(void)state;
	if (!has_filter())
		skip();
	assert_int_equal(in_child(look_at_inet, SYSCALLS_DAEMON), 0);
}

/* --- a thread that was there before --- */

static pthread_barrier_t confined;

static void *wait_and_try(void *arg)
{
	pthread_barrier_wait(&confined);
	*(long *)arg = try_trace();
	return NULL;
}

static int look_at_thread(int program)
{
	unsigned count;
	struct err err = {0};
	pthread_t thread;
	long answer = -1;

	pthread_barrier_init(&confined, NULL, 2);
	if (pthread_create(&thread, NULL, wait_and_try, &answer) != 0 ||
	    confine_privileges(&err) < 0 ||
	    syscalls_limit((enum syscalls_program)program, false, &count, &err) < 0)
		return 200;
	pthread_barrier_wait(&confined);
	return pthread_join(thread, NULL) != 0 || answer != EPERM;
}

static void test_threads(void **state)
{
	(void)state;
	if (!has_filter())
		skip();
	assert_int_equal(in_child(look_at_thread, SYSCALLS_LOADER), 0);
}

/* --- kernels without, and failures --- */

static int look_without(int errnum)
{
	unsigned count = 1;
	struct err err = {0};

	fake_errno = errnum;
	if (confine_privileges(&err) < 0 ||
	    syscalls_limit(SYSCALLS_ORIGIN, false, &count, &err) < 0)
		return 200;
	return count != 0 || try_kill() != 0;
}

static void test_without(void **state)
{
	static const int NONE[] = {ENOSYS, EINVAL, EPERM, EOPNOTSUPP};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(NONE); i++)
		assert_int_equal(in_child(look_without, NONE[i]), 0);
}

/* Without the privileges renounced, only root's own may load a filter; so another user is one. */
static int look_at_failure(int uid)
{
	unsigned count = 77;
	struct err err = {0};

	if (geteuid() == 0 && setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) < 0)
		return 200;
	return syscalls_limit(SYSCALLS_ORIGIN, false, &count, &err) != ERR_INTERNAL || count != 77;
}

static void test_failure(void **state)
{
	(void)state;
	if (!has_filter())
		skip();
	assert_int_equal(in_child(look_at_failure, 65534), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs), cmocka_unit_test(test_inet),
		cmocka_unit_test(test_threads),	 cmocka_unit_test(test_without),
		cmocka_unit_test(test_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
