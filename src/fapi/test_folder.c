/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "fapi/impl.h"
#include "tests/support/folder.h"

struct room {
	char top[32];
	char folder[64]; /* not there yet */
	char machine[64];
	struct fapi_place place;
};

static int setup(void **state)
{
	struct room *room = calloc(1, sizeof(*room));

	assert_non_null(room);
	snprintf(room->top, sizeof(room->top), "/tmp/hd-folder-XXXXXX");
	assert_non_null(mkdtemp(room->top));
	snprintf(room->folder, sizeof(room->folder), "%s/state/fapi", room->top);
	snprintf(room->machine, sizeof(room->machine), "%s/machine.json", room->top);
	room->place = (struct fapi_place){.folder = room->folder, .run = "/run/hd/fapi"};
	*state = room;
	return 0;
}

static int teardown(void **state)
{
	struct room *room = *state;

	assert_int_equal(folder_remove_all(room->top), 0);
	free(room);
	return 0;
}

static const char *at(const struct room *room, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", room->folder, name);
	return path;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static json_t *load(const char *path)
{
	json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(json);
	return json;
}

static void assert_text(const json_t *json, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(json, name));

	assert_non_null(text);
	assert_string_equal(text, expected);
}

static int make(const struct room *room, const struct fapi_wish *wish)
{
	struct err err = {0};

	return fapi_folder_make(&room->place, wish, &err);
}

static const struct fapi_wish NO_WISH = {.ek_cert_less = -1};

static void test_made(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
	} there[] = {
		{"", S_IFDIR | 0700},
		{"profiles", S_IFDIR | 0700},
		{"system", S_IFDIR | 0700},
		{"system/policy", S_IFDIR | 0700},
		{"user", S_IFDIR | 0700},
		{"log", S_IFDIR | 0700},
		{FAPI_CONFIG, S_IFREG | 0600},
		{"profiles/P_ECCP256SHA256.json", S_IFREG | 0600},
		{"profiles/P_RSA2048SHA256.json", S_IFREG | 0600},
	};
	struct room *room = *state;
	CLEANUP(json_cleanup) struct json_t *config = NULL;
	struct stat st;
	size_t i;

	assert_int_equal(make(room, &NO_WISH), 0);
	for (i = 0; i < ARRAY_LEN(there); i++) {
		assert_int_equal(lstat(at(room, there[i].name), &st), 0);
		assert_int_equal(st.st_mode, there[i].mode);
	}
	config = load(at(room, FAPI_CONFIG));
	assert_text(config, "profile_name", "P_ECCP256SHA256");
	assert_text(config, "profile_dir", at(room, "profiles"));
	assert_text(config, "user_dir", at(room, "user"));
	assert_text(config, "system_dir", at(room, "system"));
	assert_text(config, "log_dir", at(room, "log"));
	assert_text(config, "tcti", "swtpm:path=/run/hd/fapi/tpm.sock");
	assert_text(config, "ek_cert_less", "yes");
	assert_true(json_is_array(json_object_get(config, "system_pcrs")));
}

/* Both profiles ask for an SRK that power cuts cannot lock, at the handle that all share. */
static void test_profiles(void **state)
{
	static const char *const FILES[] = {"profiles/P_ECCP256SHA256.json",
					    "profiles/P_RSA2048SHA256.json"};
	static const char *const TYPES[] = {"TPM2_ALG_ECC", "TPM2_ALG_RSA"};
	struct room *room = *state;
	size_t i;

	assert_int_equal(make(room, &NO_WISH), 0);
	for (i = 0; i < ARRAY_LEN(FILES); i++) {
		CLEANUP(json_cleanup) struct json_t *profile = load(at(room, FILES[i]));

		assert_text(profile, "type", TYPES[i]);
		assert_text(profile, "nameAlg", "TPM2_ALG_SHA256");
		assert_text(profile, "srk_template", "system,restricted,decrypt,noda,0x81000001");
	}
}

/* What is there stays, byte for byte; what is missing comes back. */
static void test_completed(void **state)
{
	static const struct fapi_wish RSA = {.profile_name = "P_RSA2048SHA256", .ek_cert_less = 0};
	struct room *room = *state;
	CLEANUP(json_cleanup) struct json_t *config = NULL;
	CLEANUP(json_cleanup) struct json_t *profile = NULL;

	assert_int_equal(make(room, &NO_WISH), 0);
	put(at(room, FAPI_CONFIG), "{\"mine\":\"yes\"}");
	put(at(room, "profiles/P_ECCP256SHA256.json"), "{\"mine\":\"too\"}");
	assert_int_equal(unlink(at(room, "profiles/P_RSA2048SHA256.json")), 0);
	assert_int_equal(rmdir(at(room, "system/policy")), 0);
	assert_int_equal(make(room, &RSA), 0);
	config = load(at(room, FAPI_CONFIG));
	assert_text(config, "mine", "yes");
	profile = load(at(room, "profiles/P_ECCP256SHA256.json"));
	assert_text(profile, "mine", "too");
	assert_int_equal(access(at(room, "profiles/P_RSA2048SHA256.json"), F_OK), 0);
	assert_int_equal(access(at(room, "system/policy"), F_OK), 0);
}

