/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder /proc/PID is opened first, and then asked whether the process still lives: from there
 * on the folder is that process's and never a later one's. Its group is read again at the end,
 * since it may have been moved to another one meanwhile.
 */
#include "host/usage.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"

#define TEXT_MAX      (64u * 1024u)
#define FOLDER_MAX    (CGROUP_PATH_MAX + 256u)
#define TRIES	      3u
#define HYBRID_FOLDER "unified"

static PRINTF_LIKE(2, 3) void remark(struct usage *usage, const char *fmt, ...)
{
	va_list args;

	if (usage->remark_count == USAGE_REMARKS_MAX)
		return;
	va_start(args, fmt);
	(void)vsnprintf(usage->remarks[usage->remark_count++], USAGE_REMARK_MAX, fmt, args);
	va_end(args);
}

/* --- numbers of a group --- */

enum form {
	FORM_NUMBER,
	FORM_LIMIT, /* the narrowest of the group's and those above it */
	FORM_QUOTA, /* the same, of two numbers */
	FORM_FIELD,
};

/* What stands where. A later row fills what an earlier one has left empty. */
static const struct row {
	enum cgroup_hierarchy hierarchy;
	enum form form;
	const char *file;
	const char *more; /* FORM_FIELD: the field; FORM_QUOTA: the file of the period, or NULL */
	size_t offset;
	uint64_t divisor; /* 0 = 1 */
} ROWS[] = {
	{CGROUP_UNIFIED, FORM_NUMBER, "memory.current", NULL,
	 offsetof(struct usage, memory.current), 0},
	{CGROUP_UNIFIED, FORM_NUMBER, "memory.peak", NULL, offsetof(struct usage, memory.peak), 0},
	{CGROUP_UNIFIED, FORM_LIMIT, "memory.max", NULL, offsetof(struct usage, memory.limit), 0},
	{CGROUP_UNIFIED, FORM_FIELD, "cpu.stat", "usage_usec", offsetof(struct usage, cpu.usage_us),
	 0},
	{CGROUP_UNIFIED, FORM_FIELD, "cpu.stat", "user_usec", offsetof(struct usage, cpu.user_us),
	 0},
	{CGROUP_UNIFIED, FORM_FIELD, "cpu.stat", "system_usec",
	 offsetof(struct usage, cpu.system_us), 0},
	{CGROUP_UNIFIED, FORM_QUOTA, "cpu.max", NULL, offsetof(struct usage, cpu.limit_millicores),
	 0},
	{CGROUP_UNIFIED, FORM_NUMBER, "pids.current", NULL, offsetof(struct usage, pids.current),
	 0},
	{CGROUP_UNIFIED, FORM_LIMIT, "pids.max", NULL, offsetof(struct usage, pids.limit), 0},

	{CGROUP_MEMORY, FORM_NUMBER, "memory.usage_in_bytes", NULL,
	 offsetof(struct usage, memory.current), 0},
	{CGROUP_MEMORY, FORM_NUMBER, "memory.max_usage_in_bytes", NULL,
	 offsetof(struct usage, memory.peak), 0},
	{CGROUP_MEMORY, FORM_LIMIT, "memory.limit_in_bytes", NULL,
	 offsetof(struct usage, memory.limit), 0},
	{CGROUP_CPUACCT, FORM_NUMBER, "cpuacct.usage", NULL, offsetof(struct usage, cpu.usage_us),
	 1000},
	{CGROUP_CPUACCT, FORM_NUMBER, "cpuacct.usage_user", NULL,
	 offsetof(struct usage, cpu.user_us), 1000},
	{CGROUP_CPUACCT, FORM_NUMBER, "cpuacct.usage_sys", NULL,
	 offsetof(struct usage, cpu.system_us), 1000},
	{CGROUP_CPU, FORM_QUOTA, "cpu.cfs_quota_us", "cpu.cfs_period_us",
	 offsetof(struct usage, cpu.limit_millicores), 0},
	{CGROUP_PIDS, FORM_NUMBER, "pids.current", NULL, offsetof(struct usage, pids.current), 0},
	{CGROUP_PIDS, FORM_LIMIT, "pids.max", NULL, offsetof(struct usage, pids.limit), 0},
};

