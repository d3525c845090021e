/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/json.h"
#include "fapi/impl.h"
#include "tests/support/folder.h"

/* As FAPI 3.2 writes them, without creation data; the numbers are those of an emulator. */
#define SRK_NAME "000b1b7aa35b42c6649458f16a200b3a3f853e6bb277abdba8f44975c560d21d2dac"
#define SRK_PUBLIC                                                                                 \
	"005a0023000b0003047200000006008000430010000300100020"                                     \
	"243eef1954251cc93585e1445d139d68236de32419108d7d6369eda3a13d32ac"                         \
	"0020e47635e18052894b3816e1236083f26ff2f7c586147698062d753d040646997c"
#define SRK                                                                                        \
	"{\"objectType\":1,\"system\":\"YES\",\"with_auth\":\"NO\",\n"                             \
	"\"persistent_handle\":2164260865,\n"                                                      \
	"\"public\":{\"size\":90,\"publicArea\":{\"type\":\"ECC\",\"nameAlg\":\"SHA256\",\n"       \
	"\"objectAttributes\":{\"fixedTPM\":1,\"stClear\":0,\"fixedParent\":1,\n"                  \
	"\"sensitiveDataOrigin\":1,\"userWithAuth\":1,\"adminWithPolicy\":0,\"noDA\":1,\n"         \
	"\"encryptedDuplication\":0,\"restricted\":1,\"decrypt\":1,\"sign\":0},\n"                 \
	"\"authPolicy\":\"\",\"parameters\":{\n"                                                   \
	"\"symmetric\":{\"algorithm\":\"AES\",\"keyBits\":128,\"mode\":\"CFB\"},\n"                \
	"\"scheme\":{\"scheme\":\"NULL\"},\"curveID\":\"NIST_P256\",\n"                            \
	"\"kdf\":{\"scheme\":\"NULL\"}},\"unique\":{\n"                                            \
	"\"x\":\"243eef1954251cc93585e1445d139d68236de32419108d7d6369eda3a13d32ac\",\n"            \
	"\"y\":\"e47635e18052894b3816e1236083f26ff2f7c586147698062d753d040646997c\"}}},\n"         \
	"\"serialization\":\"\",\"policyInstance\":\"\",\"name\":\"" SRK_NAME "\"}"

#define SEALED_NAME "000bc065cd79e1cb5cd7cf2296f0e686493fb3d303c4110c9ca266b663509b7d05d8"
#define SEALED_PUBLIC                                                                              \
	"002e0008000b0000045200000010"                                                             \
	"0020df2fc6e6878abab91981466eefcae154e2217fd3371de6cb662080ab58fd2d67"
#define SEALED                                                                                     \
	"{\"objectType\":1,\"system\":\"NO\",\"with_auth\":\"YES\",\"persistent_handle\":0,\n"     \
	"\"public\":{\"size\":46,\"publicArea\":{\"type\":\"KEYEDHASH\",\n"                        \
	"\"nameAlg\":\"SHA256\",\"objectAttributes\":{\"fixedTPM\":1,\"fixedParent\":1,\n"         \
	"\"userWithAuth\":1,\"noDA\":1},\"authPolicy\":\"\",\n"                                    \
	"\"parameters\":{\"scheme\":{\"scheme\":\"NULL\"}},\n"                                     \
	"\"unique\":\"df2fc6e6878abab91981466eefcae154e2217fd3371de6cb662080ab58fd2d67\"}},\n"     \
	"\"private\":\"0020ab\",\"name\":\"" SEALED_NAME "\"}"

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);

	hex_encode(&text, slice_of(bytes, len));
	buf_put_u8(&text, '\0');
	assert_true(buf_ok(&text));
	assert_string_equal((const char *)text.data, expected);
}

/* --- the text alone --- */

static void test_storage_key(void **state)
{
	struct fapi_record record;
	struct err err;

	(void)state;
	assert_int_equal(fapi_object_parse(slice_str(SRK), &record, &err), 0);
	assert_int_equal(record.persistent_handle, 0x81000001);
	assert_true(record.storage);
	assert_false(record.sealed || record.with_auth || record.with_policy);
	assert_hex(record.public_part, record.public_len, SRK_PUBLIC);
	assert_hex(record.name, record.name_len, SRK_NAME);
	assert_int_equal(record.private_len, 0);
}

