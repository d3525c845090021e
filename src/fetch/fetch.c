/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on our loop: it says which descriptors and which time it waits for, we
 * tell it when they come. See impl.h for what happens when.
 */
#include "fetch/fetch.h"

#include <string.h>
#include <sys/epoll.h>

#include "fetch/impl.h"

#define CONNECTIONS_KEPT 8L

/* One descriptor of libcurl's. */
struct watched {
	struct fetch *fetch;
	struct loop_fd *watch;
	curl_socket_t fd;
	int what;
};

void fetch_timer(struct loop_timer *timer, uint64_t delay_us)
{
	struct err err;
	int r = loop_timer_set(timer, delay_us, &err);

	(void)r; /* it stands */
}

/* --- what libcurl waits for --- */

static void acted(struct fetch *fetch, curl_socket_t fd, int events)
{
	int running;

	fetch->inside = true;
	(void)curl_multi_socket_action(fetch->multi, fd, events, &running);
	fetch->inside = false;
	fetch_settle(fetch);
}

static void on_fd(void *arg, uint32_t events)
{
	const struct watched *watched = arg;
	int what = 0;

	if (events & (EPOLLIN | EPOLLHUP))
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	acted(watched->fetch, watched->fd, what);
}

static void on_timer(void *arg)
{
	struct fetch *fetch = arg;

	fetch_timer(&fetch->timer, FETCH_FAR_US);
	acted(fetch, CURL_SOCKET_TIMEOUT, 0);
}

static void unwatch(struct fetch *fetch, struct watched *watched, curl_socket_t fd)
{
	if (!watched)
		return;
	(void)curl_multi_assign(fetch->multi, fd, NULL);
	loop_unwatch(watched->watch);
	free(watched);
}

static int watch(struct fetch *fetch, struct watched *watched, curl_socket_t fd, int what,
		 struct err *err)
{
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	int r;

	if (watched && watched->what == what)
		return 0;
	if (watched) {
		loop_unwatch(watched->watch);
		watched->watch = NULL;
	} else {
		watched = calloc(1, sizeof(*watched));
		if (!watched)
			return err_set(err, ERR_INTERNAL, "memory is short");
		*watched = (struct watched){.fetch = fetch, .fd = fd};
		(void)curl_multi_assign(fetch->multi, fd, watched);
	}
	r = loop_watch(fetch->loop, fd, events, on_fd, watched, &watched->watch, err);
	watched->what = r < 0 ? 0 : what;
	return r;
}

/* Told of a failure, libcurl would give up all transfers for good; so this one ends instead. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_fd)
{
	struct fetch_transfer *transfer = NULL;
	struct fetch *fetch = arg;
	struct err err;

	if (what == CURL_POLL_REMOVE || what == CURL_POLL_NONE) {
		unwatch(fetch, of_fd, fd);
		return 0;
	}
	if (watch(fetch, of_fd, fd, what, &err) < 0) {
		(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
		if (transfer)
			transfer_fail(transfer, FETCH_BROKEN, &err);
	}
	return 0;
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct fetch *fetch = arg;

	(void)multi;
	fetch_timer(&fetch->timer, timeout_ms < 0 ? FETCH_FAR_US : (uint64_t)timeout_ms * 1000u);
	return 0;
}

/* --- pace --- */

/* In the order in which they came to wait; each that took its piece waits behind the others. */
static void on_pace(void *arg)
{
	struct fetch *fetch = arg;
	struct fetch_transfer *transfer, *next;

	fetch_timer(&fetch->pace_timer, FETCH_FAR_US);
	fetch->inside = true;
	for (transfer = fetch->transfers; transfer; transfer = next) {
		next = transfer->next;
		if (!transfer->held || transfer->dead || transfer->failed)
			continue;
		if (!pace_open(&fetch->pace, clock_monotonic_us())) {
			fetch_timer(&fetch->pace_timer, pace_wait(&fetch->pace));
			break;
		}
		transfer->held = false;
		transfer_moved(transfer);
		transfer_unpause(transfer);
	}
	fetch->inside = false;
	fetch_settle(fetch);
}

void fetch_set_rate(struct fetch *fetch, uint64_t rate)
{
	pace_set(&fetch->pace, rate, clock_monotonic_us());
	fetch_timer(&fetch->pace_timer, 0);
}

/* --- ends --- */

static void unlink_transfer(struct fetch *fetch, const struct fetch_transfer *transfer)
{
	struct fetch_transfer **at = &fetch->transfers;

	while (*at != transfer)
		at = &(*at)->next;
	*at = transfer->next;
}

static void leave_curl(struct fetch_transfer *transfer)
{
	if (transfer->added)
		(void)curl_multi_remove_handle(transfer->fetch->multi, transfer->easy);
	transfer->added = false;
}

/* The handle goes first, so that done() can use its connection again. */
static void end_transfer(struct fetch *fetch, struct fetch_transfer *transfer)
{
	leave_curl(transfer);
	unlink_transfer(fetch, transfer);
	curl_easy_cleanup(transfer->easy);
	transfer->easy = NULL;
	loop_timer_clear(&transfer->idle_timer);
	loop_timer_clear(&transfer->whole_timer);
	if (!transfer->dead)
		transfer->ops.done(transfer->arg, &transfer->result);
	else if (transfer->drop)
		transfer->drop(transfer->arg);
	fetch_transfer_free(transfer);
}

