/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants that were added by command, as the state folder keeps them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/holdfastd/policy.h"
#include "cmd/holdfastd/share.h"
#include "cmd/holdfastd/tenants_impl.h"

#define NAMES_MAX (4u * 1024u * 1024u)

struct kept *kept_find(const struct tenants *tenants, const char *name)
{
	return tenants_search(tenants->kept, tenants->kept_count, name);
}

static void kept_free(struct kept *kept)
{
	conf_tenant_free(kept->policy);
	free(kept);
}

/* An array with room for one more, the new one in its place. */
static int insert_kept(struct tenants *tenants, struct kept *kept, struct err *err)
{
	struct kept **list = calloc(tenants->kept_count + 1, sizeof(struct kept *));
	size_t before = 0;
	size_t i;

	if (!list)
		return err_set(err, ERR_INTERNAL, "memory is short");
	while (before < tenants->kept_count && strcmp(tenants->kept[before]->name, kept->name) < 0)
		before++;
	for (i = 0; i < tenants->kept_count; i++)
		list[i < before ? i : i + 1] = tenants->kept[i];
	list[before] = kept;
	free(tenants->kept);
	tenants->kept = list;
	tenants->kept_count++;
	return 0;
}

static int keep(struct tenants *tenants, const char *name, struct conf_tenant *policy,
		const struct err *fault, struct err *err)
{
	struct kept *kept = calloc(1, sizeof(*kept));
	int r;

	if (!kept)
		return err_set(err, ERR_INTERNAL, "memory is short");
	(void)snprintf(kept->name, sizeof(kept->name), "%s", name);
	if (fault)
		kept->fault = *fault;
	r = insert_kept(tenants, kept, err);
	if (r < 0) {
		free(kept);
		return r;
	}
	kept->policy = policy;
	return 0;
}

int kept_add(struct tenants *tenants, const char *name, struct conf_tenant *policy, struct err *err)
{
	return keep(tenants, name, policy, NULL, err);
}

void kept_remove(struct tenants *tenants, const char *name)
{
	size_t i = 0;

	while (i < tenants->kept_count && strcmp(tenants->kept[i]->name, name) != 0)
		i++;
	if (i == tenants->kept_count)
		return;
	kept_free(tenants->kept[i]);
	tenants->kept_count--;
	memmove(&tenants->kept[i], &tenants->kept[i + 1],
		(tenants->kept_count - i) * sizeof(struct kept *));
}

/* One that cannot be read is no reason not to serve the others, and none to forget it. */
static int read_kept(struct tenants *tenants, const char *name, struct err *err)
{
	CLEANUP(conf_tenant_cleanup) struct conf_tenant *policy = NULL;
	CLEANUP(secret_cleanup) struct secret *text = NULL;
	struct err fault;
	int r = store_twin_read(tenants->daemon->state.store, name, TENANTS_POLICY, &text, &fault);

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0)
		r = policy_parse(name, secret_slice(text), &policy, &fault);
	if (r < 0)
		(void)err_add_remedy(&fault, "Restore the file `policy` in the tenant's folder of "
					     "the state folder from a backup, or remove the "
					     "tenant.");
	r = keep(tenants, name, policy, r < 0 ? &fault : NULL, err);
	if (r == 0)
		policy = NULL;
	return r;
}

int kept_read_all(struct tenants *tenants, struct err *err)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(NAMES_MAX);
	const char *name, *end;
	int r = store_tenants(tenants->daemon->state.store, &names, err);

	name = (const char *)names.data;
	end = name ? name + names.len : NULL;
	for (; r == 0 && name < end; name += strlen(name) + 1)
		r = read_kept(tenants, name, err);
	return r;
}

int tenants_forget_folder(struct tenants *tenants, const char *name, struct err *err)
{
	share_forget(tenants, name);
	return server_remove_folder(tenants->daemon->server, tenants->daemon->conf->run_dir, name,
				    err);
}

void tenants_forget_folders(struct tenants *tenants)
{
	struct err err;
	size_t i;

	for (i = 0; i < tenants->kept_count; i++)
		if (tenants_forget_folder(tenants, tenants->kept[i]->name, &err) < 0)
			log_err(LOG_LEVEL_WARNING, &err, "tenant %s", tenants->kept[i]->name);
}

void kept_forget_all(struct tenants *tenants)
{
	size_t i;

	for (i = 0; i < tenants->kept_count; i++)
		kept_free(tenants->kept[i]);
	free(tenants->kept);
}