static void test_sealed(void **state)
{
	struct fapi_record record;
	struct err err;

	(void)state;
	assert_int_equal(fapi_object_parse(slice_str(SEALED), &record, &err), 0);
	assert_int_equal(record.persistent_handle, 0);
	assert_true(record.sealed && record.with_auth);
	assert_false(record.storage || record.with_policy);
	assert_hex(record.public_part, record.public_len, SEALED_PUBLIC);
	assert_hex(record.private_part, record.private_len, "00030020ab");
}

/* @text with the first @from in it replaced. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *place = strstr(text, from);
	size_t size = strlen(text) + strlen(to) + 1;
	char *copy = malloc(size);

	assert_non_null(place);
	assert_non_null(copy);
	snprintf(copy, size, "%.*s%s%s", (int)(place - text), text, to, place + strlen(from));
	return copy;
}

/* A keyed hash with a use of its own is a key for it, which TPM2_Unseal refuses. */
static void test_keyed_hash_keys(void **state)
{
	static const struct {
		const char *attribute, *name;
	} cases[] = {
		{"\"noDA\":1,\"decrypt\":1",
		 "000bed47221b54414d09fc96c7342ace235dbd41cf706f26f2934d418871808eaa4b"},
		{"\"noDA\":1,\"sign\":1",
		 "000befb895844e386514c6a6f64c9ae3ae06825a596406da2583ae8ed22a0a29b6fb"},
	};
	struct fapi_record record;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_cleanup)
		char *one = replaced(SEALED, "\"noDA\":1", cases[i].attribute);
		CLEANUP(mem_free_cleanup) char *two = replaced(one, SEALED_NAME, cases[i].name);

		assert_int_equal(fapi_object_parse(slice_str(two), &record, &err), 0);
		assert_false(record.sealed || record.storage);
	}
}

static void test_prefixes(void **state)
{
	CLEANUP(mem_free_cleanup) char *one = replaced(SRK, "\"ECC\"", "\"TPM2_ALG_ECC\"");
	CLEANUP(mem_free_cleanup) char *two = replaced(one, "\"NIST", "\"TPM2_ECC_NIST");
	struct fapi_record record;
	struct err err;

	(void)state;
	assert_int_equal(fapi_object_parse(slice_str(two), &record, &err), 0);
	assert_hex(record.public_part, record.public_len, SRK_PUBLIC);
}

/* FAPI 4 writes names of hashes small, and reads them either way. */
static void test_small_letters(void **state)
{
	CLEANUP(mem_free_cleanup) char *text = replaced(SRK, "\"SHA256\"", "\"sha256\"");
	struct fapi_record record;
	struct err err;

	(void)state;
	assert_int_equal(fapi_object_parse(slice_str(text), &record, &err), 0);
	assert_hex(record.public_part, record.public_len, SRK_PUBLIC);
}

#define LONG_HEX                                                                                   \
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000"         \
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000"

