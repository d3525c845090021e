/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One release on its way:
 *
 *   manifest (API)  >  look (pool)  >  check (pool, ..)  >  key (pool)   >  taken
 *                        |  ^             |                  |    ^
 *                        download  <------- (once)          key (API), once
 *
 * Before a download a key must be at hand, on disk or as the API gives it: who has none for this
 * device fetches nothing.
 *
 * A look is all that costs little: manifests of the API, the cache and import_dir, signature,
 * floor, expiry, what protects this device, and whether the payload is there. After a download it
 * is done once more, so that a floor that has risen meanwhile counts.
 */
#include "loader/artifact_impl.h"

#include <stdio.h>

#include "artifact/device_key.h"
#include "artifact/v1.h"
#include "crypto/cms.h"
#include "loader/fault.h"
#include "loader/stick.h"

#define HURRY_US UINT64_C(5000000)

void artifact_note(const struct artifact *artifact, enum loader_note level, const char *text,
		   const struct err *why)
{
	char line[1024];

	if (!artifact->config->note)
		return;
	(void)snprintf(line, sizeof(line), "%s/%s: %s%s%s", artifact->folder, artifact->name, text,
		       why ? ": " : "", why ? why->text : "");
	artifact->config->note(artifact->config->note_arg, level, line);
}

/* --- steps: this device --- */

/* Its Name is good for the search on a medium alone, so without it nothing is lost. */
static void keep_name(struct artifact *artifact, struct slice area)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
	struct err ignored;

	artifact->storage_key[0] = '\0';
	if (wrap_public_read(area, &public, &ignored) == 0)
		wrap_public_hex(public, artifact->storage_key);
}

/* What holds this device's key is what the manifest asks for. */
static int check_device(struct artifact *artifact, bool anew, struct err *err)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
	const struct loader_device *device = artifact->config->device;
	bool is_tpm = false;
	int r;

	if (!device)
		return err_set(err, ERR_TPM_REQUIRED,
			       "artifacts of version 2 are opened by holdfastd, which is not used");
	r = device->storage_key(device->arg, anew, &area, &is_tpm, err);
	if (r < 0)
		return r;
	if (artifact->manifest->protection == MANIFEST_TPM && !is_tpm)
		return err_set(err, ERR_TPM_REQUIRED,
			       "the artifact is for devices whose key is in a TPM");
	keep_name(artifact, buf_slice(&area));
	return 0;
}

/* --- steps: the type --- */

static int check_type(const struct artifact *artifact, struct err *err)
{
	static const struct {
		enum manifest_type type;
		const char *text;
	} OTHERS[] = {
		[ARTIFACT_FILE] = {MANIFEST_IMAGES_ARCHIVE,
				   "an archive of images goes to the engine alone"},
		[ARTIFACT_IMAGES] = {MANIFEST_FILE, "the artifact is no archive of images"},
		[ARTIFACT_FILE_OR_NAMES] = {MANIFEST_TYPES, NULL},
	};

	return artifact->manifest->type == OTHERS[artifact->need].type
		       ? err_set(err, ERR_INVALID, "%s", OTHERS[artifact->need].text)
		       : 0;
}

static bool wants_payload(const struct artifact *artifact)
{
	return artifact->need != ARTIFACT_FILE_OR_NAMES ||
	       artifact->manifest->type == MANIFEST_FILE;
}

/* --- steps: the payload --- */

static int find_payload(struct artifact *artifact, struct err *err)
{
	const struct manifest *manifest = artifact->manifest;
	uint64_t size = 0;
	int r = cache_payload(artifact->cache, &artifact->resource, manifest->payload_digest,
			      &artifact->payload, &size, err);

	artifact->found = PAYLOAD_MISSING;
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0 && size != manifest->payload_size)
		r = err_set(err, ERR_DAMAGED, "it has another size");
	if (r == ERR_DAMAGED || r == ERR_UNREADABLE) {
		artifact->found = PAYLOAD_BAD;
		artifact->bad = *err;
		return 0;
	}
	artifact->found = PAYLOAD_LOOKING;
	return r < 0 ? r
		     : payload_check_new(artifact->payload, manifest->payload_size,
					 manifest->payload_digest, &artifact->check, err);
}

