/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transfer: its making, and what its end means. Redirects are followed here and not by libcurl,
 * which knows of our credentials by their names alone.
 */
#include <inttypes.h>
#include <string.h>

#include "fetch/impl.h"

#define ANSWER_MAX   (1024u * 1024u)
#define CONNECT_S    10u
#define IDLE_S	     60u
#define SECONDS_MAX  86400u
#define REDIRECT_MAX 10u

void transfer_unpause(struct fetch_transfer *transfer)
{
	int pauses =
		(transfer->held ? CURLPAUSE_RECV : 0) | (transfer->hungry ? CURLPAUSE_SEND : 0);
	CURLcode code = curl_easy_pause(transfer->easy, pauses);
	struct err err;

	if (code == CURLE_OK || transfer->failed || transfer->dead)
		return;
	(void)err_set(&err, ERR_INTERNAL, "%s", curl_easy_strerror(code));
	transfer_fail(transfer, FETCH_BROKEN, &err);
}

/* --- ends --- */

static void on_idle(void *arg)
{
	struct fetch_transfer *transfer = arg;
	uint64_t limit = transfer->idle_us;
	uint64_t gap = clock_monotonic_us() - transfer->moved_us;
	struct err err;

	/* While we let the other end wait, it is not to blame. */
	if (transfer->held || transfer->hungry || !transfer->connected)
		gap = 0;
	if (gap < limit) {
		fetch_timer(&transfer->idle_timer, limit - gap);
		return;
	}
	fetch_timer(&transfer->idle_timer, FETCH_FAR_US);
	(void)err_set(&err, ERR_TIMEOUT, "no byte came or went for %" PRIu64 " s",
		      limit / FETCH_SECOND_US);
	transfer_fail(transfer, FETCH_BROKEN, &err);
	fetch_settle(transfer->fetch);
}

static void on_whole(void *arg)
{
	struct fetch_transfer *transfer = arg;
	struct err err;

	(void)err_set(&err, ERR_TIMEOUT, "it has not ended within %" PRIu64 " s",
		      transfer->whole_us / FETCH_SECOND_US);
	transfer_fail(transfer, transfer->connected ? FETCH_BROKEN : FETCH_UNREACHABLE, &err);
	fetch_settle(transfer->fetch);
}

void transfer_fail(struct fetch_transfer *transfer, enum fetch_end end, const struct err *err)
{
	if (transfer->failed)
		return;
	transfer->failed = true;
	transfer->err = *err;
	if (end != FETCH_STOPPED)
		(void)err_wrap(&transfer->err, "%s", transfer->now.text);
	transfer->result = (struct fetch_result){
		.end = end,
		.status = transfer->head.whole ? transfer->head.told.status : 0,
		.err = end == FETCH_DONE ? NULL : &transfer->err,
		.retry_after = transfer->head.whole ? transfer->head.told.retry_after : 0,
	};
}

/* Where libcurl's codes do not say what was at fault, how far it had come does. */
static enum fetch_end end_of(const struct fetch_transfer *transfer)
{
	static const CURLcode refused[] = {
		CURLE_WEIRD_SERVER_REPLY,
		CURLE_UNSUPPORTED_PROTOCOL,
		CURLE_BAD_CONTENT_ENCODING,
		CURLE_FILESIZE_EXCEEDED,
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(refused); i++)
		if (transfer->code == refused[i] && transfer->connected)
			return FETCH_REFUSED;
	return transfer->connected ? FETCH_BROKEN : FETCH_UNREACHABLE;
}

/* Names of certificates and the like come from the other end. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static void conclude_failure(struct fetch_transfer *transfer)
{
	const char *why = transfer->why[0] ? transfer->why : curl_easy_strerror(transfer->code);
	enum fetch_end end = end_of(transfer);
	int code = end == FETCH_REFUSED ? ERR_DAMAGED : ERR_INTERNAL;
	struct err err;

	if (transfer->code == CURLE_OPERATION_TIMEDOUT)
		code = ERR_TIMEOUT;
	make_printable(transfer->why);
	if (transfer->denied && !transfer->connected)
		(void)err_set(&err, ERR_FORBIDDEN, "plain http goes to a loopback address only");
	else
		(void)err_set(&err, code, "%s", why);
	transfer_fail(transfer, end, &err);
}

static int check_redirect(const struct fetch_transfer *transfer, const char *url,
			  struct url_origin *ret_origin, struct err *err)
{
	enum url_plain plain = transfer->fetch->dev ? URL_PLAIN_LOCAL : URL_PLAIN_NEVER;
	int r;

	if (!url)
		return err_set(err, ERR_DAMAGED, "a redirect says not where to");
	if (transfer->redirects == 0)
		return err_set(err, ERR_DAMAGED, "too many redirects");
	r = url_check(url, transfer->now.secure ? URL_PLAIN_NEVER : plain, ret_origin, err);
	return r < 0 ? err_wrap(err, "a redirect") : 0;
}

static void follow(struct fetch_transfer *transfer)
{
	struct url_origin origin;
	struct err err;
	char *url = NULL;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
	if (check_redirect(transfer, url, &origin, &err) < 0) {
		transfer_fail(transfer, FETCH_REFUSED, &err);
		return;
	}
	url = strdup(url);
	if (!url) {
		(void)err_set(&err, ERR_INTERNAL, "memory is short");
		transfer_fail(transfer, FETCH_BROKEN, &err);
		return;
	}
	free(transfer->url);
	transfer->url = url;
	transfer->now = origin;
	transfer->redirects--;
}

/* What libcurl lets pass: a head without its end, a part without Content-Length that lacks bytes.
 */
