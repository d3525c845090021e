/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The releases of version 2: what was taken, and how another takes its place. The order of the
 * steps is cache.h's; a step whose result is there already writes nothing.
 */
#include "loader/cache_impl.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/device_key.h"
#include "base/file.h"
#include "base/mem.h"
#include "crypto/cms.h"
#include "loader/fault.h"

#define KEYS_MAX (2u * DEVICE_KEY_LINE_MAX)

static const char REMEDY[] =
	"Look what became of it. Without that file older releases are taken again, and version 1 "
	"of that name too.";

/* --- what is there --- */

static int find_artifact(const struct cache *cache, const struct resource *resource,
			 struct cache_names *ret_names, int *ret_fd, struct err *err)
{
	int r = resource_check_artifact(resource, err);

	return r < 0 ? r : cache_find(cache, resource, ret_names, ret_fd, err);
}

/* From now on it is not swept; unless it is gone already. */
static int hold(int fd, struct err *err)
{
	struct stat st;

	if (flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0)
		return err_set(err, ERR_NOT_FOUND, "the payload is being removed");
	return 0;
}

int cache_payload(struct cache *cache, const struct resource *resource,
		  const uint8_t digest[MANIFEST_DIGEST], int *ret_fd, uint64_t *ret_size,
		  struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1, fd = -1;
	struct cache_names names;
	uint64_t size = 0;
	int r = cache_names_payload(resource, digest, &names, err);

	if (r == 0)
		r = cache_folder(cache, &names, false, &folder, err);
	if (r == 0)
		r = file_open(folder, names.big, &fd, &size, err);
	if (r == 0)
		r = hold(fd, err);
	if (r < 0)
		return r;
	*ret_size = size;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int give(const struct buf *bytes, struct buf *ret_bytes, struct err *err)
{
	buf_put(ret_bytes, buf_slice(bytes));
	return buf_ok(ret_bytes) ? 0 : err_set(err, ERR_TOO_LARGE, "there is no room for it");
}

bool cache_has_manifest(const struct cache *cache, const struct resource *resource)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	struct err ignored;

	return find_artifact(cache, resource, &names, &folder, &ignored) == 0 &&
	       faccessat(folder, names.manifest, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int cache_manifest(struct cache *cache, const struct resource *resource, struct buf *ret_whole,
		   struct err *err)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	int r = find_artifact(cache, resource, &names, &folder, err);

	if (r == 0)
		r = file_read(folder, names.manifest, &whole, err);
	return r < 0 ? r : give(&whole, ret_whole, err);
}

int cache_read_manifest(int folder, const char *file, struct manifest **ret_manifest,
			struct err *err)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	CLEANUP(buf_fini) struct buf json = BUF_INIT(CMS_MAX);
	int r = file_read(folder, file, &whole, err);

	if (r == 0)
		r = cms_peek_whole(buf_slice(&whole), &json, err);
	return r < 0 ? r : manifest_parse(buf_slice(&json), ret_manifest, err);
}

/* --- device keys --- */

/* The next of @keys, without its end; empty: that was all. */
static struct slice next_line(struct slice *keys)
{
	const uint8_t *end = keys->len > 0 ? memchr(keys->data, '\n', keys->len) : NULL;
	struct slice line = slice_of(keys->data, end ? (size_t)(end - keys->data) : keys->len);
	size_t used = line.len + (end ? 1 : 0);

	if (keys->len > 0)
		*keys = slice_of(keys->data + used, keys->len - used);
	return line;
}

static bool is_key_of(struct slice line, const uint8_t manifest[MANIFEST_DIGEST])
{
	CLEANUP(device_key_cleanup) struct device_key key = DEVICE_KEY_INIT;
	struct err ignored;

	return device_key_parse(line, &key, &ignored) == 0 &&
	       slice_equal(slice_of(key.manifest, MANIFEST_DIGEST),
			   slice_of(manifest, MANIFEST_DIGEST));
}

/* What is no key there is passed over: it can be asked for again. */
static struct slice find_line(struct slice keys, const uint8_t manifest[MANIFEST_DIGEST])
{
	struct slice line = next_line(&keys);

	while (line.len > 0 && !is_key_of(line, manifest))
		line = next_line(&keys);
	return line;
}

