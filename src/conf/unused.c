/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the file says without any effect. A key counts as set when it is not the default: who writes
 * the default down expects nothing else than what happens.
 */
#include <stdio.h>

#include "conf/conf.h"
#include "conf/schema.h"

#define SHOWN_NAME_MAX 128u

void conf_unused_sections(const struct conf *conf, void (*visit)(void *arg, const char *section),
			  void *arg)
{
	unsigned id;

	for (id = 0; id < SCHEMA_SECTION_COUNT; id++)
		if (SCHEMA_SECTIONS[id].unused && (conf->sections & UINT32_C(1) << id))
			visit(arg, SCHEMA_SECTIONS[id].name);
}

static void visit_tenant(const struct conf_tenant *tenant,
			 void (*visit)(void *arg, const char *key), void *arg)
{
	static const char *const KEYS[] = {"broker", "allow", "deny", "sessions", "objects"};
	CLEANUP(conf_tenant_cleanup) struct conf_tenant *def = NULL;
	char name[SHOWN_NAME_MAX];
	struct err ignored;
	size_t i;

	/* It fails only for lack of memory; what is missed then is advice. */
	if (conf_tenant_default(tenant->name, &def, &ignored) < 0)
		return;
	for (i = 0; i < ARRAY_LEN(KEYS); i++) {
		if (conf_tenant_same(tenant, def, KEYS[i]))
			continue;
		(void)snprintf(name, sizeof(name), "tenant %s { %s }", tenant->name, KEYS[i]);
		visit(arg, name);
	}
}

void conf_unused_keys(const struct conf *conf, void (*visit)(void *arg, const char *key), void *arg)
{
	size_t i;

	for (i = 0; i < conf->tenant_count; i++)
		visit_tenant(&conf->tenants[i], visit, arg);
}
