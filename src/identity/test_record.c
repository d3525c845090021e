/* SPDX-License-Identifier: Apache-2.0 */
/* Four copies of a record, whatever befell them. */

#include "identity/test_places.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "crypto/hash.h"
#include "identity/files_impl.h"

static const char *const COPIES[] = {
	"persist/holdfast/identity.json",
	"persist/holdfast/identity.json.copy",
	"config/device.identity.json",
	"config/device.identity.json.copy",
};
#define COUNT ARRAY_LEN(COPIES)

static int write_generation(struct places *places, uint64_t generation)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;

	places_record(places, generation, &record);
	return identity_record_write(places->files, &record, &places->err);
}

/* *ret_generation is 0 when no record was read. */
static enum identity_found look(struct places *places, uint64_t *ret_generation)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	enum identity_found found = identity_record_read(places->files, &record, &places->err);

	*ret_generation = record.generation;
	return found;
}

static void assert_found(struct places *places, enum identity_found wanted, uint64_t generation)
{
	uint64_t read;

	assert_int_equal(look(places, &read), wanted);
	assert_int_equal(read, generation);
}

static void written_is_read(void **state)
{
	struct places *places = *state;
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	CLEANUP(identity_record_cleanup) struct identity_record wanted = IDENTITY_RECORD_INIT;

	assert_found(places, IDENTITY_FOUND_NONE, 0);
	assert_false(places_has(places, "persist/holdfast"));
	assert_int_equal(write_generation(places, 3), 0);
	places_reopen(places);
	assert_int_equal(identity_record_read(places->files, &record, &places->err),
			 IDENTITY_FOUND_WHOLE);
	places_record(places, 3, &wanted);
	assert_true(record.enabled && record.present);
	assert_int_equal(record.generation, 3);
	assert_int_equal(record.handle, wanted.handle);
	assert_string_equal(record.since, wanted.since);
	assert_true(slice_equal(slice_of(record.name, record.name_len),
				slice_of(wanted.name, wanted.name_len)));
	assert_true(slice_equal(buf_slice(&record.header), buf_slice(&wanted.header)));
	assert_true(slice_equal(buf_slice(&record.spki), buf_slice(&wanted.spki)));
	assert_true(slice_equal(buf_slice(&record.chain), buf_slice(&wanted.chain)));
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(places_mode(places, COPIES[i]), 0600);
	assert_int_equal(places_mode(places, "persist/holdfast"), 0700);
	/* That there was one is kept without one. */
	record.present = false;
	assert_int_equal(identity_record_write(places->files, &record, &places->err), 0);
	assert_int_equal(identity_record_read(places->files, &record, &places->err),
			 IDENTITY_FOUND_WHOLE);
	assert_true(record.enabled && !record.present);
	assert_int_equal(record.spki.len, 0);
	assert_int_equal(identity_record_remove(places->files, &places->err), 0);
	assert_int_equal(identity_record_remove(places->files, &places->err), 0);
	assert_found(places, IDENTITY_FOUND_NONE, 0);
	assert_int_equal(places_count(places, "persist/holdfast/quarantine"), 0);
}

/* --- all that can befall four copies --- */

enum fate { FATE_NEW, FATE_OLD, FATE_TORN, FATE_MISSING, FATE_FOLDER, FATES };
#define ALL (FATES * FATES * FATES * FATES)

struct fates {
	enum fate of[COUNT];
	unsigned count[FATES];
};

static void befall(struct places *places, unsigned number, const struct buf bytes[2],
		   struct fates *fates)
{
	*fates = (struct fates){.count = {0}};
	for (size_t i = 0; i < COUNT; i++, number /= FATES) {
		enum fate fate = (enum fate)(number % FATES);
		const struct buf *whole = &bytes[fate == FATE_OLD];

		fates->of[i] = fate;
		fates->count[fate]++;
		if (fate == FATE_FOLDER)
			places_put_folder(places, COPIES[i]);
		else
			places_delete(places, COPIES[i]);
		if (fate == FATE_NEW || fate == FATE_OLD)
			places_put(places, COPIES[i], buf_slice(whole));
		else if (fate == FATE_TORN)
			places_put(places, COPIES[i], slice_of(whole->data, whole->len / 2));
	}
}

