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

static void test_sets(void **state)
{
	size_t i;
	int set;

	(void)state;
	for (i = 0; i < ARRAY_LEN(SAMPLES); i++) {
		struct draft draft = draft_of(&SAMPLES[i]);

		for (set = SET_NONE; set <= SET_FULL; set++) {
			uint32_t expected = is_in(&SAMPLES[i], (enum command_set)set)
						    ? PASSES
						    : TPM2_RC_COMMAND_CODE;

			if (judge_draft(&draft, (enum command_set)set) != expected)
				fail_msg("command 0x%x in set %d", SAMPLES[i].code, set);
		}
	}
}

static void test_all_else_is_refused(void **state)
{
	static const uint32_t more[] = {0,	    0x11e,	0x19b,	   0xffff,
					0x20000000, 0x8000017b, 0xffffffff};
	struct draft draft = {0};
	size_t i, count = 0;
	uint32_t code;

	(void)state;
	for (code = TPM2_CC_FIRST; code <= TPM2_CC_LAST; code++) {
		struct sample sample = {.code = code};

		if (find_sample(code) || code == TPM2_CC_Startup || code == TPM2_CC_Shutdown)
			continue;
		draft.sample = &sample;
		assert_int_equal(judge_draft(&draft, SET_FULL), TPM2_RC_COMMAND_CODE);
		count++;
	}
	assert_true(count > 20);
	for (i = 0; i < ARRAY_LEN(more); i++) {
		struct sample sample = {.code = more[i]};

		draft.sample = &sample;
		assert_int_equal(judge_draft(&draft, SET_FULL), TPM2_RC_COMMAND_CODE);
	}
}

static uint32_t expected_of(const struct sample *sample, size_t position, size_t handle,
			    enum command_set set)
{
	const struct handle *h = &HANDLES[handle];
	uint32_t rc = PASSES;

	if (!may_stand(sample, position, h->letter, set))
		rc = TPM2_RC_VALUE;
	else if (h->place == RESERVED || (h->place == OUT_OF_RANGE && set < SET_FULL))
		rc = TPM2_RC_HANDLE;
	return rc == PASSES ? rc : rc + TPM2_RC_1 * (uint32_t)(position + 1);
}

static void check_position(const struct sample *sample, size_t position, enum command_set set)
{
	struct draft draft = draft_of(sample);
	size_t i;

	for (i = 0; i < ARRAY_LEN(HANDLES); i++) {
		uint32_t expected = expected_of(sample, position, i, set), rc;

		draft.handles[position] = HANDLES[i].handle;
		rc = judge_draft(&draft, set);
		if (rc != expected)
			fail_msg("command 0x%x, handle %zu = 0x%08x, set %d: 0x%x, not 0x%x",
				 sample->code, position + 1, HANDLES[i].handle, set, rc, expected);
	}
}

static void test_every_handle_in_every_position(void **state)
{
	size_t i, position;
	int set;

	(void)state;
	for (i = 0; i < ARRAY_LEN(SAMPLES); i++)
		for (position = 0; position < handle_count(&SAMPLES[i]); position++)
			for (set = SET_NONE; set <= SET_FULL; set++)
				if (is_in(&SAMPLES[i], (enum command_set)set))
					check_position(&SAMPLES[i], position,
						       (enum command_set)set);
}

/* In each set, these go nowhere at all. */
static void test_powers_stay_away(void **state)
{
	static const struct {
		char letter;
		enum command_set set;
		uint32_t codes[4];
	} powers[] = {
		{'o', SET_STANDARD, {TPM2_CC_CreatePrimary, TPM2_CC_EvictControl}},
		{'o',
		 SET_PROVISION,
		 {TPM2_CC_CreatePrimary, TPM2_CC_EvictControl, TPM2_CC_NV_Read}},
		{'e', SET_PROVISION, {TPM2_CC_CreatePrimary, TPM2_CC_PolicySecret}},
		{'l', SET_STANDARD, {0}},
		{'l', SET_FULL, {0}},
		{'r', SET_PROVISION, {0}},
		{'l', SET_PROVISION, {TPM2_CC_DictionaryAttackParameters}},
	};
	size_t i, j, k, position;

	(void)state;
	for (i = 0; i < ARRAY_LEN(powers); i++)
		for (j = 0; j < ARRAY_LEN(SAMPLES); j++)
			for (position = 0; position < handle_count(&SAMPLES[j]); position++) {
				struct draft draft = draft_of(&SAMPLES[j]);
				bool may = false;

				for (k = 0; k < ARRAY_LEN(powers[i].codes); k++)
					may = may || powers[i].codes[k] == SAMPLES[j].code;
				draft.handles[position] = good_handle(powers[i].letter);
				if (!may)
					assert_int_not_equal(judge_draft(&draft, powers[i].set),
							     PASSES);
			}
}

