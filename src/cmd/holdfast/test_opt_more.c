/* SPDX-License-Identifier: Apache-2.0 */
/* Options that may be given more than once, and those that have a letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/holdfast/opt.h"

#define WORDS_MAX 8
#define OPT_COUNT 5u

struct given {
	struct opt_list dns;
	struct opt_list uses;
	const char *alg;
	const char *hash;
	bool json;
};

static void fill(struct given *given, struct opt opts[OPT_COUNT])
{
	const struct opt rows[OPT_COUNT] = {
		{.kind = OPT_LIST,
		 .name = "dns",
		 .value = "HOST",
		 .help = "a host",
		 .list = &given->dns},
		{.kind = OPT_CHOICES,
		 .name = "use",
		 .value = "sign|agree",
		 .help = "a use",
		 .list = &given->uses},
		{.kind = OPT_TEXT,
		 .letter = 'g',
		 .name = "alg",
		 .value = "ALG",
		 .help = "the algorithm",
		 .required = true,
		 .text = &given->alg},
		{.kind = OPT_TEXT,
		 .letter = 'h',
		 .name = "halg",
		 .value = "HASH",
		 .help = "the hash",
		 .text = &given->hash},
		{.kind = OPT_FLAG,
		 .letter = 'j',
		 .name = "json",
		 .help = "print JSON",
		 .flag = &given->json},
	};

	memcpy(opts, rows, sizeof(rows));
}

static int parse(const char *const words[WORDS_MAX], struct given *given, struct err *err)
{
	struct opt opts[OPT_COUNT];
	const struct opt_table table = {opts, OPT_COUNT};
	bool help = false;
	int count = 0;

	fill(given, opts);
	while (count < WORDS_MAX && words[count])
		count++;
	return opt_parse(&table, 1, (struct opt_words){count, words}, &help, err) < 0 ? err->code
										      : help;
}

static const char *or_none(const char *text)
{
	return text ? text : "none";
}

static const struct {
	const char *const words[WORDS_MAX];
	const char *alg;
	const char *hash;
	bool json;
} LETTERS[] = {
	{{"-g", "rsa"}, "rsa", NULL, false},
	{{"-grsa", "-h0xB"}, "rsa", "0xB", false},
	{{"-h", "-h", "--alg=x", "-j"}, "x", "-h", true},
	{{"--halg", "a", "-g", "b"}, "b", "a", false},
	{{"-g", ""}, "", NULL, false},
};

static void test_letters(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(LETTERS); i++) {
		struct given given = {.alg = NULL};
		struct err err;

		assert_int_equal(parse(LETTERS[i].words, &given, &err), 0);
		assert_string_equal(or_none(given.alg), LETTERS[i].alg);
		assert_string_equal(or_none(given.hash), or_none(LETTERS[i].hash));
		assert_int_equal(given.json, LETTERS[i].json);
	}
}

static void test_lists(void **state)
{
	const char *const words[WORDS_MAX] = {"--dns", "a",	  "--use",     "agree",
					      "-gx",   "--dns=b", "--use=sign"};
	struct given given = {.alg = NULL};
	struct err err;

	(void)state;
	assert_int_equal(parse(words, &given, &err), 0);
	assert_int_equal(given.dns.count, 2);
	assert_string_equal(given.dns.items[0], "a");
	assert_string_equal(given.dns.items[1], "b");
	assert_null(given.dns.items[2]);
	assert_int_equal(given.uses.count, 2);
	assert_string_equal(given.uses.items[0], "agree");
}

static void test_list_is_full(void **state)
{
	struct given given = {.dns = {.count = OPT_LIST_MAX - 1}};
	const char *const one[WORDS_MAX] = {"-gx", "--dns", "last"};
	const char *const more[WORDS_MAX] = {"--dns", "too much"};
	struct err err;

	(void)state;
	assert_int_equal(parse(one, &given, &err), 0);
	assert_string_equal(given.dns.items[OPT_LIST_MAX - 1], "last");
	assert_int_equal(parse(more, &given, &err), ERR_INVALID);
	assert_string_equal(err.text, "--dns is given more than 32 times");
	assert_null(given.dns.items[OPT_LIST_MAX]);
}

static const struct {
	const char *const words[WORDS_MAX];
	const char *text;
} BAD[] = {
	{{NULL}, "--alg is missing"},
	{{"-g"}, "--alg needs a value: ALG"},
	{{"-x", "1"}, "no such option: -x"},
	{{"-g", "a", "-g", "b"}, "--alg is given twice"},
	{{"-g", "a", "--alg", "b"}, "--alg is given twice"},
	{{"-g", "a", "-jx"}, "--json takes no value"},
	{{"-g", "a", "--use", "decrypt"}, "--use is one of sign|agree"},
	{{"-g", "a", "--dns"}, "--dns needs a value: HOST"},
};

static void test_bad(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		struct given given = {.alg = NULL};
		struct err err;

		assert_int_equal(parse(BAD[i].words, &given, &err), ERR_INVALID);
		assert_string_equal(err.text, BAD[i].text);
	}
}

static void test_help(void **state)
{
	const char *const words[WORDS_MAX] = {"--help"};
	struct given given = {.alg = NULL};
	CLEANUP(buf_fini) struct buf out = BUF_INIT(4096);
	struct opt opts[OPT_COUNT];
	const struct opt_table table = {opts, OPT_COUNT};
	struct err err;

	(void)state;
	assert_int_equal(parse(words, &given, &err), 1);
	fill(&given, opts);
	opt_usage(&out, &table, 0);
	buf_put_u8(&out, '\n');
	opt_help(&out, &table);
	buf_put_u8(&out, '\0');
	assert_string_equal((char *)out.data,
			    " [--dns HOST ..] [--use sign|agree ..] -g ALG [-h HASH] [--json]\n"
			    "  --dns HOST ..             a host\n"
			    "  --use sign|agree ..       a use\n"
			    "  -g ALG, --alg ALG         the algorithm\n"
			    "  -h HASH, --halg HASH      the hash\n"
			    "  -j, --json                print JSON\n");
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_letters),	     cmocka_unit_test(test_lists),
		cmocka_unit_test(test_list_is_full), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
