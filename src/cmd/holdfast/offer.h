/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_OFFER_H
#define CMD_HOLDFAST_OFFER_H

/*
 * Offers: what a shell may put in the place of the word under its cursor, from the same tables that
 * words are parsed by. A line for each, "WORD" or "WORD<tab>what it is"; ":files" and ":folders"
 * are for the shell to look for.
 */

#include "cmd/holdfast/opt.h"

#define OFFERS_MAX (1024u * 1024u)

struct offers {
	struct slice before; /* "--type=", where the word has the option too; it is in each offer */
	const char *start;   /* the rest of the word: what begins otherwise is left out */
	struct buf out;
};

#define OFFERS_INIT(word)                                                                          \
	{                                                                                          \
		.start = (word), .out = BUF_INIT(OFFERS_MAX)                                       \
	}

/* @text is one line; NULL = nothing is said. A word that a line cannot hold is left out. */
void offer_word(struct offers *offers, const char *word, const char *text);
void offer_path(struct offers *offers, bool folder);

/*
 * Everything for the last one of @words, which the others are before. Returns the row whose offer()
 * has to be asked, too; NULL = none.
 */
const struct opt *offer_opts(struct offers *offers, const struct opt_table *tables,
			     size_t table_count, struct opt_words words);

#endif
