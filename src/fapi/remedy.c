/* SPDX-License-Identifier: Apache-2.0 */
/* The helper chooses from this table, and who started it knows its choice by the text. */
#include <string.h>

#include "fapi/impl.h"

static const char *const TEXTS[] = {
	[REMEDY_STORE] =
		"Repeat it when no other FAPI program is at work; if that does not help, look at "
		"owner, mode and free space of the FAPI folder.",
	[REMEDY_OWNER] =
		"Provision with empty hierarchy passwords, or use FAPI with its own tools only: "
		"holdfast-fapi gives no password to the TPM.",
	[REMEDY_SRK] =
		"Choose the FAPI profile whose algorithm is that of the key at 0x81000001; if the "
		"key lacks noDA, FAPI must keep the store that it was provisioned with.",
	[REMEDY_CHANGED] =
		"Put the TPM back that the FAPI store was made with; or give up the objects in the "
		"store: move its folder away and provision anew.",
	[REMEDY_CERTIFICATE] =
		"Set ek_cert_less to yes in the FAPI configuration, or have the TPM given a "
		"certificate.",
	[REMEDY_PROVISION] = "Provision FAPI first.",
	[REMEDY_PATH] = "Give /HS/SRK/ and a name of letters, digits, '_' and '-'.",
	[REMEDY_OBJECT] = "Remove the folder of the damaged object from the FAPI store by hand.",
	[REMEDY_NV_SPACE] = "Remove a persistent key that is no longer needed.",
};

const char *remedy_text(enum remedy remedy)
{
	return TEXTS[remedy];
}

const char *remedy_known(const char *text)
{
	size_t i;

	for (i = REMEDY_NONE + 1; i < ARRAY_LEN(TEXTS); i++)
		if (strcmp(TEXTS[i], text) == 0)
			return TEXTS[i];
	return NULL;
}
