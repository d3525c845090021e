/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/key_lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* --- reading --- */

int key_lines_open(struct key_lines *lines, int dir, const char *name,
		   const uint8_t manifest[MANIFEST_DIGEST], struct err *err)
{
	uint64_t size;

	memcpy(lines->manifest, manifest, MANIFEST_DIGEST);
	return file_open(dir, name, &lines->fd, &size, err);
}

void key_lines_fini(struct key_lines *lines)
{
	fd_close_cleanup(&lines->fd);
	buf_fini(&lines->bytes);
	device_key_fini(&lines->key);
}

static int damaged(struct err *err, const char *why)
{
	return err_set(err, ERR_DAMAGED, "the file of device keys: %s", why);
}

/* What is left moves to the front, and as much is read as there is room for. */
static int read_more(struct key_lines *lines, bool *ret_end, struct err *err)
{
	struct buf *bytes = &lines->bytes;
	size_t left = bytes->len - lines->taken, room = bytes->max - left;
	ssize_t n;

	if (left > 0)
		memmove(bytes->data, bytes->data + lines->taken, left);
	bytes->len = left;
	lines->taken = 0;
	if (!buf_grow(bytes, room))
		return err_set(err, ERR_INTERNAL, "memory is short");
	do
		n = read(lines->fd, bytes->data + left, room);
	while (n < 0 && errno == EINTR);
	bytes->len = left + (n > 0 ? (size_t)n : 0);
	if (n < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot read the device keys");
	*ret_end = n == 0;
	return 0;
}

static struct slice whole_line(const struct key_lines *lines)
{
	const uint8_t *from = lines->bytes.data + lines->taken, *end = NULL;
	size_t len = lines->bytes.len - lines->taken;

	if (len > 0)
		end = memchr(from, '\n', len);
	return end ? slice_of(from, (size_t)(end - from) + 1) : slice_of(NULL, 0);
}

static int check_line(struct key_lines *lines, struct slice line, struct err *err)
{
	uint8_t before[WRAP_NAME_SIZE];
	int r;

	memcpy(before, lines->key.storage_key, sizeof(before));
	if (line.len > DEVICE_KEY_LINE_MAX)
		return damaged(err, "a line is too long");
	r = device_key_parse(line, &lines->key, err);
	if (r < 0)
		return damaged(err, "a line is no device key");
	if (!slice_equal(slice_of(lines->key.manifest, MANIFEST_DIGEST),
			 slice_of(lines->manifest, MANIFEST_DIGEST)))
		return damaged(err, "a line is of another manifest");
	if (lines->any && fleet_order(before, lines->key.storage_key) >= 0)
		return damaged(err, "the lines are not sorted, each once");
	lines->any = true;
	return 0;
}

int key_lines_next(struct key_lines *lines, struct slice *ret_line, struct err *err)
{
	struct slice line = whole_line(lines);
	bool end = false;
	int r;

	while (line.len == 0 && !end) {
		if (lines->bytes.len - lines->taken >= lines->bytes.max)
			return damaged(err, "a line is too long");
		r = read_more(lines, &end, err);
		if (r < 0)
			return r;
		line = whole_line(lines);
	}
	if (line.len == 0 && lines->bytes.len > lines->taken)
		return damaged(err, "the last line is cut");
	r = line.len > 0 ? check_line(lines, line, err) : 0;
	if (r < 0)
		return r;
	lines->taken += line.len;
	*ret_line = line;
	return 0;
}

/* --- merging --- */

static int write_new(struct key_merge *merge, const struct fleet_device *device,
		     struct file_draft *draft, struct err *err)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL;
	CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX);
	int r = wrap_public_read(slice_of(device->area, device->len), &storage, err);

	if (r == 0)
		r = device_key_make(storage, merge->key, merge->manifest, &line, err);
	if (r == 0)
		r = file_draft_write(draft, buf_slice(&line), err);
	merge->added += r == 0;
	return r;
}

/* Those of the fleet that come before @name; NULL: all that are left. */
static int write_until(struct key_merge *merge, const uint8_t *name, size_t *at,
		       struct file_draft *draft, struct err *err)
{
	int r = 0;

	while (r == 0 && *at < merge->fleet->count) {
		const struct fleet_device *device = &merge->fleet->devices[*at];

		if (name && fleet_order(device->name, name) >= 0)
			return 0;
		r = write_new(merge, device, draft, err);
		(*at)++;
	}
	return r;
}

/* The line that is there, or another in its place. */
static int write_line(struct key_merge *merge, struct slice line, size_t *at,
		      struct file_draft *draft, struct err *err)
{
	const uint8_t *name = merge->lines->key.storage_key;
	const struct fleet_device *device = NULL;
	int r;

	if (*at < merge->fleet->count && fleet_order(merge->fleet->devices[*at].name, name) == 0)
		device = &merge->fleet->devices[(*at)++];
	if (device && device->is_named)
		return write_new(merge, device, draft, err);
	r = file_draft_write(draft, line, err);
	merge->kept += r == 0;
	return r;
}

int key_merge(struct key_merge *merge, struct file_draft *draft, struct err *err)
{
	struct slice line = slice_of(NULL, 0);
	size_t at = 0;
	int r = merge->lines ? key_lines_next(merge->lines, &line, err) : 0;

	while (r == 0 && line.len > 0) {
		r = write_until(merge, merge->lines->key.storage_key, &at, draft, err);
		if (r == 0)
			r = write_line(merge, line, &at, draft, err);
		if (r == 0)
			r = key_lines_next(merge->lines, &line, err);
	}
	return r < 0 ? r : write_until(merge, NULL, &at, draft, err);
}
