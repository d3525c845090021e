/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plaintext comes in by `in` and is wiped; what the disk sees is sealed. The small part stays in
 * memory, the big one goes into a file without a name, which is gone with its descriptor.
 */
#include "loader/upload_impl.h"

#include "loader/fault.h"
#include "loader/task.h"

struct upload_work {
	uint64_t max;
	int dir;
	struct secret *key;
	struct cache *cache;
	char folder[RESOURCE_FOLDER_MAX + 1];
	char name[RESOURCE_NAME_MAX + 1];
	struct v1_seal *seal;
	struct v1_split *split;
	struct hash_stream *hash; /* of the big part */
	struct spool *spool;
	struct buf in;	 /* a piece of plaintext, or one that was read back */
	struct buf blob; /* what has become of it */
	struct buf small;
	struct buf big; /* of this step */
	uint64_t plain;
	uint64_t at; /* of what is read */
	uint8_t sha256[HASH_MAX_SIZE];
	/* The loop's: */
	struct task task;
	loader_done_fn done; /* NULL: it is dropped */
	void *arg;
	bool dropped;
	bool closing; /* the last step */
};

static void work_free(struct upload_work *work)
{
	secret_free(work->key);
	cache_free(work->cache);
	v1_seal_free(work->seal);
	v1_split_free(work->split);
	hash_stream_free(work->hash);
	spool_free(work->spool);
	buf_fini(&work->in);
	buf_fini(&work->blob);
	buf_fini(&work->small);
	buf_fini(&work->big);
	free(work);
}

static int close_step(void *arg, struct err *err)
{
	struct upload_work *work = arg;

	(void)err;
	spool_free(TAKE(work->spool));
	return 0;
}

/* Nobody wants it and nothing runs. */
static void work_end(struct upload_work *work)
{
	struct err err;

	work->closing = true;
	if (!work->spool || task_run(&work->task, close_step, &err) < 0)
		work_free(work);
}

static void step_ended(void *arg, const struct err *err)
{
	struct upload_work *work = arg;
	loader_done_fn done = TAKE(work->done);

	if (work->closing)
		work_free(work);
	else if (work->dropped)
		work_end(work);
	else if (done)
		done(work->arg, err);
}

int upload_work_new(const struct upload_make *make, struct upload_work **ret_work, struct err *err)
{
	struct upload_work *work = calloc(1, sizeof(*work));
	int r;

	if (!work)
		return err_set(err, ERR_INTERNAL, "memory is short");
	task_init(&work->task, make->jobs, step_ended, work);
	work->dir = make->dir;
	work->cache = cache_hold(make->cache);
	work->max = make->max;
	work->in = (struct buf)BUF_INIT(LOADER_PIECE);
	work->blob = (struct buf)BUF_INIT(LOADER_PIECE + V1_GROWTH);
	work->small = (struct buf)BUF_INIT(V1_CUT_MAX);
	work->big = (struct buf)BUF_INIT(LOADER_PIECE + 2 * V1_GROWTH);
	r = secret_copy(secret_slice(make->key), &work->key, err);
	if (r < 0) {
		upload_work_drop(work);
		return r;
	}
	*ret_work = work;
	return 0;
}

void upload_work_drop(struct upload_work *work)
{
	if (!work)
		return;
	work->dropped = true;
	work->done = NULL;
	task_cancel(&work->task);
	if (!task_busy(&work->task))
		work_end(work);
}

/* --- steps --- */

static int prepare(struct upload_work *work, struct err *err)
{
	int r = 0;

	if (work->spool)
		return 0;
	r = v1_seal_new(work->key, &work->seal, err);
	if (r == 0)
		r = v1_split_new(&work->split, err);
	if (r == 0)
		r = hash_stream_new(HASH_SHA256, &work->hash, err);
	return r < 0 ? r : spool_new(work->dir, &work->spool, err);
}

