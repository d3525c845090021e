/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_OP_H
#define SERVICE_OP_H

/*
 * Op: one request on its way through the places of a job. Each operation embeds a struct op first
 * and describes itself by a const struct op_kind:
 *
 *   prepare  on the loop: reads the request, adds steps
 *   steps    on pool and worker: see the op only, never the service's mutable state
 *   turn     on the loop, when a step has set op->more: adds the steps of another job, so that
 *            others have their turn in between
 *   answer   on the loop, when the last step succeeded
 *   changed  on the loop, after the last step, when the record was changed, answered or not
 *   sweep    where the provider's calls are made, when a step has left something in the provider
 *   fini     on the loop, when nobody uses the op any more
 *
 * Refusals, deadlines, clients that left, audit, counting and the cache are the same for all and
 * are done here.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "service/metrics.h"
#include "service/quota.h"
#include "service/service.h"

struct json_t;
struct op;

enum op_needs {
	OP_NEEDS_STORE,
	OP_NEEDS_PROVIDER,
	OP_NEEDS_NOTHING, /* works in every state, and gets no provider */
};

struct op_kind {
	enum metrics_operation operation;
	enum op_needs needs;
	size_t size; /* of the struct that begins with a struct op */
	int (*prepare)(struct op *op, struct err *err);
	/*
	 * Instead of steps: begins what somebody else does, who ends it by op_finish(). NULL for
	 * all others.
	 */
	int (*launch)(struct op *op, struct err *err);
	void (*turn)(struct op *op); /* NULL for ops of one job */
	void (*answer)(struct op *op);
	/* On the loop, once the record was changed, also when nobody waited for it; may be NULL. */
	void (*changed)(struct op *op);
	int (*sweep)(void *op, struct err *err); /* it cannot fail; NULL where nothing is left */
	void (*fini)(struct op *op);		 /* may be NULL */
};

/* A record that an op reads or changes; unused while id.name is NULL. */
struct op_record {
	struct store_id id;
	struct buf bytes;
	uint64_t epoch;
	bool cached; /* came from the cache */
};

struct op {
	const struct op_kind *kind;
	struct service *service;      /* loop only */
	struct http_request *request; /* loop only; NULL once answered */
	struct job *job;	      /* loop only; NULL when none waits */
	struct job_plan plan;
	struct tenant_peer peer;
	uint64_t started_us;

	/* What steps use. */
	struct keystore_tenant tenant;
	struct store *store;
	struct provider *provider;     /* held; NULL when there is none */
	char name[STORE_NAME_MAX + 1]; /* of the object, or "" */
	_Atomic uint64_t tpm_commands;
	struct provider_status provider_status; /* .. after the op's last call, */
	bool used_chip;				/* .. when this is set */

	struct op_record record;
	struct op_record *second; /* another one that it reads; NULL = none */
	bool changes;		  /* the op changes the first .. */
	bool changed; /* .. and did: set by the step that made the change durable, read at the end
		       */
	struct quota_change quota; /* what the change means for the tenant's limits */
	bool more;		   /* set by a step: another job follows */
	bool left;		   /* set by steps: there is something to sweep */
	bool failed;		   /* loop only: its client was told so, or left */
	struct op *next_left;	   /* of those that could not be swept */
};

/* A handler's whole body. */
void op_run(struct service *service, struct http_request *request, const struct op_kind *kind);

/* The end of what launch() began; @err is NULL when it succeeded. The op is gone afterwards. */
void op_finish(struct op *op, const struct err *err);

/*
 * Keeps @p, the service's or an op's, from being taken away until it is dropped, once, on the loop.
 * An op holds its own. NULL is allowed.
 */
struct provider *service_hold(struct service *service, struct provider *p);
void service_drop(struct service *service, struct provider *p);

/* --- op_run() in parts, for an op of several jobs (flow.c) --- */

/* NULL when memory was short. Nothing is counted yet. */
struct op *op_new(struct service *service, struct http_request *request,
		  const struct op_kind *kind);
void op_free(struct op *op);
/* May it start, as the service is now? */
int op_gate(const struct op *op, struct err *err) MUST_CHECK;
/* Records the outcome; the second also answers. */
void op_succeed(struct op *op);
void op_fail(struct op *op, const struct err *err);
/* After a job with a provider's step. */
void op_note_chip(const struct op *op);
/*
 * For an op that waits for its client: it lets its provider go while no job uses it, and holds the
 * service's again once op_gate() allows.
 */
void op_drop_provider(struct op *op);
void op_hold_provider(struct op *op);

/* --- for prepare --- */

/* Adds a step. */
void op_step(struct op *op, enum job_place place, int (*run)(void *arg, struct err *err));
/* Where the provider's calls are made. */
enum job_place op_provider_place(const struct op *op);
/* Another deadline than 30 s, from now. */
void op_deadline(struct op *op, unsigned seconds);
/* Takes the object's name from the path's first {segment}; ERR_INVALID when it is no name. */
int op_name_of_path(struct op *op, struct err *err) MUST_CHECK;
/* .. or the member `name` of the body. */
int op_name_of_body(struct op *op, const struct json_t *body, struct err *err) MUST_CHECK;
/* The record of the op's name is going to be read: from the cache, or by a step of its own. */
void op_reads_record(struct op *op, enum store_kind kind);
/* .. or changed, without being read. */
void op_changes_record(struct op *op, enum store_kind kind);
/* A second one is going to be read; @name lives as long as the op, @record is part of it. */
void op_reads_second(struct op *op, struct op_record *record, enum store_kind kind,
		     const char *name);
/* ERR_TPM_REQUIRED while software is in use. Where no provider is, its absence was the op's to
 * refuse (OP_NEEDS_PROVIDER), or does not matter. */
int op_needs_chip(const struct op *op, struct err *err) MUST_CHECK;
/* The JSON body; members outside @names are refused. */
int op_body(struct op *op, const char *const *names, size_t count, struct json_t **ret_body,
	    struct err *err) MUST_CHECK;
/* Both, as most operations on an object begin: op_name_of_path(), then op_body(). */
int op_name_and_body(struct op *op, const char *const *names, size_t count,
		     struct json_t **ret_body, struct err *err) MUST_CHECK;
/* The plaintext of an octet-stream body, or of the member `data` of a JSON body. */
int op_body_data(struct op *op, size_t max, struct secret **ret_data, struct err *err) MUST_CHECK;

/* --- for steps --- */

/* Around each call of the provider: deadline before, count of commands after. */
struct provider *op_provider_enter(struct op *op);
int op_provider_leave(struct op *op, int r);
struct keystore_target op_target(const struct op *op, enum blob_kind kind);

/* The record as a blob; ERR_DAMAGED when it is none, or not of the kind that belongs there. */
int op_parse_record(enum store_kind kind, struct slice record, struct blob *ret_blob,
		    struct err *err) MUST_CHECK;

/* --- for answer --- */

/* Takes @json over; NULL (memory was short) is answered as ERR_INTERNAL. */
void op_answer_json(struct op *op, unsigned status, struct json_t *json);
void op_answer_octets(struct op *op, struct slice bytes);
void op_answer_empty(struct op *op);
/* Base64 as a string, a new reference; NULL, which json_pack() refuses, when memory is short. */
struct json_t *op_json_base64(struct slice bytes);
/* A string of unknown origin; null when it is NULL or not UTF-8. A new reference. */
struct json_t *op_json_text(const char *text);

#endif
