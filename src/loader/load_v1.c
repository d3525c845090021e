/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load of version 1:
 *
 *   small part (API)  >  look (pool)  >  check (pool, ..)  >  ready  >  pieces (pool, ..)
 *                          |  ^              |
 *                          download  <--------  (once)
 *
 * Where anchors were set later than the big part came, its signature alone is fetched after the
 * look, and then looked again; when there is none to be had, that goes on as without anchors. The
 * last of the check is whether the name's floor still allows version 1.
 *
 * Both passes read the same open descriptor, so that a new release that comes meanwhile is no
 * matter; what changes in the file itself shows at the last piece. What is small is opened whole
 * with the look, in one step.
 */
#include "loader/load_impl.h"

#include <stdio.h>

#include "loader/fault.h"

#define WHOLE_MAX ((uint64_t)64 << 10) /* bytes of a blob that is opened at once */
#define READ_SIZE ((size_t)64 << 10)
#define SIG_S	  10u /* a signature may be missing where none is due: not long waited for */

/* --- steps: the first pass --- */

static int bad_or_broken(struct loader_load *load, int r, struct err *err)
{
	if (r == 0)
		return 0;
	if (r != ERR_DAMAGED && r != FAULT_SIGNATURE && r != ERR_UNREADABLE && r != ERR_TOO_LARGE)
		return r;
	load->found = LOAD_BAD;
	load->bad = *err;
	return 0;
}

static int keep_sig(struct loader_load *load, struct err *err)
{
	if (!load->is_signed || !load->sig_new)
		return 0;
	load->sig_new = false;
	return cache_put_sig(load->cache, &load->resource, buf_slice(&load->sig), err);
}

/* What of a signature was learned now must be remembered; that it is due after it is there. */
static int keep_pin(struct loader_load *load, struct err *err)
{
	struct cache_seen seen = {.known = true, .signed_once = load->is_signed};
	const struct v1_pin *before = &load->seen.pin;
	bool same = load->seen.known && before->seen.size == load->v1.seen.size &&
		    slice_equal(slice_of(before->seen.digest, V1_DIGEST),
				slice_of(load->v1.seen.digest, V1_DIGEST));
	int r;

	if (same && (load->seen.signed_once || !load->is_signed))
		return 0;
	r = v1_pin_make(buf_slice(&load->small), &load->v1.seen, &seen.pin, err);
	return r < 0 ? r : cache_pin(load->cache, &load->resource, &seen, err);
}

/* The way here may have been long, and the name be taken meanwhile as one of version 2 alone. */
static int check_floor(const struct loader_load *load, struct err *err)
{
	struct floor floor;
	int r = cache_floor(load->cache, &load->resource, &floor, err);

	if (r < 0 || floor_allows_v1(&floor))
		return r;
	return err_set(err, FAULT_ROLLED_BACK,
		       "it was taken meanwhile as a release that is version 2 alone");
}

static int judge(struct loader_load *load, struct err *err)
{
	int r = blob_check_end(load->check, &load->v1, &load->is_signed, err);

	if (r < 0)
		return bad_or_broken(load, r, err);
	r = check_floor(load, err);
	if (r == 0)
		r = keep_sig(load, err);
	if (r == 0)
		r = keep_pin(load, err);
	if (r == 0)
		r = v1_open_new(load->key, &load->v1, 0, &load->open, err);
	if (r == 0)
		load->found = LOAD_GOOD;
	return r;
}

static int check_on(void *arg, struct err *err)
{
	struct loader_load *load = arg;
	bool end = false;
	int r = blob_check_step(load->check, BLOB_STEP, &end, err);

	if (r == 0 && end)
		return judge(load, err);
	return bad_or_broken(load, r, err);
}

static int give(void *arg, struct err *err);

