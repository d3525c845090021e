/* SPDX-License-Identifier: Apache-2.0 */

/* Guests' sessions, more than the chip has places for, beside ours; and the gap between saved. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_guests.h"
#include "tpm/transport.h"

#define ALL 61u

static void random_of_ours(struct bench *bench)
{
	uint8_t random[8];

	assert_int_equal(engine_random(bench->engine, random, sizeof(random), &bench->err), 0);
}

/* --- many ---------------------------------------------------------------------------------- */

static void sessions_start(struct bench *bench, struct held_session *session, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(guest_session(bench, i % 2 ? TPM2_SE_POLICY : TPM2_SE_HMAC, false,
					       &session[i]),
				 0);
}

static uint32_t session_use(struct bench *bench, struct held_session *session, size_t i)
{
	return i % 2 ? guest_policy(bench, &session[i]) : guest_random(bench, &session[i]);
}

static void test_all_in_turn(void **state)
{
	struct held_session session[ALL + 1];
	struct bench *bench = *state;
	size_t i, turn;

	sessions_start(bench, session, ALL);
	for (turn = 0; turn < 2; turn++) {
		(void)bench_cost();
		for (i = 0; i < ALL; i++)
			assert_int_equal(session_use(bench, session, i), 0);
		assert_in_range(bench_cost(), ALL, 3 * ALL);
	}
	/* The last three of 64 are ours, and the chip is not asked. */
	(void)bench_cost();
	assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &session[ALL]),
			 TPM2_RC_SESSION_HANDLES);
	assert_int_equal(bench_cost(), 0);
	places_mark(bench->engine);
	for (i = 0; i < 3; i++)
		assert_int_equal(session_want(bench->engine, (enum line_session)i), 0);
	session_end(bench->engine, LINE_POLICY);
	engine_guest_free(bench->engine, session[5].guest);
	assert_int_equal(guest_session(bench, TPM2_SE_POLICY, false, &session[5]), 0);
	for (i = 0; i < ALL; i++) {
		assert_int_equal(session_use(bench, session, i), 0);
		random_of_ours(bench);
	}
}

static void test_one_command_when_loaded(void **state)
{
	struct bench *bench = *state;
	struct held_session session;
	size_t i;

	assert_int_equal(guest_session(bench, TPM2_SE_HMAC, true, &session), 0);
	(void)bench_cost();
	for (i = 0; i < 5; i++) {
		assert_int_equal(guest_random(bench, &session), 0);
		random_of_ours(bench);
	}
	assert_int_equal(bench_cost(), 10);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 2);
	engine_guest_free(bench->engine, session.guest);
	assert_int_equal(bench_cost(), 1);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 1);
}

static void test_free_when_saved(void **state)
{
	struct held_session session[4];
	struct bench *bench = *state;
	size_t i;

	sessions_start(bench, session, 4);
	for (i = 0; i < 4; i++) {
		(void)bench_cost();
		engine_guest_free(bench->engine, session[i].guest);
		assert_int_equal(bench_cost(), 1);
	}
	random_of_ours(bench);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 1);
	engine_guest_free(bench->engine, NULL);
}

/* --- several in one command ---------------------------------------------------------------- */

static uint32_t policy_secret(struct bench *bench, struct held_session *session)
{
	static const uint8_t parameters[12] = {0};
	const uint8_t owner[] = {0x40, 0, 0, 1};
	uint8_t name[4];
	const struct ask secret = {
		.code = TPM2_CC_PolicySecret,
		.handle_count = 2,
		.handles = {TPM2_RH_OWNER, session[1].session.handle},
		.guests = {NULL, session[1].guest},
		.names = {slice_of(owner, 4), chip_handle_name(session[1].session.handle, name)},
		.session_count = 2,
		.sessions = {&session[0], &session[2]},
		.attributes = {SESSION_CONTINUE, SESSION_CONTINUE | SESSION_AUDIT},
		.parameters = slice_of(parameters, sizeof(parameters) - 2),
	};

	return ask(bench, &secret, NULL, NULL);
}

