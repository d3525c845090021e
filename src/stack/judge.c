/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the findings, and what several of them share. */
#include <string.h>

#include "stack/check.h"
#include "stack/judge.h"

void judge_tool(struct judge *judge, const char *id, enum fact_tool tool, const char *package)
{
	static const struct {
		enum finding_state state;
		const char *before; /* the package's name */
		const char *behind;
		const char *remedy;
	} ENDS[] = {
		[TOOL_NOT_RUN] = {FINDING_INFO, "not looked at: no way to a TPM for ", "", ""},
		[TOOL_ABSENT] = {FINDING_INFO, "not looked at: the package ", " is not installed",
				 ""},
		[TOOL_LATE] = {FINDING_WARN, "the program of ", " did not end in time",
			       "Try again; then look what else uses the TPM."},
		[TOOL_FAILED] = {FINDING_WARN, "the program of ", " failed",
				 "Run it by hand to see why."},
		[TOOL_NONSENSE] = {FINDING_INFO, "the program of ", " gave an unknown answer", ""},
		[TOOL_ANSWERED] = {FINDING_OK, "the program of ", " answers", ""},
	};

	finding_remedy(finding_add(judge->out, id, ENDS[tool].state, "%s%s%s", ENDS[tool].before,
				   package, ENDS[tool].behind),
		       "%s", ENDS[tool].remedy);
}

static bool is_of(const char *name, const char *wanted)
{
	return wanted[0] == '\0' || strcmp(name, wanted) == 0;
}

void judge_folder(struct judge *judge, const struct judge_folder *folder)
{
	const struct fact_node *node = folder->node;
	struct finding *finding;

	if (node->presence == FACT_UNKNOWN) {
		finding_add(judge->out, folder->id, FINDING_INFO, "%s: this user may not look",
			    node->path);
		return;
	}
	if (node->presence == FACT_NOT_THERE || !node->right_kind) {
		finding =
			finding_add(judge->out, folder->id, FINDING_FAIL, "%s %s", node->path,
				    node->presence == FACT_THERE ? "is no folder" : "is not there");
		finding_remedy(finding, "%s " JUDGE_TMPFILES, folder->why);
		return;
	}
	if (node->mode == folder->mode && is_of(node->owner, folder->owner) &&
	    is_of(node->group, folder->group)) {
		finding_add(judge->out, folder->id, FINDING_OK, "%s is %s:%s %04o", node->path,
			    node->owner, node->group, node->mode);
		return;
	}
	finding = finding_add(judge->out, folder->id, FINDING_WARN,
			      "%s is %s:%s %04o, and is to be %s:%s %04o", node->path, node->owner,
			      node->group, node->mode, folder->owner[0] ? folder->owner : "*",
			      folder->group[0] ? folder->group : "*", folder->mode);
	finding_remedy(finding, "%s " JUDGE_TMPFILES, folder->why);
}

static void judge_enabled(struct judge *judge)
{
	struct finding *finding;

	if (judge->tpm2->enable) {
		finding_add(judge->out, "tpm2", FINDING_OK,
			    "the section tpm2 of the configuration is in force");
		return;
	}
	finding =
		finding_add(judge->out, "tpm2", FINDING_INFO,
			    "the configuration sets up no TPM2 software: its section tpm2 is off");
	finding_remedy(finding, "If it is to: tpm2 { enable = true } in holdfast.conf, then, as "
				"root: holdfast tpm2 apply");
}

void stack_judge(const struct conf *conf, const struct stack_facts *facts,
		 struct findings *ret_findings)
{
	static void (*const JUDGES[])(struct judge * judge) = {
		judge_enabled, judge_files, judge_accounts, judge_nodes,  judge_manager,
		judge_tcti,    judge_fapi,  judge_chip,	    judge_pkcs11,
	};
	struct judge judge = {
		.tpm2 = &conf->tpm2, .conf = conf, .facts = facts, .out = ret_findings};
	size_t i;

	ret_findings->count = 0;
	for (i = 0; i < ARRAY_LEN(JUDGES); i++)
		JUDGES[i](&judge);
}