static int find_cached(struct artifact *artifact, struct err *err)
{
	return cache_key(artifact->cache, &artifact->resource, artifact->manifest->digest,
			 &artifact->line, err);
}

static int find_carried(struct artifact *artifact, struct err *err)
{
	const struct stick_wish wish = {artifact->manifest, artifact->storage_key};

	if (artifact->storage_key[0] == '\0')
		return err_set(err, ERR_NOT_FOUND, "there is no Name to look for");
	return stick_key(artifact->config->import_dir, &wish, &artifact->line, err);
}

/* Whether it opens shows when the payload is there. */
static bool has_key(struct artifact *artifact)
{
	struct err ignored;
	bool has;

	buf_reset(&artifact->line);
	has = find_cached(artifact, &ignored) == 0 || find_carried(artifact, &ignored) == 0;
	buf_reset(&artifact->line);
	return has;
}

static void look_again(struct artifact *artifact)
{
	payload_check_free(TAKE(artifact->check));
	fd_close_cleanup(&artifact->payload);
	artifact->payload = -1;
	manifest_free(TAKE(artifact->manifest));
	artifact->leaves_v1 = false;
	artifact->found = PAYLOAD_UNWANTED;
}

static bool is_absent(const struct artifact *artifact)
{
	return artifact->found == PAYLOAD_MISSING || artifact->found == PAYLOAD_BAD;
}

/* Before much is fetched for it, the service is asked whether the storage key is still that one. */
static bool is_costly(const struct artifact *artifact)
{
	return !artifact->fetched && is_absent(artifact);
}

static int look(void *arg, struct err *err)
{
	struct artifact *artifact = arg;
	int r;

	look_again(artifact);
	r = artifact_find_manifest(artifact, err);
	if (r == 0)
		r = check_type(artifact, err);
	if (r == 0 && wants_payload(artifact))
		r = find_payload(artifact, err);
	if (r == 0)
		r = check_device(artifact, is_costly(artifact), err);
	artifact->has_key = r == 0 && is_absent(artifact) && has_key(artifact);
	return r;
}

static int check_on(void *arg, struct err *err)
{
	struct artifact *artifact = arg;
	bool end = false;
	int r = payload_check_step(artifact->check, BLOB_STEP, &end, err);

	if (r == 0 && !end)
		return 0;
	if (r == 0)
		r = payload_check_end(artifact->check, err);
	artifact->found = r == 0 ? PAYLOAD_GOOD : PAYLOAD_BAD;
	if (r != ERR_DAMAGED && r != ERR_UNREADABLE)
		return r;
	artifact->bad = *err;
	return 0;
}

/* --- steps: the device key --- */

/* It is not for this release or this device, or was changed: another one may be. */
static bool is_no_key(int code)
{
	return code == ERR_DAMAGED || code == ERR_INVALID || code == ERR_NOT_SUPPORTED ||
	       code == ERR_WRONG_NAME || code == ERR_WRONG_TPM || code == ERR_TOO_LARGE;
}

static int unwrap(struct artifact *artifact, struct err *err)
{
	CLEANUP(device_key_cleanup) struct device_key key = DEVICE_KEY_INIT;
	CLEANUP(secret_cleanup) struct secret *inside = NULL;
	const struct loader_device *device = artifact->config->device;
	const uint8_t *digest = artifact->manifest->digest;
	struct duplicate wrapped;
	int r = device_key_parse(buf_slice(&artifact->line), &key, err);

	if (r == 0 && !slice_equal(slice_of(key.manifest, MANIFEST_DIGEST),
				   slice_of(digest, MANIFEST_DIGEST)))
		r = err_set(err, ERR_DAMAGED, "the device key is of another release");
	wrapped = duplicate_of(&key.wrapped);
	if (r == 0)
		r = device->unwrap(device->arg, &wrapped, &inside, err);
	return r < 0 ? r : device_key_take(inside, digest, &artifact->key, err);
}

/* All has passed: from now on this release is the one, and what was before it is not any more. */
static int take(struct artifact *artifact, struct err *err)
{
	const struct cache_release release = {
		.manifest = artifact->manifest,
		.whole = buf_slice(&artifact->whole),
		.line = buf_slice(&artifact->line),
	};

	return cache_take_release(artifact->cache, &artifact->resource, &release, err);
}

