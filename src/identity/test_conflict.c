/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table in which the TPM does not serve, a key is gone, or an operator decides. */
#include "identity/test_known.h"

#include <stdlib.h>

#include "base/json.h"

static void is_whole(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++)
		assert_true(world_has(world, RECORD[i]));
	assert_true(world_has(world, CERTIFICATE));
	assert_false(world_has(world, JOURNAL));
	world_chain(world, 1);
	world_signs(world);
}

/* --- D, C --- */

static void degraded(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	uint8_t digest[32] = {0};

	world_tpm(world, IDENTITY_TPM_FAILED);
	world_settles(world, IDENTITY_DEGRADED);
	assert_true(world->retry && world_has(world, MARKER));
	assert_non_null(strstr(world->view->alarm, "switched off"));
	assert_true(same_key(world, &known) && same_chain(world, &known));
	assert_int_equal(identity_sign(world->view, world->p, HASH_SHA256,
				       slice_of(digest, sizeof(digest)), &signature, &world->err),
			 ERR_TPM_FAILED);
	assert_int_equal(world_order(world, IDENTITY_RENEW), ERR_TPM_FAILED);
	assert_int_equal(world_order(world, IDENTITY_INIT), ERR_TPM_FAILED);
	assert_false(world_has(world, SOFT_KEY));
	world_tpm(world, IDENTITY_TPM_OK);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same_key(world, &known));
	assert_non_null(strstr(world->view->reason, "again"));
	is_whole(world);
}

static void unreadable(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++)
		world_wipe(world, RECORD[i]); /* no file lies there, but a folder */
	world_remove(world, CERTIFICATE);
	world_settles(world, IDENTITY_DEGRADED);
	assert_true(world->retry);
	assert_int_equal(world_keys(world), 1);
	assert_int_equal(world_order(world, IDENTITY_INIT), ERR_UNREADABLE);
	assert_false(world_has(world, CERTIFICATE) || world_has(world, SOFT_KEY));
	world_tpm(world, IDENTITY_TPM_ABSENT);
	world->now.expected = false;
	world_settles(world, IDENTITY_DEGRADED);
	assert_false(world_has(world, SOFT_KEY));
}

/* What an operator can mend is named, and not the TPM that is not there beside it. */
static void unreadable_without_tpm(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_tpm(world, IDENTITY_TPM_FAILED);
	world_put(world, JOURNAL, slice_str("torn"));
	world_settles(world, IDENTITY_DEGRADED);
	assert_non_null(strstr(world->view->alarm, "the journal: "));
	assert_null(strstr(world->view->alarm, "switched off"));
	world_remove(world, JOURNAL);
	world_settles(world, IDENTITY_DEGRADED);
	assert_non_null(strstr(world->view->alarm, "switched off"));
}

static void journal_unreadable(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_put(world, JOURNAL, slice_str("torn"));
	world_settles(world, IDENTITY_DEGRADED);
	world_remove(world, JOURNAL);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same_key(world, &known));
}

static void conflict(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_replace_chip(world);
	world_stranger(world, 1);
	/* Nobody approves what he has not seen. */
	assert_int_equal(world_order(world, IDENTITY_APPROVE), ERR_CONFLICT);
	world_boot(world);
	world_settles(world, IDENTITY_CONFLICT);
	assert_true(world->view->name_len > 0 && world->view->found_name_len > 0);
	assert_true(same_key(world, &known) && same_chain(world, &known));
	assert_int_equal(identity_usable(world->view, &world->err), ERR_TPM_CHANGED);
	assert_int_equal(world_order(world, IDENTITY_RENEW), ERR_TPM_CHANGED);
	assert_int_equal(world_keys(world), 1);
	world_tpm(world, IDENTITY_TPM_ABSENT);
	world_settles(world, IDENTITY_DEGRADED);
	world_tpm(world, IDENTITY_TPM_OK);
	world_settles(world, IDENTITY_CONFLICT);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_ENABLED);
	assert_false(same_key(world, &known));
	assert_int_equal(world->view->generation, 2);
	assert_int_equal(world_count(world, PREVIOUS), 1);
	is_whole(world);
}

/* Swapped while it runs: nothing is given up for a chip in which nothing can be made yet. */
static void approved_before_accepted(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_settles(world, IDENTITY_ENABLED);
	chip_replace(&world->chip);
	world_settles(world, IDENTITY_CONFLICT);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(world_order(world, IDENTITY_APPROVE), ERR_TPM_CHANGED);
		assert_non_null(strstr(world->err.remedy, "tpm accept"));
		assert_int_equal(world->view->mode, IDENTITY_CONFLICT);
		assert_true(same_key(world, &known) && same_chain(world, &known));
		assert_true(world_has(world, CERTIFICATE));
		assert_int_equal(world_count(world, PREVIOUS), 0);
	}
	/* Accepted. */
	world_replace_chip(world);
	world_settles(world, IDENTITY_CONFLICT);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_ENABLED);
	is_whole(world);
}

