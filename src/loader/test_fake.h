/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_TEST_FAKE_H
#define LOADER_TEST_FAKE_H

/*
 * Fake: a fetch that sends nothing (--wrap of the linker). It notes requests, and a test answers
 * each when it wants to. Pauses of backoff.h take a millisecond and are counted.
 *
 * World: a loop that is run until something is so, a pool, a folder, and a configuration.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/impl.h"

#define FAKE_MAX     64u
#define FAKE_HEADERS 4u

struct fake_request {
	bool open; /* neither answered nor cancelled */
	bool cancelled;
	bool hungry; /* was resumed, or has not been asked for its body yet */
	enum fetch_method method;
	char url[512];
	char names[FAKE_HEADERS][32];
	char values[FAKE_HEADERS][512];
	bool credentials[FAKE_HEADERS];
	size_t header_count;
	char bearer[64]; /* "": none */
	struct buf body;
	uint64_t body_length;
	uint64_t max;
	unsigned redirects;
	/* Its owner's. */
	struct fetch_ops ops;
	fetch_whole_fn whole;
	void *arg;
};

struct fake {
	struct fake_request requests[FAKE_MAX];
	size_t count;
	unsigned pauses;
	int refuse; /* > 0: this many starts fail */
};
extern struct fake fake;

void fake_reset(void);
struct fake_request *fake_last(void);
/* The value of a header, NULL when there is none. */
const char *fake_header(const struct fake_request *request, const char *name);
/* Requests whose URL ends so. */
size_t fake_count(const char *tail);
void fake_answer(struct fake_request *request, unsigned status, const char *body);
void fake_answer_bytes(struct fake_request *request, unsigned status, struct slice body);
void fake_end(struct fake_request *request, enum fetch_end end);
/* Pulls what there is of a body; true when all of it came. A failure ends the transfer. */
bool fake_pull(struct fake_request *request);

struct world {
	struct loop *loop;
	struct loop_timer guard;
	bool (*so)(struct world *world);
	struct jobs *jobs;
	char path[64];
	struct loader_config config;
	struct cache *cache;
	struct session *session;
	struct loader loader; /* for uploads */
	struct err err;
	/* What callbacks told. */
	unsigned done;
	int code;
	struct err told;
	struct buf bytes;
	unsigned notes;
	char note[256];
	unsigned machines; /* fingerprints that were made */
	int machine_code;
};

int world_setup(void **state);
int world_teardown(void **state);
/* Runs the loop until it is so; a minute without that is a failure. */
void world_until(struct world *world, bool (*so)(struct world *world));
void world_until_done(struct world *world);	/* world->done > 0 */
void world_until_requests(struct world *world); /* one more than there were */
void world_settle(struct world *world);		/* all jobs have ended */
void world_session(struct world *world);	/* of the configuration */
void world_login(struct world *world);		/* as a@b.c, by a pinned fingerprint: token "T1" */
void world_done(void *arg, const struct err *err); /* loader_done_fn */
void world_bytes(void *arg, struct slice bytes, const struct err *err);
/* The user's seal on @plain, as the API puts it, for the salts and the user of this world. */
void world_seal(struct world *world, struct slice plain, struct buf *ret_blob);
/* Small and big, one after the other, open to what was given. */
void world_check_opens(struct world *world, struct slice small, struct slice big,
		       struct slice plain);

#define FINGERPRINT "CPU: A. GPU: B. Memory: 1. DriveSerial: C"
#define TEST(name)  cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
