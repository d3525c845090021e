/* SPDX-License-Identifier: Apache-2.0 */

/* Messages that the chip hashes: what they cost, that they survive others, and how they end. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"

#define LONGEST 10240u

static uint8_t text[LONGEST]; /* what is hashed here, from its beginning */

static const struct slice shared = {(const uint8_t *)"a secret that both of us know", 29};

/* --- one message --------------------------------------------------------------------------- */

static int start(struct bench *bench, const struct engine_made *key, enum engine_use use,
		 struct engine_message **ret_message)
{
	struct engine_object object = bench_object(key, ENGINE_HSK);

	return engine_message_start(bench->engine, &object, use, ret_message, &bench->err);
}

/* Its @n-th whole piece. */
static int add(struct bench *bench, struct engine_message *message, size_t n)
{
	return engine_message_add(bench->engine, message,
				  slice_of(text + n * ENGINE_PIECE_MAX, ENGINE_PIECE_MAX),
				  &bench->err);
}

/* With what is left of @len bytes after @n whole pieces. */
static int end(struct bench *bench, struct engine_message *message, size_t n, size_t len,
	       struct buf *ret_result)
{
	size_t done = n * ENGINE_PIECE_MAX;
	int r = engine_message_end(bench->engine, message, slice_of(text + done, len - done),
				   ret_result, &bench->err);

	engine_message_free(bench->engine, message);
	if (r < 0)
		assert_int_equal(ret_result->len, 0);
	return r;
}

static void check_mac(struct bench *bench, size_t len, const struct buf *mac)
{
	const struct slice part = slice_of(text, len);
	uint8_t expected[HASH_MAX_SIZE];

	assert_int_equal(hash_hmac(HASH_SHA256, shared, &part, 1, expected, &bench->err), 0);
	assert_true(slice_equal(buf_slice(mac), slice_of(expected, 32)));
}

static const struct engine_aik kinds[] = {
	{PKEY_ECC_P256, HASH_SHA256},
	{PKEY_ECC_P384, HASH_SHA384},
	{PKEY_RSA_2048, HASH_SHA256},
};

static void make_aik(struct bench *bench, const struct engine_aik *kind,
		     struct engine_made *ret_made)
{
	assert_int_equal(
		engine_create_aik(bench->engine, kind, bench_password, ret_made, &bench->err), 0);
}

static void check_signature(struct bench *bench, const struct engine_made *key,
			    const struct engine_aik *kind, size_t len, const struct buf *signature)
{
	enum pkey_scheme scheme = pkey_type_is_rsa(kind->type) ? PKEY_RSASSA : PKEY_ECDSA;
	const struct slice part = slice_of(text, len);
	struct engine_public public;
	uint8_t digest[HASH_MAX_SIZE];

	assert_int_equal(hash_digest(kind->hash, &part, 1, digest, &bench->err), 0);
	assert_int_equal(engine_public_parse(buf_slice(&key->public), &public, &bench->err), 0);
	assert_true(public.restricted);
	assert_int_equal(pkey_verify(public.key, scheme, kind->hash,
				     slice_of(digest, hash_size(kind->hash)), buf_slice(signature),
				     &bench->err),
			 0);
	pkey_free(public.key);
}

/* All at once, as one client after the other would. */
static int run(struct bench *bench, const struct engine_made *key, enum engine_use use, size_t len,
	       struct buf *ret_result)
{
	struct engine_message *message = NULL;
	size_t n = 0;
	int r = start(bench, key, use, &message);

	if (r < 0) {
		assert_null(message);
		return r;
	}
	for (; (n + 1) * ENGINE_PIECE_MAX < len; n++) {
		r = add(bench, message, n);
		if (r < 0) {
			engine_message_free(bench->engine, message);
			return r;
		}
	}
	return end(bench, message, n, len, ret_result);
}

static void mac_and_check(struct bench *bench, const struct engine_made *key, size_t len)
{
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);

	assert_int_equal(run(bench, key, ENGINE_MAC, len, &mac), 0);
	check_mac(bench, len, &mac);
}

/* --- costs --------------------------------------------------------------------------------- */

static const size_t lens[] = {1, 1023, 1024, 1025, 4096, LONGEST};

static unsigned pieces_of(size_t len)
{
	return (unsigned)((len + ENGINE_PIECE_MAX - 1) / ENGINE_PIECE_MAX);
}

