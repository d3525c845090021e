/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands here is granted, all else is not. Handles are those of Part 3, "Handle Area", less
 * what the sets keep back: powers over the chip stand only where somebody needs them. The platform
 * and attached components are no kind at all, so that a command which wants one of them is in no
 * set.
 */
#include "broker/commands.h"

#include <string.h>
#include <strings.h>
#include <tss2/tss2_tpm2_types.h>

/* Of revision 1.59, and younger than the oldest headers that we build with. */
#define CC_ECC_Encrypt 0x00000199u
#define CC_ECC_Decrypt 0x0000019au

#define OWNER	   HANDLE_OWNER
#define ENDORSE	   HANDLE_ENDORSEMENT
#define NONE	   HANDLE_NULL
#define OBJECT	   HANDLE_OBJECT
#define STORED	   HANDLE_PERSISTENT
#define LOADED	   HANDLE_TRANSIENT
#define NV	   HANDLE_NV
#define PCR	   HANDLE_PCR
#define POLICY	   HANDLE_POLICY
#define ANY_POWER  (OWNER | ENDORSE)
#define ANY_ENTITY (ANY_POWER | NV | PCR)

/* name, code, the set that it is in, how many handles want an authorisation, the rest */
#define CODE(name_, code_, set_, auths_, ...)                                                      \
	{                                                                                          \
		.name = #name_, .code = code_, .set = SET_##set_, .auths = auths_, __VA_ARGS__     \
	}
#define COMMAND(name_, set_, auths_, ...) CODE(name_, TPM2_CC_##name_, set_, auths_, __VA_ARGS__)

static const char NO_PLATFORM[] = "needs the platform's authorisation";
static const char NO_COMPONENT[] = "no attached components";
static const char NO_HIERARCHY[] = "is about all tenants and the device";
static const char NO_FIRMWARE[] = "no change of firmware";

