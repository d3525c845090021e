/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One download, attempt after attempt:
 *
 *   prepare (pool)  >  import, if there is one: check, copy (pool, ..)      >  check (pool, ..)
 *                   >  signature (net)  >  whose (pool)  >  big part (net)  /   >  take (pool)
 *
 * The signature comes first: where one is due and there is none, or none of a trusted signer, not a
 * byte of the big part is asked for. Whatever is not the rest of what is there ends the transfer,
 * and the next attempt asks for all of it: there is one way only in which bytes get behind others.
 */
#include "loader/download_impl.h"

#include <stdio.h>

#include "crypto/cipher.h"
#include "crypto/cms.h"
#include "loader/fault.h"

#define SYNC_EACH   ((uint64_t)16 << 20)
#define SYNC_AT_END ((uint64_t)1 << 20) /* less than that is not worth the disk's time */
#define ANEW_MAX    3u			/* times in which that costs no pause */
#define BODY_MAX    (UINT64_C(1) << 62) /* head() knows better */
#define REDIRECTS   5u
#define S_US	    UINT64_C(1000000)

/* --- jobs --- */

static void job_failed(struct download *download, const struct err *why);

void download_step_ended(void *arg, const struct err *err)
{
	struct download *download = arg;

	if (!download->owner)
		download_free(download);
	else if (download->closing && !download_remove(download))
		download_gone(download);
	else if (download->closing)
		return;
	else if (err)
		job_failed(download, err);
	else if (download->next_fn)
		download->next_fn(download);
}

static int submit(struct download *download, task_step_fn step, void (*next_fn)(struct download *),
		  struct err *err)
{
	download->next_fn = next_fn;
	return task_run(&download->task, step, err);
}

static void run(struct download *download, task_step_fn step, void (*next_fn)(struct download *))
{
	struct err err;

	if (submit(download, step, next_fn, &err) < 0)
		download_end(download, DOWNLOAD_FAILED, &err);
}

void download_halt(struct download *download)
{
	fetch_cancel(TAKE(download->transfer));
	loop_timer_clear(&download->timer);
	task_cancel(&download->task);
}

bool download_remove(struct download *download)
{
	struct err ignored;

	if (!download->drop)
		return false;
	download->drop = false;
	return submit(download, download_drop, NULL, &ignored) == 0;
}

/* --- how an attempt ends --- */

static void prepared(struct download *download);

static void begin_again(struct download *download)
{
	download->state = DOWNLOAD_RUNNING;
	run(download, download_prepare, prepared);
}

/* Who asked may not be told more than that it is in the log. */
static bool is_ours(int code)
{
	return code == ERR_DISK_FULL || fault_info(code)->code == ERR_INTERNAL;
}

static void note_cause(const struct download *download, const struct err *err)
{
	char text[sizeof(err->text) + 64];
	const char *cause =
		err->origin_kind == ERR_ORIGIN_ERRNO ? strerrordesc_np((int)err->origin) : NULL;

	(void)snprintf(text, sizeof(text), "the download ends: %s%s%s", err->text,
		       cause ? ": " : "", cause ? cause : "");
	download_note(download, LOADER_WARNING, text);
}

static void fail(struct download *download, const struct err *err)
{
	if (is_ours(err->code))
		note_cause(download, err);
	/* An empty part is worth nothing, nor is that of another release. */
	if (download->part &&
	    (cache_part_size(download->part) == 0 ||
	     (download->state == DOWNLOAD_CHECKING && err->code == FAULT_UPSTREAM)))
		download->drop = true;
	if (download->state == DOWNLOAD_CHECKING && err->code == FAULT_UPSTREAM)
		download_bad_set(download, err);
	download_end(download, DOWNLOAD_FAILED, err);
}

static bool got_further(struct download *download)
{
	uint64_t size = cache_part_size(download->part);

	if (download->fresh || size <= download->best)
		return false;
	download->best = size;
	/* What comes from the first byte on shows no more than that it came before, too. */
	if (download->have > 0) {
		download->lies -= download->lies > 0;
		download->anews = 0;
	}
	return true;
}

