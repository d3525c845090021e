/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every runtime spells a container's group in its own way, once for systemd's groups and once for
 * plain ones; the ways are rows of a table.
 */
#include "host/cgroup.h"

#include <string.h>

/* --- paths --- */

/* The text up to @stop or its end; @rest goes on behind it. */
static struct slice take_until(struct slice *rest, char stop)
{
	struct slice taken = *rest;
	size_t len = 0;

	while (len < rest->len && rest->data[len] != (uint8_t)stop)
		len++;
	*rest = len < taken.len ? slice_of(taken.data + len + 1, taken.len - len - 1)
				: slice_of(NULL, 0);
	taken.len = len;
	return taken;
}

static bool component_ok(struct slice name)
{
	size_t i;

	for (i = 0; i < name.len; i++)
		if (name.data[i] < 0x20 || name.data[i] == 0x7f)
			return false;
	return name.len > 0 && !slice_equal(name, slice_str(".")) &&
	       !slice_equal(name, slice_str(".."));
}

bool cgroup_path_ok(struct slice path)
{
	struct slice rest;

	if (path.len == 0 || path.len > CGROUP_PATH_MAX || path.data[0] != '/')
		return false;
	if (path.len == 1)
		return true;
	if (path.data[path.len - 1] == '/')
		return false;
	rest = slice_of(path.data + 1, path.len - 1);
	while (rest.len > 0)
		if (!component_ok(take_until(&rest, '/')))
			return false;
	return true;
}

/* --- /proc/PID/cgroup --- */

static const struct {
	const char *controller;
	enum cgroup_hierarchy hierarchy;
} CONTROLLERS[] = {
	{"name=systemd", CGROUP_SYSTEMD}, {"memory", CGROUP_MEMORY}, {"cpu", CGROUP_CPU},
	{"cpuacct", CGROUP_CPUACCT},	  {"pids", CGROUP_PIDS},
};

static int put_place(struct cgroup_map *map, enum cgroup_hierarchy hierarchy,
		     const struct cgroup_place *place, struct err *err)
{
	if (map->of[hierarchy].controllers.data)
		return err_set(err, ERR_INVALID, "a hierarchy of groups is there twice");
	map->of[hierarchy] = *place;
	if (!cgroup_path_ok(place->path))
		map->of[hierarchy].path = slice_of(NULL, 0);
	return 0;
}

/* One hierarchy of version 1 may have several controllers. */
static int put_controllers(struct cgroup_map *map, const struct cgroup_place *place,
			   struct err *err)
{
	struct slice rest = place->controllers;
	size_t i;
	int r = 0;

	while (r == 0 && rest.len > 0) {
		struct slice name = take_until(&rest, ',');

		for (i = 0; r == 0 && i < ARRAY_LEN(CONTROLLERS); i++)
			if (slice_equal(name, slice_str(CONTROLLERS[i].controller)))
				r = put_place(map, CONTROLLERS[i].hierarchy, place, err);
	}
	return r;
}

static bool is_number(struct slice text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return text.len > 0;
}

/* "4:memory:/path", or "0::/path" for version 2. A path may have colons. */
static int parse_line(struct slice line, struct cgroup_map *map, struct err *err)
{
	struct slice number = take_until(&line, ':');
	struct cgroup_place place = {.controllers = take_until(&line, ':')};
	bool unified = slice_equal(number, slice_str("0")) && place.controllers.len == 0;

	place.path = line;
	if (!is_number(number) || line.len == 0 || line.data[0] != '/')
		return err_set(err, ERR_INVALID, "not a line of /proc/PID/cgroup");
	if (unified)
		return put_place(map, CGROUP_UNIFIED, &place, err);
	return put_controllers(map, &place, err);
}

int cgroup_parse(struct slice text, struct cgroup_map *ret_map, struct err *err)
{
	struct cgroup_map map = {0};
	int r = 0;

	while (r == 0 && text.len > 0)
		r = parse_line(take_until(&text, '\n'), &map, err);
	if (r < 0)
		return r;
	*ret_map = map;
	return 0;
}

