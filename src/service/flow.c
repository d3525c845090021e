/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing and unsealing of what is too large to be held. A flow is one request in many small jobs,
 * one after the other; between two of them the client sends, or takes, the next piece:
 *
 *   seal    key (chip)  >  piece (pool), ..  >  answer from the spool
 *   unseal  beginning and its key (chip)  >  piece (pool), ..  >  all tags (pool)  >  answer
 *
 * The spool holds ciphertext only: what seal has made, what unseal was given. libmicrohttpd answers
 * when it has the whole body, so one of the two has to wait somewhere.
 *
 * Unseal opens the stream twice. The first time it only looks whether all tags are right, some
 * 50 ms for 64 MiB, so that damage anywhere is answered as such, and no client gets a part of
 * something that turns out to be broken. The second time each piece is sent after its tags were
 * right once more: they may have been changed on the disk meanwhile, and then the connection is
 * cut.
 *
 * A step may still run when its job was given up, so steps touch the flow's own memory only, and a
 * flow is freed when its request is over and no job of it is left.
 */
#include "service/flow.h"

#include "base/log.h"
#include "service/op.h"

#define JOB_S		30u
#define RETRY_AFTER_S	1u
#define SEALED_CHUNK	((uint64_t)STREAM_CHUNK + STREAM_TAG)
#define PIECE_CHUNKS	(HTTP_PIECE / STREAM_CHUNK)
#define SEALED_PIECE	(PIECE_CHUNKS * SEALED_CHUNK)
#define BUFFER_SIZE	(SEALED_PIECE + BLOB_OVERHEAD)
#define CHECKED_AT_ONCE (64u * SEALED_PIECE) /* so that others get their turn on the pool */

_Static_assert(HTTP_PIECE % STREAM_CHUNK == 0, "pieces are whole chunks");
_Static_assert(HTTP_PIECE >= BLOB_OVERHEAD, "the first piece holds the beginning of a blob");

struct flow;

struct flow_kind {
	struct op_kind op;
	uint64_t max;  /* bytes of body */
	uint64_t adds; /* bytes that the spool takes beside those of the body */
	const char *remedy;
	void (*begin)(struct flow *flow);
	int (*take)(struct flow *flow, struct slice piece, struct err *err);
	int (*give)(void *arg, struct err *err); /* the step that makes the answer's next piece */
};

struct flow {
	struct op op;
	const char *protection;		 /* by whom it is sealed */
	struct http_request *answer;	 /* while it is sent, with op.request NULL */
	void (*next)(struct flow *flow); /* when the job's last step has succeeded */
	bool busy;			 /* a job is not released yet */
	bool failed;			 /* the job's answer */
	unsigned inside;		 /* calls from outside, one in the other */
	bool over;			 /* nobody waits any more */
	bool last;			 /* of the body's pieces */
	uint64_t taken;			 /* bytes of body */
	uint64_t length;		 /* of the answer */
	uint64_t at;			 /* in the spool, when reading */
	uint64_t reserved;		 /* of the room for large data */
	struct spool *spool;
	struct keystore_sealing sealing; /* of seal */
	struct keystore_opening opening; /* of unseal */
	struct secret *key;		 /* .. */
	struct stream *stream;
	struct buf in, out;
};

static const struct flow_kind *kind_of(const struct flow *flow)
{
	return (const struct flow_kind *)flow->op.kind;
}

/* --- room --- */

static int reserve(struct flow *flow, struct err *err)
{
	struct service *service = flow->op.service;
	struct service_tenant *tenant = (struct service_tenant *)flow->op.peer.tenant;
	uint64_t need = http_request_length(flow->op.request) + kind_of(flow)->adds;

	if (tenant->spooled + need > SERVICE_SPOOL_TENANT_MAX ||
	    service->spooled + need > SERVICE_SPOOL_MAX) {
		(void)err_set(err, ERR_QUOTA, "too much large data is at work already");
		err->retry_after = RETRY_AFTER_S;
		return err_add_remedy(err, "Wait as long as Retry-After says, then repeat.");
	}
	tenant->spooled += need;
	service->spooled += need;
	flow->reserved = need;
	return 0;
}

static void unreserve(struct flow *flow)
{
	((struct service_tenant *)flow->op.peer.tenant)->spooled -= flow->reserved;
	flow->op.service->spooled -= flow->reserved;
	flow->reserved = 0;
}

/* --- the end --- */

