/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job at a time, each for one piece; what the pool works on nobody else touches meanwhile. The
 * second pass makes the next piece while the last one is taken.
 */
#include "loader/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "artifact/payload.h"
#include "crypto/cms.h"
#include "loader/artifact.h"
#include "loader/blob.h"
#include "loader/fault.h"
#include "loader/task.h"

#define IMAGES_FOLDER "images"
#define SIG_SUFFIX    ".sig"
#define GROWTH	      PAYLOAD_GROWTH /* of either version */

_Static_assert(GROWTH >= V1_GROWTH, "a piece of version 1 has room");

struct archive {
	const struct loader_config *config;
	loader_done_fn done;
	void *arg;
	struct task task;
	void (*ended)(struct archive *archive, const struct err *err); /* of the step at work */
	bool orphan;
	/* the pool's, while a step is at work */
	int fd;
	uint64_t size, at; /* of the file; where the pass is */
	struct secret *key;
	struct buf raw, sig;
	struct resource resource;
	struct blob_facts facts;
	struct blob_check *check;
	bool checked, is_signed;
	struct v1_facts opens;
	struct v1_open *open;
	uint64_t plain;
	struct payload_open *payload; /* of an artifact; NULL: version 1 */
	struct buf next;
	/* the loop's */
	uint64_t seen, total;
	void (*more)(void *arg);
	bool wanted; /* somebody waits for more() */
	bool full;   /* next holds what has not been taken yet */
	struct buf now;
	size_t taken; /* of it */
	struct err failed;
};

static void archive_destroy(struct archive *archive)
{
	blob_check_free(archive->check);
	v1_open_free(archive->open);
	payload_open_free(archive->payload);
	secret_free(archive->key);
	buf_fini(&archive->raw);
	buf_fini(&archive->sig);
	buf_fini(&archive->next);
	buf_fini(&archive->now);
	if (archive->fd >= 0)
		close(archive->fd);
	free(archive);
}

static void on_ended(void *arg, const struct err *err)
{
	struct archive *archive = arg;

	if (archive->orphan)
		archive_destroy(archive);
	else
		archive->ended(archive, err);
}

int archive_new(struct jobs *jobs, const struct loader_config *config, loader_done_fn done,
		void *arg, struct archive **ret_archive, struct err *err)
{
	struct archive *archive = calloc(1, sizeof(*archive));

	if (!archive)
		return err_set(err, ERR_INTERNAL, "memory is short");
	task_init(&archive->task, jobs, on_ended, archive);
	archive->config = config;
	archive->done = done;
	archive->arg = arg;
	archive->fd = -1;
	archive->raw.max = LOADER_PIECE;
	archive->sig.max = CMS_MAX;
	archive->next.max = archive->now.max = LOADER_PIECE + GROWTH;
	*ret_archive = archive;
	return 0;
}

void archive_free(struct archive *archive)
{
	if (!archive)
		return;
	archive->orphan = true;
	if (task_busy(&archive->task))
		task_cancel(&archive->task);
	else
		archive_destroy(archive);
}

static int run(struct archive *archive, task_step_fn step,
	       void (*ended)(struct archive *archive, const struct err *err), struct err *err)
{
	archive->ended = ended;
	return task_run(&archive->task, step, err);
}

/* --- reading --- */

static int read_whole(int fd, uint64_t from, uint8_t *ret_bytes, size_t size, struct err *err)
{
	size_t len = 0;
	int r = blob_read(fd, from, ret_bytes, size, &len, err);

	return r < 0 || len == size ? r : err_set(err, ERR_UNREADABLE, "it has become shorter");
}

