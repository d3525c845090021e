/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes an exchange a call. Two kinds of repetition, which must not be mixed up: a kept
 * connection that turns out to be closed is replaced once, and only when the service cannot have
 * done the work; 503 `starting` says that it did nothing, and is repeated until the deadline.
 */
#include "client/call.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/utf8.h"

#define REQUEST_HEAD_MAX  1024u
#define STARTING_WAIT_MS  1000u
#define STARTING_LEAST_MS 10u
#define CONTINUE_WAIT_US  1000000u /* RFC 9110, 10.1.1: not for ever */

static const char REMEDY_RELEASE[] =
	"Check that the service and this library are of the same release.";

void call_begin(struct hf *hf)
{
	hf->err = (struct err){0};
	hf->remedy[0] = '\0';
	hf->protection = "";
	buf_fini(&hf->kept);
	hf->kept = (struct buf)BUF_INIT(CALL_KEPT_MAX);
	call_set_deadline(hf);
}

static uint64_t timeout_us(const struct hf *hf)
{
	return (uint64_t)hf->timeout_ms * 1000u;
}

void call_set_deadline(struct hf *hf)
{
	hf->deadline = clock_monotonic_us() + timeout_us(hf);
}

int call_unexpected(struct hf *hf, const char *what)
{
	(void)err_set(&hf->err, ERR_INTERNAL, "the answer is not what was asked for: %s", what);
	return err_add_remedy(&hf->err, REMEDY_RELEASE);
}

/* --- names and paths --- */

bool call_name_is_valid(const char *name)
{
	size_t len = strspn(name, CALL_NAME_CHARS);

	return len >= 1 && len <= CALL_NAME_MAX && name[len] == '\0' && name[0] != '.';
}

int call_path(struct hf *hf, char out[CALL_PATH_MAX], const char *room, const char *name,
	      const char *tail)
{
	int len;

	if (!name || !call_name_is_valid(name))
		return err_set(&hf->err, ERR_INVALID,
			       "a name is 1 to %u of A-Z a-z 0-9 . _ - and does not begin with a "
			       "dot",
			       CALL_NAME_MAX);
	len = snprintf(out, CALL_PATH_MAX, "%s/%s%s", room, name, tail);
	if (len < 0 || (unsigned)len >= CALL_PATH_MAX)
		return err_set(&hf->err, ERR_INTERNAL, "a path is too long");
	return 0;
}

/* --- what the service says --- */

static const char *known_protection(const char *text)
{
	static const char *const KNOWN[] = {"tpm", "software", "none"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(KNOWN); i++)
		if (strcmp(text, KNOWN[i]) == 0)
			return KNOWN[i];
	return "";
}

/* Copies @text for people: whole characters, as many as fit, control characters as '?'. */
static void copy_printable(const char *text, char *out, size_t out_size)
{
	struct slice rest = slice_str(text);
	size_t used = 0;

	while (rest.len > 0) {
		size_t len = utf8_next(rest);
		bool control = len == 0 || rest.data[0] < 0x20 || rest.data[0] == 0x7f ||
			       (len == 2 && rest.data[0] == 0xc2 && rest.data[1] < 0xa0);

		if (used + (control ? 1 : len) >= out_size)
			break;
		if (control)
			out[used++] = '?';
		else
			memcpy(out + used, rest.data, len);
		used += control ? 0 : len;
		len = len > 0 ? len : 1;
		rest = slice_of(rest.data + len, rest.len - len);
	}
	out[used] = '\0';
}

/* For answers that carry no problem document: something else than the service wrote them. */
static int bare_status(struct hf *hf, unsigned status)
{
	static const struct {
		unsigned status;
		int code;
	} CODES[] = {
		{400, ERR_INVALID},   {403, ERR_FORBIDDEN}, {404, ERR_NOT_FOUND},
		{405, ERR_INVALID},   {409, ERR_CONFLICT},  {413, ERR_TOO_LARGE},
		{414, ERR_TOO_LARGE}, {429, ERR_QUOTA},	    {431, ERR_TOO_LARGE},
		{504, ERR_TIMEOUT},   {507, ERR_DISK_FULL},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(CODES); i++)
		if (CODES[i].status == status)
			return err_set(&hf->err, CODES[i].code, "the service answered HTTP %u",
				       status);
	return err_set(&hf->err, ERR_INTERNAL, "the service answered HTTP %u", status);
}

