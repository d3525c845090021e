/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Artifacts of version 2: manifests, lines of device keys and files of them, files of content keys,
 * payloads. The first byte says which. What is taken as a manifest can be written, and is then the
 * same again. A payload that was changed in any way never opens, and gives no byte that its
 * publisher did not put in.
 */

#include "artifact/content_key.h"
#include "artifact/device_key.h"
#include "artifact/payload.h"
#include "tests/fuzz/fuzz.h"
#include "tests/vectors/v2.inc"

#define PLAIN_MAX 150000u
#define ROOM	  (4 * PLAIN_MAX)

static struct secret *key;
static uint8_t plain[PLAIN_MAX];

static struct manifest *file_manifest(void)
{
	struct manifest *manifest = NULL;
	struct err err = {0};

	FUZZ_REQUIRE(manifest_parse(slice_str(V2_FILE_JSON), &manifest, &err) == 0);
	return manifest;
}

static void try_manifest(struct slice bytes)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = NULL, *again = NULL;
	CLEANUP(buf_fini) struct buf json = BUF_INIT(MANIFEST_MAX);
	struct resource resource;
	struct err err = {0};

	if (manifest_parse(bytes, &manifest, &err) < 0) {
		FUZZ_REQUIRE(err.code == ERR_DAMAGED || err.code == ERR_NOT_SUPPORTED);
		FUZZ_REQUIRE(!manifest && err.text[0]);
		return;
	}
	resource = manifest_resource(manifest);
	FUZZ_REQUIRE(resource_check_artifact(&resource, &err) == 0);
	FUZZ_REQUIRE(manifest_write(manifest, &json, &err) == 0);
	FUZZ_REQUIRE(manifest_parse(buf_slice(&json), &again, &err) == 0);
	FUZZ_REQUIRE(memcmp(manifest, again, sizeof(*manifest)) == 0);
}

static void try_line(struct slice bytes)
{
	CLEANUP(device_key_cleanup) struct device_key made = DEVICE_KEY_INIT;
	CLEANUP(secret_cleanup) struct secret *unwrapped = NULL, *taken = NULL;
	struct duplicate duplicate;
	struct err err = {0};

	if (device_key_parse(bytes, &made, &err) == 0) {
		duplicate = duplicate_of(&made.wrapped);
		FUZZ_REQUIRE(bytes.len <= DEVICE_KEY_LINE_MAX);
		FUZZ_REQUIRE(duplicate_check(&duplicate, &err) == 0);
	} else {
		FUZZ_REQUIRE(err.code == ERR_DAMAGED && made.wrapped.seed.len == 0);
	}
	FUZZ_REQUIRE(secret_copy(bytes, &unwrapped, &err) == 0);
	if (device_key_take(unwrapped, (const uint8_t *)V2_CEK, &taken, &err) == 0)
		FUZZ_REQUIRE(secret_size(taken) == PAYLOAD_KEY && bytes.len == 2 * PAYLOAD_KEY);
}

struct file {
	struct slice bytes;
	unsigned reads;
};

static int read_file(void *arg, uint64_t at, uint8_t *ret_bytes, size_t len, size_t *ret_len,
		     struct err *err)
{
	struct file *file = arg;

	(void)err;
	FUZZ_REQUIRE(at < file->bytes.len && len <= file->bytes.len - at && len > 0);
	file->reads++;
	memcpy(ret_bytes, file->bytes.data + at, len);
	*ret_len = len;
	return 0;
}

/* Looks for the Name whose last two digits come first in the input. */
static void try_lines(struct slice bytes)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX);
	char name[WRAP_NAME_HEX] = V2_P256_NAME;
	struct file file = {.bytes = bytes};
	struct device_keys keys = {.read = read_file, .arg = &file};
	struct err err = {0};

	if (bytes.len < 2)
		return;
	name[WRAP_NAME_HEX - 3] = "0123456789abcdef"[bytes.data[0] % 16];
	name[WRAP_NAME_HEX - 2] = "0123456789abcdef"[bytes.data[1] % 16];
	file.bytes = slice_of(bytes.data + 2, bytes.len - 2);
	keys.size = file.bytes.len;
	if (device_keys_find(&keys, name, &line, &err) < 0) {
		FUZZ_REQUIRE(err.code == ERR_NOT_FOUND || err.code == ERR_DAMAGED);
		FUZZ_REQUIRE(line.len == 0);
	} else {
		FUZZ_REQUIRE(line.len > 84 && memcmp(line.data, DEVICE_KEY_PREFIX, 16) == 0);
		FUZZ_REQUIRE(memcmp(line.data + 16, name, WRAP_NAME_HEX - 1) == 0);
		FUZZ_REQUIRE(!memchr(line.data, '\n', line.len));
	}
	FUZZ_REQUIRE(file.reads <= bytes.len / 84 + 1);
}

static void try_content_key(struct slice bytes)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = file_manifest();
	CLEANUP(secret_cleanup) struct secret *json = NULL, *read = NULL;
	struct err err = {0};

	FUZZ_REQUIRE(secret_copy(bytes, &json, &err) == 0);
	if (content_key_read(json, manifest, &read, &err) < 0)
		FUZZ_REQUIRE(!read && (err.code == ERR_DAMAGED || err.code == ERR_WRONG_NAME));
	else
		FUZZ_REQUIRE(secret_size(read) == PAYLOAD_KEY);
}

