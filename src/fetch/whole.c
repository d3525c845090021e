/* SPDX-License-Identifier: Apache-2.0 */
/* A small answer, collected; the same transfer with ops of our own. */
#include "fetch/impl.h"

#define ANSWER_MAX (1024u * 1024u)
#define WHOLE_S	   120u

struct whole {
	struct buf body;
	fetch_whole_fn done;
	void *arg;
};

static void whole_free(struct whole *whole)
{
	if (!whole)
		return;
	buf_fini(&whole->body);
	free(whole);
}
MEM_DEFINE_CLEANUP(whole)

static void drop(void *arg)
{
	whole_free(arg);
}

static int take(void *arg, struct slice bytes, struct err *err)
{
	struct whole *whole = arg;

	buf_put(&whole->body, bytes);
	return buf_ok(&whole->body) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static void end(void *arg, const struct fetch_result *result)
{
	CLEANUP(whole_cleanup) struct whole *whole = arg;

	if (result->end != FETCH_DONE)
		buf_reset(&whole->body);
	whole->done(whole->arg, result, buf_slice(&whole->body));
}

int fetch_whole(struct fetch *fetch, const struct fetch_request *request, fetch_whole_fn done,
		void *arg, struct fetch_transfer **ret_transfer, struct err *err)
{
	static const struct fetch_ops ops = {.data = take, .done = end};
	CLEANUP(whole_cleanup) struct whole *whole = calloc(1, sizeof(*whole));
	struct fetch_request limited = *request;
	int r;

	if (!whole)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*whole = (struct whole){
		.body = BUF_INIT(request->max > 0 ? request->max : ANSWER_MAX),
		.done = done,
		.arg = arg,
	};
	limited.whole_s = limited.whole_s > 0 ? limited.whole_s : WHOLE_S;
	r = fetch_start(fetch, &limited, &ops, whole, ret_transfer, err);
	if (r < 0)
		return r;
	(*ret_transfer)->drop = drop;
	whole = NULL;
	return 0;
}
