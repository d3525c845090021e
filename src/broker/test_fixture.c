/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/test_fixture.h"
#include "broker/wire.h"

/* --- handles --- */

#define RESERVED_SRK 0x81000101u /* no place where others could look, and reserved */
#define RESERVED_EK  0x81010042u /* where others may look, but for its being reserved */

static const uint32_t RESERVED[] = {RESERVED_SRK, RESERVED_EK};

const struct handle HANDLES[] = {
	{TPM2_RH_OWNER, 'o', 0},
	{TPM2_RH_ENDORSEMENT, 'e', 0},
	{TPM2_RH_NULL, 'n', 0},
	{TPM2_RH_LOCKOUT, 'l', 0},
	{TPM2_RH_PLATFORM, ' ', 0},
	{TPM2_RH_PLATFORM_NV, ' ', 0},
	{TPM2_RS_PW, ' ', 0},
	{0x40000000, ' ', 0},
	{0x40000110, ' ', 0}, /* a vendor's authorisation */
	{0x00000000, ' ', 0}, /* PCR 0 */
	{0x00000017, ' ', 0},
	{0x01c00000, 'i', 0},
	{0x01c00002, 'i', 0},
	{0x01c07fff, 'i', 0},
	{0x01bfffff, 'i', TPM2_RC_HANDLE},
	{0x01c08000, 'i', TPM2_RC_HANDLE},
	{0x01000000, 'i', TPM2_RC_HANDLE},
	{0x01ffffff, 'i', TPM2_RC_HANDLE},
	{0x02000000, 'h', 0},
	{0x02ffffff, 'h', 0},
	{0x03000000, 'p', 0},
	{0x03000041, 'p', 0},
	{0x80000000, 't', 0},
	{0x80ffffff, 't', 0},
	{0x81000001, 's', 0},
	{0x81010000, 's', 0},
	{0x81010016, 's', 0},
	{0x8101ffff, 's', 0},
	{0x81000000, 's', TPM2_RC_HANDLE},
	{0x81000002, 's', TPM2_RC_HANDLE},
	{0x8100ffff, 's', TPM2_RC_HANDLE},
	{0x81020000, 's', TPM2_RC_HANDLE},
	{0x81800000, 's', TPM2_RC_HANDLE}, /* the platform's */
	{RESERVED_SRK, 's', TPM2_RC_HANDLE},
	{RESERVED_EK, 's', TPM2_RC_HANDLE},
	{0x90000000, ' ', 0}, /* an attached component */
	{0xffffffff, ' ', 0},
};

uint32_t good_handle(char letter)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(HANDLES); i++)
		if (HANDLES[i].letter == letter && !HANDLES[i].refused)
			return HANDLES[i].handle;
	fail_msg("no handle of kind %c", letter);
	return 0;
}

/* --- commands --- */

#define OBJECT "tsn"

#define IN_READ_ONLY(code, ...)                                                                    \
	{                                                                                          \
		code, FILTER_READ_ONLY, 0, false, {__VA_ARGS__}, NULL                              \
	}
#define IN_STANDARD(code, auths, ...)                                                              \
	{                                                                                          \
		code, FILTER_STANDARD, auths, false, {__VA_ARGS__}, NULL                           \
	}

const struct command COMMANDS[] = {
	IN_READ_ONLY(TPM2_CC_GetCapability, NULL),
	IN_READ_ONLY(TPM2_CC_GetRandom, NULL),
	IN_READ_ONLY(TPM2_CC_PCR_Read, NULL),
	IN_READ_ONLY(TPM2_CC_TestParms, NULL),
	IN_READ_ONLY(TPM2_CC_ECC_Parameters, NULL),
	IN_READ_ONLY(TPM2_CC_ReadPublic, OBJECT),
	IN_READ_ONLY(TPM2_CC_NV_ReadPublic, "i"),
	IN_READ_ONLY(TPM2_CC_ReadClock, NULL),

	IN_STANDARD(TPM2_CC_StartAuthSession, 0, OBJECT, OBJECT),
	IN_STANDARD(TPM2_CC_PolicyRestart, 0, "p"),
	IN_STANDARD(TPM2_CC_Create, 1, OBJECT),
	IN_STANDARD(TPM2_CC_CreateLoaded, 1, OBJECT),
	IN_STANDARD(TPM2_CC_CreatePrimary, 1, "oen"),
	IN_STANDARD(TPM2_CC_Load, 1, OBJECT),
	IN_STANDARD(TPM2_CC_LoadExternal, 0, NULL),
	IN_STANDARD(TPM2_CC_Import, 1, OBJECT),
	IN_STANDARD(TPM2_CC_ObjectChangeAuth, 1, OBJECT, OBJECT),
	IN_STANDARD(TPM2_CC_Unseal, 1, OBJECT),
	IN_STANDARD(TPM2_CC_MakeCredential, 0, OBJECT),
	IN_STANDARD(TPM2_CC_ActivateCredential, 2, OBJECT, OBJECT),
	IN_STANDARD(TPM2_CC_RSA_Encrypt, 0, OBJECT),
	IN_STANDARD(TPM2_CC_RSA_Decrypt, 1, OBJECT),
	IN_STANDARD(TPM2_CC_ECDH_KeyGen, 0, OBJECT),
	IN_STANDARD(TPM2_CC_ECDH_ZGen, 1, OBJECT),
	IN_STANDARD(TPM2_CC_EncryptDecrypt, 1, OBJECT),
	IN_STANDARD(TPM2_CC_EncryptDecrypt2, 1, OBJECT),
	IN_STANDARD(TPM2_CC_Hash, 0, NULL),
	IN_STANDARD(TPM2_CC_HMAC, 1, OBJECT),
	IN_STANDARD(TPM2_CC_HMAC_Start, 1, OBJECT),
	IN_STANDARD(TPM2_CC_HashSequenceStart, 0, NULL),
	IN_STANDARD(TPM2_CC_SequenceUpdate, 1, OBJECT),
	IN_STANDARD(TPM2_CC_SequenceComplete, 1, OBJECT),
	IN_STANDARD(TPM2_CC_StirRandom, 0, NULL),
	IN_STANDARD(TPM2_CC_Certify, 2, OBJECT, OBJECT),
	IN_STANDARD(TPM2_CC_Quote, 1, OBJECT),
	IN_STANDARD(TPM2_CC_VerifySignature, 0, OBJECT),
	IN_STANDARD(TPM2_CC_Sign, 1, OBJECT),
	IN_STANDARD(TPM2_CC_PolicySigned, 0, OBJECT, "p"),
	IN_STANDARD(TPM2_CC_PolicySecret, 1, "etsn", "p"),
	IN_STANDARD(TPM2_CC_PolicyTicket, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyOR, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyPCR, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyLocality, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyNV, 1, "i", "i", "p"),
	IN_STANDARD(TPM2_CC_PolicyCounterTimer, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyCommandCode, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyPhysicalPresence, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyCpHash, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyNameHash, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyDuplicationSelect, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyAuthorize, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyAuthValue, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyPassword, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyGetDigest, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyNvWritten, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyTemplate, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyAuthorizeNV, 1, "i", "i", "p"),
	{TPM2_CC_ContextSave, FILTER_STANDARD, 0, true, {"thp"}, NULL},
	{TPM2_CC_ContextLoad, FILTER_STANDARD, 0, true, {NULL}, NULL},
	{TPM2_CC_FlushContext, FILTER_STANDARD, 0, true, {NULL}, "\x80\x00\x00\x00"},
	IN_STANDARD(TPM2_CC_NV_Read, 1, "i", "i"),

	{TPM2_CC_DictionaryAttackParameters, FILTER_PROVISION, 1, false, {"l"}, NULL},
	{TPM2_CC_EvictControl, FILTER_PROVISION, 1, false, {"o", "t"}, SRK_PLACE},
};

