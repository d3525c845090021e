/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt at a time. It begins with a look at the images, by which F4 is answered, and goes on
 * from callback to callback:
 *
 *   look > find the archive > login > fragment > first pass > look (what the tags name)
 *        > load > look (what they name now) > ready, or undo > error
 *
 * A look comes behind a load that has failed too, for the undo.
 *
 * Whoever asks gets his answer from a timer of his own, so nothing of ours is on the stack when his
 * callback does what it likes.
 */
#include "loader/unlock.h"

#include <stdio.h>

#include "artifact/v1_key.h"
#include "docker/docker.h"
#include "loader/archive.h"
#include "loader/fault.h"
#include "loader/images.h"

#define UNLOCK_CALLS 64u /* that wait for an answer */
#define NOTE_MAX     512u

struct unlock_call {
	struct unlock *unlock;
	struct unlock_call *next;
	loader_unlock_fn done;
	void *arg;
	struct loop_timer timer; /* set: it has its answer */
	enum unlock_state state;
	struct err err;
};

struct unlock {
	struct jobs *jobs;
	struct session *session;
	const struct loader_config *config;
	struct docker *docker; /* NULL: none is configured, nor are the others there */
	struct images *images;
	struct unlock_call *calls;
	unsigned call_count;
	bool at_work;
	bool looking; /* at work, and F4 has no answer yet */
	struct secret *email, *password;
	struct session_call *session_call;
	struct archive *archive;
	struct unlock_status status;
};

const char *unlock_state_name(enum unlock_state state)
{
	static const char *const names[] = {
		[UNLOCK_IDLE] = "idle",
		[UNLOCK_AUTHENTICATING] = "authenticating",
		[UNLOCK_DOWNLOADING_KEY] = "downloading_key",
		[UNLOCK_DECRYPTING] = "decrypting",
		[UNLOCK_LOADING_IMAGES] = "loading_images",
		[UNLOCK_READY] = "ready",
		[UNLOCK_ERROR] = "error",
	};

	return names[state];
}

/* --- who asks --- */

static void call_unlink(struct unlock_call *call)
{
	struct unlock_call **at = &call->unlock->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->unlock->call_count--;
}

static void call_end(struct unlock_call *call)
{
	call_unlink(call);
	loop_timer_clear(&call->timer);
	free(call);
}

static void call_tell(void *arg)
{
	struct unlock_call *call = arg;
	struct unlock_call told = *call;

	call_end(call);
	told.done(told.arg, told.state, told.err.code != 0 ? &told.err : NULL);
}

static int call_answer(struct unlock_call *call, enum unlock_state state, const struct err *err,
		       struct err *ret_err)
{
	call->state = state;
	if (err)
		call->err = *err;
	return loop_timer_set(&call->timer, 0, ret_err);
}

static int call_new(struct unlock *unlock, loader_unlock_fn done, void *arg,
		    struct unlock_call **ret_call, struct err *err)
{
	struct unlock_call *call;

	if (unlock->call_count == UNLOCK_CALLS)
		return err_set(err, FAULT_BUSY, "too many wait for the images");
	call = calloc(1, sizeof(*call));
	if (!call)
		return err_set(err, ERR_INTERNAL, "memory is short");
	call->unlock = unlock;
	call->done = done;
	call->arg = arg;
	loop_timer_init(&call->timer, jobs_loop(unlock->jobs), call_tell, call);
	call->next = unlock->calls;
	unlock->calls = call;
	unlock->call_count++;
	*ret_call = call;
	return 0;
}

static struct unlock_call *unanswered(const struct unlock *unlock)
{
	struct unlock_call *call = unlock->calls;

	while (call && call->timer.slot != 0)
		call = call->next;
	return call;
}

/* Without memory for a timer the callback comes at once. */
static void answer_all(struct unlock *unlock, enum unlock_state state, const struct err *err)
{
	struct unlock_call *call;

	unlock->looking = false;
	while ((call = unanswered(unlock)) != NULL) {
		struct err short_of = {0};

		if (call_answer(call, state, err, &short_of) < 0)
			call_tell(call);
	}
}

