/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock has no wrappers in the C library and its header may be older than the running kernel,
 * so the later bits are spelt out here. What a kernel does not know (its ABI is older) is left
 * out of the request, since it would refuse the whole otherwise.
 */
#include "host/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The ABI that brought each group of rights; the bits are those of linux/landlock.h. */
#define ABI_REFER    2
#define ABI_TRUNCATE 3
#define ABI_NET	     4
#define ABI_IOCTL    5
#define ABI_SCOPE    6

#define FS_FIRST       ((UINT64_C(1) << 13) - 1) /* all of ABI 1: execute .. make_sym */
#define FS_REFER       (UINT64_C(1) << 13)
#define FS_TRUNCATE    (UINT64_C(1) << 14)
#define FS_IOCTL       (UINT64_C(1) << 15)
#define NET_BIND       UINT64_C(1)
#define NET_CONNECT    UINT64_C(2)
#define SCOPE_ABSTRACT UINT64_C(1)
#define SCOPE_SIGNAL   UINT64_C(2)

#define FS_OF_FILES                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL)
#define FS_READ	  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_CHANGE (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define FS_WRITE                                                                                   \
	(FS_CHANGE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |              \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | FS_REFER)
#define FS_SOCKETS (FS_READ | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)

static const struct {
	unsigned right;
	uint64_t bits;
} RIGHTS[] = {
	{CONFINE_CHANGE, FS_CHANGE | FS_IOCTL},
	{CONFINE_WRITE, FS_WRITE},
	{CONFINE_SOCKETS, FS_SOCKETS},
	{CONFINE_EXECUTE, LANDLOCK_ACCESS_FS_EXECUTE},
};

/* struct landlock_ruleset_attr as of ABI 6; older kernels are told a shorter size. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

int confine_privileges(struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot renounce new privileges");
	return 0;
}

int confine_process(struct err *err)
{
	struct rlimit files;
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot tie itself to its parent");
	r = confine_privileges(err);
	if (r < 0)
		return r;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot read the limit of files");
	files.rlim_max = files.rlim_max < CONFINE_FILES ? files.rlim_max : CONFINE_FILES;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot limit its open files");
	return 0;
}

static uint64_t rights_of(long abi)
{
	return FS_FIRST | (abi >= ABI_REFER ? FS_REFER : 0) |
	       (abi >= ABI_TRUNCATE ? FS_TRUNCATE : 0) | (abi >= ABI_IOCTL ? FS_IOCTL : 0);
}

static int make_ruleset(long abi, const struct confine_rules *rules, int *ret_fd, struct err *err)
{
	const uint64_t net =
		(rules->tcp_listen ? 0 : NET_BIND) | (rules->tcp_connect ? 0 : NET_CONNECT);
	const uint64_t scoped = SCOPE_SIGNAL | (rules->abstract ? 0 : SCOPE_ABSTRACT);
	const struct ruleset ruleset = {
		.fs = rights_of(abi),
		.net = abi >= ABI_NET ? net : 0,
		.scoped = abi >= ABI_SCOPE ? scoped : 0,
	};
	size_t size = abi >= ABI_SCOPE ? sizeof(ruleset)
		      : abi >= ABI_NET ? offsetof(struct ruleset, scoped)
				       : offsetof(struct ruleset, net);
	long fd = syscall(SYS_landlock_create_ruleset, &ruleset, size, 0u);

	if (fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a set of rules");
	*ret_fd = (int)fd;
	return 0;
}

static uint64_t bits_of(unsigned rights)
{
	uint64_t bits = FS_READ;
	size_t i;

	for (i = 0; i < ARRAY_LEN(RIGHTS); i++)
		if (rights & RIGHTS[i].right)
			bits |= RIGHTS[i].bits;
	return bits;
}

static int add_path(int rules, long abi, const struct confine_path *path, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = open(path->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr beneath = {.parent_fd = fd};
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot look at what it may use");
	beneath.allowed_access = bits_of(path->rights) & rights_of(abi);
	if (!S_ISDIR(st.st_mode))
		beneath.allowed_access &= FS_OF_FILES;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0u) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot state what it may use");
	return 0;
}

/* The kernel's ABI; 0 = it has no Landlock, or it is off, or a sandbox around us refuses it. */
static int ask_abi(long *ret_abi, struct err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1 && errno != ENOSYS && errno != EOPNOTSUPP && errno != EPERM)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot ask for Landlock");
	*ret_abi = abi < 1 ? 0 : abi;
	return 0;
}

int confine_paths(const struct confine_rules *rules, unsigned *ret_abi, struct err *err)
{
	CLEANUP(fd_close_cleanup) int set = -1;
	long abi = 0;
	size_t i;
	int r;

	r = ask_abi(&abi, err);
	if (r < 0)
		return r;
	if (abi == 0 || (rules->moves && abi < ABI_REFER)) {
		*ret_abi = 0;
		return 0;
	}
	r = make_ruleset(abi, rules, &set, err);
	for (i = 0; i < rules->count && r == 0; i++)
		r = add_path(set, abi, &rules->paths[i], err);
	if (r < 0)
		return r;
	if (syscall(SYS_landlock_restrict_self, set, 0u) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot confine itself");
	*ret_abi = (unsigned)abi;
	return 0;
}