static void test_wrong(void **state)
{
	static const struct {
		const char *text, *from, *to;
	} cases[] = {
		{SRK, "{", ""},
		{SRK, "\"objectType\":1", "\"objectType\":4"},
		{SRK, "\"objectType\":1", "\"objectType\":\"1\""},
		{SRK, "\"objectType\":1,", ""},
		{SRK, "\"objectType\":1", "\"objectType\":1,\"objectType\":1"},
		{SRK, "2164260865", "1"},
		{SRK, "2164260865", "-1"},
		{SRK, "2164260865", "9999999999"},
		{SRK, "2164260865", "2181038081"}, /* 0x82000001: not persistent */
		{SRK, "2164260865", "1e3"},
		{SRK, "\"NO\"", "\"MAYBE\""},
		{SRK, "\"public\":{", "\"public\":7,\"other\":{"},
		{SRK, "\"publicArea\"", "\"area\""},
		{SRK, "\"ECC\"", "\"RSA\""},
		{SRK, "\"ECC\"", "\"SYMCIPHER\""},
		{SRK, "\"ECC\"", "\"AES\""},
		{SRK, "\"ECC\"", "35"},
		{SRK, "\"SHA256\"", "\"SHA384\""},
		{SRK, "\"noDA\":1", "\"noDA\":0"}, /* whole, but another object */
		{SRK, "\"noDA\":1", "\"noDA\":2"},
		{SRK, "\"noDA\":1", "\"noDA\":\"YES\""},
		{SRK, "\"objectAttributes\":{", "\"objectAttributes\":[],\"x\":{"},
		{SRK, "\"authPolicy\":\"\"", "\"authPolicy\":\"0\""},
		{SRK, "\"authPolicy\":\"\"", "\"authPolicy\":null"},
		{SRK, "\"keyBits\":128", "\"keyBits\":65536"},
		{SRK, "\"keyBits\":128", "\"keyBits\":\"128\""},
		{SRK, "\"mode\":\"CFB\"", "\"mode\":\"\""},
		{SRK, "\"scheme\":\"NULL\"", "\"scheme\":\"ECDSA\""},
		{SRK, "NIST_P256", "NIST_P384"},
		{SRK, "NIST_P256", "NIST_P257"},
		{SRK, "\"x\":\"243e", "\"x\":\"253e"},
		{SRK, "\"x\":\"243e", "\"x\":\"24 e"},
		{SRK, "\"x\":\"243e", "\"x\":\"43e"},
		{SRK, "\"x\":\"243e", "\"x\":\"" LONG_HEX "243e"},
		{SRK, "\"name\":\"000b", "\"name\":\"000c"},
		{SRK, "\"name\"", "\"nom\""},
		{SEALED, "\"private\":\"0020ab\"", "\"private\":\"0020a\""},
		{SEALED, "\"private\":\"0020ab\"", "\"private\":[]"},
		{SEALED, "\"unique\":\"df", "\"unique\":\"de"},
		{SEALED, "\"unique\":\"df", "\"unique\":\"DF"},
		{SEALED, "\"NULL\"", "\"HMAC\""},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_cleanup)
		char *text = replaced(cases[i].text, cases[i].from, cases[i].to);
		struct fapi_record record = {.persistent_handle = 77};
		struct err err = {0};
		int r = fapi_object_parse(slice_str(text), &record, &err);

		if (r != ERR_DAMAGED)
			print_error("%s -> %s\n", cases[i].from, cases[i].to);
		assert_int_equal(r, ERR_DAMAGED);
		assert_int_equal(record.persistent_handle, 77);
	}
}

/* A write that was cut: no beginning of a text is an object. */
static void test_torn(void **state)
{
	struct fapi_record record;
	struct err err;
	size_t len;

	(void)state;
	for (len = 0; len < strlen(SEALED); len++) {
		CLEANUP(mem_free_cleanup) char *copy = malloc(len + 1);

		assert_non_null(copy);
		memcpy(copy, SEALED, len);
		assert_int_equal(fapi_object_parse(slice_of(copy, len), &record, &err),
				 ERR_DAMAGED);
	}
}

