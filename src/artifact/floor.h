/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_FLOOR_H
#define ARTIFACT_FLOOR_H

/*
 * Floor: what a device remembers of a name, and never goes below: the format and the serial number.
 * Pure; who keeps it is the loader's cache.
 */

#include "artifact/manifest.h"

struct floor {
	unsigned min_format;		 /* 1 or 2; of a name never seen 1 */
	uint64_t serial;		 /* of the newest release that was taken; 0: none */
	uint8_t digest[MANIFEST_DIGEST]; /* .. and its manifest's: one serial is one release */
};

enum floor_verdict {
	FLOOR_TAKE,
	FLOOR_ROLLED_BACK, /* an older serial, or another manifest of the same */
	FLOOR_EXPIRED,
};

/*
 * @now is seconds since 1970, CMS_ANY_TIME where no clock was ever set: then nothing has expired.
 */
enum floor_verdict floor_judge(const struct floor *floor, const struct manifest *manifest,
			       int64_t now);
/* The floor behind a manifest that was taken: each member is the higher one. */
struct floor floor_raise(const struct floor *floor, const struct manifest *manifest);
/* May version 1 of the name be used? */
bool floor_allows_v1(const struct floor *floor);

#endif