/* --- how an attempt ends --- */

static void attempt_end(struct unlock *unlock)
{
	unlock->at_work = false;
	if (unlock->archive)
		archive_progress(unlock->archive, &unlock->status.done, &unlock->status.total);
	session_leave(TAKE(unlock->session_call));
	archive_free(TAKE(unlock->archive));
	secret_free(TAKE(unlock->email));
	secret_free(TAKE(unlock->password));
}

static void end_ready(struct unlock *unlock)
{
	attempt_end(unlock);
	unlock->status.state = UNLOCK_READY;
	if (unlock->looking)
		answer_all(unlock, UNLOCK_READY, NULL);
}

/* The whole text, whatever of it the front tells. */
static void note_error(const struct unlock *unlock, const struct err *err)
{
	char text[NOTE_MAX];

	snprintf(text, sizeof(text), "the images were not loaded: %s: %s",
		 fault_info(err->code)->name, err->text);
	if (unlock->config->note)
		unlock->config->note(unlock->config->note_arg, LOADER_WARNING, text);
}

static void end_error(struct unlock *unlock, const struct err *err)
{
	note_error(unlock, err);
	attempt_end(unlock);
	unlock->status.state = UNLOCK_ERROR;
	unlock->status.err = *err;
	if (unlock->looking)
		answer_all(unlock, UNLOCK_AUTHENTICATING, NULL);
}

/* Whatever the engine's error is called in its room. */
static void end_docker(struct unlock *unlock, const struct err *err)
{
	struct err failed = *err;

	failed.code = FAULT_DOCKER;
	end_error(unlock, &failed);
}

static void on_undone(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;
	const struct err cause = unlock->status.err;

	(void)err;
	end_error(unlock, &cause);
}

static void undo(struct unlock *unlock, bool seen)
{
	if (!images_undo(unlock->images, seen, on_undone, unlock))
		on_undone(unlock, NULL);
}

static void keep_cause(struct unlock *unlock, const struct err *cause, bool of_docker)
{
	unlock->status.err = *cause;
	if (of_docker)
		unlock->status.err.code = FAULT_DOCKER;
}

/* All was loaded, and is not what it must be, or cannot be told to be. */
static void undo_all(struct unlock *unlock, const struct err *cause, bool of_docker)
{
	keep_cause(unlock, cause, of_docker);
	undo(unlock, false);
}

static void on_seen(void *arg, const struct err *err)
{
	undo(arg, !err);
}

/* The load has failed; how far it came the tags tell. */
static void undo_load(struct unlock *unlock, const struct err *cause, bool of_docker)
{
	struct err unseen = {0};

	keep_cause(unlock, cause, of_docker);
	if (unlock->config->image_count == 0 ||
	    images_look(unlock->images, on_seen, unlock, &unseen) < 0)
		undo(unlock, false);
}

/* --- the load --- */

static void on_compared(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;
	struct err other = {0};

	if (err)
		undo_all(unlock, err, true);
	else if (images_fit(unlock->images, &other) < 0 || images_only(unlock->images, &other) < 0)
		undo_all(unlock, &other, false);
	else
		end_ready(unlock);
}

static void compare(struct unlock *unlock)
{
	struct err err = {0};

	if (unlock->config->image_count == 0)
		end_ready(unlock);
	else if (images_look(unlock->images, on_compared, unlock, &err) < 0)
		undo_all(unlock, &err, true);
}

static int source_more(void *arg, uint8_t *at, size_t size, size_t *ret_len, struct err *err)
{
	struct unlock *unlock = arg;

	return archive_read(unlock->archive, at, size, ret_len, err);
}

static void on_more(void *arg)
{
	struct unlock *unlock = arg;

	docker_load_resume(unlock->docker);
}

static void on_heard(void *arg, const char *ref)
{
	struct unlock *unlock = arg;

	images_heard(unlock->images, ref);
}

