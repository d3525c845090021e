/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A primary key follows from the hierarchy's seed and its public template alone (TPM 2.0 Part 1,
 * "Primary Seeds"): who sends the template of a key gets that key, with a password of his own. So
 * what a tenant makes below a hierarchy must be none of the chip's persistent keys that it may not
 * reach. SRK and EKs are for all, wherever they lie: a bare chip gives them to who asks.
 */
#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"

#define PERSISTENT_FIRST 0x81000000u
#define LIST_MAX	 256u /* many times what chips have room for */

#define FIXED                                                                                      \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |        \
	 TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)

/* TPMA_OBJECT of keys for all: TCG "TPM v2.0 Provisioning Guidance" 7.5.1 (SRK), and "EK Credential
 * Profile" B.3 and B.4 (EK: its policy alone authorises, but in the profiles that add a password).
 */
static bool is_for_all(uint32_t attributes)
{
	return attributes == (FIXED | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA) ||
	       (attributes & ~(uint32_t)TPMA_OBJECT_USERWITHAUTH) ==
		       (FIXED | TPMA_OBJECT_ADMINWITHPOLICY);
}

/* --- what was made ------------------------------------------------------------------------- */

static void skip(struct cursor *cursor)
{
	(void)cursor_take(cursor, cursor_u16(cursor));
}

/*
 * CreatePrimary (Part 3, 24.1): outPublic, creationData, creationHash, creationTicket, name.
 * CreateLoaded (12.9): outPrivate, outPublic, name. Sizes are clear also where a session encrypts
 * the first of them.
 */
static struct slice made_name(const struct run *run)
{
	struct cursor cursor = cursor_of(run_answer(run));
	bool has_sessions = cursor_u16(&cursor) == TPM2_ST_SESSIONS;
	struct slice name;

	(void)cursor_take(&cursor, WIRE_HEADER - 2 + 4);
	if (has_sessions)
		(void)cursor_u32(&cursor);
	skip(&cursor);
	skip(&cursor);
	if (run->view->command->code == TPM2_CC_CreatePrimary) {
		skip(&cursor);
		(void)cursor_take(&cursor, 2 + 4);
		skip(&cursor);
	}
	name = cursor_take(&cursor, cursor_u16(&cursor));
	return cursor.failed ? slice_of(NULL, 0) : name;
}

/* --- what the chip has --------------------------------------------------------------------- */

static uint32_t compare(struct run *run, uint32_t handle, struct slice name)
{
	struct ask_public public;
	bool granted = false;
	struct err err;
	uint32_t rc = handles_grant_now(run, handle, &granted);

	if (rc || granted)
		return rc;
	if (ask_read_public_now(run->broker, handle, &public, &err) < 0)
		return run_fault(run, &err);
	if (public.rc == code_at_handle(TPM2_RC_HANDLE, 0))
		return 0; /* it has gone since */
	if (public.rc) {
		(void)err_set(&err, ERR_TPM_FAILED, "the TPM does not show its key 0x%x (0x%x)",
			      handle, public.rc);
		return run_fault(run, &err);
	}
	if (is_for_all(public.attributes) || !slice_equal(ask_name(&public), name))
		return 0;
	return code_at_parameter(TPM2_RC_VALUE, 1);
}

static bool is_guarded(const struct run *run)
{
	uint32_t code = run->view->command->code, parent = run->view->handles[0];

	return (code == TPM2_CC_CreatePrimary || code == TPM2_CC_CreateLoaded) &&
	       (parent == TPM2_RH_OWNER || parent == TPM2_RH_ENDORSEMENT);
}

static uint32_t compare_all(struct run *run, struct slice name)
{
	uint32_t handles[LIST_MAX], rc = 0;
	struct err err;
	size_t count, i;

	if (ask_handles(run->broker, PERSISTENT_FIRST, handles, LIST_MAX, &count, &err) < 0)
		return run_fault(run, &err);
	if (count == LIST_MAX || (count > 0 && name.len == 0)) {
		(void)err_set(&err, ERR_TPM_FAILED,
			      "the TPM's answers about its keys make no sense");
		return run_fault(run, &err);
	}
	for (i = 0; !rc && i < count; i++)
		rc = compare(run, handles[i], name);
	return rc;
}

uint32_t guard_made(struct run *run)
{
	return is_guarded(run) ? compare_all(run, made_name(run)) : 0;
}

uint32_t guard_again(struct run *run, struct provider_guest *primary)
{
	struct ask_public public;
	struct err err;

	if (ask_read_public(run->broker, primary, 0, &public, &err) < 0)
		return run_fault(run, &err);
	return public.rc ? public.rc : compare_all(run, ask_name(&public));
}