int cache_key(struct cache *cache, const struct resource *resource,
	      const uint8_t manifest[MANIFEST_DIGEST], struct buf *ret_line, struct err *err)
{
	CLEANUP(buf_fini) struct buf keys = BUF_INIT(KEYS_MAX);
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	struct slice line;
	int r = find_artifact(cache, resource, &names, &folder, err);

	if (r == 0)
		r = file_read(folder, names.key, &keys, err);
	if (r < 0 && r != ERR_TOO_LARGE)
		return r;
	line = r == 0 ? find_line(buf_slice(&keys), manifest) : slice_of(NULL, 0);
	if (line.len == 0)
		return err_set(err, ERR_NOT_FOUND, "the cache has no device key of this release");
	buf_put(ret_line, line);
	return buf_ok(ret_line) ? 0 : err_set(err, ERR_TOO_LARGE, "there is no room for it");
}

/* --- files --- */

static bool has_file(int folder, const char *file, struct slice bytes)
{
	CLEANUP(buf_fini) struct buf there = BUF_INIT(CMS_WHOLE_MAX);
	struct err ignored;

	return file_read(folder, file, &there, &ignored) == 0 &&
	       slice_equal(buf_slice(&there), bytes);
}

/* No write where it is so already. */
static int put_file(int folder, const char *file, struct slice bytes, struct err *err)
{
	if (has_file(folder, file, bytes))
		return 0;
	return file_write(folder, file, bytes, CACHE_FILE_MODE, FILE_REPLACE, err);
}

/* --- the floor --- */

static int read_floor(int folder, const struct cache_names *names, struct floor *ret_floor,
		      struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);
	int r = file_read(folder, names->floor, &text, err);

	if (r == 0)
		r = cache_text_floor(buf_slice(&text), ret_floor, err);
	if (r == 0)
		return 0;
	if (r != ERR_NOT_FOUND)
		return cache_damaged(names->folder, names->floor, REMEDY, err);
	*ret_floor = (struct floor){.min_format = 1};
	return 0;
}

int cache_floor(struct cache *cache, const struct resource *resource, struct floor *ret_floor,
		struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	int r = cache_find(cache, resource, &names, &folder, err);

	if (r == 0)
		return read_floor(folder, &names, ret_floor, err);
	if (r != ERR_NOT_FOUND)
		return r;
	*ret_floor = (struct floor){.min_format = 1};
	return 0;
}

static int put_floor(int folder, const struct cache_names *names, const struct floor *floor,
		     struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);
	int r = cache_text_put_floor(floor, &text, err);

	return r < 0 ? r : put_file(folder, names->floor, buf_slice(&text), err);
}

int cache_raise_format(struct cache *cache, const struct resource *resource, unsigned min_format,
		       struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	struct floor floor = {.min_format = 1};
	int r = resource_check_artifact(resource, err);

	if (r == 0)
		r = cache_names(resource, &names, err);
	if (r == 0)
		r = cache_folder(cache, &names, true, &folder, err);
	if (r == 0)
		r = cache_lock(folder, err);
	if (r == 0)
		r = read_floor(folder, &names, &floor, err);
	if (r < 0 || floor.min_format >= min_format)
		return r;
	floor.min_format = min_format;
	return put_floor(folder, &names, &floor, err);
}

/* --- another release --- */

struct taking {
	const struct cache_release *release;
	struct slice line; /* the release's, without its end */
	struct cache_names names;
	int folder;
	struct manifest *before; /* NULL: none that can be read */
};

/* Appends the key of the release before, where it is another one. */
static void add_line_before(const struct taking *taking, struct buf *keys)
{
	CLEANUP(buf_fini) struct buf there = BUF_INIT(KEYS_MAX);
	const struct manifest *now = taking->release->manifest;
	struct slice line;
	struct err ignored;

	if (!taking->before ||
	    slice_equal(slice_of(taking->before->digest, MANIFEST_DIGEST),
			slice_of(now->digest, MANIFEST_DIGEST)) ||
	    file_read(taking->folder, taking->names.key, &there, &ignored) < 0)
		return;
	line = find_line(buf_slice(&there), taking->before->digest);
	if (line.len == 0)
		return;
	buf_put(keys, line);
	buf_put_u8(keys, '\n');
}

