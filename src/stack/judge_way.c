/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the chip: its nodes, who manages it, and where each tool is sent. */
#include <stdio.h>
#include <string.h>

#include "stack/judge.h"
#include "stack/look.h"
#include "stack/render_impl.h"

#define TRIGGER                                                                                    \
	"As root: udevadm control --reload && udevadm trigger --subsystem-match=tpm "              \
	"--subsystem-match=tpmrm"

/* --- nodes --- */

struct node_rule {
	const char *id;
	const char *owner; /* "" = whoever */
	const char *group;
	const char *why;
};

static void judge_node(struct judge *judge, const struct fact_node *node,
		       const struct node_rule *rule)
{
	bool ruled = judge->tpm2->enable && judge->tpm2->apply_udev_rules;
	bool right = (!rule->owner[0] || strcmp(node->owner, rule->owner) == 0) &&
		     (!rule->group[0] || strcmp(node->group, rule->group) == 0) &&
		     node->mode == 0660;
	struct finding *finding;

	if (node->presence != FACT_THERE)
		return;
	if (!node->right_kind) {
		finding = finding_add(judge->out, rule->id, FINDING_FAIL, "%s is no device",
				      node->path);
		finding_remedy(finding, "Remove it, and restart the machine.");
	} else if (ruled && !right) {
		finding = finding_add(judge->out, rule->id, FINDING_FAIL,
				      "%s is %s:%s %04o, and is to be %s:%s 0660: %s", node->path,
				      node->owner, node->group, node->mode,
				      rule->owner[0] ? rule->owner : "*",
				      rule->group[0] ? rule->group : "*", rule->why);
		finding_remedy(finding, TRIGGER);
	} else if (node->mode & 06u) {
		finding = finding_add(judge->out, rule->id, FINDING_WARN,
				      "%s is %s:%s %04o: everybody may use the TPM", node->path,
				      node->owner, node->group, node->mode);
		finding_remedy(finding, "tpm2 { enable = true } sets who may, by udev.");
	} else {
		finding_add(judge->out, rule->id, FINDING_OK, "%s is %s:%s %04o", node->path,
			    node->owner, node->group, node->mode);
	}
}

static bool tools_want_device(const struct judge *judge)
{
	return strncmp(judge->facts->tcti.text, "device:", 7) == 0;
}

void judge_nodes(struct judge *judge)
{
	const struct node_rule rules[FACT_NODES] = {
		{"device-tpm0", render_user(judge->tpm2), RENDER_NODE_GROUP,
		 "holdfastd, of that group, must be able to open it"},
		{"device-tpmrm0", "", judge->tpm2->tss_group,
		 "programs of that group must be able to open it"},
	};
	const struct fact_node *nodes = judge->facts->nodes;
	struct finding *finding;
	size_t i;

	for (i = 0; i < FACT_NODES; i++)
		judge_node(judge, &nodes[i], &rules[i]);
	if (nodes[0].presence == FACT_THERE || nodes[1].presence == FACT_THERE)
		return;
	if (judge->facts->service.known && judge->facts->service.on_chip) {
		finding_add(judge->out, "device", FINDING_INFO,
			    "this machine shows no %s; holdfastd reaches a TPM by %s",
			    nodes[0].path, judge->facts->service.tcti);
		return;
	}
	finding = finding_add(judge->out, "device",
			      tools_want_device(judge) ? FINDING_FAIL : FINDING_INFO,
			      "this machine shows no %s and no %s%s", nodes[0].path, nodes[1].path,
			      tools_want_device(judge) ? ", and its tools are sent there" : "");
	finding_remedy(finding, "If it has a TPM, turn that on in the setup of its firmware, or "
				"load its driver. Else a software TPM will do, swtpm(8).");
}

/* --- who has it --- */

static void name_holders(const struct fact_holders *holders, char *text, size_t size)
{
	size_t i, at = 0, shown = holders->count < FACT_HOLDERS ? holders->count : FACT_HOLDERS;

	text[0] = '\0';
	for (i = 0; i < shown && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "",
				       holders->names[i]);
	if (holders->count > shown && at < size)
		(void)snprintf(text + at, size - at, ", ..");
}

static bool is_holder(const struct fact_holders *holders, const char *name)
{
	size_t i;

	for (i = 0; i < holders->count && i < FACT_HOLDERS; i++)
		if (strcmp(holders->names[i], name) == 0)
			return true;
	return false;
}

