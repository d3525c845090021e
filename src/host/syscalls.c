/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls are named, not numbered: libseccomp knows which of them an architecture has, and passes
 * over those that came after its release. Calls whose arguments matter have rules of their own
 * below: a call is allowed for those arguments only.
 */
#include "host/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNFILTERED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNFILTERED true
#endif
#endif
#ifndef UNFILTERED
#define UNFILTERED false
#endif

#define OF(program) (1u << (program))
#define ALL                                                                                        \
	(OF(SYSCALLS_DAEMON) | OF(SYSCALLS_STARTER) | OF(SYSCALLS_HELPER) | OF(SYSCALLS_LOADER) |  \
	 OF(SYSCALLS_ORIGIN))
#define SERVES	OF(SYSCALLS_DAEMON)
#define STARTS	OF(SYSCALLS_STARTER)
#define WATCHES (SERVES | STARTS)

/* --- calls that are allowed whatever their arguments are --- */

static const char *const READ[] = {
	"access",     "close",	 "faccessat", "faccessat2", "fadvise64",  "flock",
	"fstat",      "fstatfs", "getcwd",    "getdents64", "lseek",	  "lstat",
	"newfstatat", "open",	 "openat",    "openat2",    "pread64",	  "preadv",
	"preadv2",    "read",	 "readahead", "readlink",   "readlinkat", "readv",
	"stat",	      "statfs",	 "statx",     "dup",	    "dup2",	  "dup3",
	NULL,
};

/*
 * Nothing that changes mode, owner or size of a file by its path: Landlock has no right for that,
 * or only later ones have, so it would be possible with all files of our user.
 */
static const char *const WRITE[] = {
	"fallocate", "fchmod",	  "fchown",  "fdatasync", "fsync",	     "ftruncate", "link",
	"linkat",    "mkdir",	  "mkdirat", "pwrite64",  "pwritev",	     "pwritev2",  "rename",
	"renameat",  "renameat2", "rmdir",   "sendfile",  "sync_file_range", "umask",	  "unlink",
	"unlinkat",  "write",	  "writev",  NULL,
};

static const char *const WAIT[] = {
	"clock_nanosleep", "epoll_create",   "epoll_create1",	"epoll_ctl",	   "epoll_pwait",
	"epoll_pwait2",	   "epoll_wait",     "eventfd2",	"nanosleep",	   "pipe",
	"pipe2",	   "poll",	     "ppoll",		"pselect6",	   "select",
	"signalfd4",	   "timerfd_create", "timerfd_gettime", "timerfd_settime", NULL,
};

static const char *const TALK[] = {
	"accept",     "accept4", "bind",       "connect",  "getpeername", "getsockname",
	"getsockopt", "listen",	 "recvfrom",   "recvmmsg", "recvmsg",	  "sendmmsg",
	"sendmsg",    "sendto",	 "setsockopt", "shutdown", NULL,
};

static const char *const MEMORY[] = {
	"brk",	  "madvise", "membarrier", "mincore", "mlock",
	"mlock2", "mremap",  "munlock",	   "munmap",  NULL,
};

static const char *const THREADS[] = {
	"exit",
	"exit_group",
	"futex",
	"futex_wait",
	"futex_wake",
	"futex_waitv",
	"get_robust_list",
	"getcpu",
	"gettid",
	"restart_syscall",
	"rseq",
	"sched_getaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"sched_yield",
	"set_robust_list",
	"set_tid_address",
	"sched_get_priority_max",
	"sched_get_priority_min",
	NULL,
};

static const char *const SIGNALS[] = {
	"pause",	   "rt_sigaction", "rt_sigpending",
	"rt_sigprocmask",  "rt_sigreturn", "rt_sigsuspend",
	"rt_sigtimedwait", "sigaltstack",  NULL,
};

static const char *const FACTS[] = {
	"clock_getres", "clock_gettime", "getegid",   "geteuid", "getgid",	 "getgroups",
	"getpgid",	"getpgrp",	 "getpid",    "getppid", "getrandom",	 "getresgid",
	"getresuid",	"getrlimit",	 "getrusage", "getsid",	 "gettimeofday", "getuid",
	"sysinfo",	"time",		 "times",     "uname",	 NULL,
};

