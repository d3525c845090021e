/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table says which commands there are and what may stand in each of their handles. A command
 * is read in the order in which a TPM reads it (TPM 2.0 Part 3, 5 "Command Processing"): header,
 * handles, authorisations; parameters stay closed, but those of two commands that name a handle
 * there. What passes has been understood up to its parameters and fits its size.
 */
#include "broker/filter.h"

#include <tss2/tss2_tpm2_types.h>

#include "broker/wire.h"

#define SRK_HANDLE 0x81000001u
#define EK_FIRST   0x81010000u /* TCG "Registry of Reserved TPM 2.0 Handles", endorsement keys */
#define EK_LAST	   0x8101ffffu
#define NV_FIRST   0x01c00000u /* the same: certificates, their templates and nonces */
#define NV_LAST	   0x01c07fffu

#define HANDLES_MAX  3u
#define SESSIONS_MAX 3u
#define AUTH_MIN     9u	 /* the smallest authorisation: empty nonce and HMAC */
#define DIGEST_MAX   64u /* bytes of a nonce or of an HMAC: SHA-512 */

/* Kinds of handles; what is none of them (platform, PCR, ..) may stand nowhere. */
enum {
	OWNER = 1u << 0,
	ENDORSEMENT = 1u << 1,
	NONE = 1u << 2, /* TPM_RH_NULL */
	LOCKOUT = 1u << 3,
	TRANSIENT = 1u << 4,
	PERSISTENT = 1u << 5,
	NV = 1u << 6,
	HMAC = 1u << 7,
	POLICY = 1u << 8,
	OBJECT = TRANSIENT | PERSISTENT | NONE,
	SESSION = HMAC | POLICY,
};

enum sessions { MAY_CARRY, NO_SESSIONS };

struct rule {
	uint32_t code;
	enum filter_set from;	       /* this set holds it, and those after it */
	uint8_t auths;		       /* so many of the first handles want an authorisation */
	enum sessions sessions;	       /* may it carry any? */
	uint16_t handles[HANDLES_MAX]; /* kinds, one position after the other; 0 ends them */
};

/* The first row of a code that the set holds counts. */
static const struct rule RULES[] = {
	{TPM2_CC_ECC_Parameters, FILTER_READ_ONLY, 0, MAY_CARRY, {0}},
	{TPM2_CC_GetCapability, FILTER_READ_ONLY, 0, MAY_CARRY, {0}},
	{TPM2_CC_GetRandom, FILTER_READ_ONLY, 0, MAY_CARRY, {0}},
	{TPM2_CC_NV_ReadPublic, FILTER_READ_ONLY, 0, MAY_CARRY, {NV}},
	{TPM2_CC_PCR_Read, FILTER_READ_ONLY, 0, MAY_CARRY, {0}},
	{TPM2_CC_ReadClock, FILTER_READ_ONLY, 0, MAY_CARRY, {0}},
	{TPM2_CC_ReadPublic, FILTER_READ_ONLY, 0, MAY_CARRY, {OBJECT}},
	{TPM2_CC_TestParms, FILTER_READ_ONLY, 0, MAY_CARRY, {0}},

	{TPM2_CC_ActivateCredential, FILTER_STANDARD, 2, MAY_CARRY, {OBJECT, OBJECT}},
	{TPM2_CC_Certify, FILTER_STANDARD, 2, MAY_CARRY, {OBJECT, OBJECT}},
	{TPM2_CC_ContextLoad, FILTER_STANDARD, 0, NO_SESSIONS, {0}},
	{TPM2_CC_ContextSave, FILTER_STANDARD, 0, NO_SESSIONS, {TRANSIENT | SESSION}},
	{TPM2_CC_Create, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_CreateLoaded, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_CreatePrimary, FILTER_STANDARD, 1, MAY_CARRY, {OWNER | ENDORSEMENT | NONE}},
	{TPM2_CC_ECDH_KeyGen, FILTER_STANDARD, 0, MAY_CARRY, {OBJECT}},
	{TPM2_CC_ECDH_ZGen, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_EncryptDecrypt, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_EncryptDecrypt2, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_FlushContext, FILTER_STANDARD, 0, NO_SESSIONS, {0}},
	{TPM2_CC_HMAC, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_HMAC_Start, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_Hash, FILTER_STANDARD, 0, MAY_CARRY, {0}},
	{TPM2_CC_HashSequenceStart, FILTER_STANDARD, 0, MAY_CARRY, {0}},
	{TPM2_CC_Import, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_Load, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_LoadExternal, FILTER_STANDARD, 0, MAY_CARRY, {0}},
	{TPM2_CC_MakeCredential, FILTER_STANDARD, 0, MAY_CARRY, {OBJECT}},
	/* FAPI reads certificates with the owner's authorisation, whatever the index allows. */
	{TPM2_CC_NV_Read, FILTER_PROVISION, 1, MAY_CARRY, {OWNER | NV, NV}},
	{TPM2_CC_NV_Read, FILTER_STANDARD, 1, MAY_CARRY, {NV, NV}},
	{TPM2_CC_ObjectChangeAuth, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT, OBJECT}},
	{TPM2_CC_PolicyAuthValue, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyAuthorize, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyAuthorizeNV, FILTER_STANDARD, 1, MAY_CARRY, {NV, NV, POLICY}},
	{TPM2_CC_PolicyCommandCode, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyCounterTimer, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyCpHash, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyDuplicationSelect, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyGetDigest, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyLocality, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyNV, FILTER_STANDARD, 1, MAY_CARRY, {NV, NV, POLICY}},
	{TPM2_CC_PolicyNameHash, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyNvWritten, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyOR, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyPCR, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyPassword, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyPhysicalPresence, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyRestart, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicySecret, FILTER_STANDARD, 1, MAY_CARRY, {ENDORSEMENT | OBJECT, POLICY}},
	{TPM2_CC_PolicySigned, FILTER_STANDARD, 0, MAY_CARRY, {OBJECT, POLICY}},
	{TPM2_CC_PolicyTemplate, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_PolicyTicket, FILTER_STANDARD, 0, MAY_CARRY, {POLICY}},
	{TPM2_CC_Quote, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_RSA_Decrypt, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_RSA_Encrypt, FILTER_STANDARD, 0, MAY_CARRY, {OBJECT}},
	{TPM2_CC_SequenceComplete, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_SequenceUpdate, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_Sign, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	/* The salt's key and what the session is bound to. */
	{TPM2_CC_StartAuthSession, FILTER_STANDARD, 0, MAY_CARRY, {OBJECT, OBJECT}},
	{TPM2_CC_StirRandom, FILTER_STANDARD, 0, MAY_CARRY, {0}},
	{TPM2_CC_Unseal, FILTER_STANDARD, 1, MAY_CARRY, {OBJECT}},
	{TPM2_CC_VerifySignature, FILTER_STANDARD, 0, MAY_CARRY, {OBJECT}},

	{TPM2_CC_DictionaryAttackParameters, FILTER_PROVISION, 1, MAY_CARRY, {LOCKOUT}},
	{TPM2_CC_EvictControl, FILTER_PROVISION, 1, MAY_CARRY, {OWNER, TRANSIENT}},
};

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

