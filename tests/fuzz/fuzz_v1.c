/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What stands around v1 resources: names, fingerprints, blobs as they come from a cache, states of
 * sealing, signatures. The first byte says which, the second in what steps. A blob opens to as much
 * as its size and padding say, in any steps and from any place; one that was changed never gets by
 * what is expected of it.
 */

#include "artifact/fingerprint.h"
#include "artifact/resource.h"
#include "artifact/v1.h"
#include "artifact/v1_key.h"
#include "artifact/v1_sig.h"
#include "base/base64.h"
#include "tests/fuzz/fuzz.h"
#include "tests/vectors/v1_sig.inc"

#define ROOM 65536u

static struct secret *key;

static struct slice take(struct slice *bytes, size_t len)
{
	size_t n = len < bytes->len ? len : bytes->len;
	struct slice first = slice_of(bytes->data, n);

	*bytes = slice_of(bytes->data + n, bytes->len - n);
	return first;
}

/* What was taken can be part of a path as it is. */
static void require_component(struct slice text)
{
	FUZZ_REQUIRE(text.len > 0 && text.len <= RESOURCE_FILE_MAX && text.data[0] != '.');
	for (size_t i = 0; i < text.len; i++)
		FUZZ_REQUIRE(text.data[i] && strchr("abcdefghijklmnopqrstuvwxyz-._0123456789"
						    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
						    text.data[i]));
}

static void try_names(struct slice bytes, size_t step)
{
	struct slice folder = take(&bytes, step);
	const struct resource resource = {.folder = folder, .name = bytes};
	char file[RESOURCE_FILE_MAX + 1];
	struct err err = {0};

	for (unsigned part = 0; part < RESOURCE_PARTS; part++)
		if (resource_file(bytes, (enum resource_part)part, file, &err) == 0)
			require_component(slice_str(file));
	if (resource_check(&resource, &err) < 0) {
		FUZZ_REQUIRE(err.code == ERR_INVALID && err.text[0]);
		return;
	}
	require_component(folder);
	require_component(bytes);
	FUZZ_REQUIRE(resource_file(bytes, RESOURCE_BIG, file, &err) == 0);
}

static void require_within(struct slice part, struct slice whole)
{
	FUZZ_REQUIRE(part.len > 0 && part.data >= whole.data &&
		     part.data + part.len <= whole.data + whole.len);
}

static void try_fingerprints(struct slice bytes, size_t step)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(FINGERPRINT_MAX);
	struct fingerprint print = {.gpu = take(&bytes, step), .serial = slice_str("s")};
	struct slice part, again;
	struct err err = {0};

	if (fingerprint_pinned(bytes, &part, &err) == 0) {
		require_within(part, bytes);
		FUZZ_REQUIRE(!memchr(part.data, '\n', part.len));
		FUZZ_REQUIRE(fingerprint_pinned(part, &again, &err) == 0);
		FUZZ_REQUIRE(slice_equal(part, again));
	}
	if (fingerprint_cpu(bytes, &print.cpu, &err) < 0)
		print.cpu = slice_str("c");
	if (fingerprint_memory(bytes, &print.memory, &err) == 0)
		require_within(print.memory, bytes);
	if (fingerprint_put(&print, &text, &err) == 0)
		FUZZ_REQUIRE(fingerprint_pinned(buf_slice(&text), &part, &err) == 0);
}

static int check(struct slice blob, size_t step, const struct v1_seen *expected,
		 struct v1_facts *ret_facts)
{
	CLEANUP(v1_check_cleanup) struct v1_check *pass = NULL;
	struct v1_seen seen;
	struct err err = {0};
	uint64_t size = blob.len;
	int r;

	FUZZ_REQUIRE(v1_check_new(&pass, &err) == 0);
	while (blob.len > 0)
		FUZZ_REQUIRE(v1_check_add(pass, take(&blob, step), &err) == 0);
	FUZZ_REQUIRE(v1_check_end(pass, &seen, &err) == 0);
	FUZZ_REQUIRE(seen.size == size);
	r = v1_check_verdict(pass, key, expected, ret_facts, &err);
	FUZZ_REQUIRE(r == 0 || (r == ERR_DAMAGED && !strcmp(err.text, V1_DOES_NOT_OPEN)));
	return r;
}

/* The second pass; what comes out goes to @plain. */
static int run(struct slice blob, size_t step, const struct v1_facts *facts, uint64_t from,
	       struct buf *plain)
{
	CLEANUP(v1_open_cleanup) struct v1_open *open = NULL;
	struct err err = {0};
	int r = v1_open_new(key, facts, from, &open, &err);

