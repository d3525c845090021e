/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "host/cgroup.h"

#define A64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define B64 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define POD "pod1b2c3d4e-0000-1111-2222-333344445555"
#define POD_UNIT                                                                                   \
	"/kubepods.slice/kubepods-burstable.slice/"                                                \
	"kubepods-burstable-pod1b2c3d4e_0000_1111_2222_333344445555.slice"

static void assert_slice(struct slice bytes, const char *text)
{
	char have[CGROUP_PATH_MAX + 1];

	(void)snprintf(have, sizeof(have), "%.*s", (int)bytes.len,
		       bytes.len ? (const char *)bytes.data : "");
	assert_string_equal(have, text);
}

/* Hosts as they are: of version 2, of version 1, of both. */
static void test_hosts(void **state)
{
	static const struct {
		const char *text;
		const char *paths[CGROUP_HIERARCHIES];
	} CASES[] = {
		{"0::/system.slice/docker-" A64 ".scope\n",
		 {[CGROUP_UNIFIED] = "/system.slice/docker-" A64 ".scope"}},
		{"12:pids:/docker/x\n11:cpu,cpuacct:/docker/y\n10:memory:/docker/z\n"
		 "9:net_cls,net_prio:/\n2:rdma:/\n1:name=systemd:/docker/s\n0::/u\n",
		 {[CGROUP_UNIFIED] = "/u",
		  [CGROUP_SYSTEMD] = "/docker/s",
		  [CGROUP_MEMORY] = "/docker/z",
		  [CGROUP_CPU] = "/docker/y",
		  [CGROUP_CPUACCT] = "/docker/y",
		  [CGROUP_PIDS] = "/docker/x"}},
		{"9:name=systemd:/\n8:pids:/\n4:memory:/process_api/m\n2:cpuacct:/\n1:cpu:/\n0::/"
		 "\n",
		 {[CGROUP_UNIFIED] = "/",
		  [CGROUP_SYSTEMD] = "/",
		  [CGROUP_MEMORY] = "/process_api/m",
		  [CGROUP_CPU] = "/",
		  [CGROUP_CPUACCT] = "/",
		  [CGROUP_PIDS] = "/"}},
		/* Without a line end, with colons, and with what is not seen from here. */
		{"0::/a:b:c", {[CGROUP_UNIFIED] = "/a:b:c"}},
		{"0::/../../system.slice/x.service\n", {[CGROUP_UNIFIED] = ""}},
		{"0::/x.scope (deleted)\n", {[CGROUP_UNIFIED] = "/x.scope (deleted)"}},
		{"3:cpuset:/\n", {0}},
		{"", {0}},
	};
	struct cgroup_map map;
	struct err err;
	size_t i, h;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		assert_int_equal(cgroup_parse(slice_str(CASES[i].text), &map, &err), 0);
		for (h = 0; h < CGROUP_HIERARCHIES; h++)
			assert_slice(map.of[h].path, CASES[i].paths[h] ? CASES[i].paths[h] : "");
	}
}

static void test_controllers(void **state)
{
	struct cgroup_map map;
	struct err err;

	(void)state;
	assert_int_equal(cgroup_parse(slice_str("5:cpu,cpuacct:/x\n"), &map, &err), 0);
	assert_slice(map.of[CGROUP_CPU].controllers, "cpu,cpuacct");
	assert_slice(map.of[CGROUP_CPUACCT].controllers, "cpu,cpuacct");
	assert_null(map.of[CGROUP_MEMORY].controllers.data);
}

static void test_refused(void **state)
{
	static const char *const CASES[] = {
		"\n",
		"x",
		"0:",
		"0::",
		"0::relative\n",
		"::/x\n",
		"-1::/x\n",
		"0x1::/x\n",
		"0::/a\n0::/b\n",
		"4:memory:/a\n5:memory:/a\n",
		"1:cpu,cpu:/x\n",
		"0::/a\n\n0::/b\n",
		"4:memory\n",
	};
	struct cgroup_map map = {.of[0].path = {.len = 7}};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		assert_int_equal(cgroup_parse(slice_str(CASES[i]), &map, &err), ERR_INVALID);
		assert_int_equal(map.of[0].path.len, 7);
	}
}

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		bool ok;
	} CASES[] = {
		{"/", true},	    {"/a", true},	  {"/a/b.slice", true}, {"/...", true},
		{"/..a", true},	    {"/a b\\x2dc", true}, {"", false},		{"a", false},
		{"//", false},	    {"/a/", false},	  {"/a//b", false},	{"/..", false},
		{"/a/../b", false}, {"/a/..", false},	  {"/.", false},	{"/a/./b", false},
		{"/a\nb", false},   {"/a\177", false},	  {"../a", false},
	};
	char longest[CGROUP_PATH_MAX + 2];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		assert_int_equal(cgroup_path_ok(slice_str(CASES[i].path)), CASES[i].ok);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	assert_true(cgroup_path_ok(slice_of(longest, CGROUP_PATH_MAX)));
	assert_false(cgroup_path_ok(slice_of(longest, CGROUP_PATH_MAX + 1)));
	assert_false(cgroup_path_ok(slice_of("/a\0b", 4)));
}

