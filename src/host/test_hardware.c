/* SPDX-License-Identifier: Apache-2.0 */
/* Machines made of folders, files and links, as the kernel lays them out. */
#include "host/hardware.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"

static char root[64];

/* A file with its folders, or a link ("> target"), or a folder (NULL). */
struct thing {
	const char *path;
	const char *content;
};

static void path_of(const char *path, char whole[512])
{
	assert_true(snprintf(whole, 512, "%s%s", root, path) < 512);
}

static void make_folders(char *path)
{
	char *at;

	for (at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
		*at = '/';
	}
}

static void make_file(const char *name, const void *bytes, size_t len)
{
	char path[512];
	int fd;

	path_of(name, path);
	make_folders(path);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static void make(const struct thing *thing)
{
	char path[512];

	if (thing->content && strncmp(thing->content, "> ", 2) != 0) {
		make_file(thing->path, thing->content, strlen(thing->content));
		return;
	}
	path_of(thing->path, path);
	make_folders(path);
	if (!thing->content)
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	else
		assert_int_equal(symlink(thing->content + 2, path), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static int new_root(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/test_hardware.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int end_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define MAKE(things)                                                                               \
	for (size_t made = 0; made < ARRAY_LEN(things); made++)                                    \
	make(&(things)[made])

static void assert_is(int (*read)(const char *, struct buf *, struct err *), const char *text)
{
	CLEANUP(buf_fini) struct buf found = BUF_INIT(1024);
	struct err err = {0};

	if (read(root, &found, &err) < 0)
		fail_msg("%s", err.text);
	if (!slice_equal(buf_slice(&found), slice_str(text)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)found.len, found.data, text);
}

static void assert_fails(int (*read)(const char *, struct buf *, struct err *), int code)
{
	CLEANUP(buf_fini) struct buf found = BUF_INIT(1024);
	struct err err = {0};

	assert_int_equal(read(root, &found, &err), code);
	assert_int_equal(found.len, 0);
	assert_true(err.text[0] != '\0');
}

/* --- machines --- */

#define MOUNT(number, source)                                                                      \
	"20 1 0:22 / /sys rw - sysfs sysfs rw\n27 1 " number                                       \
	" / / rw,relatime shared:1 - ext4 " source " rw\n28 27 0:5 / /dev rw - devtmpfs d rw\n"

#define NVME "/sys/devices/pci0/0004/nvme/nvme0"

static void test_jetson(void **state)
{
	static const char COMPATIBLE[] =
		"nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234";
	const struct thing THINGS[] = {
		/* A card beside it is not what the module is known by. */
		{"/sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n"},
		{"/proc/self/mountinfo", MOUNT("259:1", "/dev/nvme0n1p1")},
		{NVME "/serial", "S4X9NF0M  \n"},
		{NVME "/nvme0n1/device", "> ../../nvme0"},
		{NVME "/nvme0n1/nvme0n1p1/partition", "1\n"},
		{"/sys/dev/block/259:1", "> ../../devices/pci0/0004/nvme/nvme0/nvme0n1/nvme0n1p1"},
		{"/sys/block/nvme0n1", "> ../devices/pci0/0004/nvme/nvme0/nvme0n1"},
	};

	(void)state;
	MAKE(THINGS);
	make_file("/sys/firmware/devicetree/base/compatible", COMPATIBLE, sizeof(COMPATIBLE));
	assert_is(hardware_gpu, "Orin");
	assert_is(hardware_disk_serial, "S4X9NF0M");
}

static void test_jetson_to_come(void **state)
{
	static const char COMPATIBLE[] = "nvidia,p1\0nvidia,tegra999";

	(void)state;
	make_file("/proc/device-tree/compatible", COMPATIBLE, sizeof(COMPATIBLE));
	assert_is(hardware_gpu, "tegra999");
}

#define IDS                                                                                        \
	"# a comment\n\n1002  Advanced Micro Devices\n\t2684  Another\n10de  NVIDIA Corporation\n" \
	"\t2683  AD103\n\t2684  AD102 [GeForce RTX 4090]\n\t\t10de 167c  Founders\n8086  Intel\n"

/* Page 80h of a SATA disk as libata gives it. */
#define PAGE "\0\x80\0\x14        WD-WX12A345678"

static void test_pc(void **state)
{
	const struct thing THINGS[] = {
		/* An x86 machine may have a device tree, and no Tegra in it. */
		{"/sys/firmware/devicetree/base/compatible", "vendor,board"},
		{"/sys/devices/pci0/a/class", "0x020000\n"},
		{"/sys/devices/pci0/b/class", "0x030000\n"},
		{"/sys/devices/pci0/b/vendor", "0x10de\n"},
		{"/sys/devices/pci0/b/device", "0x2684\n"},
		{"/sys/devices/pci0/c/class", "0x038000\n"},
		{"/sys/devices/pci0/c/vendor", "0x8086\n"},
		{"/sys/devices/pci0/c/device", "0x1234\n"},
		{"/sys/bus/pci/devices/0000:00:02.0", "> ../../../devices/pci0/a"},
		{"/sys/bus/pci/devices/0000:01:00.0", "> ../../../devices/pci0/b"},
		{"/sys/bus/pci/devices/0000:02:00.0", "> ../../../devices/pci0/c"},
		{"/usr/share/misc/pci.ids", IDS},
		{"/proc/self/mountinfo", MOUNT("8:2", "/dev/sda2")},
		{"/sys/devices/ata1/host0/target0/block/sda/device", "> ../../../target0"},
		{"/sys/devices/ata1/host0/target0/block/sda/sda2/partition", "2\n"},
		{"/sys/dev/block/8:2", "> ../../devices/ata1/host0/target0/block/sda/sda2"},
	};

	(void)state;
	MAKE(THINGS);
	make_file("/sys/devices/ata1/host0/target0/vpd_pg80", PAGE, sizeof(PAGE) - 1);
	assert_is(hardware_gpu, "NVIDIA Corporation AD102 [GeForce RTX 4090]");
	assert_is(hardware_disk_serial, "WD-WX12A3456");
}

/* Without the table, and for what is not in it: a device of another vendor is none of this one. */
static void test_ids(void **state)
{
	static const struct {
		const char *ids;
		const char *gpu;
	} ROWS[] = {
		{IDS, "8086:2684"},
		{"", "8086:2684"},
		{"8086  Intel Corporation\n", "8086:2684"},
		{"8086  Intel Corporation\n\t2684  UHD", "Intel Corporation UHD"},
		{"8086\n\t2684\n", "8086:2684"},
		{"8086  Intel\n\t\t2684  sub\n\t2684  UHD\n", "Intel UHD"},
	};
	const struct thing DEVICE[] = {
		{"/sys/bus/pci/devices/0000:00:02.0/class", "0x030000\n"},
		{"/sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n"},
		{"/sys/bus/pci/devices/0000:00:02.0/device", "0x2684\n"},
	};
	const struct thing BROKEN = {"/sys/bus/pci/devices/0000:00:02.0/vendor", "8086\n"};
	size_t i;

	(void)state;
	MAKE(DEVICE);
	assert_is(hardware_gpu, "8086:2684");
	for (i = 0; i < ARRAY_LEN(ROWS); i++) {
		const struct thing ids = {"/usr/share/misc/pci.ids", ROWS[i].ids};

		make(&ids);
		assert_is(hardware_gpu, ROWS[i].gpu);
	}
	make(&BROKEN);
	assert_fails(hardware_gpu, ERR_UNREADABLE);
}

#define VIRTIO "/sys/devices/pci0/virtio1/block/vda"

static void test_virtual_machine(void **state)
{
	const struct thing THINGS[] = {
		{"/proc/self/mountinfo", MOUNT("254:1", "/dev/vda1")},
		{"/sys/devices/pci0/virtio1/device", "0x0002\n"},
		{VIRTIO "/device", "> ../../../virtio1"},
		{VIRTIO "/vda1/partition", "1\n"},
		{"/sys/dev/block/254:1", "> ../../devices/pci0/virtio1/block/vda/vda1"},
		{"/sys/block/vda", "> ../devices/pci0/virtio1/block/vda"},
		/* Another disk's number is not this one's. */
		{"/sys/block/sda/device/serial", "OTHER\n"},
		{"/sys/bus/pci/devices/0000:00:02.0/class", "0x020000\n"},
	};
	const struct thing EMPTY = {VIRTIO "/serial", "\n"};
	const struct thing SERIAL = {VIRTIO "/serial", "vm-disk-1\n"};

	(void)state;
	MAKE(THINGS);
	assert_fails(hardware_gpu, ERR_NOT_FOUND);
	assert_fails(hardware_disk_serial, ERR_NOT_FOUND);
	make(&EMPTY);
	assert_fails(hardware_disk_serial, ERR_NOT_FOUND);
	make(&SERIAL);
	assert_is(hardware_disk_serial, "vm-disk-1");
}

/* / on a volume, on an encrypted partition, on a disk. */
static void test_mappers(void **state)
{
	const struct thing THINGS[] = {
		{"/proc/self/mountinfo", MOUNT("253:1", "/dev/mapper/vg-root")},
		{"/sys/devices/virtual/block/dm-1/slaves/dm-0", "> ../../dm-0"},
		{"/sys/devices/virtual/block/dm-0/slaves/mmcblk0p3",
		 "> ../../../../mmc0/block/mmcblk0/mmcblk0p3"},
		{"/sys/devices/mmc0/block/mmcblk0/mmcblk0p3/partition", "3\n"},
		{"/sys/devices/mmc0/block/mmcblk0/mmcblk0p3/slaves", NULL},
		{"/sys/devices/mmc0/block/mmcblk0/slaves", NULL},
		{"/sys/devices/mmc0/block/mmcblk0/device/serial", "0x1234abcd\n"},
		{"/sys/dev/block/253:1", "> ../../devices/virtual/block/dm-1"},
		{"/sys/block/a-first-one/device/serial", "OTHER\n"},
	};

	(void)state;
	MAKE(THINGS);
	assert_is(hardware_disk_serial, "0x1234abcd");
}

/* A mapper on itself ends. */
static void test_circle(void **state)
{
	const struct thing THINGS[] = {
		{"/proc/self/mountinfo", MOUNT("253:1", "/dev/mapper/vg-root")},
		{"/sys/devices/virtual/block/dm-1/slaves/dm-1", "> ../../dm-1"},
		{"/sys/dev/block/253:1", "> ../../devices/virtual/block/dm-1"},
	};

	(void)state;
	MAKE(THINGS);
	assert_fails(hardware_disk_serial, ERR_UNREADABLE);
}

/* The number is none of a device: btrfs by its source, a container by the first whole disk. */
static void test_numberless(void **state)
{
	const struct thing THINGS[] = {
		{"/proc/self/mountinfo", MOUNT("0:25", "/dev/sdb1")},
		{"/sys/class/block/sdb1", "> ../../devices/scsi/block/sdb/sdb1"},
		{"/sys/devices/scsi/block/sdb/sdb1/partition", "1\n"},
		{"/sys/devices/scsi/block/sdb/device/serial", "SECOND\n"},
		{"/sys/block/loop0/size", "1\n"},
		{"/sys/block/da-stick/device/serial", "STICK\n"},
		{"/sys/block/da-stick/removable", "1\n"},
		{"/sys/block/sda/device/serial", "FIRST\n"},
		{"/sys/block/sda/removable", "0\n"},
		{"/sys/block/sdb", "> ../devices/scsi/block/sdb"},
	};
	static const char *const OTHERS[] = {
		MOUNT("0:25", "overlay"),
		MOUNT("0:25", "/dev/../x"),
		MOUNT("0:25", "/dev/mapper/x"),
		MOUNT("7:0", "/dev/loop0"),
		"27 1 8:1 / /other rw - ext4 /dev/sda1 rw\n",
		"\n\n- -\n",
	};
	size_t i;

	(void)state;
	MAKE(THINGS);
	assert_is(hardware_disk_serial, "SECOND");
	for (i = 0; i < ARRAY_LEN(OTHERS); i++) {
		const struct thing mounts = {"/proc/self/mountinfo", OTHERS[i]};

		make(&mounts);
		assert_is(hardware_disk_serial, "FIRST");
	}
}

static void test_nothing(void **state)
{
	(void)state;
	assert_fails(hardware_gpu, ERR_NOT_FOUND);
	assert_fails(hardware_disk_serial, ERR_NOT_FOUND);
}

static void test_broken_page(void **state)
{
	static const struct {
		const char *page;
		size_t len;
	} PAGES[] = {{"\0\x80\0", 3}, {"\0\x83\0\4abcd", 8}, {"\0\x80\0\5abcd", 8}};
	const struct thing DISK = {"/sys/block/sda/device", NULL};
	size_t i;

	(void)state;
	make(&DISK);
	for (i = 0; i < ARRAY_LEN(PAGES); i++) {
		make_file("/sys/block/sda/device/vpd_pg80", PAGES[i].page, PAGES[i].len);
		assert_fails(hardware_disk_serial, ERR_UNREADABLE);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_root, end_root)

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		TEST(test_jetson),	TEST(test_jetson_to_come),  TEST(test_pc),
		TEST(test_ids),		TEST(test_virtual_machine), TEST(test_mappers),
		TEST(test_circle),	TEST(test_numberless),	    TEST(test_nothing),
		TEST(test_broken_page),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
