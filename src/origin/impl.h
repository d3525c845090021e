/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_IMPL_H
#define ORIGIN_IMPL_H

/* What the files of this room share; nobody outside opens it. */

#include "http/http.h"
#include "origin/devices.h"
#include "origin/folder.h"
#include "origin/origin.h"
#include "origin/users.h"

/* Largest plaintext that is still at most V1_BYTES_MAX when it is sealed. */
#define ORIGIN_SMALL_MAX (1024u * 1024u - 32u)
#define ORIGIN_JOB_S	 60u

#define ORIGIN_ROUTES 16u

struct origin {
	struct jobs *jobs;
	struct http *http;
	int dir;
	struct users *users;
	struct devices *devices;
	struct secret *key; /* of tokens */
	struct origin_config config;
	struct http_route routes[ORIGIN_ROUTES];
};

/*
 * Op: a request that takes jobs. It is over when it was answered, and freed when no job of it is
 * left: a step on the pool may still run when its job was given up, so steps touch the op's own
 * memory only. Kinds of it begin with a struct op.
 */
struct op {
	struct origin *origin;
	struct http_request *request; /* until it is answered */
	struct http_request *answer;  /* then, while what it is answered with is sent */
	void (*fini)(struct op *op);
	struct job *job;
	void (*next)(struct op *op); /* when the job's step has succeeded */
	bool busy;		     /* a job is not released yet */
	bool failed;		     /* .. and had no success */
	bool over;
	unsigned inside; /* calls from outside, one in the other */
};

/* Takes @op, calloc()ed and perhaps NULL (then it answers), for @request and suspends that. */
bool op_begin(struct op *op, struct origin *origin, struct http_request *request,
	      void (*fini)(struct op *op));
/* Around what http calls by itself. */
void op_enter(struct op *op);
void op_leave(struct op *op);
/* One step on the pool, with @op as its argument; then @next on the loop. */
void op_run(struct op *op, int (*step)(void *arg, struct err *err), void (*next)(struct op *op));
/* Answers by the error, or cuts what is being sent. */
void op_fail(struct op *op, const struct err *err);
/* Gives the request for an answer of one call; the op is over. */
struct http_request *op_answer(struct op *op);
/* The same for a stream, which ends by op_sent(). */
struct http_request *op_stream(struct op *op);
void op_sent(struct op *op);

/* --- origin.c --- */

/* Who asks, by the token. False: the request was answered. */
bool origin_authorise(struct origin *origin, struct http_request *request, unsigned *ret_id);
void origin_note(const struct origin *origin, const char *format, ...) PRINTF_LIKE(2, 3);

/* --- api.c, cdn.c, upload.c, v2.c: handlers; @app is the origin --- */

void api_login(struct http_request *request, void *app);
void api_get(struct http_request *request, void *app);
void api_get_settings(struct http_request *request, void *app);
void api_check(struct http_request *request, void *app);
void api_list(struct http_request *request, void *app);
void api_fragment(struct http_request *request, void *app);
void api_health(struct http_request *request, void *app);
void upload_small(struct http_request *request, void *app);
void cdn_get(struct http_request *request, void *app);
void cdn_put(struct http_request *request, void *app);
void v2_manifest(struct http_request *request, void *app);
void v2_session(struct http_request *request, void *app);
void v2_key(struct http_request *request, void *app);

#endif