/* @group is where the container's own group ends; NULL: no container. */
static const struct container_case {
	const char *path;
	const char *id;
	const char *runtime;
	const char *group;
} CONTAINERS[] = {
	/* Docker */
	{"/docker/" A64, A64, "docker", NULL},
	{"/system.slice/docker-" A64 ".scope", A64, "docker", NULL},
	{"/docker/" A64 "/init.scope", A64, "docker", "/docker/" A64},
	{"/docker/" A64 "/docker/" B64, B64, "docker", NULL},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A64 ".scope", A64,
	 "docker", NULL},
	/* Kubernetes: Docker, containerd, CRI-O, with systemd's groups and with plain ones */
	{POD_UNIT "/docker-" A64 ".scope", A64, "docker", NULL},
	{POD_UNIT "/cri-containerd-" A64 ".scope", A64, "containerd", NULL},
	{POD_UNIT "/crio-" A64 ".scope", A64, "cri-o", NULL},
	{POD_UNIT "/crio-" A64 ".scope/container", A64, "cri-o", POD_UNIT "/crio-" A64 ".scope"},
	{"/kubepods/burstable/" POD "/" A64, A64, NULL, NULL},
	{"/kubepods/burstable/" POD "/crio-" A64, A64, "cri-o", NULL},
	{"/system.slice/containerd.service" POD_UNIT ":cri-containerd:" A64, A64, "containerd",
	 NULL},
	/* containerd's own tools */
	{"/default/" A64, A64, NULL, NULL},
	{"/system.slice/nerdctl-" A64 ".scope", A64, "containerd", NULL},
	/* podman: alone, in a pod, of a user, of a unit */
	{"/machine.slice/libpod-" A64 ".scope", A64, "podman", NULL},
	{"/machine.slice/libpod-" A64 ".scope/container", A64, "podman",
	 "/machine.slice/libpod-" A64 ".scope"},
	{"/libpod_parent/libpod-" A64, A64, "podman", NULL},
	{"/libpod_parent/" B64 "/libpod-" A64, A64, "podman", NULL},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A64 ".scope", A64,
	 "podman", NULL},
	{"/system.slice/app.service/libpod-payload-" A64, A64, "podman", NULL},
	/* the runtimes below */
	{"/system.slice/runc-" A64 ".scope", A64, "runc", NULL},
	{"/user.slice/crun-" A64 ".scope", A64, "crun", NULL},
	/* another's and none */
	{"/ecs/0123456789abcdef0123456789abcdef/" A64, A64, NULL, NULL},
	{"/", NULL, NULL, NULL},
	{"/r1", NULL, NULL, NULL},
	{"/payload", NULL, NULL, NULL},
	{"/system.slice/ssh.service", NULL, NULL, NULL},
	{"/lxc.payload.web/init.scope", NULL, NULL, NULL},
	{"/machine.slice/libpod-conmon-" A64 ".scope", NULL, NULL, NULL},
	{POD_UNIT "/crio-conmon-" A64 ".scope", NULL, NULL, NULL},
	{"/libpod_parent/" A64, NULL, NULL, NULL},
	{"/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL, NULL,
	 NULL},
	{"/docker/" A64 "0", NULL, NULL, NULL},
	{"/docker/0123456789abcdef", NULL, NULL, NULL},
	{"/x-docker-" A64 ".scope", NULL, NULL, NULL},
	{"/docker-" A64 ".scope (deleted)", NULL, NULL, NULL},
	{"/docker-" A64 ".slice", NULL, NULL, NULL},
};

static void test_containers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CONTAINERS); i++) {
		const struct container_case *c = &CONTAINERS[i];
		struct cgroup_container container = {.path_len = 7};

		if (cgroup_container(slice_str(c->path), &container) != (c->id != NULL))
			fail_msg("%s", c->path);
		if (!c->id) {
			assert_int_equal(container.path_len, 7);
			continue;
		}
		assert_string_equal(container.id, c->id);
		assert_slice(slice_of(c->path, container.path_len), c->group ? c->group : c->path);
		assert_string_equal(container.runtime ? container.runtime : "",
				    c->runtime ? c->runtime : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),	   cmocka_unit_test(test_controllers),
		cmocka_unit_test(test_refused),	   cmocka_unit_test(test_paths),
		cmocka_unit_test(test_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