static void test_answered_here(void **state)
{
	static const uint8_t startup[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0};
	static const uint8_t shutdown[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x45, 0, 1};
	struct filter_facts facts;
	int set;

	(void)state;
	for (set = SET_READ_ONLY; set <= SET_FULL; set++) {
		facts = facts_of((enum command_set)set);
		assert_int_equal(judge(&facts, slice_of(startup, sizeof(startup))), 0x100);
		assert_int_equal(judge(&facts, slice_of(shutdown, sizeof(shutdown))), 0);
	}
	facts = facts_of(SET_NONE);
	assert_int_equal(judge(&facts, slice_of(startup, sizeof(startup))), 0x143);
	assert_int_equal(judge(&facts, slice_of(shutdown, sizeof(shutdown))), 0x143);
}

#define RESERVED_PLACE "\x81\x00\x01\x01"
#define OTHER_PLACE    "\x81\x00\x00\x02"
#define STORED	       0x81000002u

/* What it may do with each place, by set, with a transient object (T) or a persistent one. */
static void test_evict_control(void **state)
{
	static const uint32_t T = 0x80000000;
	static const struct {
		const char *place;
		uint32_t object, standard, provision, full;
	} cases[] = {
		{OTHER_PLACE, T, PASSES, PASSES, PASSES},
		{OTHER_PLACE, STORED, PASSES, PASSES, PASSES},
		{"\x81\x00\x00\x00", T, PASSES, PASSES, PASSES},
		{"\x81\x7f\xff\xff", T, PASSES, PASSES, PASSES},
		{"\x81\x01\x00\x01", T, PASSES, PASSES, PASSES},
		{SRK_PLACE, T, 0x1c4, PASSES, PASSES},
		{SRK_PLACE, 0x81000001, 0x1c4, 0x1c4, 0x1c4},
		{RESERVED_PLACE, T, 0x1c4, 0x1c4, 0x1c4},
		{RESERVED_PLACE, 0x81000101, 0x28b, 0x28b, 0x28b},
		{"\x81\x80\x00\x00", T, 0x1cd, 0x1cd, 0x1cd}, /* the platform's */
		{"\x80\x00\x00\x01", T, 0x1c4, 0x1c4, 0x1c4},
		{"\x00\x00\x00\x00", T, 0x1c4, 0x1c4, 0x1c4},
		{NULL, T, 0x1da, 0x1da, 0x1da},
	};
	struct draft draft = draft_of(find_sample(TPM2_CC_EvictControl));
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		draft.parameters = cases[i].place;
		draft.handles[1] = cases[i].object;
		assert_int_equal(judge_draft(&draft, SET_STANDARD), cases[i].standard);
		assert_int_equal(judge_draft(&draft, SET_PROVISION), cases[i].provision);
		assert_int_equal(judge_draft(&draft, SET_FULL), cases[i].full);
	}
}

static void test_evict_control_of_the_srk(void **state)
{
	static const uint32_t ours[] = {0x81000001};
	struct draft draft = draft_of(find_sample(TPM2_CC_EvictControl));
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(WIRE_MAX);
	struct filter_facts facts = facts_of(SET_PROVISION);

	(void)state;
	draft.parameters = SRK_PLACE;
	write_command(&draft, &bytes);
	assert_int_equal(judge(&facts, buf_slice(&bytes)), PASSES);
	facts.reserved = ours;
	facts.reserved_count = ARRAY_LEN(ours);
	assert_int_equal(judge(&facts, buf_slice(&bytes)), 0x1c4);
	facts = facts_of(SET_PROVISION);
	buf_put_u8(&bytes, 0);
	write_u32(bytes.data + 2, (uint32_t)bytes.len);
	assert_int_equal(judge(&facts, buf_slice(&bytes)), TPM2_RC_SIZE);
}

static void test_flush_context(void **state)
{
	struct draft draft = draft_of(find_sample(TPM2_CC_FlushContext));
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(HANDLES); i++) {
		uint8_t parameter[4];
		uint32_t expected = strchr("thp", HANDLES[i].letter) ? PASSES : 0x1c4;

		write_u32(parameter, HANDLES[i].handle);
		draft.parameters = (const char *)parameter;
		assert_int_equal(judge_draft(&draft, SET_STANDARD), expected);
	}
	draft.parameters = NULL;
	assert_int_equal(judge_draft(&draft, SET_STANDARD), 0x1da);
}

