/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAPI_TEST_FIXTURE_H
#define FAPI_TEST_FIXTURE_H

/*
 * A place in a folder of its own, and a starter. After each run it is looked whether a descriptor
 * or a process is left.
 */

#include "fapi/fapi.h"
#include "fapi/starter.h"

#define PATIENCE_US 60000000u

struct fixture {
	char dir[64];
	char folder[80];
	char run[80];
	struct fapi_place place;
	struct starter *starter;
	unsigned longest_s; /* of the next starter; 0 = FAPI_LONGEST_S */
	struct buf json;
	struct err err;
};

/*
 * Skips a test of what qemu's emulation of a kernel lacks: it adopts no orphans, and keeps
 * descriptors that came with a message too large for them. HOLDFAST_EMULATED is set by who runs it
 * so.
 */
void fixture_needs_kernel(void);

void fixture_init(struct fixture *fixture);
void fixture_fini(struct fixture *fixture);

/* Ends the starter, and begins another one for @program. */
void fixture_begin_starter(struct fixture *fixture, const char *program);

/* How many names are in a folder. */
size_t fixture_entries(const char *path);

/* How many processes @pid has started that were not reaped. */
size_t fixture_children_of(pid_t pid);

/* Runs the helper that behaves so; json and err are what came of it. */
int fixture_run(struct fixture *fixture, const char *behaviour, uint64_t patience_us);
int fixture_request(struct fixture *fixture, const struct fapi_request *request);

#endif
