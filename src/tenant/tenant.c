/* SPDX-License-Identifier: Apache-2.0 */
/* Policy as two questions on immutable rights and one counter; no I/O. */
#include "tenant/tenant.h"

#include "base/mem.h"

/* The words of the configuration, so that a refusal can be mended there. */
static const struct {
	uint32_t right;
	const char *word;
} WORDS[] = {
	{TENANT_RANDOM, "random"},
	{TENANT_SEAL, "seal"},
	{TENANT_KEY, "key"},
	{TENANT_SIGN, "sign"},
	{TENANT_AIK, "aik"},
	{TENANT_USAGE, "usage"},
	{TENANT_DECRYPT, "decrypt"},
	{TENANT_IMPORT, "import"},
	{TENANT_EXPORT, "export"},
	{TENANT_UNWRAP, "unwrap"},
	{TENANT_DEVICE_SIGN, "device-sign"},
	{TENANT_DEVICE_TLS, "device-tls"},
	{TENANT_DEVICE_RAW, "device-raw"},
};

/* A client that waits this long finds some of the requests in flight answered. */
#define RETRY_AFTER_S 1u

int tenant_permits(const struct tenant *tenant, uint32_t right, struct err *err)
{
	uint32_t missing = right & ~tenant->rights;
	size_t i;

	if (missing == 0)
		return 0;
	for (i = 0; i < ARRAY_LEN(WORDS); i++)
		if (missing & WORDS[i].right)
			return err_set(err, ERR_FORBIDDEN,
				       "tenant %s has no right to the operation '%s'", tenant->name,
				       WORDS[i].word);
	return err_set(err, ERR_FORBIDDEN, "only the tenant host may do that");
}

int tenant_has_room(const struct tenant *tenant, struct err *err)
{
	if (tenant->in_flight < TENANT_IN_FLIGHT_MAX)
		return 0;
	(void)err_set(err, ERR_QUOTA, "tenant %s has %u requests in flight already", tenant->name,
		      tenant->in_flight);
	err->retry_after = RETRY_AFTER_S;
	return err->code;
}
