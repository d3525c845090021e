/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device tree, sysfs, procfs and pci.ids(5), read by descriptors: a component of a path that
 * sysfs makes a link leads to where the kernel keeps the device, whose parent is then `..`.
 */
#include "host/hardware.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/slice.h"

#define PATH_BYTES  512u
#define NAME_BYTES  256u
#define ATTRIBUTE   4096u
#define MOUNTS_MAX  (1024u * 1024u)
#define IDS_MAX	    (8u * 1024u * 1024u)
#define LAYERS_MAX  16u /* of mappers and partitions between a file system and a disk */
#define PAGE_HEADER 4u	/* SPC-5, 7.7.19: code, peripheral, page, length */

static int open_folder(const char *root, const char *path, int *ret_fd, struct err *err)
{
	char whole[PATH_BYTES];
	int fd;

	if (snprintf(whole, sizeof(whole), "%s%s", root, path) >= (int)sizeof(whole))
		return err_set(err, ERR_INVALID, "the path of a folder is too long");
	fd = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(
			err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_UNREADABLE,
			errno, "cannot open %s", path);
	*ret_fd = fd;
	return 0;
}

/* Below an open one; 0 when there is none. */
static int open_below(int dir, const char *path, int *ret_fd, struct err *err)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot open %s", path);
	*ret_fd = fd;
	return fd >= 0 ? 1 : 0;
}

static struct slice trim(struct slice text)
{
	while (text.len > 0 && text.data[text.len - 1] <= ' ')
		text.len--;
	while (text.len > 0 && text.data[0] <= ' ')
		text = slice_of(text.data + 1, text.len - 1);
	return text;
}

/* A file of the folder, blanks and NULs around its text dropped. */
static int read_text(int dir, const char *name, struct buf *storage, struct slice *ret_text,
		     struct err *err)
{
	int r;

	buf_reset(storage);
	r = file_read(dir, name, storage, err);
	if (r == ERR_NOT_FOUND || r == ERR_UNREADABLE)
		return r;
	if (r < 0)
		return err_set(err, ERR_UNREADABLE, "%s is not as it is known", name);
	*ret_text = trim(buf_slice(storage));
	return 0;
}

static bool has_file(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

/* --- the first name of a folder that is wanted --- */

struct first {
	int dir;
	bool (*wanted)(int dir, const char *name);
	char name[NAME_BYTES];
};

static int visit(void *arg, const char *name)
{
	struct first *first = arg;

	if (strlen(name) >= sizeof(first->name) ||
	    (first->wanted && !first->wanted(first->dir, name)))
		return 0;
	if (first->name[0] == '\0' || strcmp(name, first->name) < 0)
		(void)snprintf(first->name, sizeof(first->name), "%s", name);
	return 0;
}

/* By the order of their bytes; "" when there is none. */
static int find_first(struct first *first, struct err *err)
{
	first->name[0] = '\0';
	return file_list(first->dir, visit, first, err);
}

/* --- the GPU --- */

/* The GPU of a system on a chip has no name but its own. */
static const struct {
	const char *chip;
	const char *name;
} TEGRAS[] = {
	{"nvidia,tegra234", "Orin"},
	{"nvidia,tegra194", "Xavier"},
	{"nvidia,tegra186", "Parker"},
	{"nvidia,tegra210", "Tegra X1"},
};

#define TEGRA "nvidia,tegra"

/* "compatible" of a device tree's root: texts with a NUL each, the most special one first. */
static int tegra_gpu(int tree, struct buf *ret_text, struct err *err)
{
	CLEANUP(buf_fini) struct buf storage = BUF_INIT(ATTRIBUTE);
	struct slice text;
	const char *at, *end;
	size_t i;
	int r;

	r = read_text(tree, "compatible", &storage, &text, err);
	if (r < 0)
		return r;
	buf_put_u8(&storage, 0);
	at = (const char *)storage.data;
	end = at + storage.len;
	for (; buf_ok(&storage) && at < end; at += strlen(at) + 1) {
		if (strncmp(at, TEGRA, strlen(TEGRA)) != 0)
			continue;
		for (i = 0; i < ARRAY_LEN(TEGRAS); i++)
			if (strcmp(at, TEGRAS[i].chip) == 0)
				break;
		buf_put_str(ret_text,
			    i < ARRAY_LEN(TEGRAS) ? TEGRAS[i].name : at + strlen("nvidia,"));
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "the device tree names no GPU");
}

static int tree_gpu(const char *root, struct buf *ret_text, struct err *err)
{
	static const char *const TREES[] = {"/sys/firmware/devicetree/base", "/proc/device-tree"};
	size_t i;
	int r = ERR_NOT_FOUND;

	for (i = 0; r == ERR_NOT_FOUND && i < ARRAY_LEN(TREES); i++) {
		CLEANUP(fd_close_cleanup) int tree = -1;

		r = open_folder(root, TREES[i], &tree, err);
		if (r == 0)
			r = tegra_gpu(tree, ret_text, err);
	}
	return r;
}

/* "0x10de" of a device's file as "10de". */
static int read_id(int device, const char *name, char ret_id[5], struct err *err)
{
	CLEANUP(buf_fini) struct buf storage = BUF_INIT(ATTRIBUTE);
	struct slice text;
	int r;

	r = read_text(device, name, &storage, &text, err);
	if (r < 0)
		return r;
	if (text.len != 6 || !slice_equal(slice_of(text.data, 2), slice_str("0x")))
		return err_set(err, ERR_UNREADABLE, "%s is not as it is known", name);
	(void)snprintf(ret_id, 5, "%.4s", (const char *)text.data + 2);
	return 0;
}

static bool is_display(int dir, const char *name)
{
	CLEANUP(buf_fini) struct buf storage = BUF_INIT(ATTRIBUTE);
	CLEANUP(fd_close_cleanup) int device = -1;
	struct slice text;
	struct err err;

	return open_below(dir, name, &device, &err) > 0 &&
	       read_text(device, "class", &storage, &text, &err) == 0 && text.len >= 4 &&
	       slice_equal(slice_of(text.data, 4), slice_str("0x03"));
}

static struct slice next_line(struct slice *rest)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->data) : rest->len;
	struct slice line = slice_of(rest->data, len);

	*rest = end ? slice_of(end + 1, rest->len - len - 1) : slice_of(NULL, 0);
	return line;
}

