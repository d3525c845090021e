/* SPDX-License-Identifier: Apache-2.0 */
/* The list of downloads: whose turn it is, who waits for which, and what is told of them. */
#include "loader/download_impl.h"

#include <stdio.h>

#include "artifact/payload.h"
#include "artifact/v1_key.h"
#include "crypto/cipher.h"
#include "crypto/cms.h"
#include "crypto/hash.h"
#include "loader/fault.h"

static const char *const STATE_NAMES[DOWNLOAD_STATES] = {
	[DOWNLOAD_QUEUED] = "queued",	    [DOWNLOAD_RUNNING] = "running",
	[DOWNLOAD_WAITING] = "waiting",	    [DOWNLOAD_CHECKING] = "checking",
	[DOWNLOAD_DONE] = "done",	    [DOWNLOAD_FAILED] = "failed",
	[DOWNLOAD_CANCELLED] = "cancelled",
};

const char *download_state_name(enum download_state state)
{
	return STATE_NAMES[state];
}

static bool is_same(const struct resource *a, const struct resource *b)
{
	return slice_equal(a->folder, b->folder) && slice_equal(a->name, b->name);
}

/* As it is told of. */
static struct download *find(struct download *list, const struct resource *resource)
{
	while (list && !is_same(&list->resource, resource))
		list = list->next;
	return list;
}

/* No two of the list have one file. */
static struct download *find_file(struct download *list, const struct download_kind *kind,
				  const struct resource *file)
{
	while (list && (list->kind != kind || !is_same(&list->file, file)))
		list = list->next;
	return list;
}

static void link_in(struct download **at, struct download *download)
{
	while (*at)
		at = &(*at)->next;
	download->next = NULL;
	download->before = at;
	*at = download;
}

static void link_out(struct download *download)
{
	*download->before = download->next;
	if (download->next)
		download->next->before = download->before;
}

/* --- whose turn it is --- */

static void pump_soon(struct downloads *downloads)
{
	struct err ignored;

	/* A timer that was set once has its place in the loop: this cannot fail any more. */
	(void)!loop_timer_set(&downloads->pump, 0, &ignored);
}

static struct download *next_queued(const struct downloads *downloads)
{
	struct download *found = NULL;

	for (struct download *at = downloads->list; at; at = at->next)
		if (at->state == DOWNLOAD_QUEUED &&
		    !find_file(downloads->closing, at->kind, &at->file) &&
		    (!found || at->turn < found->turn))
			found = at;
	return found;
}

static void pump(void *arg)
{
	struct downloads *downloads = arg;
	unsigned max = downloads->config->downloads > 0 ? downloads->config->downloads : 1;
	struct download *next;

	while (downloads->running < max && (next = next_queued(downloads))) {
		downloads->running++;
		next->state = DOWNLOAD_RUNNING;
		download_begin(next);
	}
}

void download_queue(struct download *download)
{
	download->state = DOWNLOAD_QUEUED;
	download->turn = ++download->owner->turns;
	pump_soon(download->owner);
}

void download_rest(struct download *download)
{
	if (download->state != DOWNLOAD_RUNNING && download->state != DOWNLOAD_CHECKING)
		return;
	download->state = DOWNLOAD_WAITING;
	download->owner->running--;
	pump_soon(download->owner);
}

/* --- who waits --- */

static void wait_out(struct download_wait *wait)
{
	*wait->before = wait->next;
	if (wait->next)
		wait->next->before = wait->before;
	free(wait);
}

void download_tell(struct download *download, const struct err *err)
{
	struct download_wait *told = download->waits;

	/* Who is told may leave others, or come back: neither is in this round any more. */
	download->waits = NULL;
	if (told)
		told->before = &told;
	while (told) {
		loader_done_fn done = told->done;
		void *arg = told->arg;

		wait_out(told);
		done(arg, err);
	}
}

void downloads_leave(struct download_wait *wait)
{
	if (wait)
		wait_out(wait);
}