/* --- authorisations --- */

static void test_sessions(void **state)
{
	unsigned count;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(SAMPLES); i++)
		for (count = 0; count <= 4; count++) {
			struct draft draft = draft_of(&SAMPLES[i]);
			uint32_t expected = PASSES;

			draft.session_count = count;
			if (count > 0 && SAMPLES[i].no_sessions)
				expected = TPM2_RC_AUTH_CONTEXT;
			else if (count > 3)
				expected = 0xc95; /* TPM_RC_SIZE, the fourth */
			else if (count < SAMPLES[i].auths)
				expected = TPM2_RC_AUTH_MISSING;
			if (judge_draft(&draft, SAMPLES[i].from) != expected)
				fail_msg("command 0x%x with %u sessions", SAMPLES[i].code, count);
		}
}

static void test_session_handles(void **state)
{
	struct draft draft = draft_of(find_sample(TPM2_CC_Unseal));
	size_t i, position;

	(void)state;
	draft.session_count = 3;
	for (position = 0; position < 3; position++) {
		for (i = 0; i < ARRAY_LEN(HANDLES); i++) {
			uint32_t handle = HANDLES[i].handle;
			uint32_t expected = 0x984 + 0x100 * (uint32_t)position;

			if (handle == TPM2_RS_PW || strchr("hp", HANDLES[i].letter))
				expected = PASSES;
			draft.sessions[position] = handle;
			assert_int_equal(judge_draft(&draft, SET_STANDARD), expected);
		}
		draft.sessions[position] = TPM2_RS_PW;
	}
}

static void test_auth_areas(void **state)
{
	/* Of TPM2_Unseal of 0x80000000: what stands behind the handle. */
	static const struct {
		const char *what;
		const char *bytes;
		size_t len;
		uint32_t expected;
	} cases[] = {
		{"no size", "", 0, 0x144},
		{"half a size", "\0\0\0", 3, 0x144},
		{"none at all", "\0\0\0\0", 4, 0x144},
		{"size too small", "\0\0\0\x08\x40\0\0\x09\0\0\0\0\0", 13, 0x144},
		{"smallest", "\0\0\0\x09\x40\0\0\x09\0\0\0\0\0", 13, PASSES},
		{"longer than the command", "\0\0\0\x0a\x40\0\0\x09\0\0\0\0\0", 13, 0x144},
		{"huge", "\xff\xff\xff\xff\x40\0\0\x09\0\0\0\0\0", 13, 0x144},
		{"a byte too many", "\0\0\0\x0a\x40\0\0\x09\0\0\0\0\0\0", 14, 0xa9a},
		{"second one torn", "\0\0\0\x0d\x40\0\0\x09\0\0\0\0\0\x40\0\0\x09", 17, 0xa9a},
		{"nonce over its end", "\0\0\0\x09\x40\0\0\x09\0\x04\0\0\0", 13, 0x99a},
		{"nonce too long", "\0\0\0\x09\x40\0\0\x09\0\x41\0\0\0", 13, 0x995},
		{"HMAC over its end", "\0\0\0\x09\x40\0\0\x09\0\0\0\0\x01", 13, 0x99a},
		{"HMAC too long", "\0\0\0\x09\x40\0\0\x09\0\0\0\0\x41", 13, 0x995},
	};
	struct filter_facts facts = facts_of(SET_STANDARD);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(WIRE_MAX);
		uint32_t rc;

		buf_put_u16(&bytes, TPM2_ST_SESSIONS);
		buf_put_u32(&bytes, (uint32_t)(14 + cases[i].len));
		buf_put_u32(&bytes, TPM2_CC_Unseal);
		buf_put_u32(&bytes, 0x80000000);
		buf_put(&bytes, slice_of(cases[i].bytes, cases[i].len));
		rc = judge(&facts, buf_slice(&bytes));
		if (rc != cases[i].expected)
			fail_msg("%s: 0x%x", cases[i].what, rc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_all_else_is_refused),
		cmocka_unit_test(test_every_handle_in_every_position),
		cmocka_unit_test(test_powers_stay_away),
		cmocka_unit_test(test_answered_here),
		cmocka_unit_test(test_evict_control),
		cmocka_unit_test(test_evict_control_of_the_srk),
		cmocka_unit_test(test_flush_context),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_session_handles),
		cmocka_unit_test(test_auth_areas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
