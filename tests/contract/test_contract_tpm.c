/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract on the TPM provider: a device is a simulated chip and what was recorded of it.
 * Once with an ECC root, once with RSA, and once with the HSK kept as a blob.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "provider/tpm/tpm.h"
#include "tests/contract/contract.h"
#include "tests/support/chip.h"

struct chips {
	struct contract_factory factory; /* first */
	struct chip chip[2];
	struct buf record[2];
	enum pkey_type srk_type;
	uint32_t hsk_handle;
};

static int open_chip(struct contract_factory *factory, unsigned device,
		     struct provider **ret_provider, struct err *err)
{
	struct chips *chips = (struct chips *)(void *)factory;
	CLEANUP(buf_fini) struct buf fresh = BUF_INIT(TPM_STATE_MAX);
	CLEANUP(provider_cleanup) struct provider *p = NULL;
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	struct tpm_options options = {
		.tcti = chips->chip[device].conf,
		.srk_type = chips->srk_type,
		.srk_handle = 0x81000002u,
		.hsk_handle = chips->hsk_handle,
		.encrypt = true,
	};
	int r = secret_new(32, &key, err);

	if (r < 0)
		return r;
	secret_data(key)[0] = (uint8_t)(1 + device);
	r = tpm_provider_open(&options, key, buf_slice(&chips->record[device]), &p, &fresh, err);
	if (r < 0)
		return r;
	if (fresh.len)
		buf_put(&chips->record[device], buf_slice(&fresh));
	r = tpm_provider_commit(p, err);
	if (r == 0)
		*ret_provider = TAKE(p);
	return r;
}

static int run_on(const char *name, enum pkey_type srk_type, uint32_t hsk_handle)
{
	struct chips chips = {
		.factory = {.name = name, .open = open_chip},
		.record = {BUF_INIT(TPM_STATE_MAX), BUF_INIT(TPM_STATE_MAX)},
		.srk_type = srk_type,
		.hsk_handle = hsk_handle,
	};
	unsigned i;
	int failed;

	for (i = 0; i < 2; i++)
		chip_new(&chips.chip[i]);
	failed = contract_run(&chips.factory);
	for (i = 0; i < 2; i++) {
		chip_free(&chips.chip[i]);
		buf_fini(&chips.record[i]);
	}
	return failed;
}

int main(void)
{
	int failed = 0;

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	failed += run_on("contract-tpm-ecc", PKEY_ECC_P256, 0x81000101u);
	failed += run_on("contract-tpm-rsa", PKEY_RSA_2048, 0x81000101u);
	failed += run_on("contract-tpm-blob-hsk", PKEY_ECC_P256, 0);
	return failed;
}
