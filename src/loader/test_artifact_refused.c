/* SPDX-License-Identifier: Apache-2.0 */
/* Version 2: what is refused, when, and what that leaves behind. */
#include "loader/test_release.h"

#include <stdio.h>

#include "artifact/v1.h"
#include "crypto/cms.h"
#include "loader/artifact.h"
#include "tests/vectors/v2_sig.inc"

#define MANIFEST "models/net.bin.manifest"
#define KEY	 "models/net.bin.key"
#define FLOOR	 "models/net.bin.floor"
#define NOW	 1900000000 /* a world's */

static struct device device;
static struct release release;
static struct loader_load *load;

static int get(struct world *world)
{
	struct err err = {0};
	int r;

	world->left++;
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, world_done, world, &load, &err),
			 0);
	r = world_run(world);
	loader_load_leave(TAKE(load));
	return r;
}

static void publish(struct world *world, const struct release_wish *wish)
{
	release_fini(&release);
	release_make(&release, wish, &device);
	release_publish(world, &release);
}

/* Not a byte was asked of the CDN, and nothing is remembered. */
static void assert_untouched(struct world *world)
{
	assert_int_equal(world->request_count, 0);
	assert_int_equal(world->key_asked, 0);
	assert_int_equal(device.unwrapped, 0);
	assert_false(world_has(world, FLOOR));
	assert_false(world_has(world, MANIFEST));
}

/* --- the manifest --- */

static void test_manifests(void **state)
{
	static const struct {
		struct release_wish wish;
		int code;
	} cases[] = {
		{{.is_stranger = true}, FAULT_SIGNATURE},
		{{.name = "other.bin"}, FAULT_SIGNATURE},
		{{.expires = NOW - 1}, FAULT_EXPIRED},
		{{.expires = NOW + 1}, 0},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		publish(world, &cases[i].wish);
		assert_int_equal(get(world), cases[i].code);
		if (cases[i].code)
			assert_untouched(world);
	}
}

/* By those who may sign something else, or nothing. */
static void test_signers(void **state)
{
	static const struct {
		const char *whole;
		int code;
	} cases[] = {
		{V2_SIGNED_V1_SIGNER, FAULT_SIGNATURE},
		{V2_SIGNED_STRANGER, FAULT_SIGNATURE},
		{V2_SIGNED_SHA1, FAULT_SIGNATURE},
		{V2_SIGNED_LATER, ERR_NOT_SUPPORTED},
	};
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);

	publish(world, &(struct release_wish){0});
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&whole);
		world_unbase64(cases[i].whole, &whole);
		world->manifest_answer = buf_slice(&whole);
		assert_int_equal(get(world), cases[i].code);
		assert_untouched(world);
	}
	world->manifest_answer = slice_str("no manifest");
	assert_int_equal(get(world), FAULT_SIGNATURE);
	world->manifest_answer = slice_of(release.whole.data, release.whole.len - 1);
	assert_int_equal(get(world), FAULT_SIGNATURE);
	assert_untouched(world);
}

static void test_api(void **state)
{
	static const int codes[] = {ERR_NOT_FOUND, ERR_FORBIDDEN, FAULT_CREDENTIALS, FAULT_UPSTREAM,
				    FAULT_NOT_LOGGED_IN};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		world->manifest_code = codes[i];
		assert_int_equal(get(world), codes[i]);
	}
	/* What was taken does not make up for an answer. */
	publish(world, &(struct release_wish){0});
	assert_int_equal(get(world), 0);
	for (size_t i = 0; i < 3; i++) {
		world->manifest_code = codes[i];
		assert_int_equal(get(world), codes[i]);
	}
}

static void test_unconfigured(void **state)
{
	static const char *const names[] = {"",	    "x.manifest", "x.payload", "x.keys",
					    "../x", ".x",	  "x.big"};
	struct world *world = *state;
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct resource a = {slice_str("models"), slice_str(names[i])};

		assert_int_equal(
			loader_artifact(&world->loader, &a, world_done, world, &load, &err),
			ERR_INVALID);
	}
	world->config.manifest_anchors = slice_of(NULL, 0);
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, world_done, world, &load, &err),
			 ERR_NOT_SUPPORTED);
	assert_int_equal(world->loader.load_count, 0);
	assert_int_equal(world->manifest_asked, 0);
}

/* --- the floor --- */

