/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no manifest names any more only wastes room. It goes when a release is taken, when the cache
 * is opened, and when a download finds no room. What is young may be of a release that is not taken
 * yet, so how young is the caller's to say; the payload that was replaced goes at once. What is
 * held is a download at work, or a payload that somebody looks at, whatever its age.
 */
#include "loader/cache_impl.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/mem.h"

#define HEX	  (2u * MANIFEST_DIGEST)
#define NAMED_MAX (1024u * 1024u) /* bytes of digests */
#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

struct sweep {
	int folder;
	struct cache_sweep what;
	time_t now;
	struct buf named; /* digests, one behind the other */
	struct err *err;
};

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), end = strlen(suffix);

	return len > end && strcmp(name + len - end, suffix) == 0;
}

/* One that is damaged names nothing; one that cannot be read, or not be understood, might. */
static int note_manifest(void *arg, const char *name)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
	struct sweep *sweep = arg;
	int r;

	if (!ends_in(name, CACHE_MANIFEST))
		return 0;
	r = cache_read_manifest(sweep->folder, name, &manifest, sweep->err);
	if (r == ERR_DAMAGED)
		return 0;
	if (r < 0)
		return r;
	buf_put(&sweep->named, slice_of(manifest->payload_digest, MANIFEST_DIGEST));
	return buf_ok(&sweep->named) ? 0 : err_set(sweep->err, ERR_INTERNAL, "memory is short");
}

static bool is_same(const uint8_t *a, const uint8_t *b)
{
	return slice_equal(slice_of(a, MANIFEST_DIGEST), slice_of(b, MANIFEST_DIGEST));
}

static bool is_named(const struct sweep *sweep, const uint8_t digest[MANIFEST_DIGEST])
{
	for (size_t at = 0; at < sweep->named.len; at += MANIFEST_DIGEST)
		if (is_same(sweep->named.data + at, digest))
			return true;
	return false;
}

/* Of "<digest><suffix>" alone. */
static bool read_digest(const char *name, const char *suffix, uint8_t ret_digest[MANIFEST_DIGEST])
{
	return strlen(name) == HEX + strlen(suffix) && strcmp(name + HEX, suffix) == 0 &&
	       hex_decode(slice_of(name, HEX), ret_digest, MANIFEST_DIGEST);
}

/* Since it was written, or got its name. Without an age whatever a clock that was set says. */
static bool is_old(const struct sweep *sweep, int fd, time_t age)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	return age == 0 || (st.st_mtime < sweep->now - age && st.st_ctime < sweep->now - age);
}

/* @state is removed with it, and before it: alone it would be of a part that begins anew. */
static int remove_old(const struct sweep *sweep, const char *name, time_t age, const char *state)
{
	CLEANUP(fd_close_cleanup) int fd = openat(sweep->folder, name, OPEN_FILE);
	int r = 0;

	if (fd < 0 || !is_old(sweep, fd, age) || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	if (state)
		r = file_remove(sweep->folder, state, sweep->err);
	if (r == 0 || r == ERR_NOT_FOUND)
		r = file_remove(sweep->folder, name, sweep->err);
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* Who reads it reads it to its end. */
static int remove_replaced(const struct sweep *sweep, const char *name)
{
	struct stat st;
	int r;

	if (fstatat(sweep->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = file_remove(sweep->folder, name, sweep->err);
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int sweep_file(void *arg, const char *name)
{
	const struct sweep *sweep = arg;
	uint8_t digest[MANIFEST_DIGEST];
	char state[HEX + sizeof(CACHE_PROGRESS)];
	bool whole = read_digest(name, CACHE_PAYLOAD, digest);

	if ((!whole && !read_digest(name, CACHE_PARTIAL, digest)) || is_named(sweep, digest))
		return 0;
	if (whole && sweep->what.replaced && is_same(digest, sweep->what.replaced))
		return remove_replaced(sweep, name);
	if (whole)
		return remove_old(sweep, name, sweep->what.payload_age, NULL);
	if (sweep->what.parts_stay)
		return 0;
	memcpy(state, name, HEX);
	memcpy(state + HEX, CACHE_PROGRESS, sizeof(CACHE_PROGRESS));
	return remove_old(sweep, name, CACHE_OLD_S, state);
}

int cache_sweep(int folder, const struct cache_sweep *what, struct err *err)
{
	struct sweep sweep = {
		.folder = folder,
		.what = *what,
		.now = time(NULL),
		.named = BUF_INIT(NAMED_MAX),
		.err = err,
	};
	int r = file_list(folder, note_manifest, &sweep, err);

	if (r == 0)
		r = file_list(folder, sweep_file, &sweep, err);
	buf_fini(&sweep.named);
	return r;
}
