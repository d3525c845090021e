/* SPDX-License-Identifier: Apache-2.0 */
/* The contract on the legacy provider: a device is a host key. */

#include "provider/legacy/legacy.h"
#include "tests/contract/contract.h"

static int open_host(struct contract_factory *factory, unsigned device,
		     struct provider **ret_provider, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *host_key = NULL;
	int r = secret_new(32, &host_key, err);

	(void)factory;
	if (r < 0)
		return r;
	secret_data(host_key)[0] = (uint8_t)(1 + device);
	return legacy_open(host_key, ret_provider, err);
}

int main(void)
{
	struct contract_factory factory = {.name = "contract-legacy", .open = open_host};

	return contract_run(&factory);
}