/* What starting a program takes, here and in that program's first steps .. */
static const char *const CHILDREN[] = {
	"arch_prctl", "close_range", "execve", "kill", "setsid", "tgkill", "wait4", "waitid", NULL,
};

/* Another process, until it ends: a child, or one that connected. */
static const char *const OTHERS[] = {"pidfd_open", NULL};

/* Its sockets get mode and group when they have a name, which no call does by a descriptor. */
static const char *const SOCKETS[] = {"fchmodat", "fchownat", NULL};

/* .. by which it gives up what it has from here. */
static const char *const CONFINEMENT[] = {
	"landlock_add_rule",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	"seccomp",
	"setrlimit",
	NULL,
};

static const struct {
	unsigned programs;
	const char *const *names;
} GROUPS[] = {
	{ALL, READ},	    {ALL, WRITE},	   {ALL, WAIT},	      {ALL, TALK},
	{ALL, MEMORY},	    {ALL, THREADS},	   {ALL, SIGNALS},    {ALL, FACTS},
	{STARTS, CHILDREN}, {STARTS, CONFINEMENT}, {SERVES, SOCKETS}, {WATCHES, OTHERS},
};

/* --- calls that are refused by name: what an intruder would try next --- */

/*
 * An anonymous file (memfd) can be mapped as code whatever Landlock and mounts say, since it lies
 * in no folder. So can one that another process hands over a socket: nothing here prevents that.
 */
static const char *const REFUSED[] = {
	"acct",
	"add_key",
	"adjtimex",
	"bpf",
	"capset",
	"chmod",
	"chown",
	"chroot",
	"clock_adjtime",
	"clock_settime",
	"create_module",
	"delete_module",
	"execveat",
	"fanotify_init",
	"fanotify_mark",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"init_module",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"ioperm",
	"iopl",
	"kcmp",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"lchown",
	"lookup_dcookie",
	"lsm_set_self_attr",
	"memfd_create",
	"memfd_secret",
	"migrate_pages",
	"mknod",
	"mknodat",
	"modify_ldt",
	"mount",
	"mount_setattr",
	"move_mount",
	"move_pages",
	"name_to_handle_at",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"personality",
	"pidfd_getfd",
	"pivot_root",
	"pkey_mprotect",
	"process_madvise",
	"process_mrelease",
	"process_vm_readv",
	"process_vm_writev",
	"ptrace",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"remap_file_pages",
	"request_key",
	"setdomainname",
	"setfsgid",
	"setfsuid",
	"setgid",
	"setgroups",
	"sethostname",
	"setns",
	"setregid",
	"setresgid",
	"setresuid",
	"setreuid",
	"settimeofday",
	"setuid",
	"shmat",
	"swapoff",
	"swapon",
	"syslog",
	"truncate",
	"umount2",
	"unshare",
	"uselib",
	"userfaultfd",
	"vhangup",
	NULL,
};

/* .. and by all that start nothing. */
static const char *const REFUSED_BUT_TO_STARTER[] = {
	"execve", "fork",  "kill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
	"tkill",  "vfork", NULL,
};

static const struct {
	unsigned programs;
	const char *const *names;
} REFUSALS[] = {
	{ALL, REFUSED},
	{ALL & ~STARTS, REFUSED_BUT_TO_STARTER},
	{ALL & ~SERVES, SOCKETS},
};

/* --- calls that are allowed for some arguments --- */

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)
#define W_AND_X (PROT_WRITE | PROT_EXEC)
#define SET_VMA 0x53564d41 /* prctl(2), PR_SET_VMA: the C library names its memory */