/* Where one is without asking for it; each is given up when it does not open. */
static int find_key(void *arg, struct err *err)
{
	static const struct {
		int (*find)(struct artifact *artifact, struct err *err);
		const char *text;
	} places[] = {
		{find_cached, "the device key in the cache does not open"},
		{find_carried, "the device key in import_dir does not open"},
	};
	struct artifact *artifact = arg;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		int r;

		buf_reset(&artifact->line);
		r = places[i].find(artifact, err);
		if (r == 0)
			r = unwrap(artifact, err);
		if (r == 0)
			return take(artifact, err);
		if (is_no_key(r) || r == ERR_UNREADABLE)
			artifact_note(artifact, LOADER_NOTICE, places[i].text, err);
		else if (r != ERR_NOT_FOUND)
			return r;
		/* It may be the storage key that is another one by now. */
		if (is_no_key(r) && check_device(artifact, true, err) < 0)
			return err->code;
	}
	return 0;
}

static int open_key(void *arg, struct err *err)
{
	struct artifact *artifact = arg;
	int r;

	buf_reset(&artifact->line);
	buf_put(&artifact->line, buf_slice(&artifact->asked));
	r = unwrap(artifact, err);
	artifact->no_key = is_no_key(r);
	if (artifact->no_key)
		return err_set(err, ERR_DAMAGED, V1_DOES_NOT_OPEN);
	return r < 0 ? r : take(artifact, err);
}

/* --- the loop's side --- */

static void destroy(struct artifact *artifact)
{
	payload_check_free(artifact->check);
	fd_close_cleanup(&artifact->payload);
	manifest_free(artifact->manifest);
	secret_free(artifact->key);
	cache_free(artifact->cache);
	buf_fini(&artifact->given);
	buf_fini(&artifact->whole);
	buf_fini(&artifact->line);
	buf_fini(&artifact->asked);
	free(artifact);
}

static void finish(struct artifact *artifact, const struct err *err)
{
	loader_done_fn done = TAKE(artifact->done);

	/* Who asks is told no more than that the log has it. */
	if (err && (err->code == ERR_INTERNAL || err->code == ERR_UNREADABLE ||
		    err->code == ERR_DISK_FULL))
		artifact_note(artifact, LOADER_WARNING, err->text, NULL);
	buf_fini(&artifact->given);
	buf_fini(&artifact->whole);
	done(artifact->arg, err);
}

static void run(struct artifact *artifact, task_step_fn step,
		void (*next_fn)(struct artifact *artifact))
{
	struct err err;

	artifact->next_fn = next_fn;
	if (task_run(&artifact->task, step, &err) < 0)
		finish(artifact, &err);
}

static void step_ended(void *arg, const struct err *err)
{
	struct artifact *artifact = arg;

	if (!artifact->loader)
		destroy(artifact);
	else if (err)
		finish(artifact, err);
	else
		artifact->next_fn(artifact);
}

static void key_opened(struct artifact *artifact)
{
	finish(artifact, NULL);
}

static void fetch(struct artifact *artifact);

static void on_key(void *arg, struct slice bytes, const struct err *err)
{
	struct artifact *artifact = arg;
	struct err own;

	artifact->call = NULL;
	if (!err) {
		buf_reset(&artifact->asked);
		buf_put(&artifact->asked, bytes);
		if (!buf_ok(&artifact->asked)) {
			artifact->no_key = true;
			(void)err_set(&own, ERR_DAMAGED, V1_DOES_NOT_OPEN);
			err = &own;
		}
	}
	if (err)
		finish(artifact, err);
	else if (artifact->found == PAYLOAD_GOOD)
		run(artifact, open_key, key_opened);
	else
		fetch(artifact);
}

static void ask_key(struct artifact *artifact)
{
	struct err err;

	memcpy(artifact->asked_digest, artifact->manifest->digest, MANIFEST_DIGEST);
	if (session_device_key(artifact->loader->session, &artifact->resource,
			       artifact->manifest->digest, on_key, artifact, &artifact->call,
			       &err) < 0)
		finish(artifact, &err);
}