/* A folder that is not there now: what is told is what is, and tpm_in_use is told too. */
static void could_not_be_done(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_remove(world, "config");
	world_remove(world, MARKER_COPY);
	assert_true(world_settle(world) < 0);
	assert_int_equal(world->view->mode, IDENTITY_ENABLED);
	assert_true(world->retry && world_has(world, MARKER_COPY));
	assert_memory_equal(world->view->reason, "not done yet: ", 14);
	assert_true(same_key(world, &known));
	world_signs(world);
}

/* Its state folder was lost, or came from another device: the key is there, and never signs. */
static void auth_key_lost(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	world_swap_auth_key(world);
	world_settles(world, IDENTITY_CONFLICT);
	assert_non_null(strstr(world->view->reason, "auth.key"));
	assert_true(same_key(world, &known) && same_chain(world, &known));
	assert_int_equal(identity_usable(world->view, &world->err), ERR_TPM_CHANGED);
	assert_int_equal(world_order(world, IDENTITY_RENEW), ERR_TPM_CHANGED);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_ENABLED);
	assert_false(same_key(world, &known));
	assert_int_equal(world->view->generation, 2);
	is_whole(world);
}

/* After a conflict that was approved this device still is one that had an identity in a TPM. */
static void approved_without_tpm(void **state)
{
	const struct identity_order order = {.wish = IDENTITY_INIT, .software = true};
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world->options.provision = false;
	world_boot(world);
	world_replace_chip(world);
	world_settles(world, IDENTITY_CONFLICT);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_UNPROVISIONED);
	world->options.provision = true;
	world_tpm(world, IDENTITY_TPM_ABSENT);
	world->now.expected = false;
	world_boot(world);
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_int_equal(identity_order(world->identity, &world->now, &order, NULL, &world->err),
			 ERR_CONFLICT);
	world_soft_pair(world, &spki);
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_false(world_has(world, SOFT_KEY));
	assert_int_equal(world_count(world, QUARANTINE), 2);
}

/* A certificate without anything that it is of. */
static void orphan(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_soft_pair(world, &spki);
	world_remove(world, SOFT_KEY);
	world_tpm(world, IDENTITY_TPM_ABSENT);
	world->now.expected = false;
	world_settles(world, IDENTITY_CONFLICT);
	assert_int_equal(world_order(world, IDENTITY_RENEW), ERR_TPM_CHANGED);
	world_tpm(world, IDENTITY_TPM_OK);
	world_settles(world, IDENTITY_CONFLICT);
	assert_int_equal(world_keys(world), 0);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_ENABLED);
	is_whole(world);
}

/* And no TPM will come: an operator may do without it, and with a key beside it. */
static void orphan_without_tpm(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf soft = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf key = BUF_INIT(16384);
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_tpm(world, IDENTITY_TPM_ABSENT);
	world->now.expected = false;
	world_soft_pair(world, &soft);
	world_get(world, SOFT_KEY, &key);
	world_soft_pair(world, &spki); /* its certificate stays */
	world_put(world, SOFT_KEY, buf_slice(&key));
	world_settles(world, IDENTITY_CONFLICT);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_SOFTWARE);
	assert_true(slice_equal(buf_slice(&world->view->spki), buf_slice(&soft)));
	assert_int_equal(world_count(world, PREVIOUS), 1);
	world_signs(world);
	world_wipe(world, "persist");
	world_wipe(world, "config");
	buf_reset(&spki);
	world_soft_pair(world, &spki);
	world_remove(world, SOFT_KEY);
	world_boot(world);
	world_settles(world, IDENTITY_CONFLICT);
	assert_int_equal(world_order(world, IDENTITY_APPROVE), 0);
	assert_int_equal(world->view->mode, IDENTITY_SOFTWARE);
	world_signs(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(degraded),
		CASE(unreadable),
		CASE(unreadable_without_tpm),
		CASE(journal_unreadable),
		CASE(conflict),
		CASE(approved_before_accepted),
		CASE(could_not_be_done),
		CASE(auth_key_lost),
		CASE(approved_without_tpm),
		CASE(orphan),
		CASE(orphan_without_tpm),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
