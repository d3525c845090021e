/* SPDX-License-Identifier: Apache-2.0 */
/* Version 2 over a socket, to devices that an operator has put there: their keys are in software.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "artifact/device_key.h"
#include "base/base64.h"
#include "base/json.h"
#include "origin/device_file.h"
#include "origin/devices.h"
#include "origin/test_fixture.h"

#define DIGEST_TEXT "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define KEY_LINE    "GET /v2/artifacts/models/net/key?manifest=" DIGEST_TEXT

struct machine {
	struct pkey *pair;
	struct wrap_public *public;
	char name[WRAP_NAME_HEX];
	char wish[2048];   /* JSON of a session */
	char headers[256]; /* with what its last challenge hid */
};

static void machine_make(struct machine *machine)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX), text = BUF_INIT(1024);
	struct err err;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &machine->pair, &err), 0);
	assert_int_equal(wrap_public_of_software(machine->pair, &area, &err), 0);
	assert_int_equal(wrap_public_read(buf_slice(&area), &machine->public, &err), 0);
	wrap_public_hex(machine->public, machine->name);
	base64_encode(&text, buf_slice(&area));
	(void)snprintf(machine->wish, sizeof(machine->wish),
		       "{\"storage_key\":{\"public\":\"%.*s\"},\"ek\":null,"
		       "\"protection\":\"software\"}",
		       (int)text.len, text.data);
	machine->headers[0] = '\0';
}

static void machine_fini(struct machine *machine)
{
	pkey_free(machine->pair);
	wrap_public_free(machine->public);
}

static void put_device(struct world *world, const struct machine *machine, bool refused)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(DEVICE_FILE_MAX);
	struct device_file file = {.enrolled = 1};
	char path[WRAP_NAME_HEX + 16];
	struct err err;

	memcpy(file.name, wrap_public_name(machine->public).data, WRAP_NAME_SIZE);
	assert_int_equal(device_file_put(&file, wrap_public_area(machine->public), &json, &err), 0);
	(void)snprintf(path, sizeof(path), "devices/%s.json", machine->name);
	if (refused) {
		json.len -= strlen("}\n");
		buf_put_str(&json, ",\"refused\":true}\n");
	}
	world_put(world, path, buf_slice(&json));
}

static void enrol(struct world *world, const struct machine *machine)
{
	put_device(world, machine, false);
}

static void revoke_device(struct world *world, const struct machine *machine)
{
	put_device(world, machine, true);
}

static void put_keys(struct world *world, const struct machine *machine)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX);
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	uint8_t digest[MANIFEST_DIGEST];
	struct err err;

	assert_true(hex_decode(slice_str(DIGEST_TEXT), digest, sizeof(digest)));
	assert_int_equal(secret_new(PAYLOAD_KEY, &key, &err), 0);
	assert_int_equal(device_key_make(machine->public, key, digest, &line, &err), 0);
	world_put(world, "models/" DIGEST_TEXT ".keys", buf_slice(&line));
}

static void member(const json_t *wrapped, const char *name, struct buf *ret_bytes)
{
	struct err err;

	assert_int_equal(json_get_bytes(wrapped, name, true, ret_bytes, &err), 0);
}

/* Opens the challenge, as a machine without a TPM does. */
static void open_challenge(struct machine *machine, const struct answer *answer)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	CLEANUP(secret_cleanup) struct secret *hidden = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(100);
	const json_t *wrapped;
	struct duplicate duplicate;
	struct err err;

	assert_int_equal(json_parse(answer->body, &object, &err), 0);
	wrapped = json_object_get(object, "wrapped");
	assert_non_null(wrapped);
	member(wrapped, "public", &made.public_area);
	member(wrapped, "duplicate", &made.private_area);
	member(wrapped, "seed", &made.seed);
	duplicate = duplicate_of(&made);
	assert_int_equal(duplicate_open(machine->pair, machine->public, &duplicate, &hidden, &err),
			 0);
	assert_int_equal(secret_size(hidden), DEVICE_SECRET);
	base64url_encode(&text, secret_slice(hidden));
	(void)snprintf(machine->headers, sizeof(machine->headers), DEVICE_HEADER ": %.*s\r\n",
		       (int)text.len, text.data);
}

static void begin(struct world *world, struct machine *machine)
{
	const struct wish wish = {
		.line = "POST /v2/devices/session", .with_token = true, .json = machine->wish};
	CLEANUP(answer_fini) struct answer answer;

	world_ask(world, &wish, &answer);
	assert_int_equal(answer.status, 200);
	open_challenge(machine, &answer);
}

static unsigned key_status(struct world *world, const struct machine *machine)
{
	const struct wish wish = {
		.line = KEY_LINE, .with_token = true, .headers = machine->headers};
	CLEANUP(answer_fini) struct answer answer;

	world_ask(world, &wish, &answer);
	if (answer.status == 200)
		assert_true(answer_says(&answer, machine->name));
	return answer.status;
}

static void test_key(void **state)
{
	CLEANUP(machine_fini) struct machine one, two;
	char path[WRAP_NAME_HEX + 16];

	machine_make(&one);
	machine_make(&two);
	world_login(*state);
	enrol(*state, &one);
	enrol(*state, &two);
	put_keys(*state, &one);
	begin(*state, &one);
	begin(*state, &two);
	assert_int_equal(key_status(*state, &one), 200);
	assert_int_equal(key_status(*state, &two), 404);
	assert_int_equal(key_status(*state, &one), 200);
	/* Another session of it ends none that is confirmed. */
	begin(*state, &one);
	assert_int_equal(key_status(*state, &one), 200);
	/* A file that is not whole closes the door, and so does none. */
	(void)snprintf(path, sizeof(path), "devices/%s.json", one.name);
	world_put_text(*state, path, "{");
	assert_int_equal(key_status(*state, &one), 500);
	assert_int_equal(unlinkat(((struct world *)*state)->dir, path, 0), 0);
	assert_int_equal(key_status(*state, &one), 428);
	enrol(*state, &one);
	assert_int_equal(key_status(*state, &one), 428);
	/* One that says refused ends it as well. */
	begin(*state, &one);
	assert_int_equal(key_status(*state, &one), 200);
	revoke_device(*state, &one);
	assert_int_equal(key_status(*state, &one), 428);
}

