/* SPDX-License-Identifier: Apache-2.0 */
/* Eight families; but for tenants, every series exists from the start, so that rates need no first
 * event. */
#include "service/metrics.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tenant/tenant.h"

#define ERRORS_MAX 64u

static struct metric requests[METRICS_OPERATIONS] = {
	[METRICS_STATUS] = {.label = "status"},
	[METRICS_METRICS] = {.label = "metrics"},
	[METRICS_RANDOM] = {.label = "random"},
	[METRICS_SEAL] = {.label = "seal"},
	[METRICS_UNSEAL] = {.label = "unseal"},
	[METRICS_SECRET_PUT] = {.label = "secret.put"},
	[METRICS_SECRET_GET] = {.label = "secret.get"},
	[METRICS_SECRET_DELETE] = {.label = "secret.delete"},
	[METRICS_SECRET_LIST] = {.label = "secret.list"},
	[METRICS_KEY_CREATE] = {.label = "key.create"},
	[METRICS_KEY_IMPORT] = {.label = "key.import"},
	[METRICS_KEY_GET] = {.label = "key.get"},
	[METRICS_KEY_DELETE] = {.label = "key.delete"},
	[METRICS_KEY_LIST] = {.label = "key.list"},
	[METRICS_KEY_SIGN] = {.label = "key.sign"},
	[METRICS_KEY_EXPORT] = {.label = "key.export"},
	[METRICS_KEY_DECRYPT] = {.label = "key.decrypt"},
	[METRICS_KEY_AGREE] = {.label = "key.agree"},
	[METRICS_KEY_MAC] = {.label = "key.mac"},
	[METRICS_KEY_REQUEST] = {.label = "key.request"},
	[METRICS_AIK_CREATE] = {.label = "aik.create"},
	[METRICS_AIK_LIST] = {.label = "aik.list"},
	[METRICS_AIK_GET] = {.label = "aik.get"},
	[METRICS_AIK_DELETE] = {.label = "aik.delete"},
	[METRICS_AIK_QUOTE] = {.label = "aik.quote"},
	[METRICS_AIK_CERTIFY] = {.label = "aik.certify"},
	[METRICS_AIK_SIGN] = {.label = "aik.sign"},
	[METRICS_AIK_ACTIVATE] = {.label = "aik.activate"},
	[METRICS_EK] = {.label = "ek"},
	[METRICS_EK_CERTIFICATE] = {.label = "ek.certificate"},
	[METRICS_PCRS] = {.label = "pcrs"},
	[METRICS_EVENTLOG] = {.label = "eventlog"},
	[METRICS_USAGE] = {.label = "usage"},
	[METRICS_DEVICE] = {.label = "device"},
	[METRICS_DEVICE_SIGN] = {.label = "device.sign"},
	[METRICS_DEVICE_TLS] = {.label = "device.tls"},
	[METRICS_DEVICE_RAW] = {.label = "device.raw"},
	[METRICS_DEVICE_STORAGE_KEY] = {.label = "device.storage-key"},
	[METRICS_DEVICE_ACTIVATE] = {.label = "device.activate"},
	[METRICS_UNWRAP] = {.label = "unwrap"},
	[METRICS_DEVICE_INIT] = {.label = "device.init"},
	[METRICS_DEVICE_APPROVE] = {.label = "device.approve"},
	[METRICS_DEVICE_RENEW] = {.label = "device.renew"},
	[METRICS_DEVICE_CERTIFICATE] = {.label = "device.certificate"},
	[METRICS_DEVICE_REQUEST] = {.label = "device.certificate-request"},
	[METRICS_DEVICE_MIGRATE] = {.label = "device.migrate"},
	[METRICS_DEVICE_RESET] = {.label = "device.reset"},
	[METRICS_TPM_ACCEPT] = {.label = "tpm.accept"},
	[METRICS_FAPI_OBJECT] = {.label = "fapi.object"},
	[METRICS_FAPI_PROBE] = {.label = "fapi.probe"},
	[METRICS_FAPI_PROVISION] = {.label = "fapi.provision"},
	[METRICS_FAPI_SEAL] = {.label = "fapi.seal"},
	[METRICS_FAPI_LIST] = {.label = "fapi.list"},
	[METRICS_FAPI_DELETE] = {.label = "fapi.delete"},
	[METRICS_TENANT_LIST] = {.label = "tenant.list"},
	[METRICS_TENANT_ADD] = {.label = "tenant.add"},
	[METRICS_TENANT_SHOW] = {.label = "tenant.show"},
	[METRICS_TENANT_REMOVE] = {.label = "tenant.remove"},
	[METRICS_RELOAD] = {.label = "reload"},
	[METRICS_AUDIT] = {.label = "audit"},
};

