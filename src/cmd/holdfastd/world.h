/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_WORLD_H
#define CMD_HOLDFASTD_WORLD_H

/*
 * World: what the choice of a provider means to the device's identity. Pure. That software is in
 * use is no reason for an identity in software: only that there is no TPM, and none to come.
 */

#include <stdbool.h>

#include "identity/identity.h"
#include "service/service.h"

#define WORLD_CAUSE_MAX 256u

struct world_facts {
	enum service_state state; /* not DECIDING */
	bool on_chip;		  /* READY: the provider is the TPM's .. */
	const char *fault;	  /* .. and this keeps it from serving; or NULL */
	bool overridden;	  /* software was asked for */
	bool from_env;		  /* .. by the environment, not the configuration */
	bool present;		  /* a TPM is configured, or its node is there */
	bool announced;		  /* by the firmware */
	bool waits;		  /* the time is not over that a TPM has after the start */
	const char *failure;	  /* why none is in use; "" = there was none to open */
};

/* Fills tpm, expected and cause, which is printed to @ret_cause; "" where all is well. */
void world_of(const struct world_facts *facts, struct identity_world *ret_world,
	      char ret_cause[static WORLD_CAUSE_MAX]);

/* Do they lead to the same decision? */
bool world_same(const struct identity_world *a, const struct identity_world *b);

#endif
