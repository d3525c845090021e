/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table done on folders and a simulated chip. */
#include "identity/test_known.h"

#include <stdlib.h>

#include "base/json.h"
#include "crypto/x509.h"

/* A device without a TPM, one that gets one later. */
static struct world *software(void **state, struct known *known)
{
	struct world *world = *state;

	world_tpm(world, IDENTITY_TPM_ABSENT);
	world->now.expected = false;
	world_settles(world, IDENTITY_SOFTWARE);
	know(world, known);
	world_boot(world);
	return world;
}

static void is_whole(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++)
		assert_true(world_has(world, RECORD[i]));
	assert_true(world_has(world, CERTIFICATE));
	assert_false(world_has(world, JOURNAL));
	world_chain(world, 1);
	world_signs(world);
}

/* --- U --- */

static void first_boot(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = *state;
	struct x509_facts facts = X509_FACTS_INIT;

	world_settles(world, IDENTITY_ENABLED);
	is_whole(world);
	assert_int_equal(world->view->generation, 1);
	assert_int_equal(world->view->handle, WORLD_HANDLE);
	assert_true(world->view->on_chip);
	assert_true(world_has(world, MARKER) && world_has(world, MARKER_COPY));
	assert_false(world_has(world, SOFT_KEY));
	assert_false(world->view->marker_lost);
	assert_string_equal(world->view->alarm, "");
	assert_int_equal(x509_read(buf_slice(&world->view->chain), &facts, &world->err), 0);
	assert_memory_equal(facts.subject, "CN=holdfast-", 12);
	assert_int_equal(strlen(facts.subject), 12 + 16);
	assert_true(facts.self_signed);
	assert_int_equal(facts.not_before, WORLD_NOW - 86400);
	assert_int_equal(facts.not_after, WORLD_NOW + INT64_C(7300) * 86400);
	x509_facts_fini(&facts);
	know(world, &known);
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same_key(world, &known) && same_chain(world, &known));
	assert_int_equal(world->view->generation, 1);
	assert_int_equal(world_keys(world), 1);
}

/* That no earlier identity lies in the chip costs a list, not a question for every handle. */
static void first_boot_is_short(void **state)
{
	struct provider_status before, after;
	struct world *world = *state;

	provider_status(world->p, &before);
	world_settles(world, IDENTITY_ENABLED);
	provider_status(world->p, &after);
	assert_in_range(after.commands - before.commands, 1, 20);
}

/* A clock that was never set: the certificate begins where no right clock is before. */
static void clock_of_1970(void **state)
{
	struct world *world = *state;
	struct x509_facts facts = X509_FACTS_INIT;

	world->now.now = 1000;
	world->options.subject = "CN=gw-1,O=Example";
	world->options.days = 10;
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_int_equal(x509_read(buf_slice(&world->view->chain), &facts, &world->err), 0);
	assert_int_equal(facts.not_before, INT64_C(1767225600));
	assert_int_equal(facts.not_after, INT64_C(1767225600) + 10 * 86400);
	assert_string_equal(facts.subject, "CN=gw-1,O=Example");
	assert_non_null(strstr(world->view->alarm, "not valid yet"));
	world_signs(world);
	world->now.now = WORLD_NOW;
	world_settles(world, IDENTITY_ENABLED);
	assert_non_null(strstr(world->view->alarm, "expired"));
	world_signs(world);
	x509_facts_fini(&facts);
}

static void no_tpm(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = software(state, &known);

	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(same_key(world, &known) && same_chain(world, &known));
	assert_true(world_has(world, SOFT_KEY) && world_has(world, CERTIFICATE));
	assert_false(world_has(world, MARKER) || world_has(world, MARKER_COPY));
	assert_false(world->view->on_chip || world->view->tpm_available);
	assert_int_equal(world->view->generation, 1);
	world_chain(world, 1);
	world_signs(world);
	/* One appears: nothing changes, and it is told. */
	world_tpm(world, IDENTITY_TPM_OK);
	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(same_key(world, &known) && world->view->tpm_available);
	assert_int_equal(world_keys(world), 0);
}

static void awaited(void **state)
{
	static const struct {
		enum identity_tpm tpm;
		bool expected;
		enum identity_policy policy;
	} cases[] = {
		{IDENTITY_TPM_ABSENT, true, IDENTITY_PREFER},
		{IDENTITY_TPM_FAILED, false, IDENTITY_PREFER},
		{IDENTITY_TPM_FAILED, true, IDENTITY_PREFER},
		{IDENTITY_TPM_ABSENT, false, IDENTITY_REQUIRE},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		world->options.tpm = cases[i].policy;
		world_boot(world);
		world_tpm(world, cases[i].tpm);
		world->now.expected = cases[i].expected;
		world_settles(world, IDENTITY_UNPROVISIONED);
		assert_true(world->retry);
		assert_int_equal(identity_usable(world->view, &world->err), ERR_NOT_FOUND);
		assert_int_equal(world_order(world, IDENTITY_INIT), ERR_TPM_REQUIRED);
		assert_false(world_has(world, SOFT_KEY) || world_has(world, CERTIFICATE));
	}
	world->options.tpm = IDENTITY_PREFER;
	world_boot(world);
	world_tpm(world, IDENTITY_TPM_OK);
	world_settles(world, IDENTITY_ENABLED);
}