#define ECC "P_ECCP256SHA256"
#define RSA "P_RSA2048SHA256"

static void test_wishes(void **state)
{
	static const struct {
		const char *profile_name;
		int ek_cert_less;
		const char *machine;
		const char *profile, *cert_less;
	} cases[] = {
		{NULL, -1, "{}", ECC, "yes"},
		{NULL, -1, "{\"profile_name\":\"" RSA "\"}", RSA, "yes"},
		{NULL, -1, "{\"profile_name\":\"" RSA "\",\"ek_cert_less\":\"no\"}", RSA, "no"},
		{NULL, -1, "{\"ek_cert_less\":\"NO\"}", ECC, "no"},
		{NULL, -1, "{\"ek_cert_less\":\"yes\"}", ECC, "yes"},
		{NULL, -1, "{\"ek_cert_less\":0}", ECC, "no"},
		{NULL, 1, "{\"ek_cert_less\":\"no\"}", ECC, "yes"},
		{NULL, 0, "{}", ECC, "no"},
		{ECC, -1, "{\"profile_name\":\"" RSA "\"}", ECC, "yes"},
		{RSA, 1, "not read at all", RSA, "yes"},
		/* What we do not serve, or cannot make sense of, has no say. */
		{NULL, -1, "{\"profile_name\":\"P_RSA3072SHA384\"}", ECC, "yes"},
		{NULL, -1, "{\"profile_name\":7,\"ek_cert_less\":[]}", ECC, "yes"},
		{NULL, -1, NULL, ECC, "yes"},
	};
	struct room *room = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		const struct fapi_wish wish = {
			.profile_name = cases[i].profile_name,
			.ek_cert_less = cases[i].ek_cert_less,
			.machine = room->machine,
		};
		CLEANUP(json_cleanup) struct json_t *config = NULL;

		(void)unlink(at(room, FAPI_CONFIG));
		(void)unlink(room->machine);
		if (cases[i].machine)
			put(room->machine, cases[i].machine);
		assert_int_equal(make(room, &wish), 0);
		config = load(at(room, FAPI_CONFIG));
		assert_text(config, "profile_name", cases[i].profile);
		assert_text(config, "ek_cert_less", cases[i].cert_less);
	}
}

static void test_refused(void **state)
{
	struct room *room = *state;
	const struct fapi_wish unknown = {.profile_name = "P_X", .ek_cert_less = -1};
	const struct fapi_wish machine = {.machine = room->machine, .ek_cert_less = -1};
	static const struct {
		const char *run;
		int code;
	} places[] = {
		{"run", ERR_INVALID},
		{"/run/a,b", ERR_INVALID},
		{"/run/0123456789012345678901234567890123456789012345678901234567890123456789"
		 "0123456789012345678901234567890123456789",
		 ERR_INVALID},
	};
	CLEANUP(mem_free_cleanup) char *big = malloc(100000);
	size_t i;

	assert_non_null(big);
	assert_int_equal(make(room, &unknown), ERR_NOT_SUPPORTED);
	put(room->machine, "{\"profile_name\": ");
	assert_int_equal(make(room, &machine), ERR_INVALID);
	memset(big, ' ', 100000);
	big[99999] = '\0';
	put(room->machine, big);
	assert_int_equal(make(room, &machine), ERR_TOO_LARGE);
	assert_int_not_equal(access(at(room, FAPI_CONFIG), F_OK), 0);
	for (i = 0; i < ARRAY_LEN(places); i++) {
		room->place.run = places[i].run;
		assert_int_equal(make(room, &NO_WISH), places[i].code);
	}
}

/* A path with every odd character comes back as it went in. */
static void test_odd_path(void **state)
{
	struct room *room = *state;
	CLEANUP(json_cleanup) struct json_t *config = NULL;

	snprintf(room->folder, sizeof(room->folder), "%s/a \"b\\\xc3\xa4", room->top);
	assert_int_equal(make(room, &NO_WISH), 0);
	config = load(at(room, FAPI_CONFIG));
	assert_text(config, "user_dir", at(room, "user"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_profiles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_completed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wishes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_path, setup, teardown),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
