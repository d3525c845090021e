/* SPDX-License-Identifier: Apache-2.0 */
#include "front/test_fake.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any of the six that a client can wait for. */
struct work {
	struct loop_timer soon;
	void (*tell)(struct work *work);
	void *done; /* the callback, of whatever type tell() knows */
	void *arg;
	bool kept; /* until it is left, also when it was told */
	uint64_t at;
	uint8_t *piece;
};

struct fake fake;
static struct work *held;

uint8_t fake_byte(uint64_t at)
{
	return (uint8_t)(at * 7 + (at >> 11));
}

void fake_begin(struct loop *loop)
{
	fake = (struct fake){.loop = loop, .detail = "the text", .logged_in = true};
	held = NULL;
}

void fake_end(void)
{
	assert_int_equal(fake.alive, 0);
}

static void work_free(struct work *work)
{
	loop_timer_clear(&work->soon);
	if (held == work)
		held = NULL;
	free(work->piece);
	free(work);
	fake.alive--;
}

static void on_soon(void *arg)
{
	struct work *work = arg;
	bool kept = work->kept;

	fake.told++;
	work->tell(work);
	/* One that is kept may have been left meanwhile. */
	if (!kept)
		work_free(work);
}

/* Also for a work that was told before: the next callback of it. */
static void tell_later(struct work *work, void (*tell)(struct work *work), void *arg)
{
	struct err err;

	work->tell = tell;
	work->arg = arg;
	if (fake.holds) {
		assert_null(held);
		held = work;
		fake.held++;
		return;
	}
	assert_int_equal(loop_timer_set(&work->soon, 0, &err), 0);
}

void fake_go_on(void)
{
	struct work *work = TAKE(held);

	assert_non_null(work);
	on_soon(work);
}

void fake_forget(void)
{
	held = NULL;
}

static int work_new(bool kept, struct work **ret_work, struct err *err)
{
	struct work *work;

	fake.asked++;
	if (fake.refusal != 0)
		return err_set(err, fake.refusal, "%s", fake.detail);
	work = calloc(1, sizeof(*work));
	assert_non_null(work);
	work->kept = kept;
	loop_timer_init(&work->soon, fake.loop, on_soon, work);
	fake.alive++;
	*ret_work = work;
	return 0;
}

static void leave(void *arg)
{
	if (!arg)
		return;
	fake.left++;
	work_free(arg);
}

static const struct err *outcome(struct err *err)
{
	if (fake.code == 0)
		return NULL;
	(void)err_set(err, fake.code, "%s", fake.detail);
	return err;
}

static void note(char *text, size_t size, struct slice slice)
{
	(void)snprintf(text, size, "%.*s", (int)slice.len, (const char *)slice.data);
}

/* --- F1, F4 --- */

union any_fn {
	void *pointer;
	loader_done_fn done;
	loader_piece_fn piece;
	loader_unlock_fn unlock;
};

static void tell_done(struct work *work)
{
	const union any_fn fn = {.pointer = work->done};
	struct err err;

	fn.done(work->arg, outcome(&err));
}

/* A piece of work with credentials, which the tests look at. */
static int work_of(struct slice email, struct slice password, struct work **ret_work,
		   struct err *err)
{
	int r = work_new(false, ret_work, err);

	if (r < 0)
		return r;
	note(fake.email, sizeof(fake.email), email);
	note(fake.password, sizeof(fake.password), password);
	return 0;
}

int loader_login(struct loader *loader, struct slice email, struct slice password,
		 loader_done_fn done, void *arg, struct loader_login **ret_login, struct err *err)
{
	struct work *work;
	int r = work_of(email, password, &work, err);

	(void)loader;
	if (r < 0)
		return r;
	work->done = (union any_fn){.done = done}.pointer;
	tell_later(work, tell_done, arg);
	*ret_login = (struct loader_login *)work;
	return 0;
}

void loader_login_leave(struct loader_login *login)
{
	leave(login);
}

bool loader_logged_in(const struct loader *loader)
{
	(void)loader;
	return fake.logged_in;
}

static void tell_unlock(struct work *work)
{
	const union any_fn fn = {.pointer = work->done};
	struct err err;

	fn.unlock(work->arg, fake.unlocked, outcome(&err));
}

int loader_unlock(struct loader *loader, struct slice email, struct slice password,
		  loader_unlock_fn done, void *arg, struct loader_unlock **ret_unlock,
		  struct err *err)
{
	struct work *work;
	int r = work_of(email, password, &work, err);

	(void)loader;
	if (r < 0)
		return r;
	work->done = (union any_fn){.unlock = done}.pointer;
	tell_later(work, tell_unlock, arg);
	*ret_unlock = (struct loader_unlock *)work;
	return 0;
}

int loader_images(struct loader *loader, const struct resource *resource, loader_unlock_fn done,
		  void *arg, struct loader_unlock **ret_unlock, struct err *err)
{
	struct work *work;
	int r;

	(void)loader;
	fake.images++;
	if (fake.images_refusal != 0)
		return err_set(err, fake.images_refusal, "%s", fake.detail);
	r = work_new(false, &work, err);
	if (r < 0)
		return r;
	note(fake.folder, sizeof(fake.folder), resource->folder);
	note(fake.name, sizeof(fake.name), resource->name);
	work->done = (union any_fn){.unlock = done}.pointer;
	tell_later(work, tell_unlock, arg);
	*ret_unlock = (struct loader_unlock *)work;
	return 0;
}

void loader_unlock_leave(struct loader_unlock *unlock)
{
	leave(unlock);
}

void loader_unlock_status(const struct loader *loader, struct unlock_status *ret_status)
{
	(void)loader;
	*ret_status = fake.status;
}

