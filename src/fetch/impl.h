/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_IMPL_H
#define FETCH_IMPL_H

/*
 * What the files of this room share. libcurl calls us back from within its own calls, where most of
 * it may not be called; so callbacks only take notes in the transfer, and fetch_settle() does the
 * rest when libcurl has returned: adds, resumes, follows, ends, frees.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "base/loop.h"
#include "fetch/fetch.h"
#include "fetch/head.h"
#include "fetch/pace.h"
#include "fetch/url.h"

struct fetch {
	struct loop *loop;
	CURLM *multi;
	CURLSH *share; /* TLS sessions; the rest is the multi handle's */
	/*
	 * Never unset, only far away: a timer that stands has its place, so that setting it anew
	 * cannot fail where nobody could be told.
	 */
	struct loop_timer timer;      /* libcurl's */
	struct loop_timer pace_timer; /* while transfers wait for the bucket */
	struct pace pace;
	struct fetch_transfer *transfers; /* the longest waiting first */
	bool inside;			  /* a callback of libcurl or done() may be running */
	bool ready;			  /* libcurl is set up */
	bool dev;
	char *ca_file, *client_cert, *client_key, *agent;
};

/* A line of a request's head; libcurl borrows the list. */
struct fetch_line {
	struct curl_slist node;
	size_t at; /* of its text in fetch_transfer.lines */
	bool credential;
};

struct fetch_transfer {
	struct fetch *fetch;
	struct fetch_transfer *next;
	CURL *easy;
	struct loop_timer idle_timer;  /* stands always, as those of fetch */
	struct loop_timer whole_timer; /* stands where there is a limit */
	uint64_t moved_us;	       /* when a byte last went in either direction */
	curl_off_t moved;	       /* what libcurl's counters were then */

	/* What was asked for. */
	enum fetch_method method;
	struct fetch_ops ops;
	void *arg;
	void (*drop)(void *arg); /* frees @arg when done() will not be called */
	char *url;
	char *socket;
	struct buf lines; /* wiped; texts with a NUL each */
	struct fetch_line *line_list;
	size_t line_count;
	struct slice body;
	uint64_t body_length;
	uint64_t from, max;
	uint64_t connect_us, idle_us;
	uint64_t whole_us; /* 0: no limit */
	unsigned redirects;
	bool pulled; /* the body comes by more() */
	bool follow; /* redirects are asked for, and can be followed */
	bool paced;

	/* How far it is. */
	struct url_origin first; /* whose the credentials are */
	struct url_origin now;
	struct head head;
	bool follows; /* the head is a redirect's, to be followed */
	bool told;    /* ops.head was called */
	bool connected;
	bool denied; /* an address was one that plain http does not go to */
	bool held;   /* waits for the bucket */
	bool hungry; /* more() gave 0 */
	uint64_t sent, got;

	/* Notes for fetch_settle(). */
	bool added;  /* libcurl has it */
	bool woken;  /* there is more to send */
	bool dead;   /* cancelled */
	bool ended;  /* libcurl has ended it with @code */
	bool failed; /* we have ended it: result and err are set */
	CURLcode code;
	struct fetch_result result;
	struct err err;
	char why[CURL_ERROR_SIZE];
};

/* Does what callbacks left to do. Nothing when it is at work already, or libcurl is. */
void fetch_settle(struct fetch *fetch);
/* Sets a timer that stands already. */
void fetch_timer(struct loop_timer *timer, uint64_t delay_us);
#define FETCH_FAR_US	(UINT64_MAX / 2)
#define FETCH_SECOND_US UINT64_C(1000000)

/* lines.c: takes the request's headers and those of our own; ERR_INVALID. */
int transfer_add_lines(struct fetch_transfer *transfer, const struct fetch_request *request,
		       struct err *err) MUST_CHECK;
/* Those for where @transfer goes now. */
struct curl_slist *transfer_lines(struct fetch_transfer *transfer);
#define FETCH_LINES_MAX (64u * 1024u)

/* options.c: sets every option for the next hop; @transfer->now is where it goes. */
int transfer_prepare(struct fetch_transfer *transfer, struct err *err) MUST_CHECK;
/* Notes an end of our own making, the first of which counts; @err may be the transfer's. */
void transfer_fail(struct fetch_transfer *transfer, enum fetch_end end, const struct err *err);
/* What the end by libcurl means: the end of the transfer, or the next hop. */
void transfer_conclude(struct fetch_transfer *transfer);
void fetch_transfer_free(struct fetch_transfer *transfer);
/* libcurl's callbacks, transfer_io.c. */
CURLcode transfer_set_callbacks(struct fetch_transfer *transfer);
/* Lets libcurl go on with what is not to wait any more. */
void transfer_unpause(struct fetch_transfer *transfer);
/* Begins the time without progress anew. */
void transfer_moved(struct fetch_transfer *transfer);

/* --- curl_key.c --- */

/* That @config's files can be used, and libcurl has an OpenSSL that fits them. */
int key_check(const struct fetch_config *config, struct err *err) MUST_CHECK;
/* True for a flavour of libcurl ("OpenSSL/3.0.11 ..") that shares our OpenSSL. */
bool key_flavour(const char *ssl_version);
/* The client's key and certificate, if there are any, for the next connection. */
CURLcode key_set(const struct fetch *fetch, CURL *easy);

#endif
