/* SPDX-License-Identifier: Apache-2.0 */
/* FAPI's files for tenants: what is copied, and what in a tenant's folder is left alone. */
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
#include "fapi/share.h"
#include "tests/support/folder.h"

#define PROFILE "P_ECCP256SHA256"

static const char *const RECORDS[] = {"HE", "HE/EK", "HN", "HS", "HS/SRK", "LOCKOUT"};

struct world {
	char dir[64];
	char folder[96];
	char tenant[96];
	int fd; /* of the tenant's folder */
	struct fapi_place place;
	struct err err;
};

static void write_text(const char *folder, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void put_record(const struct world *world, const char *name, const char *text)
{
	char path[512];
	size_t i;

	snprintf(path, sizeof(path), "%s/system/" PROFILE "/%s/", world->folder, name);
	for (i = 1; path[i] != '\0'; i++) {
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		(void)mkdir(path, 0700);
		path[i] = '/';
	}
	write_text(path, "object.json", text);
}

static int make(void **state)
{
	const struct fapi_wish wish = {.profile_name = PROFILE, .ek_cert_less = 1};
	struct world *world = calloc(1, sizeof(*world));

	json_setup();
	assert_non_null(world);
	snprintf(world->dir, sizeof(world->dir), "/tmp/holdfast-share.XXXXXX");
	assert_non_null(mkdtemp(world->dir));
	snprintf(world->folder, sizeof(world->folder), "%s/fapi", world->dir);
	snprintf(world->tenant, sizeof(world->tenant), "%s/web", world->dir);
	world->place =
		(struct fapi_place){.program = "/p", .folder = world->folder, .run = "/run/x"};
	assert_int_equal(fapi_folder_make(&world->place, &wish, &world->err), 0);
	assert_int_equal(mkdir(world->tenant, 0755), 0);
	world->fd = open(world->tenant, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(world->fd >= 0);
	*state = world;
	return 0;
}

static int drop(void **state)
{
	struct world *world = *state;

	close(world->fd);
	assert_int_equal(folder_remove_all(world->dir), 0);
	free(world);
	return 0;
}

static void provision(const struct world *world, const char *text)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(RECORDS); i++)
		put_record(world, RECORDS[i], text);
}

static int share(struct world *world)
{
	CLEANUP(fapi_share_cleanup) struct fapi_share *made = NULL;
	int r = fapi_share_new(&world->place, &made, &world->err);

	return r < 0 ? r : fapi_share_write(made, world->fd, &world->err);
}

static void assert_text(const struct world *world, const char *name, const char *expected)
{
	char path[512], text[256] = {0};
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", world->tenant, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, expected);
}

static bool is_there(const struct world *world, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", world->tenant, name);
	return access(path, F_OK) == 0;
}

static void before_provisioning_there_is_nothing(void **state)
{
	struct world *world = *state;

	assert_int_equal(share(world), ERR_NOT_FOUND);
	put_record(world, "HS", "{}");
	assert_int_equal(share(world), ERR_NOT_FOUND);
	assert_false(is_there(world, FAPI_CONFIG));
	assert_false(is_there(world, FAPI_SHARE));
}

static void all_that_fapi_needs(void **state)
{
	struct world *world = *state;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	char path[512];
	size_t i;

	provision(world, "{\"a\": 1}");
	put_record(world, "HS/SRK/operator", "{\"secret\": 1}");
	assert_int_equal(share(world), 0);
	for (i = 0; i < ARRAY_LEN(RECORDS); i++) {
		snprintf(path, sizeof(path), FAPI_SHARE "/system/" PROFILE "/%s/object.json",
			 RECORDS[i]);
		assert_text(world, path, "{\"a\": 1}");
	}
	assert_true(is_there(world, FAPI_SHARE "/profiles/" PROFILE ".json"));
	assert_true(is_there(world, FAPI_SHARE "/system/policy"));
	/* What is not the service's own record stays at home. */
	assert_false(is_there(world, FAPI_SHARE "/system/" PROFILE "/HS/SRK/operator"));
	snprintf(path, sizeof(path), "%s/" FAPI_CONFIG, world->tenant);
	json = json_load_file(path, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "tcti")),
			    "swtpm:path=/run/holdfast/tpm.sock");
	assert_string_equal(json_string_value(json_object_get(json, "profile_name")), PROFILE);
	assert_string_equal(json_string_value(json_object_get(json, "ek_cert_less")), "yes");
	/* Anew: in the place of the old. */
	provision(world, "{\"a\": 2}");
	assert_int_equal(share(world), 0);
	assert_text(world, FAPI_SHARE "/system/" PROFILE "/HE/EK/object.json", "{\"a\": 2}");
	/* And away. */
	fapi_share_remove(world->fd);
	assert_false(is_there(world, FAPI_CONFIG));
	assert_false(is_there(world, FAPI_SHARE));
	fapi_share_remove(world->fd);
}

static void what_is_torn_is_not_shared(void **state)
{
	struct world *world = *state;

	provision(world, "{}");
	put_record(world, "HS/SRK", "{\"a\": ");
	assert_int_equal(share(world), ERR_DAMAGED);
	assert_false(is_there(world, FAPI_CONFIG));
}

static void nothing_is_followed(void **state)
{
	struct world *world = *state;
	char path[512], elsewhere[256];

	provision(world, "{}");
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", world->dir);
	assert_int_equal(mkdir(elsewhere, 0755), 0);
	write_text(elsewhere, "precious", "precious");
	snprintf(path, sizeof(path), "%s/" FAPI_SHARE, world->tenant);
	assert_int_equal(symlink(elsewhere, path), 0);
	assert_true(share(world) < 0);
	fapi_share_remove(world->fd);
	assert_false(is_there(world, FAPI_SHARE));
	snprintf(path, sizeof(path), "%.255s/precious", elsewhere);
	assert_int_equal(access(path, F_OK), 0);
	/* A configuration that is a link is replaced by one that is none. */
	snprintf(elsewhere, sizeof(elsewhere), "%s/" FAPI_CONFIG, world->tenant);
	assert_int_equal(symlink(path, elsewhere), 0);
	assert_int_equal(share(world), 0);
	assert_int_equal(readlink(elsewhere, path, sizeof(path)), -1);
}

/* A folder that somebody filled is not emptied for ever. */
static void a_full_folder_stays(void **state)
{
	struct world *world = *state;
	char path[512];
	unsigned i;

	snprintf(path, sizeof(path), "%s/" FAPI_SHARE, world->tenant);
	assert_int_equal(mkdir(path, 0755), 0);
	for (i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		write_text(path, name, "");
	}
	fapi_share_remove(world->fd);
	assert_true(is_there(world, FAPI_SHARE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(before_provisioning_there_is_nothing),
		TEST(all_that_fapi_needs),
		TEST(what_is_torn_is_not_shared),
		TEST(nothing_is_followed),
		TEST(a_full_folder_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
