/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F2, one load:
 *
 *   small part (API)  >  look (pool)  >  check (pool, ..)  >  ready  >  pieces (pool, ..)
 *                          |  ^              |
 *                          download  <--------  (once)
 *
 * Where anchors were set later than the big part came, its signature alone is fetched after the
 * look, and then looked again; when there is none to be had, that goes on as without anchors.
 *
 * Both passes read the same open descriptor, so that a new release that comes meanwhile is no
 * matter; what changes in the file itself shows at the last piece. What is small is opened whole
 * with the look, in one step.
 */
#include "loader/impl.h"

#include <stdio.h>

#include "crypto/cms.h"
#include "loader/fault.h"
#include "loader/task.h"

#define WHOLE_MAX  ((uint64_t)64 << 10) /* bytes of a blob that is opened at once */
#define READ_SIZE  ((size_t)64 << 10)
#define SIG_S	   10u /* a signature may be missing where none is due: not long waited for */
#define PLAIN_ROOM (LOADER_PIECE + V1_GROWTH)

enum found {
	LOAD_MISSING, /* there is no big part of this release */
	LOAD_BAD,     /* there is one that does not pass */
	LOAD_BARE,    /* there is one, and the CDN was not asked for its signature yet */
	LOAD_LOOKING, /* the check goes on */
	LOAD_GOOD,
};

struct loader_load {
	struct loader *loader; /* NULL: gone, and this waits for its step only */
	struct loader_load *next, **before;
	struct resource resource; /* of the texts below */
	char folder[RESOURCE_FOLDER_MAX + 1];
	char name[RESOURCE_NAME_MAX + 1];
	loader_done_fn ready;
	loader_piece_fn piece;
	void *arg; /* of whichever is to be called next */
	struct session_call *call;
	struct download_wait *wait;
	struct fetch_transfer *transfer; /* of the signature */
	struct task task;
	void (*next_fn)(struct loader_load *load);
	struct loop_timer soon; /* for a piece that takes no step */
	struct err late;	/* .. or is none */
	bool fetched;		/* once is enough */
	bool sig_asked;		/* .. here too */
	bool sig_new;		/* sig is not the cache's yet */

	/* Of the steps. */
	struct cache *cache; /* held */
	struct secret *key;
	const struct loader_config *config;
	struct buf small, sig;
	int big;
	struct cache_seen seen;
	struct blob_facts facts;
	struct blob_check *check;
	enum found found;
	struct err bad;
	struct v1_facts v1;
	bool is_signed;
	struct v1_open *open;
	uint64_t at;	/* in the blob */
	uint64_t given; /* bytes of plaintext */
	bool end;	/* plain holds the last of it */
	bool told;	/* a piece was asked for */
	struct buf plain;
};

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

static int judge(struct loader_load *load, struct err *err)
{
	int r = blob_check_end(load->check, &load->v1, &load->is_signed, err);

	if (r < 0)
		return bad_or_broken(load, r, err);
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

/* --- the loop's side --- */

static void load_free(struct loader_load *load)
{
	blob_check_free(load->check);
	v1_open_free(load->open);
	fd_close_cleanup(&load->big);
	secret_free(load->key);
	cache_free(load->cache);
	buf_fini(&load->small);
	buf_fini(&load->sig);
	buf_fini(&load->plain);
	free(load);
}

static void finish(struct loader_load *load, const struct err *err)
{
	loader_done_fn ready = TAKE(load->ready);

	ready(load->arg, err);
}

static void note(const struct loader_load *load, enum loader_note level, const char *text)
{
	char line[1024];

	if (!load->config->note)
		return;
	(void)snprintf(line, sizeof(line), "%s/%s: %s", load->folder, load->name, text);
	load->config->note(load->config->note_arg, level, line);
}

/* Who asks is told no more than that the log has it. What a download says, that has noted. */
static void note_fault(const struct loader_load *load, const struct err *err)
{
	if (err->code == ERR_INTERNAL || err->code == ERR_UNREADABLE || err->code == ERR_DISK_FULL)
		note(load, LOADER_WARNING, err->text);
}

static void run(struct loader_load *load, task_step_fn step,
		void (*next_fn)(struct loader_load *load))
{
	struct err err;

	load->next_fn = next_fn;
	if (task_run(&load->task, step, &err) < 0) {
		note_fault(load, &err);
		finish(load, &err);
	}
}

static void looked(struct loader_load *load);

static void fetched(void *arg, const struct err *err)
{
	struct loader_load *load = arg;

	load->wait = NULL;
	if (err)
		finish(load, err);
	else
		run(load, look, looked);
}

static void fetch(struct loader_load *load)
{
	struct err err;

	load->fetched = true;
	load->sig_new = false;
	buf_reset(&load->sig);
	if (downloads_want(load->loader->downloads, &load->resource, buf_slice(&load->small),
			   fetched, load, &load->wait, &err) < 0)
		finish(load, &err);
}

static void ready(struct loader_load *load)
{
	if (!load->is_signed)
		note(load, LOADER_NOTICE,
		     "no signature: length, padding and pin are all that was checked");
	load->task.priority = JOB_BULK;
	finish(load, NULL);
}

static void missing(struct loader_load *load)
{
	struct err err;

	if (!load->fetched) {
		fetch(load);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "what was downloaded is not in the cache");
	note_fault(load, &err);
	finish(load, &err);
}

static void bad(struct loader_load *load)
{
	char text[sizeof(load->bad.text) + 64];

	if (load->fetched) {
		note_fault(load, &load->bad);
		finish(load, &load->bad);
		return;
	}
	(void)snprintf(text, sizeof(text), "what the cache has is fetched anew: %s",
		       load->bad.text);
	note(load, LOADER_NOTICE, text);
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
		finish(load, &err);
		return;
	}
	run(load, look, looked);
}