static bool is_short(const struct fetch_transfer *transfer)
{
	const struct head *head = &transfer->head;

	if (!head->whole)
		return true;
	return head->told.status == 206 && transfer->method != FETCH_HEAD &&
	       transfer->got < head->last - head->told.first + 1;
}

void transfer_conclude(struct fetch_transfer *transfer)
{
	struct err err = {.code = 0};

	if (transfer->code != CURLE_OK) {
		conclude_failure(transfer);
	} else if (transfer->follows) {
		follow(transfer);
	} else if (is_short(transfer)) {
		(void)err_set(&err, ERR_INTERNAL, "the answer ended early");
		transfer_fail(transfer, FETCH_BROKEN, &err);
	} else {
		transfer_fail(transfer, FETCH_DONE, &err);
	}
}

/* --- life --- */

void fetch_transfer_free(struct fetch_transfer *transfer)
{
	if (!transfer)
		return;
	curl_easy_cleanup(transfer->easy);
	loop_timer_clear(&transfer->idle_timer);
	loop_timer_clear(&transfer->whole_timer);
	free(transfer->url);
	free(transfer->socket);
	free(transfer->line_list);
	buf_fini(&transfer->lines);
	wipe(&transfer->err, sizeof(transfer->err));
	free(transfer);
}
MEM_DEFINE_CLEANUP(fetch_transfer)

static int check_request(const struct fetch_request *request, const struct fetch_ops *ops,
			 struct err *err)
{
	bool has_body = request->body.len > 0 || request->body_length > 0;

	if (request->body.len > 0 && request->body_length > 0 &&
	    request->body_length != request->body.len)
		return err_set(err, ERR_INVALID, "a body has two lengths");
	if (has_body && request->method != FETCH_POST && request->method != FETCH_PUT)
		return err_set(err, ERR_INVALID, "a request of this method has no body");
	if (request->body.len == 0 && request->body_length > 0 && !ops->more)
		return err_set(err, ERR_INVALID, "nobody gives the body of a request");
	if (request->body_length > INT64_MAX)
		return err_set(err, ERR_INVALID, "a body is too long");
	if (request->redirects > REDIRECT_MAX)
		return err_set(err, ERR_INVALID, "more than %u redirects", REDIRECT_MAX);
	return 0;
}

/* In microseconds. */
static uint64_t limit_of(unsigned asked, unsigned usual)
{
	if (asked == 0)
		asked = usual;
	return (asked < SECONDS_MAX ? asked : SECONDS_MAX) * FETCH_SECOND_US;
}

static void take_request(struct fetch_transfer *transfer, const struct fetch_request *request)
{
	bool safe = request->method == FETCH_GET || request->method == FETCH_HEAD;

	transfer->method = request->method;
	transfer->body = request->body;
	transfer->pulled = request->body.len == 0 && request->body_length > 0;
	transfer->body_length = transfer->pulled ? request->body_length : request->body.len;
	transfer->from = request->from;
	transfer->max = request->max > 0 ? request->max : ANSWER_MAX;
	transfer->redirects = request->redirects;
	transfer->follow = request->redirects > 0 && safe && !request->unix_socket;
	transfer->connect_us = limit_of(request->connect_s, CONNECT_S);
	transfer->idle_us = limit_of(request->idle_s, IDLE_S);
	transfer->whole_us = limit_of(request->whole_s, 0);
	transfer->paced = request->paced;
}

static int take_way(struct fetch_transfer *transfer, const struct fetch_request *request,
		    struct err *err)
{
	enum url_plain plain = transfer->fetch->dev ? URL_PLAIN_LOCAL : URL_PLAIN_NEVER;
	int r;

	r = url_check(request->url, request->unix_socket ? URL_PLAIN_SOCKET : plain,
		      &transfer->first, err);
	if (r < 0)
		return r;
	transfer->now = transfer->first;
	transfer->url = strdup(request->url);
	transfer->socket = request->unix_socket ? strdup(request->unix_socket) : NULL;
	if (!transfer->url || (request->unix_socket && !transfer->socket))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return 0;
}

int fetch_start(struct fetch *fetch, const struct fetch_request *request,
		const struct fetch_ops *ops, void *arg, struct fetch_transfer **ret_transfer,
		struct err *err)
{
	CLEANUP(fetch_transfer_cleanup)
	struct fetch_transfer *transfer = calloc(1, sizeof(*transfer));
	struct fetch_transfer **at = &fetch->transfers;
	int r;

	if (!transfer)
		return err_set(err, ERR_INTERNAL, "memory is short");
	transfer->fetch = fetch;
	transfer->ops = *ops;
	transfer->arg = arg;
	transfer->lines = (struct buf)BUF_INIT(FETCH_LINES_MAX);
	loop_timer_init(&transfer->idle_timer, fetch->loop, on_idle, transfer);
	loop_timer_init(&transfer->whole_timer, fetch->loop, on_whole, transfer);
	take_request(transfer, request);
	r = check_request(request, ops, err);
	if (r == 0)
		r = take_way(transfer, request, err);
	if (r == 0)
		r = transfer_add_lines(transfer, request, err);
	if (r == 0)
		r = loop_timer_set(&transfer->idle_timer, FETCH_FAR_US, err);
	if (r == 0 && transfer->whole_us > 0)
		r = loop_timer_set(&transfer->whole_timer, transfer->whole_us, err);
	if (r < 0)
		return r;
	transfer->easy = curl_easy_init();
	if (!transfer->easy)
		return err_set(err, ERR_INTERNAL, "memory is short");
	while (*at)
		at = &(*at)->next;
	*ret_transfer = *at = TAKE(transfer);
	/* By the timer, since done() is not called from within this. */
	fetch_timer(&fetch->timer, 0);
	return 0;
}