static void by_hand(void **state)
{
	struct world *world = *state;

	world->options.provision = false;
	world_boot(world);
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_false(world->retry);
	assert_int_equal(world_order(world, IDENTITY_RENEW), ERR_NOT_FOUND);
	assert_int_equal(world_order(world, IDENTITY_INIT), 0);
	assert_int_equal(world->view->mode, IDENTITY_ENABLED);
	is_whole(world);
	assert_int_equal(world_order(world, IDENTITY_INIT), ERR_CONFLICT);
	assert_int_equal(world_keys(world), 1);
}

static void software_by_hand(void **state)
{
	const struct identity_order order = {.wish = IDENTITY_INIT, .software = true};
	struct world *world = *state;

	world_tpm(world, IDENTITY_TPM_FAILED);
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_int_equal(identity_order(world->identity, &world->now, &order, NULL, &world->err),
			 0);
	world_boot(world);
	world_settles(world, IDENTITY_SOFTWARE);
	world_signs(world);
	/* A TPM that is required forbids it. */
	world_remove(world, SOFT_KEY);
	world_remove(world, CERTIFICATE);
	world->options.tpm = IDENTITY_REQUIRE;
	world_boot(world);
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_int_equal(identity_order(world->identity, &world->now, &order, NULL, &world->err),
			 ERR_CONFLICT);
}

/* Its handle is taken by others: they are left alone. */
static void beside_a_stranger(void **state)
{
	struct world *world = *state;

	world_stranger(world, 2); /* the HSK lies in between */
	world_settles(world, IDENTITY_ENABLED);
	assert_int_equal(world->view->handle, WORLD_HANDLE + 3);
	assert_int_equal(world_keys(world), 3);
	is_whole(world);
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	is_whole(world);
}

/* --- E: files --- */

static void certificate_lost(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_remove(world, CERTIFICATE);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same_key(world, &known) && same_chain(world, &known));
	assert_non_null(strstr(world->view->reason, "restored"));
	is_whole(world);
}

static void folders_wiped(void **state)
{
	static const char *const folders[] = {"config", "persist"};
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		world_wipe(world, folders[i]);
		world_settles(world, IDENTITY_ENABLED);
		assert_true(same_key(world, &known) && same_chain(world, &known));
		assert_int_equal(world->view->generation, 1);
		is_whole(world);
		assert_true(world_has(world, MARKER));
		world_boot(world);
	}
}

static void slots_torn(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++) {
		world_put(world, RECORD[i], slice_str("holdfast-twin 1 torn"));
		world_settles(world, IDENTITY_ENABLED);
		assert_true(same_key(world, &known) && same_chain(world, &known));
		is_whole(world);
		world_boot(world);
	}
}

/* All four, torn or gone: key and password are known without them. */
static void records_lost(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = *state;

	world_stranger(world, 1);
	(void)enabled(state, &known);
	for (unsigned torn = 0; torn < 2; torn++) {
		for (size_t i = 0; i < ARRAY_LEN(RECORD); i++) {
			world_remove(world, RECORD[i]);
			if (torn)
				world_put(world, RECORD[i], slice_str("torn"));
		}
		world_settles(world, IDENTITY_ENABLED);
		assert_true(same_key(world, &known) && same_chain(world, &known));
		assert_non_null(strstr(world->view->alarm, "lost"));
		assert_int_equal(world_keys(world), 2);
		is_whole(world);
		world_boot(world);
	}
}

/* The seed's USB reinstall: nothing is left but the key. */
static void all_lost(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_wipe(world, "config");
	world_wipe(world, "persist");
	world_settles(world, IDENTITY_ENABLED);
	assert_false(same_key(world, &known));
	assert_non_null(strstr(world->view->reason, "new identity"));
	assert_int_not_equal(world->view->handle, WORLD_HANDLE);
	assert_int_equal(world_keys(world), 2);
	is_whole(world);
}

/* Another device's certificate, or rubbish, in the place of ours. */
static void certificate_replaced(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_soft_pair(world, &spki);
	world_remove(world, SOFT_KEY);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same_chain(world, &known));
	assert_non_null(strstr(world->view->alarm, "put aside"));
	assert_int_equal(world_count(world, PREVIOUS), 1);
	is_whole(world);
	world_boot(world);
	world_put(world, CERTIFICATE, slice_str("no certificate"));
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same_chain(world, &known));
	is_whole(world);
}

static void marker(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_settles(world, IDENTITY_ENABLED);
	assert_false(world->view->marker_lost);
	world_remove(world, MARKER);
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(world->view->marker_lost && world_has(world, MARKER));
	world_put(world, MARKER, slice_str("{\"mode\": \"software\"}"));
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(world->view->marker_lost && same_key(world, &known));
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_false(world->view->marker_lost);
}

/* --- E: a software pair beside it --- */

