/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_MANIFEST_IMPL_H
#define ARTIFACT_MANIFEST_IMPL_H

/* What the files of the manifest share. */

#include "artifact/manifest.h"

#define MANIFEST_KIND	"artifact v2"
#define MANIFEST_CIPHER "AES-256-GCM"

extern const char *const manifest_types[MANIFEST_TYPES];
extern const char *const manifest_protections[MANIFEST_PROTECTIONS];

/* As manifest_parse(), of what manifest_open_outline() takes. */
int manifest_parse_outline(struct slice json, struct manifest **ret_manifest, struct err *err)
	MUST_CHECK;

/* The rules that hold for every manifest, but for its digest. ERR_INVALID names the member. */
int manifest_check(const struct manifest *manifest, struct err *err) MUST_CHECK;

#endif
