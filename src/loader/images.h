/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_IMAGES_H
#define LOADER_IMAGES_H

/*
 * Images: those that the configuration names and, of an artifact, those that its manifest does;
 * what their tags name in the engine now, and what they named before a load, so that it can be put
 * back. One thing at a time; callbacks come once, never inside the call.
 */

#include "docker/docker.h"
#include "loader/loader.h"

struct images;
/* Both are borrowed. ERR_INVALID: too many, or a name or an id that is none. */
int images_new(const struct loader_config *config, struct docker *docker,
	       struct images **ret_images, struct err *err) MUST_CHECK;
void images_free(struct images *images); /* nothing is called any more once @docker is freed */
MEM_DEFINE_CLEANUP(images)

/*
 * From now on, until images_forget(): @manifest's, too; it is borrowed so long. Both lists hold: an
 * image that both name must be of one id, and a load may bring what the manifest names and nothing
 * else. FAULT_DIGEST: the lists contradict each other, or the manifest names none; ERR_INVALID: a
 * name or an id that is none.
 */
int images_demand(struct images *images, const struct manifest *manifest, struct err *err)
	MUST_CHECK;
void images_forget(struct images *images);
size_t images_count(const struct images *images);

/* Asks for each of them; ERR_INTERNAL when there are none. done()'s error is the engine's. */
int images_look(struct images *images, loader_done_fn done, void *arg, struct err *err) MUST_CHECK;

/* After a look: 0 when all are there, each with the id that it must have. FAULT_DIGEST. */
int images_fit(const struct images *images, struct err *err) MUST_CHECK;

/* What the last look has seen is what the tags named before, and nothing was heard of a load. */
void images_keep(struct images *images);

/* That a load has brought @ref. Those that are not named are remembered, IMAGES_OTHERS of them. */
#define IMAGES_OTHERS 64u
void images_heard(struct images *images, const char *ref);
/* 0 when nothing was heard of but what may come. FAULT_DIGEST. */
int images_only(const struct images *images, struct err *err) MUST_CHECK;

/*
 * Each tag names again what it named, or nothing; others that were heard of name nothing. Where an
 * id is demanded only that is put back: what a tag named before may be what an attempt that was
 * killed has left unchecked. @seen: the load has failed, and the last look was behind it; tags that
 * name what they named before are left alone then, since untagging would delete an image that has
 * not been touched. One that cannot be put back is noted as a warning, and the others are gone on
 * with; done() gets no error. False: there is nothing to ask the engine for, and done() does not
 * come.
 */
bool images_undo(struct images *images, bool seen, loader_done_fn done, void *arg);

#endif