static void test_rolled_back(void **state)
{
	struct world *world = *state;
	struct release five;

	release_make(&five, &(struct release_wish){.serial = 5, .plain = 100}, &device);
	release_publish(world, &five);
	assert_int_equal(get(world), 0);
	publish(world, &(struct release_wish){.serial = 4, .plain = 200});
	assert_int_equal(get(world), FAULT_ROLLED_BACK);
	publish(world, &(struct release_wish){.serial = 5, .plain = 200});
	assert_int_equal(get(world), FAULT_ROLLED_BACK);
	assert_int_equal(world->request_count, 1);
	assert_true(world_equals(world, MANIFEST, buf_slice(&five.whole)));
	assert_true(world_has(world, five.file));
	world->manifest_code = FAULT_UPSTREAM;
	assert_int_equal(get(world), 0);
	release_fini(&five);
}

static void test_damaged_floor(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.serial = 5});
	assert_int_equal(get(world), 0);
	world_write(world, FLOOR, slice_str("{}"));
	assert_int_equal(get(world), ERR_UNREADABLE);
	publish(world, &(struct release_wish){.serial = 6});
	assert_int_equal(get(world), ERR_UNREADABLE);
	assert_true(world_equals(world, FLOOR, slice_str("{}")));
	assert_non_null(strstr(world->notes, "net.bin.floor is damaged"));
	assert_int_equal(world->request_count, 1);
}

/* --- the device --- */

static void test_protection(void **state)
{
	static const struct {
		bool none, is_tpm;
		int describe_code;
		enum manifest_protection protection;
		int code;
	} cases[] = {
		{true, false, 0, MANIFEST_SOFTWARE, ERR_TPM_REQUIRED},
		{true, false, 0, MANIFEST_TPM, ERR_TPM_REQUIRED},
		{false, false, 0, MANIFEST_TPM, ERR_TPM_REQUIRED},
		{false, true, ERR_TPM_BUSY, MANIFEST_TPM, ERR_TPM_BUSY},
		{false, true, ERR_STARTING, MANIFEST_SOFTWARE, ERR_STARTING},
		{false, false, 0, MANIFEST_SOFTWARE, 0},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		publish(world, &(struct release_wish){.protection = cases[i].protection});
		world->config.device = cases[i].none ? NULL : &device.ops;
		device.is_tpm = cases[i].is_tpm;
		device.key_code = cases[i].describe_code;
		assert_int_equal(get(world), cases[i].code);
		if (cases[i].code)
			assert_untouched(world);
	}
}

/* --- the type --- */

/* Of what is not wanted nothing is fetched. */
static void test_type(void **state)
{
	static const struct {
		enum artifact_need need;
		bool is_archive;
		int code;
		unsigned requests;
	} cases[] = {
		{ARTIFACT_FILE, true, ERR_INVALID, 0}, {ARTIFACT_IMAGES, false, ERR_INVALID, 0},
		{ARTIFACT_FILE_OR_NAMES, true, 0, 0},  {ARTIFACT_FILE_OR_NAMES, false, 0, 1},
		{ARTIFACT_FILE, false, 0, 2},	       {ARTIFACT_IMAGES, true, 0, 3},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct artifact_wish wish = {&OF_WORLD, cases[i].need, world_done, world};
		struct artifact *artifact = NULL;

		publish(world, &(struct release_wish){.serial = i + 1,
						      .plain = 1000 + i / 4,
						      .is_archive = cases[i].is_archive});
		world->left++;
		assert_int_equal(artifact_new(&world->loader, &wish, &artifact, &world->err), 0);
		assert_int_equal(world_run(world), cases[i].code);
		assert_int_equal(world->request_count, cases[i].requests);
		artifact_free(artifact);
	}
}

/* --- the payload --- */

static void test_wrong_digest(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 100000});
	release.payload.data[70000] ^= 1;
	assert_int_equal(get(world), ERR_DAMAGED);
	assert_string_equal(world->err.text, V1_DOES_NOT_OPEN);
	assert_int_equal(world->request_count, 2);
	assert_false(world_has(world, release.file));
	assert_false(world_has(world, FLOOR));
	assert_int_equal(device.unwrapped, 0);
	release.payload.data[70000] ^= 1;
	world->scripts[2].etag = "\"two\"";
	assert_int_equal(get(world), 0);
}

/* What another wrote there is fetched anew; when that cannot be, nothing is given. */
static void test_tampered_payload(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 100000});
	assert_int_equal(get(world), 0);
	world_flip(world, release.file, 0);
	assert_int_equal(get(world), 0);
	world_write(world, release.file, slice_of(release.payload.data, 500));
	assert_int_equal(get(world), 0);
	world_write(world, release.file, slice_of(release.payload.data, 0));
	assert_int_equal(get(world), 0);
	assert_int_equal(world->request_count, 4);
	assert_true(world_equals(world, release.file, buf_slice(&release.payload)));
	assert_non_null(strstr(world->notes, "the payload in the cache is fetched anew"));
	world_flip(world, release.file, release.payload.len - 1);
	for (size_t i = 4; i < 8; i++)
		world->scripts[i] = (struct script){.unreachable = true};
	assert_int_equal(get(world), FAULT_UPSTREAM);
}

