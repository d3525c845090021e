/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One upload, as its states follow each other:
 *
 *   coming    pieces are sealed on the pool into both parts
 *   ending    the last of them
 *   big       PUT to the CDN, read back piece by piece; once more with another token of the API
 *   small     POST to the API: from now on the release is the one that is served; a few times,
 *             since until then nobody can load a name that existed before
 *   over      of whatever end; only leaving is left
 */
#include "loader/upload_impl.h"

#include <stdio.h>

#include "crypto/cipher.h"
#include "fetch/backoff.h"
#include "loader/fault.h"

#define NEVER_US      UINT64_MAX
#define SMALL_REPEATS 3u
#define BIG_IDLE_S    300u /* a CDN may have to copy what it got before it answers */

struct loader_upload {
	struct loader *loader;
	struct loader_upload *prev, *next;
	struct upload_work *work;
	bool over;
	bool again; /* the big part was refused once for its token */
	char name[RESOURCE_NAME_MAX + 1];
	char folder[RESOURCE_FOLDER_MAX + 1];
	uint64_t sent;	     /* bytes of the big part given to the CDN */
	uint64_t piece_at;   /* where the piece that was read begins */
	bool reading;	     /* the next piece */
	bool starved;	     /* the transfer waits for it */
	struct err read_err; /* code 0: none */
	uint64_t token;	     /* the number of what went to the CDN */
	struct fetch_transfer *transfer;
	struct session_call *call;
	struct backoff backoff; /* of the small part */
	struct loop_timer repeat;
	unsigned repeats;
	bool pausing;
	bool halfway;		 /* the CDN has the big part */
	struct loop_timer later; /* always set, so that setting it to now cannot fail */
	struct err err;		 /* what it ended with */
	loader_done_fn done;
	void *arg;
};

static struct resource resource_of(const struct loader_upload *upload)
{
	return (struct resource){slice_str(upload->folder), slice_str(upload->name)};
}

/* --- the end --- */

static void upload_done(struct loader_upload *upload, const struct err *err)
{
	loader_done_fn done = TAKE(upload->done);

	if (err) {
		upload->over = true;
		upload->err = *err;
	}
	if (done)
		done(upload->arg, err);
}

static void tell(void *arg)
{
	struct loader_upload *upload = arg;
	struct err never;

	/* Set again first: it may be gone afterwards. */
	(void)!loop_timer_set(&upload->later, NEVER_US, &never);
	if (upload->over)
		upload_done(upload, upload->err.code < 0 ? &upload->err : NULL);
}

/* A failure inside a call is told behind it. */
static void fail_later(struct loader_upload *upload, const struct err *err)
{
	struct err never;

	upload->over = true;
	upload->err = *err;
	(void)!loop_timer_set(&upload->later, 0, &never);
}

static void upload_free(struct loader_upload *upload)
{
	if (!upload)
		return;
	loop_timer_clear(&upload->later);
	loop_timer_clear(&upload->repeat);
	fetch_cancel(upload->transfer);
	session_leave(upload->call);
	upload_work_drop(upload->work);
	free(upload);
}

static void upload_cleanup(struct loader_upload **upload)
{
	upload_free(*upload);
}

static void upload_unlink(struct loader_upload *upload)
{
	struct loader *loader = upload->loader;

	if (upload->prev)
		upload->prev->next = upload->next;
	else
		loader->uploads = upload->next;
	if (upload->next)
		upload->next->prev = upload->prev;
	loader->upload_count--;
}

static void upload_link(struct loader_upload *upload)
{
	struct loader *loader = upload->loader;

	upload->next = loader->uploads;
	if (upload->next)
		upload->next->prev = upload;
	loader->uploads = upload;
	loader->upload_count++;
}

/* --- the small part --- */

/* The big part is out and the small one is not. */
static void end_half(struct loader_upload *upload, const struct err *err)
{
	const struct loader_config *config = upload->loader->config;
	char text[LOADER_REF_MAX + sizeof(err->text)];
	struct err half = *err;

	(void)err_wrap(&half, "the CDN has the big part, the API not the small one: upload again");
	(void)snprintf(text, sizeof(text), "%s/%s: %s", upload->folder, upload->name, half.text);
	if (config->note)
		config->note(config->note_arg, LOADER_WARNING, text);
	upload_done(upload, &half);
}

/* False: it is not to be, or cannot be, repeated. */
static bool pause_small(struct loader_upload *upload, const struct err *err)
{
	uint64_t pause_ms;
	uint32_t random;
	struct err never;

	if (err->code != FAULT_UPSTREAM || upload->repeats == SMALL_REPEATS ||
	    cipher_random((uint8_t *)&random, sizeof(random), &never) < 0)
		return false;
	upload->repeats++;
	pause_ms = backoff_after(&upload->backoff, false, 0, random);
	upload->pausing = loop_timer_set(&upload->repeat, pause_ms * 1000, &never) == 0;
	return upload->pausing;
}

