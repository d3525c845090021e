/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_FAULT_H
#define LOADER_FAULT_H

/*
 * Fault: the loader's closed set of error codes, beside base's: struct err.code is one of either,
 * and both have one name and one status at the front. Base's codes that a client cannot tell apart,
 * or may not, have one name: damaged is decrypt_failed, whatever it was that did not fit.
 */

#include "base/err.h"
#include "base/slice.h"

enum fault {
	FAULT_UPSTREAM = -1001,	     /* upstream_unreachable: API or CDN; 502 */
	FAULT_CREDENTIALS = -1002,   /* auth_failed: the API does not take them; 401 */
	FAULT_NOT_LOGGED_IN = -1003, /* not_logged_in: nobody is, or no longer; 401 */
	FAULT_SIGNATURE = -1004,   /* signature_invalid: bad, missing, or of something else; 422 */
	FAULT_DIGEST = -1005,	   /* digest_mismatch: an image's id is another; 422 */
	FAULT_DOCKER = -1006,	   /* docker_failed: the engine; 502 */
	FAULT_BUSY = -1007,	   /* busy: too many at once, or this one is at work; 503 */
	FAULT_CANCELLED = -1008,   /* cancelled: by somebody else's wish; 409 */
	FAULT_ROLLED_BACK = -1009, /* rolled_back: an older release than one that was here; 409 */
	FAULT_EXPIRED = -1010,	   /* expired: the newest release is over its time; 403 */
	FAULT_NO_KEY = -1011,	   /* no_device_key: nobody has wrapped its key for us; 404 */
};

struct fault_info {
	int code;
	const char *name;
	unsigned status; /* on paths of version 2; legacy paths have their own (front.h) */
	const char *remedy;
};
/* Never NULL; of an unknown code that of ERR_INTERNAL. */
const struct fault_info *fault_info(int code);
const struct fault_info *fault_table(size_t *ret_count);

#endif
