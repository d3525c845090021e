/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive as an artifact of version 2: all that artifact.h checks comes first, then its
 * manifest says which images the engine may have. Behind a login, when the configuration names the
 * artifact; without one for who asks by its name (loader_images()).
 */
#include <stdio.h>

#include "loader/fault.h"
#include "loader/unlock_impl.h"

bool unlock_has_artifact(const struct unlock *unlock)
{
	return unlock->config->images_artifact.folder.len > 0;
}

/* --- the artifact --- */

static int take(struct unlock *unlock, struct err *err)
{
	int r = images_demand(unlock->images, artifact_manifest(unlock->artifact), err);

	if (r == 0)
		r = archive_new(unlock->jobs, unlock->config, NULL, unlock, &unlock->archive, err);
	if (r < 0)
		return r;
	return archive_artifact(unlock->archive, unlock->artifact, err);
}

static void on_artifact(void *arg, const struct err *err)
{
	struct unlock *unlock = arg;
	struct err failed = {0};

	/* Nobody is, since the API did not answer. */
	if (err && err->code == FAULT_NOT_LOGGED_IN && unlock->login_err.code != 0)
		err = &unlock->login_err;
	if (!err) {
		unlock->status.state = UNLOCK_DECRYPTING;
		if (take(unlock, &failed) == 0) {
			unlock_load(unlock);
			return;
		}
		err = &failed;
	}
	unlock_end_error(unlock, err);
}

int unlock_artifact_begin(struct unlock *unlock, struct err *err)
{
	const struct resource resource = {.folder = slice_str(unlock->folder),
					  .name = slice_str(unlock->name)};
	const struct artifact_wish wish = {
		.resource = &resource,
		.need = ARTIFACT_IMAGES,
		.done = on_artifact,
		.arg = unlock,
	};

	unlock->status.state = UNLOCK_DOWNLOADING_KEY;
	return artifact_new(unlock->loader, &wish, &unlock->artifact, err);
}

/* Texts that resource_check_artifact() has passed. */
static void set_resource(struct unlock *unlock, const struct resource *resource)
{
	(void)snprintf(unlock->folder, sizeof(unlock->folder), "%.*s", (int)resource->folder.len,
		       (const char *)resource->folder.data);
	(void)snprintf(unlock->name, sizeof(unlock->name), "%.*s", (int)resource->name.len,
		       (const char *)resource->name.data);
}

/* --- who asks --- */

void unlock_artifact_login(struct unlock *unlock, const struct err *err)
{
	const struct resource *resource = &unlock->config->images_artifact;
	struct err failed = {0};
	int r;

	unlock->login_err = (struct err){0};
	if (err && err->code != FAULT_UPSTREAM) {
		unlock_end_error(unlock, err);
		return;
	}
	/* What is cached needs no API. */
	if (err)
		unlock->login_err = *err;
	r = resource_check_artifact(resource, &failed);
	if (r == 0) {
		set_resource(unlock, resource);
		r = unlock_artifact_begin(unlock, &failed);
	}
	if (r < 0)
		unlock_end_error(unlock, &failed);
}

static bool is_configured(const struct unlock *unlock, const struct resource *resource)
{
	const struct resource *own = &unlock->config->images_artifact;

	return slice_equal(own->folder, resource->folder) && slice_equal(own->name, resource->name);
}

static int begin(struct unlock *unlock, const struct resource *resource, struct err *err)
{
	const struct unlock_status before = unlock->status;
	int r;

	set_resource(unlock, resource);
	unlock->status = (struct unlock_status){.state = UNLOCK_IDLE};
	unlock->login_err = (struct err){0};
	r = unlock_artifact_begin(unlock, err);
	if (r < 0) {
		unlock->status = before;
		return r;
	}
	unlock->is_own = is_configured(unlock, resource);
	unlock->loaded = false;
	unlock->at_work = true;
	return 0;
}

int unlock_images(struct unlock *unlock, const struct resource *resource, loader_unlock_fn done,
		  void *arg, struct unlock_call **ret_call, struct err *err)
{
	struct unlock_call *call = NULL;
	int r;

	if (!unlock->docker)
		return err_set(err, ERR_NOT_FOUND, "no docker_socket is configured");
	if (unlock->at_work)
		return err_set(err, FAULT_BUSY, "an archive of images is at work");
	r = resource_check_artifact(resource, err);
	if (r == 0)
		r = unlock_call_new(unlock, done, arg, &call, err);
	if (r < 0)
		return r;
	r = unlock_call_answer(call, UNLOCK_DOWNLOADING_KEY, NULL, err);
	if (r == 0)
		r = begin(unlock, resource, err);
	if (r < 0)
		unlock_call_end(call);
	else
		*ret_call = call;
	return r;
}
