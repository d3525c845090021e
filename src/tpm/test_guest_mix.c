/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Everything at once on a chip with three slots: guests and ours in an order that is drawn, but the
 * same each time. Nobody hears of the others, and the chip refuses nothing for want of room.
 */

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tests/support/wire.h"
#include "tpm/impl.h"
#include "tpm/test_guests.h"

#define ROUNDS	 600u
#define OBJECTS	 6u
#define SESSIONS 8u

struct mix {
	struct bench *bench;
	struct sealed sealed[OBJECTS];
	struct engine_guest *object[OBJECTS];
	struct engine_guest *sequence;
	unsigned updates;
	struct held_session session[SESSIONS];
	struct engine_made key[2], aik, mac;
	struct engine_object mac_object;
	struct engine_message *message;
	uint32_t drawn;
};

static unsigned draw(struct mix *mix, unsigned below)
{
	mix->drawn = mix->drawn * 1664525u + 1013904223u;
	return (mix->drawn >> 16) % below;
}

static void unseal(struct mix *mix)
{
	unsigned i = draw(mix, OBJECTS);

	assert_int_equal(guest_unseal(mix->bench, mix->object[i], "kept"), 0);
}

static void unseal_by_session(struct mix *mix)
{
	unsigned i = draw(mix, OBJECTS), k = draw(mix, SESSIONS / 2) * 2;

	assert_int_equal(
		guest_unseal_by(mix->bench, mix->object[i], &mix->sealed[i], &mix->session[k]), 0);
}

static void load_again(struct mix *mix)
{
	unsigned i = draw(mix, OBJECTS);

	engine_guest_free(mix->bench->engine, mix->object[i]);
	assert_int_equal(sealed_load(mix->bench, &mix->sealed[i], &mix->object[i]), 0);
}

static void save_and_load(struct mix *mix)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SLOTS_CONTEXT_MAX);
	struct engine *engine = mix->bench->engine;
	unsigned i = draw(mix, OBJECTS);
	uint32_t code = 1;

	assert_int_equal(engine_guest_save(engine, mix->object[i], &context, &mix->bench->err), 0);
	engine_guest_free(engine, mix->object[i]);
	assert_int_equal(engine_guest_load(engine, ENGINE_GUEST_OBJECT, buf_slice(&context), &code,
					   &mix->object[i], &mix->bench->err),
			 0);
	assert_int_equal(code, 0);
}

static void use_session(struct mix *mix)
{
	unsigned i = draw(mix, SESSIONS);

	assert_int_equal(i % 2 ? guest_policy(mix->bench, &mix->session[i])
			       : guest_random(mix->bench, &mix->session[i]),
			 0);
}

static void start_session(struct mix *mix)
{
	unsigned i = draw(mix, SESSIONS);

	engine_guest_free(mix->bench->engine, mix->session[i].guest);
	assert_int_equal(guest_session(mix->bench, i % 2 ? TPM2_SE_POLICY : TPM2_SE_HMAC,
				       draw(mix, 2), &mix->session[i]),
			 0);
}

static void sequence(struct mix *mix)
{
	if (mix->updates < 4) {
		assert_int_equal(guest_update(mix->bench, mix->sequence, "abc"), 0);
		mix->updates++;
		return;
	}
	assert_int_equal(guest_complete(mix->bench, mix->sequence, "abcabcabcabc"), 0);
	engine_guest_free(mix->bench->engine, mix->sequence);
	assert_int_equal(guest_sequence(mix->bench, &mix->sequence), 0);
	mix->updates = 0;
}

static void make_and_seal(struct mix *mix)
{
	CLEANUP(sealed_fini) struct sealed sealed = SEALED_INIT;
	struct engine_guest *primary = NULL;

	assert_int_equal(guest_primary(mix->bench, &primary), 0);
	sealed_make(mix->bench, "more", &sealed);
	assert_int_equal(guest_read(mix->bench, primary), 0);
	engine_guest_free(mix->bench->engine, primary);
}

static void ours_sign(struct mix *mix)
{
	bench_sign(mix->bench, &mix->key[draw(mix, 2)], ENGINE_HSK);
}

static void ours_certify(struct mix *mix)
{
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	struct engine_object signer = bench_object(&mix->aik, ENGINE_HSK);
	struct engine_object subject = bench_object(&mix->key[0], ENGINE_HSK);

	assert_int_equal(engine_certify(mix->bench->engine, &signer, &subject, slice_of("n", 1),
					&made, &mix->bench->err),
			 0);
}

