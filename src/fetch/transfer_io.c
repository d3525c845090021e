/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl calls while it works on a transfer. Nothing here calls libcurl. After a failure that
 * was noted, every callback fails until libcurl gives up.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "fetch/impl.h"

#define FOLLOWED_BODY_MAX (64u * 1024u) /* of a redirect's answer, which nobody reads */

static bool is_over(const struct fetch_transfer *transfer)
{
	return transfer->dead || transfer->failed;
}

void transfer_moved(struct fetch_transfer *transfer)
{
	transfer->moved_us = clock_monotonic_us();
}

/* --- the connection --- */

/* The one place where plain http meets an address; a name may stand for anything. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct fetch_transfer *transfer = arg;

	(void)purpose;
	if (!transfer->socket && !transfer->now.secure && !url_is_loopback(&address->addr)) {
		transfer->denied = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Once more where a connection is used that exists, whoever made it. */
static bool may_use(const struct fetch_transfer *transfer, const char *ip)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (transfer->socket || transfer->now.secure)
		return true;
	if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
		return url_is_loopback((const struct sockaddr *)&v4);
	return inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1 &&
	       url_is_loopback((const struct sockaddr *)&v6);
}

/* The connection stands, and the request is about to go out. */
static int on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct fetch_transfer *transfer = arg;

	(void)local_ip, (void)port, (void)local_port;
	if (is_over(transfer))
		return CURL_PREREQFUNC_ABORT;
	if (!may_use(transfer, ip)) {
		transfer->denied = true;
		return CURL_PREREQFUNC_ABORT;
	}
	transfer->connected = true;
	transfer_moved(transfer);
	fetch_timer(&transfer->idle_timer, transfer->idle_us);
	return CURL_PREREQFUNC_OK;
}

/* --- the answer --- */

static size_t fail(struct fetch_transfer *transfer, enum fetch_end end, const struct err *err)
{
	transfer_fail(transfer, end, err);
	return 0;
}

static bool is_redirect(const struct fetch_transfer *transfer)
{
	unsigned status = transfer->head.told.status;
	bool moved =
		status == 301 || status == 302 || status == 303 || status == 307 || status == 308;

	return moved && transfer->follow;
}

static int tell_head(struct fetch_transfer *transfer)
{
	bool no_body = transfer->method == FETCH_HEAD;
	struct err err;
	int r;

	transfer->follows = is_redirect(transfer);
	r = head_check(&transfer->head, transfer->from, no_body ? UINT64_MAX : transfer->max, &err);
	if (r < 0) {
		transfer_fail(transfer, FETCH_REFUSED, &err);
		return r;
	}
	if (transfer->follows || !transfer->ops.head)
		return 0;
	r = transfer->ops.head(transfer->arg, &transfer->head.told, &err);
	if (r < 0)
		transfer_fail(transfer, FETCH_STOPPED, &err);
	return r;
}

static size_t on_head(char *line, size_t one, size_t len, void *arg)
{
	struct fetch_transfer *transfer = arg;
	bool whole = transfer->head.whole;
	struct err err;

	(void)one;
	if (is_over(transfer))
		return 0;
	transfer_moved(transfer);
	if (head_feed(&transfer->head, slice_of(line, len), (int64_t)time(NULL), &err) < 0)
		return fail(transfer, FETCH_REFUSED, &err);
	if (!whole && transfer->head.whole && tell_head(transfer) < 0)
		return 0;
	/* What a callback cancelled is not to go on. */
	return is_over(transfer) ? 0 : len;
}

/* How many bytes the body may have in all. */
static uint64_t body_limit(const struct fetch_transfer *transfer)
{
	const struct head *head = &transfer->head;
	uint64_t part;

	if (transfer->follows)
		return FOLLOWED_BODY_MAX;
	if (head->told.status != 206)
		return transfer->max;
	part = head->last - head->told.first + 1;
	return part < transfer->max ? part : transfer->max;
}

/* To the end of the line of those that wait for the bucket. */
static size_t hold(struct fetch_transfer *transfer)
{
	struct fetch *fetch = transfer->fetch;
	struct fetch_transfer **at = &fetch->transfers;

	while (*at != transfer)
		at = &(*at)->next;
	*at = transfer->next;
	while (*at)
		at = &(*at)->next;
	*at = transfer;
	transfer->next = NULL;
	transfer->held = true;
	fetch_timer(&fetch->pace_timer, pace_wait(&fetch->pace));
	return CURL_WRITEFUNC_PAUSE;
}