static void test_too_large(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(2 * FAPI_OBJECT_JSON_MAX);
	struct fapi_record record;
	struct err err;

	(void)state;
	buf_put_str(&text, SEALED);
	while (text.len < FAPI_OBJECT_JSON_MAX)
		buf_put_u8(&text, ' ');
	assert_int_equal(fapi_object_parse(buf_slice(&text), &record, &err), 0);
	buf_put_u8(&text, ' ');
	assert_int_equal(fapi_object_parse(buf_slice(&text), &record, &err), ERR_DAMAGED);

	/* A private part over what any TPM has. */
	buf_reset(&text);
	buf_put_str(&text, "{\"private\":\"");
	while (text.len < 2 * FAPI_PART_MAX + 16)
		buf_put_u8(&text, '0');
	buf_put_str(&text, "\",");
	buf_put_str(&text, &SEALED[1]);
	assert_int_equal(fapi_object_parse(buf_slice(&text), &record, &err), ERR_DAMAGED);
}

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		bool ok;
	} cases[] = {
		{"/HS/SRK/a", true},
		{"/HS/SRK/A-b_c.9", true},
		{"/HS/SRK/...x", true},
		{"/HS/SRK/", false},
		{"/HS/SRK", false},
		{"", false},
		{"HS/SRK/a", false},
		{"/HE/EK/a", false},
		{"/HS/SRK/.", false},
		{"/HS/SRK/..", false},
		{"/HS/SRK/a/b", false},
		{"/HS/SRK//a", false},
		{"/HS/SRK/a b", false},
		{"/HS/SRK/a:b", false},
		{"/HS/SRK/\xc3\xa4", false},
		{"/HS/SRK/a\n", false},
		{"/HS/SRK/object.json", false},
	};
	char path[FAPI_PATH_MAX + 2];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(fapi_path_ok(cases[i].path), cases[i].ok);
	memset(path, 'a', sizeof(path));
	memcpy(path, "/HS/SRK/", 8);
	path[FAPI_PATH_MAX + 1] = '\0';
	assert_false(fapi_path_ok(path));
	path[FAPI_PATH_MAX] = '\0';
	assert_true(fapi_path_ok(path));
}

/* --- in a store --- */

struct store {
	char folder[64];
	struct fapi_place place;
};

static const char *at(const struct store *store, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", store->folder, name);
	return path;
}

