/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_CLI_H
#define CMD_HOLDFAST_CLI_H

/*
 * Cli: what all verbs share: the common options, the connection, and the three ways to end: done,
 * failed (one line says what, one what to do), wrong usage.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "cmd/holdfast/opt.h"
#include "holdfast/client.h"

struct json_t;

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli;
struct verb_set; /* verb.h */

/* Rows of the tables of verbs, verbs_x.c. */
struct verb {
	const char *name; /* "seal", "key create" */
	int (*run)(struct cli *cli, struct opt_words words);
	const char *text; /* one line, without a full stop */
};

struct cli {
	const struct verb_set *const *sets; /* of the program; ends in NULL */
	const struct verb *verb;
	bool is_tool; /* the verb was called as a program of its own name */
	const char *socket;
	const char *timeout; /* as given, or NULL */
	unsigned timeout_ms; /* of it; 0 = none given */
	bool json;
	bool completing; /* a shell asks what the line may go on with */
	struct hf *hf;	 /* opened by cli_parse() */
};

/* The options that every verb takes; their targets are in @cli. */
#define CLI_COMMON_COUNT 3u
void cli_common(struct cli *cli, struct opt ret_opts[CLI_COMMON_COUNT]);

/*
 * Parses a verb's words by its own options and the common ones, and makes the handle ready.
 * Returns a negative number to go on, else the exit code: help was asked for, usage is wrong, or
 * a shell was told what the words may end with. So a verb calls it before it does anything.
 */
int cli_parse(struct cli *cli, const struct opt *opts, size_t count, struct opt_words words)
	MUST_CHECK;

/* Each says on standard error what is wrong (cli_fail: with --json on standard output). */
int cli_fail(const struct cli *cli, const struct err *err);
int cli_fail_hf(const struct cli *cli); /* the last call's error */
int cli_usage(const struct cli *cli, const struct err *err);

/* Ends a verb: the exit code of a result, with @err reported when it is negative. */
static inline int cli_end(const struct cli *cli, int r, const struct err *err)
{
	return r < 0 ? cli_fail(cli, err) : CLI_DONE;
}

/* Writes a text to standard output. */
int cli_print(const struct cli *cli, const struct buf *text);
/* Writes a JSON text that the service gave, and ends its line. */
int cli_print_json(const struct cli *cli, const char *json);
/* The same of an object of ours, which is freed; NULL means that there was no memory for it. */
int cli_print_object(const struct cli *cli, struct json_t *take_json);
/*
 * Ends a verb whose answer is the JSON object @take_json, which is freed: as it is with --json,
 * else as @put writes it.
 */
int cli_print_answer(const struct cli *cli, char *take_json,
		     void (*put)(struct buf *out, const struct json_t *object));
/* A text of any bytes as a JSON string; what is no UTF-8 shows as '?'. */
struct json_t *cli_text_json(const char *text);
/* The object of an answer, whose text is freed; NULL when @r tells of none, or it is no JSON. */
struct json_t *cli_take_object(int r, char *take_text);
/* Ends a verb that has deleted @name. */
int cli_deleted(const struct cli *cli, const char *name);

/*
 * Puts a verb's result where it belongs: bytes to @path, or with --json and no path as
 * {"member": base64, "protection"}. A terminal gets no bytes that are no text.
 */
struct cli_result {
	const char *member;
	struct slice bytes;
	bool is_text;	  /* in JSON they are a string as they are */
	const char *json; /* the service's own object, printed instead of ours; NULL = none */
};
int cli_put_result(const struct cli *cli, const char *path, const struct cli_result *result);

/* The same of what the library gave, which is freed. */
int cli_put_taken(const struct cli *cli, const char *path, const char *member, void *take_data,
		  size_t len);
int cli_put_taken_text(const struct cli *cli, const char *path, const char *member,
		       char *take_text);

/* Appends @text for a terminal: control characters become '?'. */
void cli_put_text(struct buf *out, const char *text);

/* The same of a member of an answer, and a constant behind it. */
void cli_put_member(struct buf *out, const struct json_t *object, const char *member,
		    const char *behind);

/* Appends "label     text"; nothing when there is no text. */
#define CLI_LABEL_COLUMN 20
void cli_put_label(struct buf *out, const char *label);
void cli_put_line(struct buf *out, const char *label, const char *text);

#endif
