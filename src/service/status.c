/* SPDX-License-Identifier: Apache-2.0 */
/* Answered at once from what the loop knows, also while a command holds the chip for seconds. */
#include <jansson.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "service/device.h"
#include "service/op.h"
#include "service/routes.h"

#define EXPOSITION_MAX	(1024u * 1024u)
#define EXPOSITION_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

static uint64_t uptime_s(const struct service *service)
{
	return (clock_monotonic_us() - service->started_us) / 1000000u;
}

static const char *provider_word(const struct service *service)
{
	if (service->provider)
		return service->provider->ops->name;
	return service->state == SERVICE_DECIDING ? "deciding" : "none";
}

static json_t *counter_json(uint32_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *lockout_json(const struct provider_status *status)
{
	if (!status->has_lockout)
		return json_null();
	return json_pack("{s:o, s:o, s:b, s:o, s:b}", "counter",
			 counter_json(status->lockout_counter), "max",
			 counter_json(status->lockout_max), "in_lockout", (int)status->in_lockout,
			 "resets", counter_json(status->lockout_resets), "password_refused",
			 (int)status->lockout_auth_refused);
}

/* Of a persistent endorsement key, which is shown and never a reason for anything. */
static json_t *ek_json(const struct provider_status *status)
{
	CLEANUP(buf_fini) struct buf name = BUF_INIT(2 * PROVIDER_ROOT_MAX);

	if (status->ek_name.len == 0)
		return json_null();
	hex_encode(&name, status->ek_name);
	if (!buf_ok(&name))
		return NULL;
	return json_pack("{s:o, s:s%}", "handle", counter_json(status->ek_handle), "name",
			 (const char *)name.data, name.len);
}

static json_t *fapi_json(const struct service *service)
{
	static const char *const WORDS[] = {[SERVICE_PROBE_OFF] = "off",
					    [SERVICE_PROBE_SUCCEEDED] = "succeeded",
					    [SERVICE_PROBE_FAILED] = "failed"};
	const char *detail = service->probe_detail;

	return json_pack("{s:s, s:o}", "probe", WORDS[service->probe], "detail",
			 op_json_text(detail[0] != '\0' ? detail : NULL));
}

static json_t *tpm_json(const struct service *service)
{
	const struct provider_status *status = &service->provider_status;

	if (!service->provider || !service->provider->ops->on_chip)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "manufacturer",
			 op_json_text(status->manufacturer), "firmware",
			 op_json_text(status->firmware), "tcti", op_json_text(status->tcti),
			 "resource_manager", op_json_text(status->resource_manager), "commands",
			 (json_int_t)status->commands, "lockout", lockout_json(status), "fault",
			 op_json_text(status->fault), "reset_count",
			 counter_json(status->reset_count), "restart_count",
			 counter_json(status->restart_count), "ek", ek_json(status));
}

void service_status(struct http_request *request, void *app)
{
	const struct service *service = app;
	const struct tenant_peer *peer = http_request_peer(request);
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct err err;

	metrics_count_request(METRICS_STATUS);
	json = json_pack("{s:s, s:s, s:o, s:s, s:I, s:s, s:o, s:o, s:s, s:{s:o}}", "version",
			 service->version, "provider", provider_word(service), "reason",
			 op_json_text(service->reason), "protection",
			 service->provider ? service->provider->ops->protection : "none", "uptime",
			 (json_int_t)uptime_s(service), "tenant", peer->tenant->name, "tpm",
			 tpm_json(service), "fapi", fapi_json(service), "broker", raw_word(service),
			 "device", "mode", device_mode_json(service));
	if (json) {
		http_answer_json(request, 200, json);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "no memory for the answer");
	http_answer_error(request, &err);
}

void service_metrics(struct http_request *request, void *app)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(EXPOSITION_MAX);
	struct err err;

	metrics_count_request(METRICS_METRICS);
	metrics_set_uptime(uptime_s(app));
	metrics_set_device_mode(device_mode(app, NULL));
	metrics_render(&text);
	if (buf_ok(&text)) {
		http_answer_bytes(request, 200, EXPOSITION_TYPE, buf_slice(&text));
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "no memory for the answer");
	http_answer_error(request, &err);
}
