/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What /proc and the folders of control groups say of a container, which has chosen some of the
 * names. A path that is accepted stays below the root it is put behind, and a container's id is 64
 * digits of it.
 */

#include <string.h>

#include "host/cgroup.h"
#include "host/meter.h"
#include "tests/fuzz/fuzz.h"

#define INTERFACES 4u

static bool within(struct slice part, struct slice whole)
{
	return part.len == 0 ||
	       (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void check_path(struct slice path)
{
	char text[CGROUP_PATH_MAX + 2] = {0};

	FUZZ_REQUIRE(path.len > 0 && path.len <= CGROUP_PATH_MAX);
	memcpy(text, path.data, path.len);
	FUZZ_REQUIRE(strlen(text) == path.len && text[0] == '/' && !strchr(text, '\n'));
	FUZZ_REQUIRE(path.len == 1 || text[path.len - 1] != '/');
	text[path.len] = '/';
	FUZZ_REQUIRE(!strstr(text, "/../") && !strstr(text, "/./"));
	FUZZ_REQUIRE(path.len == 1 || !strstr(text, "//"));
}

static void check_container(struct slice path)
{
	struct cgroup_container container = {.id = "", .path_len = 0};

	if (!cgroup_container(path, &container)) {
		FUZZ_REQUIRE(container.id[0] == '\0' && container.path_len == 0);
		return;
	}
	FUZZ_REQUIRE(strspn(container.id, "0123456789abcdef") == CGROUP_ID_LEN);
	FUZZ_REQUIRE(container.id[CGROUP_ID_LEN] == '\0');
	FUZZ_REQUIRE(container.path_len >= CGROUP_ID_LEN && container.path_len <= path.len);
	FUZZ_REQUIRE(memmem(path.data, container.path_len, container.id, CGROUP_ID_LEN));
}

static void check_map(struct slice text)
{
	struct cgroup_map map;
	struct err err = {0};
	size_t i;
	int r = cgroup_parse(text, &map, &err);

	if (r < 0) {
		FUZZ_REQUIRE(r == err.code && err.text[0]);
		return;
	}
	for (i = 0; i < CGROUP_HIERARCHIES; i++) {
		FUZZ_REQUIRE(within(map.of[i].path, text) && within(map.of[i].controllers, text));
		if (map.of[i].path.len > 0)
			check_path(map.of[i].path);
		check_container(map.of[i].path);
	}
}

static void check_meters(struct slice text)
{
	struct meter_interface list[INTERFACES];
	uint64_t value;
	size_t count = 0, i;

	/* Either end is right; what is told is told whole. */
	FUZZ_REQUIRE(!meter_number(text, &value) || text.len > 0);
	FUZZ_REQUIRE(!meter_field(text, "usage_usec", &value) || text.len > 10);
	FUZZ_REQUIRE(!meter_quota(text, &value) || text.len > 2);
	if (!meter_interfaces(text, list, INTERFACES, &count))
		return;
	FUZZ_REQUIRE(count <= INTERFACES);
	for (i = 0; i < count; i++)
		FUZZ_REQUIRE(list[i].name[0] &&
			     strnlen(list[i].name, sizeof(list[i].name)) < sizeof(list[i].name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);

	if (cgroup_path_ok(text))
		check_path(text);
	check_container(text);
	check_map(text);
	check_meters(text);
	return 0;
}