static const struct command COMMANDS[] = {
	COMMAND(AC_GetCapability, NEVER, 0, .remark = NO_COMPONENT),
	COMMAND(AC_Send, NEVER, 2, .remark = NO_COMPONENT),
	COMMAND(ACT_SetTimeout, NEVER, 1, .remark = "would let a tenant reset the machine"),
	COMMAND(ActivateCredential, STANDARD, 2, .handles = {OBJECT, OBJECT}),
	COMMAND(Certify, STANDARD, 2, .handles = {OBJECT, OBJECT}),
	COMMAND(CertifyCreation, FULL, 1, .handles = {OBJECT, OBJECT}),
	COMMAND(CertifyX509, FULL, 2, .handles = {OBJECT, OBJECT}),
	COMMAND(ChangeEPS, NEVER, 1, .remark = NO_PLATFORM),
	COMMAND(ChangePPS, NEVER, 1, .remark = NO_PLATFORM),
	COMMAND(Clear, NEVER, 1, .remark = NO_HIERARCHY),
	COMMAND(ClearControl, NEVER, 1, .remark = NO_HIERARCHY),
	COMMAND(ClockRateAdjust, FULL, 1, .full = {OWNER}),
	COMMAND(ClockSet, FULL, 1, .full = {OWNER}),
	COMMAND(Commit, FULL, 1, .handles = {OBJECT}),
	COMMAND(ContextLoad, STANDARD, 0, .effects = LOCAL | NO_SESSIONS,
		.remark = "what this tenant saved"),
	COMMAND(ContextSave, STANDARD, 0, .effects = LOCAL | NO_SESSIONS,
		.handles = {LOADED | HANDLE_SESSION},
		.remark = "the context is encrypted for this tenant"),
	COMMAND(Create, STANDARD, 1, .effects = TAKES_SLOT, .handles = {OBJECT}),
	COMMAND(CreateLoaded, STANDARD, 1, .effects = MAKES_OBJECT, .handles = {OBJECT},
		.full = {ANY_POWER}),
	COMMAND(CreatePrimary, STANDARD, 1, .effects = MAKES_OBJECT, .handles = {ANY_POWER | NONE}),
	COMMAND(DictionaryAttackLockReset, NEVER, 1, .remark = NO_HIERARCHY),
	COMMAND(DictionaryAttackParameters, PROVISION, 1, .provision = {HANDLE_LOCKOUT},
		.remark = "in this set alone"),
	COMMAND(Duplicate, FULL, 1, .handles = {OBJECT, OBJECT}),
	COMMAND(EC_Ephemeral, FULL, 0, .handles = {0}),
	CODE(ECC_Decrypt, CC_ECC_Decrypt, FULL, 1, .handles = {OBJECT}),
	CODE(ECC_Encrypt, CC_ECC_Encrypt, FULL, 0, .handles = {OBJECT}),
	COMMAND(ECC_Parameters, READ_ONLY, 0, .handles = {0}),
	COMMAND(ECDH_KeyGen, STANDARD, 0, .handles = {OBJECT}),
	COMMAND(ECDH_ZGen, STANDARD, 1, .handles = {OBJECT}),
	COMMAND(EncryptDecrypt, STANDARD, 1, .handles = {OBJECT}),
	COMMAND(EncryptDecrypt2, STANDARD, 1, .handles = {OBJECT}),
	COMMAND(EventSequenceComplete, FULL, 2, .effects = ENDS_SEQUENCE, .handles = {NONE, OBJECT},
		.full = {PCR}),
	COMMAND(EvictControl, STANDARD, 1, .effects = LOCAL, .handles = {OWNER, LOADED | STORED},
		.remark = "virtual, but for the absent SRK in provision and full"),
	COMMAND(FieldUpgradeData, NEVER, 0, .remark = NO_FIRMWARE),
	COMMAND(FieldUpgradeStart, NEVER, 1, .remark = NO_FIRMWARE),
	COMMAND(FirmwareRead, NEVER, 0, .remark = NO_FIRMWARE),
	COMMAND(FlushContext, STANDARD, 0, .effects = LOCAL | NO_SESSIONS,
		.remark = "transient objects and sessions"),
	COMMAND(GetCapability, READ_ONLY, 0, .remark = "lists the tenant's own handles"),
	COMMAND(GetCommandAuditDigest, FULL, 2, .handles = {0, OBJECT}, .full = {ENDORSE}),
	COMMAND(GetRandom, READ_ONLY, 0, .handles = {0}),
	COMMAND(GetSessionAuditDigest, FULL, 2, .handles = {0, OBJECT, HANDLE_HMAC},
		.full = {ENDORSE}),
	COMMAND(GetTestResult, FULL, 0, .handles = {0}),
	COMMAND(GetTime, FULL, 2, .handles = {0, OBJECT}, .full = {ENDORSE}),
	COMMAND(Hash, STANDARD, 0, .handles = {0}),
	COMMAND(HashSequenceStart, STANDARD, 0, .effects = MAKES_SEQUENCE),
	COMMAND(HierarchyChangeAuth, NEVER, 1, .remark = NO_HIERARCHY),
	COMMAND(HierarchyControl, NEVER, 1, .remark = NO_HIERARCHY),
	COMMAND(HMAC, STANDARD, 1, .handles = {OBJECT}, .remark = "also called MAC"),
	COMMAND(HMAC_Start, STANDARD, 1, .effects = MAKES_SEQUENCE, .handles = {OBJECT},
		.remark = "also called MAC_Start"),
	COMMAND(Import, STANDARD, 1, .effects = TAKES_SLOT, .handles = {OBJECT}),
	COMMAND(IncrementalSelfTest, FULL, 0, .handles = {0}),
	COMMAND(Load, STANDARD, 1, .effects = MAKES_OBJECT, .handles = {OBJECT}),
	COMMAND(LoadExternal, STANDARD, 0, .effects = MAKES_OBJECT),
	COMMAND(MakeCredential, STANDARD, 0, .handles = {OBJECT}),
	COMMAND(NV_Certify, FULL, 2, .handles = {OBJECT, NV, NV}, .full = {0, OWNER}),
	COMMAND(NV_ChangeAuth, FULL, 1, .handles = {NV}),
	COMMAND(NV_DefineSpace, FULL, 1, .full = {OWNER}),
	COMMAND(NV_Extend, FULL, 1, .handles = {NV, NV}, .full = {OWNER}),
	COMMAND(NV_GlobalWriteLock, FULL, 1, .full = {OWNER}),
	COMMAND(NV_Increment, FULL, 1, .handles = {NV, NV}, .full = {OWNER}),
	COMMAND(NV_Read, STANDARD, 1, .handles = {NV, NV}, .provision = {OWNER}, .full = {OWNER},
		.remark = "01c00000 to 01c07fff"),
	COMMAND(NV_ReadLock, FULL, 1, .handles = {NV, NV}, .full = {OWNER}),
	COMMAND(NV_ReadPublic, READ_ONLY, 0, .handles = {NV}, .remark = "01c00000 to 01c07fff"),
	COMMAND(NV_SetBits, FULL, 1, .handles = {NV, NV}, .full = {OWNER}),
	COMMAND(NV_UndefineSpace, FULL, 1, .handles = {0, NV}, .full = {OWNER}),
	COMMAND(NV_UndefineSpaceSpecial, NEVER, 2, .remark = NO_PLATFORM),
	COMMAND(NV_Write, FULL, 1, .handles = {NV, NV}, .full = {OWNER}),
	COMMAND(NV_WriteLock, FULL, 1, .handles = {NV, NV}, .full = {OWNER}),
	COMMAND(ObjectChangeAuth, STANDARD, 1, .handles = {OBJECT, OBJECT}),
	COMMAND(PCR_Allocate, NEVER, 1, .remark = NO_PLATFORM),
	COMMAND(PCR_Event, FULL, 1, .handles = {NONE}, .full = {PCR}),
	COMMAND(PCR_Extend, FULL, 1, .handles = {NONE}, .full = {PCR}),
	COMMAND(PCR_Read, READ_ONLY, 0, .handles = {0}),
	COMMAND(PCR_Reset, FULL, 1, .full = {PCR}),
	COMMAND(PCR_SetAuthPolicy, NEVER, 1, .remark = NO_PLATFORM),
	COMMAND(PCR_SetAuthValue, FULL, 1, .full = {PCR}),
	COMMAND(Policy_AC_SendSelect, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyAuthorize, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyAuthorizeNV, STANDARD, 1, .handles = {NV, NV, POLICY}, .full = {OWNER},
		.remark = "01c00000 to 01c07fff"),
	COMMAND(PolicyAuthValue, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyCommandCode, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyCounterTimer, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyCpHash, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyDuplicationSelect, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyGetDigest, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyLocality, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyNameHash, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyNV, STANDARD, 1, .handles = {NV, NV, POLICY}, .full = {OWNER},
		.remark = "01c00000 to 01c07fff"),
	COMMAND(PolicyNvWritten, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyOR, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyPassword, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyPCR, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyPhysicalPresence, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyRestart, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicySecret, STANDARD, 1, .handles = {ENDORSE | OBJECT, POLICY},
		.full = {ANY_ENTITY}),
	COMMAND(PolicySigned, STANDARD, 0, .handles = {OBJECT, POLICY}),
	COMMAND(PolicyTemplate, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PolicyTicket, STANDARD, 0, .handles = {POLICY}),
	COMMAND(PP_Commands, NEVER, 1, .remark = NO_PLATFORM),
	COMMAND(Quote, STANDARD, 1, .handles = {OBJECT}),
	COMMAND(ReadClock, READ_ONLY, 0, .handles = {0}),
	COMMAND(ReadPublic, READ_ONLY, 0, .handles = {OBJECT}),
	COMMAND(Rewrap, FULL, 1, .handles = {OBJECT, OBJECT}),
	COMMAND(RSA_Decrypt, STANDARD, 1, .handles = {OBJECT}),
	COMMAND(RSA_Encrypt, STANDARD, 0, .handles = {OBJECT}),
	COMMAND(SelfTest, FULL, 0, .handles = {0}),
	COMMAND(SequenceComplete, STANDARD, 1, .effects = ENDS_SEQUENCE, .handles = {OBJECT}),
	COMMAND(SequenceUpdate, STANDARD, 1, .handles = {OBJECT}),
	COMMAND(SetAlgorithmSet, NEVER, 1, .remark = NO_PLATFORM),
	COMMAND(SetCommandCodeAuditStatus, NEVER, 1, .remark = NO_HIERARCHY),
	COMMAND(SetPrimaryPolicy, NEVER, 1, .remark = NO_HIERARCHY),
	COMMAND(Shutdown, READ_ONLY, 0, .effects = LOCAL, .remark = "answered success, not sent"),
	COMMAND(Sign, STANDARD, 1, .handles = {OBJECT}),
	/* The salt's key and what the session is bound to. */
	COMMAND(StartAuthSession, STANDARD, 0, .effects = MAKES_SESSION,
		.handles = {OBJECT, OBJECT}, .full = {0, ANY_ENTITY}),
	COMMAND(Startup, READ_ONLY, 0, .effects = LOCAL | NO_SESSIONS,
		.remark = "answered 100 (it was started before), not sent"),
	COMMAND(StirRandom, STANDARD, 0, .handles = {0}),
	COMMAND(TestParms, READ_ONLY, 0, .handles = {0}),
	COMMAND(Unseal, STANDARD, 1, .handles = {OBJECT}),
	COMMAND(Vendor_TCG_Test, NEVER, 0, .handles = {0}),
	COMMAND(VerifySignature, STANDARD, 0, .handles = {OBJECT}),
	COMMAND(ZGen_2Phase, FULL, 1, .handles = {OBJECT}),
};

