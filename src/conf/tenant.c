/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tenant by itself: the same keys, checks and texts as in the file, for those that come from
 * elsewhere; and whether two configurations say the same.
 */
#include <string.h>

#include "conf/conf.h"
#include "conf/reader.h"
#include "conf/schema.h"
#include "conf/value.h"

#define ADMIN "admin"
#define HOST  "host"

int conf_tenant_default(const char *name, struct conf_tenant **ret_tenant, struct err *err)
{
	CLEANUP(conf_tenant_cleanup) struct conf_tenant *tenant = NULL;
	int r;

	tenant = calloc(1, sizeof(*tenant));
	if (!tenant)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = reader_tenant_init(tenant, name, err);
	if (r < 0)
		return r;
	*ret_tenant = TAKE(tenant);
	return 0;
}

void conf_tenant_free(struct conf_tenant *tenant)
{
	if (!tenant)
		return;
	reader_tenant_fini(tenant);
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
	size_t count, i;
	const struct schema_field *fields = schema_fields(&count);

	for (i = 0; i < count; i++)
		if (fields[i].section == SCHEMA_TENANT && strcmp(fields[i].key, key) == 0)
			return &fields[i];
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

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
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

static bool same_value(const struct schema_field *field, const void *a, const void *b)
{
	const void *x = (const char *)a + field->offset;
	const void *y = (const char *)b + field->offset;

	switch (field->kind) {
	case SCHEMA_TEXT:
		return same_text(*(char *const *)x, *(char *const *)y);
	case SCHEMA_LIST:
		return same_list(x, y);
	case SCHEMA_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case SCHEMA_U64:
		return *(const uint64_t *)x == *(const uint64_t *)y;
	case SCHEMA_TRISTATE:
	case SCHEMA_UINT:
	case SCHEMA_HANDLE:
	case SCHEMA_ENUM:
	case SCHEMA_SET:
		break;
	}
	return *(const uint32_t *)x == *(const uint32_t *)y;
}

bool conf_tenant_same(const struct conf_tenant *a, const struct conf_tenant *b, const char *key)
{
	size_t count, i;
	const struct schema_field *fields = schema_fields(&count);

	for (i = 0; i < count; i++)
		if (fields[i].section == SCHEMA_TENANT &&
		    (!key || strcmp(fields[i].key, key) == 0) && !same_value(&fields[i], a, b))
			return false;
	return true;
}

const char *conf_differs(const struct conf *a, const struct conf *b)
{
	size_t count, i;
	const struct schema_field *fields = schema_fields(&count);

	for (i = 0; i < count; i++)
		if (fields[i].section != SCHEMA_TENANT && !same_value(&fields[i], a, b))
			return fields[i].key;
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
