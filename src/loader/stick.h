/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_STICK_H
#define LOADER_STICK_H

/*
 * Stick: what a publisher or a technician put into import_dir of an artifact of version 2, called
 * as an origin calls it: <folder>/<name>.manifest and <folder>/<manifest's digest>.keys (payloads
 * are download.h's). For the pool. Whoever holds the medium wrote all of it; it is worth what its
 * signature says. A medium that is not there is ERR_NOT_FOUND, as is a file.
 */

#include "artifact/device_key.h"

/* Appends the manifest. ERR_UNREADABLE, ERR_TOO_LARGE. */
int stick_manifest(const char *import_dir, const struct resource *resource, struct buf *ret_whole,
		   struct err *err) MUST_CHECK;

/*
 * Appends the line of the storage key of that Name, without its end. ERR_UNREADABLE; ERR_DAMAGED:
 * no sorted lines.
 */
struct stick_wish {
	const struct manifest *manifest;
	const char *storage_key; /* WRAP_NAME_HEX */
};
int stick_key(const char *import_dir, const struct stick_wish *wish, struct buf *ret_line,
	      struct err *err) MUST_CHECK;

#endif
