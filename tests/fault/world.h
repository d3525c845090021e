/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_WORLD_H
#define FAULT_WORLD_H

/*
 * What a seed's script plays in: a fresh state folder, opened as the daemon opens it, and one of
 * the two providers on it. The chip outlives the seeds. Opening may fail while faults are injected;
 * what was made stays made, and the next try must find it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cmd/holdfastd/state.h"
#include "provider/provider.h"
#include "tests/support/chip.h"

struct world {
	uint64_t seed;
	bool tpm;		 /* else legacy */
	bool lies;		 /* answers may be well-formed lies, not only failures */
	bool handles;		 /* also about handles, which nothing authenticates */
	bool manager;		 /* the chip is reached through a resource manager */
	uint32_t hsk_handle;	 /* 0 = the HSK is kept as a blob */
	unsigned rate;		 /* of faults of the chip, per thousand commands */
	struct chip *chip;	 /* borrowed */
	char path[128];		 /* of the state folder */
	char conf[512];		 /* of the TCTI */
	struct state state;	 /* store NULL while it is closed */
	struct provider *p;	 /* NULL while it is closed */
	uint64_t chip_faults_at; /* of the chip, when the provider was opened */
	struct {
		uint8_t root[PROVIDER_ROOT_MAX]; /* of the provider; it never changes */
		size_t root_len;
	} known; /* of what was once opened whole; root_len 0 = it never was */
};

/* Once per process, before anything else: the module that makes the chip misbehave. */
void world_load_tcti(void);
/* Faults of the chip so far; off, or at the world's rate. */
uint64_t world_chip_faults(void);
void world_chip_on(const struct world *world);
void world_chip_off(void);

/* The folder does not exist yet. */
void world_begin(struct world *world, uint64_t seed, struct chip *chip, const char *folder);
/* Closes what is open and removes the folder. */
void world_end(struct world *world);

int world_open_state(struct world *world, struct err *err) MUST_CHECK;
int world_open_provider(struct world *world, struct err *err) MUST_CHECK;
void world_close_provider(struct world *world);
void world_close(struct world *world); /* both */

/* Takes a key of ours out of the chip's memory, so that the next one finds room there. */
void world_evict(const struct chip *chip, uint32_t handle);

/* Descriptors that this process has open. */
unsigned world_descriptors(void);

#endif