static void begin_hop(struct fetch *fetch, struct fetch_transfer *transfer)
{
	struct err err;

	if (transfer_prepare(transfer, &err) < 0) {
		transfer_fail(transfer, FETCH_BROKEN, &err);
		return;
	}
	if (curl_multi_add_handle(fetch->multi, transfer->easy) == CURLM_OK) {
		transfer->added = true;
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "memory is short");
	transfer_fail(transfer, FETCH_BROKEN, &err);
}

/* True when there was something to do, after which the list may be another. */
static bool settle_one(struct fetch *fetch, struct fetch_transfer *transfer)
{
	if (transfer->dead || transfer->failed) {
		end_transfer(fetch, transfer);
		return true;
	}
	if (transfer->ended) {
		transfer->ended = false;
		leave_curl(transfer);
		transfer_conclude(transfer);
		return true;
	}
	if (!transfer->added) {
		begin_hop(fetch, transfer);
		return true;
	}
	if (transfer->woken) {
		transfer->woken = false;
		transfer_unpause(transfer);
		return true;
	}
	return false;
}

static void take_messages(struct fetch *fetch)
{
	struct fetch_transfer *transfer;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetch->multi, &left))) {
		transfer = NULL;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		if (message->msg != CURLMSG_DONE || !transfer)
			continue;
		transfer->ended = true;
		transfer->code = message->data.result;
	}
}

void fetch_settle(struct fetch *fetch)
{
	struct fetch_transfer *transfer;

	if (fetch->inside)
		return;
	fetch->inside = true;
	do {
		take_messages(fetch);
		transfer = fetch->transfers;
		while (transfer && !settle_one(fetch, transfer))
			transfer = transfer->next;
	} while (transfer);
	fetch->inside = false;
}

void fetch_cancel(struct fetch_transfer *transfer)
{
	if (!transfer)
		return;
	transfer->dead = true;
	if (!transfer->fetch->inside)
		end_transfer(transfer->fetch, transfer);
}

/* By the timer, since nobody is called from within this. */
void fetch_resume(struct fetch_transfer *transfer)
{
	if (!transfer->hungry)
		return;
	transfer->hungry = false;
	transfer->woken = true;
	transfer_moved(transfer);
	fetch_timer(&transfer->fetch->timer, 0);
}

/* --- life --- */

static int copy_text(const char *text, char **ret_copy, struct err *err)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*ret_copy = copy;
	return 0;
}

static int copy_config(struct fetch *fetch, const struct fetch_config *config, struct err *err)
{
	int r = copy_text(config->ca_file, &fetch->ca_file, err);

	if (r == 0)
		r = copy_text(config->client_cert, &fetch->client_cert, err);
	if (r == 0)
		r = copy_text(config->client_key, &fetch->client_key, err);
	if (r == 0)
		r = copy_text(config->agent, &fetch->agent, err);
	fetch->dev = config->dev;
	return r;
}

static int open_multi(struct fetch *fetch, struct err *err)
{
	CURLM *multi;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, ERR_INTERNAL, "libcurl cannot be set up");
	fetch->ready = true;
	fetch->multi = curl_multi_init();
	fetch->share = curl_share_init();
	if (!fetch->multi || !fetch->share)
		return err_set(err, ERR_INTERNAL, "memory is short");
	(void)curl_share_setopt(fetch->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	multi = fetch->multi;
	(void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, fetch);
	(void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
	(void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, fetch);
	(void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
	return 0;
}

int fetch_new(struct loop *loop, const struct fetch_config *config, struct fetch **ret_fetch,
	      struct err *err)
{
	CLEANUP(fetch_cleanup) struct fetch *fetch = calloc(1, sizeof(*fetch));
	int r;

	if (!fetch)
		return err_set(err, ERR_INTERNAL, "memory is short");
	fetch->loop = loop;
	loop_timer_init(&fetch->timer, loop, on_timer, fetch);
	loop_timer_init(&fetch->pace_timer, loop, on_pace, fetch);
	r = key_check(config, err);
	if (r == 0)
		r = copy_config(fetch, config, err);
	if (r == 0)
		r = loop_timer_set(&fetch->timer, FETCH_FAR_US, err);
	if (r == 0)
		r = loop_timer_set(&fetch->pace_timer, FETCH_FAR_US, err);
	if (r == 0)
		r = open_multi(fetch, err);
	if (r < 0)
		return r;
	*ret_fetch = TAKE(fetch);
	return 0;
}

void fetch_free(struct fetch *fetch)
{
	if (!fetch)
		return;
	while (fetch->transfers) {
		fetch->transfers->dead = true;
		end_transfer(fetch, fetch->transfers);
	}
	(void)curl_multi_cleanup(fetch->multi);
	(void)curl_share_cleanup(fetch->share);
	if (fetch->ready)
		curl_global_cleanup();
	loop_timer_clear(&fetch->timer);
	loop_timer_clear(&fetch->pace_timer);
	free(fetch->ca_file);
	free(fetch->client_cert);
	free(fetch->client_key);
	free(fetch->agent);
	free(fetch);
}