static void soft_dropped(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_soft_pair(world, &spki);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same_key(world, &known) && same_chain(world, &known));
	assert_false(world_has(world, SOFT_KEY));
	assert_int_equal(world_count(world, QUARANTINE), 2);
	assert_non_null(strstr(world->view->alarm, "quarantine"));
	is_whole(world);
}

/* With all copies of the record gone or torn the key in the chip still speaks against it. */
static void soft_dropped_without_records(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	for (unsigned torn = 0; torn < 2; torn++) {
		for (size_t i = 0; i < ARRAY_LEN(RECORD); i++) {
			world_remove(world, RECORD[i]);
			if (torn)
				world_put(world, RECORD[i], slice_str("torn"));
		}
		world_soft_pair(world, &spki);
		buf_reset(&spki);
		world->options.ask = torn != 0;
		world_boot(world);
		world_settles(world, IDENTITY_ENABLED);
		assert_true(world->view->on_chip);
		assert_false(world_has(world, SOFT_KEY));
		assert_int_equal(world_count(world, QUARANTINE), torn ? 8 : 2);
		is_whole(world);
	}
}

/* Nor does a TPM that is away make a software identity of what is torn. */
static void torn_without_tpm(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++)
		world_put(world, RECORD[i], slice_str("torn"));
	world_soft_pair(world, &spki);
	world_tpm(world, IDENTITY_TPM_ABSENT);
	world->now.expected = false;
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_false(world_has(world, SOFT_KEY));
	assert_true(world->retry);
}

static void soft_dropped_without_tpm(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_soft_pair(world, &spki);
	world->options.ask = true;
	world_tpm(world, IDENTITY_TPM_ABSENT);
	world->now.expected = false;
	world_boot(world);
	world_settles(world, IDENTITY_DEGRADED);
	assert_null(world->view->soft);
	assert_int_equal(identity_usable(world->view, &world->err), ERR_TPM_FAILED);
	assert_true(same_key(world, &known));
}

/* Downgrade, and upgrade again. */
static void restore_asked(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_soft_pair(world, &spki);
	world->options.ask = true;
	world_boot(world);
	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(slice_equal(buf_slice(&world->view->spki), buf_slice(&spki)));
	assert_non_null(strstr(world->view->alarm, "approve"));
	assert_false(world_has(world, MARKER));
	world_signs(world);
	assert_int_equal(world_order(world, IDENTITY_RENEW), ERR_CONFLICT);
	assert_int_equal(world_order(world, IDENTITY_MIGRATE), ERR_CONFLICT);
	assert_int_equal(world->view->mode, IDENTITY_SOFTWARE);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_ENABLED);
	assert_true(same_key(world, &known) && same_chain(world, &known));
	assert_int_equal(world_count(world, QUARANTINE), 2);
	is_whole(world);
}

/* A key that cannot be read is not one that is absent: the pair is left until it can be. */
static void restore_unreadable(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf key = BUF_INIT(16384);

	world_soft_pair(world, &spki);
	world_get(world, SOFT_KEY, &key);
	world_put(world, SOFT_KEY, slice_str("torn"));
	world->options.ask = true;
	world_boot(world);
	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(world->retry);
	assert_int_equal(identity_usable(world->view, &world->err), ERR_UNREADABLE);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), ERR_UNREADABLE);
	assert_int_equal(world_count(world, QUARANTINE), 0);
	world_put(world, SOFT_KEY, buf_slice(&key));
	world_settles(world, IDENTITY_SOFTWARE);
	world_signs(world);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_true(same_key(world, &known));
	is_whole(world);
}

/* --- X --- */

static void resetting(void **state)
{
	struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	struct identity_files *files = identity_files_of(world->identity);

	journal.doing = IDENTITY_DOING_RESET;
	journal.handle = WORLD_HANDLE;
	assert_int_equal(identity_journal_write(files, &journal, &world->err), 0);
	world_settles(world, IDENTITY_RESETTING);
	assert_int_equal(identity_usable(world->view, &world->err), ERR_STARTING);
	assert_int_equal(world_order(world, IDENTITY_RENEW), ERR_STARTING);
	world_boot(world);
	world_settles(world, IDENTITY_RESETTING);
	files = identity_files_of(world->identity);
	assert_int_equal(identity_files_erase(files, &world->err), 0);
	assert_int_equal(identity_journal_remove(files, &world->err), 0);
	world_settles(world, IDENTITY_ENABLED);
	assert_false(same_key(world, &known));
	is_whole(world);
	identity_journal_fini(&journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(first_boot),
		CASE(first_boot_is_short),
		CASE(clock_of_1970),
		CASE(no_tpm),
		CASE(awaited),
		CASE(by_hand),
		CASE(software_by_hand),
		CASE(beside_a_stranger),
		CASE(certificate_lost),
		CASE(folders_wiped),
		CASE(slots_torn),
		CASE(records_lost),
		CASE(all_lost),
		CASE(certificate_replaced),
		CASE(marker),
		CASE(soft_dropped),
		CASE(soft_dropped_without_records),
		CASE(torn_without_tpm),
		CASE(soft_dropped_without_tpm),
		CASE(restore_asked),
		CASE(restore_unreadable),
		CASE(resetting),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
