/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the file says without any effect. A key counts as set when it is not the default: who writes
 * the default down expects nothing else than what happens.
 */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/schema.h"

#define HOST	       "host"
#define SHOWN_NAME_MAX 96u

/* Of the tenants, `host` has an effect. */
static void visit_tenants(const struct conf *conf, void (*visit)(void *arg, const char *section),
			  void *arg)
{
	char name[SHOWN_NAME_MAX];
	size_t i;

	for (i = 0; i < conf->tenant_count; i++) {
		if (strcmp(conf->tenants[i].name, HOST) == 0)
			continue;
		(void)snprintf(name, sizeof(name), "tenant %s", conf->tenants[i].name);
		visit(arg, name);
	}
}

void conf_unused_sections(const struct conf *conf, void (*visit)(void *arg, const char *section),
			  void *arg)
{
	unsigned id;

	for (id = 0; id < SCHEMA_SECTION_COUNT; id++) {
		if (!SCHEMA_SECTIONS[id].unused || !(conf->sections & UINT32_C(1) << id))
			continue;
		if (id == SCHEMA_TENANT)
			visit_tenants(conf, visit, arg);
		else
			visit(arg, SCHEMA_SECTIONS[id].name);
	}
}

static bool same_list(const struct conf_list *a, const struct conf_list *b)
{
	size_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

struct unused_key {
	const char *name;
	bool same;
};

static void visit_changed(const char *section, const struct unused_key *keys, size_t count,
			  void (*visit)(void *arg, const char *key), void *arg)
{
	char name[SHOWN_NAME_MAX];
	size_t i;

	for (i = 0; i < count; i++) {
		if (keys[i].same)
			continue;
		(void)snprintf(name, sizeof(name), "%s { %s }", section, keys[i].name);
		visit(arg, name);
	}
}

static void visit_host(const struct conf_tenant *host, const struct conf_tenant *def,
		       void (*visit)(void *arg, const char *key), void *arg)
{
	const struct unused_key keys[] = {
		{"broker", host->broker == def->broker},
		{"allow", same_list(&host->allow, &def->allow)},
		{"deny", same_list(&host->deny, &def->deny)},
		{"keys", host->keys == def->keys},
		{"stored", host->stored == def->stored},
		{"sessions", host->sessions == def->sessions},
		{"objects", host->objects == def->objects},
		{"cgroup", strcmp(host->cgroup, def->cgroup) == 0},
	};

	visit_changed("tenant " HOST, keys, ARRAY_LEN(keys), visit, arg);
}

void conf_unused_keys(const struct conf *conf, void (*visit)(void *arg, const char *key), void *arg)
{
	const struct unused_key tpm[] = {
		{"endorsement_auth_file", conf->tpm.endorsement_auth_file[0] == '\0'},
	};
	CLEANUP(conf_tenant_cleanup) struct conf_tenant *def = NULL;
	struct err ignored;
	size_t i;

	visit_changed("tpm", tpm, ARRAY_LEN(tpm), visit, arg);
	/* It fails only for lack of memory; what is missed then is advice. */
	if (conf_tenant_default(HOST, &def, &ignored) < 0)
		return;
	for (i = 0; i < conf->tenant_count; i++)
		if (strcmp(conf->tenants[i].name, HOST) == 0)
			visit_host(&conf->tenants[i], def, visit, arg);
}
