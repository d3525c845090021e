/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_OPT_H
#define CMD_HOLDFAST_OPT_H

/*
 * Opt: one table of options gives parsing, the line of usage and the text of help. Options are
 * --name, --name VALUE or --name=VALUE, anywhere before a bare `--`; arguments are taken in the
 * order of the table. Names are not abbreviated, and nothing may be given twice but lists. Where a
 * row has a letter, -l VALUE and -lVALUE are the same option.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum opt_kind {
	OPT_FLAG,     /* --name, sets *flag */
	OPT_TEXT,     /* --name VALUE, sets *text */
	OPT_CHOICE,   /* the same; VALUE is one of "a|b|c" */
	OPT_LIST,     /* --name VALUE up to OPT_LIST_MAX times, adds to *list */
	OPT_CHOICES,  /* the same; each VALUE is one of "a|b|c" */
	OPT_ARGUMENT, /* not an option but a word of its own, sets *text */
};

struct cli;
struct offers;

#define OPT_LIST_MAX 32u
struct opt_list {
	const char *items[OPT_LIST_MAX + 1]; /* end in NULL; borrowed from the command line */
	size_t count;
};

struct opt {
	enum opt_kind kind;
	char letter;	   /* 0 = none; "h" takes that letter away from help */
	const char *name;  /* "in"; of an argument what usage calls it: "NAME" */
	const char *value; /* "FILE", or the choices */
	const char *help;
	bool required;	       /* options and arguments that have no default */
	bool *flag;	       /* false at first */
	const char **text;     /* NULL at first; then borrowed from the command line */
	struct opt_list *list; /* empty at first */
	bool is_name;	       /* the value is the name of a secret or key, and must be one */
	bool is_path; /* it is a path of FAPI, which begins with a slash; with both, either */
	bool or_next; /* exactly one of this option and that of the next row is needed */
	/* For a shell: adds the values that can be meant (offer.h). NULL = what @kind and @value
	 * say */
	void (*offer)(struct cli *cli, struct offers *offers);
};

struct opt_table {
	const struct opt *opts;
	size_t count;
};

struct opt_words {
	int count;
	const char *const *words;
};

/*
 * Parses until all words are taken. ERR_INVALID, with a text that names the option; what was set
 * until then stays set. A word --help or -h sets *ret_help and ends the parsing.
 */
int opt_parse(const struct opt_table *tables, size_t table_count, struct opt_words words,
	      bool *ret_help, struct err *err) MUST_CHECK;

/*
 * The same for options that stand before a verb: stops at the first word that is none, and gives
 * what is left. Arguments in the table are ignored.
 */
int opt_parse_leading(const struct opt_table *table, struct opt_words words,
		      struct opt_words *ret_rest, bool *ret_help, struct err *err) MUST_CHECK;

/*
 * What may follow @words, for a shell that completes a line: whatever is wrong in them is passed
 * over. Targets are set as by opt_parse(), so that what was given is known.
 */
struct opt_next {
	const struct opt *value_of; /* an option that waits for its value; NULL = none does */
	const struct opt *argument; /* the next one; NULL = there is no more */
	bool only_arguments;	    /* options are over */
};
void opt_expect(const struct opt_table *tables, size_t table_count, struct opt_words words,
		struct opt_next *ret_next);

/* The option of that name, without the dashes, or NULL. */
const struct opt *opt_find(const struct opt_table *tables, size_t table_count, struct slice name);

/* Was it given? Never true of an option that may be given again. */
bool opt_is_used(const struct opt *opt);

/* A whole decimal number from @min to @max; @what names it in the error. */
int opt_number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret_value,
	       struct err *err) MUST_CHECK;

/* Appends " --in FILE [--json] NAME", wrapped at 80 columns; @column is where it begins. */
void opt_usage(struct buf *out, const struct opt_table *table, size_t column);

/* Appends a line or more for each row: "  --in FILE   what it does". */
void opt_help(struct buf *out, const struct opt_table *table);

#endif
