/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules hang on the file or folder that a path leads to at this moment, not on its name. What
 * others put in the place of a file later is only seen where its folder is open to us.
 */
#include "host/cage.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/limits.h> /* that of our room hides the other one */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"

#define HEADERS_MAX 64u

/* Read by the C library and by OpenSSL, now or when a thread first asks. */
static const char *const SYSTEM[] = {
	"/usr/lib",
	"/usr/lib32",
	"/usr/lib64",
	"/usr/local/lib",
	"/usr/share",
	"/lib",
	"/lib64",
	"/nix/store",
	"/etc/ld.so.cache",
	"/etc/ld.so.preload",
	"/etc/localtime",
	"/etc/nsswitch.conf",
	"/etc/passwd",
	"/etc/group",
	"/etc/ssl/openssl.cnf",
	"/etc/pki/tls/openssl.cnf",
	"/etc/crypto-policies",
	"/proc",
	"/sys/devices/system/cpu",
	"/dev/random",
	"/dev/urandom",
};

static const char *const SETTINGS[] = {"OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES"};

void cage_cut(struct cage *cage, size_t count)
{
	while (cage->count > count)
		free((char *)(uintptr_t)cage->paths[--cage->count].path);
}

void cage_fini(struct cage *cage)
{
	cage_cut(cage, 0);
}

static bool has(const struct cage *cage, const char *path, unsigned rights)
{
	size_t i;

	for (i = 0; i < cage->count; i++)
		if (cage->paths[i].rights == rights && strcmp(cage->paths[i].path, path) == 0)
			return true;
	return false;
}

void cage_add(struct cage *cage, const char *path, unsigned rights)
{
	char *copy;

	if (!path || path[0] == '\0' || cage->failed || has(cage, path, rights))
		return;
	copy = cage->count < CAGE_PATHS ? strdup(path) : NULL;
	if (copy)
		cage->paths[cage->count++] = (struct confine_path){.path = copy, .rights = rights};
	else
		cage->failed = true;
}

/* Takes the last name off; false when nothing but the root would be left. */
static bool climb(char *path)
{
	char *slash = strrchr(path, '/');

	while (slash && slash[1] == '\0' && slash != path) {
		*slash = '\0';
		slash = strrchr(path, '/');
	}
	if (!slash)
		(void)snprintf(path, 2, ".");
	else
		*slash = '\0';
	return path[0] != '\0';
}

/* By whatever name: "." and ".." can be it, too. */
static bool is_root(const char *path)
{
	char real[PATH_MAX];

	return realpath(path, real) && strcmp(real, "/") == 0;
}

/* @path without its last name, or all of it where that would be the whole machine. */
static void add_above(struct cage *cage, const char *path, unsigned rights)
{
	char folder[PATH_MAX];

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder) || !climb(folder) ||
	    is_root(folder))
		cage_add(cage, path, rights);
	else
		cage_add(cage, folder, rights);
}

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

void cage_add_folder_of(struct cage *cage, const char *file, unsigned rights)
{
	char real[PATH_MAX];

	if (!file || file[0] == '\0')
		return;
	add_above(cage, file, rights);
	if (is_link(file) && realpath(file, real))
		add_above(cage, real, rights);
}

void cage_add_nearest(struct cage *cage, const char *path, unsigned rights)
{
	char nearest[PATH_MAX];

	if (!path || path[0] == '\0' ||
	    snprintf(nearest, sizeof(nearest), "%s", path) >= (int)sizeof(nearest))
		return;
	while (access(nearest, F_OK) < 0)
		if (strcmp(nearest, ".") == 0 || !climb(nearest))
			return;
	if (is_root(nearest))
		return;
	cage_add(cage, nearest, rights);
	/* What is mounted on it later hides the folder that the rule hangs on. */
	cage_add_folder_of(cage, nearest, rights);
}

/* --- what the linker has loaded, and will load --- */

static int add_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	if (strchr(info->dlpi_name, '/') && strncmp(info->dlpi_name, "/usr/lib/", 9) != 0 &&
	    strncmp(info->dlpi_name, "/lib/", 5) != 0)
		cage_add_folder_of(arg, info->dlpi_name, CONFINE_READ);
	return 0;
}