/* The next LOADER_PIECE bytes of the file, or what is left of them. */
static int read_piece(struct archive *archive, struct err *err)
{
	uint64_t left = archive->size - archive->at;
	size_t size = left < LOADER_PIECE ? (size_t)left : LOADER_PIECE;
	uint8_t *room;
	int r;

	buf_reset(&archive->raw);
	room = buf_grow(&archive->raw, size);
	if (!room)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = read_whole(archive->fd, archive->at, room, size, err);
	if (r == 0)
		archive->at += size;
	return r < 0 ? err_wrap(err, "the archive of images") : 0;
}

static int open_file(const char *path, int *ret_fd, uint64_t *ret_size, struct err *err)
{
	CLEANUP(fd_close_cleanup)
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_set_errno(
			err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_UNREADABLE,
			errno, "cannot open it");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_UNREADABLE, "it is no file");
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int find_step(void *arg, struct err *err)
{
	struct archive *archive = arg;
	int r = open_file(archive->config->images_path, &archive->fd, &archive->size, err);

	if (r == 0 && archive->size > v1_blob_size(V1_PLAIN_MAX))
		r = err_set(err, ERR_TOO_LARGE, "it is larger than any archive");
	return r < 0 ? err_wrap(err, "the archive of images") : 0;
}

static void find_ended(struct archive *archive, const struct err *err)
{
	archive->done(archive->arg, err);
}

