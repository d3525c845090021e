/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 and hexadecimal: RFC 4648's vectors, every byte, and every way to be malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/base64.h"

static const struct {
	const char *bytes;
	const char *std;
	const char *url;
	const char *hex;
} VECTORS[] = {
	/* RFC 4648, section 10 */
	{"", "", "", ""},
	{"f", "Zg==", "Zg", "66"},
	{"fo", "Zm8=", "Zm8", "666f"},
	{"foo", "Zm9v", "Zm9v", "666f6f"},
	{"foob", "Zm9vYg==", "Zm9vYg", "666f6f62"},
	{"fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
	{"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
	/* the characters in which the alphabets differ */
	{"\xfb\xff\xbf", "+/+/", "-_-_", "fbffbf"},
};

static void vectors(void **state)
{
	uint8_t out[16];
	size_t i, len;

	(void)state;
	for (i = 0; i < ARRAY_LEN(VECTORS); i++) {
		CLEANUP(buf_fini) struct buf std = BUF_INIT(16);
		CLEANUP(buf_fini) struct buf url = BUF_INIT(16);
		CLEANUP(buf_fini) struct buf hex = BUF_INIT(16);
		struct slice bytes = slice_str(VECTORS[i].bytes);

		base64_encode(&std, bytes);
		base64url_encode(&url, bytes);
		hex_encode(&hex, bytes);
		assert_true(slice_equal(buf_slice(&std), slice_str(VECTORS[i].std)));
		assert_true(slice_equal(buf_slice(&url), slice_str(VECTORS[i].url)));
		assert_true(slice_equal(buf_slice(&hex), slice_str(VECTORS[i].hex)));
		assert_int_equal(std.len, base64_encoded_size(bytes.len));
		assert_true(base64_decode(buf_slice(&std), out, &len));
		assert_true(slice_equal(slice_of(out, len), bytes));
		assert_true(hex_decode(buf_slice(&hex), out, bytes.len));
		assert_true(slice_equal(slice_of(out, bytes.len), bytes));
	}
}

static void every_length_and_byte_returns(void **state)
{
	uint8_t bytes[256], out[258];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (i = 0; i <= sizeof(bytes); i++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(1024);
		CLEANUP(buf_fini) struct buf hex = BUF_INIT(1024);

		base64_encode(&text, slice_of(bytes, i));
		assert_true(base64_decoded_max(text.len) <= sizeof(out));
		assert_true(base64_decode(buf_slice(&text), out, &len));
		assert_true(slice_equal(slice_of(out, len), slice_of(bytes, i)));
		hex_encode(&hex, slice_of(bytes, i));
		assert_true(hex_decode(buf_slice(&hex), out, i));
		assert_true(slice_equal(slice_of(out, i), slice_of(bytes, i)));
	}
}

static void malformed_base64(void **state)
{
	static const char *const texts[] = {
		"A",	   "AA",       "AAA",	   "AAAAA",    "Zg",	  "Zg=",
		"Zm8",	   "====",     "=AAA",	   "A===",     "AA=A",	  "=",
		"==",	   "Zg==Zg==", "Zm8=Zm8=", "Zh==",     "Zm9=",	  "Zm9v\n",
		" Zm9v",   "Zm9v Zm9", "Zm\nv",	   "Zm-v",     "Zm_v",	  "Zm9.",
		"Zm9\xe9", "Zm9\x80",  "@m9v",	   "[m9v",     "`m9v",	  "{m9v",
		"/:9v",	   "Z,9v",     "AA==AAAA", "AAAA====", "\177AAA", "AAA\x01",
	};
	uint8_t out[16];
	size_t i, j, len;

	(void)state;
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		struct slice text = slice_str(texts[i]);

		memset(out, 0xee, sizeof(out));
		len = 999;
		assert_false(base64_decode(text, out, &len));
		assert_int_equal(len, 999);
		for (j = 0; j < base64_decoded_max(text.len); j++)
			assert_int_equal(out[j], 0);
		for (; j < sizeof(out); j++)
			assert_int_equal(out[j], 0xee);
	}
	assert_false(base64_decode(slice_of("AA\0A", 4), out, &len));
}

/* Of the 256 bytes exactly the 64 of the alphabet are taken, in each of the four places. */
static void the_alphabet_is_exact(void **state)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t text[4], out[3];
	size_t place, len;
	unsigned ch;

	(void)state;
	for (place = 0; place < 4; place++) {
		for (ch = 0; ch < 256; ch++) {
			bool in = ch != 0 && strchr(alphabet, (int)ch);

			/* "AAA=" is well-formed as well. */
			if (place == 3 && ch == '=')
				continue;
			memset(text, 'A', sizeof(text));
			text[place] = (uint8_t)ch;
			assert_int_equal(base64_decode(slice_of(text, 4), out, &len), in);
		}
	}
}

static void malformed_hex(void **state)
{
	static const struct {
		const char *text;
		size_t out_len;
	} rows[] = {
		{"a", 0},
		{"a", 1},
		{"abc", 1},
		{"abcd", 1},
		{"ab", 2},
		{"", 1},
		{"AB", 1},
		{"0g", 1},
		{"g0", 1},
		{" 0", 1},
		{"0x", 1},
		{"0/", 1},
		{"0:", 1},
		{"0`", 1},
		{"\xb0"
		 "0",
		 1},
		{"00 1", 2},
	};
	uint8_t out[4];
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		memset(out, 0xee, sizeof(out));
		assert_false(hex_decode(slice_str(rows[i].text), out, rows[i].out_len));
		for (j = 0; j < sizeof(out); j++)
			assert_int_equal(out[j], j < rows[i].out_len ? 0 : 0xee);
	}
}

static void no_room_fails_the_buf(void **state)
{
	CLEANUP(buf_fini) struct buf std = BUF_INIT(7);
	CLEANUP(buf_fini) struct buf url = BUF_INIT(5);
	CLEANUP(buf_fini) struct buf hex = BUF_INIT(7);

	(void)state;
	base64_encode(&std, slice_str("foob"));
	assert_false(buf_ok(&std));
	base64url_encode(&url, slice_str("foob"));
	assert_false(buf_ok(&url));
	hex_encode(&hex, slice_str("foob"));
	assert_false(buf_ok(&hex));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),	    cmocka_unit_test(every_length_and_byte_returns),
		cmocka_unit_test(malformed_base64), cmocka_unit_test(the_alphabet_is_exact),
		cmocka_unit_test(malformed_hex),    cmocka_unit_test(no_room_fails_the_buf),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