_Static_assert(ARRAY_LEN(COMMANDS) <= COMMANDS_MAX, "a list has a bit for each command");

#define WORD(set, word) [set] = (word),
static const char *const SETS[] = {COMMAND_SET_WORDS(WORD)[SET_NEVER] = "never"};

const struct command *commands_all(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(COMMANDS);
	return COMMANDS;
}

const struct command *commands_by_code(uint32_t code)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(COMMANDS); i++)
		if (COMMANDS[i].code == code)
			return &COMMANDS[i];
	return NULL;
}

const struct command *commands_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(COMMANDS); i++)
		if (!strcasecmp(COMMANDS[i].name, name))
			return &COMMANDS[i];
	return NULL;
}

void command_list_add(struct command_list *list, const struct command *command)
{
	size_t i = (size_t)(command - COMMANDS);

	list->bits[i / 64] |= UINT64_C(1) << i % 64;
}

bool command_list_has(const struct command_list *list, const struct command *command)
{
	size_t i = (size_t)(command - COMMANDS);

	return list->bits[i / 64] >> i % 64 & 1;
}

const char *command_set_word(enum command_set set)
{
	return SETS[set];
}

bool command_policy_holds(const struct command_policy *policy, const struct command *command)
{
	if (command->set == SET_NEVER || command_list_has(&policy->deny, command))
		return false;
	if (command->set == SET_PROVISION)
		return policy->set == SET_PROVISION;
	return command->set <= policy->set || command_list_has(&policy->allow, command);
}

unsigned command_policy_handles(const struct command_policy *policy, const struct command *command,
				size_t position)
{
	unsigned kinds = command->handles[position];

	if (policy->set >= SET_PROVISION)
		kinds |= command->provision[position];
	if (command_policy_is_full(policy, command))
		kinds |= command->full[position];
	return kinds;
}

bool command_policy_is_full(const struct command_policy *policy, const struct command *command)
{
	return policy->set == SET_FULL || command_list_has(&policy->allow, command);
}

size_t command_handle_count(const struct command *command)
{
	size_t i = 0;

	while (i < COMMANDS_HANDLES_MAX &&
	       (command->handles[i] | command->provision[i] | command->full[i]))
		i++;
	return i;
}
