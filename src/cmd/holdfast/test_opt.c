/* SPDX-License-Identifier: Apache-2.0 */
/* One table, and what many command lines make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/holdfast/opt.h"

#define WORDS_MAX 6

struct given {
	const char *name;
	const char *extra;
	const char *in;
	const char *type;
	bool hex;
	bool json;
	bool help;
};

#define OWN_COUNT    5u
#define COMMON_COUNT 1u

static void fill_own(struct given *given, struct opt opts[OWN_COUNT])
{
	const struct opt rows[OWN_COUNT] = {
		{.kind = OPT_ARGUMENT,
		 .name = "NAME",
		 .help = "the name",
		 .required = true,
		 .text = &given->name},
		{.kind = OPT_TEXT,
		 .name = "in",
		 .value = "FILE",
		 .help = "the input",
		 .text = &given->in},
		{.kind = OPT_CHOICE,
		 .name = "type",
		 .value = "ecc|rsa",
		 .help = "the type",
		 .text = &given->type},
		{.kind = OPT_FLAG, .name = "hex", .help = "print hexadecimal", .flag = &given->hex},
		{.kind = OPT_ARGUMENT, .name = "EXTRA", .help = "more", .text = &given->extra},
	};

	memcpy(opts, rows, sizeof(rows));
}

static int parse(const char *const words[WORDS_MAX], struct given *given, struct err *err)
{
	struct opt own[OWN_COUNT];
	const struct opt common[COMMON_COUNT] = {
		{.kind = OPT_FLAG, .name = "json", .help = "print JSON", .flag = &given->json}};
	const struct opt_table tables[] = {{own, OWN_COUNT}, {common, COMMON_COUNT}};
	int count = 0;

	fill_own(given, own);
	while (count < WORDS_MAX && words[count])
		count++;
	return opt_parse(tables, ARRAY_LEN(tables), (struct opt_words){count, words}, &given->help,
			 err);
}

static void assert_text(const char *text, const char *expected)
{
	if (expected)
		assert_string_equal(text ? text : "(nothing)", expected);
	else
		assert_null(text);
}

static const struct {
	const char *const words[WORDS_MAX];
	struct given given;
} GOOD[] = {
	{{"n"}, {.name = "n"}},
	{{"n", "--in", "f"}, {.name = "n", .in = "f"}},
	{{"--in=f", "n"}, {.name = "n", .in = "f"}},
	{{"--in=", "n"}, {.name = "n", .in = ""}},
	{{"--in=a=b", "n"}, {.name = "n", .in = "a=b"}},
	{{"--in", "-", "n"}, {.name = "n", .in = "-"}},
	{{"--in", "--hex", "n"}, {.name = "n", .in = "--hex"}},
	{{"-"}, {.name = "-"}},
	{{"--hex", "--hex", "n"}, {.name = "n", .hex = true}},
	{{"n", "--type", "rsa", "--json"}, {.name = "n", .type = "rsa", .json = true}},
	{{"n", "x", "--type=ecc"}, {.name = "n", .extra = "x", .type = "ecc"}},
	{{"--", "--in", "-h"}, {.name = "--in", .extra = "-h"}},
	{{"n", "--", "--"}, {.name = "n", .extra = "--"}},
	{{"--help"}, {.help = true}},
	{{"n", "-h", "--bad"}, {.name = "n", .help = true}},
};

static void test_good(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(GOOD); i++) {
		const struct given *expected = &GOOD[i].given;
		struct given given = {0};
		struct err err = {0};

		assert_int_equal(parse(GOOD[i].words, &given, &err), 0);
		assert_text(given.name, expected->name);
		assert_text(given.extra, expected->extra);
		assert_text(given.in, expected->in);
		assert_text(given.type, expected->type);
		assert_int_equal(given.hex, expected->hex);
		assert_int_equal(given.json, expected->json);
		assert_int_equal(given.help, expected->help);
	}
}

static const struct {
	const char *const words[WORDS_MAX];
	const char *text;
} BAD[] = {
	{{NULL}, "NAME is missing"},
	{{"--hex"}, "NAME is missing"},
	{{"--"}, "NAME is missing"},
	{{"n", "x", "y"}, "one word too many: y"},
	{{"n", "--on"}, "no such option: --on"},
	{{"n", "--i", "f"}, "no such option: --i"},
	{{"n", "--inn=f"}, "no such option: --inn"},
	{{"n", "--=f"}, "no such option: --"},
	{{"n", "-i"}, "no such option: -i"},
	{{"n", "--NAME", "x"}, "no such option: --NAME"},
	{{"n", "--in"}, "--in needs a value: FILE"},
	{{"n", "--in", "a", "--in", "b"}, "--in is given twice"},
	{{"n", "--hex=yes"}, "--hex takes no value"},
	{{"n", "--type", "ec"}, "--type is one of ecc|rsa"},
	{{"n", "--type", "ecc|rsa"}, "--type is one of ecc|rsa"},
	{{"n", "--type="}, "--type is one of ecc|rsa"},
};

static void test_bad(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		struct given given = {0};
		struct err err = {0};

		assert_int_equal(parse(BAD[i].words, &given, &err), ERR_INVALID);
		assert_string_equal(err.text, BAD[i].text);
	}
}

static void test_leading(void **state)
{
	const char *words[] = {"--json", "--in", "f", "verb", "--json", "--other"};
	struct given given = {0};
	struct opt own[OWN_COUNT];
	const struct opt leading[] = {
		{.kind = OPT_FLAG, .name = "json", .help = "print JSON", .flag = &given.json},
		{.kind = OPT_TEXT,
		 .name = "in",
		 .value = "FILE",
		 .help = "the input",
		 .text = &given.in}};
	const struct opt_table table = {leading, ARRAY_LEN(leading)};
	struct opt_words rest = {0, NULL};
	struct err err = {0};

	(void)state;
	fill_own(&given, own);
	assert_int_equal(
		opt_parse_leading(&table, (struct opt_words){6, words}, &rest, &given.help, &err),
		0);
	assert_true(given.json);
	assert_string_equal(given.in, "f");
	assert_int_equal(rest.count, 3);
	assert_string_equal(rest.words[0], "verb");
	words[0] = "--hex";
	assert_int_equal(
		opt_parse_leading(&table, (struct opt_words){6, words}, &rest, &given.help, &err),
		ERR_INVALID);
	words[0] = "--help";
	assert_false(given.help);
	assert_int_equal(
		opt_parse_leading(&table, (struct opt_words){6, words}, &rest, &given.help, &err),
		0);
	assert_true(given.help);
}

static const struct {
	const char *text;
	int code;
	uint64_t value;
} NUMBERS[] = {
	{"1", 0, 1},
	{"007", 0, 7},
	{"100", 0, 100},
	{"101", ERR_INVALID, 0},
	{"0", ERR_INVALID, 0},
	{"", ERR_INVALID, 0},
	{"-1", ERR_INVALID, 0},
	{"+1", ERR_INVALID, 0},
	{" 1", ERR_INVALID, 0},
	{"1k", ERR_INVALID, 0},
	{"0x1", ERR_INVALID, 0},
	{"18446744073709551617", ERR_INVALID, 0}, /* 2^64 + 1 */
};

