/* SPDX-License-Identifier: Apache-2.0 */
#include "stack/facts.h"

#include <string.h>

#include "stack/render_impl.h"

const char *const FACT_VARIABLE_NAMES[FACT_VARIABLES] = {
	[VARIABLE_TOOLS] = "TPM2TOOLS_TCTI",
	[VARIABLE_PKCS11] = "TPM2_PKCS11_TCTI",
	[VARIABLE_OPENSSL] = "TPM2OPENSSL_TCTI",
};

bool fact_handles_have(const struct fact_handles *handles, uint32_t handle)
{
	size_t i;

	for (i = 0; i < handles->count; i++)
		if (handles->list[i] == handle)
			return true;
	return false;
}

bool fact_tcti_wanted(const struct conf *conf, char ret_text[FACT_PATH_SIZE])
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(FACT_PATH_SIZE);

	if (!conf->tpm2.enable || !conf->tpm2.tcti_environment_enable)
		return false;
	render_environment_tcti(conf, &text);
	buf_put_u8(&text, '\0');
	if (!buf_ok(&text))
		return false;
	memcpy(ret_text, text.data, text.len);
	return true;
}
