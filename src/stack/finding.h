/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_FINDING_H
#define STACK_FINDING_H

/*
 * Finding: one thing that was looked at on this machine, how it is, why that matters and what to
 * do. `holdfast doctor` and `holdfast tpm2 check` give lists of them, as text and as JSON.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

#define FINDINGS_MAX 48u

enum finding_state { FINDING_OK, FINDING_INFO, FINDING_WARN, FINDING_FAIL };

struct finding {
	const char *id; /* a-z, 0-9 and -, never another meaning in a later release */
	enum finding_state state;
	char found[320];
	char remedy[400]; /* "" = nothing is to be done */
};

struct findings {
	struct finding rows[FINDINGS_MAX];
	size_t count;
};

/* Adds one and says what was found; the last one that there is room for is overwritten. */
struct finding *finding_add(struct findings *findings, const char *id, enum finding_state state,
			    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Says why it matters and what is to be done. */
void finding_remedy(struct finding *finding, const char *fmt, ...) PRINTF_LIKE(2, 3);

const char *finding_state_word(enum finding_state state);

/* Does one of them fail? */
bool findings_fail(const struct findings *findings);

/* All ids, as docs/DOCTOR.md explains them, and which verbs give them. */
enum finding_by { FINDING_BY_DOCTOR = 1, FINDING_BY_CHECK = 2 };
struct finding_kind {
	const char *id;
	unsigned by;
};
const struct finding_kind *finding_kinds(size_t *ret_count);

#endif