static void ours_quote(struct mix *mix)
{
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	const struct engine_quote quote = {
		.nonce = slice_of("n", 1),
		.pcrs = {.banks = {{.hash = HASH_SHA256, .mask = 0x81}}, .count = 1}};
	struct engine_object signer = bench_object(&mix->aik, ENGINE_HSK);

	assert_int_equal(
		engine_quote(mix->bench->engine, &signer, &quote, &made, NULL, &mix->bench->err),
		0);
}

static void ours_message(struct mix *mix)
{
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);
	struct engine *engine = mix->bench->engine;
	struct err *err = &mix->bench->err;

	if (draw(mix, 4)) {
		assert_int_equal(engine_message_add(engine, mix->message, slice_str("abc"), err),
				 0);
		return;
	}
	assert_int_equal(engine_message_end(engine, mix->message, slice_str("end"), &mac, err), 0);
	engine_message_free(engine, mix->message);
	assert_int_equal(
		engine_message_start(engine, &mix->mac_object, ENGINE_MAC, &mix->message, err), 0);
}

static void (*const deeds[])(struct mix *) = {
	unseal,	      unseal_by_session, load_again, save_and_load, use_session,  use_session,
	sequence,     start_session,	 unseal,     make_and_seal, ours_sign,	  ours_sign,
	ours_certify, ours_quote,	 sequence,   ours_message,  ours_message,
};

static void mix_make(struct bench *bench, struct mix *mix)
{
	size_t i;

	*mix = (struct mix){.bench = bench, .drawn = 5};
	for (i = 0; i < OBJECTS; i++) {
		mix->sealed[i] = (struct sealed)SEALED_INIT;
		sealed_make(bench, "kept", &mix->sealed[i]);
		assert_int_equal(sealed_load(bench, &mix->sealed[i], &mix->object[i]), 0);
	}
	for (i = 0; i < SESSIONS; i++)
		start_session(mix);
	for (i = 0; i < SESSIONS; i++)
		if (!mix->session[i].guest)
			assert_int_equal(guest_session(bench, i % 2 ? TPM2_SE_POLICY : TPM2_SE_HMAC,
						       true, &mix->session[i]),
					 0);
	assert_int_equal(guest_sequence(bench, &mix->sequence), 0);
	mix->key[0] = mix->key[1] = mix->aik = mix->mac = (struct engine_made)ENGINE_MADE_INIT;
	bench_key(bench, ENGINE_HSK, &mix->key[0]);
	bench_key(bench, ENGINE_HSK, &mix->key[1]);
	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &mix->aik);
	bench_mac_key(bench, slice_str("a key of ours that both know"), &mix->mac);
	mix->mac_object = bench_object(&mix->mac, ENGINE_HSK);
	assert_int_equal(engine_message_start(bench->engine, &mix->mac_object, ENGINE_MAC,
					      &mix->message, &bench->err),
			 0);
}

static void mix_fini(struct mix *mix)
{
	for (size_t i = 0; i < OBJECTS; i++)
		sealed_fini(&mix->sealed[i]);
	engine_made_fini(&mix->key[0]);
	engine_made_fini(&mix->key[1]);
	engine_made_fini(&mix->aik);
	engine_made_fini(&mix->mac);
}

static void mix_run(struct bench *bench, struct wire *wire, unsigned objects)
{
	struct mix mix;
	unsigned i;

	mix_make(bench, &mix);
	for (i = 0; i < ROUNDS; i++) {
		deeds[draw(&mix, ARRAY_LEN(deeds))](&mix);
		/* One of the chip's three is left to others, where one use needs no more. */
		assert_in_range(raw_count(bench, GROUP_TRANSIENT), 0, objects);
		assert_in_range(raw_count(bench, GROUP_LOADED_SESSION), 0, 2);
	}
	assert_int_equal(atomic_load(&wire->refused), 0);
	engine_free(bench->engine);
	bench->engine = NULL;
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 0);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	mix_fini(&mix);
}

static void test_all_at_once(void **state)
{
	struct bench *bench = *state;
	static struct wire wire; /* outlives a test that fails */

	wire_new(&wire, bench->chip);
	bench_through(bench, wire.conf);
	mix_run(bench, &wire, 2);
	wire_free(&wire);
}

static void test_all_at_once_with_a_transient_hsk(void **state)
{
	struct bench *bench = *state;
	static struct wire wire; /* outlives a test that fails */

	bench_transient_hsk(bench);
	wire_new(&wire, bench->chip);
	bench_through(bench, wire.conf);
	mix_run(bench, &wire, 3);
	wire_free(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_all_at_once),
		CASE(test_all_at_once_with_a_transient_hsk),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