static void small_put(void *arg, const struct err *err)
{
	struct loader_upload *upload = arg;

	upload->call = NULL;
	if (err && pause_small(upload, err))
		return;
	upload->over = true;
	if (err)
		end_half(upload, err);
	else
		upload_done(upload, NULL);
}

static int start_small(struct loader_upload *upload, struct err *err)
{
	const struct resource resource = resource_of(upload);

	return session_put_small(upload->loader->session, &resource,
				 upload_work_small(upload->work), small_put, upload, &upload->call,
				 err);
}

static void put_small(struct loader_upload *upload)
{
	struct err err;

	upload->halfway = true;
	if (start_small(upload, &err) < 0)
		end_half(upload, &err);
}

static void repeat_small(void *arg)
{
	struct loader_upload *upload = arg;

	upload->pausing = false;
	put_small(upload);
}

/* What becomes of the last try nobody hears. */
static void note_left(const struct loader_upload *upload)
{
	const struct loader_config *config = upload->loader->config;
	char text[LOADER_REF_MAX + 160];

	(void)snprintf(text, sizeof(text),
		       "%s/%s: who uploads has gone; the CDN has the big part, the API perhaps not "
		       "the small one: upload again",
		       upload->folder, upload->name);
	if (config->note)
		config->note(config->note_arg, LOADER_WARNING, text);
}

void loader_upload_leave(struct loader_upload *upload)
{
	struct err never;

	if (!upload)
		return;
	if (upload->halfway && !upload->over)
		note_left(upload);
	/* Nobody waits for another pause: once more, and now. */
	if (upload->pausing)
		(void)!start_small(upload, &never);
	upload_unlink(upload);
	upload_free(upload);
}

void uploads_end(struct loader *loader)
{
	while (loader->uploads)
		loader_upload_leave(loader->uploads);
}

/* --- the big part --- */

static void piece_read(void *arg, const struct err *err)
{
	struct loader_upload *upload = arg;

	upload->reading = false;
	if (err)
		upload->read_err = *err;
	if (upload->transfer && upload->starved)
		fetch_resume(upload->transfer);
}

static int read_piece(struct loader_upload *upload, struct err *err)
{
	int r = upload_work_read(upload->work, upload->sent, piece_read, upload, err);

	if (r < 0)
		return r;
	upload->reading = true;
	upload->piece_at = upload->sent;
	return 0;
}

/* What was read and not yet sent; while the pool reads, that is its own. */
static struct slice piece_left(const struct loader_upload *upload)
{
	struct slice piece = slice_of(NULL, 0);
	uint64_t from = upload->sent - upload->piece_at;

	if (!upload->reading)
		piece = upload_work_piece(upload->work);
	/* After a second start the piece is one from further behind. */
	if (upload->sent < upload->piece_at || from >= piece.len)
		return slice_of(NULL, 0);
	return slice_of(piece.data + from, piece.len - (size_t)from);
}

static int more(void *arg, uint8_t *at, size_t size, size_t *ret_len, struct err *err)
{
	struct loader_upload *upload = arg;
	struct slice left = piece_left(upload);
	size_t len = left.len < size ? left.len : size;

	if (upload->read_err.code < 0) {
		*err = upload->read_err;
		return err->code;
	}
	upload->starved = len == 0;
	if (upload->starved && !upload->reading && read_piece(upload, err) < 0)
		return err->code;
	if (len > 0)
		memcpy(at, left.data, len);
	upload->sent += len;
	*ret_len = len;
	return 0;
}

static void put_big(struct loader_upload *upload);

static void renewed(void *arg, const struct err *err)
{
	struct loader_upload *upload = arg;

	upload->call = NULL;
	if (err)
		upload_done(upload, err);
	else
		put_big(upload);
}

/* The CDN is the API's own and the token has run out meanwhile. */
static void renew(struct loader_upload *upload)
{
	struct err err;

	upload->again = true;
	if (session_renew(upload->loader->session, upload->token, renewed, upload, &upload->call,
			  &err) < 0)
		upload_done(upload, &err);
	else if (!upload->call)
		put_big(upload);
}

static void big_put(void *arg, const struct fetch_result *result)
{
	struct loader_upload *upload = arg;
	bool refused = result->status == 401 || result->status == 403;
	struct err err;

	upload->transfer = NULL;
	if (upload->read_err.code < 0) {
		upload_done(upload, &upload->read_err);
	} else if (result->end != FETCH_DONE) {
		(void)err_set(&err, FAULT_UPSTREAM, "the CDN: %s", result->err->text);
		upload_done(upload, &err);
	} else if (refused && upload->token > 0 && !upload->again) {
		renew(upload);
	} else if (result->status / 100 != 2) {
		(void)err_set(&err, FAULT_UPSTREAM, "the CDN answers %u to the upload",
			      result->status);
		upload_done(upload, &err);
	} else {
		put_small(upload);
	}
}

