/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/test_fixture.h"
#include "broker/wire.h"

/* --- handles --- */

#define RESERVED_SRK 0x81000101u /* no place where others could look, and reserved */
#define RESERVED_EK  0x81010042u /* where others may look, but for its being reserved */

static const uint32_t OURS[] = {RESERVED_SRK, RESERVED_EK};

const struct handle HANDLES[] = {
	{TPM2_RH_OWNER, 'o', IN_RANGE},	   {TPM2_RH_ENDORSEMENT, 'e', IN_RANGE},
	{TPM2_RH_NULL, 'n', IN_RANGE},	   {TPM2_RH_LOCKOUT, 'l', IN_RANGE},
	{TPM2_RH_PLATFORM, ' ', IN_RANGE}, {TPM2_RH_PLATFORM_NV, ' ', IN_RANGE},
	{TPM2_RS_PW, ' ', IN_RANGE},	   {0x40000000, ' ', IN_RANGE},
	{0x40000110, ' ', IN_RANGE}, /* a vendor's authorisation */
	{0x00000000, 'r', IN_RANGE}, /* PCR 0 */
	{0x00000017, 'r', IN_RANGE},	   {0x01c00000, 'i', IN_RANGE},
	{0x01c00002, 'i', IN_RANGE},	   {0x01c07fff, 'i', IN_RANGE},
	{0x01bfffff, 'i', OUT_OF_RANGE},   {0x01c08000, 'i', OUT_OF_RANGE},
	{0x01000000, 'i', OUT_OF_RANGE},   {0x01ffffff, 'i', OUT_OF_RANGE},
	{0x02000000, 'h', IN_RANGE},	   {0x02ffffff, 'h', IN_RANGE},
	{0x03000000, 'p', IN_RANGE},	   {0x03000041, 'p', IN_RANGE},
	{0x80000000, 't', IN_RANGE},	   {0x80ffffff, 't', IN_RANGE},
	{0x81000001, 's', IN_RANGE},	   {0x81010000, 's', IN_RANGE},
	{0x81010016, 's', IN_RANGE},	   {0x8101ffff, 's', IN_RANGE},
	{0x81000000, 's', IN_RANGE},	   {0x81000002, 's', IN_RANGE},
	{0x8100ffff, 's', IN_RANGE},	   {0x81020000, 's', IN_RANGE},
	{0x81800000, 's', OUT_OF_RANGE}, /* the platform's */
	{RESERVED_SRK, 's', RESERVED},	   {RESERVED_EK, 's', RESERVED},
	{0x90000000, ' ', IN_RANGE}, /* an attached component */
	{0xffffffff, ' ', IN_RANGE},
};

uint32_t good_handle(char letter)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(HANDLES); i++)
		if (HANDLES[i].letter == letter && HANDLES[i].place == IN_RANGE)
			return HANDLES[i].handle;
	fail_msg("no handle of kind %c", letter);
	return 0;
}

/* --- commands --- */

#define OBJECT "tsn"

#define IN_READ_ONLY(code, ...)                                                                    \
	{                                                                                          \
		code, SET_READ_ONLY, 0, false, {__VA_ARGS__}, {NULL}, NULL                         \
	}
#define IN_STANDARD(code, auths, ...)                                                              \
	{                                                                                          \
		code, SET_STANDARD, auths, false, {__VA_ARGS__}, {NULL}, NULL                      \
	}
#define IN_FULL(code, auths, ...)                                                                  \
	{                                                                                          \
		code, SET_FULL, auths, false, {__VA_ARGS__}, {NULL}, NULL                          \
	}

