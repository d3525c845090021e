/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt at a time. It begins with a look at the images, by which F4 is answered, and goes on
 * from callback to callback:
 *
 *   look > find the archive > login > fragment > first pass > look (what the tags name)
 *        > load > look (what they name now) > ready, or undo > error
 *
 * A look comes behind a load that has failed too, for the undo. Of an archive of version 2 the
 * artifact stands in the place of find, fragment and first pass (unlock_artifact.c).
 */
#include <stdio.h>

#include "artifact/v1_key.h"
#include "loader/fault.h"
#include "loader/impl.h"
#include "loader/unlock_impl.h"

#define NOTE_MAX 512u

/* --- how an attempt ends --- */

static void see_progress(const struct unlock *unlock, struct unlock_status *ret_status)
{
	if (unlock->archive)
		archive_progress(unlock->archive, &ret_status->done, &ret_status->total);
	else if (unlock->artifact)
		artifact_progress(unlock->artifact, &ret_status->done, &ret_status->total);
}

void unlock_attempt_end(struct unlock *unlock)
{
	unlock->at_work = false;
	see_progress(unlock, &unlock->status);
	session_leave(TAKE(unlock->session_call));
	archive_free(TAKE(unlock->archive));
	if (unlock->images)
		images_forget(unlock->images);
	artifact_free(TAKE(unlock->artifact));
	secret_free(TAKE(unlock->email));
	secret_free(TAKE(unlock->password));
}