/* Version 1 says "no limit" by the largest number of whole pages that its 64 bits hold. */
#define NO_LIMIT (UINT64_C(1) << 62)

/* The words of version 1's controllers, which are also the names of their folders. */
static const char *const CONTROLLERS[CGROUP_HIERARCHIES] = {
	[CGROUP_SYSTEMD] = "systemd", [CGROUP_MEMORY] = "memory", [CGROUP_CPU] = "cpu",
	[CGROUP_CPUACCT] = "cpuacct", [CGROUP_PIDS] = "pids",
};

/* A group in one hierarchy, as an open folder above and the path below it. */
struct place {
	const char *root; /* of all hierarchies */
	char base[64];	  /* of this one, relative to root */
	struct slice path;
};

static bool is_root(struct slice path)
{
	return path.len == 1;
}

static int open_group(const struct place *place, struct slice path)
{
	char folder[FOLDER_MAX];
	int fd = -1, len;
	struct err err;

	/* What stands for a hierarchy may be a link; a group below it is none. */
	len = snprintf(folder, sizeof(folder), "%s/%s/.%.*s", place->root, place->base,
		       (int)path.len, (const char *)path.data);
	if (len < 0 || (size_t)len >= sizeof(folder) ||
	    file_open_dir(AT_FDCWD, folder, false, 0, &fd, &err) < 0)
		return -1;
	return fd;
}

/* Appends the file; for a quota that stands in two files the second too. */
static bool read_row(int dir, const struct row *row, struct buf *text)
{
	struct err err;

	if (file_read(dir, row->file, text, &err) < 0)
		return false;
	if (row->form != FORM_QUOTA || !row->more)
		return true;
	buf_put_u8(text, ' ');
	return file_read(dir, row->more, text, &err) == 0;
}

static bool parse_row(const struct row *row, struct slice text, uint64_t *ret_value)
{
	uint64_t value;
	bool ok;

	if (row->form == FORM_FIELD)
		ok = meter_field(text, row->more, &value);
	else if (row->form == FORM_QUOTA)
		ok = meter_quota(text, &value);
	else
		ok = meter_number(text, &value);
	if (!ok)
		return false;
	if (row->form == FORM_LIMIT && value >= NO_LIMIT)
		value = METER_NONE;
	*ret_value = row->divisor && value != METER_NONE ? value / row->divisor : value;
	return true;
}

static bool read_value(const struct place *place, const struct row *row, struct slice path,
		       uint64_t *ret_value)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);
	CLEANUP(fd_close_cleanup) int dir = open_group(place, path);

	return dir >= 0 && read_row(dir, row, &text) && parse_row(row, buf_slice(&text), ret_value);
}

static struct slice parent_of(struct slice path)
{
	while (path.len > 1 && path.data[path.len - 1] != '/')
		path.len--;
	if (path.len > 1)
		path.len--;
	return path;
}

/* METER_NONE is the largest number, so that no limit is the widest. */
static uint64_t narrowest(const struct place *place, const struct row *row)
{
	uint64_t least = METER_NONE, value;
	struct slice path;

	for (path = place->path; !is_root(path); path = parent_of(path))
		if (read_value(place, row, path, &value) && value < least)
			least = value;
	return least;
}

