/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table, read from the top: the first row that fits wins, so rows for one step stand before
 * the general ones. Codes of the chip: TPM 2.0 Part 2, 6.6.
 */
#include "cmd/holdfast-fapi/rc.h"

#include <stdbool.h>
#include <string.h>
#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#include "fapi/impl.h"

/* Format-one codes carry the number of a handle, session or parameter, which is left out. */
#define FORMAT_ONE	TPM2_RC_FMT1
#define FORMAT_ONE_MASK (TPM2_RC_FMT1 | 0x3fu)

struct row {
	const char *step; /* NULL = every one */
	uint32_t rc;
	int code;
	const char *text;
	enum remedy remedy;
};

static const struct row ROWS[] = {
	{"Fapi_Provision", TSS2_FAPI_RC_BAD_VALUE, ERR_CONFLICT,
	 "another key lies at 0x81000001, or the profile asks for another algorithm than it has",
	 REMEDY_SRK},
	{"Fapi_Provision", TPM2_RC_NV_DEFINED, ERR_CONFLICT, "a key lies at 0x81000001 already",
	 REMEDY_SRK},
	{"Fapi_Provision", TSS2_FAPI_RC_NO_CERT, ERR_NO_CERTIFICATE,
	 "the TPM has no certificate for its endorsement key", REMEDY_CERTIFICATE},
	{"Fapi_Initialize", TSS2_FAPI_RC_IO_ERROR, ERR_UNREADABLE,
	 "FAPI cannot read its configuration or profile, or make its folders", REMEDY_STORE},
	{"Fapi_Initialize", TSS2_FAPI_RC_BAD_VALUE, ERR_DAMAGED,
	 "FAPI does not understand its configuration or profile", REMEDY_NONE},
	{"Fapi_Delete", TSS2_FAPI_RC_BAD_PATH, ERR_NOT_FOUND, "there is no such FAPI object",
	 REMEDY_NONE},
	{"Fapi_CreateSeal", TSS2_FAPI_RC_KEY_NOT_FOUND, ERR_TPM_CHANGED,
	 "the TPM does not have the SRK of the FAPI store", REMEDY_CHANGED},
	{"Fapi_CreateSeal", FORMAT_ONE | (TPM2_RC_BAD_AUTH & 0x3fu), ERR_TPM_CHANGED,
	 "the TPM has another SRK than the FAPI store, or one with a password", REMEDY_CHANGED},
	{"Esys_TR_FromTPMPublic", FORMAT_ONE | (TPM2_RC_HANDLE & 0x3fu), ERR_TPM_CHANGED,
	 "the TPM does not have the SRK of the FAPI store", REMEDY_CHANGED},
	{NULL, TSS2_FAPI_RC_NO_CONFIG, ERR_UNREADABLE, "FAPI finds no configuration", REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_NOT_PROVISIONED, ERR_NOT_FOUND, "FAPI is not provisioned here",
	 REMEDY_PROVISION},
	{NULL, TSS2_FAPI_RC_ALREADY_PROVISIONED, ERR_CONFLICT, "FAPI is provisioned already",
	 REMEDY_STORE},
	{NULL, TSS2_FAPI_RC_PATH_ALREADY_EXISTS, ERR_CONFLICT, "the FAPI path is taken",
	 REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_NAME_ALREADY_EXISTS, ERR_CONFLICT, "the FAPI name is taken",
	 REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_KEY_NOT_FOUND, ERR_NOT_FOUND, "there is no such FAPI object",
	 REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_PATH_NOT_FOUND, ERR_NOT_FOUND, "there is no such FAPI path",
	 REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_BAD_PATH, ERR_INVALID, "FAPI does not accept this path", REMEDY_PATH},
	{NULL, TSS2_FAPI_RC_NOT_DELETABLE, ERR_CONFLICT, "FAPI does not let this object be deleted",
	 REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_IO_ERROR, ERR_CONFLICT,
	 "another program holds the FAPI store, or it cannot be read or written", REMEDY_STORE},
	{NULL, TSS2_FAPI_RC_BAD_VALUE, ERR_INVALID, "FAPI refuses a value", REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_BAD_TEMPLATE, ERR_DAMAGED, "a template in the FAPI profile is wrong",
	 REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_AUTHORIZATION_FAILED, ERR_AUTH_FAILED,
	 "the object is not usable without its password", REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_AUTHORIZATION_UNKNOWN, ERR_AUTH_FAILED,
	 "the object is not usable without its password", REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_NO_TPM, ERR_TPM_FAILED, "FAPI finds no TPM", REMEDY_NONE},
	{NULL, TSS2_FAPI_RC_GENERAL_FAILURE, ERR_DAMAGED,
	 "a file of the FAPI store is damaged, or FAPI has a defect", REMEDY_OBJECT},
	{NULL, TPM2_RC_LOCKOUT, ERR_TPM_LOCKOUT,
	 "the TPM is locked because of too many failed attempts", REMEDY_NONE},
	{NULL, FORMAT_ONE | (TPM2_RC_AUTH_FAIL & 0x3fu), ERR_OWNER_AUTH_REQUIRED,
	 "the TPM refuses an empty password", REMEDY_OWNER},
	{NULL, FORMAT_ONE | (TPM2_RC_BAD_AUTH & 0x3fu), ERR_OWNER_AUTH_REQUIRED,
	 "the TPM refuses an empty password", REMEDY_OWNER},
	{NULL, TPM2_RC_COMMAND_CODE, ERR_NOT_SUPPORTED,
	 "the TPM, or the filter before it, has no such command", REMEDY_NONE},
	{NULL, TPM2_RC_NV_SPACE, ERR_TPM_FAILED, "the TPM has no room for another persistent key",
	 REMEDY_NV_SPACE},
	{NULL, TPM2_RC_OBJECT_MEMORY, ERR_TPM_BUSY, "the TPM has no room for another object",
	 REMEDY_NONE},
	{NULL, TPM2_RC_SESSION_MEMORY, ERR_TPM_BUSY, "the TPM has no room for another session",
	 REMEDY_NONE},
	{NULL, TPM2_RC_MEMORY, ERR_TPM_BUSY, "the TPM has no room", REMEDY_NONE},
	{NULL, TPM2_RC_RETRY, ERR_TPM_BUSY, "the TPM is busy", REMEDY_NONE},
	{NULL, TPM2_RC_NV_RATE, ERR_TPM_BUSY, "the TPM limits how often it is written to",
	 REMEDY_NONE},
};

