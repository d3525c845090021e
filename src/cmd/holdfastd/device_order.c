/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator asks for. A turn may outlive its answer, on a chip that hangs, and then also
 * what was asked with: so it works on a copy.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/holdfastd/device.h"

#define TEXTS_MAX (256u * 1024u)
#define PEM_MAX	  (64u * 1024u)

struct order_work {
	struct identity_order order; /* points into the next two */
	struct request_name names[REQUEST_NAMES_MAX];
	struct buf texts;
	struct buf pem;
	void (*done)(void *op, struct slice pem, const struct err *err);
	void *op;
};

static void copy_text(struct buf *texts, struct slice *text)
{
	size_t at = texts->len;

	buf_put(texts, *text);
	if (buf_ok(texts))
		*text = slice_of(texts->data + at, text->len);
}

static size_t length_of(const struct identity_order *order)
{
	size_t len = order->pem.len + order->subject.len;
	size_t i;

	for (i = 0; i < order->name_count; i++)
		len += order->names[i].text.len;
	return len;
}

/* The room is made before, so that nothing moves while it is filled. */
static int copy_order(struct order_work *work, const struct identity_order *order, struct err *err)
{
	size_t len = length_of(order);
	size_t i;

	if (order->name_count > REQUEST_NAMES_MAX || len > TEXTS_MAX)
		return err_set(err, ERR_TOO_LARGE, "the order is too large");
	(void)buf_grow(&work->texts, len);
	buf_reset(&work->texts);
	work->order = *order;
	copy_text(&work->texts, &work->order.pem);
	copy_text(&work->texts, &work->order.subject);
	for (i = 0; i < order->name_count; i++) {
		work->names[i] = order->names[i];
		copy_text(&work->texts, &work->names[i].text);
	}
	work->order.names = work->names;
	return buf_ok(&work->texts) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static int order_run(void *arg, struct identity *identity, const struct identity_world *world,
		     struct err *err)
{
	struct order_work *work = arg;

	return identity_order(identity, world, &work->order,
			      work->order.wish == IDENTITY_REQUEST ? &work->pem : NULL, err);
}

static void order_done(void *arg, const struct err *err)
{
	struct order_work *work = arg;

	work->done(work->op, err ? slice_of(NULL, 0) : buf_slice(&work->pem), err);
}

static void order_release(void *arg)
{
	struct order_work *work = arg;

	buf_fini(&work->texts);
	buf_fini(&work->pem);
	free(work);
}

int device_order(void *arg, const struct identity_order *order,
		 void (*done)(void *op, struct slice pem, const struct err *err), void *op,
		 struct err *err)
{
	struct order_work *work = calloc(1, sizeof(*work));
	int r;

	if (!work)
		return err_set(err, ERR_INTERNAL, "memory is short");
	work->texts = (struct buf)BUF_INIT(TEXTS_MAX);
	work->pem = (struct buf)BUF_INIT(PEM_MAX);
	work->done = done;
	work->op = op;
	r = copy_order(work, order, err);
	if (r == 0)
		r = device_submit(arg,
				  &(struct device_work){.run = order_run,
							.done = order_done,
							.release = order_release,
							.arg = work},
				  err);
	if (r < 0)
		order_release(work);
	return r;
}
