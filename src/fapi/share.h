/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAPI_SHARE_H
#define FAPI_SHARE_H

/*
 * Share: what lets FAPI work in a tenant's container. In the folder that the container has mounted
 * at /run/holdfast lie a configuration, FAPI_CONFIG, and in FAPI_SHARE the profile and the records
 * of hierarchies, SRK and EK that this service's own provisioning made: public, and read-only to
 * the container. What its own objects are is kept where the container keeps its files. Pool.
 */

#include "base/err.h"
#include "base/mem.h"
#include "fapi/fapi.h"

#define FAPI_SHARE "fapi"

struct fapi_share;

/* Reads it from the folder of @place. ERR_NOT_FOUND: FAPI was not provisioned. Errors as of
 * fapi_object_read(). */
int fapi_share_new(const struct fapi_place *place, struct fapi_share **ret_share, struct err *err)
	MUST_CHECK;
void fapi_share_free(struct fapi_share *share);
MEM_DEFINE_CLEANUP(fapi_share)

/*
 * Writes it into the open folder @dir, each file in one step in the place of an older one.
 * ERR_INVALID: something in there is not ours.
 */
int fapi_share_write(const struct fapi_share *share, int dir, struct err *err) MUST_CHECK;

/* Removes it from there, but for what is not ours. */
void fapi_share_remove(int dir);

#endif
