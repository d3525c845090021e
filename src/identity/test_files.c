/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate, the software pair, the marker, and what a reset takes away. */

#include "identity/test_places.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY	   "config/device.key.pem"
#define CERT	   "config/device.cert.pem"
#define PREVIOUS   "persist/holdfast/previous"
#define QUARANTINE "persist/holdfast/quarantine"
#define MARKER	   "persist/config/tpm_in_use"
#define RUN_MARKER "run/tpm_in_use"

/* --- places --- */

static void where_they_are(void **state)
{
	static const char *const BAD[] = {"relative", "./x"};
	struct places *places = *state;
	struct identity_places where = {
		.config = "", .persist = "", .run = places->run, .state = places->state};
	struct stat st;
	bool both = stat("/config", &st) == 0 && S_ISDIR(st.st_mode) &&
		    stat("/persist", &st) == 0 && S_ISDIR(st.st_mode);
	struct identity_files *files = NULL;
	char below[128];

	assert_string_equal(identity_files_config(places->files), places->config);
	assert_string_equal(identity_files_persist(places->files), places->persist);
	(void)snprintf(below, sizeof(below), "%s/device", places->state);
	assert_int_equal(identity_files_new(&where, &files, &places->err), 0);
	assert_string_equal(identity_files_config(files), both ? "/config" : below);
	assert_string_equal(identity_files_persist(files), both ? "/persist" : below);
	identity_files_free(TAKE(files));
	for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
		where.config = BAD[i];
		assert_int_equal(identity_files_new(&where, &files, &places->err), ERR_INVALID);
		where.config = "";
	}
	where.run = "";
	assert_int_equal(identity_files_new(&where, &files, &places->err), ERR_INVALID);
	assert_null(files);
}

/* --- folders of the machine, as the test says that they are --- */

static struct {
	bool faked;
	int config, persist; /* 0 = there; else how they cannot be opened */
	const struct places *places;
} machine;

int __real_file_open_dir(int at, const char *path, bool create, mode_t mode, int *ret_fd,
			 struct err *err);
int __wrap_file_open_dir(int at, const char *path, bool create, mode_t mode, int *ret_fd,
			 struct err *err);

int __wrap_file_open_dir(int at, const char *path, bool create, mode_t mode, int *ret_fd,
			 struct err *err)
{
	bool config = strcmp(path, "/config/.") == 0, persist = strcmp(path, "/persist/.") == 0;
	int code = config ? machine.config : machine.persist;

	if (!machine.faked || (!config && !persist))
		return __real_file_open_dir(at, path, create, mode, ret_fd, err);
	if (code)
		return err_set(err, code, "as the test says");
	return __real_file_open_dir(AT_FDCWD,
				    config ? machine.places->config : machine.places->persist,
				    create, mode, ret_fd, err);
}

/* What of "" becomes of it: below the state folder, the machine's, or an error. */
static void which_folders(struct places *places, int wanted, bool below, bool told)
{
	struct identity_places where = {
		.config = "", .persist = "", .run = places->run, .state = places->state};
	struct identity_files *files = NULL;
	char device[128];

	(void)snprintf(device, sizeof(device), "%s/device", places->state);
	machine.faked = true;
	assert_int_equal(identity_files_new(&where, &files, &places->err), wanted);
	machine.faked = false;
	if (wanted) {
		assert_null(files);
		return;
	}
	assert_string_equal(identity_files_config(files), below ? device : "/config");
	assert_string_equal(identity_files_persist(files), below ? device : "/persist");
	assert_int_equal(identity_files_problem(files)[0] != '\0', told);
	identity_files_free(files);
}

static void folders_of_the_machine(void **state)
{
	static const struct {
		int config, persist, wanted;
		bool below;
	} ROWS[] = {
		{0, 0, 0, false},
		{ERR_NOT_FOUND, ERR_NOT_FOUND, 0, true},
		{0, ERR_NOT_FOUND, 0, true},
		{ERR_NOT_FOUND, 0, 0, true},
		{ERR_UNREADABLE, ERR_NOT_FOUND, 0, true},
		/* Who cannot look does not take another folder. */
		{ERR_UNREADABLE, 0, ERR_UNREADABLE, false},
		{0, ERR_UNREADABLE, ERR_UNREADABLE, false},
		{ERR_NOT_FOUND, ERR_UNREADABLE, ERR_UNREADABLE, false},
	};
	struct places *places = *state;

	machine.places = places;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		machine.config = ROWS[i].config;
		machine.persist = ROWS[i].persist;
		which_folders(places, ROWS[i].wanted, ROWS[i].below, false);
	}
}