	while (r == 0 && blob.len > 0)
		r = v1_open_add(open, take(&blob, step), plain, &err);
	return r < 0 ? r : v1_open_end(open, plain, &err);
}

static void try_blob(struct slice bytes, size_t step)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM), part = BUF_INIT(ROOM);
	CLEANUP(secret_cleanup) struct secret *whole = NULL;
	struct v1_facts facts;
	struct err err = {0};
	uint64_t from;

	if (check(bytes, step, NULL, &facts) < 0) {
		FUZZ_REQUIRE(v1_open_bytes(key, bytes, &whole, &err) == ERR_DAMAGED);
		return;
	}
	FUZZ_REQUIRE(v1_blob_size(facts.plain) == bytes.len);
	FUZZ_REQUIRE(run(bytes, step, &facts, 0, &plain) == 0 && plain.len == facts.plain);
	FUZZ_REQUIRE(v1_open_bytes(key, bytes, &whole, &err) == 0);
	FUZZ_REQUIRE(slice_equal(secret_slice(whole), buf_slice(&plain)));
	from = facts.plain * step / 300 / V1_BLOCK * V1_BLOCK;
	if (from > 0) {
		FUZZ_REQUIRE(run(bytes, step, &facts, from, &part) == 0);
		FUZZ_REQUIRE(slice_equal(buf_slice(&part),
					 slice_of(plain.data + from, plain.len - (size_t)from)));
	}
	FUZZ_REQUIRE(run(bytes, step, &facts, from + 1, &part) == ERR_INVALID);
}

/* The pin of the parts is theirs, and that of no other small part. */
static void require_pinned(struct slice small, const struct v1_seen *seen)
{
	const struct v1_seen *expected = NULL;
	struct v1_pin pin;
	struct err err = {0};

	FUZZ_REQUIRE(v1_pin_make(small, seen, &pin, &err) == 0);
	FUZZ_REQUIRE(v1_pin_expect(&pin, small, &expected, &err) == 0 && expected == &pin.seen);
	small.len--;
	FUZZ_REQUIRE(v1_pin_expect(&pin, small, &expected, &err) == 0 && !expected);
}

/* Buffers that are too small, some by one byte: nothing is left in them, and nothing goes on. */
static void require_dead(struct slice blob, size_t room)
{
	CLEANUP(buf_fini) struct buf small = BUF_INIT(room), big = BUF_INIT(room);
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(room);
	CLEANUP(v1_split_cleanup) struct v1_split *split = NULL;
	CLEANUP(v1_seal_cleanup) struct v1_seal *seal = NULL;
	const struct v1_parts parts = {&small, &big};
	struct v1_state state;
	struct v1_seen seen;
	struct err err = {0};
	int r;

	FUZZ_REQUIRE(v1_seal_new(key, &seal, &err) == 0);
	if (v1_seal_add(seal, blob, &sealed, &err) < 0) {
		FUZZ_REQUIRE(err.code == ERR_TOO_LARGE && sealed.len == 0);
		FUZZ_REQUIRE(v1_seal_state(seal, &state, &err) == ERR_INVALID);
		FUZZ_REQUIRE(v1_seal_end(seal, &sealed, &err) == ERR_INTERNAL);
	}
	FUZZ_REQUIRE(v1_split_new(&split, &err) == 0);
	r = v1_split_add(split, blob, &parts, &err);
	if (r == 0)
		r = v1_split_end(split, &parts, &seen, &err);
	FUZZ_REQUIRE(r == 0 || (r == ERR_TOO_LARGE && small.len == 0 && big.len == 0));
	FUZZ_REQUIRE(r == 0 || v1_split_add(split, blob, &parts, &err) == ERR_INTERNAL);
	FUZZ_REQUIRE(v1_split_end(split, &parts, &seen, &err) == ERR_INTERNAL);
}