static void on_loaded(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;
	struct err own = {0};

	if (archive_failed(unlock->archive))
		own = *archive_failed(unlock->archive);
	if (own.code != 0)
		undo_load(unlock, &own, false);
	else if (err)
		undo_load(unlock, err, true);
	else
		compare(unlock);
}

static void load(struct unlock *unlock)
{
	static const struct docker_source source = {source_more, on_heard, on_loaded};
	struct err err = {0};
	int r = archive_open(unlock->archive, on_more, &err);

	if (r < 0)
		end_error(unlock, &err);
	else if (docker_load(unlock->docker, archive_plain(unlock->archive), &source, unlock,
			     &err) < 0)
		end_docker(unlock, &err);
}

static void on_remembered(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;

	if (err) {
		end_docker(unlock, err);
		return;
	}
	images_keep(unlock->images);
	load(unlock);
}

static void remember(struct unlock *unlock)
{
	struct err err = {0};

	unlock->status.state = UNLOCK_LOADING_IMAGES;
	if (unlock->config->image_count == 0)
		load(unlock);
	else if (images_look(unlock->images, on_remembered, unlock, &err) < 0)
		end_docker(unlock, &err);
}

/* --- up to the first pass --- */

static void note_unsigned(const struct unlock *unlock)
{
	const char *slash = strrchr(unlock->config->images_path, '/');
	char text[NOTE_MAX];

	snprintf(text, sizeof(text),
		 "images/%s: no signature: length, padding and ids are all that was checked",
		 slash ? slash + 1 : unlock->config->images_path);
	if (unlock->config->note)
		unlock->config->note(unlock->config->note_arg, LOADER_WARNING, text);
}

static void find_end(struct unlock *unlock, const struct err *err);

/* Of archive_find() as long as F4 has no answer, then of archive_check(). */
static void on_archive(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;

	if (unlock->looking) {
		find_end(unlock, err);
	} else if (err) {
		end_error(unlock, err);
	} else {
		if (!archive_signed(unlock->archive))
			note_unsigned(unlock);
		remember(unlock);
	}
}

static void on_fragment(void *arg, struct slice fragment, const struct err *err)
{
	struct unlock *unlock = arg;
	struct secret *key = NULL;
	struct err failed = {0};
	int r;

	unlock->session_call = NULL;
	if (err) {
		end_error(unlock, err);
		return;
	}
	r = v1_key_archive(fragment, &key, &failed);
	if (r == 0) {
		unlock->status.state = UNLOCK_DECRYPTING;
		r = archive_check(unlock->archive, key, &failed);
	}
	if (r < 0)
		end_error(unlock, &failed);
}

static void on_login(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;
	struct err failed = {0};

	unlock->session_call = NULL;
	if (err) {
		end_error(unlock, err);
		return;
	}
	unlock->status.state = UNLOCK_DOWNLOADING_KEY;
	if (session_fragment(unlock->session, on_fragment, unlock, &unlock->session_call, &failed) <
	    0)
		end_error(unlock, &failed);
}

/* The session has its own copy of email and password. */
static void login(struct unlock *unlock)
{
	struct err err = {0};
	int r = session_login(unlock->session, secret_slice(unlock->email),
			      secret_slice(unlock->password), on_login, unlock,
			      &unlock->session_call, &err);

	secret_free(TAKE(unlock->email));
	secret_free(TAKE(unlock->password));
	unlock->status = (struct unlock_status){.state = UNLOCK_AUTHENTICATING};
	answer_all(unlock, UNLOCK_AUTHENTICATING, NULL);
	if (r < 0)
		end_error(unlock, &err);
}

/* --- the look, by which F4 is answered --- */

static void end_absent(struct unlock *unlock)
{
	struct err err = {0};

	attempt_end(unlock);
	unlock->status = (struct unlock_status){.state = UNLOCK_IDLE};
	err_set(&err, ERR_NOT_FOUND, "there is no archive of images, nor are they loaded");
	answer_all(unlock, UNLOCK_IDLE, &err);
}

static void find_end(struct unlock *unlock, const struct err *err)
{
	if (!err)
		login(unlock);
	else if (err->code == ERR_NOT_FOUND)
		end_absent(unlock);
	else
		end_error(unlock, err);
}

