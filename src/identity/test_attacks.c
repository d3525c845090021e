/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody may do who writes files of the identity, config_dir above all: records with right
 * checksums that name no key, another one, or ours with something foreign beside it. In each case
 * the key in the chip stays the identity, and somebody is told.
 */
#include "identity/test_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/tpm_range.h"
#include "identity/files_impl.h"

static const char *const RECORD[] = {
	"persist/holdfast/identity.json",
	"persist/holdfast/identity.json.copy",
	"config/device.identity.json",
	"config/device.identity.json.copy",
};
#define CONFIG	2u /* the first of config */
#define COUNT	ARRAY_LEN(RECORD)
#define JOURNAL "persist/holdfast/identity.journal"
#define NEWEST	"9999999999999999999"
#define BLANK                                                                                      \
	"{\"version\":1,\"enabled\":false,\"present\":false,\"generation\":2,"                     \
	"\"since\":\"2026-01-01T00:00:00Z\"}"

static void forge(struct world *world, size_t copy, const char *generation, struct slice content)
{
	CLEANUP(buf_fini) struct buf file = BUF_INIT(TWIN_MAX);
	const struct slice parts[] = {slice_str(generation), slice_str("\n"), content};
	uint8_t sum[HASH_MAX_SIZE];

	assert_int_equal(hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), sum, &world->err), 0);
	buf_printf(&file, "holdfast-twin 1 %s ", generation);
	hex_encode(&file, slice_of(sum, 32));
	buf_put_str(&file, "\n");
	buf_put(&file, content);
	world_put(world, RECORD[copy], buf_slice(&file));
}

/* From the copy @first to before @end. */
static void forge_record(struct world *world, size_t first, size_t end,
			 const struct identity_record *record)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);

	assert_int_equal(files_record_to_text(record, &text, &world->err), 0);
	for (size_t i = first; i < end; i++)
		forge(world, i, NEWEST, buf_slice(&text));
}

static void read_record(struct world *world, struct identity_record *ret_record)
{
	assert_true(identity_record_read(identity_files_of(world->identity), ret_record,
					 &world->err) != IDENTITY_FOUND_NONE);
	assert_true(ret_record->present);
}

/* Another key, with a certificate of its own. */
static void put_stranger(struct world *world, struct identity_record *record)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct certificate_order order = {.now = WORLD_NOW};
	struct signer signer = {0};

	buf_reset(&record->spki);
	buf_reset(&record->chain);
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &key, &world->err), 0);
	assert_int_equal(pkey_to_spki(key, &record->spki, &world->err), 0);
	order.spki = buf_slice(&record->spki);
	signer.soft = key;
	assert_int_equal(
		identity_certify(world->identity, &signer, &order, &record->chain, &world->err), 0);
}

/* Enabled, and the record of that. */
static struct world *enabled(void **state, struct identity_record *ret_record)
{
	struct world *world = *state;

	world_settles(world, IDENTITY_ENABLED);
	assert_string_equal(world->view->alarm, "");
	read_record(world, ret_record);
	world_boot(world);
	return world;
}

/* It is what it was, by the chip and in all copies. */
static void is_as_before(struct world *world, const struct identity_record *before)
{
	CLEANUP(identity_record_cleanup) struct identity_record now = IDENTITY_RECORD_INIT;

	world_settles(world, IDENTITY_ENABLED);
	assert_true(slice_equal(buf_slice(&world->view->spki), buf_slice(&before->spki)));
	assert_true(slice_equal(buf_slice(&world->view->chain), buf_slice(&before->chain)));
	assert_int_equal(world->view->generation, before->generation);
	world_signs(world);
	assert_int_equal(world_keys(world), 1);
	assert_int_equal(
		identity_record_read(identity_files_of(world->identity), &now, &world->err),
		IDENTITY_FOUND_WHOLE);
	assert_true(slice_equal(buf_slice(&now.spki), buf_slice(&before->spki)));
	assert_true(slice_equal(buf_slice(&now.header), buf_slice(&before->header)));
	assert_true(slice_equal(buf_slice(&now.chain), buf_slice(&before->chain)));
	assert_int_equal(now.handle, before->handle);
}

