/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_TEST_FIXTURE_H
#define SERVER_TEST_FIXTURE_H

/* Fixture: a server in one thread with its clients, and the tenant `web` on the host's socket. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/server.h"

#define GIVE_UP_US 60000000u

struct fixture {
	char path[64];
	char run[80];
	struct loop *loop;
	struct loop_timer give_up;
	struct http *http;
	struct server *server;
	struct tenant tenant;
	pid_t pid; /* of the last request's peer */
	char text[4096];
	size_t len;
};

int fixture_make(void **state); /* *state becomes a struct fixture */
int fixture_remove(void **state);

/* A connected client, or -1; @name is below the run folder. */
int dial_name(const struct fixture *fixture, const char *name);
/* .. of the fixture's own tenant. */
int dial(const struct fixture *fixture);

/* Sends, and runs the loop until there is an answer or the end; its status, 0 at the end. */
int ask(struct fixture *fixture, int fd, const char *path);

#endif