static void test_too_large(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 100000});
	world->config.resource_max = 99999;
	assert_int_equal(get(world), ERR_TOO_LARGE);
	assert_int_equal(world->request_count, 0);
	assert_false(world_has(world, FLOOR));
	world->config.resource_max = 100000;
	assert_int_equal(get(world), 0);
}

static void test_no_room(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 100000});
	world->room = CACHE_SPARE + 50000;
	assert_int_equal(get(world), ERR_DISK_FULL);
	assert_false(world_has(world, release.file));
	world->room = CACHE_SPARE + 200000;
	assert_int_equal(get(world), 0);
}

/* --- the rest of the cache --- */

static void test_tampered_manifest(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){0});
	assert_int_equal(get(world), 0);
	world_flip(world, MANIFEST, release.whole.len - 1);
	assert_int_equal(get(world), 0);
	world_flip(world, MANIFEST, release.whole.len / 3);
	world->manifest_code = FAULT_UPSTREAM;
	assert_int_equal(get(world), FAULT_SIGNATURE);
	world->manifest_code = 0;
	assert_int_equal(get(world), 0);
	assert_true(world_equals(world, MANIFEST, buf_slice(&release.whole)));
}

/* An older manifest with its payload, put back by another. */
static void test_old_cache(void **state)
{
	struct world *world = *state;
	struct release five;

	release_make(&five, &(struct release_wish){.serial = 5, .plain = 100}, &device);
	publish(world, &(struct release_wish){.serial = 6, .plain = 200});
	assert_int_equal(get(world), 0);
	world_write(world, MANIFEST, buf_slice(&five.whole));
	world_write(world, five.file, buf_slice(&five.payload));
	world_write(world, KEY, buf_slice(&five.line));
	world->manifest_code = FAULT_UPSTREAM;
	assert_int_equal(get(world), FAULT_ROLLED_BACK);
	release_fini(&five);
}

/* --- the device key --- */

/* It is asked for again, and stays away when that does not open either. */
static void test_tampered_key(void **state)
{
	static const char *const texts[] = {"", "x\n", "{}\n"};
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf changed = BUF_INIT(DEVICE_KEY_LINE_MAX);

	publish(world, &(struct release_wish){0});
	assert_int_equal(get(world), 0);
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		world_write(world, KEY, slice_str(texts[i]));
		assert_int_equal(get(world), 0);
		assert_int_equal(world->key_asked, i + 2);
		assert_true(world_equals(world, KEY, buf_slice(&release.line)));
	}
	/* A byte of the base64 near the end, which is the seed's. */
	buf_put(&changed, buf_slice(&release.line));
	changed.data[changed.len - 20] = changed.data[changed.len - 20] == 'A' ? 'B' : 'A';
	world_write(world, KEY, buf_slice(&changed));
	assert_int_equal(get(world), 0);
	assert_non_null(strstr(world->notes, "the device key in the cache does not open"));
	world_write(world, KEY, buf_slice(&changed));
	world->key_answer = buf_slice(&changed);
	assert_int_equal(get(world), ERR_DAMAGED);
	assert_string_equal(world->err.text, V1_DOES_NOT_OPEN);
}

static void test_wrong_keys(void **state)
{
	CLEANUP(buf_fini) struct buf others = BUF_INIT(DEVICE_KEY_LINE_MAX);
	CLEANUP(buf_fini) struct buf of_other = BUF_INIT(DEVICE_KEY_LINE_MAX);
	CLEANUP(buf_fini) struct buf inside = BUF_INIT(DEVICE_KEY_LINE_MAX);
	struct world *world = *state;
	uint8_t digest[MANIFEST_DIGEST] = {1};
	char right[MANIFEST_DIGEST_HEX], wrong[MANIFEST_DIGEST_HEX], *at;
	struct device stranger;

	publish(world, &(struct release_wish){.plain = 1000});
	device_make(&stranger);
	release_line(&release, &stranger, release.manifest->digest, &others);
	release_line(&release, &device, digest, &of_other);
	/* Says that it is of this manifest; what is sealed knows better. */
	release_line(&release, &device, digest, &inside);
	manifest_hex(digest, wrong);
	manifest_hex(release.manifest->digest, right);
	buf_put_u8(&inside, '\0');
	at = strstr((char *)inside.data, wrong);
	assert_non_null(at);
	memcpy(at, right, strlen(right));
	inside.len--;
	for (size_t i = 0; i < 4; i++) {
		const struct slice answers[] = {buf_slice(&others), buf_slice(&of_other),
						buf_slice(&inside), slice_str("no line")};

		world->key_answer = answers[i];
		assert_int_equal(get(world), ERR_DAMAGED);
		assert_string_equal(world->err.text, V1_DOES_NOT_OPEN);
		assert_false(world_has(world, FLOOR));
		assert_false(world_has(world, KEY));
	}
	world->key_answer = buf_slice(&release.line);
	assert_int_equal(get(world), 0);
	device_fini(&stranger);
}

