/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/offer.h"

#include <string.h>

void offer_word(struct offers *offers, const char *word, const char *text)
{
	/* A shell would take these apart, or put them on the line as something else. */
	if (strncmp(word, offers->start, strlen(offers->start)) != 0 || strpbrk(word, "\t\n\r"))
		return;
	buf_put(&offers->out, offers->before);
	buf_put_str(&offers->out, word);
	if (text)
		buf_printf(&offers->out, "\t%s", text);
	buf_put_u8(&offers->out, '\n');
}

void offer_path(struct offers *offers, bool folder)
{
	buf_put_str(&offers->out, folder ? ":folders\n" : ":files\n");
}

static void offer_choices(struct offers *offers, const char *choices)
{
	while (*choices) {
		CLEANUP(buf_fini) struct buf word = BUF_INIT(256);
		size_t len = strcspn(choices, "|");

		buf_put(&word, slice_of(choices, len));
		buf_put_u8(&word, '\0');
		if (buf_ok(&word))
			offer_word(offers, (const char *)word.data, NULL);
		choices += len + (choices[len] == '|');
	}
}

/* "FILE", and "NAME|FILE", which is no choice */
static bool is_file(const char *value)
{
	const char *last = strrchr(value, '|');

	return strcmp(last ? last + 1 : value, "FILE") == 0;
}

/* The same return value as of offer_opts(). */
static const struct opt *offer_values(struct offers *offers, const struct opt *opt)
{
	const char *value = opt->kind == OPT_ARGUMENT ? opt->name : opt->value;

	if (opt->offer)
		return opt;
	if (opt->kind == OPT_CHOICE || opt->kind == OPT_CHOICES)
		offer_choices(offers, value);
	else if (is_file(value) || strcmp(value, "DIR") == 0)
		offer_path(offers, !is_file(value));
	return NULL;
}

static void offer_option(struct offers *offers, const struct opt *opt)
{
	CLEANUP(buf_fini) struct buf word = BUF_INIT(256);

	buf_printf(&word, "--%s", opt->name);
	buf_put_u8(&word, '\0');
	if (buf_ok(&word) && opt->kind != OPT_ARGUMENT && !opt_is_used(opt))
		offer_word(offers, (const char *)word.data, opt->help);
}

static void offer_options(struct offers *offers, const struct opt_table *tables, size_t table_count)
{
	size_t t, i;

	for (t = 0; t < table_count; t++)
		for (i = 0; i < tables[t].count; i++)
			offer_option(offers, &tables[t].opts[i]);
	offer_word(offers, "--help", "explain it");
}

/* "--type=rs": the value of an option in one word with it */
static const struct opt *offer_joined(struct offers *offers, const struct opt_table *tables,
				      size_t table_count, const char *word)
{
	size_t len = strcspn(word, "=");
	const struct opt *opt = opt_find(tables, table_count, slice_of(word + 2, len - 2));

	if (!opt || opt->kind == OPT_FLAG)
		return NULL;
	offers->before = slice_of(word, len + 1);
	offers->start = word + len + 1;
	return offer_values(offers, opt);
}

const struct opt *offer_opts(struct offers *offers, const struct opt_table *tables,
			     size_t table_count, struct opt_words words)
{
	const char *word = words.words[words.count - 1];
	struct opt_next next;

	words.count--;
	opt_expect(tables, table_count, words, &next);
	if (next.value_of)
		return offer_values(offers, next.value_of);
	if (!next.only_arguments && strncmp(word, "--", 2) == 0 && strchr(word, '='))
		return offer_joined(offers, tables, table_count, word);
	if (!next.only_arguments && (word[0] == '-' || (word[0] == '\0' && !next.argument)))
		offer_options(offers, tables, table_count);
	else if (next.argument)
		return offer_values(offers, next.argument);
	return NULL;
}
