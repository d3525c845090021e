/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FRONT_IMPL_H
#define FRONT_IMPL_H

/*
 * What the files of this room share; nobody outside opens it. A handler that waits for the loader
 * hangs a struct of its own on the request: it ends with the answer, or, for a client that leaves,
 * in gone(), which leaves what was asked of the loader.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "front/front.h"
#include "http/http.h"
#include "loader/loader.h"

struct json_t;

#define FRONT_FOLDER	"models" /* where a request names none */
#define FRONT_TEXT_MAX	1024u	 /* bytes of an email or a password */
#define FRONT_JSON_MAX	(16u * 1024u)
#define FRONT_FORM_ROOM (64u * 1024u) /* what a form may add to the bytes that it carries */
#define FRONT_ROUTES	12u

/* What statuses a path has: http_route.right. */
enum front_flow {
	FRONT_LOGIN,
	FRONT_LOAD,
	FRONT_UPLOAD,
	FRONT_UNLOCK,
	FRONT_ARTIFACT,
	FRONT_SHOW,
	FRONT_V2,
	FRONT_NO_ROUTE, /* none was found */
	FRONT_FLOWS,
};

/*
 * Who waits for the loader before there is an answer, in a handler's struct as its first member.
 * stop() leaves the loader, answers and frees it.
 */
struct front_wait {
	struct front *front;
	struct front_wait *prev, *next;
	void (*stop)(struct front_wait *wait, const struct err *err);
};

struct front {
	struct http *http;
	struct front_wait *waits;
	struct loader *loader;
	struct front_config config;
	struct front_machine machine;
	struct http_route routes[FRONT_ROUTES];
};

/* A connection. */
struct front_peer {
	struct front *front;
	bool refused; /* its request, by http or by us, before there was a handler */
	void (*closed)(void *arg);
	void *arg;
};

/* --- front.c --- */

void front_wait_begin(struct front *front, struct front_wait *wait);
void front_wait_end(struct front_wait *wait); /* also of one that did not begin */

/* --- tell.c --- */

/* http_ops.tell. */
const char *front_tell(void *app, const struct http_request *request, const struct err *err,
		       unsigned *status, struct buf *body);
/* The error's text as clients may read it. */
const char *front_detail(const struct err *err);
/* A line for the log about what came of @request, with the error's text as it is. */
void front_note(const struct http_request *request, const char *outcome, const struct err *err);

/* --- greet.c --- */

/* http_ops.greet. */
int front_greet(void *app, void *peer, const struct http_request *request, struct err *err);

/* --- body.c --- */

/* Of a body that must be application/json. */
int front_body(const struct http_request *request, struct json_t **ret_body, struct err *err)
	MUST_CHECK;
/* The member, which must be there and have 1 to FRONT_TEXT_MAX bytes; borrowed from @body. */
int front_text(const struct json_t *body, const char *name, struct slice *ret_text, struct err *err)
	MUST_CHECK;
/* Answers 200 with what is taken over, or, when that is NULL, that memory is short. */
void front_answer(struct http_request *request, struct json_t *json);
void front_answer_as(struct http_request *request, unsigned status, struct json_t *json);
/* {"status":"ok"} */
void front_answer_ok(struct http_request *request);

/* Of the path's name and the query's folder; borrowed. */
int front_query_resource(const struct http_request *request, struct resource *ret_resource,
			 struct err *err) MUST_CHECK;

/* --- send.c --- */

/* Who waits for a load, and then sends it. */
struct front_send {
	struct front_wait wait;
	struct http_request *request;
	struct front *front;
	struct loader_load *load;
	void (*ready)(struct front_send *send);
	bool answered;
	struct http_range range;
	uint64_t left;	    /* of it, and not read yet */
	struct slice piece; /* read, and not given yet */
};

struct front_wish {
	/* loader_load() or loader_artifact() */
	int (*ask)(struct loader *loader, const struct resource *resource, loader_done_fn ready,
		   void *arg, struct loader_load **ret_load, struct err *err);
	/* All of it has passed: one of the three below is to be called. */
	void (*ready)(struct front_send *send);
};
/* Suspends @request, unless it fails. */
int front_send_begin(struct http_request *request, struct front *front,
		     const struct resource *resource, const struct front_wish *wish,
		     struct err *err) MUST_CHECK;
/* Sends @range of it, behind headers that were added; a loader_load_seek() has been there. */
void front_send_go(struct front_send *send, const struct http_range *range);
void front_send_fail(struct front_send *send, const struct err *err);
/* Leaves the load; what is returned is to be answered. */
struct http_request *front_send_end(struct front_send *send);

/* --- credentials.c --- */

/* The images of an archive go to the engine: 202. */
void front_images(struct http_request *request, struct front *front,
		  const struct resource *resource);

/* --- the handlers --- */

void front_login(struct http_request *request, void *app);	   /* credentials.c */
void front_unlock(struct http_request *request, void *app);	   /* credentials.c */
void front_load(struct http_request *request, void *app);	   /* load.c */
void front_upload(struct http_request *request, void *app);	   /* upload.c */
void front_artifact_get(struct http_request *request, void *app);  /* artifact.c; HEAD, too */
void front_artifact_post(struct http_request *request, void *app); /* artifact.c */
void front_unlock_status(struct http_request *request, void *app); /* show.c .. */
void front_health(struct http_request *request, void *app);
void front_status(struct http_request *request, void *app);
void front_v2_status(struct http_request *request, void *app);
void front_cancel(struct http_request *request, void *app);

#endif
