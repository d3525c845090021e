/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A download on the disk. Its bytes go to the page cache on the loop, which takes microseconds;
 * what waits for the disk is the pool's. After a kill the file's size tells how much came; in
 * another boot only what the state says was synced.
 *
 * The state is written behind the first bytes: a part without a state, or with one that does not
 * fit, is begun anew. So there is none while there is nothing (cache_part_reset()).
 *
 * When a sync fails, the kernel may have given up bytes that it shows as written, and a second sync
 * would not tell: from then on the state is of no boot, so that only what was synced before counts.
 */
#include "loader/cache_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/mem.h"

#define JUST_CAME_S 60

struct cache_part {
	int folder;
	int fd;
	struct cache_names names;
	struct cache_want want;
	_Atomic uint64_t size; /* bytes that are there */
	/* Of whoever syncs. */
	uint64_t synced;
	bool lost; /* a sync failed: nothing behind synced can be believed any more */
};

static int read_state(const struct cache_part *part, struct cache_state *ret_state, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);
	int r = file_read(part->folder, part->names.state, &text, err);

	return r < 0 ? r : cache_text_state(buf_slice(&text), ret_state, err);
}

/* How many of @size bytes are known to be what came; 0 also when they are of something else. */
static uint64_t count_good(const struct cache_part *part, const uint8_t small[V1_DIGEST],
			   uint64_t size, struct cache_state *ret_state)
{
	char boot[CACHE_BOOT_MAX];
	struct err ignored;

	if (read_state(part, ret_state, &ignored) < 0 ||
	    !slice_equal(slice_of(ret_state->want.small, V1_DIGEST), slice_of(small, V1_DIGEST)) ||
	    size > ret_state->want.total)
		return 0;
	cache_boot(boot);
	if (boot[0] != '\0' && strcmp(boot, ret_state->boot) == 0)
		return size;
	return size < ret_state->synced ? size : ret_state->synced;
}

/* Whatever else has the name is put out of the way. */
static int open_file(struct cache_part *part, uint64_t *ret_size, struct err *err)
{
	struct err ignored;
	int r = file_part_open(part->folder, part->names.part, CACHE_FILE_MODE, &part->fd, ret_size,
			       err);

	if (r != ERR_UNREADABLE || file_remove(part->folder, part->names.part, &ignored) < 0)
		return r;
	return file_part_open(part->folder, part->names.part, CACHE_FILE_MODE, &part->fd, ret_size,
			      err);
}

/* Before gigabytes are fetched in vain. */
static int nothing_in_the_way(const struct cache_part *part, struct err *err)
{
	const struct cache_names *names = &part->names;
	const char *const all[] = {names->big, names->sig, names->state, names->part};
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i][0] == '\0' ||
		    fstatat(part->folder, all[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		(void)err_set(err, ERR_UNREADABLE, "in the cache %s/%s is a folder", names->folder,
			      all[i]);
		return err_add_remedy(err, "Remove it; none of the loader's files is a folder.");
	}
	return 0;
}

static int name_files(const struct cache_of *of, struct cache_names *ret_names, struct err *err)
{
	return of->part == RESOURCE_PAYLOAD
		       ? cache_names_payload(&of->resource, of->release, ret_names, err)
		       : cache_names(&of->resource, ret_names, err);
}

/* A payload's is swept by others (cache_sweep()), unless it is held. */
static int open_held(struct cache_part *part, uint64_t *ret_size, struct err *err)
{
	int r = cache_lock(part->folder, err);

	if (r == 0)
		r = open_file(part, ret_size, err);
	if (r == 0 && flock(part->fd, LOCK_SH | LOCK_NB) < 0)
		r = err_set_errno(err, ERR_INTERNAL, errno, "cannot lock a part of the cache");
	(void)flock(part->folder, LOCK_UN);
	return r;
}

/* Throws away what is not of this release, or not known to have come. */
static int take_up(struct cache_part *part, const uint8_t *release, uint64_t size, struct err *err)
{
	struct cache_state state = {.synced = 0};
	int r = 0;

	part->size = count_good(part, release, size, &state);
	part->want = state.want;
	part->synced = state.synced < part->size ? state.synced : part->size;
	if (part->size == 0)
		r = cache_part_reset(part, err);
	else if (part->size < size)
		r = file_part_cut(part->fd, part->size, err);
	memcpy(part->want.small, release, V1_DIGEST);
	return r;
}

int cache_part_open(struct cache *cache, const struct cache_of *of, struct cache_part **ret_part,
		    struct cache_want *ret_want, uint64_t *ret_have, struct err *err)
{
	CLEANUP(cache_part_cleanup) struct cache_part *part = calloc(1, sizeof(*part));
	uint64_t size = 0;
	int r;

	if (!part)
		return err_set(err, ERR_INTERNAL, "memory is short");
	part->folder = part->fd = -1;
	r = name_files(of, &part->names, err);
	if (r == 0)
		r = cache_folder(cache, &part->names, true, &part->folder, err);
	if (r == 0)
		r = nothing_in_the_way(part, err);
	if (r == 0)
		r = open_held(part, &size, err);
	if (r == 0)
		r = take_up(part, of->release, size, err);
	if (r < 0)
		return r;
	*ret_want = part->want;
	*ret_have = part->size;
	*ret_part = TAKE(part);
	return 0;
}