static void test_short_messages(void **state)
{
	struct bench *bench = *state;
	size_t i, k;

	for (k = 0; k < ARRAY_LEN(kinds); k++) {
		CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
		struct engine_object object;

		make_aik(bench, &kinds[k], &aik);
		object = bench_object(&aik, ENGINE_HSK);
		for (i = 0; i < 3; i++) {
			CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);

			(void)bench_cost();
			assert_int_equal(engine_sign_message(bench->engine, &object,
							     slice_of(text, lens[i]), &signature,
							     &bench->err),
					 0);
			assert_int_equal(bench_cost(), i ? 2 : 3);
			check_signature(bench, &aik, &kinds[k], lens[i], &signature);
		}
		engine_forget(bench->engine, &object);
	}
}

static void test_long_macs(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	size_t i;

	bench_mac_key(bench, shared, &key);
	mac_and_check(bench, &key, 1);
	for (i = 0; i < ARRAY_LEN(lens); i++) {
		(void)bench_cost();
		mac_and_check(bench, &key, lens[i]);
		assert_int_equal(bench_cost(), pieces_of(lens[i]) + 1);
	}
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 1);
}

static void test_long_messages(void **state)
{
	struct bench *bench = *state;
	size_t i, k;

	for (k = 0; k < ARRAY_LEN(kinds); k++) {
		CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
		struct engine_object object;

		make_aik(bench, &kinds[k], &aik);
		object = bench_object(&aik, ENGINE_HSK);
		for (i = 0; i < ARRAY_LEN(lens); i++) {
			CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);

			(void)bench_cost();
			assert_int_equal(run(bench, &aik, ENGINE_SIGN, lens[i], &signature), 0);
			/* The first loads the key, and is too short for a sequence: Hash, Flush. */
			assert_int_equal(bench_cost(), pieces_of(lens[i]) + 2 + (i ? 0 : 2));
			check_signature(bench, &aik, &kinds[k], lens[i], &signature);
		}
		engine_forget(bench->engine, &object);
	}
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
}

/* --- what is not done ---------------------------------------------------------------------- */

static void test_what_a_tpm_says_itself(void **state)
{
	static const uint8_t said[] = {0xff, 'T', 'C', 'G', 0x80, 0x18};
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct engine_message *message = NULL;
	struct bench *bench = *state;
	struct engine_object object;

	make_aik(bench, &kinds[0], &aik);
	object = bench_object(&aik, ENGINE_HSK);
	assert_int_equal(engine_sign_message(bench->engine, &object, slice_of(said, sizeof(said)),
					     &signature, &bench->err),
			 ERR_INVALID);
	assert_int_equal(start(bench, &aik, ENGINE_SIGN, &message), 0);
	assert_int_equal(engine_message_end(bench->engine, message, slice_of(said, sizeof(said)),
					    &signature, &bench->err),
			 ERR_INVALID);
	engine_message_free(bench->engine, message);
	assert_int_equal(signature.len, 0);
}

/* Others than attestation keys and keys for MACs; and more than a piece. */
static void test_wrong_keys_and_pieces(void **state)
{
	static const uint8_t large[ENGINE_PIECE_MAX + 1];
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made mac = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(1024);
	struct engine_message *message = NULL;
	struct bench *bench = *state;
	struct engine_object object;

	bench_key(bench, ENGINE_HSK, &key);
	bench_mac_key(bench, shared, &mac);
	object = bench_object(&key, ENGINE_HSK);
	(void)bench_cost();
	assert_int_equal(
		engine_sign_message(bench->engine, &object, slice_of(text, 9), &out, &bench->err),
		ERR_INVALID);
	assert_int_equal(start(bench, &key, ENGINE_SIGN, &message), ERR_INVALID);
	assert_int_equal(start(bench, &key, ENGINE_MAC, &message), ERR_INVALID);
	assert_int_equal(start(bench, &mac, ENGINE_SIGN, &message), ERR_INVALID);
	assert_int_equal(bench_cost(), 0);
	assert_null(message);
	assert_int_equal(start(bench, &mac, ENGINE_MAC, &message), 0);
	assert_int_equal(engine_message_add(bench->engine, message, slice_of(large, sizeof(large)),
					    &bench->err),
			 ERR_INVALID);
	assert_int_equal(add(bench, message, 0), 0);
	assert_int_equal(end(bench, message, 1, 1500, &out), 0);
	check_mac(bench, 1500, &out);
}