size_t handle_count(const struct command *command)
{
	size_t count = 0;

	while (count < ARRAY_LEN(command->handles) && command->handles[count])
		count++;
	return count;
}

struct filter_facts facts_of(enum filter_set set)
{
	return (struct filter_facts){.set = set,
				     .srk_absent = true,
				     .reserved = RESERVED,
				     .reserved_count = ARRAY_LEN(RESERVED)};
}

struct draft draft_of(const struct command *command)
{
	struct draft draft = {.command = command,
			      .session_count = command->auths,
			      .parameters = command->parameters};
	size_t i;

	for (i = 0; i < handle_count(command); i++)
		draft.handles[i] = good_handle(command->handles[i][0]);
	for (i = 0; i < ARRAY_LEN(draft.sessions); i++)
		draft.sessions[i] = TPM2_RS_PW;
	return draft;
}

static void put_session(struct buf *area, uint32_t handle)
{
	buf_put_u32(area, handle);
	if (handle == TPM2_RS_PW) {
		buf_put(area, slice_of("\0\0\x01\0\x03pwd", 8));
		return;
	}
	buf_put_u16(area, 16);
	buf_put(area, slice_of("0123456789abcdef", 16));
	buf_put_u8(area, 0x21);
	buf_put_u16(area, 32);
	buf_put(area, slice_of("0123456789abcdef0123456789abcdef", 32));
}

void write_u32(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
}

void write_command(const struct draft *draft, struct buf *bytes)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WIRE_MAX);
	size_t i;

	buf_reset(bytes);
	buf_put_u16(bytes, draft->session_count > 0 ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS);
	buf_put_u32(bytes, 0);
	buf_put_u32(bytes, draft->command->code);
	for (i = 0; i < handle_count(draft->command); i++)
		buf_put_u32(bytes, draft->handles[i]);
	for (i = 0; i < draft->session_count; i++)
		put_session(&area, draft->sessions[i]);
	if (draft->session_count > 0) {
		buf_put_u32(bytes, (uint32_t)area.len);
		buf_put(bytes, buf_slice(&area));
	}
	if (draft->parameters)
		buf_put(bytes, slice_of(draft->parameters, 4));
	write_u32(bytes->data + 2, (uint32_t)bytes->len);
}

uint32_t judge(const struct filter_facts *facts, struct slice command)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_MAX);
	enum filter_verdict verdict = filter_judge(facts, command, &answer);
	struct cursor cursor = cursor_of(buf_slice(&answer));
	uint32_t rc;

	if (verdict == FILTER_PASS) {
		assert_int_equal(answer.len, 0);
		return PASSES;
	}
	assert_int_equal(cursor_u16(&cursor), TPM2_ST_NO_SESSIONS);
	assert_int_equal(cursor_u32(&cursor), WIRE_HEADER);
	rc = cursor_u32(&cursor);
	assert_true(cursor_done(&cursor));
	return rc;
}

uint32_t judge_draft(const struct draft *draft, enum filter_set set)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(WIRE_MAX);
	struct filter_facts facts = facts_of(set);

	write_command(draft, &bytes);
	return judge(&facts, buf_slice(&bytes));
}

const struct command *find_command(uint32_t code)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(COMMANDS); i++)
		if (COMMANDS[i].code == code)
			return &COMMANDS[i];
	return NULL;
}
