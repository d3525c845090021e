/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FRONT_TEST_FIXTURE_H
#define FRONT_TEST_FIXTURE_H

/*
 * A front before the fake loader, and clients on socket pairs, in one thread. Nothing sleeps: the
 * loop runs until a condition holds, and a guard turns a hang into a failure.
 */

#include "base/buf.h"
#include "base/secret.h"
#include "front/front.h"
#include "front/test_fake.h"

#define FIXTURE_UPLOAD_MAX (512u * 1024u)
#define HOST		   "Host: loader:8080\r\n"
#define JSON		   HOST "Content-Type: application/json\r\n"

struct client {
	int fd;
	struct loop_fd *watch;
	struct buf in;
	struct buf out; /* what is still to be sent */
	size_t sent;
	bool eof;
};

struct fixture {
	struct loop *loop;
	struct front *front;
	struct secret *token;
	unsigned taken, closed;
	bool (*done)(void);
	bool late;
	unsigned notes;
	char note[2048]; /* the last one */
};

extern struct fixture fixture;

/* cmocka's setup and teardown. */
int fixture_begin(void **state);
int fixture_begin_with_token(void **state); /* "the token" */
int fixture_end(void **state);
/* Runs the loop until @done. */
void fixture_run(bool (*done)(void));
/* .. and until *@counter is @goal or more. */
void fixture_wait(const unsigned *counter, unsigned goal);

void client_begin(struct client *client);
void client_end(struct client *client);
/* Queues; it goes out while the loop runs. */
void client_send(struct client *client, struct slice bytes);
/* A request with a body and its length. */
void client_send_body(struct client *client, const char *head, struct slice body);
/* Runs until a whole answer is there; 0 when the connection ended instead. */
unsigned client_status(struct client *client);
void client_wait_eof(struct client *client);
/* Of the answer; the body ends with a NUL. */
const char *client_body(const struct client *client);
size_t client_body_len(const struct client *client);
bool client_has_header(const struct client *client, const char *line);

/* One request of a client of its own: its status must be @status, and its body, unless that is
 * NULL, have @body in it. */
void ask(const char *head, const char *body, unsigned status, const char *has);
/* The same with a code, of the body of an error. */
void ask_fails(const char *head, const char *body, unsigned status, const char *code);

#endif