/* The name in a line "ID  name" with so many tabs before it. */
static bool named(struct slice line, size_t tabs, const char *id, struct slice *ret_name)
{
	size_t head = tabs + strlen(id) + 2;
	size_t i;

	for (i = 0; i < tabs; i++)
		if (i >= line.len || line.data[i] != '\t')
			return false;
	if (line.len <= head ||
	    !slice_equal(slice_of(line.data + tabs, strlen(id)), slice_str(id)) ||
	    line.data[tabs + strlen(id)] != ' ')
		return false;
	*ret_name = slice_of(line.data + head, line.len - head);
	return true;
}

/* False when the table does not know both. */
static bool put_names(struct slice ids, const char *vendor, const char *device,
		      struct buf *ret_text)
{
	struct slice vendor_name = {0}, device_name, line;

	while (ids.len > 0) {
		line = next_line(&ids);
		if (line.len == 0 || line.data[0] == '#')
			continue;
		if (line.data[0] != '\t' && vendor_name.len > 0)
			return false;
		if (vendor_name.len == 0) {
			(void)named(line, 0, vendor, &vendor_name);
		} else if (named(line, 1, device, &device_name)) {
			buf_put(ret_text, vendor_name);
			buf_put_str(ret_text, " ");
			buf_put(ret_text, device_name);
			return true;
		}
	}
	return false;
}

static int put_pci(const char *root, const char *vendor, const char *device, struct buf *ret_text,
		   struct err *err)
{
	CLEANUP(buf_fini) struct buf ids = BUF_INIT(IDS_MAX);
	CLEANUP(fd_close_cleanup) int folder = -1;
	int r;