static void test_numbers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(NUMBERS); i++) {
		uint64_t value = 0;
		struct err err = {0};

		assert_int_equal(opt_number(NUMBERS[i].text, "N", 1, 100, &value, &err),
				 NUMBERS[i].code);
		assert_int_equal(value, NUMBERS[i].value);
	}
}

/* The texts come from the same rows, so each row must show up, and no line may be too long. */
static void assert_lines(const struct buf *text)
{
	const char *line = (const char *)text->data;

	while (*line) {
		size_t len = strcspn(line, "\n");

		assert_in_range(len, 0, 80);
		line += len + (line[len] == '\n');
	}
}

static void test_texts(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);
	struct given given = {0};
	struct opt own[OWN_COUNT];
	const struct opt_table table = {own, OWN_COUNT};

	(void)state;
	fill_own(&given, own);
	own[1].help = "words that are long enough to make a second line of help necessary here";
	opt_usage(&text, &table, 40);
	assert_memory_equal(text.data, " NAME [--in FILE] [--type ecc|rsa]\n", 35);
	buf_put_u8(&text, '\n');
	opt_help(&text, &table);
	buf_put_u8(&text, '\0');
	assert_true(buf_ok(&text));
	assert_lines(&text);
	assert_non_null(strstr((char *)text.data, " [--hex] [EXTRA]"));
	assert_non_null(strstr((char *)text.data, "\n  --type ecc|rsa            the type\n"));
	assert_non_null(strstr((char *)text.data, "\n                            "
						  "help necessary here\n"));
}

