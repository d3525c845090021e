/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_TEST_KNOWN_H
#define IDENTITY_TEST_KNOWN_H

/* Known: a device's files by name, and what its identity was, to tell whether it still is. */

#include "identity/test_world.h"

#define CERTIFICATE "config/device.cert.pem"
#define SOFT_KEY    "config/device.key.pem"
#define MARKER	    "persist/config/tpm_in_use"
#define MARKER_COPY "run/tpm_in_use"
#define JOURNAL	    "persist/holdfast/identity.journal"
#define PREVIOUS    "persist/holdfast/previous"
#define QUARANTINE  "persist/holdfast/quarantine"

static const char *const RECORD[] = {
	"persist/holdfast/identity.json",
	"persist/holdfast/identity.json.copy",
	"config/device.identity.json",
	"config/device.identity.json.copy",
};

/* What an identity is known by. */
struct known {
	struct buf spki, chain;
	uint64_t generation;
};
#define KNOWN_INIT                                                                                 \
	{                                                                                          \
		.spki = BUF_INIT(1024), .chain = BUF_INIT(IDENTITY_CHAIN_MAX)                      \
	}
static inline void known_fini(struct known *known)
{
	buf_fini(&known->spki);
	buf_fini(&known->chain);
}

static inline void know(const struct world *world, struct known *known)
{
	known_fini(known);
	buf_put(&known->spki, buf_slice(&world->view->spki));
	buf_put(&known->chain, buf_slice(&world->view->chain));
	known->generation = world->view->generation;
}

static inline bool same_key(const struct world *world, const struct known *known)
{
	return slice_equal(buf_slice(&world->view->spki), buf_slice(&known->spki));
}

static inline bool same_chain(const struct world *world, const struct known *known)
{
	return slice_equal(buf_slice(&world->view->chain), buf_slice(&known->chain));
}

/* First boot with a TPM, and what is known of it. */
static inline struct world *enabled(void **state, struct known *known)
{
	struct world *world = *state;

	world_settles(world, IDENTITY_ENABLED);
	know(world, known);
	world_boot(world);
	return world;
}

#endif
