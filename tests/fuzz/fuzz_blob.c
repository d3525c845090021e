/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sealed blobs and the records of keys. The parts of what was parsed lie within it, written again
 * they are the same bytes, and no blob passes the check for another owner.
 */

#include <string.h>

#include "crypto/stream.h"
#include "provider/blob.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t TENANT[BLOB_TENANT_SIZE] = {7, 7, 7};

static void require_within(struct slice part, struct slice whole)
{
	FUZZ_REQUIRE(part.len <= whole.len);
	FUZZ_REQUIRE(!part.len ||
		     (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void check_same(const struct blob *blob, struct slice bytes)
{
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX + 64);
	CLEANUP(buf_fini) struct buf again = BUF_INIT(bytes.len + 64);

	blob_header_write(&blob->header, &header);
	FUZZ_REQUIRE(buf_ok(&header));
	FUZZ_REQUIRE(slice_equal(buf_slice(&header), blob->header_bytes));
	blob_write(blob->header_bytes, blob->object, blob->body, &again);
	FUZZ_REQUIRE(buf_ok(&again) && slice_equal(buf_slice(&again), bytes));
}

/* A name may be another's by chance of the input, the tenant of all zeros and sevens not. */
static void check_owner(const struct blob *blob)
{
	static const struct provider_ops ops[] = {
		{.name = "tpm", .kind = PROVIDER_TPM, .protection = "tpm", .on_chip = true},
		{.name = "legacy", .kind = PROVIDER_SOFTWARE, .protection = "software"},
	};
	struct blob_expect expect = {
		.kind = blob->header.kind, .tenant = TENANT, .name = blob->header.name};
	struct provider p = {.root_len = blob->header.root_len};
	struct err err = {0};
	size_t i;

	memcpy(p.root, blob->header.root, sizeof(p.root));
	memcpy(p.auth_id, blob->header.auth_id, sizeof(p.auth_id));
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		bool mine = ops[i].kind == blob->header.provider;

		p.ops = &ops[i];
		FUZZ_REQUIRE(blob_check(blob, &expect, &p, &err) ==
			     (mine && !memcmp(blob->header.tenant, TENANT, sizeof(TENANT))
				      ? 0
				      : err.code));
		expect.tenant = blob->header.tenant;
		FUZZ_REQUIRE((blob_check(blob, &expect, &p, &err) == 0) == mine);
		expect.name = "another";
		FUZZ_REQUIRE(blob_check(blob, &expect, &p, &err) < 0 ||
			     !strcmp(blob->header.name, "another"));
		expect.name = blob->header.name;
		p.auth_id[0] ^= 1;
		FUZZ_REQUIRE(blob_check(blob, &expect, &p, &err) < 0);
		p.auth_id[0] ^= 1;
		p.root[0] ^= 1;
		FUZZ_REQUIRE(blob_check(blob, &expect, &p, &err) < 0);
		p.root[0] ^= 1;
		expect.kind = blob->header.kind == BLOB_KEY ? BLOB_SECRET : BLOB_KEY;
		FUZZ_REQUIRE(blob_check(blob, &expect, &p, &err) < 0);
		expect.kind = blob->header.kind;
		expect.tenant = TENANT;
	}
}

/* A header as a provider begins it, from the bytes: what is written is what is read. */
static void check_written(struct slice bytes)
{
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX + 64);
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(4096);
	static const struct provider_ops ops = {.kind = PROVIDER_TPM};
	struct provider p = {.ops = &ops, .root_len = 34};
	struct blob_header made;
	struct blob blob;
	char name[BLOB_NAME_MAX + 1];
	struct err err = {0};

	if (!blob_name_valid(bytes))
		return;
	memcpy(name, bytes.data, bytes.len);
	name[bytes.len] = '\0';
	blob_header_init(&made, &p, BLOB_SECRET, TENANT, name, 1);
	blob_header_write(&made, &header);
	blob_write(buf_slice(&header), slice_str("object"), slice_of(NULL, 0), &whole);
	FUZZ_REQUIRE(buf_ok(&whole) && blob_parse(buf_slice(&whole), &blob, &err) == 0);
	FUZZ_REQUIRE(!strcmp(blob.header.name, name));
}

/* Bodies of before end behind the Name, where now "to sign" and no public area follow. */
static void check_key_written(const struct blob_key_public *key, struct slice body)
{
	CLEANUP(buf_fini) struct buf again = BUF_INIT(4096), whole = BUF_INIT(4096);

	blob_key_public_write(key, &again);
	buf_put(&whole, body);
	if (whole.len < again.len)
		buf_put(&whole, slice_of("\1\0\0", 3));
	FUZZ_REQUIRE(buf_ok(&again) && slice_equal(buf_slice(&again), buf_slice(&whole)));
}

static void check_key_public(struct slice body)
{
	struct blob_key_public key;
	struct err err = {0};

	if (blob_key_public_parse(body, &key, &err) < 0) {
		FUZZ_REQUIRE(err.code < 0 && err.text[0]);
		return;
	}
	require_within(key.spki, body);
	require_within(key.name, body);
	require_within(key.public, body);
	check_key_written(&key, body);
}

static void check_aik_public(struct slice body)
{
	CLEANUP(buf_fini) struct buf again = BUF_INIT(4096);
	struct blob_key_public aik;
	struct err err = {0};

	if (blob_aik_public_parse(body, &aik, &err) < 0) {
		FUZZ_REQUIRE(err.code < 0 && err.text[0]);
		return;
	}
	require_within(aik.spki, body);
	require_within(aik.name, body);
	require_within(aik.public, body);
	blob_aik_public_write(&aik, &again);
	FUZZ_REQUIRE(buf_ok(&again) && slice_equal(buf_slice(&again), body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct blob blob;
	uint64_t plain;
	struct err err = {0};
	int r = blob_parse(bytes, &blob, &err);

	FUZZ_EITHER(blob_header_kind(bytes) == BLOB_AIK);
	check_key_public(bytes);
	check_aik_public(bytes);
	check_written(bytes);
	FUZZ_REQUIRE(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return 0;
	require_within(blob.header_bytes, bytes);
	require_within(blob.object, bytes);
	require_within(blob.body, bytes);
	FUZZ_REQUIRE(blob_header_kind(blob.header_bytes) == blob.header.kind);
	check_same(&blob, bytes);
	check_owner(&blob);
	if (blob.header.kind == BLOB_KEY)
		check_key_public(blob.body);
	else if (blob.header.kind == BLOB_AIK)
		check_aik_public(blob.body);
	else if (stream_plain_size(blob.body.len, &plain, &err) == 0)
		FUZZ_REQUIRE(stream_sealed_size(plain) == blob.body.len);
	return 0;
}