int cache_part_reset(struct cache_part *part, struct err *err)
{
	struct cache_want none = {.total = 0};
	int r = file_remove(part->folder, part->names.state, err);

	if (r == 0 || r == ERR_NOT_FOUND)
		r = file_part_cut(part->fd, 0, err);
	if (r < 0)
		return r;
	memcpy(none.small, part->want.small, V1_DIGEST);
	part->want = none;
	part->size = part->synced = 0;
	part->lost = false;
	return 0;
}

static int count_free(const struct cache_part *part, uint64_t *ret_bytes, struct err *err)
{
	struct statvfs fs;

	if (fstatvfs(part->folder, &fs) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot look for room on the disk");
	*ret_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return 0;
}

static bool has_room(uint64_t free_bytes, uint64_t rest)
{
	return free_bytes >= CACHE_SPARE && free_bytes - CACHE_SPARE >= rest;
}

/*
 * Payloads that nobody names, for one that somebody wants. One that has just come may be on its way
 * to who looks at it. Where a release is being taken it is left: the loop waits for nobody.
 */
static void make_room(const struct cache_part *part)
{
	static const struct cache_sweep what = {.payload_age = JUST_CAME_S};
	struct err ignored;

	if (flock(part->folder, LOCK_EX | LOCK_NB) < 0)
		return;
	(void)!cache_sweep(part->folder, &what, &ignored);
	(void)flock(part->folder, LOCK_UN);
}

int cache_part_expect(struct cache_part *part, const struct cache_want *want, struct err *err)
{
	uint64_t free_bytes = 0, rest;
	int r;

	if (want->total < part->size)
		return err_set(err, ERR_INVALID, "less is to come than is there");
	if (want->total > CACHE_TOTAL_MAX)
		return err_set(err, ERR_TOO_LARGE, "the resource is larger than there can be");
	rest = want->total - part->size;
	r = count_free(part, &free_bytes, err);
	if (r == 0 && !has_room(free_bytes, rest)) {
		make_room(part);
		r = count_free(part, &free_bytes, err);
	}
	if (r < 0)
		return r;
	if (!has_room(free_bytes, rest))
		return err_set(err, ERR_DISK_FULL,
			       "%llu MiB are to come, the disk of the cache has %llu MiB left",
			       (unsigned long long)(rest >> 20),
			       (unsigned long long)(free_bytes >> 20));
	part->want = *want;
	return 0;
}

int cache_part_write(struct cache_part *part, struct slice bytes, struct err *err)
{
	uint64_t size = part->size;
	int r;

	if (bytes.len > part->want.total - size)
		return err_set(err, ERR_TOO_LARGE, "more comes than was announced");
	r = file_part_write(part->fd, size, bytes, err);
	if (r == 0)
		part->size = size + bytes.len;
	return r;
}

static int write_state(const struct cache_part *part, const struct cache_state *state,
		       struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);
	int r = cache_text_put_state(state, &text, err);

	return r < 0 ? r
		     : file_write(part->folder, part->names.state, buf_slice(&text),
				  CACHE_FILE_MODE, FILE_REPLACE, err);
}

/* On disk at once: a kill may come before anything else does. */
static void remember_loss(struct cache_part *part)
{
	const struct cache_state state = {.want = part->want, .synced = part->synced};
	struct err ignored;

	part->lost = true;
	if (write_state(part, &state, &ignored) < 0)
		(void)!file_remove(part->folder, part->names.state, &ignored);
}

static int sync_file(struct cache_part *part, struct err *err)
{
	int r;

	if (part->lost)
		return err_set(err, ERR_INTERNAL, "the disk lost bytes of the download");
	r = file_part_sync(part->folder, part->fd, err);
	if (r < 0)
		remember_loss(part);
	return r;
}

int cache_part_sync(struct cache_part *part, struct err *err)
{
	struct cache_state state = {.want = part->want, .synced = part->size};
	int r = sync_file(part, err);

	cache_boot(state.boot);
	if (r == 0)
		r = write_state(part, &state, err);
	if (r == 0)
		part->synced = state.synced;
	return r;
}

uint64_t cache_part_size(const struct cache_part *part)
{
	return part->size;
}

int cache_part_fd(const struct cache_part *part)
{
	return part->fd;
}

static int write_sig(struct cache_part *part, struct slice sig, struct err *err)
{
	int r;

	if (part->names.sig[0] == '\0')
		return sig.len == 0 ? 0 : err_set(err, ERR_INVALID, "a payload has no signature");
	if (sig.len > 0)
		return file_write(part->folder, part->names.sig, sig, CACHE_FILE_MODE, FILE_REPLACE,
				  err);
	r = file_remove(part->folder, part->names.sig, err);
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* The signature first: what lies there with another one does not pass, and is replaced again. */
int cache_part_take(struct cache_part *part, struct slice sig, struct err *err)
{
	struct err ignored;
	int r = nothing_in_the_way(part, err);

	if (r == 0)
		r = sync_file(part, err);
	if (r == 0)
		r = write_sig(part, sig, err);
	if (r == 0)
		r = file_replace(part->folder, part->names.part, part->folder, part->names.big,
				 err);
	/* One that stays behind is of no part, and is passed over. */
	if (r == 0)
		(void)!file_remove(part->folder, part->names.state, &ignored);
	return r;
}

void cache_part_drop(struct cache_part *part)
{
	struct err ignored;

	(void)!file_remove(part->folder, part->names.state, &ignored);
	(void)!file_remove(part->folder, part->names.part, &ignored);
}

void cache_part_free(struct cache_part *part)
{
	if (!part)
		return;
	fd_close_cleanup(&part->fd);
	fd_close_cleanup(&part->folder);
	free(part);
}
