/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_RELEASE_H
#define CMD_HOLDFAST_RELEASE_H

/*
 * Release: what of an artifact of version 2 lies in an origin's folder: NAME.manifest, and by its
 * digests payload and device keys (docs/ARTIFACT.md). The verbs that change a folder hold its lock,
 * so that of two publishers one waits for nobody and breaks nothing.
 */

#include <stdbool.h>

#include "artifact/manifest.h"
#include "artifact/resource.h"
#include "base/buf.h"
#include "base/err.h"
#include "cmd/holdfast/opt.h"
#include "crypto/cms.h"

#define RELEASE_DEVICES	    "devices" /* in the origin: no folder of artifacts */
#define RELEASE_FOLDER_MODE 0755
#define RELEASE_FILE_MODE   0644 /* of what everybody may have: manifests and payloads */
#define RELEASE_KEYS_MODE   0640 /* the same as of the small parts of version 1 */

struct release {
	const char *origin, *folder, *name; /* of the options; no name: the folder alone */
	struct resource resource;
	int dir;			  /* the folder */
	struct buf whole;		  /* the manifest's file */
	struct manifest *manifest;	  /* NULL: there is none */
	char file[RESOURCE_FILE_MAX + 1]; /* NAME.manifest; "" without a name */
};
#define RELEASE_INIT                                                                               \
	{                                                                                          \
		.dir = -1, .whole = BUF_INIT(CMS_WHOLE_MAX)                                        \
	}
void release_fini(struct release *release);

#define RELEASE_OPT_NAME(release)                                                                  \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "name", .value = "NAME", .help = "what was published",   \
		.required = true, .text = &(release).name                                          \
	}
#define RELEASE_OPT_FOLDER(release)                                                                \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "folder", .value = "NAME",                               \
		.help = "where it is; default: models", .text = &(release).folder                  \
	}
#define RELEASE_OPT_ORIGIN(release)                                                                \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "origin", .value = "DIR",                                \
		.help = "the folder that holdfast-origin, or another server, serves",              \
		.required = true, .text = &(release).origin                                        \
	}

#define RELEASE_OPTS_DEVICES(mark, files, dir)                                                     \
	{.kind = OPT_LIST,                                                                         \
	 .name = "device",                                                                         \
	 .value = "FILE",                                                                          \
	 .help = mark "wrap for this device: what device storage-key --format json printed",       \
	 .list = &(files)},                                                                        \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "devices", .value = "DIR",                               \
		.help = mark "the same for all *.json in it, as an origin's " RELEASE_DEVICES      \
			     " folder has them",                                                   \
		.text = &(dir)                                                                     \
	}

#define RELEASE_OPT_ANCHORS(what, file)                                                            \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "anchors", .value = "FILE", .help = (what),              \
		.text = &(file)                                                                    \
	}

/* Folder and name as the options say them, "models" in the place of none. ERR_INVALID. */
int release_check(struct release *release, struct err *err) MUST_CHECK;

/* Opens the folder, to look at it, or to change it: then it is locked, and made where missing. */
enum release_use { RELEASE_LOOK, RELEASE_CHANGE, RELEASE_MAKE };
int release_open(struct release *release, enum release_use use, struct err *err) MUST_CHECK;

/*
 * Reads the manifest that lies there, and what it says of itself; its signature is only looked at
 * with anchors, a PEM file. ERR_NOT_FOUND: there is none.
 */
int release_read(struct release *release, const char *anchors_file, struct err *err) MUST_CHECK;
/* .. with anchors that were read, at a time of the caller's choice; codes of manifest_open(). */
int release_read_trusted(struct release *release, const struct manifest_trust *trust,
			 struct err *err) MUST_CHECK;

/* The parts of the manifest that was read. */
int release_payload_file(const struct manifest *manifest, char ret_file[RESOURCE_FILE_MAX + 1],
			 struct err *err) MUST_CHECK;
int release_keys_file(const struct manifest *manifest, char ret_file[RESOURCE_FILE_MAX + 1],
		      struct err *err) MUST_CHECK;

/*
 * Payload and device keys that the manifest in @release->whole names, if it is one, are as if
 * written now: a day from here artifact prune may remove them. What is not ours to touch is left.
 */
void release_replaced(const struct release *release);

/* What a manifest's file says of itself, nothing verified. ERR_DAMAGED, ERR_NOT_SUPPORTED. */
int release_peek(struct slice whole, struct manifest **ret_manifest, struct err *err) MUST_CHECK;

#endif