static enum identity_found verdict(const struct fates *fates)
{
	if (fates->count[FATE_NEW] == COUNT || fates->count[FATE_OLD] == COUNT)
		return IDENTITY_FOUND_WHOLE;
	if (fates->count[FATE_NEW] || fates->count[FATE_OLD])
		return IDENTITY_FOUND_MENDED;
	if (fates->count[FATE_FOLDER])
		return IDENTITY_FOUND_UNREADABLE;
	return fates->count[FATE_TORN] ? IDENTITY_FOUND_TORN : IDENTITY_FOUND_NONE;
}

/* What a caller does next, and that nothing that could not be read is lost by it. */
static void go_on(struct places *places, enum identity_found found, const struct fates *fates)
{
	size_t aside = fates->count[FATE_FOLDER];
	int refused = found == IDENTITY_FOUND_TORN	   ? ERR_DAMAGED
		      : found == IDENTITY_FOUND_UNREADABLE ? ERR_UNREADABLE
							   : 0;

	assert_int_equal(write_generation(places, 9), refused);
	if (refused) {
		assert_int_equal(places_count(places, "persist/holdfast/quarantine"), 0);
		assert_int_equal(identity_record_remove(places->files, &places->err), 0);
		assert_found(places, IDENTITY_FOUND_NONE, 0);
		aside += fates->count[FATE_TORN];
		assert_int_equal(write_generation(places, 9), 0);
	}
	assert_found(places, IDENTITY_FOUND_WHOLE, 9);
	assert_int_equal(places_count(places, "persist/holdfast/quarantine"), aside);
}

/* The newest of persist, which comes first; else of config. */
static uint64_t counts(const struct fates *fates)
{
	for (size_t place = 0; place < COUNT; place += 2) {
		const enum fate *of = &fates->of[place];

		if (of[0] == FATE_NEW || of[1] == FATE_NEW)
			return 2;
		if (of[0] == FATE_OLD || of[1] == FATE_OLD)
			return 1;
	}
	return 0;
}

static void every_fate(void **state)
{
	CLEANUP(buf_fini) struct buf new = BUF_INIT(TWIN_MAX);
	CLEANUP(buf_fini) struct buf old = BUF_INIT(TWIN_MAX);
	struct places *places = *state;

	assert_int_equal(write_generation(places, 1), 0);
	places_get(places, COPIES[0], &old);
	assert_int_equal(write_generation(places, 2), 0);
	places_get(places, COPIES[0], &new);
	for (unsigned number = 0; number < ALL; number++) {
		const struct buf bytes[] = {new, old};
		struct fates fates;
		enum identity_found wanted, found;
		uint64_t generation;

		befall(places, number, bytes, &fates);
		wanted = verdict(&fates);
		found = look(places, &generation);
		if (found != wanted)
			fail_msg("fate %u: found %d, wanted %d", number, found, wanted);
		assert_int_equal(generation, counts(&fates));
		go_on(places, wanted, &fates);
		places_delete(places, "persist/holdfast/quarantine");
	}
}

/* A flipped bit anywhere (of the content some are tried) is noticed, and the others are read. */
static void every_flipped_byte(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(TWIN_MAX);
	struct places *places = *state;

	assert_int_equal(write_generation(places, 1), 0);
	places_get(places, COPIES[3], &bytes);
	for (size_t i = 0; i < bytes.len; i += i < 128 ? 1 : 16) {
		bytes.data[i] ^= 0x01;
		places_put(places, COPIES[3], buf_slice(&bytes));
		assert_found(places, IDENTITY_FOUND_MENDED, 1);
		bytes.data[i] ^= 0x01;
	}
}

/* --- copies that do not agree --- */

/* A copy with a right checksum, as anybody can write one. */
static void forge(struct places *places, size_t copy, const char *generation, struct slice content)
{
	CLEANUP(buf_fini) struct buf file = BUF_INIT(TWIN_MAX);
	const struct slice parts[] = {slice_str(generation), slice_str("\n"), content};
	uint8_t sum[HASH_MAX_SIZE];

	assert_int_equal(hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), sum, &places->err), 0);
	buf_printf(&file, "holdfast-twin 1 %s ", generation);
	hex_encode(&file, slice_of(sum, 32));
	buf_put_str(&file, "\n");
	buf_put(&file, content);
	places_put(places, COPIES[copy], buf_slice(&file));
}

