/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command is read in the order in which a TPM reads it (TPM 2.0 Part 3, 5 "Command Processing"):
 * header, handles, authorisations; parameters stay closed, but those of two commands that name a
 * handle there. What passes has been understood up to its parameters and fits its size.
 */
#include "broker/filter.h"

#include <tss2/tss2_tpm2_types.h>

#include "base/tpm_range.h"
#include "broker/wire.h"

#define SRK_HANDLE 0x81000001u
#define NV_FIRST   0x01c00000u /* the same: certificates, their templates and nonces */
#define NV_LAST	   0x01c07fffu

#define AUTH_MIN   9u  /* the smallest authorisation: empty nonce and HMAC */
#define DIGEST_MAX 64u /* bytes of a nonce or of an HMAC: SHA-512 */

/* Codes that tell which handle, session or parameter is meant; @i counts from 0. */
static uint32_t at_handle(uint32_t rc, size_t i)
{
	return rc + TPM2_RC_H + TPM2_RC_1 * (uint32_t)(i + 1);
}

static uint32_t at_session(uint32_t rc, size_t i)
{
	return rc + TPM2_RC_S + TPM2_RC_1 * (uint32_t)(i + 1);
}

static uint32_t at_first_parameter(uint32_t rc)
{
	return rc + TPM2_RC_P + TPM2_RC_1;
}

static unsigned kind_of(uint32_t handle)
{
	switch (handle) {
	case TPM2_RH_OWNER:
		return HANDLE_OWNER;
	case TPM2_RH_ENDORSEMENT:
		return HANDLE_ENDORSEMENT;
	case TPM2_RH_NULL:
		return HANDLE_NULL;
	case TPM2_RH_LOCKOUT:
		return HANDLE_LOCKOUT;
	default:
		break;
	}
	switch (handle >> TPM2_HR_SHIFT) {
	case TPM2_HT_PCR:
		return HANDLE_PCR;
	case TPM2_HT_NV_INDEX:
		return HANDLE_NV;
	case TPM2_HT_HMAC_SESSION:
		return HANDLE_HMAC;
	case TPM2_HT_POLICY_SESSION:
		return HANDLE_POLICY;
	case TPM2_HT_TRANSIENT:
		return HANDLE_TRANSIENT;
	case TPM2_HT_PERSISTENT:
		return HANDLE_PERSISTENT;
	default:
		return 0;
	}
}

static bool is_reserved(const struct filter_facts *facts, uint32_t handle)
{
	size_t i;

	for (i = 0; i < facts->reserved_count; i++)
		if (facts->reserved[i] == handle)
			return true;
	return false;
}

/* Of the kinds whose members differ: may this one be reached? */
static bool is_granted(const struct filter_facts *facts, const struct command *command,
		       uint32_t handle)
{
	bool full = command_policy_is_full(&facts->policy, command);

	switch (kind_of(handle)) {
	case HANDLE_NV:
		return full || (handle >= NV_FIRST && handle <= NV_LAST);
	case HANDLE_PERSISTENT:
		return !is_reserved(facts, handle) && (full || handle <= TPM_OWNER_LAST);
	default:
		return true;
	}
}

/* The handle area. What is not granted looks as if it were not there. */
static uint32_t read_handles(const struct filter_facts *facts, struct cursor *cursor,
			     struct filter_view *view)
{
	size_t i;

	view->handle_count = command_handle_count(view->command);
	for (i = 0; i < view->handle_count; i++) {
		uint32_t handle = cursor_u32(cursor);

		if (cursor->failed)
			return at_handle(TPM2_RC_INSUFFICIENT, i);
		if (!(command_policy_handles(&facts->policy, view->command, i) & kind_of(handle)))
			return at_handle(TPM2_RC_VALUE, i);
		if (!is_granted(facts, view->command, handle))
			return at_handle(TPM2_RC_HANDLE, i);
		view->handles[i] = handle;
	}
	return TPM2_RC_SUCCESS;
}

/* A nonce or an HMAC. */
static uint32_t read_digest(struct cursor *area, struct slice *ret_digest)
{
	uint16_t len = cursor_u16(area);

	if (len > DIGEST_MAX)
		return TPM2_RC_SIZE;
	*ret_digest = cursor_take(area, len);
	return TPM2_RC_SUCCESS;
}

/* One authorisation (TPM 2.0 Part 1, "Authorization Area"): handle, nonce, attributes, HMAC. */
static uint32_t read_auth(struct cursor *area, struct filter_auth *auth)
{
	uint32_t rc;

	auth->handle = cursor_u32(area);
	if (!area->failed && auth->handle != TPM2_RS_PW &&
	    !(kind_of(auth->handle) & HANDLE_SESSION))
		return TPM2_RC_VALUE;
	rc = read_digest(area, &auth->nonce);
	auth->attributes = cursor_u8(area);
	if (!rc)
		rc = read_digest(area, &auth->hmac);
	return area->failed ? TPM2_RC_INSUFFICIENT : rc;
}

