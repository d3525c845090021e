/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/fake_fetch.h"

#include <stdio.h>

struct fake_fetch fake_fetch;
static struct fetch_transfer transfer;

static int start(const struct fetch_request *request, void *arg,
		 struct fetch_transfer **ret_transfer, struct err *err)
{
	if (fake_fetch.refuse)
		return err_set(err, ERR_INTERNAL, "no transfer");
	fake_fetch.running = true;
	fake_fetch.started++;
	fake_fetch.method = request->method;
	snprintf(fake_fetch.url, sizeof(fake_fetch.url), "%s", request->url);
	snprintf(fake_fetch.socket, sizeof(fake_fetch.socket), "%s", request->unix_socket);
	snprintf(fake_fetch.type, sizeof(fake_fetch.type), "%s",
		 request->header_count > 0 ? request->headers[0].value : "");
	fake_fetch.length = request->body_length;
	fake_fetch.max = request->max;
	fake_fetch.arg = arg;
	*ret_transfer = &transfer;
	return 0;
}

int fetch_start(struct fetch *fetch, const struct fetch_request *request,
		const struct fetch_ops *ops, void *arg, struct fetch_transfer **ret_transfer,
		struct err *err)
{
	(void)fetch;
	fake_fetch.ops = *ops;
	fake_fetch.whole = NULL;
	return start(request, arg, ret_transfer, err);
}

int fetch_whole(struct fetch *fetch, const struct fetch_request *request, fetch_whole_fn done,
		void *arg, struct fetch_transfer **ret_transfer, struct err *err)
{
	(void)fetch;
	fake_fetch.whole = done;
	return start(request, arg, ret_transfer, err);
}

void fetch_cancel(struct fetch_transfer *cancelled)
{
	fake_fetch.cancelled += cancelled != NULL;
	fake_fetch.running &= cancelled == NULL;
}

void fetch_resume(struct fetch_transfer *resumed)
{
	fake_fetch.resumed += resumed != NULL;
}

void fake_end(enum fetch_end end, unsigned status, const char *body, const struct err *err)
{
	const struct fetch_result result = {.end = end, .status = status, .err = err};

	fake_fetch.running = false;
	if (fake_fetch.whole)
		fake_fetch.whole(fake_fetch.arg, &result, slice_str(body));
	else
		fake_fetch.ops.done(fake_fetch.arg, &result);
}