static size_t on_data(char *bytes, size_t one, size_t len, void *arg)
{
	struct fetch_transfer *transfer = arg;
	uint64_t limit = body_limit(transfer);
	struct err err;

	(void)one;
	if (is_over(transfer))
		return 0;
	if (len > limit || transfer->got > limit - len) {
		(void)err_set(&err, ERR_TOO_LARGE, "the answer is over %" PRIu64 " bytes", limit);
		return fail(transfer, FETCH_REFUSED, &err);
	}
	if (transfer->paced && !pace_open(&transfer->fetch->pace, clock_monotonic_us()))
		return hold(transfer);
	if (transfer->paced)
		pace_take(&transfer->fetch->pace, len);
	transfer->got += len;
	transfer_moved(transfer);
	if (transfer->follows || !transfer->ops.data)
		return len;
	if (transfer->ops.data(transfer->arg, slice_of(bytes, len), &err) < 0)
		return fail(transfer, FETCH_STOPPED, &err);
	return is_over(transfer) ? 0 : len;
}

/* --- the request's body --- */

static size_t pull(struct fetch_transfer *transfer, char *at, size_t size)
{
	struct err err;
	size_t len = 0;

	if (transfer->ops.more(transfer->arg, (uint8_t *)at, size, &len, &err) < 0) {
		transfer_fail(transfer, FETCH_STOPPED, &err);
		return CURL_READFUNC_ABORT;
	}
	if (is_over(transfer) || len > size)
		return CURL_READFUNC_ABORT;
	if (len > 0)
		return len;
	transfer->hungry = true;
	return CURL_READFUNC_PAUSE;
}

static size_t on_more(char *at, size_t one, size_t size, void *arg)
{
	struct fetch_transfer *transfer = arg;
	uint64_t left = transfer->body_length - transfer->sent;
	size_t len;

	size *= one;
	if (is_over(transfer))
		return CURL_READFUNC_ABORT;
	if (size > left)
		size = (size_t)left;
	if (size == 0)
		return 0;
	len = size;
	if (transfer->pulled)
		len = pull(transfer, at, size);
	else
		memcpy(at, transfer->body.data + transfer->sent, size);
	if (len <= size) {
		transfer->sent += len;
		transfer_moved(transfer);
	}
	return len;
}

/* A kept connection turned out to be gone, and the body is to be sent anew. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct fetch_transfer *transfer = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > transfer->body_length ||
	    (transfer->pulled && (uint64_t)offset != transfer->sent))
		return CURL_SEEKFUNC_FAIL;
	transfer->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* --- progress --- */

/* libcurl's counters, since a piece that it took may be on its way out for long. */
static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	struct fetch_transfer *transfer = arg;

	(void)down_total, (void)up_total;
	if (down + up != transfer->moved) {
		transfer->moved = down + up;
		transfer_moved(transfer);
	}
	return is_over(transfer) ? 1 : 0;
}

static CURLcode set(CURL *easy, const struct fetch_transfer *transfer, CURLoption function,
		    CURLoption data, void (*callback)(void))
{
	CURLcode code = curl_easy_setopt(easy, function, callback);

	return code == CURLE_OK ? curl_easy_setopt(easy, data, transfer) : code;
}

CURLcode transfer_set_callbacks(struct fetch_transfer *transfer)
{
	static const struct {
		CURLoption function, data;
		void (*callback)(void);
	} callbacks[] = {
		{CURLOPT_OPENSOCKETFUNCTION, CURLOPT_OPENSOCKETDATA, (void (*)(void))on_open},
		{CURLOPT_PREREQFUNCTION, CURLOPT_PREREQDATA, (void (*)(void))on_connected},
		{CURLOPT_HEADERFUNCTION, CURLOPT_HEADERDATA, (void (*)(void))on_head},
		{CURLOPT_WRITEFUNCTION, CURLOPT_WRITEDATA, (void (*)(void))on_data},
		{CURLOPT_READFUNCTION, CURLOPT_READDATA, (void (*)(void))on_more},
		{CURLOPT_SEEKFUNCTION, CURLOPT_SEEKDATA, (void (*)(void))on_seek},
		{CURLOPT_XFERINFOFUNCTION, CURLOPT_XFERINFODATA, (void (*)(void))on_progress},
	};
	CURLcode code = CURLE_OK;
	size_t i;

	for (i = 0; i < ARRAY_LEN(callbacks) && code == CURLE_OK; i++)
		code = set(transfer->easy, transfer, callbacks[i].function, callbacks[i].data,
			   callbacks[i].callback);
	return code;
}
