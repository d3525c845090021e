/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What comes to and from storage keys; the first byte says which. A public area that is read has
 * one Name and one form, and something can be sealed to it. A duplicate opens only to what was
 * sealed. A sensitive area that is hostile but well wrapped, as anybody can make one, opens to what
 * its public area has the digest of.
 */

#include "crypto/hash.h"
#include "crypto/pkey_parts.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/wrap_key.h"
#include "wrap/credential.h"
#include "wrap/duplicate.h"
#include "wrap/seed.h"

static struct pkey *own;
static struct wrap_public *parent;

static void setup(void)
{
	if (parent)
		return;
	wrap_key_make(&own, &parent);
}

/* --- public areas -------------------------------------------------------------------------- */

static void use_public(const struct wrap_public *public)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(buf_fini) struct buf file = BUF_INIT(CREDENTIAL_FILE_MAX);
	CLEANUP(secret_cleanup) struct secret *data = NULL;
	struct duplicate duplicate;
	struct err err = {0};

	FUZZ_REQUIRE(secret_copy(slice_str("0123456789abcdef"), &data, &err) == 0);
	FUZZ_REQUIRE(duplicate_make(public, data, &made, &err) == 0);
	duplicate = duplicate_of(&made);
	FUZZ_REQUIRE(duplicate_check(&duplicate, &err) == 0);
	FUZZ_REQUIRE(credential_make(public, wrap_public_name(public), data, &file, &err) == 0);
	FUZZ_REQUIRE(file.len <= CREDENTIAL_FILE_MAX);
}

static void try_public(struct slice bytes)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
	char hex[WRAP_NAME_HEX] = "";
	const char *unfit;
	struct err err = {0};
	int r = wrap_public_read(bytes, &public, &err);

	FUZZ_REQUIRE(r == 0 || (r == err.code && err.text[0] && !public));
	FUZZ_REQUIRE(r == 0 || r == ERR_DAMAGED || r == ERR_NOT_SUPPORTED);
	if (r < 0)
		return;
	FUZZ_REQUIRE(slice_equal(wrap_public_area(public), bytes));
	FUZZ_REQUIRE(wrap_public_name(public).len == WRAP_NAME_SIZE);
	wrap_public_hex(public, hex);
	FUZZ_REQUIRE(strlen(hex) == WRAP_NAME_HEX - 1 && !strncmp(hex, "000b", 4));
	unfit = wrap_public_unfit(public);
	FUZZ_REQUIRE(!unfit || unfit[0]);
	use_public(public);
}

/* --- duplicates ---------------------------------------------------------------------------- */

static int open_own(const struct duplicate *duplicate, struct secret **ret_data)
{
	struct err err = {0};
	int r = duplicate_open(own, parent, duplicate, ret_data, &err);

	FUZZ_REQUIRE(r == 0 || (r == ERR_DAMAGED && err.code == r && err.text[0] && !*ret_data));
	FUZZ_REQUIRE(duplicate_check(duplicate, &err) == 0 || r == ERR_DAMAGED);
	FUZZ_REQUIRE(r < 0 ||
		     (secret_size(*ret_data) > 0 && secret_size(*ret_data) <= DUPLICATE_DATA_MAX));
	return r;
}

/* The lengths of the first two parts stand before them. */
static void try_duplicate(struct slice bytes)
{
	CLEANUP(secret_cleanup) struct secret *data = NULL;
	struct cursor cursor = cursor_of(bytes);
	struct duplicate duplicate;

	duplicate.public_area = cursor_take(&cursor, cursor_u16(&cursor));
	duplicate.private_area = cursor_take(&cursor, cursor_u16(&cursor));
	duplicate.seed = cursor.rest;
	if (open_own(&duplicate, &data) < 0)
		return;
	for (size_t i = 0; i < secret_size(data); i++)
		FUZZ_REQUIRE(secret_data(data)[i] == WRAP_KEY_FILL);
}

/* --- sensitive areas ----------------------------------------------------------------------- */

static void put_sized(struct buf *buf, struct slice bytes)
{
	buf_put_u16(buf, (uint16_t)bytes.len);
	buf_put(buf, bytes);
}

/* For what stands where the two parts of what is hashed should. */
static void put_public(struct slice sensitive, struct buf *ret_area, uint8_t ret_name[34])
{
	static const uint8_t head[] = {0, 8, 0, 11, 0, 0, 4, 0x40, 0, 0, 0, 16, 0, 32};
	CLEANUP(buf_fini) struct buf area = BUF_INIT(64);
	struct cursor cursor = cursor_of(sensitive);
	uint8_t unique[HASH_MAX_SIZE];
	struct slice salted[2], inside;
	struct err err = {0};

	(void)cursor_take(&cursor, 8);
	salted[0] = cursor_take(&cursor, 32);
	(void)cursor_take(&cursor, 2);
	salted[1] = cursor.rest;
	FUZZ_REQUIRE(hash_digest(HASH_SHA256, salted, 2, unique, &err) == 0);
	buf_put(&area, slice_of(head, sizeof(head)));
	buf_put(&area, slice_of(unique, 32));
	put_sized(ret_area, buf_slice(&area));
	inside = buf_slice(&area);
	memcpy(ret_name, "\0\13", 2);
	FUZZ_REQUIRE(hash_digest(HASH_SHA256, &inside, 1, unique, &err) == 0);
	memcpy(ret_name + 2, unique, 32);
}

static void put_wrapped(struct slice sensitive, struct duplicate_made *made)
{
	CLEANUP(buf_fini) struct buf private = BUF_INIT(DUPLICATE_PART_MAX - 2);
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(DUPLICATE_PART_MAX - 2);
	uint8_t bytes[256], seed[SEED_SIZE], name[WRAP_NAME_SIZE];
	const struct seed_holder holder = {.key = own, .x = wrap_key_x(parent), .use = "DUPLICATE"};
	const struct duplicate_wrapper wrapper = {
		.seed = slice_of(seed, sizeof(seed)),
		.name = slice_of(name, sizeof(name)),
		.key_bits = 128,
	};
	struct err err = {0};

	memcpy(bytes, sensitive.data, sensitive.len);
	put_public(sensitive, &made->public_area, name);
	FUZZ_REQUIRE(seed_make(&holder, seed, &sealed, &err) == 0);
	FUZZ_REQUIRE(duplicate_wrap(&wrapper, bytes, sensitive.len, &private, &err) == 0);
	put_sized(&made->private_area, buf_slice(&private));
	put_sized(&made->seed, buf_slice(&sealed));
}

static void try_sensitive(struct slice bytes)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *data = NULL;
	struct duplicate duplicate;

	if (bytes.len == 0 || bytes.len > 256)
		return;
	put_wrapped(bytes, &made);
	duplicate = duplicate_of(&made);
	if (open_own(&duplicate, &data) < 0)
		return;
	/* It had one form only, in which the data are the rest. */
	FUZZ_REQUIRE(bytes.len == 42 + secret_size(data));
	FUZZ_REQUIRE(slice_equal(secret_slice(data), slice_of(bytes.data + 42, bytes.len - 42)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct slice) = {try_public, try_duplicate, try_sensitive};

	setup();
	if (size > 0)
		tries[data[0] % 3](slice_of(data + 1, size - 1));
	return 0;
}