static int find(struct unlock *unlock, struct err *err)
{
	int r = archive_new(unlock->jobs, unlock->config, on_archive, unlock, &unlock->archive,
			    err);

	return r < 0 ? r : archive_find(unlock->archive, err);
}

static void on_looked(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;
	struct err other = {0};

	if (err)
		end_docker(unlock, err);
	else if (images_fit(unlock->images, &other) == 0)
		end_ready(unlock);
	else if (!unlock->config->images_path)
		end_absent(unlock);
	else if (find(unlock, &other) < 0)
		end_error(unlock, &other);
}

/* Where no images are named, nothing tells whether they are there but that we have loaded them. */
static int look(struct unlock *unlock, struct err *err)
{
	struct err failed = {0};

	if (unlock->config->image_count == 0)
		return unlock->config->images_path
			       ? find(unlock, err)
			       : err_set(err, ERR_NOT_FOUND,
					 "neither archive nor images are configured");
	if (images_look(unlock->images, on_looked, unlock, &failed) < 0)
		end_docker(unlock, &failed);
	return 0;
}

static int attempt(struct unlock *unlock, struct slice email, struct slice password,
		   struct err *err)
{
	int r = secret_copy(email, &unlock->email, err);

	if (r == 0)
		r = secret_copy(password, &unlock->password, err);
	unlock->at_work = unlock->looking = r == 0;
	if (r == 0)
		r = look(unlock, err);
	if (r < 0) {
		unlock->looking = false;
		attempt_end(unlock);
	}
	return r;
}

static bool is_loaded(const struct unlock *unlock)
{
	return unlock->config->image_count == 0 && unlock->status.state == UNLOCK_READY;
}

int unlock_begin(struct unlock *unlock, struct slice email, struct slice password,
		 loader_unlock_fn done, void *arg, struct unlock_call **ret_call, struct err *err)
{
	struct unlock_call *call = NULL;
	int r = 0;

	if (!unlock->docker)
		return err_set(err, ERR_NOT_FOUND, "no docker_socket is configured");
	r = call_new(unlock, done, arg, &call, err);
	if (r < 0)
		return r;
	if (is_loaded(unlock) || (unlock->at_work && !unlock->looking))
		r = call_answer(call, unlock->status.state, NULL, err);
	else if (!unlock->looking)
		r = attempt(unlock, email, password, err);
	if (r < 0)
		call_end(call);
	else
		*ret_call = call;
	return r;
}

void unlock_leave(struct unlock_call *call)
{
	if (call)
		call_end(call);
}

void unlock_status(const struct unlock *unlock, struct unlock_status *ret_status)
{
	*ret_status = unlock->status;
	if (unlock->archive)
		archive_progress(unlock->archive, &ret_status->done, &ret_status->total);
	if (unlock->status.state != UNLOCK_ERROR)
		ret_status->err = (struct err){0};
}

/* --- its life --- */

int unlock_new(struct jobs *jobs, struct fetch *fetch, struct session *session,
	       const struct loader_config *config, struct unlock **ret_unlock, struct err *err)
{
	CLEANUP(unlock_cleanup) struct unlock *unlock = calloc(1, sizeof(*unlock));
	int r = 0;

	if (!unlock)
		return err_set(err, ERR_INTERNAL, "memory is short");
	unlock->jobs = jobs;
	unlock->session = session;
	unlock->config = config;
	if (config->docker_socket)
		r = docker_new(fetch, config->docker_socket, &unlock->docker, err);
	if (r == 0 && unlock->docker)
		r = images_new(config, unlock->docker, &unlock->images, err);
	if (r == 0)
		*ret_unlock = TAKE(unlock);
	return r;
}

void unlock_free(struct unlock *unlock)
{
	if (!unlock)
		return;
	while (unlock->calls)
		call_end(unlock->calls);
	docker_free(unlock->docker);
	attempt_end(unlock);
	images_free(unlock->images);
	free(unlock);
}
