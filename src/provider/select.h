/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_SELECT_H
#define PROVIDER_SELECT_H

/*
 * Select: which SecurityProvider, and why (docs/PROVIDERS.md). Pure: facts in, decision out.
 */

#include <stdbool.h>

enum select_wish { SELECT_AUTO, SELECT_TPM, SELECT_LEGACY };
enum select_choice {
	SELECT_USE_TPM,
	SELECT_USE_LEGACY,
	SELECT_USE_NONE, /* "tpm" was demanded and cannot be had: stay up, answer tpm_required */
};

struct select_facts {
	enum select_wish wish;
	bool wish_from_env;   /* SECURITY_PROVIDER rather than the configuration */
	bool device_present;  /* a node exists or a TCTI is configured */
	bool device_opens;    /* the engine opened it; stands for FAPI's connection */
	const char *failure;  /* which step failed and how, when it does not open; may be NULL */
	bool probe_enabled;   /* fapi { probe } */
	bool probe_succeeded; /* meaningful when device_opens and probe_enabled */
};

struct select_decision {
	enum select_choice choice;
	bool warn; /* a fallback that nobody asked for */
	char reason[256];
};

/* Needs no TPM looked at: the wish alone decides. */
bool select_skips_tpm(const struct select_facts *facts);

void select_provider(const struct select_facts *facts, struct select_decision *ret_decision);

#endif
