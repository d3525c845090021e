/* SPDX-License-Identifier: Apache-2.0 */
/* How a verb is found, and what explains them. */
#include "cmd/holdfast/program.h"

#include <string.h>
#include <sys/resource.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/eve.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"

#define HELP_MAX    (64u * 1024u)
#define NAME_COLUMN 20

static int verb_help(struct cli *cli, struct opt_words words);
static int verb_version(struct cli *cli, struct opt_words words);

/* What every program has, behind its own verbs. */
static const struct verb OWN[] = {
	{"version", verb_version, "Print the release of this program"},
	{"help", verb_help, "Explain the program, or one of its verbs"},
};
static const struct verb_set VERBS_OWN = {OWN, ARRAY_LEN(OWN)};

/* The verb of that place in the order of help; NULL behind the last one. */
static const struct verb *verb_at(const struct cli *cli, size_t at)
{
	const struct verb_set *const *set;

	for (set = cli->sets; *set; set++) {
		if (at < (*set)->count)
			return &(*set)->verbs[at];
		at -= (*set)->count;
	}
	return at < VERBS_OWN.count ? &VERBS_OWN.verbs[at] : NULL;
}

/* How many words at the front of @words are the verb's name; 0 = another verb is meant. */
static int match_verb(const struct verb *verb, struct opt_words words)
{
	const char *space = strchr(verb->name, ' ');
	size_t first = space ? (size_t)(space - verb->name) : strlen(verb->name);

	if (words.count < 1 || !slice_equal(slice_of(verb->name, first), slice_str(words.words[0])))
		return 0;
	if (!space)
		return 1;
	return words.count > 1 && strcmp(space + 1, words.words[1]) == 0 ? 2 : 0;
}

static const struct verb *find_verb(const struct cli *cli, struct opt_words words, int *ret_words)
{
	const struct verb *verb;
	size_t i;

	for (i = 0; (verb = verb_at(cli, i)) != NULL; i++) {
		*ret_words = match_verb(verb, words);
		if (*ret_words > 0)
			return verb;
	}
	return NULL;
}

static struct opt_words skip_words(struct opt_words words, int count)
{
	return (struct opt_words){.count = words.count - count, .words = words.words + count};
}

/* "key" of "key create": the first word of verbs that have two. */
static bool is_in_group(const struct verb *verb, const char *group)
{
	size_t len = strlen(group);

	return strncmp(verb->name, group, len) == 0 && verb->name[len] == ' ';
}

static bool is_group(const struct cli *cli, const char *word)
{
	const struct verb *verb;
	size_t i;

	for (i = 0; (verb = verb_at(cli, i)) != NULL; i++)
		if (is_in_group(verb, word))
			return true;
	return false;
}

static int unknown_verb(struct cli *cli, struct opt_words words)
{
	struct err err;

	(void)err_set(&err, ERR_INVALID, "no such verb: %s%s%s", words.words[0],
		      words.count > 1 ? " " : "", words.count > 1 ? words.words[1] : "");
	cli->verb = NULL;
	return cli_usage(cli, &err);
}

/* --- help --- */

/* The verbs of a group; all of them for NULL. */
static void put_verbs(const struct cli *cli, struct buf *out, const char *group)
{
	const struct verb *verb;
	size_t i;

	for (i = 0; (verb = verb_at(cli, i)) != NULL; i++)
		if (!group || is_in_group(verb, group))
			buf_printf(out, "  %-*s%s\n", NAME_COLUMN, verb->name, verb->text);
}

static int print_group(const struct cli *cli, const char *group)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(HELP_MAX);

	buf_printf(&out, "usage: holdfast %s VERB ..\n\n", group);
	put_verbs(cli, &out, group);
	buf_printf(&out, "\nSee 'holdfast %s VERB --help'.\n", group);
	return cli_print(cli, &out);
}

/* Options before the verb: the common ones, and one that stands for a verb. */
#define LEADING_COUNT (CLI_COMMON_COUNT + 1u)

static void leading_options(struct cli *cli, bool *version, struct opt ret_opts[LEADING_COUNT])
{
	cli_common(cli, ret_opts);
	ret_opts[CLI_COMMON_COUNT] = (struct opt){
		.kind = OPT_FLAG,
		.name = "version",
		.help = "the same as the verb version",
		.flag = version,
	};
}

static int print_overview(struct cli *cli)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(HELP_MAX);
	struct opt leading[LEADING_COUNT];
	const struct opt_table table = {leading, LEADING_COUNT};
	bool version = false;

	leading_options(cli, &version, leading);
	buf_put_str(&out, "usage: holdfast");
	opt_usage(&out, &table, out.len);
	buf_put_str(&out, " VERB ..\n\nSecrets and keys behind the TPM of this device.\n\n");
	put_verbs(cli, &out, NULL);
	buf_put_str(&out, "\n");
	opt_help(&out, &table);
	buf_put_str(&out, "\nExit status: 0 done, 1 failed, 2 wrong usage. "
			  "See 'holdfast VERB --help'.\n");
	return cli_print(cli, &out);
}

static int verb_help(struct cli *cli, struct opt_words words)
{
	static const char *const HELP[] = {"--help"};
	int used;

	if (words.count == 0 || words.words[0][0] == '-')
		return print_overview(cli);
	if (words.count == 1 && is_group(cli, words.words[0]))
		return print_group(cli, words.words[0]);
	cli->verb = find_verb(cli, words, &used);
	if (!cli->verb)
		return unknown_verb(cli, words);
	if (cli->verb->run == verb_help)
		return print_overview(cli);
	return cli->verb->run(cli, (struct opt_words){.count = 1, .words = HELP});
}

