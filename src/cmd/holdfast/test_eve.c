/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and names as EVE's users write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/holdfast/eve.h"

static const struct {
	const char *text;
	bool good;
	uint32_t value;
} NUMBERS[] = {
	{"0x81010000", true, 0x81010000},
	{"0X81010000", true, 0x81010000},
	{"2164326400", true, 0x81010000},
	{"0x00B", true, 11},
	{"0xffffFFFF", true, UINT32_MAX},
	{"11", true, 11},
	{"011", true, 11},
	{"0", true, 0},
	{"0x100000000", false, 0},
	{"4294967296", false, 0},
	{"99999999999999999999999999999999", false, 0},
	{"", false, 0},
	{"0x", false, 0},
	{"-1", false, 0},
	{" 1", false, 0},
	{"1a", false, 0},
	{"0xg", false, 0},
	{"0x1 ", false, 0},
	{"0x\xff", false, 0},
};

static void test_numbers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(NUMBERS); i++) {
		uint32_t value = 7;

		assert_int_equal(eve_read_number(NUMBERS[i].text, &value), NUMBERS[i].good);
		assert_int_equal(value, NUMBERS[i].good ? NUMBERS[i].value : 7);
	}
}

static const struct {
	const char *text;
	const char *type; /* NULL = none */
	const char *hash;
} WORDS[] = {
	{"0x1", "rsa-2048", NULL},  {"0x0001", "rsa-2048", NULL},
	{"1", "rsa-2048", NULL},    {"rsa", "rsa-2048", NULL},
	{"0x23", "ecc-p256", NULL}, {"35", "ecc-p256", NULL},
	{"ecc", "ecc-p256", NULL},  {"0x00B", NULL, "sha256"},
	{"0xb", NULL, "sha256"},    {"11", NULL, "sha256"},
	{"sha256", NULL, "sha256"}, {"0xC", NULL, "sha384"},
	{"0x0D", NULL, "sha512"},   {"sha512", NULL, "sha512"},
	{"0x4", NULL, "sha1"},	    {"sha1", NULL, "sha1"},
	{"RSA", NULL, NULL},	    {"0x100000001", NULL, NULL},
	{"23", NULL, NULL},	    {"", NULL, NULL},
};

static void test_words(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(WORDS); i++) {
		const char *type = eve_type(WORDS[i].text), *hash = eve_hash(WORDS[i].text);

		assert_string_equal(type ? type : "-", WORDS[i].type ? WORDS[i].type : "-");
		assert_string_equal(hash ? hash : "-", WORDS[i].hash ? WORDS[i].hash : "-");
	}
}

static void test_advice(void **state)
{
	(void)state;
	assert_string_equal(eve_hash_advice("sha256"), "Give -g 0xB, or -g sha256.");
	assert_string_equal(eve_hash_advice("sha384"), "Give -g 0xC, or -g sha384.");
	assert_null(eve_hash_advice("sha1"));
	assert_null(eve_hash_advice("md5"));
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_advice),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