/* Another one, after a pause. */
static void pause_for(struct download *download, const struct err *why)
{
	struct err err = *why, ignored;
	bool further = got_further(download);
	uint32_t random = 0;
	uint64_t pause_ms, now, early;

	(void)!cipher_random((uint8_t *)&random, sizeof(random), &ignored);
	pause_ms = backoff_after(&download->backoff, further, download->retry_after, random);
	err.retry_after = (uint32_t)((pause_ms + 999) / 1000);
	download->err = err;
	download->stuck = further ? 0 : download->stuck + 1;
	now = clock_monotonic_us();
	download->retry_at = now + pause_ms * 1000;
	early = download->retry_after > DOWNLOAD_WAIT_S ? download->retry_after : DOWNLOAD_WAIT_S;
	download->early_at = now + early * S_US;
	if (download->early_at > download->retry_at)
		download->early_at = download->retry_at;
	download_rest(download);
	if (loop_timer_set(&download->timer, pause_ms * 1000, &ignored) < 0)
		download_queue(download);
	if (download->stuck >= DOWNLOAD_STUCK || err.code != FAULT_UPSTREAM ||
	    err.retry_after > DOWNLOAD_WAIT_S)
		download_tell(download, &err);
}

/* What was there was of something else: the row of attempts that got further begins anew. */
static void begin_fresh(struct download *download)
{
	download->fresh = true;
	download->best = 0;
}

static void lied(struct download *download, const struct err *err)
{
	begin_fresh(download);
	download->sig_known = false;
	if (++download->lies < DOWNLOAD_LIES) {
		pause_for(download, err);
		return;
	}
	download->drop = true;
	download_end(download, DOWNLOAD_FAILED, err);
}

static void ask_anew(struct download *download)
{
	if (++download->anews > ANEW_MAX) {
		/* What was there once is no progress when it comes once more. */
		download->fresh = true;
		pause_for(download, &download->outcome);
		return;
	}
	begin_fresh(download);
	begin_again(download);
}

/* --- the check --- */

static void taken(struct download *download)
{
	download->done = download->total;
	download->bad.err.code = 0;
	download_end(download, DOWNLOAD_DONE, NULL);
}

static void adopted(struct download *download);

static void read_on(struct download *download)
{
	if (!download->check_ended)
		run(download, download_read, read_on);
	else if (download->import >= 0)
		run(download, download_adopt, adopted);
	else
		run(download, download_take, taken);
}

static void check(struct download *download)
{
	download->state = DOWNLOAD_CHECKING;
	download->done = download->total = download->want.total;
	run(download, download_check, read_on);
}

static void import_failed(struct download *download, const struct err *err)
{
	char text[sizeof(err->text) + 64];

	(void)snprintf(text, sizeof(text), "what import_dir has is not taken: %s", err->text);
	download_note(download, LOADER_NOTICE, text);
	buf_reset(&download->sig);
	download->importing = false;
	download->import_tried = true;
	if (download->adopted)
		begin_fresh(download);
	download->adopted = false;
	begin_again(download);
}

static void check_failed(struct download *download, const struct err *err)
{
	if (++download->failed_checks > 1 || download_bad_is(download, &download->want)) {
		download->drop = true;
		download_bad_set(download, err);
		download_end(download, DOWNLOAD_FAILED, err);
		return;
	}
	download_note(download, LOADER_NOTICE,
		      "what was downloaded does not pass, and is fetched once more");
	download->err = *err;
	begin_fresh(download);
	download->sig_known = false;
	begin_again(download);
}

static void job_failed(struct download *download, const struct err *why)
{
	struct err err = *why;
	bool checking = download_uncheck(download);

	if (download->importing && err.code != ERR_INTERNAL)
		import_failed(download, &err);
	else if (checking && (err.code == ERR_DAMAGED || err.code == FAULT_SIGNATURE))
		check_failed(download, &err);
	else
		fail(download, &err);
}

/* --- the big part --- */

static void settle(struct download *download)
{
	struct err *err = &download->outcome;

	switch ((enum download_verdict)download->verdict) {
	case DOWNLOAD_TAKE:
		if (cache_part_size(download->part) == download->want.total && download->stated)
			check(download);
		else
			pause_for(download, err);
		break;
	case DOWNLOAD_ANEW:
		ask_anew(download);
		break;
	case DOWNLOAD_LIE:
		lied(download, err);
		break;
	case DOWNLOAD_GONE:
	case DOWNLOAD_LOCAL:
	case DOWNLOAD_BAD:
		fail(download, err);
		break;
	case DOWNLOAD_TOO_LARGE:
		download->drop = true;
		fail(download, err);
		break;
	case DOWNLOAD_FORBIDDEN:
	case DOWNLOAD_AGAIN:
		pause_for(download, err);
		break;
	}
}

/* What came is kept for the next attempt, also over a power cut. */
static void transfer_over(struct download *download)
{
	bool worth = download->verdict == DOWNLOAD_TAKE &&
		     cache_part_size(download->part) - download->synced >= SYNC_AT_END &&
		     cache_part_size(download->part) < download->want.total;

	if (!worth) {
		settle(download);
		return;
	}
	download->synced = cache_part_size(download->part);
	run(download, download_sync, settle);
}

