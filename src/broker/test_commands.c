/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <strings.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/test_fixture.h"
#include "broker/wire.h"

static const struct command *named(const char *name)
{
	const struct command *command = commands_by_name(name);

	if (!command)
		fail_msg("there is no command %s", name);
	return command;
}

/* --- the table --- */

static void test_order(void **state)
{
	size_t i, j, count;
	const struct command *commands = commands_all(&count);

	(void)state;
	assert_in_range(count, 120, COMMANDS_MAX);
	for (i = 0; i < count; i++) {
		if (i > 0 && strcasecmp(commands[i - 1].name, commands[i].name) >= 0)
			fail_msg("%s stands before %s", commands[i - 1].name, commands[i].name);
		for (j = 0; j < i; j++)
			assert_int_not_equal(commands[i].code, commands[j].code);
		assert_ptr_equal(commands_by_code(commands[i].code), &commands[i]);
		assert_ptr_equal(commands_by_name(commands[i].name), &commands[i]);
	}
	assert_null(commands_by_name(""));
	assert_null(commands_by_name("Clea"));
	assert_null(commands_by_name("TPM2_Clear"));
	assert_null(commands_by_code(0));
	assert_ptr_equal(named("nv_write"), commands_by_code(TPM2_CC_NV_Write));
	assert_ptr_equal(named("CLEAR"), commands_by_code(TPM2_CC_Clear));
}

/* Revision 1.59 gives every code but these, up to TPM_CC_ECC_Decrypt (Part 2, 6.5.2). */
static void test_complete(void **state)
{
	static const uint32_t holes[] = {0x123, 0x15a, 0x15f, 0x166, 0x175};
	uint32_t code;
	size_t i, count;

	(void)state;
	for (code = 0x11f; code <= 0x19a; code++) {
		bool hole = false;

		for (i = 0; i < ARRAY_LEN(holes); i++)
			hole = hole || code == holes[i];
		if (!commands_by_code(code) != hole)
			fail_msg("command 0x%x", code);
	}
	(void)commands_all(&count);
	assert_int_equal(count, 0x19a - 0x11f + 1 - ARRAY_LEN(holes) + 1 /* of vendors */);
}

/* Who could do that to the chip does it to all. */
static void test_never(void **state)
{
	static const char *const names[] = {
		"Clear",
		"ClearControl",
		"HierarchyChangeAuth",
		"HierarchyControl",
		"SetPrimaryPolicy",
		"DictionaryAttackLockReset",
		"FieldUpgradeStart",
		"FieldUpgradeData",
		"FirmwareRead",
		"ChangeEPS",
		"ChangePPS",
		"PP_Commands",
		"SetAlgorithmSet",
		"SetCommandCodeAuditStatus",
		"PCR_Allocate",
		"PCR_SetAuthPolicy",
		"NV_UndefineSpaceSpecial",
		"ACT_SetTimeout",
		"AC_Send",
		"AC_GetCapability",
		"Vendor_TCG_Test",
	};
	size_t i, count, never = 0;
	const struct command *commands = commands_all(&count);

	(void)state;
	for (i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(named(names[i])->set, SET_NEVER);
	for (i = 0; i < count; i++)
		never += commands[i].set == SET_NEVER;
	assert_int_equal(never, ARRAY_LEN(names));
}

static void test_effects(void **state)
{
	static const struct {
		const char *name;
		unsigned effects;
	} cases[] = {
		{"CreatePrimary", MAKES_OBJECT},
		{"CreateLoaded", MAKES_OBJECT},
		{"Load", MAKES_OBJECT},
		{"LoadExternal", MAKES_OBJECT},
		{"Create", TAKES_SLOT},
		{"Import", TAKES_SLOT},
		{"HMAC_Start", MAKES_SEQUENCE},
		{"HashSequenceStart", MAKES_SEQUENCE},
		{"StartAuthSession", MAKES_SESSION},
		{"SequenceComplete", ENDS_SEQUENCE},
		{"EventSequenceComplete", ENDS_SEQUENCE},
		{"FlushContext", LOCAL | NO_SESSIONS},
		{"ContextSave", LOCAL | NO_SESSIONS},
		{"ContextLoad", LOCAL | NO_SESSIONS},
		{"Startup", LOCAL | NO_SESSIONS},
		{"Shutdown", LOCAL},
		{"EvictControl", LOCAL},
	};
	size_t i, count, with = 0;
	const struct command *commands = commands_all(&count);

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(named(cases[i].name)->effects, cases[i].effects);
	for (i = 0; i < count; i++)
		with += commands[i].effects != 0;
	assert_int_equal(with, ARRAY_LEN(cases));
}

/* --- sets and lists --- */

static void test_words(void **state)
{
	static const char *const words[] = {"none", "read-only", "standard", "provision", "full"};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(words); i++)
		assert_string_equal(command_set_word((enum command_set)i), words[i]);
}