/* /dev/tpm0 has one owner at a time: the kernel refuses a second. */
static void judge_owner(struct judge *judge)
{
	const struct fact_holders *owners = &judge->facts->manager.of[0];
	const char *path = judge->facts->nodes[0].path;
	struct finding *finding;
	char names[FACT_TEXT_SIZE];

	if (judge->facts->nodes[0].presence != FACT_THERE)
		return;
	name_holders(owners, names, sizeof(names));
	if (owners->count == 0) {
		finding_add(judge->out, "tpm-owner", FINDING_INFO,
			    owners->known ? "nobody that is seen here has %s open"
					  : "only root can see who has %s open",
			    path);
	} else if (is_holder(owners, "holdfastd")) {
		finding_add(judge->out, "tpm-owner", FINDING_OK, "holdfastd has %s", path);
	} else {
		finding = finding_add(judge->out, "tpm-owner", FINDING_FAIL,
				      "%s has %s, which lets nobody else in: holdfastd cannot have "
				      "it",
				      names, path);
		finding_remedy(finding, is_holder(owners, "tpm2-abrmd")
						? "Send tpm2-abrmd through holdfastd: tpm2 { abrmd "
						  "{ enable = true } }, then holdfast tpm2 apply "
						  "and restart both."
						: "Stop that program, or send it to /dev/tpmrm0, "
						  "tpm2-abrmd or holdfastd's socket.");
	}
}

static bool is_own_bus_name(const char *conf)
{
	char name[FACT_TEXT_SIZE];
	bool session = false;

	return look_parse_bus_name(conf, name, &session) && !session &&
	       strcmp(name, RENDER_BUS_NAME) == 0;
}

/* Which one are the tools sent to, and does it go well with holdfastd? */
static void judge_interface(struct judge *judge)
{
	const struct conf_tpm2 *tpm2 = judge->tpm2;
	struct finding *finding;

	if (!tpm2->enable || !tpm2->tcti_environment_enable) {
		finding_add(
			judge->out, "resource-manager", FINDING_INFO,
			"the configuration sends the tools nowhere: they choose one themselves");
	} else if (strcmp(tpm2->tcti_interface, "holdfast") == 0) {
		finding_add(judge->out, "resource-manager", FINDING_OK, "holdfastd's own");
	} else if (strcmp(tpm2->tcti_interface, "tabrmd") == 0 && tpm2->abrmd_enable &&
		   !is_own_bus_name(tpm2->tcti_tabrmd_conf)) {
		finding = finding_add(judge->out, "resource-manager", FINDING_FAIL,
				      "the tools look for tpm2-abrmd by %.100s, and it is on the "
				      "system's bus as " RENDER_BUS_NAME,
				      tpm2->tcti_tabrmd_conf);
		finding_remedy(finding, "tpm2 { tctiEnvironment { tabrmdConf = "
					"\"bus_name=" RENDER_BUS_NAME "\" } }.");
	} else if (strcmp(tpm2->tcti_interface, "tabrmd") == 0) {
		finding = finding_add(judge->out, "resource-manager",
				      tpm2->abrmd_enable ? FINDING_OK : FINDING_WARN,
				      tpm2->abrmd_enable
					      ? "tpm2-abrmd, on holdfastd's socket"
					      : "tpm2-abrmd, which the configuration does not set "
						"up");
		if (!tpm2->abrmd_enable)
			finding_remedy(finding, "tpm2 { abrmd { enable = true } }: else it takes "
						"/dev/tpm0, and holdfastd cannot have it.");
	} else if (strncmp(tpm2->tcti_device_conf, "/dev/tpmrm", 10) == 0) {
		finding = finding_add(judge->out, "resource-manager", FINDING_INFO,
				      "the kernel's, %s: it and holdfastd share the chip's few "
				      "places without knowing of each other",
				      tpm2->tcti_device_conf);
		finding_remedy(finding, "Where that makes errors of memory (0x902): tpm2 { "
					"tctiEnvironment { interface = \"holdfast\" } }.");
	} else {
		finding = finding_add(judge->out, "resource-manager", FINDING_FAIL,
				      "none: the tools open %s, which lets nobody in while "
				      "holdfastd has it",
				      tpm2->tcti_device_conf);
		finding_remedy(finding, "tpm2 { tctiEnvironment { interface = \"holdfast\" } }, or "
					"deviceConf = \"/dev/tpmrm0\".");
	}
}