static int take_problem(struct hf *hf, const struct answer *answer)
{
	CLEANUP(json_cleanup) struct json_t *problem = NULL;
	const char *code = NULL, *detail = NULL, *remedy = NULL;
	char text[sizeof(hf->err.text)];
	struct err ignored;

	if (strcmp(answer->head.content_type, "application/problem+json") != 0 ||
	    json_parse(buf_slice(&answer->body), &problem, &ignored) < 0 ||
	    json_get_string(problem, "code", true, &code, &ignored) < 0 ||
	    json_get_string(problem, "detail", true, &detail, &ignored) < 0 ||
	    json_get_string(problem, "remedy", false, &remedy, &ignored) < 0)
		return bare_status(hf, answer->head.status);
	copy_printable(detail, text, sizeof(text));
	(void)err_set(&hf->err, err_code_of_name(code), "%s", text);
	hf->err.retry_after = answer->head.retry_after;
	if (remedy) {
		copy_printable(remedy, hf->remedy, sizeof(hf->remedy));
		hf->err.remedy = hf->remedy;
	}
	return hf->err.code;
}

/* --- the exchange --- */

static void put_field(struct buf *head, const char *name, const char *value)
{
	buf_printf(head, "%s: %s\r\n", name, value);
}

/* A body that cannot be sent twice waits until the service asks for it. */
static bool waits_for_continue(const struct call *call)
{
	return call->stream && call->stream->source.next;
}

static void put_length(struct buf *head, const struct call *call)
{
	uint64_t length = call->stream ? call->stream->length : call->body.len;

	if (call->stream && call->stream->chunked)
		put_field(head, "Transfer-Encoding", "chunked");
	else if (call->content_type || strcmp(call->method, "POST") == 0)
		buf_printf(head, "Content-Length: %" PRIu64 "\r\n", length);
	if (waits_for_continue(call))
		put_field(head, "Expect", "100-continue");
}

static void put_request_head(struct buf *head, const struct call *call)
{
	buf_printf(head, "%s %s HTTP/1.1\r\n", call->method, call->path);
	put_field(head, "Host", "holdfast");
	put_field(head, "Accept", call->accept);
	if (call->create_only)
		put_field(head, "If-None-Match", "*");
	if (call->content_type)
		put_field(head, "Content-Type", call->content_type);
	put_length(head, call);
	buf_put_str(head, "\r\n");
}

/* True while all that was made of the request is still there to be sent again. */
static bool is_at_hand(const struct call *call)
{
	return !call->stream || !call->stream->moved;
}

/* An answer that takes what was not sent yet for sealed or opened is none. */
static int end_stream(struct hf *hf, const struct call *call, const struct conn_exchange *exchange,
		      int r)
{
	call->stream->broken = exchange->broken;
	if (r == 0 && exchange->reader->head.status < 300 && !conn_exchange_is_sent(exchange))
		return call_unexpected(hf, "it came before all data was sent");
	return r;
}

static void begin_stream(const struct hf *hf, const struct call *call,
			 struct conn_exchange *exchange)
{
	exchange->reader->sink = &call->stream->sink;
	exchange->silence_us = timeout_us(hf);
	if (!waits_for_continue(call))
		return;
	exchange->source = &call->stream->source;
	exchange->hold_until = clock_monotonic_us() + CONTINUE_WAIT_US;
}

/* One request on one connection; *ret_lost is set when it surely or harmlessly was in vain. */
static int exchange_once(struct hf *hf, const struct call *call, struct slice request_head,
			 struct answer *answer, bool *ret_lost)
{
	CLEANUP(http_reader_fini) struct http_reader reader;
	struct conn_exchange exchange = {
		.head = request_head,
		.body = call->body,
		.reader = &reader,
		.deadline = hf->deadline,
	};
	int r;

	http_reader_init(&reader, &answer->body);
	if (call->stream)
		begin_stream(hf, call, &exchange);
	r = conn_exchange(&hf->conn, &exchange, &hf->err);
	if (r < 0 || !conn_exchange_is_sent(&exchange) || !reader.head.keep_alive)
		conn_close(&hf->conn);
	if (r < 0)
		*ret_lost = exchange.broken && !exchange.answered && is_at_hand(call) &&
			    (call->repeatable || !conn_exchange_is_sent(&exchange));
	else
		answer->head = reader.head;
	return call->stream ? end_stream(hf, call, &exchange, r) : r;
}

static int exchange(struct hf *hf, const struct call *call, struct answer *answer)
{
	CLEANUP(buf_fini) struct buf head = BUF_INIT(REQUEST_HEAD_MAX);
	bool lost = false;
	int r;

	put_request_head(&head, call);
	if (!buf_ok(&head))
		return err_set(&hf->err, ERR_INTERNAL, "memory is short");
	if (conn_is_ready(&hf->conn)) {
		r = exchange_once(hf, call, buf_slice(&head), answer, &lost);
		if (r == 0 || !lost)
			return r;
	}
	r = conn_open(&hf->conn, hf->path, hf->deadline, &hf->err);
	if (r < 0)
		return r;
	return exchange_once(hf, call, buf_slice(&head), answer, &lost);
}

