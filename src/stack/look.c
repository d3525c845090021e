/* SPDX-License-Identifier: Apache-2.0 */
/* The thin edge of the check: where it looks, in the order in which one thing needs the other. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "conf/conf.h"
#include "stack/check.h"
#include "stack/look.h"
#include "stack/render_impl.h"

#define PKCS11_STORE "/etc/tpm2_pkcs11"
#define TOOLS_MS     20000u /* for all tools together */

static void copy_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
}

static void look_at_group(const char *name, struct fact_group *group)
{
	gid_t gid;

	group->exists = name[0] && account_group_id(name, &gid);
	if (!group->exists)
		return;
	group->in_session = account_session_in(gid);
	group->in_account = account_user_in(gid);
}

static void look_at_variables(const struct conf *conf, struct stack_facts *facts)
{
	size_t i;

	for (i = 0; i < FACT_VARIABLES; i++)
		copy_text(facts->variables[i], sizeof(facts->variables[i]),
			  getenv(FACT_VARIABLE_NAMES[i]));
	/* root runs nothing by what somebody else may have put there: a TCTI can be a command. */
	if (!fact_tcti_wanted(conf, facts->tcti.text) && !facts->root)
		copy_text(facts->tcti.text, sizeof(facts->tcti.text),
			  facts->variables[VARIABLE_TOOLS]);
}

static void look_at_fapi(const struct conf *conf, struct stack_facts *facts)
{
	const struct conf_fapi_profile *fapi = &conf->tpm2.fapi;
	char path[2 * FACT_PATH_SIZE];

	if (snprintf(path, sizeof(path), "%s/%s.json", fapi->profile_dir, fapi->profile_name) <
	    (int)sizeof(path))
		facts->profile = look_at_presence(path);
	if (snprintf(path, sizeof(path), "%s/%s/HS/SRK/object.json", fapi->system_dir,
		     fapi->profile_name) < (int)sizeof(path))
		facts->keystore = look_at_presence(path);
	look_at_node(fapi->system_dir, S_IFDIR, &facts->system_dir);
	look_at_node(fapi->log_dir, S_IFDIR, &facts->log_dir);
}

/* --- what the service says --- */

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static void look_at_service(const json_t *status, struct fact_service *service)
{
	const json_t *tpm = json_object_get(status, "tpm"), *ek = json_object_get(tpm, "ek");
	json_int_t handle = json_integer_value(json_object_get(ek, "handle"));

	service->known = json_is_object(status);
	service->on_chip = strcmp(text_of(status, "provider"), "tpm") == 0;
	copy_text(service->tcti, sizeof(service->tcti), text_of(tpm, "tcti"));
	if (!json_is_object(ek) || handle <= 0 || handle > UINT32_MAX)
		return;
	service->ek_known = true;
	service->ek_handle = (uint32_t)handle;
	copy_text(service->ek_name, sizeof(service->ek_name), text_of(ek, "name"));
}

struct stack_facts *stack_look(const struct conf *conf, const struct stack_tree *tree,
			       const struct json_t *status)
{
	struct stack_facts *facts = calloc(1, sizeof(*facts));
	struct fact_node program;

	if (!facts)
		return NULL;
	look_at_files("", tree, facts->files, &facts->ledger);
	facts->root = geteuid() == 0;
	facts->user_exists = account_user_exists(render_user(&conf->tpm2));
	facts->abrmd_user_exists = account_user_exists(render_abrmd_user(&conf->tpm2));
	look_at_group(conf->tpm2.tss_group, &facts->tss);
	look_at_group(RENDER_OWN_GROUP, &facts->holdfast);
	look_at_node("/dev/tpm0", S_IFCHR, &facts->nodes[0]);
	look_at_node("/dev/tpmrm0", S_IFCHR, &facts->nodes[1]);
	look_at_variables(conf, facts);
	look_at_fapi(conf, facts);
	look_at_node(PKCS11_STORE, S_IFDIR, &facts->p11_store);
	look_at_service(status, &facts->service);
	look_at_node(conf->tpm2.abrmd_package, S_IFREG, &program);
	facts->manager.abrmd_installed = program.right_kind && (program.mode & 0111u);
	look_by_tools(conf, TOOLS_MS, facts);
	look_at_processes("/proc", facts->nodes, &facts->manager);
	return facts;
}

void stack_facts_free(struct stack_facts *facts)
{
	free(facts);
}