static void test_no_key(void **state)
{
	static const int codes[] = {FAULT_NO_KEY, ERR_FORBIDDEN, FAULT_UPSTREAM,
				    FAULT_NOT_LOGGED_IN};
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 1000});
	for (size_t i = 0; i < 2 * ARRAY_LEN(codes); i++) {
		world->key_code = codes[i / 2];
		world->at_once = i % 2 == 1;
		assert_int_equal(get(world), codes[i / 2]);
		assert_false(world_has(world, FLOOR));
	}
	/* Nothing is fetched for who could not open it. */
	assert_int_equal(world->request_count, 0);
	assert_false(world_has(world, release.file));
	world->key_asked = 0;
	world->key_code = 0;
	assert_int_equal(get(world), 0);
	assert_int_equal(world->request_count, 1);
	assert_int_equal(world->key_asked, 1);
	/* One that is at hand is not asked for first. */
	assert_int_equal(unlinkat(world->dir, release.file, 0), 0);
	world->key_code = FAULT_NO_KEY;
	assert_int_equal(get(world), 0);
	assert_int_equal(world->request_count, 2);
	assert_int_equal(world->key_asked, 1);
	/* It may be none; a payload that is there is good when a key has come. */
	world_write(world, KEY, slice_str("x"));
	assert_int_equal(get(world), FAULT_NO_KEY);
	assert_int_equal(unlinkat(world->dir, release.file, 0), 0);
	assert_int_equal(get(world), FAULT_NO_KEY);
	assert_int_equal(world->request_count, 2);
}

/* The TPM cannot now: no reason to ask for another key. */
static void test_unwrap_fails(void **state)
{
	static const int codes[] = {ERR_TPM_BUSY, ERR_TPM_LOCKOUT, ERR_TPM_FAILED, ERR_TPM_REQUIRED,
				    ERR_FORBIDDEN};
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 1000});
	assert_int_equal(get(world), 0);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		device.unwrap_code = codes[i];
		assert_int_equal(get(world), codes[i]);
	}
	assert_int_equal(world->key_asked, 1);
	device.unwrap_code = ERR_WRONG_TPM;
	assert_int_equal(get(world), ERR_DAMAGED);
	assert_int_equal(world->key_asked, 2);
}

/* A publisher's mistake: all is signed, and the key is another's. Nothing of it comes out. */
static void no_piece(void *arg, struct slice bytes, const struct err *err)
{
	assert_int_equal(bytes.len, 0);
	assert_non_null(err);
	world_done(arg, err);
}

static void test_wrong_content_key(void **state)
{
	struct world *world = *state;
	struct err err = {0};

	publish(world, &(struct release_wish){.plain = 1000});
	secret_data(release.key)[3] ^= 1;
	buf_reset(&release.line);
	release_line(&release, &device, release.manifest->digest, &release.line);
	world->key_answer = buf_slice(&release.line);
	world->left++;
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, world_done, world, &load, &err),
			 0);
	assert_int_equal(world_run(world), 0);
	world->left++;
	loader_load_read(load, no_piece, world);
	assert_int_equal(world_run(world), ERR_DAMAGED);
	loader_load_leave(TAKE(load));
}

static int begin(void **state)
{
	int r = world_begin(state);

	release_begin(*state, &device);
	release = (struct release){0};
	return r;
}

static int end(void **state)
{
	int r = world_end(state);

	release_fini(&release);
	release_end();
	device_fini(&device);
	return r;
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_manifests),
		IN_WORLD(test_signers),
		IN_WORLD(test_api),
		IN_WORLD(test_unconfigured),
		IN_WORLD(test_rolled_back),
		IN_WORLD(test_damaged_floor),
		IN_WORLD(test_protection),
		IN_WORLD(test_type),
		IN_WORLD(test_wrong_digest),
		IN_WORLD(test_tampered_payload),
		IN_WORLD(test_too_large),
		IN_WORLD(test_no_room),
		IN_WORLD(test_tampered_manifest),
		IN_WORLD(test_old_cache),
		IN_WORLD(test_tampered_key),
		IN_WORLD(test_wrong_keys),
		IN_WORLD(test_no_key),
		IN_WORLD(test_unwrap_fails),
		IN_WORLD(test_wrong_content_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