static bool is_asked(const struct artifact *artifact)
{
	return artifact->asked.len > 0 &&
	       slice_equal(slice_of(artifact->asked_digest, MANIFEST_DIGEST),
			   slice_of(artifact->manifest->digest, MANIFEST_DIGEST));
}

static void key_found(struct artifact *artifact)
{
	if (artifact->key)
		finish(artifact, NULL);
	else if (is_asked(artifact))
		run(artifact, open_key, key_opened);
	else
		ask_key(artifact);
}

static void looked(struct artifact *artifact);

static void fetched(void *arg, const struct err *err)
{
	struct artifact *artifact = arg;

	artifact->wait = NULL;
	artifact->task.priority = JOB_NORMAL;
	if (err)
		finish(artifact, err);
	else
		run(artifact, look, looked);
}

static void fetch(struct artifact *artifact)
{
	struct err err;

	artifact->fetched = true;
	memcpy(artifact->fetched_digest, artifact->manifest->payload_digest, MANIFEST_DIGEST);
	if (downloads_payload(artifact->loader->downloads, artifact->manifest, fetched, artifact,
			      &artifact->wait, &err) < 0)
		finish(artifact, &err);
}

static void fetch_with_key(struct artifact *artifact)
{
	if (artifact->has_key || is_asked(artifact))
		fetch(artifact);
	else
		ask_key(artifact);
}

/* A newer release may have come on a medium while the one before was fetched. */
static bool is_fetched(const struct artifact *artifact)
{
	return artifact->fetched &&
	       slice_equal(slice_of(artifact->fetched_digest, MANIFEST_DIGEST),
			   slice_of(artifact->manifest->payload_digest, MANIFEST_DIGEST));
}

static void missing(struct artifact *artifact)
{
	struct err err;

	if (!is_fetched(artifact)) {
		fetch_with_key(artifact);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "what was downloaded is not in the cache");
	finish(artifact, &err);
}

static void bad(struct artifact *artifact)
{
	if (is_fetched(artifact)) {
		finish(artifact, &artifact->bad);
		return;
	}
	artifact_note(artifact, LOADER_NOTICE, "the payload in the cache is fetched anew",
		      &artifact->bad);
	fetch_with_key(artifact);
}

static void looked(struct artifact *artifact)
{
	switch (artifact->found) {
	case PAYLOAD_UNWANTED:
		finish(artifact, NULL);
		break;
	case PAYLOAD_MISSING:
		missing(artifact);
		break;
	case PAYLOAD_BAD:
		bad(artifact);
		break;
	case PAYLOAD_LOOKING:
		artifact->seen = payload_check_at(artifact->check);
		artifact->total = artifact->manifest->payload_size;
		artifact->task.priority = JOB_BULK;
		run(artifact, check_on, looked);
		break;
	case PAYLOAD_GOOD:
		artifact->seen = artifact->total;
		artifact->task.priority = JOB_NORMAL;
		run(artifact, find_key, key_found);
		break;
	}
}

/* Is it as if there were no API? That it has no such artifact is for a medium to make up for. */
static bool is_no_answer(int code)
{
	return code == FAULT_UPSTREAM || code == FAULT_NOT_LOGGED_IN || code == ERR_NOT_FOUND;
}

static void on_manifest(void *arg, struct slice bytes, const struct err *err)
{
	struct artifact *artifact = arg;
	struct err own;

	artifact->call = NULL;
	if (!err) {
		buf_put(&artifact->given, bytes);
		if (!buf_ok(&artifact->given)) {
			(void)err_set(&own, FAULT_SIGNATURE, "the manifest is too large");
			err = &own;
		}
	} else if (is_no_answer(err->code)) {
		artifact->no_answer = *err;
		err = NULL;
	}
	if (err)
		finish(artifact, err);
	else
		run(artifact, look, looked);
}

/* A step. */
static int look_for_kept(void *arg, struct err *err)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	struct artifact *artifact = arg;
	struct err ignored;

	(void)err;
	artifact->kept = cache_has_manifest(artifact->cache, &artifact->resource) ||
			 stick_manifest(artifact->config->import_dir, &artifact->resource, &whole,
					&ignored) == 0;
	return 0;
}

