/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/quoted.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"

#define GENERATED_VALUE 0xff544347u /* Part 2, 6.2 */
#define ST_ATTEST_QUOTE 0x8018u	    /* Part 2, 6.9 */
#define CLOCK_INFO_SIZE 17u	    /* Part 2, 10.11.1 */
#define FIRMWARE_SIZE	8u
#define SELECT_MAX	4u

/* Part 2, 6.3. */
static const struct hash {
	uint16_t id;
	const char *name;
	size_t size;
} HASHES[] = {
	{0x0004, "sha1", 20},	  {0x000b, "sha256", 32},   {0x000c, "sha384", 48},
	{0x000d, "sha512", 64},	  {0x0012, "sm3_256", 32},  {0x0027, "sha3_256", 32},
	{0x0028, "sha3_384", 48}, {0x0029, "sha3_512", 64},
};

static const struct hash *find_hash(uint16_t id)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(HASHES); i++)
		if (HASHES[i].id == id)
			return &HASHES[i];
	return NULL;
}

static void skip_sized(struct cursor *cursor)
{
	(void)cursor_take(cursor, cursor_u16(cursor));
}

/* TPMS_PCR_SELECTION. */
static bool read_bank(struct cursor *cursor, struct quoted_bank *ret_bank)
{
	const struct hash *hash = find_hash(cursor_u16(cursor));
	struct slice select = cursor_take(cursor, cursor_u8(cursor));
	size_t i;

	if (cursor->failed || !hash || select.len > SELECT_MAX)
		return false;
	*ret_bank = (struct quoted_bank){
		.hash = hash->name, .id = hash->id, .select_size = (uint8_t)select.len};
	for (i = 0; i < select.len; i++)
		ret_bank->pcrs |= (uint32_t)select.data[i] << (8 * i);
	return true;
}

static bool read_quote(struct cursor *cursor, struct quoted *quoted)
{
	bool good = cursor_u32(cursor) == GENERATED_VALUE && cursor_u16(cursor) == ST_ATTEST_QUOTE;
	size_t i;

	skip_sized(cursor); /* qualifiedSigner */
	skip_sized(cursor); /* extraData */
	(void)cursor_take(cursor, CLOCK_INFO_SIZE + FIRMWARE_SIZE);
	quoted->count = cursor_u32(cursor);
	if (!good || cursor->failed || quoted->count > QUOTED_BANKS_MAX)
		return false;
	for (i = 0; i < quoted->count; i++)
		if (!read_bank(cursor, &quoted->banks[i]))
			return false;
	skip_sized(cursor); /* pcrDigest */
	return cursor_done(cursor);
}

int quoted_read(struct slice attest, struct quoted *ret_quoted, struct err *err)
{
	struct cursor cursor = cursor_of(attest);
	struct quoted quoted = {.count = 0};

	if (!read_quote(&cursor, &quoted))
		return err_set(err, ERR_DAMAGED, "the service's answer is no quote");
	*ret_quoted = quoted;
	return 0;
}

void quoted_put_list(struct buf *out, const struct quoted *quoted)
{
	size_t i;
	unsigned pcr;

	for (i = 0; i < quoted->count; i++) {
		char before = ':';

		buf_printf(out, "%s%s", i > 0 ? "+" : "", quoted->banks[i].hash);
		for (pcr = 0; pcr < 32; pcr++) {
			if (!(quoted->banks[i].pcrs >> pcr & 1u))
				continue;
			buf_printf(out, "%c%u", before, pcr);
			before = ',';
		}
	}
}

/* --- values --- */

/*
 * tpm2-tools write their structures as they lie in memory, with integers of the little end: a list
 * of 16 selections of 8 bytes, and lists of 8 digests of 66 bytes. What is not used is zero.
 */
#define FILE_BANKS	 16u
#define FILE_BANK_SIZE	 8u
#define FILE_LIST	 8u
#define FILE_DIGEST_ROOM 64u

static void put_le16(struct buf *out, uint16_t value)
{
	buf_put_u8(out, (uint8_t)value);
	buf_put_u8(out, (uint8_t)(value >> 8));
}

static void put_le32(struct buf *out, uint32_t value)
{
	put_le16(out, (uint16_t)value);
	put_le16(out, (uint16_t)(value >> 16));
}

static void put_zeros(struct buf *out, size_t len)
{
	uint8_t *room = buf_grow(out, len);

	if (room)
		memset(room, 0, len);
}

static void put_selections(struct buf *out, const struct quoted *quoted)
{
	size_t i, k;

	put_le32(out, (uint32_t)quoted->count);
	for (i = 0; i < quoted->count; i++) {
		const struct quoted_bank *bank = &quoted->banks[i];

		put_le16(out, bank->id);
		buf_put_u8(out, bank->select_size);
		for (k = 0; k < SELECT_MAX; k++)
			buf_put_u8(out, (uint8_t)(bank->pcrs >> (8 * k)));
		buf_put_u8(out, 0);
	}
	put_zeros(out, (FILE_BANKS - quoted->count) * FILE_BANK_SIZE);
}

static unsigned count_pcrs(const struct quoted *quoted)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; i < quoted->count; i++)
		count += (unsigned)__builtin_popcount(quoted->banks[i].pcrs);
	return count;
}

/* Where the next digest goes: behind how many others, and how many there will be. */
struct place {
	struct buf *out;
	unsigned at;
	unsigned total;
};

static void put_digest(struct place *place, struct slice digest)
{
	unsigned left = place->total - place->at;

	if (place->at % FILE_LIST == 0)
		put_le32(place->out, left < FILE_LIST ? left : FILE_LIST);
	put_le16(place->out, (uint16_t)digest.len);
	buf_put(place->out, digest);
	put_zeros(place->out, FILE_DIGEST_ROOM - digest.len);
	place->at++;
}

static size_t size_of(uint16_t id)
{
	const struct hash *hash = find_hash(id);

	return hash ? hash->size : 0;
}

static bool put_value(struct place *place, const struct json_t *bank, unsigned pcr, size_t size)
{
	uint8_t digest[FILE_DIGEST_ROOM];
	const json_t *value;
	char number[8];

	(void)snprintf(number, sizeof(number), "%u", pcr);
	value = json_object_get(bank, number);
	if (json_string_length(value) != 2 * size ||
	    !hex_decode(slice_str(json_string_value(value)), digest, size))
		return false;
	put_digest(place, slice_of(digest, size));
	return true;
}

static int put_bank(struct place *place, const struct quoted_bank *bank, const json_t *values,
		    struct err *err)
{
	unsigned pcr;

	for (pcr = 0; pcr < 32; pcr++)
		if ((bank->pcrs >> pcr & 1u) && !put_value(place, values, pcr, size_of(bank->id)))
			return err_set(err, ERR_DAMAGED,
				       "the value of PCR %u of bank %s is missing", pcr,
				       bank->hash);
	return 0;
}

int quoted_put_values(struct buf *out, const struct quoted *quoted, const struct json_t *pcrs,
		      struct err *err)
{
	struct place place = {.out = out, .total = count_pcrs(quoted)};
	size_t i;
	int r = 0;

	put_selections(out, quoted);
	put_le32(out, (place.total + FILE_LIST - 1) / FILE_LIST);
	for (i = 0; r == 0 && i < quoted->count; i++)
		r = put_bank(&place, &quoted->banks[i],
			     json_object_get(pcrs, quoted->banks[i].hash), err);
	if (r == 0 && place.total % FILE_LIST > 0)
		put_zeros(out, (FILE_LIST - place.total % FILE_LIST) * (FILE_DIGEST_ROOM + 2));
	return r;
}
