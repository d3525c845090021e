/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_RESOURCE_H
#define ARTIFACT_RESOURCE_H

/*
 * Resource: how what is published is called. A folder and a name become components of paths and of
 * URLs, on devices and on servers, so neither can ever lead out of where it is put.
 */

#include "base/err.h"
#include "base/slice.h"

#define RESOURCE_FILE_MAX   255u /* a file's name, without its NUL */
#define RESOURCE_NAME_MAX   249u /* so that with ".small" it still is a file's name */
#define RESOURCE_FOLDER_MAX 255u
#define ARTIFACT_NAME_MAX   246u /* .. with ".manifest" */

/* Texts of whoever asks; borrowed, and nothing is known of them before resource_check(). */
struct resource {
	struct slice folder;
	struct slice name;
};

/* The files that a resource is kept in. */
enum resource_part {
	RESOURCE_SMALL, /* version 1 */
	RESOURCE_BIG,
	RESOURCE_SIG,
	RESOURCE_MANIFEST, /* version 2: of an artifact's name .. */
	RESOURCE_PAYLOAD,  /* .. of the payload's digest (64 hex digits) .. */
	RESOURCE_KEYS,	   /* .. of the manifest's digest */
	RESOURCE_PARTS,
	RESOURCE_V1_PARTS = RESOURCE_SIG + 1,
};

/*
 * ERR_INVALID unless both are characters of [A-Za-z0-9._-], at least one and no dot first, and the
 * name does not end like one of the files of another resource.
 */
int resource_check(const struct resource *resource, struct err *err) MUST_CHECK;

/*
 * The same for an artifact of version 2, whose name is at most ARTIFACT_NAME_MAX long and does not
 * end like one of its files either; names of version 1 may, since devices have such.
 */
int resource_check_artifact(const struct resource *resource, struct err *err) MUST_CHECK;

/* "<name>.small" and its like, with a NUL; the name alone is checked. ERR_INVALID. */
int resource_file(struct slice name, enum resource_part part, char ret_file[RESOURCE_FILE_MAX + 1],
		  struct err *err) MUST_CHECK;

#endif