static void test_replaced(void **state)
{
	CLEANUP(machine_fini) struct machine one;
	char before[sizeof(one.headers)], last[sizeof(one.headers)];

	machine_make(&one);
	world_login(*state);
	enrol(*state, &one);
	put_keys(*state, &one);
	begin(*state, &one);
	memcpy(before, one.headers, sizeof(before));
	for (unsigned i = 1; i < DEVICES_EACH; i++)
		begin(*state, &one);
	memcpy(last, one.headers, sizeof(last));
	memcpy(one.headers, before, sizeof(before));
	assert_int_equal(key_status(*state, &one), 200);
	/* The oldest open one makes room. */
	memcpy(one.headers, last, sizeof(last));
	memcpy(before, last, sizeof(before));
	for (unsigned i = 0; i < DEVICES_EACH; i++)
		begin(*state, &one);
	assert_int_equal(key_status(*state, &one), 200);
	memcpy(one.headers, before, sizeof(before));
	assert_int_equal(key_status(*state, &one), 428);
}

static void test_refused(void **state)
{
	CLEANUP(machine_fini) struct machine one;
	const struct wish wish = {
		.line = "POST /v2/devices/session", .with_token = true, .json = one.wish};
	CLEANUP(answer_fini) struct answer answer;
	struct world *world = *state;

	machine_make(&one);
	world_login(world);
	world_ask(world, &wish, &answer);
	assert_int_equal(answer.status, 403);
	assert_true(answer_says(&answer, "{\"code\":\"device_unknown\",\"detail\":\""));
	buf_put_u8(&world->notes, '\0');
	assert_non_null(strstr((const char *)world->notes.data, "refused: device_unknown"));
	assert_non_null(strstr((const char *)world->notes.data, one.name));
	assert_false(world_has(world, "devices"));
}

static void test_bodies(void **state)
{
	static const char *const bodies[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"protection\":\"tpm\"}",
		"{\"storage_key\":{\"public\":\"AAAA\"},\"protection\":\"tpm\"}",
		"{\"storage_key\":{\"public\":\"AAAA\"},\"protection\":\"tpm\",\"ek\":5}",
	};

	world_login(*state);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		world_expect(*state,
			     &(struct wish){.line = "POST /v2/devices/session",
					    .with_token = true,
					    .json = bodies[i]},
			     400);
}

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		unsigned status;
	} rows[] = {
		{KEY_LINE, 428},
		{"GET /v2/artifacts/models/net/key", 400},
		{"GET /v2/artifacts/models/net/key?manifest=", 400},
		{"GET /v2/artifacts/models/net/key?manifest=" DIGEST_TEXT "0", 400},
		{"GET /v2/artifacts/models/net/key?manifest=../../devices/x", 400},
		{"GET /v2/artifacts/models/net/key?manifest="
		 "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08",
		 400},
		{"GET /v2/artifacts/devices/net/key?manifest=" DIGEST_TEXT, 400},
		{"GET /v2/artifacts/%2e%2e/net/key?manifest=" DIGEST_TEXT, 400},
		{"GET /v2/artifacts/models/net.big/key?manifest=" DIGEST_TEXT, 400},
		{"GET /v2/artifacts/models/net/manifest", 200},
		{"GET /v2/artifacts/models/other/manifest", 404},
		{"GET /v2/artifacts/none/net/manifest", 404},
		{"GET /v2/artifacts/models/net.manifest/manifest", 400},
		{"GET /v2/artifacts/models/.net/manifest", 400},
		{"GET /v2/artifacts/models/..%2fnet/manifest", 400},
		{"GET /v2/artifacts/devices/net/manifest", 400},
		{"PUT /v2/artifacts/models/net/manifest", 405},
		{"GET /v2/devices/session", 405},
	};

	world_put_text(*state, "models/net.manifest", "signed");
	world_put_text(*state, "devices/net.manifest", "none");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		/* Names are looked at by who may ask. */
		if (rows[i].status != 405 && !strstr(rows[i].line, "%2") &&
		    !strstr(rows[i].line, "/."))
			world_expect(*state, &(struct wish){.line = rows[i].line}, 401);
	world_expect(*state, &(struct wish){.line = "POST /v2/devices/session", .json = "{}"}, 401);
	world_login(*state);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		world_expect(*state, &(struct wish){.line = rows[i].line, .with_token = true},
			     rows[i].status);
}

/* Lines that are none are the origin's fault. */
static void test_damaged_keys(void **state)
{
	CLEANUP(machine_fini) struct machine one;

	machine_make(&one);
	world_login(*state);
	enrol(*state, &one);
	begin(*state, &one);
	assert_int_equal(key_status(*state, &one), 404);
	world_put_text(*state, "models/" DIGEST_TEXT ".keys", "no line of keys\nnor this\n");
	assert_int_equal(key_status(*state, &one), 500);
	world_put_text(*state, "models/" DIGEST_TEXT ".keys", "");
	assert_int_equal(key_status(*state, &one), 404);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_key),	 WORLD_TEST(test_replaced), WORLD_TEST(test_refused),
		WORLD_TEST(test_bodies), WORLD_TEST(test_lines),    WORLD_TEST(test_damaged_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
