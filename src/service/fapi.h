/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_FAPI_H
#define SERVICE_FAPI_H

/* Fapi: the helper program on the chip of a provider (docs/PROVIDERS.md). */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fapi/fapi.h"
#include "provider/provider.h"

#define SERVICE_FAPI_RESERVED 2u

/* Strings and descriptor are borrowed. */
struct service_fapi {
	struct fapi_place place; /* place.program NULL = there is no FAPI */
	struct fapi_wish wish;
	uint32_t reserved[SERVICE_FAPI_RESERVED]; /* persistent handles that are ours */
	size_t reserved_count;
	int stop_fd; /* readable: every run ends early */
};

/*
 * One run on the chip of @p, which is looked after when the helper has ended, however it did.
 * Worker only. Appends the helper's answer; errors as of fapi_run() and provider_raw_end().
 */
int service_fapi_run(const struct service_fapi *fapi, struct provider *p,
		     const struct fapi_request *request, struct buf *ret_json, struct err *err)
	MUST_CHECK;

#endif