static void test_at_most_so_many(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct engine_message *messages[ENGINE_MESSAGES_MAX], *more = NULL;
	struct bench *bench = *state;
	struct engine_object object;
	size_t i;

	bench_mac_key(bench, shared, &key);
	object = bench_object(&key, ENGINE_HSK);
	for (i = 0; i < ENGINE_MESSAGES_MAX; i++)
		assert_int_equal(start(bench, &key, ENGINE_MAC, &messages[i]), 0);
	(void)bench_cost();
	assert_int_equal(start(bench, &key, ENGINE_MAC, &more), ERR_TPM_BUSY);
	assert_int_equal(bench_cost(), 0);
	assert_null(more);
	engine_message_free(bench->engine, messages[3]);
	assert_int_equal(start(bench, &key, ENGINE_MAC, &messages[3]), 0);
	for (i = 0; i < ENGINE_MESSAGES_MAX; i++)
		engine_message_free(bench->engine, messages[i]);
	engine_message_free(bench->engine, NULL);
	engine_forget(bench->engine, &object);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
}

/* --- among others -------------------------------------------------------------------------- */

#define MESSAGES 3u
#define KEYS	 4u

/* Several messages, each a piece at a time, and in between what @between does. */
static void interleave(struct bench *bench, void (*between)(struct bench *bench, size_t n))
{
	const size_t len = 4 * ENGINE_PIECE_MAX + 100;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	struct engine_message *messages[MESSAGES];
	size_t i, n;

	bench_mac_key(bench, shared, &key);
	make_aik(bench, &kinds[0], &aik);
	for (i = 0; i < MESSAGES; i++)
		assert_int_equal(
			start(bench, i ? &key : &aik, i ? ENGINE_MAC : ENGINE_SIGN, &messages[i]),
			0);
	for (n = 0; n < 4; n++)
		for (i = 0; i < MESSAGES; i++) {
			assert_int_equal(add(bench, messages[i], n), 0);
			between(bench, MESSAGES * n + i);
		}
	for (i = 0; i < MESSAGES; i++) {
		CLEANUP(buf_fini) struct buf result = BUF_INIT(1024);

		assert_int_equal(end(bench, messages[i], 4, len, &result), 0);
		if (i)
			check_mac(bench, len, &result);
		else
			check_signature(bench, &aik, &kinds[0], len, &result);
	}
}

static struct engine_made others[KEYS];

static void sign_with_others(struct bench *bench, size_t n)
{
	bench_sign(bench, &others[n % KEYS], ENGINE_HSK);
}

static void among_keys(struct bench *bench)
{
	size_t i;

	for (i = 0; i < KEYS; i++) {
		others[i] = (struct engine_made)ENGINE_MADE_INIT;
		bench_key(bench, ENGINE_HSK, &others[i]);
	}
	interleave(bench, sign_with_others);
	for (i = 0; i < KEYS; i++)
		engine_made_fini(&others[i]);
}

static void test_among_keys(void **state)
{
	struct bench *bench = *state;

	among_keys(bench);
	bench_transient_hsk(bench);
	among_keys(bench);
	bench_through_refuser(bench); /* which looks like a resource manager */
	among_keys(bench);
}

/* Who takes what is left of the chip, and tries what it held for more. */
static void stranger(struct bench *bench, size_t n)
{
	static uint32_t handle;

	if (n % 2 == 0) {
		assert_int_equal(raw_primary(bench, &handle), 0);
		return;
	}
	assert_int_equal(raw_flush(bench, handle), 0);
	assert_int_equal(raw_flush(bench, handle), 0x1cb);
}

static void test_beside_a_stranger(void **state)
{
	struct bench *bench = *state;

	interleave(bench, stranger);
	bench->in_clear = true;
	bench_through_refuser(bench);
	interleave(bench, stranger);
}

/* One in the slot and two that wait: a turn of each is ContextSave and Flush, and ContextLoad. */
static void test_cost_of_a_turn(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct engine_message *messages[MESSAGES];
	struct bench *bench = *state;
	size_t i;

	bench_mac_key(bench, shared, &key);
	for (i = 0; i < MESSAGES; i++)
		assert_int_equal(start(bench, &key, ENGINE_MAC, &messages[i]), 0);
	for (i = 0; i < MESSAGES; i++)
		assert_int_equal(add(bench, messages[i], 0), 0);
	(void)bench_cost();
	for (i = 0; i < MESSAGES; i++)
		assert_int_equal(add(bench, messages[i], 1), 0);
	assert_int_equal(bench_cost(), 4 * MESSAGES);
	for (i = 0; i < MESSAGES; i++) {
		CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);

		assert_int_equal(end(bench, messages[i], 2, 2049, &mac), 0);
		check_mac(bench, 2049, &mac);
	}
}

/* --- losses -------------------------------------------------------------------------------- */

static void reset_line(struct bench *bench)
{
	bench_reset_line(bench);
}

static void power_cut(struct bench *bench)
{
	chip_power_cut(bench->chip);
	chip_power_on(bench->chip);
}

