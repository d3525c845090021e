/* SPDX-License-Identifier: Apache-2.0 */
/* Quotes, taken apart byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/quoted.h"

#define QUOTE_MAX 512u
#define FILE_MAX  4096u

struct bank {
	uint16_t hash;
	uint8_t size;
	uint8_t select[8];
};

/* TPMS_ATTEST with a signer of 4 bytes, a nonce of 3 and a digest of 2. */
static void put_quote(struct buf *out, const struct bank *banks, uint32_t count)
{
	uint32_t i;

	buf_put_u32(out, 0xff544347);
	buf_put_u16(out, 0x8018);
	buf_put(out, slice_of("\0\4abcd\0\3nnn", 11));
	buf_put(out, slice_of("cccccccccccccccccffffffff", 25));
	buf_put_u32(out, count);
	for (i = 0; i < count; i++) {
		buf_put_u16(out, banks[i].hash);
		buf_put_u8(out, banks[i].size);
		buf_put(out, slice_of(banks[i].select, banks[i].size));
	}
	buf_put(out, slice_of("\0\2dd", 4));
	assert_true(buf_ok(out));
}

static const struct bank TWO[] = {{0x000c, 3, {0x03, 0x00, 0x80}}, {0x0004, 3, {0x00, 0x01, 0}}};

static void test_read(void **state)
{
	CLEANUP(buf_fini) struct buf quote = BUF_INIT(QUOTE_MAX);
	CLEANUP(buf_fini) struct buf list = BUF_INIT(QUOTED_LIST_MAX);
	struct quoted quoted;
	struct err err;

	(void)state;
	put_quote(&quote, TWO, 2);
	assert_int_equal(quoted_read(buf_slice(&quote), &quoted, &err), 0);
	quoted_put_list(&list, &quoted);
	buf_put_u8(&list, '\0');
	assert_string_equal((char *)list.data, "sha384:0,1,23+sha1:8");
}

/* Any prefix, any byte more, and any byte of the frame that is another is no quote. */
static void test_damaged(void **state)
{
	CLEANUP(buf_fini) struct buf quote = BUF_INIT(QUOTE_MAX);
	struct quoted quoted;
	struct err err;
	size_t i;

	(void)state;
	put_quote(&quote, TWO, 2);
	for (i = 0; i < quote.len; i++)
		assert_int_equal(quoted_read(slice_of(quote.data, i), &quoted, &err), ERR_DAMAGED);
	for (i = 0; i < 6; i++) {
		quote.data[i] ^= 1;
		assert_int_equal(quoted_read(buf_slice(&quote), &quoted, &err), ERR_DAMAGED);
		quote.data[i] ^= 1;
	}
	buf_put_u8(&quote, 0);
	assert_int_equal(quoted_read(buf_slice(&quote), &quoted, &err), ERR_DAMAGED);
}

static void test_bad_banks(void **state)
{
	static const struct bank UNKNOWN[] = {{0x0010, 3, {1, 0, 0}}};
	static const struct bank LONG[] = {{0x000b, 5, {1, 0, 0}}};
	struct bank many[QUOTED_BANKS_MAX + 1] = {{0}};
	CLEANUP(buf_fini) struct buf quote = BUF_INIT(QUOTE_MAX);
	struct quoted quoted;
	struct err err;
	size_t i;

	(void)state;
	put_quote(&quote, UNKNOWN, 1);
	assert_int_equal(quoted_read(buf_slice(&quote), &quoted, &err), ERR_DAMAGED);
	buf_reset(&quote);
	put_quote(&quote, (const struct bank[]){{0x000b, 4, {1, 0, 0, 0x80}}}, 1);
	assert_int_equal(quoted_read(buf_slice(&quote), &quoted, &err), 0);
	assert_int_equal(quoted.banks[0].pcrs, 0x80000001);
	buf_reset(&quote);
	put_quote(&quote, LONG, 1);
	assert_int_equal(quoted_read(buf_slice(&quote), &quoted, &err), ERR_DAMAGED);
	for (i = 0; i < ARRAY_LEN(many); i++)
		many[i] = TWO[0];
	buf_reset(&quote);
	put_quote(&quote, many, ARRAY_LEN(many));
	assert_int_equal(quoted_read(buf_slice(&quote), &quoted, &err), ERR_DAMAGED);
}