static void test_lists(void **state)
{
	struct command_list list = {{0}};
	size_t i, j, count;
	const struct command *commands = commands_all(&count);

	(void)state;
	for (i = 0; i < count; i++) {
		for (j = 0; j < count; j++)
			assert_int_equal(command_list_has(&list, &commands[j]), j < i);
		command_list_add(&list, &commands[i]);
		command_list_add(&list, &commands[i]);
	}
	assert_true(command_list_has(&list, &commands[count - 1]));
}

/* By name: whatever the set, unless it is of those that nobody may have, or denied. */
static void test_allow_and_deny(void **state)
{
	size_t i, count;
	const struct command *commands = commands_all(&count);
	unsigned set;

	(void)state;
	for (set = SET_NONE; set <= SET_FULL; set++)
		for (i = 0; i < count; i++) {
			struct command_policy policy = {.set = (enum command_set)set};
			enum command_set from = commands[i].set;
			bool by_set = from == SET_PROVISION ? set == SET_PROVISION : set >= from;

			by_set = by_set && from != SET_NEVER;
			assert_int_equal(command_policy_holds(&policy, &commands[i]), by_set);
			command_list_add(&policy.allow, &commands[i]);
			assert_int_equal(command_policy_holds(&policy, &commands[i]),
					 by_set || (from != SET_NEVER && from != SET_PROVISION));
			command_list_add(&policy.deny, &commands[i]);
			assert_false(command_policy_holds(&policy, &commands[i]));
		}
}

/* --- the filter with lists --- */

static uint32_t judge_with(const struct command_policy *policy, const struct draft *draft)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(WIRE_MAX);
	struct filter_facts facts = facts_of(policy->set);

	facts.policy = *policy;
	write_command(draft, &bytes);
	return judge(&facts, buf_slice(&bytes));
}

/* What is allowed comes with all the handles of SET_FULL, the rest as before. */
static void test_allowed_handles(void **state)
{
	static const struct {
		const char *name;
		size_t position;
		uint32_t handle;
		uint32_t before, allowed;
	} cases[] = {
		{"NV_Write", 0, TPM2_RH_OWNER, 0x143, PASSES},
		{"NV_Write", 0, 0x01000000, 0x143, PASSES},
		{"NV_Write", 0, TPM2_RH_PLATFORM, 0x143, 0x184},
		{"NV_Write", 0, TPM2_RH_LOCKOUT, 0x143, 0x184},
		{"NV_Write", 1, 0x01ffffff, 0x143, PASSES},
		{"NV_Read", 0, TPM2_RH_OWNER, 0x184, PASSES},
		{"NV_Read", 1, 0x01000000, 0x28b, PASSES},
		{"NV_ReadPublic", 0, 0x01500000, 0x18b, PASSES},
		{"PCR_Extend", 0, 16, 0x143, PASSES},
		{"PCR_Reset", 0, 16, 0x143, PASSES},
		{"PCR_Reset", 0, TPM2_RH_NULL, 0x143, 0x184},
		{"PolicySecret", 0, TPM2_RH_OWNER, 0x184, PASSES},
		{"PolicySecret", 0, TPM2_RH_ENDORSEMENT, PASSES, PASSES},
		{"PolicySecret", 0, TPM2_RH_LOCKOUT, 0x184, 0x184},
		{"PolicySecret", 0, TPM2_RH_PLATFORM, 0x184, 0x184},
		{"PolicySecret", 0, 0x01c00002, 0x184, PASSES},
		{"StartAuthSession", 1, TPM2_RH_OWNER, 0x284, PASSES},
		{"StartAuthSession", 1, TPM2_RH_LOCKOUT, 0x284, 0x284},
		{"CreatePrimary", 0, TPM2_RH_LOCKOUT, 0x184, 0x184},
		{"ReadPublic", 0, 0x81800000, 0x18b, PASSES},
		{"ReadPublic", 0, 0x81000101, 0x18b, 0x18b}, /* reserved */
		{"ClockSet", 0, TPM2_RH_OWNER, 0x143, PASSES},
		{"DictionaryAttackParameters", 0, TPM2_RH_LOCKOUT, 0x143, 0x143},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		const struct command *command = named(cases[i].name);
		struct command_policy policy = {.set = SET_STANDARD};
		struct draft draft = draft_of(find_sample(command->code));

		draft.handles[cases[i].position] = cases[i].handle;
		if (judge_with(&policy, &draft) != cases[i].before)
			fail_msg("%s of 0x%08x: not 0x%x", cases[i].name, cases[i].handle,
				 cases[i].before);
		command_list_add(&policy.allow, command);
		if (judge_with(&policy, &draft) != cases[i].allowed)
			fail_msg("%s of 0x%08x, allowed: not 0x%x", cases[i].name, cases[i].handle,
				 cases[i].allowed);
		/* The name of another one opens nothing. */
		policy = (struct command_policy){.set = SET_STANDARD};
		command_list_add(&policy.allow, named("NV_Increment"));
		assert_int_equal(judge_with(&policy, &draft), cases[i].before);
	}
}