static void is_told(struct world *world)
{
	assert_non_null(strstr(world->view->alarm, "named another identity, or none"));
}

static void drop_blank(struct world *world)
{
	for (size_t i = CONFIG; i < COUNT; i++)
		forge(world, i, NEWEST, slice_str(BLANK));
}

static void blank_in_config(void **state)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	struct world *world = enabled(state, &record);

	drop_blank(world);
	is_as_before(world, &record);
	is_told(world);
	/* Once it is mended there is nothing more to tell. */
	world_boot(world);
	is_as_before(world, &record);
	assert_string_equal(world->view->alarm, "");
}

/* The whole config_dir of a device in software, while the TPM is hidden. */
static void config_of_a_software_device(void **state)
{
	static const enum identity_tpm HIDDEN[] = {IDENTITY_TPM_FAILED, IDENTITY_TPM_ABSENT};
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	struct world *world = enabled(state, &record);

	for (size_t i = 0; i < ARRAY_LEN(HIDDEN); i++) {
		CLEANUP(identity_record_cleanup) struct identity_record kept = IDENTITY_RECORD_INIT;
		CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

		world_wipe(world, "config");
		drop_blank(world);
		world_soft_pair(world, &spki);
		world->now.expected = HIDDEN[i] != IDENTITY_TPM_ABSENT;
		world_tpm(world, HIDDEN[i]);
		world_boot(world);
		world_settles(world, IDENTITY_DEGRADED);
		is_told(world);
		assert_int_equal(identity_usable(world->view, &world->err), ERR_TPM_FAILED);
		read_record(world, &kept);
		assert_true(slice_equal(buf_slice(&kept.spki), buf_slice(&record.spki)));
		assert_int_equal(world_order(world, IDENTITY_INIT), ERR_TPM_FAILED);
		world_tpm(world, IDENTITY_TPM_OK);
		is_as_before(world, &record);
		assert_false(world_has(world, "config/device.key.pem"));
	}
}

/* Enabled is what any copy says, also where no copy has a key any more. */
static void enabled_in_any_copy(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);

	world_wipe(world, "persist/holdfast");
	forge(world, 0, "1", slice_str(BLANK));
	forge(world, 3, "1",
	      slice_str("{\"version\":1,\"enabled\":true,\"present\":false,\"generation\":1,"
			"\"since\":\"2026-01-01T00:00:00Z\"}"));
	world_soft_pair(world, &spki);
	world->now.expected = false;
	world_tpm(world, IDENTITY_TPM_ABSENT);
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_non_null(strstr(world->view->alarm, "quarantine"));
	world_boot(world);
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_false(world_has(world, "config/device.key.pem"));
}

/* Another device's record: in config the chip says no; in persist it says no too. */
static void another_device(void **state)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	CLEANUP(identity_record_cleanup) struct identity_record other = IDENTITY_RECORD_INIT;
	struct world *world = enabled(state, &record);

	for (size_t first = 0; first < COUNT; first += CONFIG) {
		read_record(world, &other);
		put_stranger(world, &other);
		other.name[5] ^= 0xff;
		other.handle += (uint32_t)first * 4;
		forge_record(world, first, first + CONFIG, &other);
		/* Where the chip cannot say it is persist's. */
		world_tpm(world, IDENTITY_TPM_FAILED);
		world_boot(world);
		world_settles(world, IDENTITY_DEGRADED);
		is_told(world);
		assert_int_equal(first > 0, slice_equal(buf_slice(&world->view->spki),
							buf_slice(&record.spki)));
		world_tpm(world, IDENTITY_TPM_OK);
		world_boot(world);
		is_as_before(world, &record);
		is_told(world);
	}
}

