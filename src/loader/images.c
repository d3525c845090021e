/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine is asked one thing at a time, image after image. That a tag names what it shall name,
 * or nothing, is also a good end of an undo when it did so already.
 */
#include "loader/images.h"

#include <stdio.h>

#include "loader/fault.h"

#define NOTE_MAX 1024u

#define LIST_MAX (LOADER_IMAGES + MANIFEST_IMAGES)

struct image_ids {
	char id[LIST_MAX][DOCKER_ID_MAX]; /* "": no such image */
};

struct images {
	const struct loader_config *config;
	struct docker *docker;
	/* The configuration's, and behind them those that only the manifest names. */
	struct loader_image list[LIST_MAX];
	size_t count;
	const struct manifest *manifest; /* NULL: none */
	bool unnamed;			 /* one of the list has come that the manifest has not */
	struct image_ids now, before;
	size_t at;		     /* the image that the engine is asked about */
	char *others[IMAGES_OTHERS]; /* that a load has brought, and may not */
	size_t other_count;
	bool too_many;
	bool seen; /* of an undo: what is as before is left alone */
	loader_done_fn done;
	void *arg;
};

static const struct loader_image *image_at(const struct images *images)
{
	return &images->list[images->at];
}

static int check_image(const char *ref, const char *id, struct err *err)
{
	int r = docker_check_ref(ref, err);

	if (r == 0 && id)
		r = docker_check_id(id, err);
	return r < 0 ? err_wrap(err, "image %.80s", ref) : 0;
}

static int check_images(const struct loader_config *config, struct err *err)
{
	int r = 0;

	if (config->image_count > LOADER_IMAGES)
		return err_set(err, ERR_INVALID, "more than %u images", LOADER_IMAGES);
	for (size_t i = 0; r == 0 && i < config->image_count; i++)
		r = check_image(config->images[i].ref, config->images[i].id, err);
	return r;
}

int images_new(const struct loader_config *config, struct docker *docker,
	       struct images **ret_images, struct err *err)
{
	CLEANUP(images_cleanup) struct images *images = calloc(1, sizeof(*images));
	int r;

	if (!images)
		return err_set(err, ERR_INTERNAL, "memory is short");
	images->config = config;
	images->docker = docker;
	r = check_images(config, err);
	if (r == 0)
		images_forget(images);
	if (r == 0)
		*ret_images = TAKE(images);
	return r;
}

static void forget_others(struct images *images)
{
	while (images->other_count > 0)
		free(images->others[--images->other_count]);
	images->too_many = images->unnamed = false;
}

void images_free(struct images *images)
{
	if (images)
		forget_others(images);
	free(images);
}

/* --- both lists --- */

/* Engines tell names with what they add to short ones, or without what they leave out. */
static const char *short_ref(const char *ref)
{
	static const char *const adds[] = {"docker.io/library/", "index.docker.io/library/",
					   "docker.io/",	 "index.docker.io/",
					   "library/",		 "localhost/"};

	for (size_t i = 0; i < ARRAY_LEN(adds); i++)
		if (strncmp(ref, adds[i], strlen(adds[i])) == 0)
			return ref + strlen(adds[i]);
	return ref;
}

static bool is_same(const char *a, const char *b)
{
	return strcmp(short_ref(a), short_ref(b)) == 0;
}

/* Its place in the list; count where it is not there. */
static size_t find(const struct images *images, const char *ref)
{
	size_t i = 0;

	while (i < images->count && !is_same(images->list[i].ref, ref))
		i++;
	return i;
}

void images_forget(struct images *images)
{
	const struct loader_config *config = images->config;

	images->manifest = NULL;
	images->count = config->image_count;
	for (size_t i = 0; i < config->image_count; i++)
		images->list[i] = config->images[i];
}

static int demand(struct images *images, const struct manifest_image *image, struct err *err)
{
	size_t i = find(images, image->ref);
	struct loader_image *known = &images->list[i];
	int r = check_image(image->ref, image->id, err);

	if (r < 0)
		return r;
	if (i == images->count) {
		*known = (struct loader_image){.ref = image->ref, .id = image->id};
		images->count++;
	}
	if (known->id && strcmp(known->id, image->id) != 0)
		return err_set(err, FAULT_DIGEST,
			       "%.120s has another id in the manifest than it must have",
			       image->ref);
	known->id = image->id;
	return 0;
}

int images_demand(struct images *images, const struct manifest *manifest, struct err *err)
{
	int r = 0;

	images_forget(images);
	images->manifest = manifest;
	if (manifest->image_count == 0 || manifest->image_count > MANIFEST_IMAGES)
		r = err_set(err, FAULT_DIGEST, "the manifest names no images, or too many");
	for (size_t i = 0; r == 0 && i < manifest->image_count; i++)
		r = demand(images, &manifest->images[i], err);
	if (r < 0)
		images_forget(images);
	return r;
}

size_t images_count(const struct images *images)
{
	return images->count;
}

/* --- the look --- */

static void look_step(void *arg, const char *id, const struct err *err);

static int look_next(struct images *images, struct err *err)
{
	return docker_image(images->docker, image_at(images)->ref, look_step, images, err);
}

