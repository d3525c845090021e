/* SPDX-License-Identifier: Apache-2.0 */
/* What a shell is offered: tables of words, and the lines that come of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/holdfast/offer.h"

#define ALL                                                                                        \
	"--in\twhat to read\n--type\tits kind\n--use\tits uses\n--force\tmean it\n--dir\twhere\n"  \
	"--of\twhose\n--help\texplain it\n"

static void offer_owner(struct cli *cli, struct offers *offers)
{
	(void)cli;
	offer_word(offers, "alice", NULL);
}

struct targets {
	const char *name, *file, *in, *type, *dir, *owner;
	struct opt_list uses;
	bool force;
};

/* Appends the offers for the last word; returns whether one has to be asked for more. */
static bool offers_of(const char *const *words, struct buf *out)
{
	struct targets to = {0};
	const struct opt own[] = {
		{.kind = OPT_ARGUMENT, .name = "NAME", .help = "a name", .text = &to.name},
		{.kind = OPT_ARGUMENT, .name = "FILE", .help = "a file", .text = &to.file},
		{.kind = OPT_TEXT,
		 .letter = 'i',
		 .name = "in",
		 .value = "NAME|FILE",
		 .help = "what to read",
		 .text = &to.in},
		{.kind = OPT_CHOICE,
		 .name = "type",
		 .value = "rsa|ecc|ecc-2",
		 .help = "its kind",
		 .text = &to.type},
		{.kind = OPT_CHOICES,
		 .name = "use",
		 .value = "sign|open",
		 .help = "its uses",
		 .list = &to.uses},
	};
	const struct opt common[] = {
		{.kind = OPT_FLAG, .name = "force", .help = "mean it", .flag = &to.force},
		{.kind = OPT_TEXT, .name = "dir", .value = "DIR", .help = "where", .text = &to.dir},
		{.kind = OPT_TEXT,
		 .name = "of",
		 .value = "OWNER",
		 .help = "whose",
		 .text = &to.owner,
		 .offer = offer_owner},
	};
	const struct opt_table tables[] = {{own, ARRAY_LEN(own)}, {common, ARRAY_LEN(common)}};
	struct opt_words all = {.words = words};
	struct offers offers = OFFERS_INIT("");
	const struct opt *opt;

	while (words[all.count])
		all.count++;
	offers.start = words[all.count - 1];
	opt = offer_opts(&offers, tables, ARRAY_LEN(tables), all);
	if (opt)
		opt->offer(NULL, &offers);
	buf_put(out, buf_slice(&offers.out));
	buf_put_u8(out, '\0');
	assert_true(buf_ok(out));
	buf_fini(&offers.out);
	return opt != NULL;
}

static const struct {
	const char *words[6];
	const char *offers;
	bool asks;
} CASES[] = {
	/* options: those that are left, and only where one can stand */
	{{"-"}, ALL, false},
	{{"--"}, ALL, false},
	{{"--t"}, "--type\tits kind\n", false},
	{{"--x"}, "", false},
	{{"--force", "--"},
	 "--in\twhat to read\n--type\tits kind\n--use\tits uses\n--dir\twhere\n--of\twhose\n"
	 "--help\texplain it\n",
	 false},
	{{"--type", "rsa", "--t"}, "", false},
	{{"--type", "wrong", "--t"}, "--type\tits kind\n", false},
	{{"--unknown", "--ty"}, "--type\tits kind\n", false},
	{{"--use", "sign", "--u"}, "--use\tits uses\n", false},
	{{"-i", "x", "--in"}, "", false},
	{{"-ix", "--in"}, "", false},
	{{"--", "--t"}, "", false},
	/* values */
	{{"--type", ""}, "rsa\necc\necc-2\n", false},
	{{"--type", "ecc"}, "ecc\necc-2\n", false},
	{{"--type", "x"}, "", false},
	{{"--type=ecc-"}, "--type=ecc-2\n", false},
	{{"--type="}, "--type=rsa\n--type=ecc\n--type=ecc-2\n", false},
	{{"--use", "sign", "--use", "o"}, "open\n", false},
	{{"--in", ""}, ":files\n", false},
	{{"-i", ""}, ":files\n", false},
	{{"--in="}, ":files\n", false},
	{{"--dir", "x"}, ":folders\n", false},
	{{"--of", ""}, "alice\n", true},
	{{"--of", "al"}, "alice\n", true},
	{{"--of=a"}, "--of=alice\n", true},
	{{"--of", "b"}, "", true},
	{{"--force="}, "", false},
	{{"--nothing="}, "", false},
	{{"--="}, "", false},
	/* arguments in their order; behind the last one what can still follow */
	{{""}, "", false},
	{{"n", ""}, ":files\n", false},
	{{"n", "--", ""}, ":files\n", false},
	{{"n", "--", "--t"}, ":files\n", false},
	{{"n", "f", "x"}, "", false},
	{{"n", "f", ""}, ALL, false},
	{{"n", "f", "--", ""}, "", false},
};

static void test_cases(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf out = BUF_INIT(4096);
		bool asks = offers_of(CASES[i].words, &out);

		if (strcmp((const char *)out.data, CASES[i].offers) != 0 || asks != CASES[i].asks)
			fail_msg("case %zu, %s ..: \"%s\"", i, CASES[i].words[0], out.data);
	}
}

/* A name that would break a line in two, or end the word, is nothing to offer. */
static void test_lines(void **state)
{
	static const char *const BAD[] = {"a\nb", "a\tb", "a\rb", "\n"};
	struct offers offers = OFFERS_INIT("");
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BAD); i++)
		offer_word(&offers, BAD[i], NULL);
	assert_int_equal(offers.out.len, 0);
	offer_word(&offers, "a b", "text");
	assert_true(slice_equal(buf_slice(&offers.out), slice_str("a b\ttext\n")));
	buf_fini(&offers.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
