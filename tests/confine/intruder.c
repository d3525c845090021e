/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody who runs code of his in one of our programs: preloaded, he lies still until SIGUSR2 (or,
 * in holdfast-fapi, until FAPI is initialized) and then tries what a confined program must not be
 * able to do. Each try is a line "name errno", 0 where it went well, in the file INTRUDER_REPORT.
 * The last tries are to become another program: no line is written when that goes well.
 *
 * INTRUDER_FREE=yes: nothing keeps him from tracing or being traced, so he does not begin to, which
 * would stop somebody. INTRUDER_OLD=yes: the kernel has neither Landlock nor seccomp; =calls: it
 * has no seccomp; =abi1: it has the first Landlock.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PUBLIC	__attribute__((visibility("default")))
#define NO_CALL 9999 /* no kernel has one of that number */

/* Of the environment, which a signal handler cannot ask. */
static const char *report, *outside, *inside, *program, *is_free, *outside_program, *helper;
static char linker[256];

static long errno_of(long result)
{
	return result < 0 ? errno : 0;
}

/* --- files --- */

static long try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	long e = errno_of(fd);

	if (fd >= 0)
		close(fd);
	return e;
}

static long read_outside(void)
{
	return try_open(outside, O_RDONLY);
}

static long write_outside(void)
{
	return try_open(outside, O_WRONLY);
}

static long list_root(void)
{
	return try_open("/", O_RDONLY | O_DIRECTORY);
}

/* By the way of a file that may be read. */
static long read_by_link(void)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "/proc/self/root%s", outside);
	return try_open(path, O_RDONLY);
}

static long read_inside(void)
{
	return try_open(inside, O_RDONLY);
}

static long change_outside(void)
{
	return errno_of(syscall(SYS_fchmodat, AT_FDCWD, outside, 0600));
}

static long give_away_outside(void)
{
	return errno_of(syscall(SYS_fchownat, AT_FDCWD, outside, -1, -1, 0));
}

static long empty_outside(void)
{
	return errno_of(truncate(outside, 7));
}

/* What was written, as code. */
static long map_inside(void)
{
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	void *code =
		fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	long e = code == MAP_FAILED ? errno : 0;

	if (fd >= 0)
		close(fd);
	return e;
}

/* --- processes --- */