static void look_step(void *arg, const char *id, const struct err *err)
{
	struct images *images = arg;
	struct err failed = {0};

	if (!err)
		memcpy(images->now.id[images->at], id, strlen(id) + 1);
	else if (err->code == ERR_NOT_FOUND)
		images->now.id[images->at][0] = '\0';
	else
		failed = *err;
	if (failed.code == 0 && ++images->at < images->count && look_next(images, &failed) == 0)
		return;
	images->done(images->arg, failed.code != 0 ? &failed : NULL);
}

int images_look(struct images *images, loader_done_fn done, void *arg, struct err *err)
{
	if (images->count == 0)
		return err_set(err, ERR_INTERNAL, "there are no images to look for");
	images->now = (struct image_ids){0};
	images->at = 0;
	images->done = done;
	images->arg = arg;
	return look_next(images, err);
}

int images_fit(const struct images *images, struct err *err)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct loader_image *image = &images->list[i];
		const char *id = images->now.id[i];

		if (id[0] == '\0')
			return err_set(err, FAULT_DIGEST, "%.120s is not there", image->ref);
		if (image->id && strcmp(image->id, id) != 0)
			return err_set(err, FAULT_DIGEST, "%.120s is not the image that it must be",
				       image->ref);
	}
	return 0;
}

void images_keep(struct images *images)
{
	images->before = images->now;
	forget_others(images);
}

/* --- what a load brings --- */

/* May a load bring it? */
static bool is_named(const struct images *images, const char *ref)
{
	if (!images->manifest)
		return find(images, ref) < images->count;
	for (size_t i = 0; i < images->manifest->image_count; i++)
		if (is_same(images->manifest->images[i].ref, ref))
			return true;
	return false;
}

static bool is_other(const struct images *images, const char *ref)
{
	for (size_t i = 0; i < images->other_count; i++)
		if (strcmp(images->others[i], ref) == 0)
			return true;
	return false;
}

void images_heard(struct images *images, const char *ref)
{
	char *copy;

	if (images->count == 0 || is_named(images, ref) || is_other(images, ref))
		return;
	/* The undo knows it already. */
	if (find(images, ref) < images->count) {
		images->unnamed = true;
		return;
	}
	copy = images->other_count < IMAGES_OTHERS ? strdup(ref) : NULL;
	if (copy)
		images->others[images->other_count++] = copy;
	else
		images->too_many = true;
}

int images_only(const struct images *images, struct err *err)
{
	const char *what = images->manifest ? "named by its manifest" : "configured";

	if (images->too_many)
		return err_set(err, FAULT_DIGEST, "the archive brings many images that are not %s",
			       what);
	if (images->unnamed)
		return err_set(err, FAULT_DIGEST, "the archive brings an image that is not %s",
			       what);
	if (images->other_count > 0)
		return err_set(err, FAULT_DIGEST, "the archive brings %.120s, which is not %s",
			       images->others[0], what);
	return 0;
}

/* --- the undo --- */

static void undo_step(void *arg, const struct err *err);

static const char *undo_ref(const struct images *images)
{
	size_t count = images->count;

	return images->at < count ? image_at(images)->ref : images->others[images->at - count];
}

/* The id that the tag gets, "": none. */
static const char *undo_id(const struct images *images)
{
	const char *id, *before;

	if (images->at >= images->count)
		return "";
	id = image_at(images)->id;
	before = images->before.id[images->at];
	return !id || strcmp(id, before) == 0 ? before : "";
}

static int undo_one(struct images *images, struct err *err)
{
	const char *ref = undo_ref(images);
	const char *id = undo_id(images);

	return id[0] != '\0' ? docker_tag(images->docker, id, ref, undo_step, images, err)
			     : docker_untag(images->docker, ref, undo_step, images, err);
}

static void note_left(const struct images *images, const struct err *err)
{
	char text[NOTE_MAX];

	if (err->code == ERR_NOT_FOUND && undo_id(images)[0] == '\0')
		return; /* as it shall be */
	snprintf(text, sizeof(text), "%s: its tag could not be put back: %s", undo_ref(images),
		 err->text);
	if (images->config->note)
		images->config->note(images->config->note_arg, LOADER_WARNING, text);
}

static bool untouched(const struct images *images)
{
	return images->seen && images->at < images->count &&
	       strcmp(images->now.id[images->at], images->before.id[images->at]) == 0;
}

/* Goes on until the engine has something to do; false when nothing is left. */
static bool undo_next(struct images *images)
{
	for (; images->at < images->count + images->other_count; images->at++) {
		struct err err = {0};

		if (untouched(images))
			continue;
		if (undo_one(images, &err) == 0)
			return true;
		note_left(images, &err);
	}
	return false;
}

static void undo_step(void *arg, const struct err *err)
{
	struct images *images = arg;

	if (err)
		note_left(images, err);
	images->at++;
	if (!undo_next(images))
		images->done(images->arg, NULL);
}

bool images_undo(struct images *images, bool seen, loader_done_fn done, void *arg)
{
	images->at = 0;
	images->seen = seen;
	images->done = done;
	images->arg = arg;
	return undo_next(images);
}