/* The sealed bytes of this step into their parts; @ret_seen where they are the last. */
static int put_parts(struct upload_work *work, struct v1_seen *ret_seen, struct err *err)
{
	const struct v1_parts parts = {.small = &work->small, .big = &work->big};
	int r = v1_split_add(work->split, buf_slice(&work->blob), &parts, err);

	if (r == 0 && ret_seen)
		r = v1_split_end(work->split, &parts, ret_seen, err);
	if (r == 0)
		r = hash_stream_add(work->hash, buf_slice(&work->big), err);
	if (r == 0)
		r = spool_append(work->spool, buf_slice(&work->big), err);
	work->blob.len = 0;
	work->big.len = 0;
	return r;
}

static int add_step(void *arg, struct err *err)
{
	struct upload_work *work = arg;
	int r;

	if (work->in.len > work->max - work->plain)
		return err_set(err, ERR_TOO_LARGE, "the upload is over %llu bytes",
			       (unsigned long long)work->max);
	work->plain += work->in.len;
	r = prepare(work, err);
	if (r == 0)
		r = v1_seal_add(work->seal, buf_slice(&work->in), &work->blob, err);
	buf_reset(&work->in);
	return r < 0 ? r : put_parts(work, NULL, err);
}

/* What devices take as version 2 alone would be met by none of them. */
static int check_floor(const struct upload_work *work, struct err *err)
{
	const struct resource resource = {slice_str(work->folder), slice_str(work->name)};
	struct floor floor;
	int r = cache_floor(work->cache, &resource, &floor, err);

	if (r < 0 || floor_allows_v1(&floor))
		return r;
	(void)err_set(err, ERR_FORBIDDEN, "%s is published as version 2 alone", work->name);
	return err_add_remedy(err, "Publish it by `holdfast artifact publish --format v2`.");
}

static int end_step(void *arg, struct err *err)
{
	struct upload_work *work = arg;
	struct v1_seen seen;
	int r = check_floor(work, err);

	if (r == 0)
		r = prepare(work, err);
	if (r == 0)
		r = v1_seal_end(work->seal, &work->blob, err);
	if (r == 0)
		r = put_parts(work, &seen, err);
	return r < 0 ? r : hash_stream_end(work->hash, work->sha256, err);
}

static int read_step(void *arg, struct err *err)
{
	struct upload_work *work = arg;
	uint64_t rest = spool_size(work->spool) - work->at;
	size_t len = rest < LOADER_PIECE ? (size_t)rest : LOADER_PIECE;
	uint8_t *room;

	work->in.len = 0;
	room = buf_grow(&work->in, len);
	if (!room)
		return err_set(err, ERR_INTERNAL, "memory is short");
	return spool_read(work->spool, work->at, room, len, err);
}

/* --- on the loop --- */

static int submit(struct upload_work *work, task_step_fn step, loader_done_fn done, void *arg,
		  struct err *err)
{
	int r = task_run(&work->task, step, err);

	if (r < 0)
		return r;
	work->done = done;
	work->arg = arg;
	return 0;
}

int upload_work_add(struct upload_work *work, struct slice bytes, loader_done_fn done, void *arg,
		    struct err *err)
{
	if (bytes.len > LOADER_PIECE)
		return err_set(err, ERR_INTERNAL, "a piece of an upload is too large");
	buf_reset(&work->in);
	buf_put(&work->in, bytes);
	if (!buf_ok(&work->in))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return submit(work, add_step, done, arg, err);
}

int upload_work_end(struct upload_work *work, const struct resource *resource, loader_done_fn done,
		    void *arg, struct err *err)
{
	int r = resource_check(resource, err);

	if (r < 0)
		return r;
	memcpy(work->folder, resource->folder.data, resource->folder.len);
	memcpy(work->name, resource->name.data, resource->name.len);
	return submit(work, end_step, done, arg, err);
}

int upload_work_read(struct upload_work *work, uint64_t at, loader_done_fn done, void *arg,
		     struct err *err)
{
	work->at = at;
	return submit(work, read_step, done, arg, err);
}

struct slice upload_work_small(const struct upload_work *work)
{
	return buf_slice(&work->small);
}

uint64_t upload_work_size(const struct upload_work *work)
{
	return spool_size(work->spool);
}

const uint8_t *upload_work_sha256(const struct upload_work *work)
{
	return work->sha256;
}

struct slice upload_work_piece(const struct upload_work *work)
{
	return buf_slice(&work->in);
}
