/* SPDX-License-Identifier: Apache-2.0 */
/* What does not fit is cut. */
#include <stdarg.h>
#include <stdio.h>

#include "stack/finding.h"

struct finding *finding_add(struct findings *findings, const char *id, enum finding_state state,
			    const char *fmt, ...)
{
	struct finding *finding = &findings->rows[findings->count];
	va_list ap;

	*finding = (struct finding){.id = id, .state = state};
	va_start(ap, fmt);
	if (vsnprintf(finding->found, sizeof(finding->found), fmt, ap) < 0)
		finding->found[0] = '\0';
	va_end(ap);
	if (findings->count + 1 < FINDINGS_MAX)
		findings->count++;
	return finding;
}

void finding_remedy(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(finding->remedy, sizeof(finding->remedy), fmt, ap) < 0)
		finding->remedy[0] = '\0';
	va_end(ap);
}

const char *finding_state_word(enum finding_state state)
{
	static const char *const WORDS[] = {
		[FINDING_OK] = "ok",
		[FINDING_INFO] = "info",
		[FINDING_WARN] = "warn",
		[FINDING_FAIL] = "fail",
	};

	return WORDS[state];
}

bool findings_fail(const struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		if (findings->rows[i].state == FINDING_FAIL)
			return true;
	return false;
}