	r = open_folder(root, "/usr/share/misc", &folder, err);
	if (r == 0)
		r = file_read(folder, "pci.ids", &ids, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return err_set(err, ERR_UNREADABLE, "cannot read pci.ids");
	if (r == ERR_NOT_FOUND || !put_names(buf_slice(&ids), vendor, device, ret_text))
		buf_printf(ret_text, "%s:%s", vendor, device);
	return 0;
}

static int pci_gpu(const char *root, struct buf *ret_text, struct err *err)
{
	CLEANUP(fd_close_cleanup) int devices = -1;
	CLEANUP(fd_close_cleanup) int display = -1;
	struct first first = {.wanted = is_display};
	char vendor[5], device[5];
	int r;

	r = open_folder(root, "/sys/bus/pci/devices", &devices, err);
	if (r < 0)
		return r;
	first.dir = devices;
	r = find_first(&first, err);
	if (r < 0)
		return r;
	if (first.name[0] == '\0' || open_below(devices, first.name, &display, err) <= 0)
		return err_set(err, ERR_NOT_FOUND, "there is no display adapter");
	r = read_id(display, "vendor", vendor, err);
	if (r == 0)
		r = read_id(display, "device", device, err);
	return r < 0 ? r : put_pci(root, vendor, device, ret_text, err);
}

static int finish(struct buf *text, struct err *err)
{
	return buf_ok(text) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int hardware_gpu(const char *root, struct buf *ret_text, struct err *err)
{
	int r = tree_gpu(root, ret_text, err);

	if (r == ERR_NOT_FOUND)
		r = pci_gpu(root, ret_text, err);
	return r < 0 ? r : finish(ret_text, err);
}

/* --- the disk --- */

/* The word at @index, counted from 0; empty when there are fewer. */
static struct slice word_of(struct slice line, size_t index)
{
	size_t at = 0, begin;

	for (;; index--) {
		begin = at;
		while (at < line.len && line.data[at] != ' ')
			at++;
		if (index == 0 || at >= line.len)
			break;
		at++;
	}
	return slice_of(line.data + begin, index == 0 ? at - begin : 0);
}

/* proc_pid_mountinfo(5): "id parent major:minor root point options.. - type source options" */
struct mount {
	struct slice number;
	struct slice source;
};

static bool is_root_mount(struct slice line, struct mount *ret_mount)
{
	size_t i;

	if (!slice_equal(word_of(line, 4), slice_str("/")))
		return false;
	for (i = 6; word_of(line, i).len > 0; i++)
		if (slice_equal(word_of(line, i), slice_str("-")))
			break;
	*ret_mount = (struct mount){.number = word_of(line, 2), .source = word_of(line, i + 2)};
	return ret_mount->number.len > 0;
}

/* Of file systems that have several devices the number is none of a device, but the source is. */
static int open_root_device(const char *root, const struct mount *mount, int *ret_fd,
			    struct err *err)
{
	static const char DEV[] = "/dev/";
	struct slice name = mount->source;
	char path[PATH_BYTES];

	if (slice_equal(slice_of(mount->number.data, 2), slice_str("0:"))) {
		if (name.len <= strlen(DEV) || !slice_equal(slice_of(name.data, 5), slice_str(DEV)))
			return err_set(err, ERR_NOT_FOUND, "no disk is known to hold /");
		name = slice_of(name.data + strlen(DEV), name.len - strlen(DEV));
		if (memchr(name.data, '/', name.len) || name.data[0] == '.')
			return err_set(err, ERR_NOT_FOUND, "no disk is known to hold /");
		(void)snprintf(path, sizeof(path), "/sys/class/block/%.*s",
			       (int)(name.len < NAME_BYTES ? name.len : 0),
			       (const char *)name.data);
	} else {
		(void)snprintf(path, sizeof(path), "/sys/dev/block/%.*s",
			       (int)(mount->number.len < NAME_BYTES ? mount->number.len : 0),
			       (const char *)mount->number.data);
	}
	return open_folder(root, path, ret_fd, err);
}

static int find_root_device(const char *root, int *ret_fd, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MOUNTS_MAX);
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct mount mount, last = {0};
	struct slice rest;
	int r;

	r = open_folder(root, "/proc/self", &folder, err);
	if (r < 0)
		return r;
	r = file_read(folder, "mountinfo", &text, err);
	if (r < 0)
		return r == ERR_NOT_FOUND ? r : err_set(err, ERR_UNREADABLE, "cannot read mounts");
	/* The last one lies above the others. */
	for (rest = buf_slice(&text); rest.len > 0;)
		if (is_root_mount(next_line(&rest), &mount))
			last = mount;
	if (last.number.len < 2)
		return err_set(err, ERR_NOT_FOUND, "no disk is known to hold /");
	return open_root_device(root, &last, ret_fd, err);
}

/* One step from @device down to its disk: 1, or 0 when it is as far down as there is. */
static int step_down(int device, int *ret_below, struct err *err)
{
	CLEANUP(fd_close_cleanup) int slaves = -1;
	struct first first = {0};
	int r;

	if (has_file(device, "partition"))
		return open_below(device, "..", ret_below, err);
	r = open_below(device, "slaves", &slaves, err);
	if (r <= 0)
		return r;
	first.dir = slaves;
	r = find_first(&first, err);
	if (r < 0 || first.name[0] == '\0')
		return r;
	return open_below(slaves, first.name, ret_below, err);
}

/* Takes @device over; *ret_disk is what has no more below. */
static int go_down(int device, int *ret_disk, struct err *err)
{
	CLEANUP(fd_close_cleanup) int at = device;
	unsigned layer;
	int below = -1;
	int r;

	for (layer = 0; layer < LAYERS_MAX; layer++) {
		r = step_down(at, &below, err);
		if (r < 0)
			return r;
		if (r == 0) {
			*ret_disk = at;
			at = -1;
			return 0;
		}
		close(at);
		at = below;
	}
	return err_set(err, ERR_UNREADABLE, "too many layers lie above the disk");
}

/* Loops, memory and mappers have none. */
static bool is_disk(int dir, const char *name)
{
	CLEANUP(buf_fini) struct buf storage = BUF_INIT(ATTRIBUTE);
	CLEANUP(fd_close_cleanup) int block = -1;
	struct slice text;
	struct err err;

	return open_below(dir, name, &block, &err) > 0 && has_file(block, "device") &&
	       (read_text(block, "removable", &storage, &text, &err) < 0 ||
		slice_equal(text, slice_str("0")));
}

static int find_first_disk(const char *root, int *ret_disk, struct err *err)
{
	CLEANUP(fd_close_cleanup) int blocks = -1;
	struct first first = {.wanted = is_disk};
	int r;

	r = open_folder(root, "/sys/block", &blocks, err);
	if (r < 0)
		return r;
	first.dir = blocks;
	r = find_first(&first, err);
	if (r < 0)
		return r;
	if (first.name[0] == '\0' || open_below(blocks, first.name, ret_disk, err) <= 0)
		return err_set(err, ERR_NOT_FOUND, "there is no disk");
	return 0;
}

static int find_disk(const char *root, int *ret_disk, struct err *err)
{
	int device = -1, disk = -1;
	int r;

	r = find_root_device(root, &device, err);
	if (r == 0)
		r = go_down(device, &disk, err);
	if (r == 0 && has_file(disk, "device")) {
		*ret_disk = disk;
		return 0;
	}
	fd_close_cleanup(&disk);
	return r < 0 && r != ERR_NOT_FOUND ? r : find_first_disk(root, ret_disk, err);
}

/* SPC-5, 7.7.19: the page with the unit's serial number. */
static int read_page(int disk, struct buf *storage, struct slice *ret_text, struct err *err)
{
	CLEANUP(fd_close_cleanup) int device = -1;
	struct slice page;
	size_t len;
	int r;

	if (open_below(disk, "device", &device, err) <= 0)
		return err_set(err, ERR_NOT_FOUND, "the disk has no device");
	buf_reset(storage);
	r = file_read(device, "vpd_pg80", storage, err);
	if (r < 0)
		return r == ERR_NOT_FOUND ? r
					  : err_set(err, ERR_UNREADABLE, "cannot read vpd_pg80");
	page = buf_slice(storage);
	len = page.len >= PAGE_HEADER ? (size_t)page.data[2] << 8 | page.data[3] : 0;
	if (page.len < PAGE_HEADER || page.data[1] != 0x80 || len > page.len - PAGE_HEADER)
		return err_set(err, ERR_UNREADABLE, "vpd_pg80 is not as it is known");
	*ret_text = trim(slice_of(page.data + PAGE_HEADER, len));
	return 0;
}

static int read_device_serial(int disk, struct buf *storage, struct slice *ret_text,
			      struct err *err)
{
	CLEANUP(fd_close_cleanup) int device = -1;