static void test_denied(void **state)
{
	struct command_policy policy = {.set = SET_FULL};
	size_t i;

	(void)state;
	for (i = 0; i < SAMPLE_COUNT; i++) {
		struct draft draft = draft_of(&SAMPLES[i]);

		command_list_add(&policy.deny, commands_by_code(SAMPLES[i].code));
		assert_int_equal(judge_with(&policy, &draft), TPM2_RC_COMMAND_CODE);
	}
	command_list_add(&policy.deny, named("Startup"));
	assert_int_equal(
		judge_with(&policy,
			   &(struct draft){.sample = &(struct sample){.code = TPM2_CC_Startup}}),
		TPM2_RC_COMMAND_CODE);
}

/* --- what is handed out --- */

static void test_view(void **state)
{
	struct draft draft = draft_of(find_sample(TPM2_CC_PolicyNV));
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(WIRE_MAX), answer = BUF_INIT(WIRE_MAX);
	struct filter_facts facts = facts_of(SET_STANDARD);
	struct filter_view view;

	(void)state;
	draft.session_count = 2;
	draft.sessions[1] = 0x02000007;
	draft.parameters = "abcd";
	write_command(&draft, &bytes);
	assert_int_equal(filter_judge(&facts, buf_slice(&bytes), &view, &answer), FILTER_PASS);
	assert_int_equal(answer.len, 0);
	assert_ptr_equal(view.bytes.data, bytes.data);
	assert_int_equal(view.bytes.len, bytes.len);
	assert_ptr_equal(view.command, named("PolicyNV"));
	assert_int_equal(view.handle_count, 3);
	assert_memory_equal(view.handles, draft.handles, sizeof(view.handles));
	assert_int_equal(view.auth_count, 2);
	assert_int_equal(view.auths[0].handle, TPM2_RS_PW);
	assert_int_equal(view.auths[0].nonce.len, 0);
	assert_int_equal(view.auths[0].attributes, 1);
	assert_true(slice_equal(view.auths[0].hmac, slice_str("pwd")));
	assert_int_equal(view.auths[1].handle, 0x02000007);
	assert_true(slice_equal(view.auths[1].nonce, slice_str("0123456789abcdef")));
	assert_int_equal(view.auths[1].attributes, 0x21);
	assert_true(slice_equal(view.auths[1].hmac, slice_str("0123456789abcdef0123456789abcdef")));
	assert_true(slice_equal(view.parameters, slice_str("abcd")));
}

/* Without handles, authorisations and parameters there are none. */
static void test_view_of_nothing(void **state)
{
	static const uint8_t get_clock[] = {0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x81};
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_MAX);
	struct filter_facts facts = facts_of(SET_READ_ONLY);
	struct filter_view view, old;

	(void)state;
	assert_int_equal(
		filter_judge(&facts, slice_of(get_clock, sizeof(get_clock)), &view, &answer),
		FILTER_PASS);
	assert_int_equal(view.handle_count + view.auth_count + view.parameters.len, 0);
	/* A refusal leaves the view as it was. */
	old = view;
	facts = facts_of(SET_NONE);
	assert_int_equal(
		filter_judge(&facts, slice_of(get_clock, sizeof(get_clock)), &view, &answer),
		FILTER_ANSWER);
	assert_memory_equal(&view, &old, sizeof(view));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_never),		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_words),		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_allow_and_deny),	cmocka_unit_test(test_allowed_handles),
		cmocka_unit_test(test_denied),		cmocka_unit_test(test_view),
		cmocka_unit_test(test_view_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