static int verb_version(struct cli *cli, struct opt_words words)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(128);
	int r = cli_parse(cli, NULL, 0, words);

	if (r >= 0)
		return r;
	buf_printf(&out, cli->json ? "{\"version\":\"%s\"}\n" : "holdfast %s\n", HOLDFAST_VERSION);
	return cli_print(cli, &out);
}

/* --- the program --- */

static bool asks_for_group(const struct cli *cli, struct opt_words words)
{
	if (!is_group(cli, words.words[0]))
		return false;
	return words.count == 1 || strcmp(words.words[1], "--help") == 0 ||
	       strcmp(words.words[1], "-h") == 0;
}

static int run_verb(struct cli *cli, struct opt_words words)
{
	int used;

	if (asks_for_group(cli, words))
		return print_group(cli, words.words[0]);
	cli->verb = find_verb(cli, words, &used);
	if (!cli->verb)
		return unknown_verb(cli, words);
	return cli->verb->run(cli, skip_words(words, used));
}

static int run(struct cli *cli, struct opt_words words)
{
	static const char *const VERSION[] = {"version"};
	struct opt leading[LEADING_COUNT];
	const struct opt_table table = {leading, LEADING_COUNT};
	bool help = false, version = false;
	struct err err;

	leading_options(cli, &version, leading);
	if (opt_parse_leading(&table, words, &words, &help, &err) < 0)
		return cli_usage(cli, &err);
	if (help)
		return print_overview(cli);
	if (version && words.count == 0)
		return run_verb(cli, (struct opt_words){.count = 1, .words = VERSION});
	if (version)
		(void)err_set(&err, ERR_INVALID, "--version takes no verb");
	else
		(void)err_set(&err, ERR_INVALID, "a verb is missing");
	if (version || words.count == 0)
		return cli_usage(cli, &err);
	return run_verb(cli, words);
}

/* --- completion --- */

/* The verb's place is the first of its group. */
static bool is_first_of(const struct cli *cli, size_t at, struct slice group)
{
	const struct verb *verb;
	size_t i;

	for (i = 0; i < at && (verb = verb_at(cli, i)) != NULL; i++)
		if (slice_equal(slice_of(verb->name, strcspn(verb->name, " ")), group))
			return false;
	return true;
}

/* First words of verbs, each once. */
static void offer_first_words(const struct cli *cli, struct offers *offers)
{
	const struct verb *verb;
	size_t i;

	for (i = 0; (verb = verb_at(cli, i)) != NULL; i++) {
		CLEANUP(buf_fini) struct buf word = BUF_INIT(64);
		size_t len = strcspn(verb->name, " ");
		bool group = verb->name[len] == ' ';

		buf_put(&word, slice_of(verb->name, len));
		buf_put_u8(&word, '\0');
		if (buf_ok(&word) && (!group || is_first_of(cli, i, slice_of(verb->name, len))))
			offer_word(offers, (const char *)word.data, group ? "VERB .." : verb->text);
	}
}

static void offer_second_words(const struct cli *cli, const char *group, struct offers *offers)
{
	const struct verb *verb;
	size_t i;

	for (i = 0; (verb = verb_at(cli, i)) != NULL; i++)
		if (is_in_group(verb, group))
			offer_word(offers, verb->name + strlen(group) + 1, verb->text);
}

static int complete_verb(struct cli *cli, struct opt_words words)
{
	struct offers offers = OFFERS_INIT(words.words[words.count - 1]);

	if (words.count == 1)
		offer_first_words(cli, &offers);
	else if (words.count == 2)
		offer_second_words(cli, words.words[0], &offers);
	return complete_end(cli, &offers);
}

/* The last one of @words is what the shell asks for; a verb that is whole answers by its table. */
static int complete(struct cli *cli, struct opt_words words)
{
	struct opt leading[LEADING_COUNT];
	const struct opt_table table = {leading, LEADING_COUNT};
	struct opt_words before = {.count = words.count - 1, .words = words.words}, rest;
	bool help = false, version = false;
	struct err err;
	int used;

	cli->completing = true;
	leading_options(cli, &version, leading);
	if (opt_parse_leading(&table, before, &rest, &help, &err) < 0)
		return complete_print(cli, &table, 1, words);
	if (help || version)
		return CLI_DONE;
	if (rest.count == 0 && words.words[words.count - 1][0] == '-')
		return complete_print(cli, &table, 1, words);
	cli->verb = find_verb(cli, rest, &used);
	rest.count++;
	if (cli->verb && cli->verb->run != verb_help)
		return cli->verb->run(cli, skip_words(rest, used));
	return complete_verb(cli, cli->verb ? skip_words(rest, used) : rest);
}

static int run_words(struct cli *cli, struct opt_words words)
{
	if (words.count > 1 && strcmp(words.words[0], "--complete") == 0)
		return complete(cli, skip_words(words, 1));
	return run(cli, words);
}

int program_run(const struct verb_set *const *sets, int argc, char **argv)
{
	static const struct rlimit NO_CORE = {0, 0};
	const struct opt_words all = {argc, (const char *const *)argv};
	const struct opt_words words = skip_words(all, argc > 0);
	struct cli cli = {.sets = sets};
	int r;

	if (!io_hold_standard())
		return CLI_FAILED;
	/* Plaintexts pass through here: a crash must not leave them on disk. */
	(void)setrlimit(RLIMIT_CORE, &NO_CORE);
	json_setup();
	r = argc > 0 && eve_is_tool(argv[0]) ? eve_run(&cli, argv[0], words)
					     : run_words(&cli, words);
	hf_close(cli.hf);
	return r;
}