/* --- containers --- */

/* A component of a path is `before`, the id, `after`. */
static const struct spelling {
	const char *before;
	const char *after;
	const char *runtime;
	bool tail; /* more may stand before `before` */
} SPELLINGS[] = {
	{"docker-", ".scope", "docker", false},
	{"cri-containerd-", ".scope", "containerd", false},
	{"nerdctl-", ".scope", "containerd", false},
	{"crio-", ".scope", "cri-o", false},
	{"crio-", "", "cri-o", false},
	{"libpod-", ".scope", "podman", false},
	{"libpod-", "", "podman", false},
	{"libpod-payload-", "", "podman", false},
	{"runc-", ".scope", "runc", false},
	{"crun-", ".scope", "crun", false},
	/* A path meant for systemd that the runtime has used as it is: "PARENT.slice:WHO:ID". */
	{":docker:", "", "docker", true},
	{":cri-containerd:", "", "containerd", true},
	{":crio:", "", "cri-o", true},
	{":libpod:", "", "podman", true},
	{":runc:", "", "runc", true},
};

/* Where the id stands alone, the group above may tell who made it. */
static const struct {
	const char *parent;
	const char *runtime;
	bool pod; /* it is no container but a pod, whose containers are below it */
} PARENTS[] = {
	{"docker", "docker", false},
	{"libpod_parent", "podman", true},
};

static bool is_id(struct slice text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (!((text.data[i] >= '0' && text.data[i] <= '9') ||
		      (text.data[i] >= 'a' && text.data[i] <= 'f')))
			return false;
	return text.len == CGROUP_ID_LEN;
}

static bool ends_in(struct slice text, struct slice end)
{
	return text.len >= end.len &&
	       slice_equal(slice_of(text.data + text.len - end.len, end.len), end);
}

static bool is_spelled(struct slice name, const struct spelling *as, struct slice *ret_id)
{
	struct slice after = slice_str(as->after), before = slice_str(as->before);
	struct slice front, id;

	if (!ends_in(name, after) || name.len < after.len + CGROUP_ID_LEN)
		return false;
	front = slice_of(name.data, name.len - after.len - CGROUP_ID_LEN);
	id = slice_of(name.data + front.len, CGROUP_ID_LEN);
	if (!is_id(id) || !(as->tail ? ends_in(front, before) : slice_equal(front, before)))
		return false;
	*ret_id = id;
	return true;
}

static bool is_plain(struct slice name, struct slice parent, const char **ret_runtime)
{
	size_t i;

	if (!is_id(name))
		return false;
	*ret_runtime = NULL;
	for (i = 0; i < ARRAY_LEN(PARENTS); i++)
		if (slice_equal(parent, slice_str(PARENTS[i].parent))) {
			*ret_runtime = PARENTS[i].runtime;
			return !PARENTS[i].pod;
		}
	return true;
}

static bool names_container(struct slice name, struct slice parent, struct slice *ret_id,
			    const char **ret_runtime)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(SPELLINGS); i++)
		if (is_spelled(name, &SPELLINGS[i], ret_id)) {
			*ret_runtime = SPELLINGS[i].runtime;
			return true;
		}
	*ret_id = name;
	return is_plain(name, parent, ret_runtime);
}

bool cgroup_container(struct slice path, struct cgroup_container *ret_container)
{
	struct slice rest = path, parent = slice_of(NULL, 0);
	bool found = false;

	while (rest.len > 0) {
		struct slice name = take_until(&rest, '/'), id;
		const char *runtime;

		if (names_container(name, parent, &id, &runtime)) {
			found = true;
			memcpy(ret_container->id, id.data, CGROUP_ID_LEN);
			ret_container->id[CGROUP_ID_LEN] = '\0';
			ret_container->runtime = runtime;
			ret_container->path_len = (size_t)(name.data + name.len - path.data);
		}
		parent = name;
	}
	return found;
}
