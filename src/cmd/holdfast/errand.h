/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_ERRAND_H
#define CMD_HOLDFAST_ERRAND_H

/* Errand: what most verbs are: parse the words, read an input, ask the service, put its answer. */

#include "cmd/holdfast/cli.h"

struct errand {
	bool is_admin;	    /* it goes to admin.sock */
	const char *in;	    /* the input, a path as of io.h */
	size_t in_max;	    /* bytes; 0 = there is no input */
	const char *text;   /* the input is a text, which errors call so; NULL = bytes */
	const char *out;    /* a path, as well */
	const char *member; /* what the answer is called with --json */
	bool answer_is_text;

	/* 0, or negative when the handle has the error. Behind an input that is a text is a NUL. */
	int (*ask)(struct hf *hf, void *arg, struct slice input, void **ret_data, size_t *ret_len);
	void *arg;

	/* Ends the verb, and frees @take_data; NULL = it goes to @out, as cli_put_result() says. */
	int (*put)(const struct cli *cli, const struct errand *errand, void *take_data, size_t len);
};

/* The whole verb; @opts may set members of @errand. Returns an exit code. */
int errand_run(struct cli *cli, const struct opt *opts, size_t count, struct opt_words words,
	       const struct errand *errand);

/* What errand_run() does without another @put. */
int errand_put(const struct cli *cli, const struct errand *errand, void *take_data, size_t len);

/* Ends an @ask whose answer is a text: @r is what the library gave, @take_text only good for 0. */
int errand_text(int r, char *take_text, void **ret_data, size_t *ret_len);

#endif
