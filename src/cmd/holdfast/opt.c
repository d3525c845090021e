/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was given is what its target says: a flag that is set, a text that is no longer NULL. So
 * the parser keeps no state but its place in the words.
 */
#include "cmd/holdfast/opt.h"

#include <inttypes.h>
#include <string.h>

#define USAGE_COLUMNS 80u
#define HELP_COLUMN   28u
#define NAME_MAX_LEN  128u
#define PATH_MAX_LEN  255u

struct place {
	const struct opt_table *tables;
	size_t table_count;
	struct opt_words words;
	int at;
	bool only_arguments;	    /* a bare -- has been seen */
	const struct opt *value_of; /* the words ended before its value */
};

const struct opt *opt_find(const struct opt_table *tables, size_t table_count, struct slice name)
{
	size_t t, i;

	for (t = 0; t < table_count; t++)
		for (i = 0; i < tables[t].count; i++) {
			const struct opt *opt = &tables[t].opts[i];

			if (opt->kind != OPT_ARGUMENT && slice_equal(slice_str(opt->name), name))
				return opt;
		}
	return NULL;
}

static const struct opt *find_letter(const struct place *place, char letter)
{
	size_t t, i;

	for (t = 0; t < place->table_count; t++)
		for (i = 0; i < place->tables[t].count; i++)
			if (place->tables[t].opts[i].letter == letter)
				return &place->tables[t].opts[i];
	return NULL;
}

static const struct opt *next_argument(const struct place *place)
{
	size_t t, i;

	for (t = 0; t < place->table_count; t++)
		for (i = 0; i < place->tables[t].count; i++) {
			const struct opt *opt = &place->tables[t].opts[i];

			if (opt->kind == OPT_ARGUMENT && !*opt->text)
				return opt;
		}
	return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
	while (*choices) {
		size_t len = strcspn(choices, "|");

		if (slice_equal(slice_of(choices, len), slice_str(value)))
			return true;
		choices += len + (choices[len] == '|');
	}
	return false;
}

/* The service's rules; known here so that a name that is none counts as wrong usage. */
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static bool is_name(const char *value)
{
	size_t len = strspn(value, NAME_LETTERS);

	return len >= 1 && len <= NAME_MAX_LEN && value[len] == '\0' && value[0] != '.';
}

/* Each name behind a slash has a letter other than a dot. */
static bool is_path(const char *value)
{
	if (value[0] != '/' || strlen(value) > PATH_MAX_LEN)
		return false;
	while (*value == '/') {
		size_t len = strspn(value + 1, NAME_LETTERS);

		if (strspn(value + 1, ".") == len)
			return false;
		value += 1 + len;
	}
	return *value == '\0';
}

static int check_name(const struct opt *opt, const char *value, struct err *err)
{
	const char *dashes = opt->kind == OPT_ARGUMENT ? "" : "--";

	if (opt->is_path && (value[0] == '/' || !opt->is_name)) {
		if (is_path(value))
			return 0;
		return err_set(err, ERR_INVALID,
			       "%s%s is a path of FAPI: slashes and names of A-Z a-z 0-9 . _ -, up "
			       "to %u characters, as in /HS/SRK/name",
			       dashes, opt->name, PATH_MAX_LEN);
	}
	if (!opt->is_name || is_name(value))
		return 0;
	return err_set(err, ERR_INVALID,
		       "%s%s is 1 to %u of A-Z a-z 0-9 . _ - and does not begin with a dot", dashes,
		       opt->name, NAME_MAX_LEN);
}

static int add_value(const struct opt *opt, const char *value, struct err *err)
{
	if (opt->list->count == OPT_LIST_MAX)
		return err_set(err, ERR_INVALID, "--%s is given more than %u times", opt->name,
			       OPT_LIST_MAX);
	opt->list->items[opt->list->count++] = value;
	return check_name(opt, value, err);
}

static int take_value(const struct opt *opt, const char *value, struct err *err)
{
	bool chosen = opt->kind == OPT_CHOICE || opt->kind == OPT_CHOICES;

	if (chosen && !is_choice(opt->value, value))
		return err_set(err, ERR_INVALID, "--%s is one of %s", opt->name, opt->value);
	if (opt->kind == OPT_LIST || opt->kind == OPT_CHOICES)
		return add_value(opt, value, err);
	if (*opt->text)
		return err_set(err, ERR_INVALID, "--%s is given twice", opt->name);
	*opt->text = value;
	return check_name(opt, value, err);
}