/* Who has one does not wait for an API that hangs, and in a while does not even ask. */
static void ask_manifest(struct artifact *artifact)
{
	struct session *session = artifact->loader->session;
	struct err err;
	int r = FAULT_UPSTREAM;

	if (artifact->kept && session_is_silent(session))
		(void)err_set(&err, FAULT_UPSTREAM, "the API did not answer a moment ago");
	else
		r = session_manifest(session, &artifact->resource, on_manifest, artifact,
				     &artifact->call, &err);
	if (r == 0 && artifact->kept)
		r = session_hurry(artifact->call, HURRY_US, &err);
	if (r == 0)
		return;
	if (!is_no_answer(r)) {
		finish(artifact, &err);
		return;
	}
	artifact->no_answer = err;
	run(artifact, look, looked);
}

/* --- from outside --- */

static int make(struct loader *loader, const struct artifact_wish *wish,
		struct artifact **ret_artifact, struct err *err)
{
	const struct resource *resource = wish->resource;
	struct artifact *artifact;
	int r = resource_check_artifact(resource, err);

	if (r < 0)
		return r;
	if (loader->config->manifest_anchors.len == 0)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "nobody is configured to sign artifacts of version 2");
	artifact = calloc(1, sizeof(*artifact));
	if (!artifact)
		return err_set(err, ERR_INTERNAL, "memory is short");
	artifact->loader = loader;
	artifact->need = wish->need;
	artifact->done = wish->done;
	artifact->arg = wish->arg;
	artifact->config = loader->config;
	artifact->cache = cache_hold(loader->cache);
	artifact->payload = -1;
	artifact->given = artifact->whole = (struct buf)BUF_INIT(CMS_WHOLE_MAX);
	artifact->line = artifact->asked = (struct buf)BUF_INIT(DEVICE_KEY_LINE_MAX);
	memcpy(artifact->folder, resource->folder.data, resource->folder.len);
	memcpy(artifact->name, resource->name.data, resource->name.len);
	artifact->resource =
		(struct resource){slice_str(artifact->folder), slice_str(artifact->name)};
	task_init(&artifact->task, loader->jobs, step_ended, artifact);
	artifact->task.priority = JOB_NORMAL;
	*ret_artifact = artifact;
	return 0;
}

int artifact_new(struct loader *loader, const struct artifact_wish *wish,
		 struct artifact **ret_artifact, struct err *err)
{
	CLEANUP(artifact_cleanup) struct artifact *artifact = NULL;
	int r = make(loader, wish, &artifact, err);

	if (r < 0)
		return r;
	artifact->next_fn = ask_manifest;
	r = task_run(&artifact->task, look_for_kept, err);
	if (r == 0)
		*ret_artifact = TAKE(artifact);
	return r;
}

void artifact_free(struct artifact *artifact)
{
	if (!artifact)
		return;
	session_leave(artifact->call);
	downloads_leave(artifact->wait);
	artifact->loader = NULL;
	task_cancel(&artifact->task);
	if (!task_busy(&artifact->task))
		destroy(artifact);
}

const struct manifest *artifact_manifest(const struct artifact *artifact)
{
	return artifact->manifest;
}

/* A busy chip, an API that is away and a payload that is none are no reason: they pass. */
bool artifact_leaves_v1(const struct artifact *artifact, int code)
{
	static const int UNUSABLE[] = {
		ERR_TPM_REQUIRED, ERR_TPM_FAILED, ERR_TPM_CHANGED, ERR_NOT_SUPPORTED, FAULT_NO_KEY,
	};

	if (!artifact->leaves_v1)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(UNUSABLE); i++)
		if (UNUSABLE[i] == code)
			return true;
	return code == ERR_DAMAGED && artifact->no_key;
}

int artifact_payload(const struct artifact *artifact)
{
	return artifact->payload;
}

const struct secret *artifact_key(const struct artifact *artifact)
{
	return artifact->key;
}

void artifact_progress(const struct artifact *artifact, uint64_t *ret_done, uint64_t *ret_total)
{
	*ret_done = artifact->seen;
	*ret_total = artifact->total;
	if (artifact->wait)
		downloads_seen(artifact->wait, ret_done, ret_total);
}