void download_note(const struct download *download, enum loader_note level, const char *text)
{
	char line[1024];

	if (!download->config->note)
		return;
	(void)snprintf(line, sizeof(line), "%s/%s: %s", download->folder, download->name, text);
	download->config->note(download->config->note_arg, level, line);
}

/* --- their life --- */

void download_free(struct download *download)
{
	while (download->waits)
		wait_out(download->waits);
	loop_timer_clear(&download->timer);
	(void)download_uncheck(download);
	cache_part_free(download->part);
	fd_close_cleanup(&download->import);
	fd_close_cleanup(&download->import_dir);
	secret_free(download->key);
	cache_free(download->cache);
	buf_fini(&download->small);
	buf_fini(&download->sig);
	free(download);
}

/* What is wanted: one of both. */
struct goal {
	const struct download_kind *kind;
	struct resource resource;
	struct slice small;
	const struct manifest *manifest;
};

static int fill_big(struct download *download, const struct goal *goal, struct err *err)
{
	int r;

	buf_put(&download->small, goal->small);
	if (!buf_ok(&download->small))
		return err_set(err, ERR_TOO_LARGE, "the small part is too large");
	r = hash_digest(HASH_SHA256, &goal->small, 1, download->release, err);
	return r < 0 ? r : secret_copy(secret_slice(download->owner->key), &download->key, err);
}

static int fill(struct download *download, const struct goal *goal, struct err *err)
{
	const struct resource *resource = &goal->resource;

	memcpy(download->folder, resource->folder.data, resource->folder.len);
	memcpy(download->name, resource->name.data, resource->name.len);
	download->kind = goal->kind;
	download->resource = download->file =
		(struct resource){slice_str(download->folder), slice_str(download->name)};
	if (!goal->manifest)
		return fill_big(download, goal, err);
	memcpy(download->release, goal->manifest->payload_digest, MANIFEST_DIGEST);
	manifest_hex(download->release, download->digest);
	download->file.name = slice_str(download->digest);
	download->size = goal->manifest->payload_size;
	download->serial = goal->manifest->serial;
	return 0;
}

static int download_new(struct downloads *downloads, const struct goal *goal,
			struct download **ret_download, struct err *err)
{
	struct download *download;
	int r = resource_check(&goal->resource, err);

	if (r < 0)
		return r;
	if (downloads->count >= DOWNLOADS_MAX)
		return err_set(err, FAULT_BUSY, "too many downloads are at work");
	download = calloc(1, sizeof(*download));
	if (!download)
		return err_set(err, ERR_INTERNAL, "memory is short");
	download->owner = downloads;
	task_init(&download->task, downloads->jobs, download_step_ended, download);
	download->config = downloads->config;
	download->cache = cache_hold(downloads->cache);
	download->import = download->import_dir = -1;
	download->small = (struct buf)BUF_INIT(V1_SMALL_MAX);
	download->sig = (struct buf)BUF_INIT(CMS_MAX);
	r = fill(download, goal, err);
	if (r < 0)
		download_free(download);
	else
		*ret_download = download;
	return r;
}

/* --- those that did not pass --- */

static void digest_sig(const struct download *download, uint8_t ret_digest[V1_DIGEST])
{
	struct slice sig = buf_slice(&download->sig);
	struct err ignored;

	memset(ret_digest, 0, V1_DIGEST);
	(void)!hash_digest(HASH_SHA256, &sig, 1, ret_digest, &ignored);
}

void download_bad_set(struct download *download, const struct err *err)
{
	struct download_bad *bad = &download->bad;
	uint32_t random = 0;
	struct err ignored;

	(void)!cipher_random((uint8_t *)&random, sizeof(random), &ignored);
	bad->err = *err;
	bad->want = download->want;
	digest_sig(download, bad->sig);
	bad->until = clock_monotonic_us() + backoff_after(&bad->backoff, false, 0, random) * 1000;
}