/* @value is what stood in the same word; NULL = nothing. */
static int apply(struct place *place, const struct opt *opt, const char *value, struct err *err)
{
	if (opt->kind == OPT_FLAG) {
		if (value)
			return err_set(err, ERR_INVALID, "--%s takes no value", opt->name);
		*opt->flag = true;
		return 0;
	}
	if (!value && place->at < place->words.count)
		value = place->words.words[place->at++];
	if (value)
		return take_value(opt, value, err);
	place->value_of = opt;
	return err_set(err, ERR_INVALID, "--%s needs a value: %s", opt->name, opt->value);
}

static int take_option(struct place *place, const char *word, struct err *err)
{
	size_t len = strcspn(word + 2, "=");
	const char *value = word[2 + len] == '=' ? word + 3 + len : NULL;
	const struct opt *opt =
		opt_find(place->tables, place->table_count, slice_of(word + 2, len));

	if (!opt)
		return err_set(err, ERR_INVALID, "no such option: %.*s", (int)len + 2, word);
	return apply(place, opt, value, err);
}

static int take_letter(struct place *place, const char *word, struct err *err)
{
	const struct opt *opt = find_letter(place, word[1]);

	if (!opt)
		return err_set(err, ERR_INVALID, "no such option: %s", word);
	return apply(place, opt, word[2] != '\0' ? word + 2 : NULL, err);
}

static int take_argument(const struct place *place, const char *word, struct err *err)
{
	const struct opt *opt = next_argument(place);

	if (!opt)
		return err_set(err, ERR_INVALID, "one word too many: %s", word);
	*opt->text = word;
	return check_name(opt, word, err);
}

/* A single dash is a word like others: as a value it means standard input or output. */
static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

static bool is_help(const struct place *place, const char *word)
{
	if (strcmp(word, "-h") == 0)
		return !find_letter(place, 'h');
	return strcmp(word, "--help") == 0;
}

static int take_word(struct place *place, struct err *err)
{
	const char *word = place->words.words[place->at++];

	if (place->only_arguments || !is_option(word))
		return take_argument(place, word, err);
	if (word[1] != '-')
		return take_letter(place, word, err);
	if (word[2] == '\0') {
		place->only_arguments = true;
		return 0;
	}
	return take_option(place, word, err);
}

static bool is_missing(const struct opt *opt)
{
	return opt->list ? opt->list->count == 0 : opt->text && !*opt->text;
}

static int check_needed(const struct opt *opt, struct err *err)
{
	if (opt->required && is_missing(opt))
		return err_set(err, ERR_INVALID, "%s%s is missing",
			       opt->kind == OPT_ARGUMENT ? "" : "--", opt->name);
	if (opt->or_next && is_missing(&opt[0]) == is_missing(&opt[1]))
		return err_set(err, ERR_INVALID, "exactly one of --%s and --%s is needed",
			       opt[0].name, opt[1].name);
	return 0;
}

static int check_required(const struct place *place, struct err *err)
{
	size_t t, i;

	for (t = 0; t < place->table_count; t++)
		for (i = 0; i < place->tables[t].count; i++) {
			const struct opt *opt = &place->tables[t].opts[i];

			if (check_needed(opt, err) < 0)
				return err->code;
		}
	return 0;
}

int opt_parse(const struct opt_table *tables, size_t table_count, struct opt_words words,
	      bool *ret_help, struct err *err)
{
	struct place place = {.tables = tables, .table_count = table_count, .words = words};
	int r = 0;

	while (r == 0 && place.at < words.count) {
		if (!place.only_arguments && is_help(&place, words.words[place.at])) {
			*ret_help = true;
			return 0;
		}
		r = take_word(&place, err);
	}
	return r < 0 ? r : check_required(&place, err);
}

int opt_parse_leading(const struct opt_table *table, struct opt_words words,
		      struct opt_words *ret_rest, bool *ret_help, struct err *err)
{
	struct place place = {.tables = table, .table_count = 1, .words = words};
	int r = 0;

	while (r == 0 && place.at < words.count && is_option(words.words[place.at])) {
		if (is_help(&place, words.words[place.at])) {
			*ret_help = true;
			return 0;
		}
		r = take_word(&place, err);
	}
	if (r < 0)
		return r;
	*ret_rest = (struct opt_words){.count = words.count - place.at,
				       .words = words.words + place.at};
	return 0;
}

