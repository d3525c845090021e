/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tenant by itself: the same keys, checks and texts as in the file, for those that come from
 * elsewhere; and whether two configurations say the same.
 */
#include <string.h>

#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/tenant.h"
#include "conf/value.h"

#define ADMIN "admin"
#define HOST  "host"

int tenant_init(struct conf_tenant *tenant, const char *name, struct err *err)
{
	int r;

	r = conf_tenant_name(name, err);
	if (r < 0)
		return r;
	tenant->name = strdup(name);
	if (!tenant->name)
		return err_set(err, ERR_INTERNAL, "memory is short");
	return value_defaults(&SCHEMA_HOLDFAST, true, strcmp(name, HOST) == 0, tenant, err);
}

void tenant_fini(struct conf_tenant *tenant)
{
	value_clear_all(&SCHEMA_HOLDFAST, true, tenant);
	free(tenant->name);
	*tenant = (struct conf_tenant){0};
}

int conf_tenant_default(const char *name, struct conf_tenant **ret_tenant, struct err *err)
{
	CLEANUP(conf_tenant_cleanup) struct conf_tenant *tenant = NULL;
	int r;

	tenant = calloc(1, sizeof(*tenant));
	if (!tenant)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = tenant_init(tenant, name, err);
	if (r < 0)
		return r;
	*ret_tenant = TAKE(tenant);
	return 0;
}

void conf_tenant_free(struct conf_tenant *tenant)
{
	if (!tenant)
		return;
	tenant_fini(tenant);
	free(tenant);
}

int conf_tenant_name(const char *name, struct err *err)
{
	int r = value_check("the name of a tenant", &SCHEMA_TENANT_NAME, name, err);

	if (r == 0 && strcmp(name, ADMIN) == 0)
		r = err_set(
			err, ERR_INVALID,
			"the name admin is not allowed for a tenant: it is the administrator's");
	return r;
}

/* The set `provision` opens a command to the whole chip. */
int conf_tenant_check(const struct conf_tenant *tenant, struct err *err)
{
	if (tenant->broker != SET_PROVISION || strcmp(tenant->name, HOST) == 0)
		return 0;
	return err_set(err, ERR_INVALID,
		       "broker = \"provision\" is for tenant host only; allowed: "
		       "none, read-only, standard, full");
}

static const struct schema_field *field_of(const char *key)
{
	const struct schema *schema = &SCHEMA_HOLDFAST;
	size_t i;

	for (i = 0; i < schema->field_count; i++)
		if (schema->fields[i].section == SCHEMA_TENANT &&
		    strcmp(schema->fields[i].key, key) == 0)
			return &schema->fields[i];
	return NULL;
}

int conf_tenant_set(struct conf_tenant *tenant, const char *key, const char *text, struct err *err)
{
	const struct schema_field *field = field_of(key);
	int r;

	if (!field)
		return err_set(err, ERR_INVALID, "a tenant has no key %.40s", key);
	r = value_store(field, tenant, text, err);
	return r < 0 ? r : conf_tenant_check(tenant, err);
}

void conf_tenant_empty(struct conf_tenant *tenant, const char *key)
{
	const struct schema_field *field = field_of(key);

	if (field && schema_is_list(field))
		value_clear(field, tenant);
}

const char *conf_operation_word(enum conf_operation operation)
{
	const struct schema_word *word = field_of("operations")->words;

	while (word->word && word->value != (uint32_t)operation)
		word++;
	return word->word;
}

/* --- the same? --- */

bool conf_tenant_same(const struct conf_tenant *a, const struct conf_tenant *b, const char *key)
{
	const struct schema *schema = &SCHEMA_HOLDFAST;
	size_t i;

	for (i = 0; i < schema->field_count; i++)
		if (schema->fields[i].section == SCHEMA_TENANT &&
		    (!key || strcmp(schema->fields[i].key, key) == 0) &&
		    !value_same(&schema->fields[i], a, b))
			return false;
	return true;
}

const char *conf_differs(const struct conf *a, const struct conf *b)
{
	const struct schema *schema = &SCHEMA_HOLDFAST;
	size_t i;

	for (i = 0; i < schema->field_count; i++)
		if (schema->fields[i].section != SCHEMA_TENANT &&
		    !value_same(&schema->fields[i], a, b))
			return schema->fields[i].key;
	return NULL;
}

/* --- parts of a whole configuration --- */

struct conf_tenant *conf_find_tenant(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->tenant_count; i++)
		if (conf->tenants[i].name && strcmp(conf->tenants[i].name, name) == 0)
			return &conf->tenants[i];
	return NULL;
}

int conf_tenant_take(struct conf_tenant *from, struct conf_tenant **ret_tenant, struct err *err)
{
	struct conf_tenant *tenant = malloc(sizeof(*tenant));

	if (!tenant)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*tenant = *from;
	*from = (struct conf_tenant){0};
	*ret_tenant = tenant;
	return 0;
}