/* Allowed where @argument, masked, is @value; @mask 0: it is an int. */
static const struct {
	unsigned programs;
	const char *name;
	unsigned argument;
	uint64_t mask, value;
} SOME[] = {
	/* Threads, but no namespaces; processes where one is started. clone3() hides its flags. */
	{STARTS, "clone", 0, NAMESPACES, 0},
	{ALL & ~STARTS, "clone", 0, NAMESPACES | CLONE_THREAD, CLONE_THREAD},
	/*
	 * No memory is writable and executable, or becomes executable later. A file that may be
	 * written can still be mapped as code, unless its file system is mounted noexec, as our
	 * units have it (NoExecPaths=).
	 */
	{ALL, "mmap", 2, W_AND_X, 0},
	{ALL, "mmap", 2, W_AND_X, PROT_WRITE},
	{ALL, "mmap", 2, W_AND_X, PROT_EXEC},
	{ALL, "mprotect", 2, PROT_EXEC, 0},
	/* Not F_SETOWN and F_SETSIG, by which the kernel signals others for us. */
	{ALL, "fcntl", 1, 0, F_DUPFD},
	{ALL, "fcntl", 1, 0, F_DUPFD_CLOEXEC},
	{ALL, "fcntl", 1, 0, F_GETFD},
	{ALL, "fcntl", 1, 0, F_SETFD},
	{ALL, "fcntl", 1, 0, F_GETFL},
	{ALL, "fcntl", 1, 0, F_SETFL},
	{ALL, "fcntl", 1, 0, F_GETLK},
	{ALL, "fcntl", 1, 0, F_SETLK},
	{ALL, "fcntl", 1, 0, F_SETLKW},
	{ALL, "fcntl", 1, 0, F_OFD_GETLK},
	{ALL, "fcntl", 1, 0, F_OFD_SETLK},
	{ALL, "fcntl", 1, 0, F_OFD_SETLKW},
	/* Of itself only. */
	{ALL, "prlimit64", 0, 0, 0},
	{ALL, "prctl", 0, 0, PR_GET_DUMPABLE},
	{ALL, "prctl", 0, 0, PR_SET_DUMPABLE},
	{ALL, "prctl", 0, 0, PR_GET_NAME},
	{ALL, "prctl", 0, 0, PR_SET_NAME},
	{ALL, "prctl", 0, 0, PR_GET_NO_NEW_PRIVS},
	{ALL, "prctl", 0, 0, PR_SET_NO_NEW_PRIVS},
	{ALL, "prctl", 0, 0, SET_VMA},
	{STARTS, "prctl", 0, 0, PR_SET_PDEATHSIG},
	{STARTS, "prctl", 0, 0, PR_SET_SECCOMP},
	{ALL, "ioctl", 1, 0, FIONREAD},
	{ALL, "ioctl", 1, 0, FIONBIO},
	{ALL, "ioctl", 1, 0, TCGETS},
	{ALL, "ioctl", 1, 0, TIOCGWINSZ},
	{ALL, "socketpair", 0, 0, AF_UNIX},
};

/* .. and refused, beside ENOSYS for all others. */
static const struct {
	const char *name;
	unsigned argument;
	uint64_t mask, value;
} NONE_OF[] = {
	{"clone", 0, CLONE_NEWNS, CLONE_NEWNS},
	{"clone", 0, CLONE_NEWUSER, CLONE_NEWUSER},
	{"clone", 0, CLONE_NEWPID, CLONE_NEWPID},
	{"clone", 0, CLONE_NEWNET, CLONE_NEWNET},
	{"mmap", 2, W_AND_X, W_AND_X},
	{"mprotect", 2, PROT_EXEC, PROT_EXEC},
};

#define FAMILIES 64 /* more than there are */

/* --- the filter --- */

struct filter {
	scmp_filter_ctx context;
	enum syscalls_program program;
	unsigned count;
	int error; /* the first negative number of errno */
};

static void filter_fini(struct filter *filter)
{
	seccomp_release(filter->context);
}

static void add(struct filter *filter, uint32_t action, const char *name, unsigned count,
		struct scmp_arg_cmp compare)
{
	int number = seccomp_syscall_resolve_name(name);
	int r;

	/* Unknown to libseccomp, or none of this architecture's. */
	if (number < 0)
		return;
	r = seccomp_rule_add_array(filter->context, action, number, count, &compare);
	if (r < 0 && filter->error == 0)
		filter->error = r;
	if (action == SCMP_ACT_ALLOW && count == 0)
		filter->count++;
}

static void add_all(struct filter *filter, uint32_t action, const char *const *names)
{
	for (; *names; names++)
		add(filter, action, *names, 0, (struct scmp_arg_cmp){0});
}

static struct scmp_arg_cmp compare_to(unsigned argument, uint64_t mask, uint64_t value)
{
	return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask == 0 ? UINT32_MAX : mask, value);
}

