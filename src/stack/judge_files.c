/* SPDX-License-Identifier: Apache-2.0 */
/* The files that are rendered, and the users and groups that they name. */
#include <string.h>

#include "stack/apply.h"
#include "stack/judge.h"
#include "stack/render_impl.h"

static const char *const IDS[STACK_PARTS] = {
	[STACK_UDEV_RULES] = "file-udev-rules",	      [STACK_UDEV_TRIGGER] = "file-udev-trigger",
	[STACK_UDEV_WANTED] = "file-udev-wanted",     [STACK_SYSUSERS] = "file-sysusers",
	[STACK_TMPFILES] = "file-tmpfiles",	      [STACK_ABRMD_UNIT] = "file-abrmd-unit",
	[STACK_ABRMD_WANTED] = "file-abrmd-wanted",   [STACK_ABRMD_BUS] = "file-abrmd-bus",
	[STACK_PKCS11_MODULE] = "file-pkcs11-module", [STACK_PROFILE] = "file-profile",
	[STACK_ENVIRONMENT] = "file-environment",     [STACK_FAPI_CONFIG] = "file-fapi-config",
	[STACK_FAPI_ECC] = "file-fapi-ecc",	      [STACK_FAPI_RSA] = "file-fapi-rsa",
};

static void judge_ledger(struct judge *judge)
{
	struct finding *finding;

	if (judge->facts->ledger == LEDGER_READ)
		finding_add(judge->out, "ledger", FINDING_OK, "%s tells which files are ours",
			    STACK_LEDGER);
	if (judge->facts->ledger != LEDGER_UNREADABLE)
		return;
	finding = finding_add(judge->out, "ledger", FINDING_FAIL,
			      "%s cannot be read: nobody knows which files are ours", STACK_STATE);
	finding_remedy(finding, "As root: holdfast tpm2 apply. It says what is wrong, and changes "
				"nothing until that is mended");
}

void judge_files(struct judge *judge)
{
	static const struct {
		enum finding_state state;
		const char *found; /* behind the path; NULL = nothing is said */
		const char *remedy;
	} STATES[] = {
		[FILE_ABSENT] = {FINDING_OK, NULL, ""},
		[FILE_RENDERED] = {FINDING_OK, "is as the configuration has it", ""},
		[FILE_MODE] = {FINDING_FAIL, "is not root's with mode 0644, as all are to read it",
			       JUDGE_APPLY},
		[FILE_MISSING] = {FINDING_FAIL, "is not there", JUDGE_APPLY},
		[FILE_STALE] = {FINDING_FAIL, "was written before the configuration was changed",
				JUDGE_APPLY},
		[FILE_EDITED] = {FINDING_WARN, "was edited: it is not what the configuration says",
				 "Change the configuration instead; then, as root, to replace the "
				 "file and keep a backup of it: holdfast tpm2 apply --force"},
		[FILE_FOREIGN] = {FINDING_WARN,
				  "is somebody else's: it is not what the configuration says",
				  "As root: holdfast tpm2 apply. It takes the place of a package's "
				  "own; what somebody has written it replaces only with --force, "
				  "and keeps a backup"},
		[FILE_LEFT] = {FINDING_WARN,
			       "is left over: it was applied once, and is turned off now",
			       JUDGE_APPLY},
		[FILE_UNREADABLE] = {FINDING_FAIL,
				     "cannot be read by this user, or is no file: who needs it "
				     "finds nothing",
				     JUDGE_APPLY ". What is no file, or lies in a folder that is a "
						 "link or others' too, it leaves alone"},
	};
	size_t i;

	judge_ledger(judge);
	for (i = 0; i < STACK_PARTS; i++) {
		enum fact_file state = judge->facts->files[i];

		if (STATES[state].found)
			finding_remedy(finding_add(judge->out, IDS[i], STATES[state].state, "%s %s",
						   stack_path((enum stack_part)i),
						   STATES[state].found),
				       "%s", STATES[state].remedy);
	}
}

/* --- users and groups --- */

/* To whom the nodes belong and as whom tpm2-abrmd runs: the first one that is missing is told. */
static void judge_user(struct judge *judge)
{
	const bool exists[] = {judge->facts->user_exists, judge->facts->abrmd_user_exists};
	const char *const names[] = {render_user(judge->tpm2),
				     judge->tpm2->abrmd_enable ? render_abrmd_user(judge->tpm2)
							       : ""};
	static const char *const WHAT[] = {"to whom the device nodes are to belong",
					   "as whom tpm2-abrmd is to run"};
	size_t i = names[0][0] == '\0' || (exists[0] && names[1][0] != '\0' && !exists[1]);
	const char *name = names[i];
	struct finding *finding;

	if (name[0] == '\0')
		return;
	if (exists[i]) {
		finding_add(judge->out, "tss-user", FINDING_OK, "there is a user %s", name);
		return;
	}
	finding = finding_add(judge->out, "tss-user", FINDING_FAIL, "there is no user %s, %s", name,
			      WHAT[i]);
	finding_remedy(finding, strcmp(name, "tss") == 0
					? "As root: holdfast tpm2 apply, or systemd-sysusers"
					: "Make that user, or name another: tpm2 { tssUser }.");
}

static void judge_group(struct judge *judge, const char *id, const char *name,
			const struct fact_group *group)
{
	struct finding *finding;

	if (name[0] == '\0')
		return;
	if (group->exists) {
		finding_add(judge->out, id, FINDING_OK, "there is a group %s", name);
		return;
	}
	finding = finding_add(judge->out, id, FINDING_FAIL,
			      "there is no group %s, for which TPM devices and sockets are meant",
			      name);
	finding_remedy(finding, "As root: systemd-sysusers, after holdfast tpm2 apply; a group of "
				"another name: groupadd --system NAME");
}

/* Through which group do this user's programs reach the TPM? */
static void judge_member(struct judge *judge)
{
	bool ours = strcmp(judge->tpm2->tcti_interface, "holdfast") == 0;
	const char *name = ours ? RENDER_OWN_GROUP : judge->tpm2->tss_group;
	const struct fact_group *group = ours ? &judge->facts->holdfast : &judge->facts->tss;
	struct finding *finding;

	if (name[0] == '\0' || !group->exists || !judge->tpm2->tcti_environment_enable)
		return;
	if (judge->facts->root || group->in_session) {
		finding_add(judge->out, "member", FINDING_OK, "%s %s",
			    group->in_session ? "this session is of group" : "root needs no group",
			    name);
	} else if (group->in_account) {
		finding = finding_add(judge->out, "member", FINDING_WARN,
				      "this user is in group %s, but this session is not", name);
		finding_remedy(finding, "Log in again, or go on in a shell of 'newgrp %s'.", name);
	} else {
		finding = finding_add(judge->out, "member", FINDING_WARN,
				      "this user is not in group %s: its programs do not reach the "
				      "TPM",
				      name);
		finding_remedy(finding, "As root: usermod -aG %s USER. Then log in again.", name);
	}
}

void judge_accounts(struct judge *judge)
{
	if (!judge->tpm2->enable)
		return;
	judge_user(judge);
	judge_group(judge, "tss-group", judge->tpm2->tss_group, &judge->facts->tss);
	judge_group(judge, "holdfast-group", RENDER_OWN_GROUP, &judge->facts->holdfast);
	judge_member(judge);
}
