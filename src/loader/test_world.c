/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/test_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "artifact/test_fixture.h"
#include "artifact/v1_sig.h"
#include "base/base64.h"
#include "base/json.h"
#include "crypto/cms.h"
#include "crypto/hash.h"
#include "fetch/backoff.h"
#include "tests/vectors/v1_sig.inc"

#define LIMIT_US (30u * 1000000u)
#define NOW	 1900000000
#define PIECE	 ((size_t)8192)

struct world *the_world;

time_t __wrap_time(time_t *at);
time_t __wrap_time(time_t *at)
{
	if (at)
		*at = NOW;
	return NOW;
}

/* --- the disk --- */

int __real_fstatvfs64(int fd, struct statvfs *fs);
int __wrap_fstatvfs64(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);

int __wrap_fstatvfs64(int fd, struct statvfs *fs)
{
	int r = __real_fstatvfs64(fd, fs);

	if (the_world->room > 0 &&
	    (!the_world->room_until || world_has(the_world, the_world->room_until))) {
		fs->f_frsize = 1;
		fs->f_bavail = the_world->room;
	}
	return r;
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
	return __wrap_fstatvfs64(fd, fs);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	int code = the_world->sync_fails;

	the_world->sync_fails = 0;
	if (the_world->on_sync)
		the_world->on_sync(the_world);
	if (code == 0)
		return __real_fsync(fd);
	errno = code;
	return -1;
}

/* --- pauses --- */

uint64_t backoff_after(struct backoff *backoff, bool progress, uint32_t server_s, uint32_t random)
{
	(void)random;
	(void)server_s;
	if (progress)
		backoff->failures = 0;
	backoff->failures++;
	return the_world->retries_wait ? 3600000 : 1;
}

/* --- the CDN --- */

struct fetch_transfer {
	struct fetch_transfer *next;
	struct loop_timer timer;
	const struct fetch_ops *ops;
	fetch_whole_fn whole;
	void *arg;
	const struct script *script;
	const struct slice *body;
	uint64_t from, at, end, sent;
	bool begun;
};

static void transfer_free(struct fetch_transfer *transfer)
{
	struct fetch_transfer **at = &the_world->transfers;

	while (*at != transfer)
		at = &(*at)->next;
	*at = transfer->next;
	loop_timer_clear(&transfer->timer);
	free(transfer);
}

void fetch_cancel(struct fetch_transfer *transfer)
{
	if (transfer)
		transfer_free(transfer);
}

static void end_transfer(struct fetch_transfer *transfer, enum fetch_end how, unsigned status,
			 const struct err *err)
{
	const struct fetch_result result = {.end = how, .status = status, .err = err};
	const struct fetch_ops *ops = transfer->ops;
	void *arg = transfer->arg;

	transfer_free(transfer);
	ops->done(arg, &result);
}

static void soon(struct fetch_transfer *transfer)
{
	struct err err;

	assert_int_equal(loop_timer_set(&transfer->timer, 0, &err), 0);
}

static unsigned send_head(struct fetch_transfer *transfer, struct err *err, int *ret_code)
{
	const struct script *script = transfer->script;
	const struct world *world = the_world;
	bool part = transfer->from > 0 && !script->whole;
	struct fetch_head head = {
		.status = script->status ? script->status
			  : part	 ? 206
					 : 200,
		.length_known = !script->no_length,
		.etag = world->etag,
		.modified = "",
		.type = "",
		.retry_after = script->retry_after ? script->retry_after : 1,
	};
	uint64_t total = (uint64_t)((int64_t)transfer->body->len + script->total_off);

	transfer->at = part ? transfer->from : 0;
	transfer->end = script->longer ? total + 100 : total;
	if (script->shorter)
		transfer->end = transfer->at + script->after;
	if (head.status == 206) {
		head.first = transfer->from + (uint64_t)(int64_t)script->first_off;
		head.total = total;
	}
	head.length = total - transfer->at;
	*ret_code = transfer->ops->head(transfer->arg, &head, err);
	return head.status;
}

