/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONTRACT_H
#define TESTS_CONTRACT_H

/*
 * Contract: what every SecurityProvider promises in provider/provider.h, as one suite of tests
 * that runs unchanged on all of them. A test program supplies devices and calls contract_run().
 */

#include "base/err.h"
#include "provider/provider.h"

/* Two devices, each with a root of its own; embed it to carry state. */
struct contract_factory {
	const char *name; /* of the group of tests: "contract-legacy" */
	/*
	 * Opens @device (0 or 1). The suite closes it by provider_free() and opens it again later:
	 * it is the same device then, with what it had stored. Both may be open at once.
	 */
	int (*open)(struct contract_factory *factory, unsigned device,
		    struct provider **ret_provider, struct err *err);
};

/* Runs everything; the number of failed tests, for main() to return. */
int contract_run(struct contract_factory *factory);

#endif