	if (open_below(disk, "device", &device, err) <= 0)
		return err_set(err, ERR_NOT_FOUND, "the disk has no device");
	return read_text(device, "serial", storage, ret_text, err);
}

static int read_own_serial(int disk, struct buf *storage, struct slice *ret_text, struct err *err)
{
	return read_text(disk, "serial", storage, ret_text, err);
}

int hardware_disk_serial(const char *root, struct buf *ret_text, struct err *err)
{
	/* NVMe and MMC, virtio, SCSI and SATA. */
	static int (*const READ[])(int, struct buf *, struct slice *,
				   struct err *) = {read_device_serial, read_own_serial, read_page};
	CLEANUP(buf_fini) struct buf storage = BUF_INIT(ATTRIBUTE);
	CLEANUP(fd_close_cleanup) int disk = -1;
	struct slice text = {0};
	size_t i;
	int r;

	r = find_disk(root, &disk, err);
	if (r < 0)
		return r;
	for (i = 0; text.len == 0 && i < ARRAY_LEN(READ); i++) {
		r = READ[i](disk, &storage, &text, err);
		if (r < 0 && r != ERR_NOT_FOUND)
			return r;
	}
	if (text.len == 0)
		return err_set(err, ERR_NOT_FOUND, "the disk has no serial number");
	buf_put(ret_text, text);
	return finish(ret_text, err);
}