static void step_big(struct fetch_transfer *transfer)
{
	static const uint8_t more[PIECE];
	const struct script *script = transfer->script;
	struct slice body = *transfer->body;
	unsigned status = 200;
	size_t n = PIECE;
	struct err err;
	int r = 0;

	(void)err_set(&err, ERR_INTERNAL, "as the script says");
	if (script->unreachable || script->refused) {
		end_transfer(transfer, script->refused ? FETCH_REFUSED : FETCH_UNREACHABLE, 0,
			     &err);
		return;
	}
	if (!transfer->begun) {
		transfer->begun = true;
		status = send_head(transfer, &err, &r);
	}
	if (r == 0 && script->drops && transfer->sent >= script->after) {
		end_transfer(transfer, FETCH_BROKEN, status, &err);
		return;
	}
	if (script->hangs && transfer->sent >= script->after)
		return;
	if (n > transfer->end - transfer->at)
		n = (size_t)(transfer->end - transfer->at);
	if ((script->drops || script->hangs) && n > script->after - transfer->sent)
		n = (size_t)(script->after - transfer->sent);
	if (r == 0 && n > 0) {
		const uint8_t *bytes =
			transfer->at + n <= body.len ? body.data + transfer->at : more;

		transfer->at += n;
		transfer->sent += n;
		the_world->pieces++;
		soon(transfer);
		r = transfer->ops->data(transfer->arg, slice_of(bytes, n), &err);
		if (r == 0 && the_world->on_piece)
			the_world->on_piece(the_world);
		else if (r < 0)
			end_transfer(transfer, FETCH_STOPPED, status, &err);
		return;
	}
	end_transfer(transfer, r < 0 ? FETCH_STOPPED : FETCH_DONE, status, r < 0 ? &err : NULL);
}

static void step_sig(struct fetch_transfer *transfer)
{
	unsigned status = the_world->sig_status ? the_world->sig_status
			  : the_world->has_sig	? 200
						: 404;
	struct fetch_result result = {
		.end = FETCH_DONE,
		.status = status,
		.retry_after = the_world->sig_retry,
	};
	fetch_whole_fn whole = transfer->whole;
	void *arg = transfer->arg;

	transfer_free(transfer);
	whole(arg, &result, status == 200 ? buf_slice(&the_world->sig) : slice_of(NULL, 0));
}

static void step(void *arg)
{
	struct fetch_transfer *transfer = arg;

	if (transfer->whole)
		step_sig(transfer);
	else
		step_big(transfer);
}

static struct fetch_transfer *begin_transfer(const struct fetch_request *request, bool sig)
{
	struct fetch_transfer *transfer = calloc(1, sizeof(*transfer));
	struct request_seen *seen = &the_world->requests[the_world->request_count++ % 64];

	assert_non_null(transfer);
	seen->from = request->from;
	seen->sig = sig;
	seen->redirects = request->redirects;
	(void)snprintf(seen->if_range, sizeof(seen->if_range), "%s",
		       request->if_range ? request->if_range : "");
	(void)snprintf(seen->url, sizeof(seen->url), "%s", request->url);
	transfer->body = strstr(request->url, ".payload") ? &the_world->payload : &the_world->body;
	transfer->from = request->from;
	transfer->next = the_world->transfers;
	the_world->transfers = transfer;
	loop_timer_init(&transfer->timer, the_world->loop, step, transfer);
	soon(transfer);
	return transfer;
}

int fetch_start(struct fetch *fetch, const struct fetch_request *request,
		const struct fetch_ops *ops, void *arg, struct fetch_transfer **ret_transfer,
		struct err *err)
{
	static const struct script none;
	struct fetch_transfer *transfer = begin_transfer(request, false);
	size_t i = the_world->big_count++;
	const struct script *script = i < SCRIPT_MAX ? &the_world->scripts[i] : &none;

	(void)fetch;
	(void)err;
	assert_true(request->paced);
	if (script->body.data)
		the_world->body = script->body;
	if (script->etag)
		(void)snprintf(the_world->etag, sizeof(the_world->etag), "%s", script->etag);
	/* RFC 9110, 13.1.5 */
	if (request->if_range && !script->no_range &&
	    strcmp(request->if_range, the_world->etag) != 0)
		transfer->from = 0;
	transfer->ops = ops;
	transfer->arg = arg;
	transfer->script = script;
	*ret_transfer = transfer;
	return 0;
}