static size_t take_number(struct cursor *script, size_t below)
{
	return below ? (size_t)cursor_u32(script) % below : 0;
}

static void seal(const struct manifest *manifest, size_t step, struct buf *payload)
{
	CLEANUP(payload_seal_cleanup) struct payload_seal *seal = NULL;
	const struct payload_release release = {.resource = manifest_resource(manifest),
						.serial = manifest->serial};
	size_t size = (size_t)manifest->plain_size;
	uint8_t digest[MANIFEST_DIGEST];
	struct err err = {0};

	FUZZ_REQUIRE(payload_seal_new(key, &release, size, &seal, &err) == 0);
	for (size_t at = 0; at < size; at += step)
		FUZZ_REQUIRE(
			payload_seal_add(seal,
					 slice_of(plain + at, size - at < step ? size - at : step),
					 payload, &err) == 0);
	FUZZ_REQUIRE(payload_seal_end(seal, payload, digest, &err) == 0);
	FUZZ_REQUIRE(payload->len == manifest->payload_size);
}

/* One change of the file that the script orders: a byte, a cut, a piece moved, a piece more. */
static void change(struct cursor *script, struct buf *payload)
{
	unsigned what = cursor_u8(script) % 4;
	size_t at = take_number(script, payload->len), len;

	if (payload->len == 0)
		return;
	len = take_number(script, payload->len - at);
	if (what == 0)
		payload->data[at] ^= cursor_u8(script);
	else if (what == 1)
		payload->len = at;
	else if (what == 2)
		memmove(payload->data + take_number(script, payload->len - len + 1),
			payload->data + at, len);
	else if (payload->len + len <= ROOM / 2)
		buf_put(payload, slice_of(plain, len));
}

static int run(const struct manifest *manifest, struct slice payload, size_t step, uint64_t from,
	       struct buf *out)
{
	CLEANUP(payload_open_cleanup) struct payload_open *open = NULL;
	struct err err = {0};
	uint64_t at = 0;
	int r = payload_open_new(key, manifest, &open, &err);

	FUZZ_REQUIRE(r == 0);
	if (from > 0 && payload.len >= PAYLOAD_HEADER) {
		r = payload_open_add(open, slice_of(payload.data, PAYLOAD_HEADER), out, &err);
		if (r == 0)
			r = payload_open_seek(open, from, &at, &err);
		if (r == 0 && at > payload.len)
			return ERR_DAMAGED;
	}
	for (; r == 0 && at < payload.len; at += step) {
		size_t len = payload.len - at < step ? (size_t)(payload.len - at) : step;

		r = payload_open_add(open, slice_of(payload.data + at, len), out, &err);
	}
	return r < 0 ? r : payload_open_end(open, &err);
}

/* A payload that a script makes, changes, and opens in pieces from some place on. */
static void try_payload(struct slice bytes)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = file_manifest();
	CLEANUP(buf_fini) struct buf payload = BUF_INIT(ROOM), good = BUF_INIT(ROOM);
	CLEANUP(buf_fini) struct buf out = BUF_INIT(ROOM);
	struct cursor script = cursor_of(bytes);
	size_t size = take_number(&script, PLAIN_MAX + 1);
	size_t step = 1000 + take_number(&script, ROOM);
	uint64_t from = take_number(&script, size + 1);
	bool same;
	int r;

	manifest->plain_size = size;
	manifest->payload_size = payload_size(size);
	seal(manifest, step, &payload);
	buf_put(&good, buf_slice(&payload));
	for (unsigned i = 0; i < 8 && script.rest.len > 0; i++)
		change(&script, &payload);
	same = slice_equal(buf_slice(&good), buf_slice(&payload));
	r = run(manifest, buf_slice(&payload), step, from, &out);
	FUZZ_REQUIRE(r == 0 || r == ERR_DAMAGED || r == ERR_NOT_SUPPORTED);
	FUZZ_REQUIRE(out.len <= size - from || from == 0);
	FUZZ_REQUIRE(out.len == 0 || memcmp(out.data, plain + from, out.len) == 0);
	FUZZ_REQUIRE(!same || r == 0);
	FUZZ_REQUIRE(r != 0 || out.len == size - from);
	FUZZ_REQUIRE(same || from > 0 || r < 0);
}

/* The bytes as a payload's file, whatever they are. */
static void try_file(struct slice bytes)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = file_manifest();
	CLEANUP(buf_fini) struct buf out = BUF_INIT(ROOM);

	manifest->plain_size = bytes.len < 64 ? 0 : bytes.len - 64;
	manifest->payload_size = payload_size(manifest->plain_size);
	if (run(manifest, bytes, 50, 0, &out) == 0)
		FUZZ_REQUIRE(out.len == manifest->plain_size);
	else
		FUZZ_REQUIRE(out.len == 0);
}

static void setup(void)
{
	struct err err = {0};

	FUZZ_REQUIRE(secret_copy(slice_of(V2_CEK, PAYLOAD_KEY), &key, &err) == 0);
	for (size_t i = 0; i < PLAIN_MAX; i++)
		plain[i] = (uint8_t)(i * 7 % 251);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct slice) = {
		try_manifest, try_line, try_lines, try_content_key, try_payload, try_file,
	};

	if (!key)
		setup();
	if (size > 0)
		tries[data[0] % ARRAY_LEN(tries)](slice_of(data + 1, size - 1));
	return 0;
}