const char *unlock_state_name(enum unlock_state state)
{
	static const char *const NAMES[UNLOCK_STATES] = {
		"idle",		  "authenticating", "downloading_key", "decrypting",
		"loading_images", "ready",	    "error",
	};

	return NAMES[state];
}

/* --- F2 --- */

static int load_of(const struct resource *resource, loader_done_fn ready, void *arg,
		   struct loader_load **ret_load, struct err *err)
{
	struct work *work;
	int r = work_new(true, &work, err);

	if (r < 0)
		return r;
	note(fake.folder, sizeof(fake.folder), resource->folder);
	note(fake.name, sizeof(fake.name), resource->name);
	work->done = (union any_fn){.done = ready}.pointer;
	tell_later(work, tell_done, arg);
	*ret_load = (struct loader_load *)work;
	return 0;
}

int loader_load(struct loader *loader, const struct resource *resource, loader_done_fn ready,
		void *arg, struct loader_load **ret_load, struct err *err)
{
	(void)loader;
	return load_of(resource, ready, arg, ret_load, err);
}

int loader_artifact(struct loader *loader, const struct resource *resource, loader_done_fn ready,
		    void *arg, struct loader_load **ret_load, struct err *err)
{
	(void)loader;
	fake.artifacts++;
	return load_of(resource, ready, arg, ret_load, err);
}

const struct manifest *loader_load_manifest(const struct loader_load *load)
{
	(void)load;
	return &fake.manifest;
}

int loader_load_seek(struct loader_load *load, uint64_t from, struct err *err)
{
	assert_int_equal(((struct work *)load)->at, 0);
	fake.seeks++;
	fake.sought = from;
	if (fake.seek_code != 0)
		return err_set(err, fake.seek_code, "%s", fake.detail);
	((struct work *)load)->at = from;
	return 0;
}

uint64_t loader_load_size(const struct loader_load *load)
{
	(void)load;
	return fake.size;
}

static void tell_piece(struct work *work)
{
	const union any_fn fn = {.pointer = work->done};
	uint64_t left = fake.size - work->at;
	size_t len = left < LOADER_PIECE ? (size_t)left : LOADER_PIECE, i;
	struct err err;

	if (++fake.reads == fake.bad_piece) {
		(void)err_set(&err, ERR_DAMAGED, "what is inside");
		fn.piece(work->arg, slice_of(NULL, 0), &err);
		return;
	}
	/* One block for all: what was given before is overwritten. */
	if (!work->piece)
		work->piece = malloc(LOADER_PIECE);
	assert_non_null(work->piece);
	for (i = 0; i < len; i++)
		work->piece[i] = fake_byte(work->at + i);
	work->at += len;
	fn.piece(work->arg, slice_of(work->piece, len), NULL);
}

void loader_load_read(struct loader_load *load, loader_piece_fn piece, void *arg)
{
	struct work *work = (struct work *)load;

	if (work->piece)
		memset(work->piece, 0xee, LOADER_PIECE);
	work->done = (union any_fn){.piece = piece}.pointer;
	tell_later(work, tell_piece, arg);
}

void loader_load_leave(struct loader_load *load)
{
	leave(load);
}

/* --- F3 --- */

int loader_upload_new(struct loader *loader, struct slice name, struct loader_upload **ret_upload,
		      struct err *err)
{
	struct work *work;
	int r = work_new(true, &work, err);

	(void)loader;
	if (r < 0)
		return r;
	note(fake.name, sizeof(fake.name), name);
	*ret_upload = (struct loader_upload *)work;
	return 0;
}

static void tell_added(struct work *work)
{
	const union any_fn fn = {.pointer = work->done};
	struct err err;

	(void)err_set(&err, ERR_DISK_FULL, "%s", fake.detail);
	fn.done(work->arg, fake.adding_fails ? &err : NULL);
}

void loader_upload_add(struct loader_upload *upload, struct slice bytes, loader_done_fn done,
		       void *arg)
{
	struct work *work = (struct work *)upload;
	size_t i;

	assert_true(bytes.len > 0 && bytes.len <= LOADER_PIECE);
	for (i = 0; i < bytes.len; i++)
		fake.added_others |= bytes.data[i] != fake_byte(fake.added + i);
	fake.adds++;
	fake.added += bytes.len;
	fake.added_most = bytes.len > fake.added_most ? bytes.len : fake.added_most;
	work->done = (union any_fn){.done = done}.pointer;
	tell_later(work, tell_added, arg);
}

void loader_upload_end(struct loader_upload *upload, struct slice folder, loader_done_fn done,
		       void *arg)
{
	struct work *work = (struct work *)upload;

	note(fake.folder, sizeof(fake.folder), folder);
	fake.ends++;
	work->done = (union any_fn){.done = done}.pointer;
	tell_later(work, tell_done, arg);
}

void loader_upload_leave(struct loader_upload *upload)
{
	leave(upload);
}

/* --- what there is to see --- */

const char *download_state_name(enum download_state state)
{
	static const char *const NAMES[DOWNLOAD_STATES] = {
		"queued", "running", "waiting", "checking", "done", "failed", "cancelled",
	};

	return NAMES[state];
}

void loader_progress(const struct loader *loader, download_visit_fn visit, void *arg)
{
	size_t i;

	(void)loader;
	for (i = 0; i < fake.progress_count; i++)
		visit(arg, &fake.progress[i]);
}

int loader_cancel(struct loader *loader, const struct resource *resource, struct err *err)
{
	(void)loader;
	note(fake.folder, sizeof(fake.folder), resource->folder);
	note(fake.name, sizeof(fake.name), resource->name);
	fake.cancels++;
	return fake.refusal != 0 ? err_set(err, fake.refusal, "%s", fake.detail) : 0;
}