static void kernel_restarts(struct bench *bench)
{
	assert_int_equal(bench_power(bench, TPM2_CC_Shutdown, 0), 0);
	bench_reset_line(bench);
	assert_int_equal(bench_power(bench, TPM2_CC_Startup, 0), 0);
}

static void (*const losses[])(struct bench *bench) = {reset_line, power_cut, kernel_restarts};

/* In the chip, and saved: both are over, and nothing of them is left. */
static void lose(struct bench *bench, void (*loss)(struct bench *bench))
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct engine_message *messages[MESSAGES];
	size_t i;

	bench_mac_key(bench, shared, &key);
	for (i = 0; i < MESSAGES; i++) {
		assert_int_equal(start(bench, &key, ENGINE_MAC, &messages[i]), 0);
		assert_int_equal(add(bench, messages[i], 0), 0);
	}
	loss(bench);
	for (i = 0; i < MESSAGES; i++) {
		CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);

		if (i == 1)
			assert_int_equal(add(bench, messages[i], 1), ERR_CONFLICT);
		assert_int_equal(end(bench, messages[i], 1, 1500, &mac), ERR_CONFLICT);
		assert_non_null(strstr(bench->err.text, "reset"));
		assert_non_null(bench->err.remedy);
	}
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
	mac_and_check(bench, &key, 3000);
}

static void test_losses(void **state)
{
	struct bench *bench = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(losses); i++)
		lose(bench, losses[i]);
	bench_through_refuser(bench);
	lose(bench, power_cut);
}

/* What was cleared or replaced is another chip; what it had is freed all the same. */
static void test_another_chip(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);
	struct engine_message *messages[2];
	struct bench *bench = *state;
	size_t i;

	bench_mac_key(bench, shared, &key);
	for (i = 0; i < 2; i++)
		assert_int_equal(start(bench, &key, ENGINE_MAC, &messages[i]), 0);
	chip_replace(bench->chip);
	/* The first was saved, and is nothing to the other chip. */
	assert_int_equal(add(bench, messages[0], 0), ERR_CONFLICT);
	assert_int_equal(add(bench, messages[1], 0), ERR_TPM_CHANGED);
	for (i = 0; i < 2; i++)
		assert_int_equal(end(bench, messages[i], 0, 9, &mac), ERR_TPM_CHANGED);
}

static void test_clear_in_between(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);
	struct engine_message *message = NULL;
	struct bench *bench = *state;

	bench_mac_key(bench, shared, &key);
	assert_int_equal(start(bench, &key, ENGINE_MAC, &message), 0);
	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_Clear);
	buf_put_u32(&command, TPM2_RH_LOCKOUT);
	raw_auth(&command, TPM2_RS_PW);
	raw_end(&command);
	assert_int_equal(raw_send(bench, &command, &answer), 0);
	/* A sequence is of no hierarchy, so it outlives its key; no other begins. */
	assert_int_equal(end(bench, message, 0, 9, &mac), 0);
	check_mac(bench, 9, &mac);
	assert_int_equal(start(bench, &key, ENGINE_MAC, &message), ERR_TPM_CHANGED);
}

/* What was not freed goes with the engine. */
static void test_left_behind(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct engine_message *message = NULL;
	struct bench *bench = *state;
	bool made;

	bench_mac_key(bench, shared, &key);
	assert_int_equal(start(bench, &key, ENGINE_MAC, &message), 0);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
}

/* --- a chip that refuses, and a liar --------------------------------------------------------- */

static void test_no_room(void **state)
{
	static const uint32_t full[] = {TPM2_CC_HMAC_Start, TPM2_CC_SequenceUpdate,
					TPM2_CC_SequenceComplete};
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	size_t i;

	bench_mac_key(bench, shared, &key);
	bench_through_refuser(bench);
	for (i = 0; i < ARRAY_LEN(full); i++) {
		bench_refuse(full[i], TPM2_RC_OBJECT_MEMORY, 1);
		mac_and_check(bench, &key, 3000);
		assert_true(bench_refused());
	}
}

/* A context that the chip will not give: the message is over, and its place free. */
static void test_context_refused(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);
	struct engine_message *message = NULL;
	struct bench *bench = *state;

	bench_mac_key(bench, shared, &key);
	bench_through_refuser(bench);
	assert_int_equal(start(bench, &key, ENGINE_MAC, &message), 0);
	bench_refuse(TPM2_CC_ContextSave, TPM2_RC_TOO_MANY_CONTEXTS, 1);
	assert_int_equal(resident_leave(bench->engine), 0);
	assert_true(bench_refused());
	assert_int_equal(end(bench, message, 0, 9, &mac), ERR_CONFLICT);
	/* Nor one that it will not take back. */
	assert_int_equal(start(bench, &key, ENGINE_MAC, &message), 0);
	assert_int_equal(resident_leave(bench->engine), 0);
	bench_refuse(TPM2_CC_ContextLoad, TPM2_RC_INTEGRITY + TPM2_RC_P + TPM2_RC_1, 2);
	assert_int_equal(end(bench, message, 0, 9, &mac), ERR_CONFLICT);
	(void)bench_refused();
	mac_and_check(bench, &key, 3000);
}