static bool exists(const char *root, const char *below, const char *name)
{
	char path[FOLDER_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s/%s", root, below, name);

	return len > 0 && (size_t)len < sizeof(path) && access(path, F_OK) == 0;
}

/* Where hierarchy @h has its folder below the root of all; false when there is none. */
static bool base_of(const char *root, const struct cgroup_map *map, enum cgroup_hierarchy h,
		    char ret_base[64])
{
	struct slice names = map->of[h].controllers;

	if (h == CGROUP_UNIFIED) {
		(void)snprintf(ret_base, 64, "%s",
			       exists(root, ".", "cgroup.controllers") ? "." : HYBRID_FOLDER);
		return exists(root, ret_base, "cgroup.controllers");
	}
	/* The line's own word, "cpu,cpuacct", is the folder; links by single names may be missing.
	 */
	(void)snprintf(ret_base, 64, "%.*s", names.len < 64 ? (int)names.len : 0,
		       names.len > 0 ? (const char *)names.data : "");
	if (names.len == 0 || !exists(root, ret_base, "."))
		(void)snprintf(ret_base, 64, "%s", CONTROLLERS[h]);
	return exists(root, ret_base, ".");
}

/* The container's own group, where the path goes on below it. */
static struct slice group_of(struct slice path)
{
	struct cgroup_container container;

	if (cgroup_container(path, &container))
		path.len = container.path_len;
	return path;
}

static void read_rows(const char *root, const struct cgroup_map *map, struct usage *usage)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(ROWS); i++) {
		const struct row *row = &ROWS[i];
		struct place place = {.root = root, .path = group_of(map->of[row->hierarchy].path)};
		uint64_t *value = (uint64_t *)(void *)((uint8_t *)usage + row->offset);

		if (*value != METER_NONE || place.path.len == 0 || is_root(place.path) ||
		    !base_of(root, map, row->hierarchy, place.base))
			continue;
		if (row->form == FORM_LIMIT || row->form == FORM_QUOTA)
			*value = narrowest(&place, row);
		else
			(void)read_value(&place, row, place.path, value);
	}
}

/* --- which group --- */

/* Of version 1's hierarchies the first that has a group is shown; each may have another. */
static const enum cgroup_hierarchy SHOWN[] = {
	CGROUP_MEMORY, CGROUP_CPUACCT, CGROUP_CPU, CGROUP_PIDS, CGROUP_SYSTEMD, CGROUP_UNIFIED,
};

static enum cgroup_hierarchy shown_of(const char *root, const struct cgroup_map *map)
{
	size_t i;

	if (map->of[CGROUP_UNIFIED].path.len > 0 && exists(root, ".", "cgroup.controllers"))
		return CGROUP_UNIFIED;
	for (i = 0; i < ARRAY_LEN(SHOWN); i++)
		if (map->of[SHOWN[i]].path.len > 1)
			return SHOWN[i];
	for (i = 0; i < ARRAY_LEN(SHOWN); i++)
		if (map->of[SHOWN[i]].path.len > 0)
			return SHOWN[i];
	return CGROUP_HIERARCHIES;
}

/* Of version 2's first, then as the shown ones come. */
static void find_container(const struct cgroup_map *map, struct cgroup_container *container)
{
	static const enum cgroup_hierarchy ORDER[] = {
		CGROUP_UNIFIED, CGROUP_SYSTEMD, CGROUP_MEMORY,
		CGROUP_CPUACCT, CGROUP_CPU,	CGROUP_PIDS,
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(ORDER); i++)
		if (cgroup_container(map->of[ORDER[i]].path, container))
			return;
}

static void explain(struct usage *usage, const char *what, uint64_t value, struct slice path)
{
	if (value != METER_NONE)
		return;
	if (path.len == 0)
		remark(usage, "%s: the group of the process cannot be seen from here", what);
	else if (is_root(path))
		remark(usage, "%s: the process is in the root group, which is the whole host's",
		       what);
	else
		remark(usage, "%s: the host does not count it for this group", what);
}

static void read_group(const char *root, const struct cgroup_map *map, struct usage *usage)
{
	enum cgroup_hierarchy shown = shown_of(root, map);
	bool unified = shown == CGROUP_UNIFIED;
	struct slice path;

	if (shown == CGROUP_HIERARCHIES) {
		remark(usage, "cgroup: the group of the process cannot be seen from here");
		return;
	}
	path = group_of(map->of[shown].path);
	(void)snprintf(usage->path, sizeof(usage->path), "%.*s", (int)path.len,
		       (const char *)path.data);
	usage->version = unified ? 2 : 1;
	find_container(map, &usage->container);
	read_rows(root, map, usage);
	explain(usage, "memory", usage->memory.current,
		map->of[unified ? CGROUP_UNIFIED : CGROUP_MEMORY].path);
	explain(usage, "cpu", usage->cpu.usage_us,
		map->of[unified ? CGROUP_UNIFIED : CGROUP_CPUACCT].path);
	explain(usage, "pids", usage->pids.current,
		map->of[unified ? CGROUP_UNIFIED : CGROUP_PIDS].path);
}

