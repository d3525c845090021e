/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_ARTIFACT_IMPL_H
#define LOADER_ARTIFACT_IMPL_H

/*
 * What the artifact*.c share: artifact_manifest.c has the steps up to the manifest that counts,
 * artifact.c those behind it and the loop's side.
 */

#include "loader/artifact.h"
#include "loader/impl.h"
#include "loader/payload_check.h"
#include "loader/task.h"

enum found {
	PAYLOAD_UNWANTED, /* the manifest was all */
	PAYLOAD_MISSING,
	PAYLOAD_BAD,	 /* there is one that does not pass */
	PAYLOAD_LOOKING, /* the check goes on */
	PAYLOAD_GOOD,
};

struct artifact {
	struct loader *loader; /* NULL: gone, and this waits for its step only */
	enum artifact_need need;
	struct resource resource;
	char folder[RESOURCE_FOLDER_MAX + 1];
	char name[ARTIFACT_NAME_MAX + 1];
	loader_done_fn done;
	void *arg;
	struct session_call *call;
	struct download_wait *wait;
	struct task task;
	void (*next_fn)(struct artifact *artifact);
	bool fetched;				 /* once is enough .. */
	uint8_t fetched_digest[MANIFEST_DIGEST]; /* .. of this payload */
	uint64_t seen, total;
	bool no_key;			       /* what came as this device's key is none */
	struct buf asked;		       /* this device's key, as the API gave it .. */
	uint8_t asked_digest[MANIFEST_DIGEST]; /* .. of this manifest */

	/* Of the steps. */
	struct cache *cache; /* held */
	const struct loader_config *config;
	bool kept;	      /* the cache or import_dir has a manifest */
	struct err no_answer; /* why the API gave no manifest; code 0: it did */
	struct buf given;     /* .. that one, as it came */
	struct buf whole;     /* the manifest that counts, as it came */
	struct manifest *manifest;
	bool leaves_v1; /* what counts, and the floor: version 1 may go on */
	char storage_key[WRAP_NAME_HEX];
	int payload;
	struct payload_check *check;
	enum found found;
	struct err bad;
	bool has_key; /* the payload is not there; the cache or import_dir has a line for it */
	struct buf line;
	struct secret *key;
};

/* For any thread. @why: NULL, or what is told behind the text. */
void artifact_note(const struct artifact *artifact, enum loader_note level, const char *text,
		   const struct err *why);

/*
 * A step: the newest of what there is (API or cache, import_dir), verified, not rolled back, not
 * expired. What it asks for as the least format is remembered before this returns, whatever becomes
 * of the rest: it may be the last time that anybody shows it.
 */
int artifact_find_manifest(struct artifact *artifact, struct err *err) MUST_CHECK;

#endif
