/* SPDX-License-Identifier: Apache-2.0 */
/* The table of tenants as the administrator's routes see it. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "cmd/holdfastd/policy.h"
#include "cmd/holdfastd/tenants_impl.h"

static void put_names(void *arg, struct buf *ret_names)
{
	const struct tenants *tenants = arg;
	size_t i;

	for (i = 0; i < tenants->count; i++)
		buf_put(ret_names,
			slice_of(tenants->entries[i]->name, strlen(tenants->entries[i]->name) + 1));
}

static bool is_served(void *arg, const char *name)
{
	return tenants_find(arg, name) != NULL;
}

/* Why it is not served, or not yet; or null. */
static json_t *fault_json(const struct entry *entry)
{
	if (entry->fault.code != 0)
		return json_string(entry->fault.text);
	if (entry->served && entry->served->st.fault.code != 0)
		return json_string(entry->served->st.fault.text);
	return json_null();
}

static json_t *folder_json(const struct tenants *tenants, const struct entry *entry)
{
	const char *run = tenants->daemon->conf->run_dir;

	return strcmp(entry->name, POLICY_HOST) == 0
		       ? json_string(run)
		       : json_sprintf("%s/" SERVER_TENANTS "/%s", run, entry->name);
}

/* As one that has no rights, no limits and no connections. */
static bool describe_nothing(json_t *object)
{
	static char none[] = "";
	const struct conf_tenant nothing = {.cgroup = none};

	return policy_describe(&nothing, object);
}

static bool describe_whole(const struct entry *entry, json_t *object)
{
	const struct tenant *tenant = entry && entry->served ? &entry->served->st.tenant : NULL;
	bool good = entry && entry->policy ? policy_describe(entry->policy, object)
					   : describe_nothing(object);

	return good && json_object_set_new(
			       object, "connections",
			       json_pack("{s:I, s:I}", "open",
					 (json_int_t)(tenant ? tenant->connections : 0), "limit",
					 (json_int_t)(tenant ? tenant->connections_max : 0))) == 0;
}

static struct json_t *describe(void *arg, const char *name, bool whole)
{
	static const char *const SOURCES[] = {
		[TENANTS_CONFIGURATION] = "configuration", [TENANTS_COMMAND] = "command"};
	const struct entry *entry = tenants_find(arg, name);
	json_t *object = json_pack("{s:s, s:s, s:o, s:o}", "name", name, "source",
				   entry ? SOURCES[entry->source] : "none", "folder",
				   entry ? folder_json(arg, entry) : json_null(), "fault",
				   entry ? fault_json(entry) : json_null());

	if (!object || !whole || describe_whole(entry, object))
		return object;
	json_free(object);
	return NULL;
}

struct service_tenants tenants_admin(struct tenants *tenants)
{
	return (struct service_tenants){
		.names = put_names,
		.describe = describe,
		.is_served = is_served,
		.add = change_add,
		.remove = change_remove,
		.reload = change_reload,
		.arg = tenants,
	};
}