bool download_bad_is(const struct download *download, const struct cache_want *want)
{
	const struct download_bad *bad = &download->bad;
	uint8_t sig[V1_DIGEST];

	if (bad->err.code == 0 || want->total != bad->want.total ||
	    strcmp(want->etag, bad->want.etag) != 0 ||
	    strcmp(want->modified, bad->want.modified) != 0)
		return false;
	digest_sig(download, sig);
	return slice_equal(slice_of(sig, V1_DIGEST), slice_of(bad->sig, V1_DIGEST));
}

/* --- those that have ended --- */

static void forget(struct downloads *downloads, size_t i)
{
	free(downloads->ended[i]);
	downloads->ended_count--;
	memmove(&downloads->ended[i], &downloads->ended[i + 1],
		(downloads->ended_count - i) * sizeof(downloads->ended[0]));
}

static void recall(const struct downloads *downloads, struct download *download)
{
	for (size_t i = 0; i < downloads->ended_count; i++) {
		const struct downloads_ended *ended = downloads->ended[i];

		if (strcmp(ended->folder, download->folder) == 0 &&
		    strcmp(ended->name, download->name) == 0 &&
		    slice_equal(slice_of(ended->bad.want.small, V1_DIGEST),
				slice_of(download->release, V1_DIGEST)))
			download->bad = ended->bad;
	}
}

static void forget_resource(struct downloads *downloads, const struct download *download)
{
	for (size_t i = downloads->ended_count; i > 0; i--)
		if (downloads->ended[i - 1]->kind == download->kind &&
		    strcmp(downloads->ended[i - 1]->folder, download->folder) == 0 &&
		    strcmp(downloads->ended[i - 1]->name, download->name) == 0)
			forget(downloads, i - 1);
}

/* Without memory for it nobody is told later; that is all. */
static void remember(struct downloads *downloads, const struct download *download)
{
	struct downloads_ended *ended = calloc(1, sizeof(*ended));

	forget_resource(downloads, download);
	if (!ended)
		return;
	if (downloads->ended_count == DOWNLOADS_ENDED)
		forget(downloads, 0);
	ended->kind = download->kind;
	memcpy(ended->folder, download->folder, sizeof(ended->folder));
	memcpy(ended->name, download->name, sizeof(ended->name));
	ended->state = download->state;
	ended->done = download->done;
	ended->total = download->total;
	ended->attempts = download->attempts;
	ended->err = download->err;
	ended->bad = download->bad;
	downloads->ended[downloads->ended_count++] = ended;
}

void download_end(struct download *download, enum download_state state, const struct err *err)
{
	struct downloads *downloads = download->owner;

	download_halt(download);
	download_rest(download);
	download->state = state;
	download->err = err ? *err : (struct err){.code = 0};
	remember(downloads, download);
	link_out(download);
	downloads->count--;
	download->closing = true;
	link_in(&downloads->closing, download);
	download_tell(download, err);
	if (!task_busy(&download->task) && !download_remove(download))
		download_gone(download);
}

void download_gone(struct download *download)
{
	struct downloads *downloads = download->owner;

	link_out(download);
	download_free(download);
	pump_soon(downloads);
}

/* --- from outside --- */

int downloads_new(struct jobs *jobs, struct fetch *fetch, struct session *session,
		  struct cache *cache, const struct loader_config *config,
		  struct downloads **ret_downloads, struct err *err)
{
	CLEANUP(downloads_cleanup) struct downloads *downloads = calloc(1, sizeof(*downloads));
	int r;

	if (!downloads)
		return err_set(err, ERR_INTERNAL, "memory is short");
	downloads->jobs = jobs;
	downloads->fetch = fetch;
	downloads->session = session;
	downloads->cache = cache_hold(cache);
	downloads->config = config;
	loop_timer_init(&downloads->pump, jobs_loop(jobs), pump, downloads);
	r = v1_key_resource(&config->salts, &downloads->key, err);
	if (r == 0)
		*ret_downloads = TAKE(downloads);
	return r;
}