static void add_some(struct filter *filter)
{
	const char *last = "";
	size_t i;

	for (i = 0; i < ARRAY_LEN(SOME); i++) {
		if (!(SOME[i].programs & OF(filter->program)))
			continue;
		add(filter, SCMP_ACT_ALLOW, SOME[i].name, 1,
		    compare_to(SOME[i].argument, SOME[i].mask, SOME[i].value));
		filter->count += last != SOME[i].name;
		last = SOME[i].name;
	}
	for (i = 0; i < ARRAY_LEN(NONE_OF); i++)
		add(filter, SCMP_ACT_ERRNO(EPERM), NONE_OF[i].name, 1,
		    compare_to(NONE_OF[i].argument, NONE_OF[i].mask, NONE_OF[i].value));
}

/* abort() and pthread_kill(), and none but this process; who starts others may signal them. */
static void add_own_signals(struct filter *filter)
{
	if (OF(filter->program) & STARTS)
		return;
	add(filter, SCMP_ACT_ALLOW, "tgkill", 1, compare_to(0, 0, (uint64_t)getpid()));
	filter->count++;
}

/* getaddrinfo() asks the kernel which addresses this machine has. */
static bool may_speak(enum syscalls_program program, bool inet, int family)
{
	inet = inet || program == SYSCALLS_LOADER || program == SYSCALLS_ORIGIN;
	return family == AF_UNIX || (inet && (family == AF_INET || family == AF_INET6)) ||
	       (inet && program != SYSCALLS_ORIGIN && family == AF_NETLINK);
}

static void add_families(struct filter *filter, bool inet)
{
	int family;

	for (family = 0; family < FAMILIES; family++)
		add(filter,
		    may_speak(filter->program, inet, family) ? SCMP_ACT_ALLOW
							     : SCMP_ACT_ERRNO(EAFNOSUPPORT),
		    "socket", 1, compare_to(0, 0, (uint64_t)family));
	filter->count++;
}

static int fill(struct filter *filter, bool inet, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(GROUPS); i++)
		if (GROUPS[i].programs & OF(filter->program))
			add_all(filter, SCMP_ACT_ALLOW, GROUPS[i].names);
	for (i = 0; i < ARRAY_LEN(REFUSALS); i++)
		if (REFUSALS[i].programs & OF(filter->program))
			add_all(filter, SCMP_ACT_ERRNO(EPERM), REFUSALS[i].names);
	add_some(filter);
	add_own_signals(filter);
	add_families(filter, inet);
	if (filter->error < 0)
		return err_set_errno(err, ERR_INTERNAL, -filter->error,
				     "cannot state which system calls are allowed");
	return 0;
}

static int make(struct filter *filter, struct err *err)
{
	static const struct {
		enum scmp_filter_attr name;
		uint32_t value;
	} ATTRIBUTES[] = {
		{SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
		{SCMP_FLTATR_CTL_NNP, 0}, /* confine_privileges() has done it */
		{SCMP_FLTATR_CTL_TSYNC, 1},
		{SCMP_FLTATR_CTL_OPTIMIZE, 2}, /* a tree, not a list */
	};
	size_t i;
	int r = 0;

	filter->context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!filter->context)
		return err_set(err, ERR_INTERNAL, "cannot make a filter of system calls");
	for (i = 0; i < ARRAY_LEN(ATTRIBUTES) && r == 0; i++)
		r = seccomp_attr_set(filter->context, ATTRIBUTES[i].name, ATTRIBUTES[i].value);
	if (r < 0)
		return err_set_errno(err, ERR_INTERNAL, -r, "cannot make a filter of system calls");
	return 0;
}

/* An emulator of user programs has none, nor has a sandbox that lets nobody ask. */
static bool is_there(void)
{
	const uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0u, &action) == 0;
}

bool syscalls_built(void)
{
	return !UNFILTERED;
}

int syscalls_limit(enum syscalls_program program, bool inet, unsigned *ret_count, struct err *err)
{
	CLEANUP(filter_fini) struct filter filter = {.program = program};
	int r;

	if (!syscalls_built() || !is_there()) {
		*ret_count = 0;
		return 0;
	}
	r = make(&filter, err);
	if (r == 0)
		r = fill(&filter, inet, err);
	if (r < 0)
		return r;
	r = seccomp_load(filter.context);
	if (r < 0)
		return err_set_errno(err, ERR_INTERNAL, -r, "cannot limit its system calls");
	*ret_count = filter.count;
	return 0;
}