/* --- the process --- */

static void read_interfaces(int dir, const char *proc, struct usage *usage)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);
	CLEANUP(fd_close_cleanup) int net = -1;
	struct stat its, ours;
	char path[64];
	struct err err;

	if (file_open_dir(dir, "net", false, 0, &net, &err) < 0 ||
	    file_read(net, "dev", &text, &err) < 0 ||
	    !meter_interfaces(buf_slice(&text), usage->interfaces, USAGE_INTERFACES_MAX,
			      &usage->interface_count)) {
		remark(usage, "network: the interfaces of the process cannot be read from here");
		return;
	}
	usage->has_network = true;
	(void)snprintf(path, sizeof(path), "%s/self/ns/net", proc);
	/* Not everybody may look at another's namespace. */
	if (fstatat(dir, "ns/net", &its, 0) == 0 && stat(path, &ours) == 0 &&
	    its.st_ino == ours.st_ino && its.st_dev == ours.st_dev)
		remark(usage, "network: the process uses the host's own network");
	if (usage->interface_count == USAGE_INTERFACES_MAX)
		remark(usage, "network: no more than %u interfaces are shown",
		       USAGE_INTERFACES_MAX);
}

static bool read_cgroup(int dir, struct buf *text)
{
	struct err err;

	return file_read(dir, "cgroup", text, &err) == 0;
}

/* False when the process was moved to another group meanwhile. */
static bool read_peer(int dir, const char *root, struct usage *usage)
{
	CLEANUP(buf_fini) struct buf before = BUF_INIT(CGROUP_TEXT_MAX);
	CLEANUP(buf_fini) struct buf after = BUF_INIT(CGROUP_TEXT_MAX);
	struct cgroup_map map;
	struct err err;

	if (!read_cgroup(dir, &before) || cgroup_parse(buf_slice(&before), &map, &err) < 0) {
		remark(usage, "cgroup: the group of the process cannot be read from here");
		return true;
	}
	read_group(root, &map, usage);
	return read_cgroup(dir, &after) && slice_equal(buf_slice(&before), buf_slice(&after));
}

static void clear(struct usage *usage)
{
	*usage = (struct usage){
		.memory = {METER_NONE, METER_NONE, METER_NONE},
		.cpu = {METER_NONE, METER_NONE, METER_NONE, METER_NONE},
		.pids = {METER_NONE, METER_NONE},
	};
}

static void read_named(const char *root, const char *group, struct usage *usage)
{
	struct cgroup_map map = {0};
	size_t i;

	if (cgroup_path_ok(slice_str(group)))
		for (i = 0; i < CGROUP_HIERARCHIES; i++)
			map.of[i].path = slice_str(group);
	read_group(root, &map, usage);
}

static int open_process(const struct usage_source *source)
{
	char path[64];
	int fd = -1;
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/%d", source->proc, (int)source->process->pid);
	if (!process_lives(source->process) ||
	    file_open_dir(AT_FDCWD, path, false, 0, &fd, &err) < 0)
		return -1;
	if (process_lives(source->process))
		return fd;
	fd_close_cleanup(&fd);
	return -1;
}

void usage_read(const struct usage_source *source, struct usage *ret_usage)
{
	CLEANUP(fd_close_cleanup) int dir = open_process(source);
	bool named = source->group[0] != '\0', settled = named;
	unsigned i;

	clear(ret_usage);
	if (named)
		read_named(source->cgroup, source->group, ret_usage);
	for (i = 0; dir >= 0 && !settled && i < TRIES; i++) {
		clear(ret_usage);
		settled = read_peer(dir, source->cgroup, ret_usage);
	}
	if (dir >= 0 && !settled) {
		clear(ret_usage);
		remark(ret_usage, "cgroup: the process moves between groups, or has ended");
	}
	if (dir >= 0)
		read_interfaces(dir, source->proc, ret_usage);
	else
		remark(ret_usage, "%s: the process that asks cannot be seen from here",
		       named ? "network" : "all");
}