/* One whose job is not released yet is left to that. */
static void abandon(struct download *download)
{
	download_halt(download);
	link_out(download);
	while (download->waits)
		wait_out(download->waits);
	loop_timer_clear(&download->timer);
	download->owner = NULL;
	if (!task_busy(&download->task))
		download_free(download);
}

void downloads_free(struct downloads *downloads)
{
	if (!downloads)
		return;
	while (downloads->list)
		abandon(downloads->list);
	while (downloads->closing)
		abandon(downloads->closing);
	while (downloads->ended_count > 0)
		forget(downloads, downloads->ended_count - 1);
	loop_timer_clear(&downloads->pump);
	secret_free(downloads->key);
	cache_free(downloads->cache);
	free(downloads);
}

static void wake(void *arg)
{
	download_queue(arg);
}

static int add(struct downloads *downloads, const struct goal *goal, struct download **ret_download,
	       struct err *err)
{
	struct download *download = NULL;
	int r = download_new(downloads, goal, &download, err);

	if (r < 0)
		return r;
	loop_timer_init(&download->timer, jobs_loop(downloads->jobs), wake, download);
	recall(downloads, download);
	forget_resource(downloads, download);
	link_in(&downloads->list, download);
	downloads->count++;
	download_queue(download);
	*ret_download = download;
	return 0;
}

/*
 * Somebody asks while it waits for the next attempt: that begins early, but neither before the
 * server's time nor so often that asking would take the place of the pauses.
 */
static int hurry(struct download *download, struct err *err)
{
	uint64_t now = clock_monotonic_us();
	uint64_t left = download->early_at > now ? download->early_at - now : 0;

	if (left > DOWNLOAD_WAIT_S * UINT64_C(1000000)) {
		*err = download->err;
		err->retry_after = (uint32_t)((left + 999999) / 1000000);
		return err->code;
	}
	if (download->early_at >= download->retry_at)
		return 0;
	download->retry_at = download->early_at;
	return loop_timer_set(&download->timer, left, err);
}

static void end_other(struct download *download)
{
	struct err other;

	(void)err_set(&other, FAULT_UPSTREAM, "another release came meanwhile");
	download_end(download, DOWNLOAD_CANCELLED, &other);
}

/* The one at work, if it is of the same release, else NULL: another's is ended. */
static struct download *find_big(struct downloads *downloads, const struct goal *goal)
{
	struct download *download = find_file(downloads->list, goal->kind, &goal->resource);

	if (!download || slice_equal(buf_slice(&download->small), goal->small))
		return download;
	end_other(download);
	return NULL;
}

static struct download *find_older(struct download *list, const struct manifest *manifest,
				   const struct resource *resource)
{
	while (list && (list->kind != &download_payload || list->serial >= manifest->serial ||
			!is_same(&list->resource, resource)))
		list = list->next;
	return list;
}

/* Nobody will ask for those of older releases again. */
static struct download *find_payload(struct downloads *downloads, const struct goal *goal)
{
	char digest[MANIFEST_DIGEST_HEX];
	struct resource file = {goal->resource.folder, slice_str("")};
	struct download *download, *older;

	manifest_hex(goal->manifest->payload_digest, digest);
	file.name = slice_str(digest);
	download = find_file(downloads->list, goal->kind, &file);
	while (!download &&
	       (older = find_older(downloads->list, goal->manifest, &goal->resource))) {
		older->drop = true;
		end_other(older);
	}
	return download;
}