/* The bytes as plaintext: sealed, cut, changed in one byte. */
static void try_plain(struct slice bytes, size_t step)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(ROOM), back = BUF_INIT(ROOM);
	CLEANUP(buf_fini) struct buf small = BUF_INIT(ROOM), big = BUF_INIT(ROOM);
	CLEANUP(v1_split_cleanup) struct v1_split *split = NULL;
	const struct v1_parts parts = {&small, &big};
	struct v1_facts facts, other;
	struct slice rest;
	struct err err = {0};

	FUZZ_REQUIRE(v1_seal_bytes(key, bytes, &blob, &err) == 0);
	FUZZ_REQUIRE(v1_split_new(&split, &err) == 0);
	for (rest = buf_slice(&blob); rest.len > 0;)
		FUZZ_REQUIRE(v1_split_add(split, take(&rest, step), &parts, &err) == 0);
	FUZZ_REQUIRE(v1_split_end(split, &parts, &facts.seen, &err) == 0);
	FUZZ_REQUIRE(small.len == v1_cut(blob.len) && small.len + big.len == blob.len);
	FUZZ_REQUIRE(slice_equal(buf_slice(&small), slice_of(blob.data, small.len)));
	require_pinned(buf_slice(&small), &facts.seen);
	require_dead(buf_slice(&blob), blob.len - step % blob.len);
	FUZZ_REQUIRE(check(buf_slice(&blob), step, &facts.seen, &facts) == 0);
	FUZZ_REQUIRE(run(buf_slice(&blob), step, &facts, 0, &back) == 0);
	FUZZ_REQUIRE(slice_equal(buf_slice(&back), bytes));
	buf_reset(&back);
	blob.data[step * 131 % blob.len] ^= (uint8_t)(step | 1);
	FUZZ_REQUIRE(check(buf_slice(&blob), step, &facts.seen, &other) == ERR_DAMAGED);
	FUZZ_REQUIRE(run(buf_slice(&blob), step, &facts, 0, &back) == ERR_DAMAGED);
	FUZZ_REQUIRE(back.len <= bytes.len && (bytes.len == 0 || back.len < bytes.len));
}

static void try_state(struct slice bytes, size_t step)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(ROOM);
	CLEANUP(v1_seal_cleanup) struct v1_seal *seal = NULL;
	struct v1_state state = {0};
	struct slice first = take(&bytes, sizeof(state));
	struct err err = {0};
	uint64_t at;

	(void)step;
	if (first.len > 0)
		memcpy(&state, first.data, first.len);
	if (v1_seal_resume(key, &state, &seal, &at, &err) < 0) {
		FUZZ_REQUIRE(err.code == ERR_DAMAGED && !seal);
		return;
	}
	FUZZ_REQUIRE(at == state.done - V1_BLOCK && at % V1_BLOCK == 0);
	FUZZ_REQUIRE(v1_seal_add(seal, bytes, &blob, &err) == 0);
	FUZZ_REQUIRE(v1_seal_end(seal, &blob, &err) == 0);
	FUZZ_REQUIRE(blob.len == (bytes.len / V1_BLOCK + 1) * V1_BLOCK);
}

static void unbase64(const char *text, struct buf *ret_bytes)
{
	size_t len = 0;
	uint8_t *room = buf_grow(ret_bytes, base64_decoded_max(strlen(text)));

	FUZZ_REQUIRE(room && base64_decode(slice_str(text), room, &len));
	ret_bytes->len -= base64_decoded_max(strlen(text)) - len;
}

/* Whatever is a signature of the one resource is none of another, nor by somebody else. */
static void try_sig(struct slice bytes, size_t step)
{
	CLEANUP(buf_fini) struct buf anchor = BUF_INIT(8192), other = BUF_INIT(8192);
	struct v1_release release = {
		.resource = {.folder = slice_str("models"), .name = slice_str("net.bin")},
		.seen = {.size = 48},
	};
	struct err err = {0};

	(void)step;
	for (unsigned i = 0; i < V1_DIGEST; i++)
		release.seen.digest[i] = (uint8_t)i;
	unbase64(VECTOR_CA, &anchor);
	unbase64(VECTOR_OTHER, &other);
	if (v1_sig_verify(bytes, &release, buf_slice(&anchor), CMS_ANY_TIME, &err) < 0) {
		FUZZ_REQUIRE(err.code == ERR_DAMAGED || err.code == ERR_FORBIDDEN);
		return;
	}
	FUZZ_REQUIRE(v1_sig_verify(bytes, &release, buf_slice(&other), CMS_ANY_TIME, &err) < 0);
	release.seen.size++;
	FUZZ_REQUIRE(v1_sig_verify(bytes, &release, buf_slice(&anchor), CMS_ANY_TIME, &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct slice, size_t) = {
		try_names, try_fingerprints, try_blob, try_plain, try_state, try_sig,
	};
	struct err err = {0};

	if (!key)
		FUZZ_REQUIRE(v1_key_archive(slice_str("fuzz"), &key, &err) == 0);
	if (size < 2)
		return 0;
	tries[data[0] % ARRAY_LEN(tries)](slice_of(data + 2, size - 2), (size_t)data[1] + 1);
	return 0;
}