static void ask_sig(struct loader_load *load)
{
	const struct downloads_sig sig = {load->loader->downloads, &load->resource, SIG_S};
	struct err ignored;

	load->sig_asked = true;
	if (downloads_sig(&sig, on_sig, load, &load->transfer, &ignored) < 0)
		run(load, look, looked);
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
		run(load, check_on, looked);
		break;
	case LOAD_GOOD:
		ready(load);
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
		finish(load, err);
	else
		run(load, look, looked);
}

static void piece_done(struct loader_load *load, const struct err *err)
{
	loader_piece_fn piece = TAKE(load->piece);

	piece(load->arg, err ? slice_of(NULL, 0) : buf_slice(&load->plain), err);
}

static void given(struct loader_load *load)
{
	piece_done(load, NULL);
}

static void step_ended(void *arg, const struct err *err)
{
	struct loader_load *load = arg;

	if (load->loader && err)
		note_fault(load, err);
	if (!load->loader)
		load_free(load);
	else if (!err)
		load->next_fn(load);
	else if (load->piece)
		piece_done(load, err);
	else
		finish(load, err);
}

static void on_soon(void *arg)
{
	struct loader_load *load = arg;

	piece_done(load, load->late.code ? &load->late : NULL);
}

/* --- from outside --- */

static int load_new(struct loader *loader, const struct resource *resource,
		    struct loader_load **ret_load, struct err *err)
{
	struct loader_load *load = calloc(1, sizeof(*load));
	int r;

	if (!load)
		return err_set(err, ERR_INTERNAL, "memory is short");
	load->loader = loader;
	load->config = loader->config;
	load->cache = cache_hold(loader->cache);
	load->big = -1;
	load->small = (struct buf)BUF_INIT(V1_SMALL_MAX);
	load->sig = (struct buf)BUF_INIT(CMS_MAX);
	load->plain = (struct buf)BUF_INIT(PLAIN_ROOM);
	memcpy(load->folder, resource->folder.data, resource->folder.len);
	memcpy(load->name, resource->name.data, resource->name.len);
	load->resource = (struct resource){slice_str(load->folder), slice_str(load->name)};
	task_init(&load->task, loader->jobs, step_ended, load);
	load->task.priority = JOB_NORMAL;
	loop_timer_init(&load->soon, jobs_loop(loader->jobs), on_soon, load);
	r = secret_copy(secret_slice(loader->key), &load->key, err);
	if (r < 0)
		load_free(load);
	else
		*ret_load = load;
	return r;
}

int loader_load(struct loader *loader, const struct resource *resource, loader_done_fn ready_fn,
		void *arg, struct loader_load **ret_load, struct err *err)
{
	struct loader_load *load = NULL;
	int r = resource_check(resource, err);

	if (r < 0)
		return r;
	if (loader->load_count >= LOADER_LOADS) {
		(void)err_set(err, FAULT_BUSY, "too many loads are at work");
		err->retry_after = 1;
		return err->code;
	}
	r = load_new(loader, resource, &load, err);
	if (r < 0)
		return r;
	load->ready = ready_fn;
	load->arg = arg;
	r = session_small(loader->session, &load->resource, on_small, load, &load->call, err);
	if (r < 0) {
		load_free(load);
		return r;
	}
	load->before = &loader->loads;
	load->next = loader->loads;
	if (load->next)
		load->next->before = &load->next;
	loader->loads = load;
	loader->load_count++;
	*ret_load = load;
	return 0;
}

uint64_t loader_load_size(const struct loader_load *load)
{
	return load->v1.plain;
}

/* The whole of a small one lies there already; behind the end there is nothing. */
void loader_load_read(struct loader_load *load, loader_piece_fn piece, void *arg)
{
	struct err ignored;

	load->piece = piece;
	load->arg = arg;
	load->late.code = 0;
	if (load->end && load->told)
		buf_reset(&load->plain);
	load->told = true;
	load->next_fn = given;
	if (!load->end && task_run(&load->task, give, &load->late) == 0)
		return;
	/* A timer of a loop that has had one cannot fail. */
	(void)!loop_timer_set(&load->soon, 0, &ignored);
}

void loader_load_leave(struct loader_load *load)
{
	if (!load)
		return;
	session_leave(load->call);
	downloads_leave(load->wait);
	fetch_cancel(load->transfer);
	loop_timer_clear(&load->soon);
	*load->before = load->next;
	if (load->next)
		load->next->before = load->before;
	load->loader->load_count--;
	load->loader = NULL;
	task_cancel(&load->task);
	if (!task_busy(&load->task))
		load_free(load);
}

void loads_end(struct loader *loader)
{
	while (loader->loads)
		loader_load_leave(loader->loads);
}