static void forge_record(struct places *places, size_t copy, const char *generation,
			 const struct identity_record *record)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);

	assert_int_equal(files_record_to_text(record, &text, &places->err), 0);
	forge(places, copy, generation, buf_slice(&text));
}

#define LAST_GENERATION "9999999999999999999"
#define BLANK                                                                                      \
	"{\"version\":1,\"enabled\":false,\"present\":false,\"generation\":2,"                     \
	"\"since\":\"2026-01-01T00:00:00Z\"}"

/* Neither a blank copy nor one of another key in config beats that of persist, however new. */
static void config_does_not_win(void **state)
{
	struct places *places = *state;

	for (int other = 0; other < 2; other++) {
		CLEANUP(identity_records_cleanup) struct identity_records records;
		CLEANUP(identity_record_cleanup)
		struct identity_record record = IDENTITY_RECORD_INIT;

		identity_records_init(&records);
		assert_int_equal(write_generation(places, 1), 0);
		places_record(places, 7, &record);
		record.name[0] ^= 1;
		for (size_t i = 2; i < COUNT; i++)
			if (other)
				forge_record(places, i, LAST_GENERATION, &record);
			else
				forge(places, i, LAST_GENERATION, slice_str(BLANK));
		assert_found(places, IDENTITY_FOUND_MENDED, 1);
		assert_int_equal(identity_records_read(places->files, &records, &places->err),
				 IDENTITY_FOUND_MENDED);
		assert_int_equal(records.count, 2);
		assert_true(records.differ);
		for (size_t i = 0; i < records.count; i++)
			assert_true(records.of[i].enabled);
		/* And it can be written over, though no generation is above that one. */
		assert_int_equal(write_generation(places, 3), 0);
		assert_found(places, IDENTITY_FOUND_WHOLE, 3);
	}
}

/* A key in config is there, though persist has a record that names none. */
static void blank_does_not_win(void **state)
{
	struct places *places = *state;

	assert_int_equal(write_generation(places, 1), 0);
	forge(places, 0, "9", slice_str(BLANK));
	forge(places, 1, "9", slice_str(BLANK));
	assert_found(places, IDENTITY_FOUND_MENDED, 1);
	/* What may have a key and cannot be read is not outweighed by one that has none. */
	forge(places, 2, "9", slice_str(BLANK));
	forge(places, 3, "9", slice_str(BLANK));
	assert_found(places, IDENTITY_FOUND_WHOLE, 2);
	places_put_folder(places, COPIES[0]);
	assert_found(places, IDENTITY_FOUND_MENDED, 2);
	places_put_folder(places, COPIES[1]);
	assert_found(places, IDENTITY_FOUND_UNREADABLE, 0);
}

/* What does not fit together is no record, whatever its checksum. */
static void odd_records(void **state)
{
	static const char *const ODD[][2] = {
		{"\"handle\":2164261120", "\"handle\":2172649472"}, /* 0x81800000 */
		{"\"generation\":5", "\"generation\":4294967296"},
		{"\"chain\":\"", "\"chain\":\"\",\"chain\":\""},
	};
	struct places *places = *state;
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	CLEANUP(pkey_cleanup) struct pkey *other = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);
	CLEANUP(buf_fini) struct buf odd = BUF_INIT(TWIN_MAX);

	places_put_folder(places, "persist/holdfast");
	places_record(places, 5, &record);
	assert_int_equal(files_record_to_text(&record, &text, &places->err), 0);
	for (size_t i = 0; i < ARRAY_LEN(ODD); i++) {
		const uint8_t *at = memmem(text.data, text.len, ODD[i][0], strlen(ODD[i][0]));

		assert_non_null(at);
		buf_reset(&odd);
		buf_put(&odd, slice_of(text.data, (size_t)(at - text.data)));
		buf_put_str(&odd, ODD[i][1]);
		at += strlen(ODD[i][0]);
		buf_put(&odd, slice_of(at, (size_t)(text.data + text.len - at)));
		for (size_t copy = 0; copy < COUNT; copy++)
			forge(places, copy, "1", buf_slice(&odd));
		assert_found(places, IDENTITY_FOUND_TORN, 0);
	}
	/* No certificate, or one of another key. */
	buf_reset(&record.chain);
	assert_int_equal(files_record_to_text(&record, &odd, &places->err), ERR_INVALID);
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &other, &places->err), 0);
	places_certify(other, &record.chain);
	assert_int_equal(files_record_to_text(&record, &odd, &places->err), ERR_INVALID);
}