/* Our Name and handle, and something foreign beside them. */
static void foreign_parts(void **state)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	struct world *world = enabled(state, &record);

	for (size_t first = 0; first < COUNT; first += CONFIG) {
		CLEANUP(identity_record_cleanup)
		struct identity_record forged = IDENTITY_RECORD_INIT;

		read_record(world, &forged);
		put_stranger(world, &forged);
		forge_record(world, first, first + CONFIG, &forged);
		world_boot(world);
		is_as_before(world, &record);
		is_told(world);
		/* The header alone, in all copies: it is always the same, and mended. */
		read_record(world, &forged);
		forged.header.data[forged.header.len - 1] ^= 1;
		forge_record(world, first, COUNT, &forged);
		world_boot(world);
		is_as_before(world, &record);
	}
	/* All copies lie about the key: they are as good as torn, and the certificate names it. */
	put_stranger(world, &record);
	forge_record(world, 0, COUNT, &record);
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_false(slice_equal(buf_slice(&world->view->spki), buf_slice(&record.spki)));
	world_signs(world);
	world_chain(world, 1);
	assert_int_equal(world_keys(world), 1);
	assert_non_null(strstr(world->view->alarm, "all copies of the record"));
}

/* Searching ends where the owner's handles do. */
static void last_handles(void **state)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	struct world *world = *state;
	uint32_t handle = 0;

	world->options.handle = TPM_OWNER_LAST - 2;
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_int_equal(world->view->handle, TPM_OWNER_LAST - 2);
	read_record(world, &record);
	assert_int_equal(identity_key_find(world->p, TPM_OWNER_LAST - 1,
					   slice_of(record.name, record.name_len), &handle, NULL,
					   &world->err),
			 ERR_NOT_FOUND);
	for (size_t i = 0; i < COUNT; i++)
		world_remove(world, RECORD[i]);
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(slice_equal(buf_slice(&world->view->spki), buf_slice(&record.spki)));
	/* The certificate's key is in no handle: that is certain, and no failure. */
	for (size_t i = 0; i < COUNT; i++)
		world_remove(world, RECORD[i]);
	world_replace_chip(world);
	world_boot(world);
	world_settles(world, IDENTITY_CONFLICT);
}

static bool marker_says(struct world *world, const char *word)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(4096);

	world_get(world, "persist/config/tpm_in_use", &bytes);
	return memmem(bytes.data, bytes.len, word, strlen(word)) != NULL;
}

/* What cannot be read leaves the marker, and that does not say more than is known. */
static void marker_of_the_unreadable(void **state)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	CLEANUP(buf_fini) struct buf name = BUF_INIT(256);
	struct world *world = enabled(state, &record);

	hex_encode(&name, slice_of(record.name, record.name_len));
	buf_put_u8(&name, '\0');
	world->now.boot_id = "d9e2b1a6-0000-4000-8000-000000000002";
	world_put(world, JOURNAL, slice_str("torn"));
	for (size_t i = 0; i < COUNT; i++)
		world_wipe(world, RECORD[i]);
	world_boot(world);
	world_settles(world, IDENTITY_DEGRADED);
	assert_true(marker_says(world, "degraded"));
	assert_true(marker_says(world, world->now.boot_id));
	assert_true(marker_says(world, (const char *)name.data));
	/* One that is not there does not appear by that. */
	world_wipe(world, "run");
	world_wipe(world, "persist/config");
	world_boot(world);
	world_settles(world, IDENTITY_DEGRADED);
	assert_false(world_has(world, "persist/config/tpm_in_use"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(blank_in_config),
		CASE(config_of_a_software_device),
		CASE(enabled_in_any_copy),
		CASE(another_device),
		CASE(foreign_parts),
		CASE(last_handles),
		CASE(marker_of_the_unreadable),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