/* The machine's folders appear after an identity was made without them. */
static void folders_appear(void **state)
{
	static const char *const BELOW[] = {"state/device/holdfast/identity.json",
					    "state/device/device.identity.json.copy"};
	struct places *places = *state;

	machine.places = places;
	machine.config = machine.persist = 0;
	for (size_t i = 0; i < ARRAY_LEN(BELOW); i++) {
		places_put_folder(places, "persist/holdfast");
		places_put_folder(places, "state/device");
		places_put_folder(places, "state/device/holdfast");
		which_folders(places, 0, false, false);
		places_put(places, BELOW[i], slice_str("whatever it says"));
		which_folders(places, 0, true, true);
		/* Who can write config alone does not move it. */
		places_put(places, "config/device.identity.json", slice_str("dropped"));
		which_folders(places, 0, true, true);
		/* An identity of the machine's folders is not lost for one start without them. */
		places_put(places, "persist/holdfast/identity.json.copy", slice_str("older"));
		which_folders(places, 0, false, false);
	}
}

/* What a killed writer left may be a key. */
static void leftovers_are_swept(void **state)
{
	struct places *places = *state;

	static const char *const OURS[] = {
		"config/.tmp-1-1-device.key.pem", "config/.tmp-77-0-device.cert.pem",
		"config/.tmp-1-2-device.identity.json.copy", "persist/config/.tmp-1-3-tpm_in_use",
		"persist/holdfast/.tmp-1-4-identity.json"};
	static const char *const OTHERS[] = {"config/other",
					     "config/.tmp-1-1",
					     "config/.tmp-1-1-grub.cfg",
					     "config/.tmp-x-1-device.key.pem",
					     "config/.tmp-device.key.pem",
					     "persist/config/.tmp-1-3-device.key.pem"};
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(64);
	char held[16], key[PATH_MAX];
	int fd;

	places_put_folder(places, "persist/holdfast");
	places_put_folder(places, "persist/config");
	for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
		places_put(places, OURS[i], slice_str("half a key"));
	for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++)
		places_put(places, OTHERS[i], slice_str("half a key"));
	/* Held open, to see that the bytes of the key are overwritten and not only unlinked. */
	(void)snprintf(key, sizeof(key), "%s/%s", places->root, OURS[0]);
	fd = open(key, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	places_reopen(places);
	assert_int_equal(pread(fd, held, sizeof(held), 0), 10);
	assert_null(memmem(held, 10, "key", 3));
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
		assert_false(places_has(places, OURS[i]));
	for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++) {
		buf_reset(&bytes);
		places_get(places, OTHERS[i], &bytes);
		assert_true(slice_equal(buf_slice(&bytes), slice_str("half a key")));
	}
}

/* --- the certificate --- */

static int read_certificate(struct places *places)
{
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);
	int r = identity_certificate_read(places->files, &chain, &places->err);

	if (r == 0)
		assert_true(slice_equal(buf_slice(&chain), buf_slice(&places->chain)));
	else
		assert_int_equal(chain.len, 0);
	return r;
}

static void certificates(void **state)
{
	static const char *const BAD[] = {
		"", "no certificate",
		"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"};
	static char huge[200000];
	struct places *places = *state;

	assert_int_equal(read_certificate(places), ERR_NOT_FOUND);
	assert_int_equal(identity_certificate_retire(places->files, &places->err), 0);
	assert_int_equal(identity_certificate_write(places->files, slice_of(NULL, 0), &places->err),
			 ERR_INVALID);
	assert_true(identity_certificate_write(places->files, slice_str("x"), &places->err) < 0);
	assert_false(places_has(places, CERT));
	assert_int_equal(
		identity_certificate_write(places->files, buf_slice(&places->chain), &places->err),
		0);
	assert_int_equal(places_mode(places, CERT), 0644);
	assert_int_equal(read_certificate(places), 0);
	for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
		places_put(places, CERT, slice_str(BAD[i]));
		assert_int_equal(read_certificate(places), ERR_DAMAGED);
	}
	memset(huge, '\n', sizeof(huge) - 1);
	places_put(places, CERT, slice_str(huge));
	assert_int_equal(read_certificate(places), ERR_DAMAGED);
	places_put_folder(places, CERT);
	assert_int_equal(read_certificate(places), ERR_UNREADABLE);
	places_put_link(places, CERT, "elsewhere.pem");
	assert_int_equal(read_certificate(places), ERR_UNREADABLE);
	places_delete(places, "config");
	assert_int_equal(read_certificate(places), ERR_UNREADABLE);
}

