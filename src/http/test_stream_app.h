/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_TEST_STREAM_APP_H
#define HTTP_TEST_STREAM_APP_H

/*
 * On top of the fixture: an application that sums up the stream it gets and says its sum, or sends
 * a pattern; at once, or each time when the test lets it. And a client that sends much.
 */

#include "http/test_fixture.h"

#define HEAD	   "POST /v1/stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
#define CHUNKED	   HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define SMALLEST   (FIXTURE_OCTETS_MAX + 1u)
#define ASK	   "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER_LEN 300001u
#define UNTIL_MORE 5u /* waits of one that takes SMALLEST: pull, three pieces, more() */

enum plan {
	SUM,	       /* takes all and answers with its length and sum */
	REFUSE,	       /* at once */
	REFUSE_LATER,  /* before anything was pulled, when let */
	REFUSE_MIDWAY, /* with the second piece */
	SEND,	       /* takes all and answers with a stream */
	SEND_CUT,      /* .. and cuts it after the second piece */
};

struct app {
	enum plan plan;
	bool lets; /* each step waits for go_on() */
	struct fixture *f;
	struct http_request *request;
	void (*next)(void);
	unsigned waits, pieces, lasts, gones, ends;
	size_t len;
	uint32_t sum;
	uint64_t sent;
};

extern struct app app;
extern uint8_t app_pattern[64u * 1024u]; /* what is sent at once */

/* The stream's byte at @at, both ways. */
uint8_t app_byte(uint64_t at);
/* Takes the step that waits. */
void app_go_on(void);
/* The same whenever it waits, from the @first to the @last time. */
void app_go_through(struct fixture *f, unsigned first, unsigned last);
/* Step after step, up to and with the one behind the last piece. */
void app_drive(struct fixture *f);
/* With limits of a minute, and with one second for a body and for an answer. */
void app_begin(struct fixture *f, enum plan plan, bool lets);
void app_begin_slow(struct fixture *f, enum plan plan, bool lets);

struct pump {
	struct client *client;
	int fd; /* a second one, since the loop watches the client's for reading */
	struct loop_fd *watch;
	struct buf bytes;
	size_t sent;
	unsigned done;
};

#define PUMP_INIT                                                                                  \
	{                                                                                          \
		.bytes = BUF_INIT(8u * 1024u * 1024u)                                              \
	}

/* Sends what was put into it. */
void pump_start(struct pump *pump, struct client *client);
void pump_fini(struct pump *pump);
void pump_body(struct pump *pump, size_t from, size_t len);
/* @part: bytes that are sent; 0 = all of @len. */
void pump_request(struct pump *pump, const char *more, size_t len, size_t part);
void pump_chunked(struct pump *pump, size_t len, size_t chunk);

/* The answer is that of an application that got @len bytes of the pattern. */
void expect_sum(const struct client *client, size_t len);

#endif
