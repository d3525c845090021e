/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_TEST_WORLD_H
#define IDENTITY_TEST_WORLD_H

/*
 * A device of a test's own: folders, a simulated chip with the real provider, an identity. What it
 * cannot do fails the test.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "identity/impl.h"
#include "tests/support/chip.h"

#define WORLD_HANDLE  0x81000100u
#define WORLD_HSK     0x81000101u
#define WORLD_HANDLES 5u		  /* that the tests use, from the first one */
#define WORLD_NOW     INT64_C(1800000000) /* 2027-01-15 */

struct world {
	char dir[64];
	char config[96], persist[96], run[96], state[96];
	struct chip chip;
	struct provider *p;
	struct secret *auth_key, *other_auth_key;
	struct identity_options options;
	struct identity_world now;
	struct identity *identity;
	struct identity_view *view; /* as it was told last */
	bool retry;
	struct err err;
};

int world_setup(void **state); /* with a chip, nothing provisioned */
int world_teardown(void **state);

/* The process ends and starts again; folders and chip stay. */
void world_boot(struct world *world);
int world_settle(struct world *world);
/* Ends in this mode, without an error. */
void world_settles(struct world *world, enum identity_mode mode);
int world_order(struct world *world, enum identity_wish wish);
int world_order_pem(struct world *world, enum identity_wish wish, struct slice pem,
		    struct buf *ret_pem);

void world_tpm(struct world *world, enum identity_tpm tpm);
void world_replace_chip(struct world *world);
/* auth.key is another one from now on. */
void world_swap_auth_key(struct world *world);
/* The first @count handles from the configured one are a stranger's. */
void world_stranger(struct world *world, unsigned count);
/* How many keys below the HSK lie in the handles that an identity may have? */
unsigned world_keys(struct world *world);

/* Paths: "config/device.cert.pem". */
bool world_has(const struct world *world, const char *path);
unsigned world_count(const struct world *world, const char *folder);
void world_remove(const struct world *world, const char *path); /* absent is good */
/* An empty folder in its place. */
void world_wipe(const struct world *world, const char *path);
void world_put(const struct world *world, const char *path, struct slice bytes);
void world_get(const struct world *world, const char *path, struct buf *ret_bytes);

/* As older software makes it; its public key goes to @ret_spki. */
void world_soft_pair(const struct world *world, struct buf *ret_spki);
/* Signs with what is in force, and verifies that with the view's key. */
void world_signs(struct world *world);
/* Of the view's chain: @count certificates, the first of the view's key. */
void world_chain(struct world *world, size_t count);

#endif