static void fini(struct op *op)
{
	struct flow *flow = (struct flow *)op;

	keystore_sealing_fini(&flow->sealing);
	keystore_opening_fini(&flow->opening);
	secret_free(flow->key);
	stream_free(flow->stream);
	spool_free(flow->spool);
	buf_fini(&flow->in);
	buf_fini(&flow->out);
}

static int close_spool(void *arg, struct err *err)
{
	(void)err;
	spool_free(TAKE(((struct flow *)arg)->spool));
	return 0;
}

static void closed(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

static void flow_free(void *arg)
{
	struct flow *flow = arg;

	unreserve(flow);
	op_free(&flow->op);
}

/* Closing a large file that has no name takes the disk a while. */
static void finish(struct flow *flow)
{
	const struct job_plan plan = {
		.steps = {{JOB_POOL, close_spool}},
		.count = 1,
		.done = closed,
		.release = flow_free,
		.arg = flow,
	};
	struct job *job;
	struct err err;

	if (!flow->spool || service_submit(flow->op.service, &plan, &job, &err) < 0)
		flow_free(flow);
}

/*
 * Around everything that is called from outside. Such calls nest (a pull may bring its piece at
 * once), and only the outermost may find the flow over and free it.
 */
static void enter(struct flow *flow)
{
	flow->inside++;
}

static void leave(struct flow *flow)
{
	if (--flow->inside == 0 && flow->over && !flow->busy)
		finish(flow);
}

/* An answer that has begun can only be cut; the request's end comes later, by end(). */
static void fail(struct flow *flow, const struct err *err)
{
	if (flow->op.request) {
		flow->over = true;
		op_fail(&flow->op, err);
	} else if (flow->answer) {
		log_err(LOG_LEVEL_WARNING, err, "%s: the answer was cut off",
			metrics_operation_name(flow->op.kind->operation));
		http_answer_cut(TAKE(flow->answer));
	}
}

/* --- jobs --- */

static void job_done(void *arg, const struct err *err)
{
	struct flow *flow = arg;

	flow->op.job = NULL;
	flow->failed = err != NULL;
	if (err)
		fail(flow, err);
}

static void job_released(void *arg)
{
	struct flow *flow = arg;

	enter(flow);
	flow->busy = false;
	op_note_chip(&flow->op);
	/* Its key was the chip's part; a slow client must not keep the chip from being changed. */
	op_drop_provider(&flow->op);
	if (!flow->over && !flow->failed)
		flow->next(flow);
	leave(flow);
}

/* Runs the steps that were added to the op since the last job. */
static void run(struct flow *flow, void (*next)(struct flow *flow))
{
	struct op *op = &flow->op;
	struct err err;
	int r;

	flow->next = next;
	op->plan.done = job_done;
	op->plan.release = job_released;
	op->plan.arg = flow;
	op->plan.priority = JOB_BULK;
	op_deadline(op, JOB_S);
	flow->busy = true;
	r = service_submit(op->service, &op->plan, &op->job, &err);
	op->plan.count = 0;
	if (r == 0)
		return;
	flow->busy = false;
	fail(flow, &err);
}

static void gone(void *arg)
{
	struct flow *flow = arg;
	struct err err;

	enter(flow);
	if (flow->op.job) {
		jobs_cancel(flow->op.job);
	} else {
		(void)err_set(&err, ERR_TIMEOUT, "the client left, or was too slow");
		fail(flow, &err);
	}
	leave(flow);
}

/* --- the body --- */

static void on_piece(void *arg, struct slice bytes, bool last)
{
	struct flow *flow = arg;
	const struct flow_kind *kind = kind_of(flow);
	struct err err;
	int r = 0;

	enter(flow);
	flow->taken += bytes.len;
	flow->last = last;
	buf_reset(&flow->in);
	buf_put(&flow->in, bytes);
	if (!buf_ok(&flow->in))
		r = err_set(&err, ERR_INTERNAL, "memory is short");
	/* Only chunked bodies come so far. */
	if (r == 0 && flow->taken > kind->max) {
		r = err_set(&err, ERR_TOO_LARGE, "the body is longer than %llu bytes",
			    (unsigned long long)kind->max);
		(void)err_add_remedy(&err, kind->remedy);
	}
	if (r == 0)
		r = kind->take(flow, bytes, &err);
	if (r < 0)
		fail(flow, &err);
	leave(flow);
}

static void pull(struct flow *flow)
{
	http_request_pull(flow->op.request, on_piece, flow);
}

/* --- the answer --- */

static void give_piece(struct flow *flow)
{
	http_answer_piece(flow->answer, buf_slice(&flow->out));
}

static void on_more(void *arg)
{
	struct flow *flow = arg;

	op_step(&flow->op, JOB_POOL, kind_of(flow)->give);
	run(flow, give_piece);
}

static void on_end(void *arg)
{
	struct flow *flow = arg;

	enter(flow);
	flow->answer = NULL;
	flow->over = true;
	leave(flow);
}

static void answer(struct flow *flow)
{
	static const struct http_source SOURCE = {.more = on_more, .end = on_end};
	struct op *op = &flow->op;

	op_succeed(op);
	http_request_add_header(op->request, "Holdfast-Protection", flow->protection);
	flow->answer = TAKE(op->request);
	http_answer_stream(flow->answer, 200, "application/octet-stream", flow->length, &SOURCE,
			   flow);
}

/* Reads up to @max bytes on from where the last reading ended. */
static int read_on(struct flow *flow, uint64_t max, struct buf *ret_bytes, struct err *err)
{
	uint64_t left = spool_size(flow->spool) - flow->at;
	size_t len = (size_t)(left < max ? left : max);
	uint8_t *bytes;
	int r;

	buf_reset(ret_bytes);
	bytes = buf_grow(ret_bytes, len);
	if (!bytes)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = spool_read(flow->spool, flow->at, bytes, len, err);
	if (r == 0)
		flow->at += len;
	return r;
}

/* --- seal --- */

static int seal_key(void *arg, struct err *err)
{
	struct flow *flow = arg;
	const struct keystore_target target = op_target(&flow->op, BLOB_SEALED);
	struct provider *p = op_provider_enter(&flow->op);

	flow->protection = p->ops->protection;
	return op_provider_leave(&flow->op, keystore_seal_key(p, &target, &flow->sealing, err));
}

static int seal_start(void *arg, struct err *err)
{
	struct flow *flow = arg;
	int r = keystore_seal_start(&flow->sealing, &flow->stream, &flow->out, err);

	secret_free(TAKE(flow->sealing.key));
	if (r == 0)
		r = store_spool(flow->op.store, &flow->spool, err);
	return r < 0 ? r : spool_append(flow->spool, buf_slice(&flow->out), err);
}

static int seal_piece(void *arg, struct err *err)
{
	struct flow *flow = arg;
	int r;

	buf_reset(&flow->out);
	r = keystore_seal_piece(flow->stream, buf_slice(&flow->in), flow->last, &flow->out, err);
	buf_reset(&flow->in);
	return r < 0 ? r : spool_append(flow->spool, buf_slice(&flow->out), err);
}

static void sealed(struct flow *flow)
{
	if (!flow->last) {
		pull(flow);
		return;
	}
	flow->length = spool_size(flow->spool);
	answer(flow);
}

static void begin_seal(struct flow *flow)
{
	op_step(&flow->op, op_provider_place(&flow->op), seal_key);
	op_step(&flow->op, JOB_POOL, seal_start);
	run(flow, pull);
}

static int take_plain(struct flow *flow, struct slice piece, struct err *err)
{
	(void)piece;
	(void)err;
	op_step(&flow->op, JOB_POOL, seal_piece);
	run(flow, sealed);
	return 0;
}

static int give_sealed(void *arg, struct err *err)
{
	struct flow *flow = arg;

	return read_on(flow, HTTP_PIECE, &flow->out, err);
}

/* --- unseal --- */

static int open_key(void *arg, struct err *err)
{
	struct flow *flow = arg;
	const struct keystore_target target = op_target(&flow->op, BLOB_SEALED);
	struct provider *p = op_provider_enter(&flow->op);

	flow->protection = p->ops->protection;
	return op_provider_leave(&flow->op,
				 keystore_open_key(p, &target, &flow->opening, &flow->key, err));
}

static int keep_piece(void *arg, struct err *err)
{
	struct flow *flow = arg;
	int r = flow->spool ? 0 : store_spool(flow->op.store, &flow->spool, err);

	return r < 0 ? r : spool_append(flow->spool, buf_slice(&flow->in), err);
}

/* From the stream's first chunk. */
static int rewind_stream(struct flow *flow, struct err *err)
{
	stream_free(TAKE(flow->stream));
	flow->at = flow->opening.bytes.len;
	return keystore_open_stream(&flow->opening, flow->key, &flow->stream, err);
}

static int give_plain(void *arg, struct err *err)
{
	struct flow *flow = arg;
	int r = read_on(flow, SEALED_PIECE, &flow->in, err);

	buf_reset(&flow->out);
	if (r < 0)
		return r;
	return keystore_open_piece(flow->stream, buf_slice(&flow->in),
				   flow->at == spool_size(flow->spool), &flow->out, err);
}

static int check_some(void *arg, struct err *err)
{
	struct flow *flow = arg;
	uint64_t end = spool_size(flow->spool);
	uint64_t until = end - flow->at > CHECKED_AT_ONCE ? flow->at + CHECKED_AT_ONCE : end;
	int r = 0;

	while (r == 0 && flow->at < until)
		r = give_plain(flow, err);
	if (r == 0 && flow->at == end)
		r = rewind_stream(flow, err);
	return r;
}

static void checked(struct flow *flow)
{
	if (flow->at == flow->opening.bytes.len) {
		answer(flow);
		return;
	}
	op_step(&flow->op, JOB_POOL, check_some);
	run(flow, checked);
}

static int check_start(void *arg, struct err *err)
{
	struct flow *flow = arg;
	int r = keystore_open_length(&flow->opening, flow->taken, &flow->length, err);

	return r < 0 ? r : rewind_stream(flow, err);
}

static void kept(struct flow *flow)
{
	if (!flow->last) {
		pull(flow);
		return;
	}
	op_step(&flow->op, JOB_POOL, check_start);
	op_step(&flow->op, JOB_POOL, check_some);
	run(flow, checked);
}

/* Nothing of the provider is used until the first piece is here. */
static void begin_unseal(struct flow *flow)
{
	op_drop_provider(&flow->op);
	pull(flow);
}

/* What is no blob, or cannot be whole, is refused before it takes a turn on the chip. */
static int begin_blob(struct flow *flow, struct slice piece, struct err *err)
{
	struct http_request *request = flow->op.request;
	int r = keystore_open_start(piece, &flow->opening, err);

	/* The client may have let much happen since the request was admitted. */
	if (r == 0)
		r = op_gate(&flow->op, err);
	if (r == 0)
		op_hold_provider(&flow->op);
	if (r == 0 && http_request_header(request, "Content-Length"))
		r = keystore_open_length(&flow->opening, http_request_length(request),
					 &flow->length, err);
	if (r == 0)
		op_step(&flow->op, op_provider_place(&flow->op), open_key);
	return r;
}

static int take_sealed(struct flow *flow, struct slice piece, struct err *err)
{
	int r = flow->taken == piece.len ? begin_blob(flow, piece, err) : 0;

	if (r < 0)
		return r;
	op_step(&flow->op, JOB_POOL, keep_piece);
	run(flow, kept);
	return 0;
}

/* --- the start --- */

static const struct flow_kind SEAL = {
	.op = {.operation = METRICS_SEAL,
	       .needs = OP_NEEDS_PROVIDER,
	       .size = sizeof(struct flow),
	       .fini = fini},
	.max = KEYSTORE_STREAM_MAX,
	.adds = KEYSTORE_STREAM_BLOB_MAX - KEYSTORE_STREAM_MAX,
	.remedy = "Seal it in parts of at most 64 MiB.",
	.begin = begin_seal,
	.take = take_plain,
	.give = give_sealed,
};

static const struct flow_kind UNSEAL = {
	.op = {.operation = METRICS_UNSEAL,
	       .needs = OP_NEEDS_PROVIDER,
	       .size = sizeof(struct flow),
	       .fini = fini},
	.max = KEYSTORE_STREAM_BLOB_MAX,
	.remedy = "Give the bytes that sealing gave, and no others.",
	.begin = begin_unseal,
	.take = take_sealed,
	.give = give_plain,
};

static void refuse(struct http_request *request, const struct err *err)
{
	metrics_count_error(err->code);
	http_answer_error(request, err);
}

static void start(struct service *service, struct http_request *request,
		  const struct flow_kind *kind)
{
	struct flow *flow = (struct flow *)op_new(service, request, &kind->op);
	struct err err;
	int r;

	metrics_count_request(kind->op.operation);
	if (!flow) {
		(void)err_set(&err, ERR_INTERNAL, "memory is short");
		refuse(request, &err);
		return;
	}
	enter(flow);
	flow->in = (struct buf)BUF_INIT(BUFFER_SIZE);
	flow->out = (struct buf)BUF_INIT(BUFFER_SIZE);
	r = op_gate(&flow->op, &err);
	if (r == 0)
		r = reserve(flow, &err);
	if (r < 0) {
		fail(flow, &err);
	} else {
		http_request_suspend(request, gone, flow);
		kind->begin(flow);
	}
	leave(flow);
}

void flow_seal(struct service *service, struct http_request *request)
{
	start(service, request, &SEAL);
}

void flow_unseal(struct service *service, struct http_request *request)
{
	start(service, request, &UNSEAL);
}