/* Sets up facts and check for what the cache has. */
static int begin_check(struct loader_load *load, struct err *err)
{
	bool due = load->config->anchors.len > 0 && load->sig.len == 0;
	int r = 0;

	if (due)
		r = cache_sig(load->cache, &load->resource, &load->sig, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	if (due && load->sig.len == 0 && !load->sig_asked && !load->fetched) {
		load->found = LOAD_BARE;
		return 0;
	}
	load->facts = (struct blob_facts){
		.config = load->config,
		.key = load->key,
		.resource = &load->resource,
		.small = buf_slice(&load->small),
		.big = load->big,
		.sig = buf_slice(&load->sig),
		.seen = load->seen,
	};
	load->found = LOAD_LOOKING;
	return blob_check_new(&load->facts, &load->check, err);
}

/* A big part with the pin of another release is of no use, whatever its padding says. */
static bool is_other_release(const struct loader_load *load, struct err *err)
{
	const struct v1_seen *expected = NULL;

	return load->seen.known &&
	       (v1_pin_expect(&load->seen.pin, buf_slice(&load->small), &expected, err) < 0 ||
		!expected);
}

static void look_again(struct loader_load *load)
{
	blob_check_free(TAKE(load->check));
	fd_close_cleanup(&load->big);
	load->big = -1;
	load->found = LOAD_MISSING;
}

static int look(void *arg, struct err *err)
{
	struct loader_load *load = arg;
	uint64_t size = 0;
	int r;

	look_again(load);
	r = cache_seen(load->cache, &load->resource, &load->seen, err);
	if (r < 0 || is_other_release(load, err))
		return r;
	r = cache_big(load->cache, &load->resource, &load->big, &size, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0)
		r = begin_check(load, err);
	if (r < 0)
		return bad_or_broken(load, r, err);
	if (load->found == LOAD_BARE || size > WHOLE_MAX || load->small.len + size > WHOLE_MAX)
		return 0;
	r = check_on(load, err);
	return r < 0 || load->found != LOAD_GOOD ? r : give(load, err);
}

/* --- steps: the second pass --- */

static int read_blob(const struct loader_load *load, uint64_t at, uint8_t *bytes, size_t size,
		     size_t *ret_len, struct err *err)
{
	uint64_t small = load->small.len;

	if (at >= small)
		return blob_read(load->big, at - small, bytes, size, ret_len, err);
	*ret_len = small - at < size ? (size_t)(small - at) : size;
	memcpy(bytes, load->small.data + at, *ret_len);
	return 0;
}

/* Opens the blob up to @until. What ends too early is found by v1_open_end(). */
static int open_until(struct loader_load *load, uint64_t until, struct err *err)
{
	CLEANUP(mem_free_cleanup) uint8_t *bytes = malloc(READ_SIZE);
	size_t len = 1;
	int r = 0;

	if (!bytes)
		return err_set(err, ERR_INTERNAL, "memory is short");
	while (r == 0 && len > 0 && load->at < until) {
		uint64_t left = until - load->at;

		r = read_blob(load, load->at, bytes, left < READ_SIZE ? (size_t)left : READ_SIZE,
			      &len, err);
		if (r == 0)
			r = v1_open_add(load->open, slice_of(bytes, len), &load->plain, err);
		load->at += len;
	}
	if (r == 0 && (len == 0 || load->at == load->v1.seen.size)) {
		r = v1_open_end(load->open, &load->plain, err);
		load->end = true;
	}
	return r;
}

static int give(void *arg, struct err *err)
{
	struct loader_load *load = arg;
	uint64_t until = V1_BLOCK + load->given + LOADER_PIECE;
	int r;

	buf_reset(&load->plain);
	r = open_until(load, until < load->v1.seen.size ? until : load->v1.seen.size, err);
	if (r < 0)
		buf_reset(&load->plain);
	load->given += load->plain.len;
	return r;
}

static void looked(struct loader_load *load);

static void fetched(void *arg, const struct err *err)
{
	struct loader_load *load = arg;

	load->wait = NULL;
	if (err)
		load_finish(load, err);
	else
		load_run(load, look, looked);
}

static void fetch(struct loader_load *load)
{
	struct err err;

	load->fetched = true;
	load->sig_new = false;
	buf_reset(&load->sig);
	if (downloads_want(load->loader->downloads, &load->resource, buf_slice(&load->small),
			   fetched, load, &load->wait, &err) < 0)
		load_finish(load, &err);
}

static void pass(struct loader_load *load)
{
	if (!load->is_signed)
		load_note(load, LOADER_NOTICE,
			  "no signature: length, padding and pin are all that was checked");
	load->task.priority = JOB_BULK;
	load_finish(load, NULL);
}

static void missing(struct loader_load *load)
{
	struct err err;

	if (!load->fetched) {
		fetch(load);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "what was downloaded is not in the cache");
	load_note_fault(load, &err);
	load_finish(load, &err);
}

static void bad(struct loader_load *load)
{
	char text[sizeof(load->bad.text) + 64];

	if (load->fetched) {
		load_note_fault(load, &load->bad);
		load_finish(load, &load->bad);
		return;
	}
	(void)snprintf(text, sizeof(text), "what the cache has is fetched anew: %s",
		       load->bad.text);
	load_note(load, LOADER_NOTICE, text);
	fetch(load);
}

static void on_sig(void *arg, const struct fetch_result *result, struct slice body)
{
	struct loader_load *load = arg;
	bool none = result->end == FETCH_DONE && (result->status == 404 || result->status == 410);
	struct err err;

	load->transfer = NULL;
	if (result->end == FETCH_DONE && result->status == 200) {
		buf_put(&load->sig, body);
		load->sig_new = true;
		if (load->sig.len == 0) {
			(void)err_set(&load->bad, FAULT_SIGNATURE, "the signature is empty");
			bad(load);
			return;
		}
	} else if (!none && blob_unsigned(load->loader->config, &load->seen, &err) < 0) {
		/* One is due, and may be there: no reason to fetch the big part once more. */
		(void)err_set(&err, FAULT_UPSTREAM, "the CDN does not give the signature");
		err.retry_after = result->retry_after;
		load_finish(load, &err);
		return;
	}
	load_run(load, look, looked);
}

static void ask_sig(struct loader_load *load)
{
	const struct downloads_sig sig = {load->loader->downloads, &load->resource, SIG_S};
	struct err ignored;

	load->sig_asked = true;
	if (downloads_sig(&sig, on_sig, load, &load->transfer, &ignored) < 0)
		load_run(load, look, looked);
}

static void looked(struct loader_load *load)
{
	switch (load->found) {
	case LOAD_MISSING:
		missing(load);
		break;
	case LOAD_BAD:
		bad(load);
		break;
	case LOAD_BARE:
		ask_sig(load);
		break;
	case LOAD_LOOKING:
		load->task.priority = JOB_BULK;
		load_run(load, check_on, looked);
		break;
	case LOAD_GOOD:
		pass(load);
		break;
	}
}

static void on_small(void *arg, struct slice bytes, const struct err *err)
{
	struct loader_load *load = arg;
	struct err own;

	load->call = NULL;
	if (!err) {
		buf_put(&load->small, bytes);
		if (!buf_ok(&load->small)) {
			(void)err_set(&own, ERR_TOO_LARGE, "the small part is too large");
			err = &own;
		}
	}
	if (err)
		load_finish(load, err);
	else
		load_run(load, look, looked);
}

static int begin(struct loader_load *load, struct err *err)
{
	int r = secret_copy(secret_slice(load->loader->key), &load->key, err);

	return r < 0 ? r
		     : session_small(load->loader->session, &load->resource, on_small, load,
				     &load->call, err);
}

static uint64_t size_of(const struct loader_load *load)
{
	return load->v1.plain;
}

/* Its chain has no place to begin but the first byte. */
static int seek(struct loader_load *load, uint64_t from, struct err *err)
{
	if (from > load->v1.plain)
		return err_set(err, ERR_INVALID, "it ends before that byte");
	if (from > 0)
		return err_set(err, ERR_NOT_SUPPORTED, "version 1 is read from its first byte");
	return 0;
}

const struct load_source load_v1 = {
	.begin = begin,
	.size = size_of,
	.seek = seek,
	.give = give,
};