/* All the places that there are: ours goes, and comes back. */
static void test_three_at_once(void **state)
{
	struct held_session session[7];
	struct bench *bench = *state;
	size_t i;

	sessions_start(bench, session, 7);
	for (i = 0; i < 5; i++) {
		assert_int_equal(policy_secret(bench, session), 0);
		assert_int_equal(policy_secret(bench, session + 4), 0);
		random_of_ours(bench);
	}
	(void)bench_cost();
	assert_int_equal(policy_secret(bench, session), 0);
	(void)bench_cost();
	assert_int_equal(policy_secret(bench, session), 0);
	assert_int_equal(bench_cost(), 1);
}

/* A session that goes with its command, by its client's wish; not with one that failed. */
static void test_ends_with_a_command(void **state)
{
	static const uint8_t parameters[] = {0, 16};
	struct bench *bench = *state;
	struct held_session session;
	struct ask random = {.code = TPM2_CC_GetRandom,
			     .session_count = 1,
			     .sessions = {&session},
			     .attributes = {SESSION_ENCRYPT},
			     .parameters = slice_of(parameters, 1)};

	assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &session), 0);
	assert_int_not_equal(ask(bench, &random, NULL, NULL), 0);
	assert_false(engine_guest_lost(bench->engine, session.guest));
	random.parameters.len = 2;
	assert_int_equal(ask(bench, &random, NULL, NULL), 0);
	assert_true(engine_guest_lost(bench->engine, session.guest));
	(void)bench_cost();
	assert_int_equal(ask(bench, &random, NULL, NULL), TPM2_RC_REFERENCE_S0);
	assert_int_equal(guest_policy(bench, &session), TPM2_RC_REFERENCE_H0);
	engine_guest_free(bench->engine, session.guest);
	assert_int_equal(bench_cost(), 0);
}

/* Ours with all three of its own, beside guests who want them too. */
static void test_beside_ours(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	struct held_session session[4];
	struct engine_object signer, subject;
	struct bench *bench = *state;
	size_t i;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	bench_key(bench, ENGINE_HSK, &key);
	signer = bench_object(&aik, ENGINE_HSK);
	subject = bench_object(&key, ENGINE_HSK);
	sessions_start(bench, session, 4);
	for (i = 0; i < 12; i++) {
		buf_reset(&made.attest);
		buf_reset(&made.signature);
		assert_int_equal(engine_certify(bench->engine, &signer, &subject, slice_of("n", 1),
						&made, &bench->err),
				 0);
		assert_int_equal(session_use(bench, session, i % 4), 0);
		if (i % 3 == 0)
			assert_int_equal(policy_secret(bench, session), 0);
	}
}

/* --- refusals ------------------------------------------------------------------------------ */

static void test_no_room(void **state)
{
	static const struct {
		uint32_t command, code, times, answer;
	} cases[] = {
		{TPM2_CC_StartAuthSession, TPM2_RC_SESSION_MEMORY, 1, 0},
		{TPM2_CC_StartAuthSession, TPM2_RC_MEMORY, 1, 0},
		{TPM2_CC_StartAuthSession, TPM2_RC_CONTEXT_GAP, 1, 0},
		{TPM2_CC_StartAuthSession, TPM2_RC_SESSION_MEMORY, 0xff, TPM2_RC_SESSION_MEMORY},
		{TPM2_CC_StartAuthSession, TPM2_RC_CONTEXT_GAP, 0xff, TPM2_RC_CONTEXT_GAP},
		{TPM2_CC_StartAuthSession, TPM2_RC_SESSION_HANDLES, 1, TPM2_RC_SESSION_HANDLES},
		{TPM2_CC_ContextSave, TPM2_RC_CONTEXT_GAP, 1, 0},
		{TPM2_CC_ContextLoad, TPM2_RC_SESSION_MEMORY, 0, 0},
	};
	struct held_session session[6], more;
	struct bench *bench = *state;
	size_t i, k;

	bench_through_refuser(bench);
	sessions_start(bench, session, 6);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		bench_refuse(cases[i].command, cases[i].code, cases[i].times);
		assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &more), cases[i].answer);
		assert_int_equal(bench_refused(), cases[i].times != 0xff);
		if (!cases[i].answer)
			engine_guest_free(bench->engine, more.guest);
		for (k = 0; k < 6; k++)
			assert_int_equal(session_use(bench, session, k), 0);
		random_of_ours(bench);
	}
}

