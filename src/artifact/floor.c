/* SPDX-License-Identifier: Apache-2.0 */
/* Three facts of a name against three of a manifest: no clock, no disk. */

#include "artifact/floor.h"

static bool is_older(const struct floor *floor, const struct manifest *manifest)
{
	if (floor->serial == 0 || manifest->serial > floor->serial)
		return false;
	return manifest->serial < floor->serial ||
	       !slice_equal(slice_of(manifest->digest, MANIFEST_DIGEST),
			    slice_of(floor->digest, MANIFEST_DIGEST));
}

enum floor_verdict floor_judge(const struct floor *floor, const struct manifest *manifest,
			       int64_t now)
{
	if (is_older(floor, manifest))
		return FLOOR_ROLLED_BACK;
	if (manifest->expires != 0 && now != CMS_ANY_TIME && now >= manifest->expires)
		return FLOOR_EXPIRED;
	return FLOOR_TAKE;
}

struct floor floor_raise(const struct floor *floor, const struct manifest *manifest)
{
	struct floor raised = *floor;

	if (manifest->min_format > raised.min_format)
		raised.min_format = manifest->min_format;
	if (manifest->serial > raised.serial) {
		raised.serial = manifest->serial;
		memcpy(raised.digest, manifest->digest, MANIFEST_DIGEST);
	}
	return raised;
}

bool floor_allows_v1(const struct floor *floor)
{
	return floor->min_format < 2;
}