static void sync_soon(struct download *download)
{
	uint64_t size = cache_part_size(download->part);
	struct err ignored;

	if (task_busy(&download->task) || (download->stated && size - download->synced < SYNC_EACH))
		return;
	download->synced = size;
	download->stated = true;
	/* Without memory for it, it is made up for by the next one. */
	(void)!submit(download, download_sync, NULL, &ignored);
}

static int say(struct download *download, struct err *err)
{
	static const char *const TEXTS[] = {
		[DOWNLOAD_ANEW] = "the CDN has something else now",
		[DOWNLOAD_LIE] = "the CDN's answer fits nothing that was asked for",
		[DOWNLOAD_GONE] =
			"the CDN has no such resource; it is looked for when somebody asks again",
		[DOWNLOAD_FORBIDDEN] = "the CDN refuses access",
		[DOWNLOAD_AGAIN] = "the CDN cannot answer now",
		[DOWNLOAD_TOO_LARGE] = "the resource is larger than resource_max",
	};
	int code = download->verdict == DOWNLOAD_GONE	     ? ERR_NOT_FOUND
		   : download->verdict == DOWNLOAD_TOO_LARGE ? ERR_TOO_LARGE
							     : FAULT_UPSTREAM;

	if (download->verdict == DOWNLOAD_BAD) {
		*err = download->outcome = download->bad.err;
		return err->code;
	}
	(void)err_set(&download->outcome, code, "%s (status %u)", TEXTS[download->verdict],
		      download->status);
	*err = download->outcome;
	return code;
}

static int local(struct download *download, const struct err *err)
{
	download->verdict = err->code == ERR_TOO_LARGE ? DOWNLOAD_LIE : DOWNLOAD_LOCAL;
	download->outcome = *err;
	if (download->verdict == DOWNLOAD_LIE)
		download->outcome.code = FAULT_UPSTREAM;
	return err->code;
}

static int on_head(void *arg, const struct fetch_head *head, struct err *err)
{
	struct download *download = arg;
	const struct download_asked asked = {
		.want = &download->want,
		.have = download->have,
		.max = download_max(download),
		.is_signed = download->sig.len > 0,
		.total = download->size,
	};
	struct cache_want want;

	download->status = head->status;
	download->retry_after = head->retry_after;
	download->verdict = (int)download_judge(&asked, head, &want);
	if (download->verdict == DOWNLOAD_TAKE && clock_monotonic_us() < download->bad.until &&
	    download_bad_is(download, &want))
		download->verdict = DOWNLOAD_BAD;
	if (download->verdict != DOWNLOAD_TAKE)
		return say(download, err);
	if (cache_part_expect(download->part, &want, err) < 0)
		return local(download, err);
	download->want = want;
	download->total = want.total;
	download->stated = download->have > 0;
	sync_soon(download);
	return 0;
}

static int on_data(void *arg, struct slice bytes, struct err *err)
{
	struct download *download = arg;

	if (cache_part_write(download->part, bytes, err) < 0)
		return local(download, err);
	download->done += bytes.len;
	rate_add(&download->rate, clock_monotonic_us(), bytes.len);
	sync_soon(download);
	return 0;
}

static void on_done(void *arg, const struct fetch_result *result)
{
	struct download *download = arg;

	download->transfer = NULL;
	if (result->end == FETCH_REFUSED)
		download->verdict = DOWNLOAD_LIE;
	if (result->end != FETCH_STOPPED)
		(void)err_set(&download->outcome, FAULT_UPSTREAM, "the CDN: %s",
			      result->err ? result->err->text : "only a part of the rest came");
	if (task_busy(&download->task))
		download->next_fn = transfer_over;
	else
		transfer_over(download);
}

/* A signature of S3 is for one address. */
static unsigned redirects(const struct loader_config *config)
{
	return config->cdn_url ? REDIRECTS : 0;
}

static int start_big(struct download *download, struct err *err)
{
	static const struct fetch_ops OPS = {.head = on_head, .data = on_data, .done = on_done};
	struct downloads *downloads = download->owner;
	const struct cache_want *want = &download->want;
	const char *validator = want->etag[0] ? want->etag : want->modified;
	struct cdn_request cdn;
	bool conditional = download->have > 0 && validator[0] && !download->kind->by_digest;
	int r = session_cdn(downloads->session, &download->file, download->kind->part, FETCH_GET,
			    NULL, &cdn, err);

	if (r < 0)
		return r;
	cdn.request.from = download->have;
	cdn.request.if_range = conditional ? validator : NULL;
	cdn.request.max = BODY_MAX;
	cdn.request.redirects = redirects(download->config);
	cdn.request.paced = true;
	r = fetch_start(downloads->fetch, &cdn.request, &OPS, download, &download->transfer, err);
	cdn_request_fini(&cdn);
	return r;
}