/* Waits as long as the service asked for; false when the deadline would pass meanwhile. */
static bool wait_for_start(const struct hf *hf)
{
	uint64_t ms = (uint64_t)hf->err.retry_after * 1000u;
	uint64_t now = clock_monotonic_us();

	if (ms < STARTING_LEAST_MS)
		ms = STARTING_LEAST_MS;
	if (ms > STARTING_WAIT_MS)
		ms = STARTING_WAIT_MS;
	if (now + ms * 1000u >= hf->deadline)
		return false;
	(void)poll(NULL, 0, (int)ms);
	return true;
}

bool call_type_fits(const struct call *call, const struct http_head *head)
{
	return head->status == 204 || strcmp(head->content_type, call->accept) == 0;
}

static int check_answer(struct hf *hf, const struct call *call, const struct answer *answer)
{
	if (answer->head.status >= 300)
		return take_problem(hf, answer);
	if (!call_type_fits(call, &answer->head))
		return call_unexpected(hf, "its media type");
	hf->protection = known_protection(answer->head.protection);
	return 0;
}

int call_run(struct hf *hf, const struct call *call, struct answer *answer)
{
	int r;

	for (;;) {
		answer_fini(answer);
		answer->body.max = call->answer_max;
		answer->head = (struct http_head){0};
		r = exchange(hf, call, answer);
		if (r == 0)
			r = check_answer(hf, call, answer);
		if (r != ERR_STARTING || answer->head.status != 503 || !is_at_hand(call) ||
		    !wait_for_start(hf))
			break;
	}
	if (r == 0)
		hf->err = (struct err){0};
	return r;
}

int call_json(struct hf *hf, const struct call *call, struct answer *answer,
	      struct json_t **ret_json)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *protection = "";
	struct err ignored;
	int r;

	r = call_run(hf, call, answer);
	if (r < 0)
		return r;
	if (json_parse(buf_slice(&answer->body), &json, &ignored) < 0 ||
	    json_get_string(json, "protection", false, &protection, &ignored) < 0)
		return call_unexpected(hf, "it is not the JSON of the interface");
	hf->protection = known_protection(protection);
	*ret_json = TAKE(json);
	return 0;
}

int call_keep(struct hf *hf, const struct answer *answer)
{
	buf_put(&hf->kept, buf_slice(&answer->body));
	buf_put_u8(&hf->kept, '\0');
	if (buf_ok(&hf->kept))
		return 0;
	buf_fini(&hf->kept);
	return err_set(&hf->err, ERR_INTERNAL, "memory is short, or the answer is too long");
}

int call_delete(struct hf *hf, const char *room, const char *name)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	char path[CALL_PATH_MAX];
	struct call call = {
		.method = "DELETE",
		.path = path,
		.accept = CALL_JSON,
		.answer_max = CALL_ANSWER_SPARE,
	};
	int r;

	call_begin(hf);
	r = call_path(hf, path, room, name, "");
	if (r < 0)
		return r;
	return call_run(hf, &call, &answer);
}

/* --- memory for the caller --- */

/* In front of each block stands its size, so that hf_free() knows what to wipe. */
union block {
	size_t size;
	max_align_t align;
};

static void *block_new(struct hf *hf, struct slice bytes)
{
	union block *block = NULL;
	uint8_t *data;

	if (bytes.len < PTRDIFF_MAX - sizeof(*block) - 1)
		block = malloc(sizeof(*block) + bytes.len + 1);
	if (!block) {
		(void)err_set(&hf->err, ERR_INTERNAL, "memory is short");
		return NULL;
	}
	block->size = bytes.len;
	data = (uint8_t *)(block + 1);
	if (bytes.len > 0)
		memcpy(data, bytes.data, bytes.len);
	data[bytes.len] = '\0';
	return data;
}

int call_give(struct hf *hf, struct slice bytes, void **ret_data, size_t *ret_len)
{
	void *data = block_new(hf, bytes);

	if (!data)
		return hf->err.code;
	*ret_data = data;
	*ret_len = bytes.len;
	return 0;
}

int call_give_text(struct hf *hf, struct slice text, char **ret_text)
{
	char *data = block_new(hf, text);

	if (!data)
		return hf->err.code;
	*ret_text = data;
	return 0;
}

void hf_free(void *data)
{
	union block *block = data;

	if (!block)
		return;
	block--;
	wipe(block, sizeof(*block) + block->size);
	free(block);
}

int call_octets(struct hf *hf, const struct call *call, void **ret_data, size_t *ret_len)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	int r;

	r = call_run(hf, call, &answer);
	if (r < 0)
		return r;
	return call_give(hf, buf_slice(&answer.body), ret_data, ret_len);
}
