/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/cache_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/file.h"
#include "base/mem.h"
#include "crypto/cms.h"

#define FOLDER_MODE 0700
#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct cache {
	unsigned owners;
	int dir; /* opened here, so that the lock on it is ours alone */
};

static const char REMEDY[] =
	"Look what became of it, then remove that file; when the resource must "
	"be signed, set unsigned = \"deny\" before.";

/*
 * What writers that were killed left behind only wastes room; so do payloads whose release was
 * never taken, or whose removal a kill cut short. Nobody is at work yet who may want one. What came
 * of one stays: a device that was off for days goes on where it stopped.
 */
static int sweep(void *arg, const char *name)
{
	static const struct cache_sweep what = {.payload_age = 0, .parts_stay = true};
	const struct cache *cache = arg;
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct err ignored;
	size_t count;

	if (file_open_dir(cache->dir, name, false, 0, &fd, &ignored) < 0)
		return 0;
	(void)!file_sweep(fd, &count, &ignored);
	if (cache_lock(fd, &ignored) == 0)
		(void)!cache_sweep(fd, &what, &ignored);
	return 0;
}

int cache_open(int dir, struct cache **ret_cache, struct err *err)
{
	CLEANUP(cache_cleanup) struct cache *cache = calloc(1, sizeof(*cache));
	struct err ignored;
	size_t count;

	if (!cache)
		return err_set(err, ERR_INTERNAL, "memory is short");
	cache->owners = 1;
	cache->dir = openat(dir, ".", OPEN_FOLDER);
	if (cache->dir < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot open the cache");
	if (flock(cache->dir, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(err, ERR_CONFLICT, "another loader uses this cache");
	if (flock(cache->dir, LOCK_EX | LOCK_NB) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot lock the cache");
	(void)!file_sweep(cache->dir, &count, &ignored);
	(void)!file_list(cache->dir, sweep, cache, &ignored);
	*ret_cache = TAKE(cache);
	return 0;
}

struct cache *cache_hold(struct cache *cache)
{
	cache->owners++;
	return cache;
}

void cache_free(struct cache *cache)
{
	if (!cache || --cache->owners > 0)
		return;
	fd_close_cleanup(&cache->dir);
	free(cache);
}

/* --- names --- */

int cache_names(const struct resource *resource, struct cache_names *ret_names, struct err *err)
{
	struct cache_names names;
	int len = (int)resource->name.len;
	const char *name = (const char *)resource->name.data;
	int r = resource_check(resource, err);

	if (r == 0)
		r = resource_file(resource->name, RESOURCE_BIG, names.big, err);
	if (r == 0)
		r = resource_file(resource->name, RESOURCE_SIG, names.sig, err);
	if (r < 0)
		return r;
	(void)snprintf(names.folder, sizeof(names.folder), "%.*s", (int)resource->folder.len,
		       (const char *)resource->folder.data);
	(void)snprintf(names.pin, sizeof(names.pin), "%.*s.pin", len, name);
	(void)snprintf(names.part, sizeof(names.part), ".%.*s.part", len, name);
	(void)snprintf(names.state, sizeof(names.state), "%.*s.state", len, name);
	(void)snprintf(names.manifest, sizeof(names.manifest), "%.*s" CACHE_MANIFEST, len, name);
	(void)snprintf(names.key, sizeof(names.key), "%.*s.key", len, name);
	(void)snprintf(names.floor, sizeof(names.floor), "%.*s.floor", len, name);
	*ret_names = names;
	return 0;
}

int cache_names_payload(const struct resource *resource, const uint8_t digest[MANIFEST_DIGEST],
			struct cache_names *ret_names, struct err *err)
{
	char hex[MANIFEST_DIGEST_HEX];
	struct cache_names names;
	int r = cache_names(resource, &names, err);

	if (r < 0)
		return r;
	manifest_hex(digest, hex);
	(void)snprintf(names.big, sizeof(names.big), "%s" CACHE_PAYLOAD, hex);
	(void)snprintf(names.part, sizeof(names.part), "%s" CACHE_PARTIAL, hex);
	(void)snprintf(names.state, sizeof(names.state), "%s" CACHE_PROGRESS, hex);
	names.sig[0] = names.pin[0] = '\0';
	*ret_names = names;
	return 0;
}

int cache_folder(const struct cache *cache, const struct cache_names *names, bool create,
		 int *ret_fd, struct err *err)
{
	return create ? file_make_dir(cache->dir, names->folder, FOLDER_MODE, ret_fd, err)
		      : file_open_dir(cache->dir, names->folder, false, 0, ret_fd, err);
}

int cache_find(const struct cache *cache, const struct resource *resource,
	       struct cache_names *ret_names, int *ret_fd, struct err *err)
{
	int r = cache_names(resource, ret_names, err);

	return r < 0 ? r : cache_folder(cache, ret_names, false, ret_fd, err);
}

/* --- what is there --- */

int cache_big(struct cache *cache, const struct resource *resource, int *ret_fd, uint64_t *ret_size,
	      struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	int r = cache_find(cache, resource, &names, &folder, err);

	return r < 0 ? r : file_open(folder, names.big, ret_fd, ret_size, err);
}

int cache_sig(struct cache *cache, const struct resource *resource, struct buf *ret_sig,
	      struct err *err)
{
	CLEANUP(buf_fini) struct buf sig = BUF_INIT(CMS_MAX);
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	int r = cache_find(cache, resource, &names, &folder, err);

	if (r == 0)
		r = file_read(folder, names.sig, &sig, err);
	if (r < 0)
		return r;
	buf_put(ret_sig, buf_slice(&sig));
	return buf_ok(ret_sig) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int cache_put_sig(struct cache *cache, const struct resource *resource, struct slice sig,
		  struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	int r = cache_find(cache, resource, &names, &folder, err);

	return r < 0 ? r : file_write(folder, names.sig, sig, CACHE_FILE_MODE, FILE_REPLACE, err);
}

/* --- the pin --- */

int cache_damaged(const char *folder, const char *file, const char *remedy, struct err *err)
{
	if (err->code == ERR_INTERNAL)
		return err->code;
	(void)err_set(err, ERR_UNREADABLE, "the cache's file %s/%s is damaged", folder, file);
	return err_add_remedy(err, remedy);
}

static int read_pin(int folder, const struct cache_names *names, struct cache_seen *ret_seen,
		    struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);
	int r = file_read(folder, names->pin, &text, err);

	if (r == 0)
		r = cache_text_pin(buf_slice(&text), ret_seen, err);
	if (r == 0 || r == ERR_NOT_FOUND)
		return r;
	return cache_damaged(names->folder, names->pin, REMEDY, err);
}

int cache_seen(struct cache *cache, const struct resource *resource, struct cache_seen *ret_seen,
	       struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_names names;
	int r = cache_find(cache, resource, &names, &folder, err);

	if (r == 0)
		r = read_pin(folder, &names, ret_seen, err);
	if (r != ERR_NOT_FOUND)
		return r;
	*ret_seen = (struct cache_seen){.known = false};
	return 0;
}

int cache_lock(int folder, struct err *err)
{
	int r;

	do
		r = flock(folder, LOCK_EX);
	while (r < 0 && errno == EINTR);
	return r == 0 ? 0 : err_set_errno(err, ERR_INTERNAL, errno, "cannot lock the cache");
}

int cache_pin(struct cache *cache, const struct resource *resource, const struct cache_seen *seen,
	      struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);
	CLEANUP(fd_close_cleanup) int folder = -1;
	struct cache_seen before = {.known = false}, after = *seen;
	struct cache_names names;
	int r = cache_names(resource, &names, err);

	if (r == 0)
		r = cache_folder(cache, &names, true, &folder, err);
	if (r == 0)
		r = cache_lock(folder, err);
	if (r == 0)
		r = read_pin(folder, &names, &before, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	after.signed_once |= before.signed_once;
	r = cache_text_put_pin(&after, &text, err);
	if (r < 0)
		return r;
	return file_write(folder, names.pin, buf_slice(&text), CACHE_FILE_MODE, FILE_REPLACE, err);
}