static long trace_parent(void)
{
	return is_free ? 0 : errno_of(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static long be_traced(void)
{
	return is_free ? 0 : errno_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static long read_parent(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&report, 1};

	return errno_of(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static long signal_parent(void)
{
	return errno_of(kill(getppid(), 0));
}

static long signal_parent_thread(void)
{
	return errno_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

/* All that there are, the starter among them. */
static long signal_all(void)
{
	return errno_of(kill(-1, 0));
}

static long make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : errno_of(waitpid(pid, NULL, 0));
}

static long new_namespace(void)
{
	return errno_of(unshare(CLONE_NEWUSER));
}

static long clone_namespace(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return errno_of(pid);
}

static long gain_privileges(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
}

/* --- the kernel --- */

static long mount_tmpfs(void)
{
	return errno_of(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static long load_bpf(void)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY};

	return errno_of(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static long use_keys(void)
{
	return errno_of(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
}

static long use_io_uring(void)
{
	uint8_t params[256] = {0};

	return errno_of(syscall(SYS_io_uring_setup, 1, params));
}

static long anonymous_file(void)
{
	return errno_of(syscall(SYS_memfd_create, "intruder", 0));
}

static long code_to_write(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? errno : 0;
}

static long data_to_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? errno : errno_of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static long unknown_call(void)
{
	return errno_of(syscall(NO_CALL));
}

/* --- the network --- */

static long raw_socket(void)
{
	return errno_of(socket(AF_PACKET, SOCK_DGRAM, 0));
}

static long ip_socket(void)
{
	return errno_of(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/* To where nobody listens; refused by the other side, or by ours. */
static long connect_out(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(1), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	return errno_of(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

/* --- another program --- */

static long execute(const char *path)
{
	char *const argv[] = {(char *)(uintptr_t)path, NULL};

	return errno_of(execve(path, argv, NULL));
}

static long execute_shell(void)
{
	return execute("/bin/sh");
}

static long execute_own(void)
{
	return execute(program);
}

static long execute_self(void)
{
	return execute("/proc/self/exe");
}

static long execute_helper(void)
{
	return execute(helper);
}

static long execute_linker(void)
{
	return execute(linker);
}

/* Where the dynamic linker may be executed, so may all it reads. It ends with 127 when it cannot.
 */
static long run_by_linker(const char *path)
{
	char *const argv[] = {linker, (char *)(uintptr_t)path, NULL}, *const none[] = {NULL};
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execve(linker, argv, none);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static long link_system(void)
{
	return run_by_linker("/bin/true");
}

static long link_outside(void)
{
	return run_by_linker(outside_program);
}

static long link_inside(void)
{
	return run_by_linker(program);
}

static const struct {
	const char *name;
	long (*run)(void);
} TRIES[] = {
	{"read_outside", read_outside},
	{"write_outside", write_outside},
	{"list_root", list_root},
	{"read_by_link", read_by_link},
	{"read_inside", read_inside},
	{"change_outside", change_outside},
	{"give_away_outside", give_away_outside},
	{"empty_outside", empty_outside},
	{"map_inside", map_inside},
	{"trace_parent", trace_parent},
	{"be_traced", be_traced},
	{"read_parent", read_parent},
	{"signal_parent", signal_parent},
	{"signal_parent_thread", signal_parent_thread},
	{"signal_all", signal_all},
	{"make_process", make_process},
	{"new_namespace", new_namespace},
	{"clone_namespace", clone_namespace},
	{"gain_privileges", gain_privileges},
	{"mount", mount_tmpfs},
	{"bpf", load_bpf},
	{"keyctl", use_keys},
	{"io_uring", use_io_uring},
	{"memfd", anonymous_file},
	{"code_to_write", code_to_write},
	{"data_to_code", data_to_code},
	{"unknown_call", unknown_call},
	{"raw_socket", raw_socket},
	{"ip_socket", ip_socket},
	{"connect_out", connect_out},
	{"link_system", link_system},
	{"link_outside", link_outside},
	{"link_inside", link_inside},
	{"execute_self", execute_self},
	{"execute_helper", execute_helper},
	{"execute_linker", execute_linker},
	{"execute_own", execute_own},
	{"execute_shell", execute_shell},
};

static void try_all(void)
{
	int fd = open(report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char line[64];
	size_t i;

	for (i = 0; fd >= 0 && i < sizeof(TRIES) / sizeof(TRIES[0]); i++) {
		int len = snprintf(line, sizeof(line), "%s %ld\n", TRIES[i].name, TRIES[i].run());

		if (write(fd, line, (size_t)len) != len)
			break;
	}
	if (fd >= 0) {
		if (write(fd, "end\n", 4) != 4)
			abort();
		close(fd);
	}
}

static void on_signal(int signo)
{
	int saved = errno;

	(void)signo;
	try_all();
	errno = saved;
}

static int find_linker(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (strstr(info->dlpi_name, "/ld-"))
		(void)snprintf(linker, sizeof(linker), "%s", info->dlpi_name);
	return 0;
}

__attribute__((constructor)) static void lie_still(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	report = getenv("INTRUDER_REPORT");
	outside = getenv("INTRUDER_OUTSIDE");
	inside = getenv("INTRUDER_INSIDE");
	program = getenv("INTRUDER_PROGRAM");
	is_free = getenv("INTRUDER_FREE");
	outside_program = getenv("INTRUDER_OUTSIDE_PROGRAM");
	helper = getenv("INTRUDER_HELPER");
	(void)dl_iterate_phdr(find_linker, NULL);
	if (report && outside && inside && program && outside_program && helper)
		(void)sigaction(SIGUSR2, &action, NULL);
}

/* --- what he puts in the place of functions --- */

PUBLIC uint32_t Fapi_Initialize(void **context, const char *uri);
PUBLIC uint32_t Fapi_Initialize(void **context, const char *uri)
{
	uint32_t (*real)(void **context, const char *uri);
	void *symbol = dlsym(RTLD_NEXT, "Fapi_Initialize");

	if (report)
		try_all();
	memcpy(&real, &symbol, sizeof(real));
	return real(context, uri);
}

/* Of this library's own calls, none has more than five arguments. */
PUBLIC long tried_syscall(long number, ...) __asm__("syscall");
PUBLIC long tried_syscall(long number, ...)
{
	static long (*real)(long number, ...);
	const char *old = getenv("INTRUDER_OLD");
	va_list ap;
	long a[5];
	size_t i;

	if (!real) {
		void *symbol = dlsym(RTLD_NEXT, "syscall");

		memcpy(&real, &symbol, sizeof(real));
	}
	va_start(ap, number);
	for (i = 0; i < sizeof(a) / sizeof(a[0]); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (old && strcmp(old, "abi1") == 0) {
		if (number == SYS_landlock_create_ruleset && a[0] == 0)
			return 1;
	} else if (old && strcmp(old, "calls") == 0) {
		if (number == SYS_seccomp) {
			errno = ENOSYS;
			return -1;
		}
	} else if (old && (number == SYS_landlock_create_ruleset || number == SYS_seccomp)) {
		errno = ENOSYS;
		return -1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4]);
}
