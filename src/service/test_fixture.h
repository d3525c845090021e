/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_TEST_FIXTURE_H
#define SERVICE_TEST_FIXTURE_H

/*
 * Fixture: the whole service over one connection, with a provider that plays a chip: it lives on
 * the worker, counts its calls as commands and "seals" by copying.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/loop.h"
#include "service/service.h"

#define GIVE_UP_US 60000000u
#define ANSWER_MAX 16384u

struct chip {
	struct provider provider;
	_Atomic unsigned calls;
	_Atomic unsigned forgotten;
	_Atomic uint32_t parent; /* of the last foreign object */
	_Atomic bool deadline_missing;
	_Atomic int fails_with; /* enum err_code, 0 = works */
	/* Calls in their order: 'r' random, 's' a signature of the device, '<' or '{' pieces begin
	 * for a MAC or an attestation key, the first byte of each piece, '>' they end, '!' they are
	 * given up. */
	char notes[256];
	_Atomic size_t noted;
	/* Not 0: with so many notes it stands in a piece or signature until this changes. */
	_Atomic size_t stands;
	_Atomic unsigned pieces_alive, pieces_most;
	uint8_t digest[HASH_MAX_SIZE]; /* that the device's key has signed last */
	size_t digest_len;
	uint32_t signer;	 /* .. and that key's handle */
	const char *fault;	 /* for its status */
	const char *certificate; /* of its endorsement key; NULL = none */
	struct slice chain;
	struct pcr_selection banks;
};

struct fixture {
	char path[64];
	struct loop *loop;
	struct loop_timer give_up;
	struct jobs *jobs;
	struct store *store;
	struct service *service;
	struct http *http;
	struct service_tenant tenant;
	struct tenant_peer peer;
	struct chip chip;
	int client;
	struct loop_fd *watch;
	char answer[ANSWER_MAX];
	size_t len;
};

extern const struct provider_ops CHIP;
extern const struct http_limits LIMITS;
extern const struct http_ops OPS;

int fixture_make(void **state); /* *state becomes a struct fixture */
int fixture_remove(void **state);

void connect_client(struct fixture *fixture);
void use_chip(struct fixture *fixture);

/* The status of the answer; its text is left in fixture->answer. 0 when there was none. */
int ask(struct fixture *fixture, const char *method, const char *path, const char *body);
void answer_has(const struct fixture *fixture, const char *text);

/* Several clients at once, each on a connection of its own, of the fixture's tenant or another. */
struct asker {
	struct fixture *fixture;
	struct tenant_peer *peer; /* NULL = the fixture's */
	int client;
	struct loop_fd *watch;
	char answer[ANSWER_MAX];
	size_t len;
	bool done;
};
/* Connects and sends; @body may be long. */
void asker_begin(struct asker *asker, struct fixture *fixture, const char *method, const char *path,
		 const char *body);
/* Runs the loop until the answer is there; its status. */
int asker_end(struct asker *asker);
/* Leaves without the answer. */
void asker_leave(struct asker *asker);
/* One turn of the loop, of a millisecond at most. */
void turn(struct fixture *fixture);

/* Runs the loop until it is stopped; standard error, where the audit goes, goes into @text. */
void run_and_listen(struct fixture *fixture, char *text, size_t size);

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)

#endif
