/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_CHECK_H
#define STACK_CHECK_H

/*
 * Check: does the machine do what section tpm2 says? Looking collects facts, by the real tools
 * where they are installed, and judges nothing; judging is pure. What a user may not see is told as
 * that.
 */

#include "stack/finding.h"
#include "stack/render.h"

struct conf;
struct json_t;
struct stack_facts; /* facts.h, for this room alone */

/*
 * Never fails: what cannot be found out is marked so. NULL only without memory. Owned. @status is
 * what the service answers (docs/API.yaml, GET /v1/status), or NULL: it does not.
 */
struct stack_facts *stack_look(const struct conf *conf, const struct stack_tree *tree,
			       const struct json_t *status);
void stack_facts_free(struct stack_facts *facts);
MEM_DEFINE_CLEANUP(stack_facts)

/* Pure. */
void stack_judge(const struct conf *conf, const struct stack_facts *facts,
		 struct findings *ret_findings);

#endif