static void judge_abrmd(struct judge *judge)
{
	const struct fact_manager *manager = &judge->facts->manager;
	struct finding *finding;

	if (!judge->tpm2->enable || !judge->tpm2->abrmd_enable) {
		if (manager->abrmd_runs)
			finding_add(judge->out, "abrmd", FINDING_INFO,
				    "tpm2-abrmd runs, and not by this configuration");
		return;
	}
	if (!manager->abrmd_installed) {
		finding = finding_add(judge->out, "abrmd", FINDING_FAIL, "there is no %s",
				      judge->tpm2->abrmd_package);
		finding_remedy(finding, "Install the package tpm2-abrmd, or name its program: "
					"tpm2 { abrmd { package } }.");
	} else if (manager->bus != TOOL_ANSWERED) {
		judge_tool(judge, "abrmd", manager->bus, "dbus");
	} else if (!manager->on_bus && !manager->abrmd_runs) {
		finding = finding_add(judge->out, "abrmd", FINDING_FAIL,
				      "tpm2-abrmd does not run: it is not on the bus");
		finding_remedy(finding, "As root: systemctl restart tpm2-abrmd; its log says why "
					"it ended.");
	} else if (!manager->on_bus) {
		finding = finding_add(judge->out, "abrmd", FINDING_FAIL,
				      "tpm2-abrmd runs, and is not on the bus: nobody reaches it");
		finding_remedy(finding, "Look at its log, and whether the bus has read "
					"/etc/dbus-1/system.d: systemctl reload dbus.");
	} else {
		finding_add(judge->out, "abrmd", FINDING_OK, "tpm2-abrmd runs, and is on the bus");
	}
}

void judge_manager(struct judge *judge)
{
	judge_interface(judge);
	judge_owner(judge);
	judge_abrmd(judge);
}

/* --- where the tools are sent --- */

static void judge_variable(struct judge *judge, const char *id, enum fact_variable which)
{
	const char *name = FACT_VARIABLE_NAMES[which], *seen = judge->facts->variables[which];
	struct finding *finding;
	char wanted[FACT_PATH_SIZE];

	if (!fact_tcti_wanted(judge->conf, wanted)) {
		if (seen[0])
			finding_add(judge->out, id, FINDING_INFO,
				    "%s is %.100s, not by this configuration", name, seen);
	} else if (!seen[0]) {
		finding = finding_add(judge->out, id, FINDING_WARN,
				      "%s is not set in this session: the program chooses its own "
				      "way",
				      name);
		finding_remedy(finding, "Log in again after holdfast tpm2 apply. What cron, sudo "
					"or a service starts sets it itself.");
	} else if (strcmp(seen, wanted) != 0) {
		finding = finding_add(judge->out, id, FINDING_WARN,
				      "%s is %.100s, and is to be %.100s", name, seen, wanted);
		finding_remedy(finding, "Log in again; else look in ~/.profile and "
					"/etc/environment who sets it.");
	} else {
		finding_add(judge->out, id, FINDING_OK, "%s is %.200s", name, seen);
	}
}

static void judge_answer(struct judge *judge)
{
	const struct fact_tcti *tcti = &judge->facts->tcti;
	const char *way = tcti->text[0] ? tcti->text : "the tools' own choice";
	struct finding *finding;

	switch (tcti->answer) {
	case TOOL_ANSWERED:
		finding_add(judge->out, "tcti", FINDING_OK, "a TPM answers by %.200s", way);
		return;
	case TOOL_ABSENT:
	case TOOL_NOT_RUN:
		judge_tool(judge, "tcti", tcti->answer, "tpm2-tools");
		return;
	case TOOL_LATE:
		finding = finding_add(judge->out, "tcti", FINDING_FAIL,
				      "no TPM answered in time by %.200s", way);
		break;
	default:
		finding = finding_add(judge->out, "tcti", FINDING_FAIL,
				      "no TPM answers by %.120s: %s", way,
				      tcti->said[0] ? tcti->said : "no reason is given");
	}
	finding_remedy(finding, "The findings above tell what is missing on the way: node, group, "
				"service. By hand: tpm2_getrandom 4 --hex");
}

void judge_tcti(struct judge *judge)
{
	judge_variable(judge, "tcti-tools", VARIABLE_TOOLS);
	judge_variable(judge, "tcti-pkcs11", VARIABLE_PKCS11);
	judge_variable(judge, "tcti-openssl", VARIABLE_OPENSSL);
	judge_answer(judge);
}
