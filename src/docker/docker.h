/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOCKER_DOCKER_H
#define DOCKER_DOCKER_H

/*
 * Docker: what we need of the Docker Engine API (1.40; podman's service speaks it too, Docker
 * Engine 29 takes it when told so: docs/LOADER.md), over its Unix socket: load an archive of images
 * as a stream, ask for an image's id, move a tag. Every answer is hostile until read: sizes are
 * limited, JSON is strict, an error inside the stream of a load that was answered 200 is an error.
 * Runs in the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "fetch/fetch.h"

#define DOCKER_ID_MAX  72u /* "sha256:" and 64 hex digits, with a NUL */
#define DOCKER_REF_MAX 512u

struct docker;
/* @socket is a path, copied. Nothing is connected yet. */
int docker_new(struct fetch *fetch, const char *socket, struct docker **ret_docker, struct err *err)
	MUST_CHECK;
void docker_free(struct docker *docker); /* ends what is at work, calls nobody */
MEM_DEFINE_CLEANUP(docker)

/* ERR_INVALID: not "[registry/]name[:tag]" as the engine writes it; a tag is demanded. */
int docker_check_ref(const char *ref, struct err *err) MUST_CHECK;
/* "sha256:<64 lower hex>" */
int docker_check_id(const char *id, struct err *err) MUST_CHECK;

/*
 * Below: one call at a time for each object, ERR_CONFLICT otherwise; done once, never inside the
 * call. ERR_TIMEOUT: the engine does not answer; ERR_NOT_FOUND; ERR_INTERNAL: it answered an error,
 * of which the text has the beginning, made printable.
 */
typedef void (*docker_done_fn)(void *arg, const struct err *err);
typedef void (*docker_id_fn)(void *arg, const char *id, const struct err *err);

/* The id of the image that @ref names now. */
int docker_image(struct docker *docker, const char *ref, docker_id_fn done, void *arg,
		 struct err *err) MUST_CHECK;
/* @ref names the image @id from now on. */
int docker_tag(struct docker *docker, const char *id, const char *ref, docker_done_fn done,
	       void *arg, struct err *err) MUST_CHECK;
/* @ref names nothing any more; the image stays while another tag names it. */
int docker_untag(struct docker *docker, const char *ref, docker_done_fn done, void *arg,
		 struct err *err) MUST_CHECK;

/*
 * Where an archive comes from: as fetch_ops.more(), docker_load_resume() when there is more. Copied
 * by docker_load().
 */
struct docker_source {
	int (*more)(void *arg, uint8_t *at, size_t size, size_t *ret_len, struct err *err);
	/*
	 * NULL, or told each name that the engine says it has loaded, with a NUL, before done() and
	 * not inside docker_load(). It is a reference by docker_check_ref(); what is none cannot
	 * be one's tag either, and is passed over.
	 */
	void (*loaded)(void *arg, const char *ref);
	/* After the engine has answered, or not. A source that failed is told its own error. */
	void (*done)(void *arg, const struct err *err);
};
/* A tar of exactly @length bytes, at least one; an engine that takes fewer has not loaded it. */
int docker_load(struct docker *docker, uint64_t length, const struct docker_source *source,
		void *arg, struct err *err) MUST_CHECK;
void docker_load_resume(struct docker *docker);

#endif
