/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_ARTIFACT_H
#define LOADER_ARTIFACT_H

/*
 * Artifact: one release of an artifact of version 2 on its way to who reads it: F2 and
 * /v2/artifacts (load.c), and the archive of images (archive.c). In this order, and nothing of a
 * step is used before it has passed:
 *
 *   manifest (API; the cache's when the API does not answer)  >  signature, name  >  floor, expiry
 *   >  protection  >  payload (cache, import_dir, CDN; digest and size)  >  device key (cache, API)
 *   >  unwrap  >  the manifest's digest in it  >  ready
 *
 * What is to be downloaded is not before there is a device key: without one it would be in vain.
 *
 * The floor's serial is raised, and what the cache has replaced, when all of that was good: a
 * manifest that leads nowhere leaves the release before as it was. But that version 1 is at an end
 * is remembered as soon as a manifest has passed that says so, also where nothing of it can be
 * opened: else version 1 would be back as soon as somebody takes that manifest away. On the loop;
 * steps on the pool.
 */

#include "artifact/payload.h"
#include "loader/loader.h"

struct artifact;
/* What is of another type is ERR_INVALID right behind its manifest. */
enum artifact_need {
	ARTIFACT_FILE,
	ARTIFACT_IMAGES,
	/* A file, or of an archive of images the manifest alone: payload and key are not there. */
	ARTIFACT_FILE_OR_NAMES,
};
struct artifact_wish {
	const struct resource *resource;
	enum artifact_need need;
	loader_done_fn done;
	void *arg;
};
/* *ret_artifact until artifact_free(); done() once, never inside the call. */
int artifact_new(struct loader *loader, const struct artifact_wish *wish,
		 struct artifact **ret_artifact, struct err *err) MUST_CHECK;
void artifact_free(struct artifact *artifact); /* at any time; a download goes on by itself */
MEM_DEFINE_CLEANUP(artifact)

/*
 * After done(). Borrowed. Behind an error it may be NULL: there is none that counts, and with
 * ERR_NOT_FOUND, FAULT_UPSTREAM and FAULT_NOT_LOGGED_IN there was none at all.
 */
const struct manifest *artifact_manifest(const struct artifact *artifact);
/*
 * After done() with an error of that code: may version 1 be taken in its place? There is a manifest
 * that has passed, neither it nor the floor ends version 1, and it is this device that cannot use
 * it: it has no TPM, or no key, or does not know what the release is made of.
 */
bool artifact_leaves_v1(const struct artifact *artifact, int code);
/* After done() without error. Borrowed. */
int artifact_payload(const struct artifact *artifact); /* a descriptor of the whole payload */
const struct secret *artifact_key(const struct artifact *artifact);

/* Bytes that have come or were checked, and of how many; for F5. */
void artifact_progress(const struct artifact *artifact, uint64_t *ret_done, uint64_t *ret_total);

#endif
