/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_METRICS_H
#define SERVICE_METRICS_H

/* What the service counts of itself. The engine's own counters register themselves. */

#include <stdint.h>

#include "identity/state.h"

enum metrics_operation {
	METRICS_STATUS,
	METRICS_METRICS,
	METRICS_RANDOM,
	METRICS_SEAL,
	METRICS_UNSEAL,
	METRICS_SECRET_PUT,
	METRICS_SECRET_GET,
	METRICS_SECRET_DELETE,
	METRICS_SECRET_LIST,
	METRICS_KEY_CREATE,
	METRICS_KEY_IMPORT,
	METRICS_KEY_GET,
	METRICS_KEY_DELETE,
	METRICS_KEY_LIST,
	METRICS_KEY_SIGN,
	METRICS_KEY_EXPORT,
	METRICS_KEY_DECRYPT,
	METRICS_KEY_AGREE,
	METRICS_KEY_MAC,
	METRICS_KEY_REQUEST,
	METRICS_AIK_CREATE,
	METRICS_AIK_LIST,
	METRICS_AIK_GET,
	METRICS_AIK_DELETE,
	METRICS_AIK_QUOTE,
	METRICS_AIK_CERTIFY,
	METRICS_AIK_SIGN,
	METRICS_AIK_ACTIVATE,
	METRICS_EK,
	METRICS_EK_CERTIFICATE,
	METRICS_PCRS,
	METRICS_EVENTLOG,
	METRICS_USAGE,
	METRICS_DEVICE,
	METRICS_DEVICE_SIGN,
	METRICS_DEVICE_TLS,
	METRICS_DEVICE_RAW,
	METRICS_DEVICE_STORAGE_KEY,
	METRICS_DEVICE_ACTIVATE,
	METRICS_UNWRAP,
	METRICS_DEVICE_INIT,
	METRICS_DEVICE_APPROVE,
	METRICS_DEVICE_RENEW,
	METRICS_DEVICE_CERTIFICATE,
	METRICS_DEVICE_REQUEST,
	METRICS_DEVICE_MIGRATE,
	METRICS_DEVICE_RESET,
	METRICS_TPM_ACCEPT,
	METRICS_FAPI_OBJECT,
	METRICS_FAPI_PROBE,
	METRICS_FAPI_PROVISION,
	METRICS_FAPI_SEAL,
	METRICS_FAPI_LIST,
	METRICS_FAPI_DELETE,
	METRICS_TENANT_LIST,
	METRICS_TENANT_ADD,
	METRICS_TENANT_SHOW,
	METRICS_TENANT_REMOVE,
	METRICS_RELOAD,
	METRICS_AUDIT,
	METRICS_OPERATIONS,
};

/* Registers all families, before threads start. @version lives as long as the process. */
void metrics_setup(const char *version);

/* "key.sign": the operation's name in metrics and audit. */
const char *metrics_operation_name(enum metrics_operation operation);

void metrics_count_request(enum metrics_operation operation);
void metrics_count_error(int code);

/* The requests of a tenant, whose name is the label; there are no more than tenants. Loop only. */
struct tenant;
void metrics_add_tenant(struct tenant *tenant);
void metrics_remove_tenant(struct tenant *tenant);

void metrics_set_uptime(uint64_t seconds);
/* The mode of the device's identity; IDENTITY_MODES = not known yet. */
void metrics_set_device_mode(enum identity_mode mode);

#endif
