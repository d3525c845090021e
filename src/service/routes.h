/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_ROUTES_H
#define SERVICE_ROUTES_H

/* The handlers that the route table names, one per operation; @app is the struct service. */

#include "http/http.h"

void service_status(struct http_request *request, void *app);
void service_metrics(struct http_request *request, void *app);
void service_random(struct http_request *request, void *app);
void service_seal(struct http_request *request, void *app);
void service_unseal(struct http_request *request, void *app);
void service_secret_put(struct http_request *request, void *app);
void service_secret_get(struct http_request *request, void *app);
void service_secret_delete(struct http_request *request, void *app);
void service_secret_list(struct http_request *request, void *app);
void service_key_create(struct http_request *request, void *app);
void service_key_get(struct http_request *request, void *app);
void service_key_delete(struct http_request *request, void *app);
void service_key_list(struct http_request *request, void *app);
void service_key_sign(struct http_request *request, void *app);
void service_key_export(struct http_request *request, void *app);
void service_key_decrypt(struct http_request *request, void *app);
void service_key_agree(struct http_request *request, void *app);
void service_key_mac(struct http_request *request, void *app);
void service_key_request(struct http_request *request, void *app);
void service_aik_list(struct http_request *request, void *app);
void service_aik_create(struct http_request *request, void *app);
void service_aik_get(struct http_request *request, void *app);
void service_aik_delete(struct http_request *request, void *app);
void service_aik_quote(struct http_request *request, void *app);
void service_aik_certify(struct http_request *request, void *app);
void service_aik_sign(struct http_request *request, void *app);
void service_aik_activate(struct http_request *request, void *app);
void service_ek(struct http_request *request, void *app);
void service_ek_certificate(struct http_request *request, void *app);
void service_pcrs(struct http_request *request, void *app);
void service_eventlog(struct http_request *request, void *app);
void service_fapi_object(struct http_request *request, void *app);
void service_usage(struct http_request *request, void *app);
void service_device(struct http_request *request, void *app);
void service_device_sign(struct http_request *request, void *app);
void service_device_tls(struct http_request *request, void *app);
void service_device_raw(struct http_request *request, void *app);
void service_device_storage_key(struct http_request *request, void *app);
void service_storage_activate(struct http_request *request, void *app); /* unwrap.c */
void service_unwrap(struct http_request *request, void *app);
void service_device_init(struct http_request *request, void *app);
void service_device_approve(struct http_request *request, void *app);
void service_device_renew(struct http_request *request, void *app);
void service_device_certificate(struct http_request *request, void *app);
void service_device_request(struct http_request *request, void *app);
void service_device_migrate(struct http_request *request, void *app);
void service_device_reset(struct http_request *request, void *app);
void service_tpm_accept(struct http_request *request, void *app);
void service_fapi_probe(struct http_request *request, void *app);
void service_fapi_provision(struct http_request *request, void *app);
void service_fapi_seal(struct http_request *request, void *app);
void service_fapi_list(struct http_request *request, void *app);
void service_fapi_delete(struct http_request *request, void *app);
void service_tenant_list(struct http_request *request, void *app);
void service_tenant_add(struct http_request *request, void *app);
void service_tenant_show(struct http_request *request, void *app);
void service_tenant_remove(struct http_request *request, void *app);
void service_reload(struct http_request *request, void *app);
void service_audit(struct http_request *request, void *app);

#endif