static int start_big(struct loader_upload *upload, struct err *err)
{
	static const struct fetch_ops ops = {.more = more, .done = big_put};
	const struct resource resource = resource_of(upload);
	struct cdn_request cdn;
	int r = session_cdn(upload->loader->session, &resource, RESOURCE_BIG, FETCH_PUT,
			    upload_work_sha256(upload->work), &cdn, err);

	if (r < 0)
		return r;
	cdn.request.body_length = upload_work_size(upload->work);
	cdn.request.idle_s = BIG_IDLE_S;
	upload->token = cdn.token;
	upload->sent = 0;
	r = fetch_start(upload->loader->fetch, &cdn.request, &ops, upload, &upload->transfer, err);
	cdn_request_fini(&cdn);
	return r;
}

static void put_big(struct loader_upload *upload)
{
	struct err err;

	if (start_big(upload, &err) < 0)
		upload_done(upload, &err);
}

/* --- what the front asks for --- */

static void added(void *arg, const struct err *err)
{
	upload_done(arg, err);
}

static void ended(void *arg, const struct err *err)
{
	struct loader_upload *upload = arg;

	if (err)
		upload_done(upload, err);
	else
		put_big(upload);
}

/* A name that no resource can have, and a CDN that takes nothing, are told before anything comes.
 */
static int check_before(const struct loader *loader, struct slice name, struct err *err)
{
	const struct resource probe = {.folder = slice_str("models"), .name = name};
	struct cdn_request cdn;
	int r = resource_check(&probe, err);

	if (r < 0)
		return r;
	if (!session_active(loader->session))
		return err_set(err, FAULT_NOT_LOGGED_IN, "nobody is logged in");
	if (loader->upload_count >= LOADER_UPLOADS)
		return err_set(err, FAULT_BUSY, "too many uploads at once");
	r = session_cdn(loader->session, &probe, RESOURCE_BIG, FETCH_PUT, NULL, &cdn, err);
	if (r == 0)
		cdn_request_fini(&cdn);
	return r;
}

int loader_upload_new(struct loader *loader, struct slice name, struct loader_upload **ret_upload,
		      struct err *err)
{
	CLEANUP(upload_cleanup) struct loader_upload *upload = NULL;
	const struct upload_make make = {
		.jobs = loader->jobs,
		.key = loader->key,
		.dir = loader->config->cache_dir,
		.max = loader->config->resource_max,
		.cache = loader->cache,
	};
	int r = check_before(loader, name, err);

	if (r < 0)
		return r;
	upload = calloc(1, sizeof(*upload));
	if (!upload)
		return err_set(err, ERR_INTERNAL, "memory is short");
	upload->loader = loader;
	memcpy(upload->name, name.data, name.len);
	loop_timer_init(&upload->repeat, jobs_loop(loader->jobs), repeat_small, upload);
	loop_timer_init(&upload->later, jobs_loop(loader->jobs), tell, upload);
	r = loop_timer_set(&upload->later, NEVER_US, err);
	if (r == 0)
		r = upload_work_new(&make, &upload->work, err);
	if (r < 0)
		return r;
	upload_link(upload);
	*ret_upload = TAKE(upload);
	return 0;
}

/* False: what it ended with is told once more. */
static bool upload_ask(struct loader_upload *upload, loader_done_fn done, void *arg)
{
	struct err err;

	upload->done = done;
	upload->arg = arg;
	if (!upload->over)
		return true;
	if (upload->err.code == 0)
		(void)err_set(&upload->err, ERR_INTERNAL, "the upload has ended");
	err = upload->err;
	fail_later(upload, &err);
	return false;
}

void loader_upload_add(struct loader_upload *upload, struct slice bytes, loader_done_fn done,
		       void *arg)
{
	struct err err;

	if (upload_ask(upload, done, arg) &&
	    upload_work_add(upload->work, bytes, added, upload, &err) < 0)
		fail_later(upload, &err);
}

void loader_upload_end(struct loader_upload *upload, struct slice folder, loader_done_fn done,
		       void *arg)
{
	const struct resource resource = {.folder = folder, .name = slice_str(upload->name)};
	struct err err;
	int r;

	if (!upload_ask(upload, done, arg))
		return;
	r = resource_check(&resource, &err);
	if (r == 0) {
		memcpy(upload->folder, folder.data, folder.len);
		upload->folder[folder.len] = '\0';
		r = upload_work_end(upload->work, &resource, ended, upload, &err);
	}
	if (r < 0)
		fail_later(upload, &err);
}
