/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAPI_PROFILE_H
#define FAPI_PROFILE_H

/* Profile: Holdfast's own forms of FAPI's profiles. Their SRK is the one that Holdfast makes. */

#include <stddef.h>

#define FAPI_PROFILE_COUNT 2u

struct fapi_profile {
	const char *name;
	const char *text; /* JSON */
};

extern const struct fapi_profile FAPI_PROFILES[FAPI_PROFILE_COUNT];

/* NULL when there is none of that name. */
const struct fapi_profile *fapi_profile_of(const char *name);

#endif
