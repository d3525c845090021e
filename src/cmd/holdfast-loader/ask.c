/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast-loader/ask.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cmd/holdfast-loader/setup.h"
#include "loader/fault.h"

#define ANSWER_MAX (1024u * 1024u)
#define ERROR_MAX  (16u * 1024u)

/* --- where the loader is --- */

/* Whoever listens at all addresses is asked at his loopback's. */
static bool is_any(const struct listen_address *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->address;

	if (address->address.ss_family == AF_INET)
		return v4->sin_addr.s_addr == htonl(INADDR_ANY);
	return address->address.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static int find_loader(struct ask *ask, const char *listen, struct err *err)
{
	struct listen_address address;
	const char *port = strrchr(listen, ':');
	int r;

	r = listen_parse(listen, &address, err);
	if (r < 0)
		return err_wrap(err, "listen");
	if (strncmp(listen, "unix:", 5) == 0) {
		ask->socket = listen + 5;
		(void)snprintf(ask->url, sizeof(ask->url), "http://localhost");
		return 0;
	}
	if (strcmp(port, ":0") == 0)
		return err_set(err, ERR_INVALID,
			       "listen = %s leaves the port open, so it cannot be asked there",
			       listen);
	if (is_any(&address)) {
		(void)snprintf(ask->url, sizeof(ask->url), "http://127.0.0.1%s", port);
		return 0;
	}
	if (!listen_is_loopback(&address))
		return err_set(err, ERR_NOT_SUPPORTED,
			       "listen = %s is no loopback's address; passwords are not sent there "
			       "by plain http",
			       listen);
	(void)snprintf(ask->url, sizeof(ask->url), "http://%s", listen);
	return 0;
}

int ask_open(struct ask *ask, const struct conf_loader *conf, struct err *err)
{
	static const struct fetch_config CONFIG = {
		.dev = true, /* plain http, but to a loopback's address only */
		.agent = "holdfast-loader/" HOLDFAST_VERSION,
	};
	int r;

	*ask = (struct ask){.loop = NULL};
	r = find_loader(ask, conf->listen, err);
	if (r == 0)
		r = setup_token(conf, &ask->token, err);
	if (r == 0)
		r = loop_new(&ask->loop, err);
	return r < 0 ? r : fetch_new(ask->loop, &CONFIG, &ask->fetch, err);
}

void ask_close(struct ask *ask)
{
	fetch_free(ask->fetch);
	loop_free(ask->loop);
	secret_free(ask->token);
}

/* --- what goes wrong --- */

int ask_fail(struct ask *ask, const char *code, const char *why)
{
	(void)snprintf(ask->code, sizeof(ask->code), "%s", code);
	(void)snprintf(ask->why, sizeof(ask->why), "%s", why);
	return -1;
}

int ask_fail_err(struct ask *ask, const struct err *err)
{
	return ask_fail(ask, fault_info(err->code)->name, err->text);
}

/* {"detail", "code"}, or whatever else answers there. */
static int fail_answer(struct ask *ask, unsigned status, struct slice body)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *code = NULL, *detail = NULL;
	char why[ASK_WHY_MAX];
	struct err err;

	if (json_parse(body, &json, &err) == 0 &&
	    json_get_string(json, "code", true, &code, &err) == 0 &&
	    json_get_string(json, "detail", true, &detail, &err) == 0)
		return ask_fail(ask, code, detail);
	(void)snprintf(why, sizeof(why), "the answer has status %u, and is not a loader's", status);
	return ask_fail(ask, "internal", why);
}

static int fail_end(struct ask *ask, const struct fetch_result *result)
{
	char why[ASK_WHY_MAX];

	if (result->end == FETCH_STOPPED)
		return ask_fail_err(ask, result->err);
	if (result->end == FETCH_UNREACHABLE) {
		(void)snprintf(why, sizeof(why), "no loader answers: %s", result->err->text);
		return ask_fail(ask, "unreachable", why);
	}
	(void)snprintf(why, sizeof(why), "the answer ended early: %s", result->err->text);
	return ask_fail(ask, "broken", why);
}

/* --- questions --- */

struct ask_flow {
	struct ask *ask;
	const struct ask_stream *stream;
	void *arg;
	struct fetch_transfer *transfer;
	bool good;
	struct buf error;
};