/* Two options of which one is needed, and names that must be names. */
static int parse_either(const char *const words[WORDS_MAX], struct err *err)
{
	const char *key = NULL, *public = NULL;
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "key",
		 .value = "NAME",
		 .help = "a key",
		 .text = &key,
		 .is_name = true,
		 .or_next = true},
		{.kind = OPT_TEXT,
		 .name = "public",
		 .value = "FILE",
		 .help = "a file",
		 .text = &public},
	};
	const struct opt_table table = {opts, ARRAY_LEN(opts)};
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);
	bool help = false;
	int count = 0;

	opt_usage(&text, &table, 0);
	buf_put_u8(&text, '\0');
	assert_string_equal((char *)text.data, " (--key NAME | --public FILE)");
	while (count < WORDS_MAX && words[count])
		count++;
	return opt_parse(&table, 1, (struct opt_words){count, words}, &help, err);
}

#define NAME_RULE  "--key is 1 to 128 of A-Z a-z 0-9 . _ - and does not begin with a dot"
#define NEEDED	   "exactly one of --key and --public is needed"
#define LETTERS_32 "abcdefghijklmnopqrstuvwxyzABCDEF"

static const struct {
	const char *const words[WORDS_MAX];
	const char *text; /* "" = good */
} EITHER[] = {
	{{"--key", "a"}, ""},
	{{"--public", "a"}, ""},
	{{"--public", "a/.b"}, ""},
	{{"--key=" LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32}, ""},
	{{"--key=" LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32 "x"}, NAME_RULE},
	{{"--key", "_.-09zZ"}, ""},
	{{"--key", ".a"}, NAME_RULE},
	{{"--key", "a/b"}, NAME_RULE},
	{{"--key", "a b"}, NAME_RULE},
	{{"--key", "\xc3\xa4"}, NAME_RULE},
	{{"--key="}, NAME_RULE},
	{{NULL}, NEEDED},
	{{"--key", "a", "--public", "b"}, NEEDED},
};

static void test_either_and_names(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(EITHER); i++) {
		struct err err = {0};

		assert_int_equal(parse_either(EITHER[i].words, &err),
				 EITHER[i].text[0] ? ERR_INVALID : 0);
		assert_string_equal(err.text, EITHER[i].text);
	}
}

/* A path where only one may be, and where a name may be too. */
static const struct {
	const char *value;
	bool path, either;
} PATHS[] = {
	{"/HS/SRK/x", true, true},
	{"/P_ECCP256SHA256/HS/SRK/a.b-c_", true, true},
	{"/x/.hidden", true, true},
	{"x", false, true},
	{"HS/SRK/x", false, false},
	{"/", false, false},
	{"", false, false},
	{"/HS/", false, false},
	{"/HS//x", false, false},
	{"/HS/./x", false, false},
	{"/../x", false, false},
	{"/HS/..", false, false},
	{"/HS/a b", false, false},
	{"/HS/%2e", false, false},
	{"/" LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32
	 "abcdefghijklmnopqrstuvwxyzABCD",
	 true, true},
	{"/" LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32 LETTERS_32
		 LETTERS_32,
	 false, false},
};

static bool takes(const char *value, bool is_name)
{
	const char *words[] = {"--name", value};
	const char *name = NULL;
	const struct opt opt = {.kind = OPT_TEXT,
				.name = "name",
				.value = "PATH",
				.help = "a path",
				.text = &name,
				.is_name = is_name,
				.is_path = true};
	const struct opt_table table = {&opt, 1};
	struct err err = {0};
	bool help = false;

	return opt_parse(&table, 1, (struct opt_words){2, words}, &help, &err) == 0;
}

static void test_paths(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(PATHS); i++) {
		assert_int_equal(takes(PATHS[i].value, false), PATHS[i].path);
		assert_int_equal(takes(PATHS[i].value, true), PATHS[i].either);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_good),	cmocka_unit_test(test_bad),
		cmocka_unit_test(test_leading), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_texts),	cmocka_unit_test(test_either_and_names),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