static void lie(struct bench *bench, const char *how, uint32_t command)
{
	char tcti[sizeof(bench->tcti)];
	bool made;

	bench->tcti[0] = '\0';
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	unsetenv("HOLDFAST_TEST_EVIL_TOLD");
	snprintf(tcti, sizeof(tcti), "%s:%s,%x,%s", EVIL_TCTI, how, command, bench->chip->conf);
	bench_through(bench, tcti);
}

/* A start can be made again; whether a piece was taken nobody can say. */
static void test_lies(void **state)
{
	static const struct {
		const char *how;
		uint32_t command;
		int r;
	} lies[] = {
		{"hmac", TPM2_CC_HMAC_Start, 0},
		{"size", TPM2_CC_HMAC_Start, 0},
		{"hmac", TPM2_CC_SequenceUpdate, ERR_CONFLICT},
		{"nonce", TPM2_CC_SequenceUpdate, ERR_CONFLICT},
		{"refuse", TPM2_CC_SequenceUpdate, ERR_CONFLICT},
		{"stale", TPM2_CC_SequenceUpdate, ERR_CONFLICT},
		{"hmac", TPM2_CC_SequenceComplete, ERR_CONFLICT},
		{"size", TPM2_CC_SequenceComplete, ERR_CONFLICT},
		{"cut", TPM2_CC_SequenceComplete, ERR_CONFLICT},
	};
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	size_t i;

	bench_mac_key(bench, shared, &key);
	for (i = 0; i < ARRAY_LEN(lies); i++) {
		CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);

		lie(bench, lies[i].how, lies[i].command);
		assert_int_equal(run(bench, &key, ENGINE_MAC, 3000, &mac), lies[i].r);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
		if (lies[i].r == 0)
			check_mac(bench, 3000, &mac);
		mac_and_check(bench, &key, 3000);
	}
}

/* Of no kind, it could come back under the number that stands for nothing. */
static void test_context_of_no_kind(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);
	struct engine_message *message = NULL;
	struct bench *bench = *state;

	bench_mac_key(bench, shared, &key);
	lie(bench, "kind", TPM2_CC_ContextSave);
	assert_int_equal(start(bench, &key, ENGINE_MAC, &message), 0);
	assert_int_equal(resident_leave(bench->engine), TSS2_SYS_RC_MALFORMED_RESPONSE);
	assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	assert_int_equal(end(bench, message, 0, 9, &mac), ERR_CONFLICT);
	mac_and_check(bench, &key, 3000);
}

/* A digest of something else is not signed, whatever its ticket says. */
static void test_another_digest(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct bench *bench = *state;
	struct engine_object object;
	uint64_t before;

	make_aik(bench, &kinds[0], &aik);
	object = bench_object(&aik, ENGINE_HSK);
	lie(bench, "digest", TPM2_CC_Hash);
	before = transport_command_count_of(TPM2_CC_Sign);
	assert_int_equal(engine_sign_message(bench->engine, &object, slice_of(text, 9), &signature,
					     &bench->err),
			 ERR_TPM_FAILED);
	assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	assert_int_equal(transport_command_count_of(TPM2_CC_Sign), before);
	assert_int_equal(signature.len, 0);
	assert_int_equal(engine_sign_message(bench->engine, &object, slice_of(text, 9), &signature,
					     &bench->err),
			 0);
	check_signature(bench, &aik, &kinds[0], 9, &signature);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_short_messages),
		CASE(test_long_macs),
		CASE(test_long_messages),
		CASE(test_what_a_tpm_says_itself),
		CASE(test_wrong_keys_and_pieces),
		CASE(test_at_most_so_many),
		CASE(test_among_keys),
		CASE(test_beside_a_stranger),
		CASE(test_cost_of_a_turn),
		CASE(test_losses),
		CASE(test_another_chip),
		CASE(test_clear_in_between),
		CASE(test_left_behind),
		CASE(test_no_room),
		CASE(test_context_refused),
		CASE(test_context_of_no_kind),
		CASE(test_lies),
		CASE(test_another_digest),
	};
	size_t i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7 + i / 256);
	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
