/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_TEST_FIXTURE_H
#define CLIENT_TEST_FIXTURE_H

/*
 * A scripted service: a child process that plays its steps in order and keeps what it was sent. Its
 * exit code tells that every step was reached, so the number of connections and requests is
 * checked as well; an alarm ends it when the library does not do its part.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "client/call.h"

#define FAKE_REQUEST_MAX (8u * 1024u * 1024u) /* bytes; an answer and the log have it too */

enum then {
	KEEP,	/* the next step comes on the same connection */
	CLOSE,	/* the next step accepts a new one */
	LINGER, /* waits for the library to close, then as CLOSE */
	DRAIN,	/* asks for the body, and reads on until the library closes */
	DRIP,	/* sends one byte after the other until the library closes */
};

struct step {
	const char *answer; /* NULL = none */
	const char *body;   /* sent behind the answer and its length, which is then added */
	size_t piece;	    /* bytes per write; 0 = all at once */
	enum then then;
	bool head_only; /* does not read the body of the request */
	bool silent;	/* does not say 100 to a request that expects it, but reads on */
};

struct fake {
	char folder[64];
	char path[96];
	int listener;
	int log; /* a memory file that both processes have */
	pid_t child;
	struct hf *hf;
};

/* *state becomes a struct fake: its handle is open, its service does not run yet. */
int fake_setup(void **state);
int fake_teardown(void **state);
#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

/* Starts the service. */
void fake_serve(struct fake *fake, const struct step *steps, size_t count);
/* Ends the service: all steps were played. Gives what it was sent, with a NUL behind it. */
void fake_served(struct fake *fake, struct buf *ret_log);
/* The same, and nobody looks at what it was sent. */
void fake_served_all(struct fake *fake);

/* For a child, which must not run into the assertions of its parent: ends it when not @good. */
void fake_check(bool good);

/* Heads that lack their length; a body adds it. */
#define HEAD(status, type) "HTTP/1.1 " status "\r\nContent-Type: " type "\r\n"
#define OCTETS		   HEAD("200 OK", "application/octet-stream")
#define JSON(status)	   HEAD(status, "application/json")
#define PROBLEM(status)	   HEAD(status, "application/problem+json; charset=utf-8")

#define SEALED .answer = OCTETS "Holdfast-Protection: tpm\r\n", .body = "blob"

#endif
