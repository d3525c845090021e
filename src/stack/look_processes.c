/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has the chip, by /proc. Of others' processes only root may see the open files; without that
 * it is known whether the daemons run, and not what they have open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "stack/look.h"

#define PROCESSES_MAX 100000u
#define FILES_MAX     100000u

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static DIR *open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

/* The name that the kernel keeps, as its process chose it; "" when it has ended. */
static void read_comm(int process, char ret_comm[FACT_COMM_SIZE])
{
	CLEANUP(fd_close_cleanup) int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, ret_comm, FACT_COMM_SIZE - 1);

	ret_comm[len < 0 ? 0 : len] = '\0';
	ret_comm[strcspn(ret_comm, "\n")] = '\0';
}

static void add_holder(struct fact_holders *holders, const char *comm)
{
	if (holders->count < FACT_HOLDERS)
		memcpy(holders->names[holders->count], comm, FACT_COMM_SIZE);
	holders->count++;
}

/* Which of the nodes the process has open; each is counted once. */
static void find_nodes(DIR *files, const struct fact_node *nodes, bool ret_open[FACT_NODES])
{
	char target[PATH_MAX];
	struct dirent *entry;
	unsigned left = FILES_MAX;
	size_t i;

	while (left-- > 0 && (entry = readdir(files))) {
		ssize_t len = readlinkat(dirfd(files), entry->d_name, target, sizeof(target) - 1);

		if (len < 0)
			continue;
		target[len] = '\0';
		for (i = 0; i < FACT_NODES; i++)
			ret_open[i] = ret_open[i] || strcmp(target, nodes[i].path) == 0;
	}
}

static void look_at_process(int process, const struct fact_node *nodes,
			    struct fact_manager *manager)
{
	CLEANUP(close_dir) DIR *files = NULL;
	char comm[FACT_COMM_SIZE] = "";
	bool open[FACT_NODES] = {false};
	size_t i;

	read_comm(process, comm);
	manager->abrmd_runs = manager->abrmd_runs || strcmp(comm, "tpm2-abrmd") == 0;
	manager->holdfastd_runs = manager->holdfastd_runs || strcmp(comm, "holdfastd") == 0;
	files = open_dir(process, "fd");
	if (files)
		find_nodes(files, nodes, open);
	for (i = 0; i < FACT_NODES; i++) {
		if (!files && (errno == EACCES || errno == EPERM))
			manager->of[i].known = false;
		else if (open[i])
			add_holder(&manager->of[i], comm);
	}
}

void look_at_processes(const char *proc, const struct fact_node nodes[FACT_NODES],
		       struct fact_manager *manager)
{
	CLEANUP(close_dir) DIR *dir = open_dir(AT_FDCWD, proc);
	/* Where others' processes are hidden (hidepid), this one is too. */
	bool all = dir && faccessat(dirfd(dir), "1", F_OK, 0) == 0;
	unsigned left = PROCESSES_MAX;
	struct dirent *entry;
	size_t i;

	for (i = 0; i < FACT_NODES; i++)
		manager->of[i].known = all;
	while (dir && left-- > 0 && (entry = readdir(dir))) {
		CLEANUP(fd_close_cleanup) int process = -1;

		if (entry->d_name[strspn(entry->d_name, "0123456789")] != '\0')
			continue;
		process = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process >= 0)
			look_at_process(process, nodes, manager);
	}
}
