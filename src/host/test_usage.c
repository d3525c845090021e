/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts as folders: /proc and /sys/fs/cgroup as files of a few lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pidfd.h"
#include "host/usage.h"

#define A64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PATH 512

#define NET                                                                                        \
	"Inter-| Receive | Transmit\n face |bytes |bytes\n"                                        \
	"    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n"                                                \
	"  eth0: 500 5 0 0 0 0 0 0 700 7 0 0 0 0 0 0\n"

struct file {
	const char *path;
	const char *text;
};

static char root[] = "/tmp/hd-usage-XXXXXX"; /* as mkdtemp() wants it, anew for each test */
static struct process self;
static struct usage usage;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/hd-usage-XXXXXX");
	self = (struct process){.pid = getpid(), .fd = pidfd_of(getpid())};
	return mkdtemp(root) && self.fd >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	process_fini(&self);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "P/" at the front stands for the process's folder below proc. */
static void put(const char *name, const char *text)
{
	char path[PATH], *slash;
	FILE *out;

	if (strncmp(name, "P/", 2) == 0)
		(void)snprintf(path, sizeof(path), "%s/proc/%d/%s", root, (int)getpid(), name + 2);
	else
		(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static void put_all(const struct file *files, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		put(files[i].path, files[i].text);
}

static void look(const struct process *process, const char *group)
{
	char proc[PATH], cgroup[PATH];
	struct usage_source source = {
		.proc = proc, .cgroup = cgroup, .process = process, .group = group};

	(void)snprintf(proc, sizeof(proc), "%s/proc", root);
	(void)snprintf(cgroup, sizeof(cgroup), "%s/cg", root);
	usage_read(&source, &usage);
}

static bool remarked(const char *begin)
{
	size_t i;

	for (i = 0; i < usage.remark_count; i++)
		if (strncmp(usage.remarks[i], begin, strlen(begin)) == 0)
			return true;
	return false;
}

static void assert_network(void)
{
	assert_true(usage.has_network);
	assert_int_equal(usage.interface_count, 2);
	assert_string_equal(usage.interfaces[1].name, "eth0");
	assert_int_equal(usage.interfaces[1].rx_bytes, 500);
	assert_int_equal(usage.interfaces[1].tx_packets, 7);
}

/* A process in a group below its container's; a limit above that is narrower. */
static void test_v2(void **state)
{
#define SCOPE "cg/machine.slice/libpod-" A64 ".scope/"
	static const struct file FILES[] = {
		{"P/cgroup", "0::/machine.slice/libpod-" A64 ".scope/container\n"},
		{"P/net/dev", NET},
		{"cg/cgroup.controllers", "cpu memory pids\n"},
		{"cg/machine.slice/memory.max", "1048576\n"},
		{"cg/machine.slice/cpu.max", "max 100000\n"},
		{"cg/machine.slice/pids.max", "max\n"},
		{SCOPE "memory.current", "4096\n"},
		{SCOPE "memory.max", "2097152\n"},
		{SCOPE "memory.peak", "8192\n"},
		{SCOPE "cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 1\n"},
		{SCOPE "cpu.max", "150000 100000\n"},
		{SCOPE "pids.current", "3\n"},
		{SCOPE "pids.max", "100\n"},
		{SCOPE "container/memory.current", "1\n"},
	};

	(void)state;
	put_all(FILES, ARRAY_LEN(FILES));
	look(&self, "");
	assert_int_equal(usage.version, 2);
	assert_string_equal(usage.path, "/machine.slice/libpod-" A64 ".scope");
	assert_string_equal(usage.container.id, A64);
	assert_string_equal(usage.container.runtime, "podman");
	assert_int_equal(usage.memory.current, 4096);
	assert_int_equal(usage.memory.limit, 1048576);
	assert_int_equal(usage.memory.peak, 8192);
	assert_int_equal(usage.cpu.usage_us, 30);
	assert_int_equal(usage.cpu.user_us, 20);
	assert_int_equal(usage.cpu.system_us, 10);
	assert_int_equal(usage.cpu.limit_millicores, 1500);
	assert_int_equal(usage.pids.current, 3);
	assert_int_equal(usage.pids.limit, 100);
	assert_network();
	assert_int_equal(usage.remark_count, 0);
}

/* Two controllers share a folder that has no link by their single names; no memory.peak. */
static void test_v1(void **state)
{
	static const struct file FILES[] = {
		{"P/cgroup", "7:pids:/docker/" A64 "\n6:cpu,cpuacct:/docker/" A64
			     "\n5:memory:/docker/" A64 "\n1:name=systemd:/docker/" A64 "\n"},
		{"P/net/dev", NET},
		{"P/ns/net", ""},
		{"proc/self/ns/net", ""},
		{"cg/memory/docker/" A64 "/memory.usage_in_bytes", "4096\n"},
		{"cg/memory/docker/" A64 "/memory.limit_in_bytes", "9223372036854771712\n"},
		{"cg/memory/docker/memory.limit_in_bytes", "9223372036854710272\n"},
		{"cg/cpu,cpuacct/docker/" A64 "/cpuacct.usage", "30999\n"},
		{"cg/cpu,cpuacct/docker/" A64 "/cpuacct.usage_user", "20000\n"},
		{"cg/cpu,cpuacct/docker/" A64 "/cpu.cfs_quota_us", "50000\n"},
		{"cg/cpu,cpuacct/docker/" A64 "/cpu.cfs_period_us", "100000\n"},
		{"cg/pids/docker/" A64 "/pids.current", "5\n"},
		{"cg/pids/docker/" A64 "/pids.max", "max\n"},
	};

	(void)state;
	put_all(FILES, ARRAY_LEN(FILES));
	look(&self, "");
	assert_int_equal(usage.version, 1);
	assert_string_equal(usage.path, "/docker/" A64);
	assert_string_equal(usage.container.runtime, "docker");
	assert_int_equal(usage.memory.current, 4096);
	assert_true(usage.memory.limit == METER_NONE);
	assert_true(usage.memory.peak == METER_NONE);
	assert_int_equal(usage.cpu.usage_us, 30);
	assert_int_equal(usage.cpu.user_us, 20);
	assert_true(usage.cpu.system_us == METER_NONE);
	assert_int_equal(usage.cpu.limit_millicores, 500);
	assert_int_equal(usage.pids.current, 5);
	assert_true(usage.pids.limit == METER_NONE);
	assert_network();
	assert_int_equal(usage.remark_count, 0);
}

/* Memory in a group, the rest in the root; version 2 mounted and empty; the host's network. */
static void test_hybrid(void **state)
{
	static const struct file FILES[] = {
		{"P/cgroup",
		 "9:name=systemd:/\n8:pids:/\n4:memory:/p/m\n2:cpuacct:/\n1:cpu:/\n0::/\n"},
		{"P/net/dev", NET},
		{"cg/unified/cgroup.controllers", "\n"},
		{"cg/memory/p/m/memory.usage_in_bytes", "77\n"},
		{"cg/pids/pids.current", "1\n"},
		{"cg/cpuacct/cpuacct.usage", "1\n"},
	};
	char its[PATH], ours[PATH];

	(void)state;
	put_all(FILES, ARRAY_LEN(FILES));
	put("proc/self/ns/other", "");
	(void)snprintf(ours, sizeof(ours), "%s/proc/%d/ns", root, (int)getpid());
	(void)snprintf(its, sizeof(its), "%s/proc/self/ns", root);
	assert_int_equal(symlink(its, ours), 0);
	put("proc/self/ns/net", "");
	look(&self, "");
	assert_int_equal(usage.version, 1);
	assert_string_equal(usage.path, "/p/m");
	assert_string_equal(usage.container.id, "");
	assert_int_equal(usage.memory.current, 77);
	assert_true(usage.cpu.usage_us == METER_NONE);
	assert_true(usage.pids.current == METER_NONE);
	assert_true(remarked("cpu: the process is in the root group"));
	assert_true(remarked("pids: the process is in the root group"));
	assert_true(remarked("network: the process uses the host's own"));
	assert_int_equal(usage.remark_count, 3);
}

/* Where the hybrid host counts in version 2, that is where the number comes from. */
static void test_hybrid_unified(void **state)
{
	static const struct file FILES[] = {
		{"P/cgroup", "4:memory:/a\n0::/u\n"},
		{"cg/unified/cgroup.controllers", "pids\n"},
		{"cg/unified/u/pids.current", "9\n"},
		{"cg/memory/a/memory.usage_in_bytes", "77\n"},
	};

	(void)state;
	put_all(FILES, ARRAY_LEN(FILES));
	look(&self, "");
	assert_int_equal(usage.memory.current, 77);
	assert_int_equal(usage.pids.current, 9);
	assert_true(remarked("cpu: "));
	assert_false(usage.has_network);
	assert_true(remarked("network: the interfaces"));
	assert_int_equal(usage.remark_count, 2);
}

static void test_named(void **state)
{
	static const struct file FILES[] = {
		{"P/cgroup", "0::/of/the/peer\n"},     {"P/net/dev", NET},
		{"cg/cgroup.controllers", "memory\n"}, {"cg/of/the/peer/memory.current", "1\n"},
		{"cg/a.slice/memory.current", "2\n"},  {"secret/memory.current", "3\n"},
	};
	static const char *const OUTSIDE[] = {"/../secret", "/a.slice/../../secret", "a.slice",
					      "//", "/a.slice/."};
	size_t i;

	(void)state;
	put_all(FILES, ARRAY_LEN(FILES));
	look(&self, "/a.slice");
	assert_string_equal(usage.path, "/a.slice");
	assert_int_equal(usage.memory.current, 2);
	assert_network();
	for (i = 0; i < ARRAY_LEN(OUTSIDE); i++) {
		look(&self, OUTSIDE[i]);
		assert_int_equal(usage.version, 0);
		assert_true(usage.memory.current == METER_NONE);
		assert_true(remarked("cgroup: "));
	}
	look(&self, "/not/there");
	assert_string_equal(usage.path, "/not/there");
	assert_true(usage.memory.current == METER_NONE);
	assert_true(remarked("memory: the host does not count"));
}

static void test_unseen(void **state)
{
	static const struct process NOBODY = PROCESS_INIT;

	(void)state;
	put("P/cgroup", "0::/a\n");
	put("cg/cgroup.controllers", "memory\n");
	put("cg/a/memory.current", "1\n");
	look(&NOBODY, "");
	assert_int_equal(usage.version, 0);
	assert_true(usage.memory.current == METER_NONE);
	assert_true(remarked("all: "));
	assert_int_equal(usage.remark_count, 1);
	look(&NOBODY, "/a");
	assert_int_equal(usage.memory.current, 1);
	assert_true(remarked("network: the process that asks"));
}

/* What no kernel writes, or does not let us read, is a remark. */
static void test_strange(void **state)
{
	static const struct {
		const char *text;
		const char *remark;
	} CASES[] = {
		{"nonsense\n", "cgroup: the group of the process cannot be read"},
		{"", "cgroup: the group of the process cannot be seen"},
		{"0::/../outside\n", "cgroup: the group of the process cannot be seen"},
		{"0::/gone (deleted)\n", "memory: the host does not count it"},
		{"0::/\n", "memory: the process is in the root group"},
	};
	size_t i;

	(void)state;
	put("cg/cgroup.controllers", "memory\n");
	put("cg/memory.current", "1\n");
	put("P/net/dev", "a\nb\nstrange\n");
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		put("P/cgroup", CASES[i].text);
		look(&self, "");
		assert_true(usage.memory.current == METER_NONE);
		assert_true(remarked(CASES[i].remark));
		assert_true(remarked("network: the interfaces"));
		assert_int_equal(usage.interface_count, 0);
	}
}

static void test_many_interfaces(void **state)
{
	static char text[USAGE_INTERFACES_MAX * 64];
	size_t len = 0, i;

	(void)state;
	len += (size_t)snprintf(text, sizeof(text), "a\nb\n");
	for (i = 0; i <= USAGE_INTERFACES_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"veth%zu: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n", i);
	put("P/net/dev", text);
	put("P/cgroup", "0::/\n");
	look(&self, "");
	assert_int_equal(usage.interface_count, USAGE_INTERFACES_MAX);
	assert_true(remarked("network: no more than"));
}

/* This process, on the host that runs the test: whatever is there comes without harm. */
static void test_this_host(void **state)
{
	struct usage_source source = {
		.proc = "/proc", .cgroup = "/sys/fs/cgroup", .process = &self, .group = ""};

	(void)state;
	usage_read(&source, &usage);
	assert_true(usage.has_network);
	assert_true(usage.interface_count > 0);
	assert_true(remarked("network: the process uses the host's own"));
	if (usage.memory.current != METER_NONE)
		assert_true(usage.memory.current > 4096);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_v2),	      CASE(test_v1),
		CASE(test_hybrid),    CASE(test_hybrid_unified),
		CASE(test_named),     CASE(test_unseen),
		CASE(test_strange),   CASE(test_many_interfaces),
		CASE(test_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