static int want(struct downloads *downloads, const struct goal *goal, loader_done_fn done,
		void *arg, struct download_wait **ret_wait, struct err *err)
{
	struct download_wait *wait = calloc(1, sizeof(*wait));
	struct download *download;
	int r = 0;

	if (!wait)
		return err_set(err, ERR_INTERNAL, "memory is short");
	download = goal->manifest ? find_payload(downloads, goal) : find_big(downloads, goal);
	if (!download)
		r = add(downloads, goal, &download, err);
	else if (download->state == DOWNLOAD_WAITING)
		r = hurry(download, err);
	if (r < 0) {
		free(wait);
		return r;
	}
	*wait = (struct download_wait){download, NULL, &download->waits, done, arg};
	while (*wait->before)
		wait->before = &(*wait->before)->next;
	*wait->before = wait;
	*ret_wait = wait;
	return 0;
}

int downloads_want(struct downloads *downloads, const struct resource *resource, struct slice small,
		   loader_done_fn done, void *arg, struct download_wait **ret_wait, struct err *err)
{
	const struct goal goal = {.kind = &download_big, .resource = *resource, .small = small};

	return want(downloads, &goal, done, arg, ret_wait, err);
}

int downloads_payload(struct downloads *downloads, const struct manifest *manifest,
		      loader_done_fn done, void *arg, struct download_wait **ret_wait,
		      struct err *err)
{
	const struct goal goal = {
		.kind = &download_payload,
		.resource = {slice_str(manifest->folder), slice_str(manifest->name)},
		.manifest = manifest,
	};
	uint64_t max = downloads->config->resource_max;

	if (manifest->plain_size > PAYLOAD_PLAIN_MAX || (max > 0 && manifest->plain_size > max))
		return err_set(err, ERR_TOO_LARGE, "the artifact is larger than resource_max");
	return want(downloads, &goal, done, arg, ret_wait, err);
}

void downloads_seen(const struct download_wait *wait, uint64_t *ret_done, uint64_t *ret_total)
{
	*ret_done = wait->download->done;
	*ret_total = wait->download->total;
}

/* A name may have one of each version. Who hears of it may begin another, which is not meant. */
int downloads_cancel(struct downloads *downloads, const struct resource *resource, struct err *err)
{
	struct download *download = find(downloads->list, resource);
	size_t left = downloads->count;
	struct err cancelled;

	if (!download)
		return err_set(err, ERR_NOT_FOUND, "there is no such download");
	(void)err_set(&cancelled, FAULT_CANCELLED, "the download was cancelled");
	for (; download && left > 0; left--) {
		download->drop = true;
		download_end(download, DOWNLOAD_CANCELLED, &cancelled);
		download = find(downloads->list, resource);
	}
	return 0;
}

/* --- progress --- */

static void visit_one(const struct download *download, download_visit_fn visit, void *arg)
{
	uint64_t now = clock_monotonic_us();
	uint64_t speed = download->state == DOWNLOAD_RUNNING ? rate_of(&download->rate, now) : 0;
	uint64_t rest = download->total - download->done;
	struct download_progress progress = {
		.resource = download->resource,
		.state = download->state,
		.done = download->done,
		.total = download->total,
		.rate = speed,
		.eta_s = download->total > 0 ? rate_eta(rest, speed) : -1,
		.attempts = download->attempts,
		.err = download->err.code ? &download->err : NULL,
	};

	if (download->state == DOWNLOAD_WAITING && download->retry_at > now)
		progress.retry_s = (uint32_t)((download->retry_at - now + 999999) / 1000000);
	visit(arg, &progress);
}

void downloads_progress(const struct downloads *downloads, download_visit_fn visit, void *arg)
{
	for (const struct download *at = downloads->list; at; at = at->next)
		visit_one(at, visit, arg);
	for (size_t i = 0; i < downloads->ended_count; i++) {
		const struct downloads_ended *ended = downloads->ended[i];
		const struct download_progress progress = {
			.resource = {slice_str(ended->folder), slice_str(ended->name)},
			.state = ended->state,
			.done = ended->done,
			.total = ended->total,
			.eta_s = -1,
			.attempts = ended->attempts,
			.err = ended->err.code ? &ended->err : NULL,
		};

		visit(arg, &progress);
	}
}
