/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfastd/world.h"

#include <stdio.h>

#include "base/err.h"

/* It serves, and says of itself that it is another one: that is news of the key, and no failure. */
static bool is_another(const char *fault)
{
	return err_code_of_name(fault) == ERR_TPM_CHANGED;
}

static const char *why_software(const struct world_facts *facts)
{
	if (facts->overridden)
		return facts->from_env ? "overridden: SECURITY_PROVIDER=legacy"
				       : "overridden: provider = legacy is configured";
	if (facts->failure[0] != '\0')
		return facts->failure;
	return facts->announced || facts->waits ? "no TPM found yet" : "no TPM found";
}

/* Software is in use. */
static enum identity_tpm without_chip(const struct world_facts *facts, bool expected)
{
	/* Whatever failed was there. */
	if (facts->failure[0] != '\0' && !facts->overridden)
		return IDENTITY_TPM_FAILED;
	return expected && (facts->overridden || facts->present) ? IDENTITY_TPM_FAILED
								 : IDENTITY_TPM_ABSENT;
}

void world_of(const struct world_facts *facts, struct identity_world *ret_world,
	      char ret_cause[static WORLD_CAUSE_MAX])
{
	const char *cause = "";

	ret_world->tpm = IDENTITY_TPM_FAILED;
	ret_world->expected = true;
	if (facts->state != SERVICE_READY) {
		cause = facts->failure;
	} else if (facts->on_chip && (!facts->fault || is_another(facts->fault))) {
		ret_world->tpm = IDENTITY_TPM_OK;
	} else if (facts->on_chip) {
		cause = err_info(err_code_of_name(facts->fault))->title;
	} else {
		ret_world->expected = facts->present || facts->announced || facts->waits;
		ret_world->tpm = without_chip(facts, ret_world->expected);
		ret_world->expected |= ret_world->tpm == IDENTITY_TPM_FAILED;
		cause = why_software(facts);
	}
	(void)snprintf(ret_cause, WORLD_CAUSE_MAX, "%s", cause);
	ret_world->cause = ret_cause;
}

bool world_same(const struct identity_world *a, const struct identity_world *b)
{
	return a->tpm == b->tpm && a->expected == b->expected && a->provider == b->provider;
}