static void end_ready(struct unlock *unlock)
{
	unlock_attempt_end(unlock);
	unlock->loaded = unlock->is_own;
	unlock->status.state = UNLOCK_READY;
	if (unlock->looking)
		unlock_answer_all(unlock, UNLOCK_READY, NULL);
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

void unlock_end_error(struct unlock *unlock, const struct err *err)
{
	note_error(unlock, err);
	unlock_attempt_end(unlock);
	unlock->status.state = UNLOCK_ERROR;
	unlock->status.err = *err;
	if (unlock->looking)
		unlock_answer_all(unlock, UNLOCK_AUTHENTICATING, NULL);
}

/* Whatever the engine's error is called in its room. */
static void end_docker(struct unlock *unlock, const struct err *err)
{
	struct err failed = *err;

	failed.code = FAULT_DOCKER;
	unlock_end_error(unlock, &failed);
}

static void on_undone(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;
	const struct err cause = unlock->status.err;

	(void)err;
	unlock_end_error(unlock, &cause);
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
	if (images_count(unlock->images) == 0 ||
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

	if (images_count(unlock->images) == 0)
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
		unlock_end_error(unlock, &err);
	else if (docker_load(unlock->docker, archive_plain(unlock->archive), &source, unlock,
			     &err) < 0)
		end_docker(unlock, &err);
}

static void on_remembered(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;

	struct err other = {0};

	if (err) {
		end_docker(unlock, err);
		return;
	}
	/* Only a manifest tells before the load that it would bring what is there. */
	if (unlock->artifact && images_fit(unlock->images, &other) == 0) {
		end_ready(unlock);
		return;
	}
	images_keep(unlock->images);
	load(unlock);
}

void unlock_load(struct unlock *unlock)
{
	struct err err = {0};

	unlock->status.state = UNLOCK_LOADING_IMAGES;
	if (images_count(unlock->images) == 0)
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
		unlock_end_error(unlock, err);
	} else {
		if (!archive_signed(unlock->archive))
			note_unsigned(unlock);
		unlock_load(unlock);
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
		unlock_end_error(unlock, err);
		return;
	}
	r = v1_key_archive(fragment, &key, &failed);
	if (r == 0) {
		unlock->status.state = UNLOCK_DECRYPTING;
		r = archive_check(unlock->archive, key, &failed);
	}
	if (r < 0)
		unlock_end_error(unlock, &failed);
}

static void on_login(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;
	struct err failed = {0};

	unlock->session_call = NULL;
	if (unlock_has_artifact(unlock)) {
		unlock_artifact_login(unlock, err);
		return;
	}
	if (err) {
		unlock_end_error(unlock, err);
		return;
	}
	unlock->status.state = UNLOCK_DOWNLOADING_KEY;
	if (session_fragment(unlock->session, on_fragment, unlock, &unlock->session_call, &failed) <
	    0)
		unlock_end_error(unlock, &failed);
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
	unlock_answer_all(unlock, UNLOCK_AUTHENTICATING, NULL);
	if (r < 0)
		unlock_end_error(unlock, &err);
}

/* --- the look, by which F4 is answered --- */

static void end_absent(struct unlock *unlock)
{
	struct err err = {0};

	unlock_attempt_end(unlock);
	unlock->status = (struct unlock_status){.state = UNLOCK_IDLE};
	err_set(&err, ERR_NOT_FOUND, "there is no archive of images, nor are they loaded");
	unlock_answer_all(unlock, UNLOCK_IDLE, &err);
}

static void find_end(struct unlock *unlock, const struct err *err)
{
	if (!err)
		login(unlock);
	else if (err->code == ERR_NOT_FOUND)
		end_absent(unlock);
	else
		unlock_end_error(unlock, err);
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

	/* Of an artifact its manifest alone says which images are the right ones. */
	if (err)
		end_docker(unlock, err);
	else if (unlock_has_artifact(unlock))
		login(unlock);
	else if (images_fit(unlock->images, &other) == 0)
		end_ready(unlock);
	else if (!unlock->config->images_path)
		end_absent(unlock);
	else if (find(unlock, &other) < 0)
		unlock_end_error(unlock, &other);
}

/* Where no images are named, nothing tells whether they are there but that we have loaded them. */
static int look(struct unlock *unlock, struct err *err)
{
	struct err failed = {0};

	if (images_count(unlock->images) > 0) {
		if (images_look(unlock->images, on_looked, unlock, &failed) < 0)
			end_docker(unlock, &failed);
		return 0;
	}
	if (unlock->config->images_path)
		return find(unlock, err);
	if (!unlock_has_artifact(unlock))
		return err_set(err, ERR_NOT_FOUND, "neither archive nor images are configured");
	login(unlock);
	return 0;
}

static int attempt(struct unlock *unlock, struct slice email, struct slice password,
		   struct err *err)
{
	int r = secret_copy(email, &unlock->email, err);

	if (r == 0)
		r = secret_copy(password, &unlock->password, err);
	unlock->at_work = unlock->looking = unlock->is_own = r == 0;
	unlock->loaded = false;
	if (r == 0)
		r = look(unlock, err);
	if (r < 0) {
		unlock->looking = false;
		unlock_attempt_end(unlock);
	}
	return r;
}

static bool is_loaded(const struct unlock *unlock)
{
	return unlock->config->image_count == 0 && unlock->loaded && !unlock->at_work;
}

int unlock_begin(struct unlock *unlock, struct slice email, struct slice password,
		 loader_unlock_fn done, void *arg, struct unlock_call **ret_call, struct err *err)
{
	struct unlock_call *call = NULL;
	int r = 0;

	if (!unlock->docker)
		return err_set(err, ERR_NOT_FOUND, "no docker_socket is configured");
	r = unlock_call_new(unlock, done, arg, &call, err);
	if (r < 0)
		return r;
	if (is_loaded(unlock))
		r = unlock_call_answer(call, UNLOCK_READY, NULL, err);
	else if (unlock->at_work && !unlock->looking)
		r = unlock_call_answer(call, unlock->status.state, NULL, err);
	else if (!unlock->looking)
		r = attempt(unlock, email, password, err);
	if (r < 0)
		unlock_call_end(call);
	else
		*ret_call = call;
	return r;
}

void unlock_status(const struct unlock *unlock, struct unlock_status *ret_status)
{
	*ret_status = unlock->status;
	see_progress(unlock, ret_status);
	if (unlock->status.state != UNLOCK_ERROR)
		ret_status->err = (struct err){0};
}

/* --- its life --- */

int unlock_new(struct loader *loader, struct unlock **ret_unlock, struct err *err)
{
	const struct loader_config *config = loader->config;
	CLEANUP(unlock_cleanup) struct unlock *unlock = calloc(1, sizeof(*unlock));
	int r = 0;

	if (!unlock)
		return err_set(err, ERR_INTERNAL, "memory is short");
	unlock->loader = loader;
	unlock->jobs = loader->jobs;
	unlock->session = loader->session;
	unlock->config = config;
	if (config->docker_socket)
		r = docker_new(loader->fetch, config->docker_socket, &unlock->docker, err);
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
		unlock_call_end(unlock->calls);
	docker_free(unlock->docker);
	unlock_attempt_end(unlock);
	images_free(unlock->images);
	free(unlock);
}
