/* SPDX-License-Identifier: Apache-2.0 */

/* TPM 2.0 Part 2, 6.6: format-zero codes stand alone, format-one codes carry a number to strip. */

#include "tpm/rc.h"

#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#define RC_LAYER     0x00ff0000u
#define RC_LAYER_TPM 0x00000000u
#define RC_CODE	     0x00000fffu
#define RC_FORMAT_1  0x00000080u
#define RC_SEVERITY  0x00000800u
#define RC_BASE_1    0x000000bfu

static const struct rc_row {
	uint32_t base;
	int code;
	const char *text;
	const char *remedy; /* NULL = the code's own */
} rows[] = {
	{TPM2_RC_INITIALIZE, ERR_TPM_FAILED, "the TPM was not started", NULL},
	{TPM2_RC_FAILURE, ERR_TPM_FAILED, "the TPM is in failure mode",
	 "Power-cycle the device; if it persists the TPM or its stored state is broken."},
	{TPM2_RC_COMMAND_CODE, ERR_NOT_SUPPORTED, "the TPM does not implement this command", NULL},
	{TPM2_RC_AUTH_UNAVAILABLE, ERR_AUTH_FAILED, "the object cannot be used with a password",
	 NULL},
	{TPM2_RC_DISABLED, ERR_NOT_SUPPORTED, "the command is disabled on this TPM", NULL},
	{TPM2_RC_NEEDS_TEST, ERR_TPM_BUSY, "the TPM is testing itself", NULL},
	{TPM2_RC_NV_SPACE, ERR_TPM_FAILED, "the TPM has no room for a persistent object",
	 "Free a persistent handle with tpm2_evictcontrol, or set tpm { hsk_handle = 0 }."},
	{TPM2_RC_NV_DEFINED, ERR_CONFLICT, "the persistent handle is taken",
	 "Choose another handle in the tpm section of the configuration."},
	{TPM2_RC_LOCKOUT, ERR_TPM_LOCKOUT, "the TPM is in dictionary-attack lockout", NULL},
	{TPM2_RC_RETRY, ERR_TPM_BUSY, "the TPM asks for patience", NULL},
	{TPM2_RC_YIELDED, ERR_TPM_BUSY, "the TPM asks for patience", NULL},
	{TPM2_RC_TESTING, ERR_TPM_BUSY, "the TPM is testing itself", NULL},
	{TPM2_RC_NV_RATE, ERR_TPM_BUSY, "the TPM limits writes to its memory", NULL},
	{TPM2_RC_NV_UNAVAILABLE, ERR_TPM_BUSY, "the TPM's memory is not available now", NULL},
	{TPM2_RC_OBJECT_MEMORY, ERR_TPM_BUSY, "the TPM has no room for another object", NULL},
	{TPM2_RC_SESSION_MEMORY, ERR_TPM_BUSY, "the TPM has no room for another session", NULL},
	{TPM2_RC_MEMORY, ERR_TPM_BUSY, "the TPM is out of memory", NULL},
	{TPM2_RC_SESSION_HANDLES, ERR_TPM_BUSY, "the TPM has no session handle left", NULL},
	{TPM2_RC_CONTEXT_GAP, ERR_TPM_BUSY,
	 "another program's old saved session keeps the TPM from taking sessions",
	 "End the program that saved the session, or flush it: tpm2_flushcontext --saved-session."},
	{TPM2_RC_BAD_AUTH, ERR_AUTH_FAILED, "the TPM refused the authorisation", NULL},
	{TPM2_RC_AUTH_FAIL, ERR_AUTH_FAILED, "the TPM refused the authorisation", NULL},
	{TPM2_RC_INTEGRITY, ERR_DAMAGED, "the object was changed, or another TPM made it", NULL},
	{TPM2_RC_SIZE, ERR_INVALID, "a size does not fit", NULL},
	{TPM2_RC_VALUE, ERR_NOT_SUPPORTED, "the TPM does not take this value", NULL},
	{TPM2_RC_SCHEME, ERR_NOT_SUPPORTED, "the key has another scheme", NULL},
	{TPM2_RC_CURVE, ERR_NOT_SUPPORTED, "the TPM lacks this curve", NULL},
	{TPM2_RC_HASH, ERR_NOT_SUPPORTED, "the TPM lacks this hash", NULL},
	{TPM2_RC_ASYMMETRIC, ERR_NOT_SUPPORTED, "the TPM lacks this algorithm", NULL},
	{TPM2_RC_SYMMETRIC, ERR_NOT_SUPPORTED, "the TPM lacks this cipher", NULL},
	{TPM2_RC_KEY_SIZE, ERR_NOT_SUPPORTED, "the TPM lacks this key size", NULL},
	{TPM2_RC_ATTRIBUTES, ERR_NOT_SUPPORTED, "the object does not allow this use", NULL},
	{TPM2_RC_TYPE, ERR_NOT_SUPPORTED, "the object is of another type", NULL},
	{TPM2_RC_KEY, ERR_NOT_SUPPORTED, "the key does not allow this use", NULL},
	{TPM2_RC_TICKET, ERR_NOT_SUPPORTED, "the key signs only what the TPM hashed itself", NULL},
	{TPM2_RC_HIERARCHY, ERR_NOT_SUPPORTED, "the owner hierarchy is disabled",
	 "Enable the TPM's storage hierarchy in the firmware's settings."},
	{TPM2_RC_HANDLE, ERR_TPM_FAILED, "the TPM does not have this object", NULL},
	{TPM2_RC_RANGE, ERR_INVALID, "the handle is not of the owner's range",
	 "Choose a handle from 0x81000000 to 0x817fffff in the tpm section of the configuration."},
	{TPM2_RC_BINDING, ERR_DAMAGED, "public and private part do not belong together", NULL},
};