int fetch_whole(struct fetch *fetch, const struct fetch_request *request, fetch_whole_fn done,
		void *arg, struct fetch_transfer **ret_transfer, struct err *err)
{
	struct fetch_transfer *transfer = begin_transfer(request, true);

	(void)fetch;
	(void)err;
	assert_int_equal(request->max, CMS_MAX);
	transfer->whole = done;
	transfer->arg = arg;
	*ret_transfer = transfer;
	return 0;
}

/* --- the world --- */

void world_unbase64(const char *text, struct buf *ret_bytes)
{
	size_t len = 0;
	uint8_t *room = buf_grow(ret_bytes, base64_decoded_max(strlen(text)));

	assert_non_null(room);
	assert_true(base64_decode(slice_str(text), room, &len));
	ret_bytes->len -= base64_decoded_max(strlen(text)) - len;
}

static void sign(struct world *world)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(8192), chain = BUF_INIT(8192);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct slice blob = buf_slice(&world->blob);
	struct v1_release release = {.resource = OF_WORLD, .seen = {.size = blob.len}};
	struct err err = {0};

	assert_int_equal(hash_digest(HASH_SHA256, &blob, 1, release.seen.digest, &err), 0);
	world_unbase64(VECTOR_SIGNER_KEY, &p8);
	world_unbase64(VECTOR_SIGNER, &chain);
	world_unbase64(VECTOR_MIDDLE, &chain);
	world_unbase64(VECTOR_CA, &world->anchors);
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &key, &err), 0);
	assert_int_equal(v1_sig_make(&release, key, buf_slice(&chain), &world->sig, &err), 0);
}

static void note(void *arg, enum loader_note level, const char *text)
{
	struct world *world = arg;
	size_t len = strlen(world->notes);

	(void)level;
	(void)snprintf(world->notes + len, NOTES_MAX - len, "%s\n", text);
}

static void make_folder(char path[64], int *ret_fd)
{
	const char *temp = getenv("TMPDIR");

	(void)snprintf(path, 64, "%s/hf-loader-XXXXXX", temp && strlen(temp) < 40 ? temp : "/tmp");
	assert_non_null(mkdtemp(path));
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(*ret_fd >= 0);
}

int world_begin(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(PLAIN);
	struct err err = {0};

	assert_non_null(world);
	json_setup();
	the_world = world;
	make_folder(world->root, &world->dir);
	make_folder(world->import, &world->import_fd);
	assert_int_equal(loop_new(&world->loop, &err), 0);
	assert_int_equal(jobs_new(world->loop, &world->jobs, &err), 0);
	world->key = fixture_key();
	world->blob = (struct buf)BUF_INIT(ROOM);
	world->sig = (struct buf)BUF_INIT(CMS_MAX);
	world->anchors = (struct buf)BUF_INIT(8192);
	fixture_plain(PLAIN, &plain);
	fixture_seal(world->key, buf_slice(&plain), PLAIN, &world->blob);
	sign(world);
	world->small = slice_of(world->blob.data, 3072);
	world->big = slice_of(world->blob.data + 3072, world->blob.len - 3072);
	world->body = world->big;
	world->small_answer = world->small;
	(void)snprintf(world->etag, sizeof(world->etag), "\"one\"");
	world->config = (struct loader_config){
		.cache_dir = world->dir,
		.salts = {.resource = slice_str("res:+salt=")},
		.resource_max = UINT64_C(1) << 30,
		.downloads = 2,
		.note = note,
		.note_arg = world,
	};
	world_start(world);
	*state = world;
	return 0;
}

void world_start(struct world *world)
{
	struct err err = {0};

	assert_int_equal(cache_open(world->dir, &world->cache, &err), 0);
	assert_int_equal(downloads_new(world->jobs, NULL, NULL, world->cache, &world->config,
				       &world->downloads, &err),
			 0);
	world->loader = (struct loader){
		.jobs = world->jobs,
		.config = &world->config,
		.key = world->key,
		.cache = world->cache,
		.downloads = world->downloads,
	};
}