static void retire_one(struct places *places, enum disk_fault fault)
{
	assert_int_equal(
		identity_certificate_write(places->files, buf_slice(&places->chain), &places->err),
		0);
	disk_set(fault, 0);
	assert_int_equal(identity_certificate_retire(places->files, &places->err), 0);
	disk_set(DISK_GOOD, 0);
	assert_false(places_has(places, CERT));
}

/* A copy is put aside, and the file is there all the time. */
static void kept(void **state)
{
	struct places *places = *state;

	assert_int_equal(identity_certificate_keep(places->files, &places->err), 0);
	assert_int_equal(
		identity_certificate_write(places->files, buf_slice(&places->chain), &places->err),
		0);
	for (size_t i = 1; i <= 2; i++) {
		assert_int_equal(identity_certificate_keep(places->files, &places->err), 0);
		assert_int_equal(read_certificate(places), 0);
		assert_int_equal(places_count(places, PREVIOUS), i);
	}
	places_put(places, CERT, slice_str("none"));
	assert_int_equal(identity_certificate_keep(places->files, &places->err), 0);
	assert_true(places_has(places, CERT));
	assert_int_equal(places_count(places, PREVIOUS), 2);
	assert_int_equal(places_count(places, "persist/holdfast/quarantine"), 1);
}

/* Several in one second, on one file system or two; what is none goes to the quarantine. */
static void retired(void **state)
{
	struct places *places = *state;

	for (size_t i = 1; i <= 6; i++) {
		retire_one(places, i & 1 ? DISK_GOOD : DISK_OTHER);
		assert_int_equal(places_count(places, PREVIOUS), i);
	}
	assert_int_equal(places_mode(places, PREVIOUS), 0700);
	places_put(places, CERT, slice_str("none"));
	assert_int_equal(identity_certificate_retire(places->files, &places->err), 0);
	assert_int_equal(places_count(places, PREVIOUS), 6);
	assert_int_equal(places_count(places, QUARANTINE), 1);
}

/* --- the software pair --- */

static int read_key(struct places *places)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	int r = identity_soft_read(places->files, &key, &places->err);

	if (r == 0) {
		assert_int_equal(pkey_to_spki(key, &spki, &places->err), 0);
		assert_true(slice_equal(buf_slice(&spki), buf_slice(&places->spki)));
	} else {
		assert_null(key);
	}
	return r;
}

static void write_key(struct places *places)
{
	assert_int_equal(identity_soft_write(places->files, places->key, &places->err), 0);
	assert_int_equal(places_mode(places, KEY), 0600);
	assert_int_equal(read_key(places), 0);
}

static void software_key(void **state)
{
	static const char *const BAD[] = {
		"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"};
	struct places *places = *state;
	CLEANUP(pkey_cleanup) struct pkey *other = NULL;
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(4096);

	assert_int_equal(read_key(places), ERR_NOT_FOUND);
	assert_int_equal(identity_soft_erase(places->files, &places->err), 0);
	write_key(places);
	for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
		places_put(places, KEY, slice_str(BAD[i]));
		assert_int_equal(read_key(places), ERR_DAMAGED);
	}
	assert_int_equal(pkey_generate(PKEY_ECC_P384, &other, &places->err), 0);
	assert_int_equal(identity_soft_write(places->files, other, &places->err), ERR_INVALID);
	assert_int_equal(pkey_to_pkcs8_pem(other, NULL, &pem, &places->err), 0);
	places_put(places, KEY, buf_slice(&pem));
	assert_int_equal(read_key(places), ERR_DAMAGED);
	places_put_folder(places, KEY);
	assert_int_equal(read_key(places), ERR_UNREADABLE);
	assert_true(identity_soft_write(places->files, places->key, &places->err) < 0);
	places_put(places, "elsewhere", buf_slice(&pem));
	places_put_link(places, KEY, "../elsewhere");
	assert_int_equal(read_key(places), ERR_UNREADABLE);
	/* A link goes, what it leads to stays. */
	assert_int_equal(identity_soft_erase(places->files, &places->err), 0);
	assert_false(places_has(places, KEY));
	pem.len = 0;
	places_get(places, "elsewhere", &pem);
	assert_true(pem.len > 0 && pem.data[0] == '-');
}

/* As openssl ecparam -genkey and Go write it: of the curve's base point, whose scalar is 1. */
static void key_of_other_software(void **state)
{
	static const char PEM[] =
		"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
		"-----BEGIN EC PRIVATE KEY-----\n"
		"MHcCAQEEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABoAoGCCqGSM49\n"
		"AwEHoUQDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/\n"
		"m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
		"-----END EC PRIVATE KEY-----\n";
	struct places *places = *state;
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;

	places_put(places, KEY, slice_str(PEM));
	assert_int_equal(identity_soft_read(places->files, &key, &places->err), 0);
	assert_int_equal(pkey_type(key), PKEY_ECC_P256);
}

