/* SPDX-License-Identifier: Apache-2.0 */
/* The table of docs/PROVIDERS.md, in the order in which the facts rule it. */

#include "provider/select.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

bool select_skips_tpm(const struct select_facts *facts)
{
	return facts->wish == SELECT_LEGACY;
}

static struct select_decision PRINTF_LIKE(3, 4)
	decision(enum select_choice choice, bool warn, const char *fmt, ...)
{
	struct select_decision made = {.choice = choice, .warn = warn};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(made.reason, sizeof(made.reason), fmt, ap);
	va_end(ap);
	return made;
}

/* Who asked for it. */
static const char *wish_source(const struct select_facts *facts)
{
	return facts->wish_from_env ? "SECURITY_PROVIDER" : "the configuration";
}

static const char *failure_text(const struct select_facts *facts)
{
	return facts->failure && facts->failure[0] ? facts->failure : "it does not open";
}

/* An explicit wish for the TPM is never closed by the FAPI probe, and never replaced. */
static struct select_decision wish_tpm(const struct select_facts *facts)
{
	if (!facts->device_present)
		return decision(SELECT_USE_NONE, true, "%s demands a TPM, and none was found",
				wish_source(facts));
	if (!facts->device_opens)
		return decision(SELECT_USE_NONE, true,
				"%s demands the TPM, which cannot be used: %s", wish_source(facts),
				failure_text(facts));
	return decision(SELECT_USE_TPM, false, "%s demands the TPM", wish_source(facts));
}

static struct select_decision wish_auto(const struct select_facts *facts)
{
	if (!facts->device_present)
		return decision(SELECT_USE_LEGACY, false, "no TPM found");
	if (!facts->device_opens)
		return decision(SELECT_USE_LEGACY, true, "a TPM is there but cannot be used: %s",
				failure_text(facts));
	if (facts->probe_enabled && !facts->probe_succeeded)
		return decision(SELECT_USE_LEGACY, true, "the TPM opens, but FAPI does not: %s",
				facts->failure && facts->failure[0] ? facts->failure
								    : "its probe failed");
	if (facts->probe_enabled)
		return decision(SELECT_USE_TPM, false, "the TPM opens and FAPI connects");
	return decision(SELECT_USE_TPM, false, "the TPM opens");
}

void select_provider(const struct select_facts *facts, struct select_decision *ret_decision)
{
	switch (facts->wish) {
	case SELECT_LEGACY:
		*ret_decision = decision(SELECT_USE_LEGACY, false, "%s asks for legacy",
					 wish_source(facts));
		return;
	case SELECT_TPM:
		*ret_decision = wish_tpm(facts);
		return;
	case SELECT_AUTO:
		break;
	}
	*ret_decision = wish_auto(facts);
}
