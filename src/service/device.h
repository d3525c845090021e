/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_DEVICE_H
#define SERVICE_DEVICE_H

/* What the service tells of the device's identity, from what the loop knows (docs/IDENTITY.md). */

#include "service/service.h"

struct json_t;

/*
 * The mode as it is in effect: an identity in the TPM is degraded while the service has no TPM that
 * serves. IDENTITY_MODES while nothing is settled. *ret_cause, where it is not NULL, is how that
 * came to be, in words; borrowed until the next turn of the loop, "" = nothing to tell.
 */
enum identity_mode device_mode(const struct service *service, const char **ret_cause);
/* Its word; null while nothing is settled. */
struct json_t *device_mode_json(const struct service *service);

/* ERR_STARTING while nothing is settled. */
int device_known(const struct service *service, struct err *err) MUST_CHECK;

/* Who keeps the key: "tpm", "software" or, without a key, "none". */
const char *device_protection(const struct identity_view *view);

/* All of it (docs/API.yaml, Device); NULL when memory was short. Only where it is known. */
struct json_t *device_json(const struct service *service);

#endif
