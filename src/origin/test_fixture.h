/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_TEST_FIXTURE_H
#define ORIGIN_TEST_FIXTURE_H

/*
 * An origin on a folder of its own, and a client that asks one thing on a fresh socket pair and
 * reads until the origin closes. All of it runs in one thread, jobs aside; a guard ends what hangs.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/loop.h"
#include "jobs/jobs.h"
#include "origin/origin.h"

#define EMAIL	 "a@b.c"
#define PASSWORD "pw"
#define HARDWARE "sdpQlsNOiwuddrrN4FW56cUzwgNjgAw7bGium0zs7Kwh1Q4D04QHmfFdrOHGIH70"
/* Of the two and the salts of the contract (docs/ARTIFACT.md, "Vectors"). */
#define USER_KEY "bcbf25ab2d6815dc7296291383309a968ab59cb8da6d32d739503b24f460cc3c"

#define UPLOAD_MAX (4u * 1024u * 1024u)

struct world {
	char root[64];
	int dir;
	struct loop *loop;
	struct jobs *jobs;
	struct origin *origin;
	struct origin_user users[1];
	struct buf token;      /* "Authorization: Bearer ..\r\n" and a NUL; empty before login() */
	struct buf notes;      /* lines of the origin */
	unsigned open, closed; /* connections */
	bool leaving;	       /* the client has left, the origin is to find out */
	int fds;
};

int world_setup(void **state); /* *state becomes a struct world; its formula is v1-hw */
int world_setup_nohw(void **state);
int world_teardown(void **state);
/* A file of the origin's folder, "models/net.big"; its folder is made. */
void world_put(struct world *world, const char *path, struct slice bytes);
void world_put_text(struct world *world, const char *path, const char *text);
/* What it holds now; fails when it is not there. */
void world_get(struct world *world, const char *path, struct buf *ret_bytes);
bool world_has(struct world *world, const char *path);
/* Logs in; later requests can say with_token. */
void world_login(struct world *world);

struct wish {
	const char *line;    /* "GET /health" */
	const char *headers; /* each with its CR LF; NULL = none */
	bool with_token;
	const char *json; /* the body, or: */
	struct slice body;
	bool chunked;	   /* the body comes without its length being told before */
	size_t stop_after; /* bytes of the answer, after which the client leaves; 0 = it does not */
	size_t cut_after;  /* the same of the request */
};
struct answer {
	unsigned status;
	struct buf raw;
	struct slice body;
};
/* The answer to one request. */
void world_ask(struct world *world, const struct wish *wish, struct answer *ret_answer);
void answer_fini(struct answer *answer);
bool answer_has(const struct answer *answer, const char *line);	 /* a header */
bool answer_says(const struct answer *answer, const char *text); /* in the body */
/* Asks and compares the status. */
void world_expect(struct world *world, const struct wish *wish, unsigned status);

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