/* Nothing would tell its rest from another's. */
static bool is_nameless(const struct download *download)
{
	return download->have > 0 && download->sig.len == 0 && !download->kind->by_digest &&
	       !download_validator(&download->want);
}

static void fetch_big(struct download *download)
{
	struct err err;

	if (download->have > 0 && download->have == download->want.total) {
		check(download);
		return;
	}
	if (is_nameless(download)) {
		/* That it was there once still counts. */
		download->fresh = true;
		begin_again(download);
		return;
	}
	download->verdict = DOWNLOAD_TAKE;
	if (start_big(download, &err) < 0)
		pause_for(download, &err);
}

/* --- the signature --- */

/* *ret_none: there is no such file. */
static int judge_sig(const struct fetch_result *result, bool *ret_none, struct err *err)
{
	if (result->end != FETCH_DONE)
		return err_set(err, FAULT_UPSTREAM, "the CDN: %s", result->err->text);
	*ret_none = result->status == 404 || result->status == 410;
	if (result->status == 200 || *ret_none)
		return 0;
	return err_set(err, FAULT_UPSTREAM, "the CDN does not give the signature (status %u)",
		       result->status);
}

static void on_sig(void *arg, const struct fetch_result *result, struct slice body)
{
	struct download *download = arg;
	bool none = false;
	struct err err;

	download->transfer = NULL;
	download->status = result->status;
	download->retry_after = result->retry_after;
	if (judge_sig(result, &none, &err) < 0) {
		if (result->end == FETCH_REFUSED)
			lied(download, &err);
		else
			pause_for(download, &err);
		return;
	}
	if (none && blob_unsigned(download->config, &download->seen, &err) < 0) {
		fail(download, &err);
		return;
	}
	buf_reset(&download->sig);
	if (!none)
		buf_put(&download->sig, body);
	download->sig_known = true;
	if (none)
		fetch_big(download);
	else
		run(download, download_sig, fetch_big);
}

int downloads_sig(const struct downloads_sig *sig, fetch_whole_fn done, void *arg,
		  struct fetch_transfer **ret_transfer, struct err *err)
{
	const struct downloads *downloads = sig->downloads;
	struct cdn_request cdn;
	int r = session_cdn(downloads->session, sig->resource, RESOURCE_SIG, FETCH_GET, NULL, &cdn,
			    err);

	if (r < 0)
		return r;
	cdn.request.max = CMS_MAX;
	cdn.request.whole_s = sig->whole_s;
	cdn.request.redirects = redirects(downloads->config);
	r = fetch_whole(downloads->fetch, &cdn.request, done, arg, ret_transfer, err);
	cdn_request_fini(&cdn);
	return r;
}

static void fetch_sig(struct download *download)
{
	const struct downloads_sig sig = {download->owner, &download->resource, 0};
	struct err err;

	if (!download->kind->has_sig || download->config->anchors.len == 0 || download->sig_known)
		fetch_big(download);
	else if (downloads_sig(&sig, on_sig, download, &download->transfer, &err) < 0)
		pause_for(download, &err);
}

/* --- the beginning --- */

static void copy_on(struct download *download)
{
	download->state = DOWNLOAD_RUNNING;
	download->done = cache_part_size(download->part);
	download->total = download->want.total;
	if (download->import >= 0)
		run(download, download_copy, copy_on);
	else
		check(download);
}

static void adopted(struct download *download)
{
	if (download->kind->has_sig && download->sig.len == 0)
		download_note(
			download, LOADER_WARNING,
			"taken from import_dir without a signature, as legacy { "
			"unsigned_import } allows: nothing tells an old release from this one");
	copy_on(download);
}

static void check_import(struct download *download)
{
	download->state = DOWNLOAD_CHECKING;
	download->done = download->total = download->import_size;
	read_on(download);
}

static void prepared(struct download *download)
{
	download->done = download->have;
	download->total = download->want.total;
	if (download->have > download->best)
		download->best = download->have;
	download->importing = download->import >= 0;
	download->import_tried = true;
	if (download->importing)
		run(download, download_import, check_import);
	else
		fetch_sig(download);
}

void download_begin(struct download *download)
{
	download->attempts++;
	download->status = 0;
	download->retry_after = 0;
	begin_again(download);
}
