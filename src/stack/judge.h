/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_JUDGE_H
#define STACK_JUDGE_H

/* Judge: the parts of judging. Each is pure and adds findings of its own ids (finding.c). */

#include "conf/conf.h"
#include "stack/facts.h"
#include "stack/finding.h"

struct judge {
	const struct conf_tpm2 *tpm2;
	const struct conf *conf;
	const struct stack_facts *facts;
	struct findings *out;
};

void judge_files(struct judge *judge);
void judge_accounts(struct judge *judge);
void judge_nodes(struct judge *judge);
void judge_manager(struct judge *judge);
void judge_tcti(struct judge *judge);
void judge_fapi(struct judge *judge);
void judge_chip(struct judge *judge);
void judge_pkcs11(struct judge *judge);

/* Adds what became of a tool that did not answer, with the package that has it. */
void judge_tool(struct judge *judge, const char *id, enum fact_tool tool, const char *package);

/* A folder that must be there, of this mode and these owners ("" = whoever). */
struct judge_folder {
	const char *id;
	const struct fact_node *node;
	unsigned mode;
	const char *owner;
	const char *group;
	const char *why; /* it matters; a sentence */
};
void judge_folder(struct judge *judge, const struct judge_folder *folder);

#define JUDGE_APPLY    "As root: holdfast tpm2 apply"
#define JUDGE_TMPFILES "As root: holdfast tpm2 apply, or systemd-tmpfiles --create"

#endif
