/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_ASK_H
#define CMD_HOLDFAST_LOADER_ASK_H

/*
 * Ask: the client side of the program: one question at a time to the loader that serves by the same
 * configuration, over its own address. Answers are small and whole; what is large comes by pieces.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/secret.h"
#include "conf/loader.h"
#include "fetch/fetch.h"

struct json_t;

#define ASK_URL_MAX   128u
#define ASK_CODE_MAX  64u
#define ASK_WHY_MAX   512u
#define ASK_IDLE_S    30u
#define ASK_PATIENT_S 2592000u /* a download may take that long */

struct ask {
	struct loop *loop;
	struct fetch *fetch;
	struct secret *token;
	char url[ASK_URL_MAX]; /* "http://127.0.0.1:8080" */
	const char *socket;    /* a path, of a Unix socket; NULL: none */
	/* Why the last question had no good answer: as the loader says, or as we do. */
	char code[ASK_CODE_MAX];
	char why[ASK_WHY_MAX];
};

int ask_open(struct ask *ask, const struct conf_loader *conf, struct err *err) MUST_CHECK;
void ask_close(struct ask *ask);

struct ask_question {
	enum fetch_method method;
	const char *path;  /* with its query */
	struct slice body; /* JSON; empty: none */
};

/*
 * 0 with the answer's object, which may be NULL where it has none; -1 when it is no good, or there
 * is none: code and why tell.
 */
int ask_json(struct ask *ask, const struct ask_question *question, struct json_t **ret_json)
	MUST_CHECK;

/*
 * Begins one whose good answer goes to @ops as it comes; @ops has no head() and no done(), @done is
 * called with 0 or -1, as above. Ends with the loop.
 */
struct ask_stream {
	int (*data)(void *arg, struct slice bytes, struct err *err);
	void (*begin)(void *arg, bool length_known, uint64_t length);
	void (*done)(void *arg, int result);
};
struct ask_flow;
int ask_flow(struct ask *ask, const struct ask_question *question, const struct ask_stream *stream,
	     void *arg, struct ask_flow **ret_flow) MUST_CHECK;
/* Does not call done(). NULL is allowed. */
void ask_flow_free(struct ask_flow *flow);

/* Sets code and why; returns -1. */
int ask_fail(struct ask *ask, const char *code, const char *why);
int ask_fail_err(struct ask *ask, const struct err *err);

#endif