static const char remedy_dead[] =
	"Check that the TPM's device or simulator is running and that nothing else holds it open.";

uint32_t rc_base(uint32_t rc)
{
	uint32_t code = rc & RC_CODE;

	return code & RC_FORMAT_1 ? code & RC_BASE_1 : code;
}

static bool is_of_chip(uint32_t rc)
{
	uint32_t layer = rc & RC_LAYER;

	return layer == RC_LAYER_TPM || layer == TSS2_RESMGR_TPM_RC_LAYER ||
	       layer == TSS2_RESMGR_RC_LAYER;
}

bool rc_is_stale(uint32_t rc)
{
	uint32_t code = rc & RC_CODE;

	/*
	 * HANDLE; REFERENCE_H0..6 and S0..6; VALUE about a session (Part 2, 6.6.2: bit 11, and not
	 * bit 6): each without an object or session behind the handle. SYMMETRIC about a session:
	 * it is one without a cipher, which ours are not.
	 */
	bool of_session = (code & (TPM2_RC_FMT1 | 0x840u)) == (TPM2_RC_FMT1 | 0x800u);

	return is_of_chip(rc) && (rc_base(rc) == TPM2_RC_HANDLE ||
				  (of_session && (rc_base(rc) == TPM2_RC_VALUE ||
						  rc_base(rc) == TPM2_RC_SYMMETRIC)) ||
				  (code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_H6) ||
				  (code >= TPM2_RC_REFERENCE_S0 && code <= TPM2_RC_REFERENCE_S6) ||
				  code == TPM2_RC_INITIALIZE);
}

bool rc_is_layer(uint32_t rc)
{
	return rc && !is_of_chip(rc);
}

bool rc_is_refusal(uint32_t rc)
{
	uint32_t base = rc_base(rc);

	return is_of_chip(rc) && (base == TPM2_RC_BAD_AUTH || base == TPM2_RC_AUTH_FAIL);
}

bool rc_is_counted(uint32_t rc)
{
	return is_of_chip(rc) &&
	       ((rc & RC_CODE) == TPM2_RC_LOCKOUT || rc_base(rc) == TPM2_RC_AUTH_FAIL);
}

bool rc_is_of_parameter(uint32_t rc)
{
	/* Part 2, 6.6.3 */
	return is_of_chip(rc) && (rc & (TPM2_RC_FMT1 | TPM2_RC_P)) == (TPM2_RC_FMT1 | TPM2_RC_P) &&
	       !rc_is_stale(rc);
}

bool rc_is_of_input(uint32_t rc)
{
	uint32_t code = rc & RC_CODE, base = rc_base(rc);

	if (!is_of_chip(rc) || rc_is_of_parameter(rc))
		return is_of_chip(rc);
	if (code == TPM2_RC_NO_RESULT || code == TPM2_RC_SENSITIVE)
		return true;
	return code == base && (code & TPM2_RC_FMT1) && !rc_is_refusal(rc) && !rc_is_stale(rc) &&
	       base != TPM2_RC_HIERARCHY;
}

bool rc_is_warning(uint32_t rc)
{
	/* Part 2, 6.6.2: the severity bit of a format-zero code. */
	return is_of_chip(rc) && !(rc & RC_FORMAT_1) && (rc & RC_SEVERITY);
}

enum rc_want rc_want(uint32_t rc)
{
	if (!is_of_chip(rc))
		return RC_WANTS_NOTHING;
	switch (rc & RC_CODE) {
	case TPM2_RC_OBJECT_MEMORY:
		return RC_WANTS_OBJECT;
	case TPM2_RC_SESSION_MEMORY:
		return RC_WANTS_SESSION;
	case TPM2_RC_MEMORY:
		return RC_WANTS_ANY;
	case TPM2_RC_CONTEXT_GAP:
		return RC_WANTS_GAP;
	default:
		return RC_WANTS_NOTHING;
	}
}

bool rc_is_full(uint32_t rc)
{
	enum rc_want want = rc_want(rc);

	return want != RC_WANTS_NOTHING && want != RC_WANTS_GAP;
}

int rc_err(struct err *err, uint32_t rc, const char *what)
{
	uint32_t base = rc_base(rc);
	size_t i;

	if (!is_of_chip(rc)) {
		err_set(err, ERR_TPM_FAILED, "%s: the TPM does not answer as a TPM must", what);
		err_add_remedy(err, remedy_dead);
		return err_add_origin(err, ERR_ORIGIN_TSS2, rc);
	}
	if (rc_is_stale(rc) && base != TPM2_RC_HANDLE && base != TPM2_RC_INITIALIZE) {
		err_set(err, ERR_TPM_FAILED, "%s: the TPM keeps losing what was loaded", what);
		return err_add_origin(err, ERR_ORIGIN_TSS2, rc);
	}
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].base != base)
			continue;
		err_set(err, rows[i].code, "%s: %s", what, rows[i].text);
		if (rows[i].remedy)
			err_add_remedy(err, rows[i].remedy);
		return err_add_origin(err, ERR_ORIGIN_TSS2, rc);
	}
	err_set(err, ERR_TPM_FAILED, "%s: the TPM refused with code 0x%03x", what, rc & RC_CODE);
	return err_add_origin(err, ERR_ORIGIN_TSS2, rc);
}