/* --- values --- */

#define SHA1_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA1_B "0123456789abcdef0123456789abcdef01234567"

#define LIST_SIZE  532u
#define FILE_START 136u /* of the first list */

static const struct quoted SHA1 = {.banks = {{"sha1", 0x0004, 3, 1u << 10 | 1u << 2}}, .count = 1};

static const struct {
	const char *json;
	bool good;
} VALUES[] = {
	{"{\"sha1\":{\"10\":\"" SHA1_B "\",\"2\":\"" SHA1_A "\"}}", true},
	{"{\"sha256\":{},\"sha1\":{\"1\":1,\"2\":\"" SHA1_A "\",\"10\":\"" SHA1_B "\"}}", true},
	{"{\"sha1\":{\"2\":\"" SHA1_A "\"}}", false},
	{"{\"sha1\":{\"2\":\"" SHA1_A "\",\"10\":\"" SHA1_B "0\"}}", false},
	{"{\"sha1\":{\"2\":\"" SHA1_A "\",\"10\":\"xx23456789abcdef0123456789abcdef01234567\"}}",
	 false},
	{"{\"sha1\":{\"2\":\"" SHA1_A "\",\"10\":7}}", false},
	{"{\"sha1\":[]}", false},
	{"{}", false},
};

static void test_values(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(VALUES); i++) {
		CLEANUP(json_cleanup) struct json_t *json = NULL;
		CLEANUP(buf_fini) struct buf out = BUF_INIT(FILE_MAX);
		struct err err;

		assert_int_equal(json_parse(slice_str(VALUES[i].json), &json, &err), 0);
		assert_int_equal(quoted_put_values(&out, &SHA1, json, &err),
				 VALUES[i].good ? 0 : ERR_DAMAGED);
		if (!VALUES[i].good)
			continue;
		assert_int_equal(out.len, FILE_START + LIST_SIZE);
		assert_memory_equal(out.data, "\1\0\0\0\4\0\3\4\4\0\0\0", 12);
		assert_memory_equal(out.data + 132, "\1\0\0\0\2\0\0\0\24\0\xaa\xaa", 12);
		assert_int_equal(out.data[FILE_START + 4 + 22], 0);
		assert_memory_equal(out.data + FILE_START + 4 + 66, "\24\0\1\x23\x45", 5);
	}
}

/* Nine values are two lists, of eight and of one; banks do not begin a new one. */
static void test_lists(void **state)
{
	static const struct quoted NINE = {
		.banks = {{"sha1", 0x0004, 3, 0xff}, {"sha384", 0x000c, 3, 1u << 23}}, .count = 2};
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(FILE_MAX);
	CLEANUP(buf_fini) struct buf out = BUF_INIT(FILE_MAX);
	struct err err;
	unsigned i;

	(void)state;
	buf_put_str(&text, "{\"sha384\":{\"23\":\"" SHA1_A SHA1_A "0123456789abcdef\"},\"sha1\":{");
	for (i = 0; i < 8; i++)
		buf_printf(&text, "%s\"%u\":\"" SHA1_B "\"", i > 0 ? "," : "", i);
	buf_put_str(&text, "}}");
	assert_int_equal(json_parse(buf_slice(&text), &json, &err), 0);
	assert_int_equal(quoted_put_values(&out, &NINE, json, &err), 0);
	assert_true(buf_ok(&out));
	assert_int_equal(out.len, FILE_START + 2 * LIST_SIZE);
	assert_memory_equal(out.data, "\2\0\0\0\4\0\3\xff\0\0\0\0\x0c\0\3\0\0\x80", 18);
	assert_memory_equal(out.data + 132, "\2\0\0\0\x08\0\0\0\24\0", 10);
	assert_memory_equal(out.data + FILE_START + LIST_SIZE, "\1\0\0\0\x30\0\xaa", 7);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_read),	  cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_bad_banks), cmocka_unit_test(test_values),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