/* A chip's code without what varies; others as they are. */
static uint32_t normal(uint32_t rc)
{
	uint32_t layer = rc & TSS2_RC_LAYER_MASK;

	if (layer == TSS2_RESMGR_TPM_RC_LAYER)
		rc &= ~TSS2_RC_LAYER_MASK;
	else if (layer != TSS2_TPM_RC_LAYER)
		return rc;
	return rc & TPM2_RC_FMT1 ? rc & FORMAT_ONE_MASK : rc;
}

static int fill(struct err *err, const struct row *row, uint32_t rc)
{
	(void)err_set(err, row->code, "%s", row->text);
	(void)err_add_origin(err, ERR_ORIGIN_TSS2, rc);
	return err_add_remedy(err, remedy_text(row->remedy));
}

/* What no row names: the layer at least says whose fault it is. */
static int fill_by_layer(struct err *err, uint32_t rc)
{
	switch (rc & TSS2_RC_LAYER_MASK) {
	case TSS2_TPM_RC_LAYER:
	case TSS2_RESMGR_TPM_RC_LAYER:
		(void)err_set(err, ERR_TPM_FAILED, "the TPM answers 0x%03x", rc & 0xffffu);
		break;
	case TSS2_TCTI_RC_LAYER:
		(void)err_set(err, ERR_TPM_FAILED, "FAPI cannot reach the TPM");
		break;
	default:
		(void)err_set(err, ERR_INTERNAL, "FAPI fails with 0x%08x", rc);
	}
	return err_add_origin(err, ERR_ORIGIN_TSS2, rc);
}

int rc_fill(uint32_t rc, const char *step, const char *hierarchy, struct err *err)
{
	size_t i;

	if (hierarchy[0] != '\0') {
		(void)err_set(err, ERR_OWNER_AUTH_REQUIRED, "the TPM's hierarchy %s has a password",
			      hierarchy);
		(void)err_add_origin(err, ERR_ORIGIN_TSS2, rc);
		return err_add_remedy(err, remedy_text(REMEDY_OWNER));
	}
	for (i = 0; i < ARRAY_LEN(ROWS); i++) {
		if (ROWS[i].rc != normal(rc))
			continue;
		if (!ROWS[i].step || strcmp(ROWS[i].step, step) == 0)
			return fill(err, &ROWS[i], rc);
	}
	return fill_by_layer(err, rc);
}
