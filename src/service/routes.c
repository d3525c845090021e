/* SPDX-License-Identifier: Apache-2.0 */
/* The whole interface on one page: what there is, and which right it takes. */
#include "service/routes.h"

#include "service/message.h"

#define ROUTE(verb, where, need, takes, limit, does)                                               \
	{                                                                                          \
		.method = (verb), .path = (where), .right = (need), .body = (takes),               \
		.octets_max = (limit), .handler = (does)                                           \
	}

/* Octets over @limit come as a stream. */
#define STREAM(verb, where, limit, most, does)                                                     \
	{                                                                                          \
		.method = (verb), .path = (where), .right = TENANT_SEAL,                           \
		.body = HTTP_BODY_STREAM_OR_JSON, .octets_max = (limit), .stream_max = (most),     \
		.handler = (does)                                                                  \
	}

/* JSON that holds a long message. */
#define MESSAGE(verb, where, need, does)                                                           \
	{                                                                                          \
		.method = (verb), .path = (where), .right = (need), .body = HTTP_BODY_JSON,        \
		.handler = (does), .json_max = MESSAGE_JSON_MAX                                    \
	}

static const struct http_route ROUTES[] = {
	ROUTE(HTTP_GET, "/v1/status", TENANT_NO_JOB, HTTP_BODY_NONE, 0, service_status),
	ROUTE(HTTP_GET, "/metrics", TENANT_HOST_ONLY | TENANT_NO_JOB, HTTP_BODY_NONE, 0,
	      service_metrics),
	ROUTE(HTTP_POST, "/v1/random", TENANT_RANDOM, HTTP_BODY_JSON, 0, service_random),

	STREAM(HTTP_POST, "/v1/seal", KEYSTORE_PLAIN_MAX, KEYSTORE_STREAM_MAX, service_seal),
	STREAM(HTTP_POST, "/v1/unseal", KEYSTORE_PLAIN_MAX, KEYSTORE_STREAM_BLOB_MAX,
	       service_unseal),

	ROUTE(HTTP_GET, "/v1/secrets", TENANT_SEAL, HTTP_BODY_NONE, 0, service_secret_list),
	ROUTE(HTTP_PUT, "/v1/secrets/{name}", TENANT_SEAL, HTTP_BODY_OCTETS_OR_JSON,
	      KEYSTORE_PLAIN_MAX, service_secret_put),
	ROUTE(HTTP_GET, "/v1/secrets/{name}", TENANT_SEAL, HTTP_BODY_NONE, 0, service_secret_get),
	ROUTE(HTTP_DELETE, "/v1/secrets/{name}", TENANT_SEAL, HTTP_BODY_NONE, 0,
	      service_secret_delete),

	ROUTE(HTTP_GET, "/v1/keys", TENANT_KEY, HTTP_BODY_NONE, 0, service_key_list),
	ROUTE(HTTP_POST, "/v1/keys", TENANT_KEY, HTTP_BODY_JSON, 0, service_key_create),
	ROUTE(HTTP_GET, "/v1/keys/{name}", TENANT_KEY, HTTP_BODY_NONE, 0, service_key_get),
	ROUTE(HTTP_DELETE, "/v1/keys/{name}", TENANT_KEY, HTTP_BODY_NONE, 0, service_key_delete),
	ROUTE(HTTP_POST, "/v1/keys/{name}/sign", TENANT_SIGN, HTTP_BODY_JSON, 0, service_key_sign),
	ROUTE(HTTP_POST, "/v1/keys/{name}/export", TENANT_EXPORT, HTTP_BODY_JSON, 0,
	      service_key_export),
	ROUTE(HTTP_POST, "/v1/keys/{name}/decrypt", TENANT_DECRYPT, HTTP_BODY_JSON, 0,
	      service_key_decrypt),
	ROUTE(HTTP_POST, "/v1/keys/{name}/agree", TENANT_DECRYPT, HTTP_BODY_JSON, 0,
	      service_key_agree),
	MESSAGE(HTTP_POST, "/v1/keys/{name}/mac", TENANT_SIGN, service_key_mac),
	ROUTE(HTTP_POST, "/v1/keys/{name}/certificate-request", TENANT_SIGN, HTTP_BODY_JSON, 0,
	      service_key_request),

	ROUTE(HTTP_GET, "/v1/aiks", TENANT_AIK, HTTP_BODY_NONE, 0, service_aik_list),
	ROUTE(HTTP_POST, "/v1/aiks", TENANT_AIK, HTTP_BODY_JSON, 0, service_aik_create),
	ROUTE(HTTP_GET, "/v1/aiks/{name}", TENANT_AIK, HTTP_BODY_NONE, 0, service_aik_get),
	ROUTE(HTTP_DELETE, "/v1/aiks/{name}", TENANT_AIK, HTTP_BODY_NONE, 0, service_aik_delete),
	ROUTE(HTTP_POST, "/v1/aiks/{name}/quote", TENANT_AIK, HTTP_BODY_JSON, 0, service_aik_quote),
	ROUTE(HTTP_POST, "/v1/aiks/{name}/certify", TENANT_AIK, HTTP_BODY_JSON, 0,
	      service_aik_certify),
	MESSAGE(HTTP_POST, "/v1/aiks/{name}/sign", TENANT_AIK, service_aik_sign),
	ROUTE(HTTP_POST, "/v1/aiks/{name}/activate", TENANT_AIK, HTTP_BODY_JSON, 0,
	      service_aik_activate),

	ROUTE(HTTP_GET, "/v1/ek", TENANT_AIK, HTTP_BODY_NONE, 0, service_ek),
	ROUTE(HTTP_GET, "/v1/ek/certificate", TENANT_AIK, HTTP_BODY_NONE, 0,
	      service_ek_certificate),
	ROUTE(HTTP_GET, "/v1/pcrs", TENANT_AIK, HTTP_BODY_NONE, 0, service_pcrs),
	ROUTE(HTTP_GET, "/v1/eventlog", TENANT_AIK, HTTP_BODY_NONE, 0, service_eventlog),

	ROUTE(HTTP_GET, "/v1/usage", TENANT_USAGE, HTTP_BODY_NONE, 0, service_usage),

	ROUTE(HTTP_GET, "/v1/device", TENANT_NO_JOB, HTTP_BODY_NONE, 0, service_device),
	ROUTE(HTTP_POST, "/v1/device/sign", TENANT_DEVICE_SIGN, HTTP_BODY_JSON, 0,
	      service_device_sign),
	ROUTE(HTTP_POST, "/v1/device/tls", TENANT_DEVICE_TLS, HTTP_BODY_JSON, 0,
	      service_device_tls),
	ROUTE(HTTP_POST, "/v1/device/raw", TENANT_DEVICE_RAW, HTTP_BODY_JSON, 0,
	      service_device_raw),
	ROUTE(HTTP_GET, "/v1/device/storage-key", TENANT_UNWRAP, HTTP_BODY_NONE, 0,
	      service_device_storage_key),
	ROUTE(HTTP_POST, "/v1/device/storage-key/activate", TENANT_UNWRAP, HTTP_BODY_JSON, 0,
	      service_storage_activate),
	ROUTE(HTTP_POST, "/v1/unwrap", TENANT_UNWRAP, HTTP_BODY_JSON, 0, service_unwrap),

	ROUTE(HTTP_GET, "/v1/fapi/object", TENANT_HOST_ONLY | TENANT_SEAL, HTTP_BODY_NONE, 0,
	      service_fapi_object),

	ROUTE(HTTP_POST, "/v1/admin/tpm/accept", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_tpm_accept),
	ROUTE(HTTP_POST, "/v1/admin/device/init", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_device_init),
	ROUTE(HTTP_POST, "/v1/admin/device/approve", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_device_approve),
	ROUTE(HTTP_POST, "/v1/admin/device/renew", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_device_renew),
	ROUTE(HTTP_POST, "/v1/admin/device/certificate", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_device_certificate),
	ROUTE(HTTP_POST, "/v1/admin/device/certificate-request", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_device_request),
	ROUTE(HTTP_POST, "/v1/admin/device/migrate", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_device_migrate),
	ROUTE(HTTP_POST, "/v1/admin/device/reset", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_device_reset),
	ROUTE(HTTP_POST, "/v1/admin/fapi/probe", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_fapi_probe),
	ROUTE(HTTP_POST, "/v1/admin/fapi/provision", TENANT_ADMIN, HTTP_BODY_JSON, 0,
	      service_fapi_provision),
	ROUTE(HTTP_POST, "/v1/admin/fapi/seal", TENANT_ADMIN, HTTP_BODY_JSON, 0, service_fapi_seal),
	ROUTE(HTTP_GET, "/v1/admin/fapi/objects", TENANT_ADMIN, HTTP_BODY_NONE, 0,
	      service_fapi_list),
	ROUTE(HTTP_DELETE, "/v1/admin/fapi/object", TENANT_ADMIN, HTTP_BODY_NONE, 0,
	      service_fapi_delete),

	ROUTE(HTTP_GET, "/v1/admin/tenants", TENANT_ADMIN, HTTP_BODY_NONE, 0, service_tenant_list),
	ROUTE(HTTP_POST, "/v1/admin/tenants", TENANT_ADMIN, HTTP_BODY_JSON, 0, service_tenant_add),
	ROUTE(HTTP_GET, "/v1/admin/tenants/{name}", TENANT_ADMIN, HTTP_BODY_NONE, 0,
	      service_tenant_show),
	ROUTE(HTTP_DELETE, "/v1/admin/tenants/{name}", TENANT_ADMIN, HTTP_BODY_NONE, 0,
	      service_tenant_remove),
	ROUTE(HTTP_POST, "/v1/admin/reload", TENANT_ADMIN, HTTP_BODY_JSON, 0, service_reload),
	ROUTE(HTTP_GET, "/v1/admin/audit", TENANT_ADMIN | TENANT_NO_JOB, HTTP_BODY_NONE, 0,
	      service_audit),
};

const struct http_route *service_routes(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(ROUTES);
	return ROUTES;
}