static struct metric errors[ERRORS_MAX]; /* in the order of err_table() */
static struct metric info = {.value = 1};
static struct metric uptime;
static struct metric device_modes[IDENTITY_MODES];

static struct metric_family requests_family = {
	.name = "holdfast_requests",
	.help = "Requests that were admitted, by operation.",
	.label = "operation",
	.kind = METRIC_COUNTER,
};
static struct metric_family errors_family = {
	.name = "holdfast_errors",
	.help = "Requests that were answered with an error, by code.",
	.label = "code",
	.kind = METRIC_COUNTER,
};
static struct metric_family tenants_family = {
	.name = "holdfast_tenant_requests",
	.help = "Requests that were admitted, by tenant.",
	.label = "tenant",
	.kind = METRIC_COUNTER,
};
static struct metric_family raw_commands_family = {
	.name = "holdfast_tenant_raw_commands",
	.help = "TPM commands that were sent by tenants themselves, by tenant.",
	.label = "tenant",
	.kind = METRIC_COUNTER,
};
static struct metric_family raw_refused_family = {
	.name = "holdfast_tenant_raw_refused",
	.help = "Those of them that the policy, or a limit, did not let through, by tenant.",
	.label = "tenant",
	.kind = METRIC_COUNTER,
};
static struct metric_family info_family = {
	.name = "holdfast_info",
	.help = "The version of the service.",
	.label = "version",
	.kind = METRIC_GAUGE,
};
static struct metric_family uptime_family = {
	.name = "holdfast_uptime_seconds",
	.help = "Seconds since the service started.",
	.kind = METRIC_GAUGE,
};
static struct metric_family device_family = {
	.name = "holdfast_device_mode",
	.help = "1 for the mode that the identity of the device is in, 0 for the others.",
	.label = "mode",
	.kind = METRIC_GAUGE,
};

void metrics_setup(const char *version)
{
	size_t count, i;
	const struct err_info *table = err_table(&count);

	for (i = 0; i < METRICS_OPERATIONS; i++)
		metrics_add_series(&requests_family, &requests[i]);
	for (i = 0; i < count && i < ERRORS_MAX; i++) {
		errors[i].label = table[i].name;
		metrics_add_series(&errors_family, &errors[i]);
	}
	for (i = 0; i < IDENTITY_MODES; i++) {
		device_modes[i].label = identity_mode_name((enum identity_mode)i);
		metrics_add_series(&device_family, &device_modes[i]);
	}
	info.label = version;
	metrics_add_series(&info_family, &info);
	metrics_add_series(&uptime_family, &uptime);
	metrics_register(&info_family);
	metrics_register(&uptime_family);
	metrics_register(&device_family);
	metrics_register(&requests_family);
	metrics_register(&errors_family);
	metrics_register(&tenants_family);
	metrics_register(&raw_commands_family);
	metrics_register(&raw_refused_family);
}

const char *metrics_operation_name(enum metrics_operation operation)
{
	return requests[operation].label;
}

void metrics_count_request(enum metrics_operation operation)
{
	metric_add(&requests[operation], 1);
}

void metrics_count_error(int code)
{
	size_t count, i;
	const struct err_info *table = err_table(&count);

	for (i = 0; i < count && i < ERRORS_MAX; i++)
		if (table[i].code == code)
			metric_add(&errors[i], 1);
}

void metrics_add_tenant(struct tenant *tenant)
{
	tenant->requests.label = tenant->name;
	metrics_add_series(&tenants_family, &tenant->requests);
	tenant->raw_commands.label = tenant->raw_refused.label = tenant->name;
	metrics_add_series(&raw_commands_family, &tenant->raw_commands);
	metrics_add_series(&raw_refused_family, &tenant->raw_refused);
}

void metrics_remove_tenant(struct tenant *tenant)
{
	metrics_remove_series(&tenants_family, &tenant->requests);
	metrics_remove_series(&raw_commands_family, &tenant->raw_commands);
	metrics_remove_series(&raw_refused_family, &tenant->raw_refused);
}

void metrics_set_uptime(uint64_t seconds)
{
	metric_set(&uptime, seconds);
}

void metrics_set_device_mode(enum identity_mode mode)
{
	size_t i;

	for (i = 0; i < IDENTITY_MODES; i++)
		metric_set(&device_modes[i], i == mode);
}