/* The authorisation area of a command that carries one. */
static uint32_t read_auths(struct cursor *cursor, struct filter_view *view)
{
	uint32_t size = cursor_u32(cursor), rc;
	struct cursor area;

	if (view->command->effects & NO_SESSIONS)
		return TPM2_RC_AUTH_CONTEXT;
	if (cursor->failed || size < AUTH_MIN || size > cursor->rest.len)
		return TPM2_RC_AUTHSIZE;
	area = cursor_of(cursor_take(cursor, size));
	while (area.rest.len > 0) {
		if (view->auth_count == FILTER_SESSIONS_MAX)
			return at_session(TPM2_RC_SIZE, view->auth_count);
		rc = read_auth(&area, &view->auths[view->auth_count]);
		if (rc)
			return at_session(rc, view->auth_count);
		view->auth_count++;
	}
	return view->auth_count < view->command->auths ? TPM2_RC_AUTH_MISSING : TPM2_RC_SUCCESS;
}

/* The whole of the parameters is one handle of these @kinds. */
static uint32_t read_handle(struct slice parameters, unsigned kinds, uint32_t *ret_handle)
{
	struct cursor cursor = cursor_of(parameters);
	uint32_t handle = cursor_u32(&cursor);

	if (cursor.failed)
		return at_first_parameter(TPM2_RC_INSUFFICIENT);
	if (!cursor_done(&cursor))
		return TPM2_RC_SIZE;
	if (!(kind_of(handle) & kinds))
		return at_first_parameter(TPM2_RC_VALUE);
	*ret_handle = handle;
	return TPM2_RC_SUCCESS;
}

/*
 * The place of the SRK is the machine's: who provisions may fill it, which a chip refuses unless it
 * is empty (Part 3, 28.5), and nobody clears it. Any other place is the tenant's own, which the
 * broker keeps.
 */
static uint32_t check_evict(const struct filter_facts *facts, const struct filter_view *view)
{
	uint32_t handle = 0;
	uint32_t rc = read_handle(view->parameters, HANDLE_PERSISTENT, &handle);

	if (rc)
		return rc;
	if (is_reserved(facts, handle))
		return at_first_parameter(TPM2_RC_VALUE);
	if (handle > TPM_OWNER_LAST)
		return at_first_parameter(TPM2_RC_RANGE);
	if (handle == SRK_HANDLE &&
	    (facts->policy.set < SET_PROVISION || kind_of(view->handles[1]) != HANDLE_TRANSIENT))
		return at_first_parameter(TPM2_RC_VALUE);
	return TPM2_RC_SUCCESS;
}

/* Handles that stand among the parameters. */
static uint32_t check_parameters(const struct filter_facts *facts, const struct filter_view *view)
{
	uint32_t handle;

	switch (view->command->code) {
	case TPM2_CC_EvictControl:
		return check_evict(facts, view);
	case TPM2_CC_FlushContext:
		return read_handle(view->parameters, HANDLE_TRANSIENT | HANDLE_SESSION, &handle);
	default:
		return TPM2_RC_SUCCESS;
	}
}

static uint32_t read_body(const struct filter_facts *facts, bool sessions, struct cursor *cursor,
			  struct filter_view *view)
{
	uint32_t rc = read_handles(facts, cursor, view);

	if (!rc && sessions)
		rc = read_auths(cursor, view);
	else if (!rc && view->command->auths > 0)
		rc = TPM2_RC_AUTH_MISSING;
	view->parameters = cursor->rest;
	return rc ? rc : check_parameters(facts, view);
}

static enum filter_verdict answer(struct buf *ret_answer, uint32_t rc)
{
	wire_refuse(ret_answer, rc);
	return FILTER_ANSWER;
}

enum filter_verdict filter_judge(const struct filter_facts *facts, struct slice bytes,
				 struct filter_view *ret_view, struct buf *ret_answer)
{
	struct cursor cursor = cursor_of(bytes);
	uint16_t tag = cursor_u16(&cursor);
	uint32_t size = cursor_u32(&cursor);
	uint32_t code = cursor_u32(&cursor), rc;
	struct filter_view view = {.bytes = bytes, .command = commands_by_code(code)};

	if (cursor.failed || size != bytes.len || size > WIRE_MAX)
		return answer(ret_answer, TPM2_RC_COMMAND_SIZE);
	if (tag != TPM2_ST_NO_SESSIONS && tag != TPM2_ST_SESSIONS)
		return answer(ret_answer, TPM2_RC_BAD_TAG);
	if (!view.command || !command_policy_holds(&facts->policy, view.command))
		return answer(ret_answer, TPM2_RC_COMMAND_CODE);
	if (code == TPM2_CC_Startup)
		return answer(ret_answer, TPM2_RC_INITIALIZE);
	if (code == TPM2_CC_Shutdown)
		return answer(ret_answer, TPM2_RC_SUCCESS);
	rc = read_body(facts, tag == TPM2_ST_SESSIONS, &cursor, &view);
	if (rc)
		return answer(ret_answer, rc);
	*ret_view = view;
	return FILTER_PASS;
}
