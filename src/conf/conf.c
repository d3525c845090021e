/* SPDX-License-Identifier: Apache-2.0 */
/* The outside of the room, for holdfast.conf(5). */
#include "conf/conf.h"

#include "base/buf.h"
#include "conf/reader.h"
#include "conf/schema.h"
#include "conf/tenant.h"
#include "conf/text.h"
#include "conf/value.h"

int conf_default(struct conf **ret_conf, struct err *err)
{
	return conf_parse("", 0, "default", ret_conf, err);
}

/* The array is made at its full size with the first tenant and never moves. */
static int begin_tenant(void *base, const char *title, void **ret_titled, struct err *err)
{
	struct conf *conf = base;
	struct conf_tenant *tenant;
	int r;

	if (conf->tenant_count >= TENANT_COUNT_MAX)
		return err_set(err, ERR_INVALID, "too many tenants; allowed: %u", TENANT_COUNT_MAX);
	if (!conf->tenants)
		conf->tenants = calloc(TENANT_COUNT_MAX, sizeof(*conf->tenants));
	if (!conf->tenants)
		return err_set(err, ERR_INTERNAL, "memory is short");
	tenant = &conf->tenants[conf->tenant_count++];
	r = tenant_init(tenant, title, err);
	if (r == 0)
		*ret_titled = tenant;
	return r;
}

static int check_tenant(const void *titled, struct err *err)
{
	return conf_tenant_check(titled, err);
}

int conf_parse(const char *text, size_t len, const char *name, struct conf **ret_conf,
	       struct err *err)
{
	CLEANUP(conf_cleanup) struct conf *conf = NULL;
	struct reader_target target = {
		.schema = &SCHEMA_HOLDFAST, .begin = begin_tenant, .check = check_tenant};
	int r;

	if (len > TEXT_MAX)
		return err_set(err, ERR_INVALID, "%s:1: the file is too large; allowed: 1 MiB",
			       text_name(name));
	conf = calloc(1, sizeof(*conf));
	if (!conf)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = value_defaults(&SCHEMA_HOLDFAST, false, false, conf, err);
	if (r < 0)
		return r;
	target.base = conf;
	r = reader_run(&target, slice_of(text, len), text_name(name), err);
	if (r < 0)
		return r;
	*ret_conf = TAKE(conf);
	return 0;
}

int conf_load(const char *path, struct conf **ret_conf, struct err *err)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(TEXT_MAX + 1);
	int r;

	r = text_read(path, TEXT_ANY, &bytes, err);
	if (r < 0)
		return r;
	return conf_parse((const char *)bytes.data, bytes.len, path, ret_conf, err);
}

void conf_free(struct conf *conf)
{
	size_t i;

	if (!conf)
		return;
	for (i = 0; i < conf->tenant_count; i++)
		tenant_fini(&conf->tenants[i]);
	free(conf->tenants);
	value_clear_all(&SCHEMA_HOLDFAST, false, conf);
	free(conf);
}

int conf_provider_of_word(const char *word, enum conf_provider *ret_provider, struct err *err)
{
	uint32_t value;
	int r;

	r = value_word("provider", SCHEMA_PROVIDERS, word, &value, err);
	if (r < 0)
		return r;
	*ret_provider = (enum conf_provider)value;
	return 0;
}