/* The bytes of an erased file are seen through a second descriptor. */
static void erased_is_overwritten(void **state)
{
	struct places *places = *state;
	char path[128];
	FILE *still;
	int c;

	write_key(places);
	(void)snprintf(path, sizeof(path), "%s/%s", places->root, KEY);
	still = fopen(path, "re");
	assert_non_null(still);
	assert_int_equal(identity_soft_erase(places->files, &places->err), 0);
	assert_false(places_has(places, KEY));
	while ((c = fgetc(still)) != EOF)
		assert_int_equal(c, 0);
	assert_int_equal(fclose(still), 0);
}

static void quarantined(void **state)
{
	static const enum disk_fault FAULTS[] = {DISK_GOOD, DISK_OTHER};
	struct places *places = *state;

	assert_int_equal(identity_soft_quarantine(places->files, true, &places->err), 0);
	for (size_t i = 0; i < ARRAY_LEN(FAULTS); i++) {
		places_delete(places, QUARANTINE);
		write_key(places);
		assert_int_equal(identity_certificate_write(
					 places->files, buf_slice(&places->chain), &places->err),
				 0);
		disk_set(FAULTS[i], 0);
		assert_int_equal(identity_soft_quarantine(places->files, false, &places->err), 0);
		assert_false(places_has(places, KEY));
		assert_true(places_has(places, CERT));
		assert_int_equal(places_count(places, QUARANTINE), 1);
		assert_int_equal(identity_soft_quarantine(places->files, true, &places->err), 0);
		disk_set(DISK_GOOD, 0);
		assert_false(places_has(places, CERT));
		assert_int_equal(places_count(places, QUARANTINE), 2);
	}
	/* What cannot be carried onto another file system stops counting all the same. */
	places_put_folder(places, KEY);
	disk_set(DISK_OTHER, 0);
	assert_int_equal(identity_soft_quarantine(places->files, false, &places->err), 0);
	assert_false(places_has(places, KEY));
	assert_int_equal(places_count(places, "config"), 1);
	disk_set(DISK_GOOD, 0);
	write_key(places);
	places_delete(places, "persist");
	assert_int_equal(identity_soft_quarantine(places->files, false, &places->err),
			 ERR_UNREADABLE);
	assert_int_equal(read_key(places), 0);
}

static void full_disk(void **state)
{
	struct places *places = *state;
	const struct identity_marker marker = {
		.mode = "enabled", .key_name = slice_str("n"), .boot_id = "b", .time = "t"};

	for (unsigned step = 0; step < 2; step++) {
		disk_set(DISK_FULL, step);
		assert_true(identity_soft_write(places->files, places->key, &places->err) < 0);
		disk_set(DISK_FULL, step);
		assert_int_equal(identity_certificate_write(
					 places->files, buf_slice(&places->chain), &places->err),
				 ERR_DISK_FULL);
		disk_set(DISK_FULL, step);
		assert_int_equal(identity_marker_write(places->files, &marker, &places->err),
				 ERR_DISK_FULL);
		disk_set(DISK_GOOD, 0);
		assert_int_equal(places_count(places, "config"), 0);
	}
}

/* --- the marker --- */