static int put_keys(const struct taking *taking, bool both, struct err *err)
{
	CLEANUP(buf_fini) struct buf keys = BUF_INIT(KEYS_MAX);

	buf_put(&keys, taking->line);
	buf_put_u8(&keys, '\n');
	if (both)
		add_line_before(taking, &keys);
	if (!buf_ok(&keys))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return put_file(taking->folder, taking->names.key, buf_slice(&keys), err);
}

/* The steps, in their order. */
static int take(const struct taking *taking, struct err *err)
{
	const struct manifest *manifest = taking->release->manifest;
	struct floor floor = {.min_format = 1};
	int r = read_floor(taking->folder, &taking->names, &floor, err);

	if (r < 0)
		return r;
	if (floor_judge(&floor, manifest, CMS_ANY_TIME) == FLOOR_ROLLED_BACK)
		return err_set(err, FAULT_ROLLED_BACK, "a newer release was taken meanwhile");
	floor = floor_raise(&floor, manifest);
	r = put_keys(taking, true, err);
	if (r == 0)
		r = put_file(taking->folder, taking->names.manifest, taking->release->whole, err);
	if (r == 0)
		r = put_floor(taking->folder, &taking->names, &floor, err);
	return r < 0 ? r : put_keys(taking, false, err);
}

/* Of a release that is loaded again: nothing is to be done, and no sync is waited for. */
static bool is_taken(const struct cache *cache, const struct resource *resource,
		     const struct cache_release *release, struct slice line)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	CLEANUP(buf_fini) struct buf key = BUF_INIT(DEVICE_KEY_LINE_MAX);
	const struct manifest *manifest = release->manifest;
	struct cache_names names;
	struct floor floor = {.min_format = 1};
	struct err ignored;

	buf_put(&key, line);
	buf_put_u8(&key, '\n');
	return cache_find(cache, resource, &names, &folder, &ignored) == 0 &&
	       read_floor(folder, &names, &floor, &ignored) == 0 &&
	       floor.serial == manifest->serial && floor.min_format >= manifest->min_format &&
	       slice_equal(slice_of(floor.digest, MANIFEST_DIGEST),
			   slice_of(manifest->digest, MANIFEST_DIGEST)) &&
	       has_file(folder, names.manifest, release->whole) &&
	       has_file(folder, names.key, buf_slice(&key));
}

/* Disk that is not won back now is won back later (cache.h). */
static void sweep(const struct taking *taking)
{
	const struct manifest *before = taking->before;
	const struct cache_sweep what = {
		.replaced = before ? before->payload_digest : NULL,
		.payload_age = CACHE_OLD_S,
	};
	struct err ignored;

	(void)!cache_sweep(taking->folder, &what, &ignored);
}

static int read_before(struct taking *taking, struct err *err)
{
	int r = cache_read_manifest(taking->folder, taking->names.manifest, &taking->before, err);

	return r == ERR_INTERNAL ? r : 0;
}

static int check_release(const struct cache_release *release, struct slice *ret_line,
			 struct err *err)
{
	struct slice rest = release->line, line = next_line(&rest);

	if (release->whole.len == 0 || release->whole.len > CMS_WHOLE_MAX || rest.len > 0 ||
	    line.len >= DEVICE_KEY_LINE_MAX || !is_key_of(line, release->manifest->digest))
		return err_set(err, ERR_INVALID, "no manifest, or no line that is its device key");
	*ret_line = line;
	return 0;
}

int cache_take_release(struct cache *cache, const struct resource *resource,
		       const struct cache_release *release, struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct taking taking = {.release = release};
	int r = check_release(release, &taking.line, err);

	if (r == 0)
		r = resource_check_artifact(resource, err);
	if (r == 0 && is_taken(cache, resource, release, taking.line))
		return 0;
	if (r == 0)
		r = cache_names(resource, &taking.names, err);
	if (r == 0)
		r = cache_folder(cache, &taking.names, true, &folder, err);
	if (r == 0)
		r = cache_lock(folder, err);
	taking.folder = folder;
	if (r == 0)
		r = read_before(&taking, err);
	if (r == 0)
		r = take(&taking, err);
	if (r == 0)
		sweep(&taking);
	manifest_free(taking.before);
	return r;
}