int archive_find(struct archive *archive, struct err *err)
{
	return run(archive, find_step, find_ended, err);
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Appends what lies beside the archive. ERR_NOT_FOUND. */
static int sig_read(const char *path, struct buf *ret_sig, struct err *err)
{
	CLEANUP(buf_fini) struct buf name = BUF_INIT(strlen(path) + sizeof(SIG_SUFFIX));
	CLEANUP(fd_close_cleanup) int fd = -1;
	uint64_t size;
	uint8_t *at;
	int r;

	buf_put_str(&name, path);
	buf_put(&name, slice_of(SIG_SUFFIX, sizeof(SIG_SUFFIX)));
	if (!buf_ok(&name))
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = open_file((const char *)name.data, &fd, &size, err);
	if (r < 0)
		return r;
	at = size <= ret_sig->max ? buf_grow(ret_sig, (size_t)size) : NULL;
	if (!at || size == 0)
		return err_set(err, FAULT_SIGNATURE, "it is empty or too large");
	return read_whole(fd, 0, at, (size_t)size, err);
}

/* --- the first pass --- */

static int check_begin(struct archive *archive, struct err *err)
{
	const struct loader_config *config = archive->config;
	int r = config->anchors.len > 0 ? sig_read(config->images_path, &archive->sig, err) : 0;

	if (r < 0 && r != ERR_NOT_FOUND)
		return err_wrap(err, "the signature of the archive");
	if (config->unsigned_denied && archive->sig.len == 0)
		return err_set(err, FAULT_SIGNATURE, "the archive of images has no signature");
	archive->resource = (struct resource){slice_str(IMAGES_FOLDER),
					      slice_str(file_name(config->images_path))};
	archive->facts = (struct blob_facts){.config = config,
					     .key = archive->key,
					     .resource = &archive->resource,
					     .big = archive->fd,
					     .sig = buf_slice(&archive->sig)};
	return blob_check_new(&archive->facts, &archive->check, err);
}

static int check_step(void *arg, struct err *err)
{
	struct archive *archive = arg;
	uint64_t left = archive->size - archive->at;
	int r = archive->check ? 0 : check_begin(archive, err);

	if (r == 0)
		r = blob_check_step(archive->check, BLOB_STEP, &archive->checked, err);
	archive->at += left < BLOB_STEP ? left : BLOB_STEP;
	if (r == 0 && archive->checked)
		r = blob_check_end(archive->check, &archive->opens, &archive->is_signed, err);
	return r;
}

static void check_ended(struct archive *archive, const struct err *err)
{
	struct err failed = {0};

	archive->seen = archive->at;
	if (!err && !archive->checked) {
		if (run(archive, check_step, check_ended, &failed) == 0)
			return;
		err = &failed;
	}
	archive->done(archive->arg, err);
}

int archive_check(struct archive *archive, struct secret *key, struct err *err)
{
	archive->key = key;
	archive->total = archive->size;
	return run(archive, check_step, check_ended, err);
}

bool archive_signed(const struct archive *archive)
{
	return archive->is_signed;
}

uint64_t archive_plain(const struct archive *archive)
{
	return archive->payload ? archive->plain : archive->opens.plain;
}

int archive_artifact(struct archive *archive, const struct artifact *artifact, struct err *err)
{
	const struct manifest *manifest = artifact_manifest(artifact);

	archive->fd = fcntl(artifact_payload(artifact), F_DUPFD_CLOEXEC, 0);
	if (archive->fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot take the payload over");
	archive->size = archive->total = manifest->payload_size;
	archive->plain = manifest->plain_size;
	return payload_open_new(artifact_key(artifact), manifest, &archive->payload, err);
}

/* --- the second pass --- */

static int open_v1(struct archive *archive, struct err *err)
{
	int r = v1_open_add(archive->open, buf_slice(&archive->raw), &archive->next, err);

	return r == 0 && archive->at == archive->size
		       ? v1_open_end(archive->open, &archive->next, err)
		       : r;
}

static int open_payload(struct archive *archive, struct err *err)
{
	int r = payload_open_add(archive->payload, buf_slice(&archive->raw), &archive->next, err);

	return r == 0 && archive->at == archive->size ? payload_open_end(archive->payload, err) : r;
}

static int open_step(void *arg, struct err *err)
{
	struct archive *archive = arg;
	int r = read_piece(archive, err);

	if (r < 0)
		return r;
	return archive->payload ? open_payload(archive, err) : open_v1(archive, err);
}

static void tell_more(struct archive *archive)
{
	if (!archive->wanted)
		return;
	archive->wanted = false;
	archive->more(archive->arg);
}

static void open_ended(struct archive *archive, const struct err *err)
{
	archive->seen = archive->at;
	if (err)
		archive->failed = *err;
	archive->full = !err;
	tell_more(archive);
}

static void open_next(struct archive *archive)
{
	struct err err = {0};

	if (archive->at < archive->size && run(archive, open_step, open_ended, &err) < 0)
		archive->failed = err;
}

int archive_open(struct archive *archive, void (*more)(void *arg), struct err *err)
{
	int r = 0;

	if (!archive->payload) {
		r = v1_open_new(archive->key, &archive->opens, 0, &archive->open, err);
		archive->size = archive->total = archive->opens.seen.size;
	}
	if (r < 0)
		return r;
	archive->at = archive->seen = 0;
	archive->more = more;
	return run(archive, open_step, open_ended, err);
}

/* What the pool has made becomes what is taken, and the pool goes on with the other. */
static void turn(struct archive *archive)
{
	struct buf empty = archive->now;

	archive->now = archive->next;
	archive->next = empty;
	buf_reset(&archive->next);
	archive->taken = 0;
	archive->full = false;
	open_next(archive);
}

int archive_read(struct archive *archive, uint8_t *at, size_t size, size_t *ret_len,
		 struct err *err)
{
	size_t len;

	if (archive->taken == archive->now.len && archive->full)
		turn(archive);
	if (archive->failed.code != 0) {
		*err = archive->failed;
		return err->code;
	}
	len = archive->now.len - archive->taken;
	len = len < size ? len : size;
	if (len > 0)
		memcpy(at, archive->now.data + archive->taken, len);
	archive->taken += len;
	archive->wanted = len == 0;
	*ret_len = len;
	return 0;
}

const struct err *archive_failed(const struct archive *archive)
{
	return archive->failed.code != 0 ? &archive->failed : NULL;
}

void archive_progress(const struct archive *archive, uint64_t *ret_done, uint64_t *ret_total)
{
	*ret_done = archive->seen;
	*ret_total = archive->total;
}