static void markers(void **state)
{
	static const uint8_t NAME[] = {0x00, 0x0b, 0xaa};
	static const char TEXT[] =
		"{\"mode\":\"enabled\",\"key_name\":\"000baa\",\"boot_id\":\"b-1\","
		"\"time\":\"2026-01-02T03:04:05Z\"}\n";
	struct places *places = *state;
	struct identity_marker marker = {.mode = "enabled",
					 .key_name = slice_of(NAME, sizeof(NAME)),
					 .boot_id = "b-1",
					 .time = "2026-01-02T03:04:05Z"};
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf copy = BUF_INIT(4096);

	assert_false(identity_marker_is(places->files, &marker));
	assert_int_equal(identity_marker_remove(places->files, &places->err), 0);
	assert_int_equal(identity_marker_write(places->files, &marker, &places->err), 0);
	places_get(places, MARKER, &text);
	places_get(places, RUN_MARKER, &copy);
	assert_true(slice_equal(buf_slice(&text), slice_str(TEXT)));
	assert_true(slice_equal(buf_slice(&copy), slice_str(TEXT)));
	assert_int_equal(places_mode(places, MARKER), 0644);
	assert_int_equal(places_mode(places, RUN_MARKER), 0644);
	assert_int_equal(places_mode(places, "persist/config"), 0755);
	marker.boot_id = "b-2";
	marker.time = "later";
	assert_true(identity_marker_is(places->files, &marker));
	marker.mode = "degraded";
	assert_false(identity_marker_is(places->files, &marker));
	marker.mode = "enabled";
	marker.key_name.len = 2;
	assert_false(identity_marker_is(places->files, &marker));
	marker.key_name.len = 3;
	places_put(places, MARKER,
		   slice_str("{\"mode\":\"enabled\",\"key_name\":\"000baa\",\"x\":1}"));
	assert_false(identity_marker_is(places->files, &marker));
	places_put(places, MARKER, slice_str(""));
	assert_false(identity_marker_is(places->files, &marker));
	places_put(places, "elsewhere", slice_str(TEXT));
	places_put_link(places, MARKER, "../../elsewhere");
	assert_false(identity_marker_is(places->files, &marker));
	/* It is written in the link's place. */
	assert_int_equal(identity_marker_write(places->files, &marker, &places->err), 0);
	assert_true(identity_marker_is(places->files, &marker));
	text.len = 0;
	places_get(places, "elsewhere", &text);
	assert_true(slice_equal(buf_slice(&text), slice_str(TEXT)));
	assert_int_equal(identity_marker_remove(places->files, &places->err), 0);
	assert_false(places_has(places, MARKER) || places_has(places, RUN_MARKER));
	/* Before the machine's folder is there, the other copy is. */
	places_delete(places, "persist");
	assert_int_equal(identity_marker_write(places->files, &marker, &places->err),
			 ERR_UNREADABLE);
	assert_true(places_has(places, RUN_MARKER));
}

/* --- a reset --- */

static void fill(struct places *places)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	const struct identity_marker marker = {
		.mode = "enabled", .key_name = slice_str("n"), .boot_id = "b", .time = "t"};

	retire_one(places, DISK_GOOD);
	write_key(places);
	assert_int_equal(identity_soft_quarantine(places->files, false, &places->err), 0);
	places_put_folder(places, KEY);
	disk_set(DISK_OTHER, 0); /* leaves the folder under another name */
	assert_int_equal(identity_soft_quarantine(places->files, false, &places->err), 0);
	disk_set(DISK_GOOD, 0);
	write_key(places);
	assert_int_equal(
		identity_certificate_write(places->files, buf_slice(&places->chain), &places->err),
		0);
	places_record(places, 1, &record);
	assert_int_equal(identity_record_write(places->files, &record, &places->err), 0);
	assert_int_equal(identity_marker_write(places->files, &marker, &places->err), 0);
	places_put(places, "config/device.key.pem.unreadable-1", slice_str("ours"));
	places_put(places, "config/device.key.pem.old", slice_str("somebody's"));
	places_put(places, "config/server", slice_str("somebody's"));
}

static void everything_is_erased(void **state)
{
	struct places *places = *state;

	assert_int_equal(identity_files_erase(places->files, &places->err), 0);
	fill(places);
	places_put(places, "persist/holdfast/identity.journal", slice_str("stays"));
	assert_int_equal(identity_files_erase(places->files, &places->err), 0);
	/* Two of somebody, and a folder that is no key. */
	assert_int_equal(places_count(places, "config"), 3);
	assert_true(places_has(places, "config/device.key.pem.old"));
	assert_true(places_has(places, "config/server"));
	assert_true(places_has(places, "persist/holdfast/identity.journal"));
	assert_int_equal(places_count(places, PREVIOUS), 0);
	assert_int_equal(places_count(places, QUARANTINE), 0);
	assert_int_equal(places_count(places, "persist/config"), 0);
	assert_int_equal(places_count(places, "run"), 0);
	assert_int_equal(places_count(places, "persist/holdfast"), 3);
	places_delete(places, "persist");
	assert_int_equal(identity_files_erase(places->files, &places->err), ERR_UNREADABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACES_TEST(where_they_are),
		PLACES_TEST(folders_of_the_machine),
		PLACES_TEST(folders_appear),
		PLACES_TEST(leftovers_are_swept),
		PLACES_TEST(kept),
		PLACES_TEST(certificates),
		PLACES_TEST(retired),
		PLACES_TEST(software_key),
		PLACES_TEST(key_of_other_software),
		PLACES_TEST(erased_is_overwritten),
		PLACES_TEST(quarantined),
		PLACES_TEST(full_disk),
		PLACES_TEST(markers),
		PLACES_TEST(everything_is_erased),
	};

	return cmocka_run_group_tests_name("identity files", tests, NULL, NULL);
}