void cage_add_system(struct cage *cage)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(SYSTEM); i++)
		cage_add(cage, SYSTEM[i], CONFINE_READ);
	for (i = 0; i < ARRAY_LEN(SETTINGS); i++)
		cage_add(cage, getenv(SETTINGS[i]), CONFINE_READ);
	cage_add(cage, "/dev/null", CONFINE_CHANGE);
	(void)dl_iterate_phdr(add_library, cage);
}

/* The dynamic linker that the file names; "" when it names none. */
static void read_interpreter(int fd, char ret_path[static PATH_MAX])
{
	ElfW(Ehdr) head;
	ElfW(Phdr) part;
	ssize_t len;
	size_t i;

	ret_path[0] = '\0';
	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    !slice_equal(slice_of(head.e_ident, SELFMAG), slice_of(ELFMAG, SELFMAG)))
		return;
	for (i = 0; i < head.e_phnum && i < HEADERS_MAX; i++) {
		off_t at = (off_t)(head.e_phoff + i * sizeof(part));

		if (pread(fd, &part, sizeof(part), at) != (ssize_t)sizeof(part))
			return;
		if (part.p_type != PT_INTERP || part.p_filesz >= PATH_MAX)
			continue;
		len = pread(fd, ret_path, part.p_filesz, (off_t)part.p_offset);
		ret_path[len > 0 ? len : 0] = '\0';
		return;
	}
}

void cage_add_program(struct cage *cage, const char *program)
{
	CLEANUP(fd_close_cleanup) int fd = open(program, O_RDONLY | O_CLOEXEC);
	char interpreter[PATH_MAX];

	/* One that may be executed and not read: it is of our own build. */
	if (fd < 0 && errno == EACCES)
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	read_interpreter(fd, interpreter);
	cage_add(cage, program, CONFINE_EXECUTE);
	cage_add(cage, interpreter, CONFINE_EXECUTE);
}

/* --- the end of all that --- */

bool cage_same(const struct cage *a, const struct cage *b)
{
	bool same = a->count == b->count && a->inet == b->inet &&
		    a->tcp_connect == b->tcp_connect && a->tcp_listen == b->tcp_listen &&
		    a->abstract == b->abstract;
	size_t i;

	for (i = 0; same && i < a->count; i++)
		same = a->paths[i].rights == b->paths[i].rights &&
		       strcmp(a->paths[i].path, b->paths[i].path) == 0;
	return same;
}

/* The service manager's socket may be one without a path (sd_notify(3)). */
static bool notifies_abstract(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket && socket[0] == '@';
}

int cage_close(const struct cage *cage, struct cage_report *ret_report, struct err *err)
{
	const struct confine_rules rules = {
		.paths = cage->paths,
		.count = cage->count,
		.tcp_connect = cage->tcp_connect,
		.tcp_listen = cage->tcp_listen,
		.abstract = cage->abstract || notifies_abstract(),
		.moves = cage->moves,
	};
	struct cage_report report = {0};
	int r;

	if (cage->failed)
		return err_set(err, ERR_INTERNAL, "cannot tell what it needs of the machine");
	r = confine_privileges(err);
	if (r == 0)
		r = confine_paths(&rules, &report.abi, err);
	if (r == 0)
		r = syscalls_limit(cage->program, cage->inet, &report.calls, err);
	if (r < 0)
		return err_wrap(err, "confinement");
	*ret_report = report;
	return 0;
}

enum log_level cage_print(const struct cage_report *report, char ret_text[static CAGE_TEXT_MAX])
{
	char files[48] = "no Landlock (the kernel has none that serves)";
	char calls[64] = "all system calls (the kernel has no seccomp)";

	if (report->abi > 0)
		(void)snprintf(files, sizeof(files), "Landlock ABI %u", report->abi);
	if (report->calls > 0)
		(void)snprintf(calls, sizeof(calls), "%u system calls", report->calls);
	else if (!syscalls_built())
		(void)snprintf(calls, sizeof(calls), "all system calls (a build for tests)");
	(void)snprintf(ret_text, CAGE_TEXT_MAX, "confined: %s, %s", files, calls);
	return report->abi > 0 && (report->calls > 0 || !syscalls_built()) ? LOG_LEVEL_NOTICE
									   : LOG_LEVEL_WARNING;
}