const struct sample SAMPLES[] = {
	IN_READ_ONLY(TPM2_CC_GetCapability, NULL),
	IN_READ_ONLY(TPM2_CC_GetRandom, NULL),
	IN_READ_ONLY(TPM2_CC_PCR_Read, NULL),
	IN_READ_ONLY(TPM2_CC_TestParms, NULL),
	IN_READ_ONLY(TPM2_CC_ECC_Parameters, NULL),
	IN_READ_ONLY(TPM2_CC_ReadPublic, OBJECT),
	IN_READ_ONLY(TPM2_CC_NV_ReadPublic, "i"),
	IN_READ_ONLY(TPM2_CC_ReadClock, NULL),

	{TPM2_CC_StartAuthSession, SET_STANDARD, 0, false, {OBJECT, OBJECT}, {"", "oeir"}, NULL},
	IN_STANDARD(TPM2_CC_PolicyRestart, 0, "p"),
	IN_STANDARD(TPM2_CC_Create, 1, OBJECT),
	{TPM2_CC_CreateLoaded, SET_STANDARD, 1, false, {OBJECT}, {"oe"}, NULL},
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
	{TPM2_CC_PolicySecret, SET_STANDARD, 1, false, {"etsn", "p"}, {"oir"}, NULL},
	IN_STANDARD(TPM2_CC_PolicyTicket, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyOR, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyPCR, 0, "p"),
	IN_STANDARD(TPM2_CC_PolicyLocality, 0, "p"),
	{TPM2_CC_PolicyNV, SET_STANDARD, 1, false, {"i", "i", "p"}, {"o"}, NULL},
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
	IN_STANDARD(TPM2_CC_Policy_AC_SendSelect, 0, "p"),
	{TPM2_CC_PolicyAuthorizeNV, SET_STANDARD, 1, false, {"i", "i", "p"}, {"o"}, NULL},
	{TPM2_CC_ContextSave, SET_STANDARD, 0, true, {"thp"}, {NULL}, NULL},
	{TPM2_CC_ContextLoad, SET_STANDARD, 0, true, {NULL}, {NULL}, NULL},
	{TPM2_CC_FlushContext, SET_STANDARD, 0, true, {NULL}, {NULL}, "\x80\x00\x00\x00"},
	{TPM2_CC_NV_Read, SET_STANDARD, 1, false, {"i", "i"}, {"o"}, NULL},
	{TPM2_CC_EvictControl, SET_STANDARD, 1, false, {"o", "ts"}, {NULL}, "\x81\x00\x00\x02"},

	{TPM2_CC_DictionaryAttackParameters, SET_PROVISION, 1, false, {"l"}, {NULL}, NULL},

	IN_FULL(TPM2_CC_CertifyCreation, 1, OBJECT, OBJECT),
	IN_FULL(TPM2_CC_CertifyX509, 2, OBJECT, OBJECT),
	IN_FULL(TPM2_CC_ClockRateAdjust, 1, "o"),
	IN_FULL(TPM2_CC_ClockSet, 1, "o"),
	IN_FULL(TPM2_CC_Commit, 1, OBJECT),
	IN_FULL(TPM2_CC_Duplicate, 1, OBJECT, OBJECT),
	IN_FULL(TPM2_CC_EC_Ephemeral, 0, NULL),
	IN_FULL(0x199, 0, OBJECT), /* ECC_Encrypt, ECC_Decrypt */
	IN_FULL(0x19a, 1, OBJECT),
	IN_FULL(TPM2_CC_EventSequenceComplete, 2, "rn", OBJECT),
	IN_FULL(TPM2_CC_GetCommandAuditDigest, 2, "e", OBJECT),
	IN_FULL(TPM2_CC_GetSessionAuditDigest, 2, "e", OBJECT, "h"),
	IN_FULL(TPM2_CC_GetTestResult, 0, NULL),
	IN_FULL(TPM2_CC_GetTime, 2, "e", OBJECT),
	IN_FULL(TPM2_CC_IncrementalSelfTest, 0, NULL),
	IN_FULL(TPM2_CC_NV_Certify, 2, OBJECT, "oi", "i"),
	IN_FULL(TPM2_CC_NV_ChangeAuth, 1, "i"),
	IN_FULL(TPM2_CC_NV_DefineSpace, 1, "o"),
	IN_FULL(TPM2_CC_NV_Extend, 1, "oi", "i"),
	IN_FULL(TPM2_CC_NV_GlobalWriteLock, 1, "o"),
	IN_FULL(TPM2_CC_NV_Increment, 1, "oi", "i"),
	IN_FULL(TPM2_CC_NV_ReadLock, 1, "oi", "i"),
	IN_FULL(TPM2_CC_NV_SetBits, 1, "oi", "i"),
	IN_FULL(TPM2_CC_NV_UndefineSpace, 1, "o", "i"),
	IN_FULL(TPM2_CC_NV_Write, 1, "oi", "i"),
	IN_FULL(TPM2_CC_NV_WriteLock, 1, "oi", "i"),
	IN_FULL(TPM2_CC_PCR_Event, 1, "rn"),
	IN_FULL(TPM2_CC_PCR_Extend, 1, "rn"),
	IN_FULL(TPM2_CC_PCR_Reset, 1, "r"),
	IN_FULL(TPM2_CC_PCR_SetAuthValue, 1, "r"),
	IN_FULL(TPM2_CC_Rewrap, 1, OBJECT, OBJECT),
	IN_FULL(TPM2_CC_SelfTest, 0, NULL),
	IN_FULL(TPM2_CC_ZGen_2Phase, 1, OBJECT),
};

bool is_in(const struct sample *sample, enum command_set set)
{
	if (sample->from == SET_PROVISION)
		return set == SET_PROVISION;
	return set >= sample->from;
}

bool may_stand(const struct sample *sample, size_t position, char letter, enum command_set set)
{
	const char *full = sample->full[position];

	/* FAPI reads certificates with the owner's authorisation, whatever the index allows. */
	if (set == SET_PROVISION && sample->code == TPM2_CC_NV_Read && position == 0 &&
	    letter == 'o')
		return true;
	if (set == SET_FULL && full && strchr(full, letter))
		return true;
	return strchr(sample->handles[position], letter);
}

size_t handle_count(const struct sample *sample)
{
	size_t count = 0;

	while (count < ARRAY_LEN(sample->handles) && sample->handles[count])
		count++;
	return count;
}

struct filter_facts facts_of(enum command_set set)
{
	return (struct filter_facts){
		.policy = {.set = set}, .reserved = OURS, .reserved_count = ARRAY_LEN(OURS)};
}

struct draft draft_of(const struct sample *sample)
{
	struct draft draft = {
		.sample = sample, .session_count = sample->auths, .parameters = sample->parameters};
	size_t i;

	for (i = 0; i < handle_count(sample); i++)
		draft.handles[i] = good_handle(sample->handles[i][0]);
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
	buf_put_u32(bytes, draft->sample->code);
	for (i = 0; i < handle_count(draft->sample); i++)
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
	struct filter_view view;
	enum filter_verdict verdict = filter_judge(facts, command, &view, &answer);
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

uint32_t judge_draft(const struct draft *draft, enum command_set set)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(WIRE_MAX);
	struct filter_facts facts = facts_of(set);

	write_command(draft, &bytes);
	return judge(&facts, buf_slice(&bytes));
}

const struct sample *find_sample(uint32_t code)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(SAMPLES); i++)
		if (SAMPLES[i].code == code)
			return &SAMPLES[i];
	return NULL;
}