void opt_expect(const struct opt_table *tables, size_t table_count, struct opt_words words,
		struct opt_next *ret_next)
{
	struct place place = {.tables = tables, .table_count = table_count, .words = words};
	struct err ignored;

	while (place.at < words.count)
		(void)take_word(&place, &ignored);
	*ret_next = (struct opt_next){.value_of = place.value_of,
				      .argument = next_argument(&place),
				      .only_arguments = place.only_arguments};
}

bool opt_is_used(const struct opt *opt)
{
	return opt->kind == OPT_FLAG ? *opt->flag : opt->text && *opt->text;
}

int opt_number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret_value,
	       struct err *err)
{
	size_t digits = strspn(text, "0123456789");
	bool good = digits > 0 && digits <= 18 && text[digits] == '\0';
	uint64_t value = 0;

	for (; good && *text; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	if (!good || value < min || value > max)
		return err_set(err, ERR_INVALID,
			       "%s is a whole number from %" PRIu64 " to %" PRIu64, what, min, max);
	*ret_value = value;
	return 0;
}

/* --- texts --- */

static void put_option(struct buf *out, const struct opt *opt)
{
	if (opt->kind == OPT_ARGUMENT)
		buf_put_str(out, opt->name);
	else if (opt->kind == OPT_FLAG)
		buf_printf(out, "--%s", opt->name);
	else
		buf_printf(out, "--%s %s", opt->name, opt->value);
	if (opt->kind == OPT_LIST || opt->kind == OPT_CHOICES)
		buf_put_str(out, " ..");
}

/* "-g VALUE, " in front of the long form, which help gives too. */
static void put_letter(struct buf *out, const struct opt *opt)
{
	if (opt->letter == 0)
		return;
	if (opt->kind == OPT_FLAG)
		buf_printf(out, "-%c, ", opt->letter);
	else
		buf_printf(out, "-%c %s, ", opt->letter, opt->value);
}

static void put_one(struct buf *out, const struct opt *opt)
{
	buf_put_str(out, opt->required ? "" : "[");
	if (opt->letter != 0 && opt->kind != OPT_FLAG)
		buf_printf(out, "-%c %s", opt->letter, opt->value);
	else
		put_option(out, opt);
	buf_put_str(out, opt->required ? "" : "]");
}

static void put_either(struct buf *out, const struct opt *opt)
{
	buf_put_str(out, "(");
	put_option(out, &opt[0]);
	buf_put_str(out, " | ");
	put_option(out, &opt[1]);
	buf_put_str(out, ")");
}

void opt_usage(struct buf *out, const struct opt_table *table, size_t column)
{
	size_t indent = column;
	size_t i;

	for (i = 0; i < table->count; i++) {
		CLEANUP(buf_fini) struct buf word = BUF_INIT(256);

		if (table->opts[i].or_next)
			put_either(&word, &table->opts[i++]);
		else
			put_one(&word, &table->opts[i]);
		if (column + 1 + word.len > USAGE_COLUMNS) {
			buf_printf(out, "\n%*s", (int)indent, "");
			column = indent;
		}
		buf_put_u8(out, ' ');
		buf_put(out, buf_slice(&word));
		column += 1 + word.len;
	}
}

/* Puts @text with its lines beginning at @column, where the first one already is. */
static void put_wrapped(struct buf *out, const char *text, size_t column)
{
	size_t used = column;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (used > column && used + 1 + len > USAGE_COLUMNS) {
			buf_printf(out, "\n%*s", (int)column, "");
			used = column;
		} else if (used > column) {
			buf_put_u8(out, ' ');
			used++;
		}
		buf_put(out, slice_of(text, len));
		used += len;
		text += len + strspn(text + len, " ");
	}
	buf_put_u8(out, '\n');
}

void opt_help(struct buf *out, const struct opt_table *table)
{
	size_t i;

	for (i = 0; i < table->count; i++) {
		size_t start = out->len;
		size_t width;

		buf_put_str(out, "  ");
		put_letter(out, &table->opts[i]);
		put_option(out, &table->opts[i]);
		width = out->len - start;
		if (width + 2 > HELP_COLUMN)
			buf_printf(out, "\n%*s", (int)HELP_COLUMN, "");
		else
			buf_printf(out, "%*s", (int)(HELP_COLUMN - width), "");
		put_wrapped(out, table->opts[i].help, HELP_COLUMN);
	}
}