static void put(const struct store *store, const char *name, const char *text)
{
	int fd = open(at(store, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

#define PROFILE "P_ECCP256SHA256"

static int setup(void **state)
{
	static const char *const FOLDERS[] = {
		"user/" PROFILE,
		"user/" PROFILE "/HS",
		"user/" PROFILE "/HS/SRK",
		"user/" PROFILE "/HS/SRK/one",
		"system/" PROFILE,
		"system/" PROFILE "/HS",
		"system/" PROFILE "/HS/SRK",
		"system/" PROFILE "/HS/SRK/two",
	};
	static const struct fapi_wish WISH = {.profile_name = PROFILE, .ek_cert_less = 1};
	struct store *store = calloc(1, sizeof(*store));
	struct err err;
	size_t i;

	assert_non_null(store);
	snprintf(store->folder, sizeof(store->folder), "/tmp/hd-object-XXXXXX");
	assert_non_null(mkdtemp(store->folder));
	store->place = (struct fapi_place){.folder = store->folder, .run = "/run/fapi"};
	assert_int_equal(fapi_folder_make(&store->place, &WISH, &err), 0);
	for (i = 0; i < ARRAY_LEN(FOLDERS); i++)
		assert_int_equal(mkdir(at(store, FOLDERS[i]), 0700), 0);
	put(store, "user/" PROFILE "/HS/SRK/one/object.json", SEALED);
	put(store, "system/" PROFILE "/HS/SRK/two/object.json", SEALED);
	put(store, "system/" PROFILE "/HS/SRK/object.json", SRK);
	*state = store;
	return 0;
}

static int teardown(void **state)
{
	struct store *store = *state;

	assert_int_equal(folder_remove_all(store->folder), 0);
	free(store);
	return 0;
}

static int read_it(const struct store *store, const char *path, struct fapi_object *object)
{
	struct err err = {0};
	int r = fapi_object_read(&store->place, path, object, &err);

	/* Neither the folder nor what it holds is for a client's eyes. */
	assert_null(strstr(err.text, "/tmp"));
	return r;
}

static void test_read(void **state)
{
	static const char *const PATHS[] = {"/HS/SRK/one", "/HS/SRK/two"};
	struct store *store = *state;
	struct fapi_object object;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PATHS); i++) {
		assert_int_equal(read_it(store, PATHS[i], &object), 0);
		assert_true(object.sealed && object.with_auth && !object.with_policy);
		assert_hex(object.public_part, object.public_len, SEALED_PUBLIC);
		assert_hex(object.private_part, object.private_len, "00030020ab");
		assert_int_equal(object.parent_handle, 0x81000001);
		assert_hex(object.parent_name, object.parent_name_len, SRK_NAME);
	}
	assert_int_equal(read_it(store, "/HS/SRK/three", &object), ERR_NOT_FOUND);
	assert_int_equal(read_it(store, "/HS/SRK/../x", &object), ERR_INVALID);
}

/* The user's store comes first, as it does for FAPI. */
static void test_order(void **state)
{
	struct store *store = *state;
	struct fapi_object object;

	assert_int_equal(mkdir(at(store, "user/" PROFILE "/HS/SRK/two"), 0700), 0);
	assert_int_equal(read_it(store, "/HS/SRK/two", &object), 0);
	put(store, "user/" PROFILE "/HS/SRK/two/object.json", "");
	assert_int_equal(read_it(store, "/HS/SRK/two", &object), ERR_DAMAGED);
}

static void test_parent(void **state)
{
	CLEANUP(mem_free_cleanup) char *found = replaced(SRK, "2164260865", "0");
	CLEANUP(mem_free_cleanup) char *other = replaced(SRK, "2164260865", "2164260866");
	const char *record = "system/" PROFILE "/HS/SRK/object.json";
	struct store *store = *state;
	struct fapi_object object;

	put(store, record, found);
	assert_int_equal(read_it(store, "/HS/SRK/one", &object), 0);
	assert_int_equal(object.parent_handle, 0x81000001);
	put(store, record, other);
	assert_int_equal(read_it(store, "/HS/SRK/one", &object), 0);
	assert_int_equal(object.parent_handle, 0x81000002);
	put(store, record, SEALED);
	assert_int_equal(read_it(store, "/HS/SRK/one", &object), ERR_DAMAGED);
	assert_int_equal(unlink(at(store, record)), 0);
	assert_int_equal(read_it(store, "/HS/SRK/one", &object), ERR_DAMAGED);
	/* A parent without its private part is no object to be opened. */
	put(store, "user/" PROFILE "/HS/SRK/one/object.json", SRK);
	assert_int_equal(read_it(store, "/HS/SRK/one", &object), ERR_DAMAGED);
}

static void test_links(void **state)
{
	struct store *store = *state;
	struct fapi_object object;
	char target[256];

	snprintf(target, sizeof(target), "%s", at(store, "user/" PROFILE "/HS/SRK/one"));
	assert_int_equal(symlink(target, at(store, "user/" PROFILE "/HS/SRK/link")), 0);
	assert_int_equal(read_it(store, "/HS/SRK/link", &object), ERR_UNREADABLE);
	assert_int_equal(mkdir(at(store, "user/" PROFILE "/HS/SRK/four"), 0700), 0);
	snprintf(target, sizeof(target), "%s",
		 at(store, "user/" PROFILE "/HS/SRK/one/object.json"));
	assert_int_equal(symlink(target, at(store, "user/" PROFILE "/HS/SRK/four/object.json")), 0);
	assert_int_equal(read_it(store, "/HS/SRK/four", &object), ERR_UNREADABLE);
}

static void test_configuration(void **state)
{
	static const char *const WRONG[] = {
		"",
		"[]",
		"{}",
		"{\"profile_name\":\"../x\",\"profile_dir\":\"/p\",\"user_dir\":\"/u\","
		"\"system_dir\":\"/s\"}",
		"{\"profile_name\":\"P\",\"profile_dir\":\"/p\",\"user_dir\":\"~/u\","
		"\"system_dir\":\"/s\"}",
		"{\"profile_name\":\"P\",\"profile_dir\":\"/p\",\"user_dir\":\"/u\"}",
	};
	struct store *store = *state;
	struct fapi_object object;
	size_t i;

	for (i = 0; i < ARRAY_LEN(WRONG); i++) {
		put(store, FAPI_CONFIG, WRONG[i]);
		assert_int_equal(read_it(store, "/HS/SRK/one", &object), ERR_DAMAGED);
	}
	assert_int_equal(unlink(at(store, FAPI_CONFIG)), 0);
	assert_int_equal(read_it(store, "/HS/SRK/one", &object), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storage_key),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_keyed_hash_keys),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_small_letters),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_paths),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_configuration, setup, teardown),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