static int on_head(void *arg, const struct fetch_head *head, struct err *err)
{
	struct ask_flow *flow = arg;

	(void)err;
	flow->good = head->status >= 200 && head->status <= 299;
	if (flow->good && flow->stream->begin)
		flow->stream->begin(flow->arg, head->length_known, head->length);
	return 0;
}

static int on_data(void *arg, struct slice bytes, struct err *err)
{
	struct ask_flow *flow = arg;

	if (flow->good)
		return flow->stream->data(flow->arg, bytes, err);
	buf_put(&flow->error, bytes);
	return buf_ok(&flow->error) ? 0 : err_set(err, ERR_TOO_LARGE, "the answer is too long");
}

static void on_done(void *arg, const struct fetch_result *result)
{
	struct ask_flow *flow = arg;
	int r = 0;

	flow->transfer = NULL;
	if (result->end != FETCH_DONE)
		r = fail_end(flow->ask, result);
	else if (!flow->good)
		r = fail_answer(flow->ask, result->status, buf_slice(&flow->error));
	flow->stream->done(flow->arg, r);
}

static int start(struct ask_flow *flow, const struct ask_question *question, struct err *err)
{
	static const struct fetch_ops OPS = {.head = on_head, .data = on_data, .done = on_done};
	static const struct fetch_header JSON = {.name = "Content-Type",
						 .value = "application/json"};
	char url[ASK_URL_MAX + 1024];
	struct fetch_request request = {
		.method = question->method,
		.url = url,
		.unix_socket = flow->ask->socket,
		.headers = &JSON,
		.header_count = question->body.len > 0 ? 1 : 0,
		.bearer = flow->ask->token,
		.body = question->body,
		.body_length = question->body.len,
		.max = UINT64_MAX,
		.idle_s = ASK_PATIENT_S,
	};

	if (snprintf(url, sizeof(url), "%s%s", flow->ask->url, question->path) >= (int)sizeof(url))
		return err_set(err, ERR_INVALID, "the name is too long");
	return fetch_start(flow->ask->fetch, &request, &OPS, flow, &flow->transfer, err);
}

int ask_flow(struct ask *ask, const struct ask_question *question, const struct ask_stream *stream,
	     void *arg, struct ask_flow **ret_flow)
{
	struct ask_flow *flow = calloc(1, sizeof(*flow));
	struct err err;

	if (!flow)
		return ask_fail(ask, "internal", "memory is short");
	*flow = (struct ask_flow){
		.ask = ask, .stream = stream, .arg = arg, .error = BUF_INIT(ERROR_MAX)};
	if (start(flow, question, &err) < 0) {
		ask_flow_free(flow);
		return ask_fail_err(ask, &err);
	}
	*ret_flow = flow;
	return 0;
}

void ask_flow_free(struct ask_flow *flow)
{
	if (!flow)
		return;
	fetch_cancel(flow->transfer);
	buf_fini(&flow->error);
	free(flow);
}

/* --- whole answers --- */

struct whole {
	struct ask *ask;
	struct buf body;
	int result;
};

static int take(void *arg, struct slice bytes, struct err *err)
{
	struct whole *whole = arg;

	buf_put(&whole->body, bytes);
	return buf_ok(&whole->body) ? 0 : err_set(err, ERR_TOO_LARGE, "the answer is too long");
}

static void ended(void *arg, int result)
{
	struct whole *whole = arg;

	whole->result = result;
	loop_stop(whole->ask->loop);
}

int ask_json(struct ask *ask, const struct ask_question *question, struct json_t **ret_json)
{
	static const struct ask_stream STREAM = {.data = take, .done = ended};
	struct whole whole = {.ask = ask, .body = BUF_INIT(ANSWER_MAX), .result = -1};
	struct json_t *json = NULL;
	struct ask_flow *flow;
	struct err err;
	int r;

	if (ask_flow(ask, question, &STREAM, &whole, &flow) < 0)
		return -1;
	r = loop_run(ask->loop, &err);
	ask_flow_free(flow);
	if (r == 0 && whole.result == 0 && whole.body.len > 0)
		r = json_parse(buf_slice(&whole.body), &json, &err);
	buf_fini(&whole.body);
	if (r < 0)
		return ask_fail_err(ask, &err);
	if (whole.result < 0)
		return -1;
	*ret_json = json;
	return 0;
}