/* One whose context the chip does not take is lost, and nobody else. */
static void test_context_is_refused(void **state)
{
	struct held_session session[4];
	struct bench *bench = *state;

	bench_through_refuser(bench);
	sessions_start(bench, session, 4);
	assert_true(session[0].guest->saved);
	bench_refuse(TPM2_CC_ContextLoad, 0x1df, 1);
	assert_int_equal(session_use(bench, session, 0), TPM2_RC_REFERENCE_S0);
	assert_true(bench_refused());
	assert_true(engine_guest_lost(bench->engine, session[0].guest));
	assert_int_equal(session_use(bench, session, 1), 0);
	assert_int_equal(session_use(bench, session, 2), 0);
	assert_int_equal(session_use(bench, session, 3), 0);
	assert_int_equal(
		raw_count(bench, GROUP_SAVED_SESSION) + raw_count(bench, GROUP_LOADED_SESSION), 4);
}

/* --- the gap ------------------------------------------------------------------------------- */

static off_t gap_refusals(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void through_gap(struct bench *bench, unsigned most)
{
	char tcti[400];

	snprintf(tcti, sizeof(tcti), "%s:%x,%s", GAP_TCTI, most, bench->chip->conf);
	bench_through(bench, tcti);
	assert_int_equal(bench->engine->facts.context_gap, most);
}

/* Idle ones are saved anew before they fall too far behind, so that nothing is refused. */
static void test_gap_ahead_of_time(void **state)
{
	char path[] = "/tmp/holdfast-gap.XXXXXX";
	struct held_session session[20];
	struct bench *bench = *state;
	uint64_t loads;
	int fd = mkstemp(path);
	size_t i;

	assert_true(fd >= 0);
	close(fd);
	setenv("HOLDFAST_TEST_GAP", path, 1);
	through_gap(bench, 64);
	sessions_start(bench, session, 20);
	loads = transport_command_count_of(TPM2_CC_ContextLoad);
	for (i = 0; i < 200; i++)
		assert_int_equal(session_use(bench, session, i % 4), 0);
	/* Those in use come back each time; of the others each once in a while. */
	assert_in_range(transport_command_count_of(TPM2_CC_ContextLoad) - loads, 200, 400);
	for (i = 0; i < 20; i++)
		assert_int_equal(session_use(bench, session, i), 0);
	assert_int_equal(gap_refusals(path), 0);
	unsetenv("HOLDFAST_TEST_GAP");
	unlink(path);
}

/* Where the chip told more than it holds, its refusal is the sign. */
static void test_gap_by_surprise(void **state)
{
	char path[] = "/tmp/holdfast-gap.XXXXXX";
	struct held_session session[8];
	struct bench *bench = *state;
	int fd = mkstemp(path);
	size_t i;

	assert_true(fd >= 0);
	close(fd);
	setenv("HOLDFAST_TEST_GAP", path, 1);
	through_gap(bench, 16);
	bench->engine->facts.context_gap = 0xffff;
	sessions_start(bench, session, 8);
	for (i = 0; i < 100; i++) {
		assert_int_equal(session_use(bench, session, i % 4), 0);
		if (i % 5 == 0)
			random_of_ours(bench);
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(session_use(bench, session, i), 0);
	assert_true(gap_refusals(path) > 0);
	unsetenv("HOLDFAST_TEST_GAP");
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_all_in_turn),
		CASE(test_one_command_when_loaded),
		CASE(test_free_when_saved),
		CASE(test_three_at_once),
		CASE(test_ends_with_a_command),
		CASE(test_beside_ours),
		CASE(test_no_room),
		CASE(test_context_is_refused),
		CASE(test_gap_ahead_of_time),
		CASE(test_gap_by_surprise),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