static const struct rule *find_rule(enum filter_set set, uint32_t code)
{
	size_t i;

	for (i = 0; i < sizeof(RULES) / sizeof(RULES[0]); i++)
		if (RULES[i].code == code && RULES[i].from <= set)
			return &RULES[i];
	return NULL;
}

static unsigned kind_of(uint32_t handle)
{
	switch (handle) {
	case TPM2_RH_OWNER:
		return OWNER;
	case TPM2_RH_ENDORSEMENT:
		return ENDORSEMENT;
	case TPM2_RH_NULL:
		return NONE;
	case TPM2_RH_LOCKOUT:
		return LOCKOUT;
	default:
		break;
	}
	switch (handle >> TPM2_HR_SHIFT) {
	case TPM2_HT_NV_INDEX:
		return NV;
	case TPM2_HT_HMAC_SESSION:
		return HMAC;
	case TPM2_HT_POLICY_SESSION:
		return POLICY;
	case TPM2_HT_TRANSIENT:
		return TRANSIENT;
	case TPM2_HT_PERSISTENT:
		return PERSISTENT;
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
static bool is_granted(const struct filter_facts *facts, unsigned kind, uint32_t handle)
{
	if (kind == NV)
		return handle >= NV_FIRST && handle <= NV_LAST;
	if (kind == PERSISTENT)
		return (handle == SRK_HANDLE || (handle >= EK_FIRST && handle <= EK_LAST)) &&
		       !is_reserved(facts, handle);
	return true;
}

/* The handle area. What is not granted looks as if it were not there. */
static uint32_t check_handles(const struct filter_facts *facts, const struct rule *rule,
			      struct cursor *cursor)
{
	size_t i;

	for (i = 0; i < HANDLES_MAX && rule->handles[i]; i++) {
		uint32_t handle = cursor_u32(cursor);
		unsigned kind = kind_of(handle);

		if (cursor->failed)
			return at_handle(TPM2_RC_INSUFFICIENT, i);
		if (!(rule->handles[i] & kind))
			return at_handle(TPM2_RC_VALUE, i);
		if (!is_granted(facts, kind, handle))
			return at_handle(TPM2_RC_HANDLE, i);
	}
	return TPM2_RC_SUCCESS;
}

/* One authorisation (TPM 2.0 Part 1, "Authorization Area"): handle, nonce, attributes, HMAC. */
static uint32_t check_session(struct cursor *area, size_t i)
{
	uint32_t handle = cursor_u32(area);
	uint16_t nonce_len, hmac_len;

	if (!area->failed && handle != TPM2_RS_PW && !(kind_of(handle) & SESSION))
		return at_session(TPM2_RC_VALUE, i);
	nonce_len = cursor_u16(area);
	if (nonce_len > DIGEST_MAX)
		return at_session(TPM2_RC_SIZE, i);
	(void)cursor_take(area, nonce_len);
	(void)cursor_u8(area);
	hmac_len = cursor_u16(area);
	if (hmac_len > DIGEST_MAX)
		return at_session(TPM2_RC_SIZE, i);
	(void)cursor_take(area, hmac_len);
	return area->failed ? at_session(TPM2_RC_INSUFFICIENT, i) : TPM2_RC_SUCCESS;
}

/* The authorisation area of a command that carries one. */
static uint32_t check_sessions(const struct rule *rule, struct cursor *cursor)
{
	uint32_t size = cursor_u32(cursor), rc;
	struct cursor area;
	size_t count;

	if (rule->sessions == NO_SESSIONS)
		return TPM2_RC_AUTH_CONTEXT;
	if (cursor->failed || size < AUTH_MIN || size > cursor->rest.len)
		return TPM2_RC_AUTHSIZE;
	area = cursor_of(cursor_take(cursor, size));
	for (count = 0; area.rest.len > 0; count++) {
		if (count == SESSIONS_MAX)
			return at_session(TPM2_RC_SIZE, count);
		rc = check_session(&area, count);
		if (rc)
			return rc;
	}
	return count < rule->auths ? TPM2_RC_AUTH_MISSING : TPM2_RC_SUCCESS;
}

/* The whole of the parameters is one handle of these @kinds. */
static uint32_t take_handle(struct cursor *cursor, unsigned kinds, uint32_t *ret_handle)
{
	uint32_t handle = cursor_u32(cursor);

	if (cursor->failed)
		return at_first_parameter(TPM2_RC_INSUFFICIENT);
	if (!cursor_done(cursor))
		return TPM2_RC_SIZE;
	if (!(kind_of(handle) & kinds))
		return at_first_parameter(TPM2_RC_VALUE);
	*ret_handle = handle;
	return TPM2_RC_SUCCESS;
}

static uint32_t check_evict(const struct filter_facts *facts, struct cursor *cursor)
{
	uint32_t handle = 0;
	uint32_t rc = take_handle(cursor, PERSISTENT, &handle);

	if (rc)
		return rc;
	if (handle != SRK_HANDLE || is_reserved(facts, handle))
		return at_first_parameter(TPM2_RC_VALUE);
	return facts->srk_absent ? TPM2_RC_SUCCESS : TPM2_RC_NV_DEFINED;
}

/* Handles that stand among the parameters. */
static uint32_t check_parameters(const struct filter_facts *facts, uint32_t code,
				 struct cursor *cursor)
{
	uint32_t handle;

	switch (code) {
	case TPM2_CC_EvictControl:
		return check_evict(facts, cursor);
	case TPM2_CC_FlushContext:
		return take_handle(cursor, TRANSIENT | SESSION, &handle);
	default:
		return TPM2_RC_SUCCESS;
	}
}

static uint32_t check_body(const struct filter_facts *facts, const struct rule *rule, bool sessions,
			   struct cursor *cursor)
{
	uint32_t rc = check_handles(facts, rule, cursor);

	if (!rc && sessions)
		rc = check_sessions(rule, cursor);
	else if (!rc && rule->auths > 0)
		rc = TPM2_RC_AUTH_MISSING;
	return rc ? rc : check_parameters(facts, rule->code, cursor);
}

static enum filter_verdict answer(struct buf *ret_answer, uint32_t rc)
{
	wire_refuse(ret_answer, rc);
	return FILTER_ANSWER;
}

enum filter_verdict filter_judge(const struct filter_facts *facts, struct slice command,
				 struct buf *ret_answer)
{
	struct cursor cursor = cursor_of(command);
	uint16_t tag = cursor_u16(&cursor);
	uint32_t size = cursor_u32(&cursor);
	uint32_t code = cursor_u32(&cursor), rc;
	const struct rule *rule;

	if (cursor.failed || size != command.len || size > WIRE_MAX)
		return answer(ret_answer, TPM2_RC_COMMAND_SIZE);
	if (tag != TPM2_ST_NO_SESSIONS && tag != TPM2_ST_SESSIONS)
		return answer(ret_answer, TPM2_RC_BAD_TAG);
	if (facts->set > FILTER_NONE && code == TPM2_CC_Startup)
		return answer(ret_answer, TPM2_RC_INITIALIZE);
	if (facts->set > FILTER_NONE && code == TPM2_CC_Shutdown)
		return answer(ret_answer, TPM2_RC_SUCCESS);
	rule = find_rule(facts->set, code);
	if (!rule)
		return answer(ret_answer, TPM2_RC_COMMAND_CODE);
	rc = check_body(facts, rule, tag == TPM2_ST_SESSIONS, &cursor);
	return rc ? answer(ret_answer, rc) : FILTER_PASS;
}