/* --- cut off --- */

/* The verdict that is right after a write over @before (0 = nothing) was cut off. */
static void assert_after_cut(struct places *places, uint64_t before, uint64_t after)
{
	uint64_t read;
	enum identity_found found = look(places, &read);

	if (before == 0 && found == IDENTITY_FOUND_NONE)
		return;
	assert_true(found == IDENTITY_FOUND_WHOLE || found == IDENTITY_FOUND_MENDED);
	assert_true((before > 0 && read == before) || read == after);
}

/* True when the child came to its end. */
static bool cut_off(struct places *places, unsigned step, uint64_t generation)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		disk_set(DISK_ENDS, step);
		_exit(write_generation(places, generation) == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static void begin_with(struct places *places, uint64_t before, int torn)
{
	places_delete(places, "persist/holdfast");
	places_delete(places, COPIES[2]);
	places_delete(places, COPIES[3]);
	if (before)
		assert_int_equal(write_generation(places, before), 0);
	if (torn >= 0)
		places_put(places, COPIES[torn], slice_str("torn"));
}

/* Also where a copy is torn already, so that the order of writing matters. */
static void killed_at_every_step(void **state)
{
	struct places *places = *state;
	unsigned steps = 0;

	for (int torn = -1; torn < (int)COUNT; torn++)
		for (uint64_t before = torn < 0 ? 0 : 1; before < 2; before++) {
			bool done = false;

			for (unsigned step = 0; !done; step++, steps++) {
				begin_with(places, before, torn);
				done = cut_off(places, step, 2);
				places_reopen(places);
				assert_after_cut(places, before, 2);
				assert_int_equal(write_generation(places, 2), 0);
				assert_found(places, IDENTITY_FOUND_WHOLE, 2);
			}
		}
	/* Four files, each with its bytes, two syncs and a rename. */
	assert_true(steps > 6 * 16);
}

static void full_at_every_step(void **state)
{
	struct places *places = *state;

	for (int torn = -1; torn < (int)COUNT; torn++)
		for (unsigned step = 0, done = 0; !done; step++) {
			int r;

			begin_with(places, 1, torn);
			disk_set(DISK_FULL, step);
			r = write_generation(places, 2);
			disk_set(DISK_GOOD, 0);
			done = r == 0;
			assert_true(r == 0 || r == ERR_DISK_FULL || r == ERR_INTERNAL);
			assert_after_cut(places, 1, 2);
			assert_int_equal(places_count(places, "config"), 2);
			assert_int_equal(places_count(places, "persist/holdfast"), 2);
		}
}

/* --- places that are not as they should be --- */

static void one_place_gone(void **state)
{
	static const char *const GONE[] = {"persist", "config"};
	struct places *places = *state;

	for (size_t i = 0; i < ARRAY_LEN(GONE); i++) {
		places_put_folder(places, "persist");
		places_put_folder(places, "config");
		places_delete(places, GONE[i]);
		/* Nobody knows what would be in it if it were mounted. */
		assert_found(places, IDENTITY_FOUND_UNREADABLE, 0);
		assert_int_equal(write_generation(places, 1), ERR_UNREADABLE);
		assert_non_null(strstr(places->err.text, "is not there"));
		assert_non_null(places->err.remedy);
		assert_false(places_has(places, GONE[i]));
		places_put_folder(places, GONE[i]);
		assert_int_equal(write_generation(places, 1), 0);
		places_delete(places, GONE[i]);
		assert_found(places, IDENTITY_FOUND_MENDED, 1);
		assert_int_equal(write_generation(places, 2), ERR_UNREADABLE);
		assert_int_equal(identity_record_remove(places->files, &places->err),
				 ERR_UNREADABLE);
		/* As wiped: absent, and made again. */
		places_put_folder(places, GONE[i]);
		if (i == 0) {
			assert_int_equal(write_generation(places, 2), 0);
			assert_found(places, IDENTITY_FOUND_WHOLE, 2);
		}
	}
}

static void folders_that_are_none(void **state)
{
	static const struct {
		const char *path;
		bool link;
	} ROWS[] = {{"persist", false},
		    {"config", false},
		    {"persist/holdfast", false},
		    {"persist/holdfast", true}};
	struct places *places = *state;

	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		places_put_folder(places, "persist");
		places_put_folder(places, "config");
		places_put_folder(places, "elsewhere");
		places_delete(places, ROWS[i].path);
		if (ROWS[i].link)
			places_put_link(places, ROWS[i].path, "../elsewhere");
		else
			places_put(places, ROWS[i].path, slice_str("no folder"));
		assert_found(places, IDENTITY_FOUND_UNREADABLE, 0);
		assert_int_equal(write_generation(places, 1), ERR_UNREADABLE);
		assert_int_equal(places_count(places, "elsewhere"), 0);
		places_delete(places, ROWS[i].path);
	}
}