static bool is_idle(struct world *world)
{
	return jobs_count(world->jobs) == 0;
}

void world_stop(struct world *world)
{
	loads_end(&world->loader);
	downloads_free(TAKE(world->downloads));
	cache_free(TAKE(world->cache));
	assert_null(world->transfers);
	world_until(world, is_idle);
	world->left = 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int world_end(void **state)
{
	struct world *world = *state;

	world_stop(world);
	assert_true(jobs_free(world->jobs, LIMIT_US));
	loop_free(world->loop);
	secret_free(world->key);
	buf_fini(&world->blob);
	buf_fini(&world->sig);
	buf_fini(&world->anchors);
	close(world->dir);
	close(world->import_fd);
	assert_int_equal(nftw(world->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(nftw(world->import, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(world);
	return 0;
}

static void too_long(void *arg)
{
	(void)arg;
	fail_msg("it takes too long");
}

struct waiting {
	struct world *world;
	bool (*is_so)(struct world *world);
	struct loop_timer timer;
};

static void look(void *arg)
{
	struct waiting *waiting = arg;
	struct err err;

	if (waiting->is_so(waiting->world))
		loop_stop(waiting->world->loop);
	else
		assert_int_equal(loop_timer_set(&waiting->timer, 200, &err), 0);
}

void world_until(struct world *world, bool (*is_so)(struct world *world))
{
	struct waiting waiting = {world, is_so, {0}};
	struct loop_timer limit = {0};
	struct err err = {0};

	if (is_so(world))
		return;
	loop_timer_init(&waiting.timer, world->loop, look, &waiting);
	loop_timer_init(&limit, world->loop, too_long, NULL);
	assert_int_equal(loop_timer_set(&limit, LIMIT_US, &err), 0);
	assert_int_equal(loop_timer_set(&waiting.timer, 0, &err), 0);
	assert_int_equal(loop_run(world->loop, &err), 0);
	loop_timer_clear(&limit);
}

static bool all_heard(struct world *world)
{
	return world->left == 0;
}

int world_run(struct world *world)
{
	world_until(world, all_heard);
	return world->code;
}

void world_done(void *arg, const struct err *err)
{
	struct world *world = arg;

	assert_true(world->left > 0);
	world->left--;
	world->err = err ? *err : (struct err){.code = 0};
	world->code = world->err.code;
}

struct download_wait *world_want(struct world *world)
{
	struct download_wait *wait = NULL;
	struct err err = {0};

	world->left++;
	assert_int_equal(downloads_want(world->downloads, &OF_WORLD, world->small, world_done,
					world, &wait, &err),
			 0);
	return wait;
}

int world_get(struct world *world)
{
	(void)world_want(world);
	return world_run(world);
}

/* --- files --- */

static void write_file(int dir, const char *path, struct slice bytes)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0) {
		assert_int_equal(mkdirat(dir, "models", 0700), 0);
		fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
	assert_true(fd >= 0);
	if (bytes.len > 0)
		assert_int_equal(write(fd, bytes.data, bytes.len), (ssize_t)bytes.len);
	close(fd);
}

void world_write(struct world *world, const char *path, struct slice bytes)
{
	write_file(world->dir, path, bytes);
}

void world_import(struct world *world, const char *path, struct slice bytes)
{
	write_file(world->import_fd, path, bytes);
	world->config.import_dir = world->import;
}

bool world_has(struct world *world, const char *path)
{
	return faccessat(world->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

uint64_t world_size(struct world *world, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(world->dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return (uint64_t)st.st_size;
}

bool world_equals(struct world *world, const char *path, struct slice bytes)
{
	int fd = openat(world->dir, path, O_RDONLY | O_CLOEXEC);
	uint8_t *data = malloc(bytes.len + 1);
	bool same;

	assert_non_null(data);
	same = fd >= 0 && read(fd, data, bytes.len + 1) == (ssize_t)bytes.len &&
	       memcmp(data, bytes.data, bytes.len) == 0;
	if (fd >= 0)
		close(fd);
	free(data);
	return same;
}

void world_flip(struct world *world, const char *path, uint64_t at)
{
	int fd = openat(world->dir, path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}