/* The machine's own folders may be links; what is ours in them may not. */
static void links(void **state)
{
	struct places *places = *state;
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(TWIN_MAX);

	places_put_folder(places, "real-config");
	places_put_folder(places, "real-persist");
	places_put_link(places, "config", "real-config");
	places_put_link(places, "persist", "real-persist");
	assert_int_equal(write_generation(places, 1), 0);
	assert_found(places, IDENTITY_FOUND_WHOLE, 1);
	assert_true(places_has(places, "real-config/device.identity.json"));
	places_get(places, COPIES[0], &bytes);
	places_put(places, "elsewhere", buf_slice(&bytes));
	for (size_t i = 0; i < COUNT; i++)
		places_put_link(places, COPIES[i], i < 2 ? "../../elsewhere" : "../elsewhere");
	assert_found(places, IDENTITY_FOUND_UNREADABLE, 0);
	assert_int_equal(write_generation(places, 2), ERR_UNREADABLE);
	assert_int_equal(identity_record_remove(places->files, &places->err), 0);
	assert_int_equal(write_generation(places, 2), 0);
	bytes.len = 0;
	places_get(places, "elsewhere", &bytes);
	assert_non_null(memmem(bytes.data, bytes.len, "\"generation\":1", 14));
}

/* Who is not root may write where he may. */
static void read_only(void **state)
{
	struct places *places = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(write_generation(places, 1), 0);
	assert_int_equal(chmod(places->root, 0755), 0);
	assert_int_equal(chmod(places->config, 0755), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int r = setuid(65534) == 0 ? write_generation(places, 2) : 0;

		_exit(r < 0 && places->err.remedy ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_found(places, IDENTITY_FOUND_WHOLE, 1);
}

static void below_the_state_folder(void **state)
{
	struct places *places = *state;

	places_reopen_below(places);
	assert_found(places, IDENTITY_FOUND_NONE, 0);
	assert_int_equal(identity_record_remove(places->files, &places->err), 0);
	assert_false(places_has(places, "state/device"));
	assert_int_equal(write_generation(places, 1), 0);
	assert_found(places, IDENTITY_FOUND_WHOLE, 1);
	assert_int_equal(places_mode(places, "state/device"), 0700);
	assert_int_equal(places_count(places, "state/device"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACES_TEST(written_is_read),
		PLACES_TEST(every_fate),
		PLACES_TEST(every_flipped_byte),
		PLACES_TEST(config_does_not_win),
		PLACES_TEST(blank_does_not_win),
		PLACES_TEST(odd_records),
		PLACES_TEST(killed_at_every_step),
		PLACES_TEST(full_at_every_step),
		PLACES_TEST(one_place_gone),
		PLACES_TEST(folders_that_are_none),
		PLACES_TEST(links),
		PLACES_TEST(read_only),
		PLACES_TEST(below_the_state_folder),
	};

	return cmocka_run_group_tests_name("identity record", tests, NULL, NULL);
}
