/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of tenants. What it should be is worked out in full before anything is changed, with
 * all the memory that this takes; putting it in force cannot fail then, but for the sockets, each
 * of which is one tenant's own trouble.
 */
#include "cmd/holdfastd/tenants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/holdfastd/policy.h"
#include "cmd/holdfastd/share.h"
#include "cmd/holdfastd/tenants_impl.h"
#include "host/limits.h"
#include "service/metrics.h"

/* Descriptors for everything but the listeners and connections; of each connection, its own and one
 * that its request holds (the process that asks for its usage, the room of large data); and the
 * least of connections that is worth to start with. */
#define FILES_RESERVE	 128u
#define CONNECTION_FILES 2u
#define CONNECTIONS_MIN	 64u
#define RAW_FILES	 2u
#define OPENING		 "the tenant's data are being opened"

MEM_DEFINE_CLEANUP(tenants)

/* --- the served --- */

static void served_free(struct tenant *tenant)
{
	struct served *served = (struct served *)tenant;
	struct served **at = &served->tenants->living;

	metrics_remove_tenant(tenant);
	while (*at != served)
		at = &(*at)->next;
	*at = served->next;
	raw_forget(served->tenants->daemon->service, &served->st);
	change_left(served->tenants, tenant->name);
	free(served->peers);
	free(served);
}

/* Held once, by its entry. */
static struct served *served_new(struct tenants *tenants, const char *name)
{
	struct served *served = calloc(1, sizeof(*served));

	if (!served)
		return NULL;
	served->tenants = tenants;
	served->next = tenants->living;
	tenants->living = served;
	(void)snprintf(served->st.tenant.name, sizeof(served->st.tenant.name), "%s", name);
	served->st.tenant.free = served_free;
	(void)tenant_hold(&served->st.tenant);
	return served;
}

/* Until its id was read; where the state itself has a fault, the service refuses everything. */
static void served_starts(struct served *served)
{
	if (served->tenants->daemon->state.fault.code != 0)
		return;
	(void)err_set(&served->st.fault, ERR_STARTING, OPENING);
	served->st.fault.retry_after = 1;
}

static void served_begin(struct served *served)
{
	struct tenants *tenants = served->tenants;
	struct tenant *tenant = &served->st.tenant;

	metrics_add_tenant(tenant);
	if (strcmp(tenant->name, POLICY_HOST) == 0) {
		tenant->number = TENANT_NUMBER_HOST;
		served->st.owner = tenants->daemon->state.host;
		return;
	}
	tenant->number = tenants->next_number++;
	served_starts(served);
}

struct served *tenants_living(const struct tenants *tenants, const char *name)
{
	struct served *served = tenants->living;

	while (served && strcmp(served->st.tenant.name, name) != 0)
		served = served->next;
	return served;
}

void tenants_give_up(struct tenants *tenants, const char *name)
{
	struct served *served = tenants->living;

	while (served) {
		struct tenant *tenant = &served->st.tenant;

		if (served->given_up || strcmp(tenant->name, name) != 0) {
			served = served->next;
			continue;
		}
		served->given_up = tenant->over = true;
		(void)tenant_hold(tenant);
		raw_server_unlisten(tenants->daemon->raw, tenant, true);
		server_unlisten(tenants->daemon->server, tenant, true);
		tenant_drop(tenant);
		/* Whoever came after it may be gone with its connections. */
		served = tenants->living;
	}
}

/* --- finding --- */

static int compare_name(const void *name, const void *element)
{
	/* Both kinds of elements begin with their name. */
	return strcmp(name, *(const char *const *)element);
}

_Static_assert(offsetof(struct entry, name) == 0 && offsetof(struct kept, name) == 0,
	       "what is searched begins with its name");

void *tenants_search(void *elements, size_t count, const char *name)
{
	void **at = count > 0 ? bsearch(name, elements, count, sizeof(void *), compare_name) : NULL;

	return at ? *at : NULL;
}

struct entry *tenants_find(const struct tenants *tenants, const char *name)
{
	return tenants_search(tenants->entries, tenants->count, name);
}

/* --- what should be --- */

static void entry_free(struct entry *entry)
{
	conf_tenant_free(entry->own);
	if (entry->served)
		tenant_drop(&entry->served->st.tenant);
	free(entry);
}

/* An entry that is to be, and what putting it in force takes. */
struct plan {
	struct entry *entry;
	struct entry *old; /* of the same name; NULL = it is new */
	struct tenant_policy policy;
	uid_t *peers;
	bool changes;
};

struct plans {
	struct plan *list;
	size_t count;
	size_t room;
};

static void plans_fini(struct plans *plans)
{
	size_t i;

	for (i = 0; i < plans->count; i++) {
		free(plans->list[i].peers);
		if (plans->list[i].entry)
			entry_free(plans->list[i].entry);
	}
	free(plans->list);
}

static struct plan *add_plan(struct plans *plans, const char *name, struct err *err)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry || plans->count == plans->room) {
		free(entry);
		(void)err_set(err, ERR_INTERNAL, "memory is short");
		return NULL;
	}
	(void)snprintf(entry->name, sizeof(entry->name), "%s", name);
	plans->list[plans->count].entry = entry;
	return &plans->list[plans->count++];
}

/* Without a section the host has more connections than a container. */
static int host_default(struct conf_tenant **ret_host, struct err *err)
{
	int r = conf_tenant_default(POLICY_HOST, ret_host, err);

	if (r == 0)
		(*ret_host)->connections = POLICY_HOST_CONNECTIONS;
	return r;
}

static int plan_configured(struct plans *plans, struct conf *conf, struct err *err)
{
	bool host = conf_find_tenant(conf, POLICY_HOST) != NULL;
	struct plan *plan;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < conf->tenant_count; i++) {
		plan = add_plan(plans, conf->tenants[i].name, err);
		r = plan ? conf_tenant_take(&conf->tenants[i], &plan->entry->own, err) : err->code;
	}
	if (r == 0 && !host) {
		plan = add_plan(plans, POLICY_HOST, err);
		r = plan ? host_default(&plan->entry->own, err) : err->code;
	}
	for (i = 0; r == 0 && i < plans->count; i++)
		plans->list[i].entry->policy = plans->list[i].entry->own;
	return r;
}

static bool is_planned(const struct plans *plans, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(plans->list[i].entry->name, name) == 0)
			return true;
	return false;
}

static struct plan *plan_one_kept(struct plans *plans, const struct kept *kept, struct err *err)
{
	struct plan *plan = add_plan(plans, kept->name, err);

	if (!plan)
		return NULL;
	plan->entry->source = TENANTS_COMMAND;
	plan->entry->policy = kept->policy;
	plan->entry->fault = kept->fault;
	return plan;
}

static int plan_kept(const struct tenants *tenants, struct plans *plans, struct err *err)
{
	size_t configured = plans->count;
	size_t i;

	for (i = 0; i < tenants->kept_count; i++) {
		const struct kept *kept = tenants->kept[i];

		if (is_planned(plans, configured, kept->name)) {
			log_notice("tenant %s: the configuration counts, not what was added by "
				   "command",
				   kept->name);
			continue;
		}
		if (!plan_one_kept(plans, kept, err))
			return err->code;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct plan *)a)->entry->name, ((const struct plan *)b)->entry->name);
}

/* Everything that takes memory. */
static int prepare(struct tenants *tenants, struct plan *plan, struct err *err)
{
	struct entry *entry = plan->entry;
	int r;

	plan->old = tenants_find(tenants, entry->name);
	if (!entry->policy)
		return 0;
	r = policy_of(entry->policy, &plan->policy, &plan->peers, err);
	if (r < 0)
		return r;
	plan->changes = plan->old && (!plan->old->policy || plan->old->source != entry->source ||
				      !conf_tenant_same(plan->old->policy, entry->policy, NULL));
	if (!plan->old || !plan->old->served)
		entry->served = served_new(tenants, entry->name);
	if ((!plan->old || !plan->old->served) && !entry->served)
		return err_set(err, ERR_INTERNAL, "memory is short");
	return 0;
}

/* Each tenant takes a descriptor, or three with raw commands; what is left is for connections. */
static int check_room(const struct tenants *tenants, size_t count, size_t with_raw, struct err *err)
{
	unsigned files = limits_files();
	unsigned own = (unsigned)count + RAW_FILES * (unsigned)with_raw;
	unsigned needed = FILES_RESERVE + CONNECTION_FILES * CONNECTIONS_MIN + own;
	unsigned left;

	if (count > TENANTS_MAX)
		return err_set(err, ERR_QUOTA, "there may be %u tenants beside the host",
			       TENANTS_MAX);
	if (files < needed) {
		(void)err_set(err, ERR_QUOTA,
			      "%zu tenants take %u descriptors, and this process may have %u",
			      count, needed, files);
		return err_add_remedy(err, "Raise the limit of open files of the service "
					   "(LimitNOFILE= of its unit), then start it again.");
	}
	left = (files - FILES_RESERVE - own) / CONNECTION_FILES;
	if (tenants->daemon->server)
		server_set_connections(tenants->daemon->server, left < SERVER_CONNECTIONS_MAX
									? left
									: SERVER_CONNECTIONS_MAX);
	return 0;
}

static int make_plans(struct tenants *tenants, struct conf *conf, struct plans *plans,
		      struct err *err)
{
	size_t i, with_raw = 0;
	int r;

	plans->room = conf->tenant_count + 1 + tenants->kept_count;
	plans->list = calloc(plans->room, sizeof(*plans->list));
	if (!plans->list)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = plan_configured(plans, conf, err);
	if (r == 0)
		r = plan_kept(tenants, plans, err);
	if (r == 0)
		qsort(plans->list, plans->count, sizeof(*plans->list), by_name);
	for (i = 0; r == 0 && i < plans->count; i++) {
		r = prepare(tenants, &plans->list[i], err);
		with_raw += r == 0 && plans->list[i].policy.raw.set != SET_NONE;
	}
	return r < 0 ? r : check_room(tenants, plans->count - 1, with_raw, err);
}

/* --- putting it in force --- */

static bool is_host(const struct entry *entry)
{
	return strcmp(entry->name, POLICY_HOST) == 0;
}

/* Software answers no TPM command; while nobody knows they wait. */
bool tenants_takes_raw(const struct tenants *tenants, const struct entry *entry)
{
	const struct provider *p = tenants->daemon->service->provider;

	return entry->served && entry->served->st.tenant.raw.set != SET_NONE &&
	       (!p || p->ops->on_chip);
}

/* What is amiss with these sockets is no reason not to serve the tenant. */
static void listen_for_raw(struct tenants *tenants, const struct entry *entry)
{
	struct daemon *daemon = tenants->daemon;
	struct tenant *tenant = entry->served ? &entry->served->st.tenant : NULL;
	struct err err;

	if (!daemon->raw || !tenant)
		return;
	if (!tenants_takes_raw(tenants, entry)) {
		raw_server_unlisten(daemon->raw, tenant, false);
		share_forget(tenants, entry->name);
	} else if (raw_server_listen(daemon->raw, daemon->conf->run_dir,
				     is_host(entry) ? RAW_RUN : RAW_TENANT, tenant, &err) < 0) {
		log_err(LOG_LEVEL_WARNING, &err, "tenant %s has no tpm.sock", entry->name);
	}
}

void tenants_listen_raw(struct tenants *tenants)
{
	size_t i;

	for (i = 0; i < tenants->count; i++)
		listen_for_raw(tenants, tenants->entries[i]);
	share_refresh(tenants);
}

/* The host's socket is made by the start, and there is no daemon without. */
static void listen_for(struct tenants *tenants, struct entry *entry)
{
	struct daemon *daemon = tenants->daemon;

	if (!daemon->server || !entry->served || is_host(entry) ||
	    server_listens(daemon->server, &entry->served->st.tenant))
		return;
	entry->fault.code = 0;
	if (server_listen_tenant(daemon->server, daemon->conf->run_dir, &entry->served->st.tenant,
				 &entry->fault) < 0)
		log_err(LOG_LEVEL_WARNING, &entry->fault, "tenant %s is not served", entry->name);
	else
		entry->fault = (struct err){.code = 0};
}

/* Nothing begins any more; requests at work are finished, or with @at_once given up. */
static void retire(struct tenants *tenants, struct entry *entry, bool at_once)
{
	if (entry->served) {
		entry->served->st.tenant.over = true;
		if (tenants->daemon->raw)
			raw_server_unlisten(tenants->daemon->raw, &entry->served->st.tenant,
					    at_once);
		if (tenants->daemon->server)
			server_unlisten(tenants->daemon->server, &entry->served->st.tenant,
					at_once);
	}
	entry_free(entry);
}

/* What was counted and what is open goes on; what failed is tried again. */
static void take_over(struct plan *plan)
{
	struct entry *entry = plan->entry;
	struct served *served = entry->served;

	if (plan->old && plan->old->served && entry->policy) {
		served = entry->served = TAKE(plan->old->served);
		entry->fault = plan->old->fault;
		if (served->st.fault.code != 0)
			served_starts(served);
	} else if (served) {
		served_begin(served);
	}
	if (!served)
		return;
	tenant_set_policy(&served->st.tenant, &plan->policy);
	free(served->peers);
	served->peers = TAKE(plan->peers);
}

/* A policy that cannot be read any more: the kept ones are only read at the start. */
static void report_unreadable(const struct entry *entry)
{
	if (!entry->policy)
		log_err(LOG_LEVEL_WARNING, &entry->fault, "tenant %s is not served", entry->name);
}

static void put_in_force(struct tenants *tenants, struct plans *plans, struct entry **entries,
			 struct service_reloaded *ret_counts)
{
	size_t i, had = tenants->count;
	struct entry **old = tenants->entries;

	for (i = 0; i < plans->count; i++) {
		take_over(&plans->list[i]);
		ret_counts->added += !plans->list[i].old && !is_host(plans->list[i].entry);
		ret_counts->changed += plans->list[i].changes;
		if (plans->list[i].old)
			plans->list[i].old->name[0] = '\0';
		entries[i] = TAKE(plans->list[i].entry);
	}
	tenants->entries = entries;
	tenants->count = plans->count;
	for (i = 0; i < had; i++) {
		ret_counts->removed += old[i]->name[0] != '\0';
		retire(tenants, old[i], false);
	}
	free(old);
	for (i = 0; i < plans->count; i++) {
		listen_for(tenants, entries[i]);
		listen_for_raw(tenants, entries[i]);
		report_unreadable(entries[i]);
	}
	share_refresh(tenants);
}

static size_t count_raw(const struct tenants *tenants)
{
	size_t i, count = 0;

	for (i = 0; i < tenants->count; i++)
		count += tenants->entries[i]->served &&
			 tenants->entries[i]->served->st.tenant.raw.set != SET_NONE;
	return count;
}

int tenants_apply(struct tenants *tenants, struct conf *conf, struct service_reloaded *ret_counts,
		  struct err *err)
{
	CLEANUP(plans_fini) struct plans plans = {.count = 0};
	struct service_reloaded counts = {.added = 0};
	struct entry **entries;
	int r = make_plans(tenants, conf, &plans, err);

	if (r < 0)
		return r;
	entries = calloc(plans.count, sizeof(struct entry *));
	if (!entries)
		return err_set(err, ERR_INTERNAL, "memory is short");
	put_in_force(tenants, &plans, entries, &counts);
	*ret_counts = counts;
	return 0;
}

int tenants_add_entry(struct tenants *tenants, const char *name, struct err *err)
{
	CLEANUP(plans_fini) struct plans plans = {.room = 1};
	struct entry **entries;
	struct plan *plan;
	size_t i, before = 0;
	int r;

	plans.list = calloc(1, sizeof(*plans.list));
	entries = calloc(tenants->count + 1, sizeof(struct entry *));
	plan = plans.list && entries ? plan_one_kept(&plans, kept_find(tenants, name), err) : NULL;
	r = plan ? prepare(tenants, plan, err) : err_set(err, ERR_INTERNAL, "memory is short");
	if (r == 0)
		r = check_room(tenants, tenants->count,
			       count_raw(tenants) + (plan->policy.raw.set != SET_NONE), err);
	if (r < 0) {
		free(entries);
		return r;
	}
	while (before < tenants->count && strcmp(tenants->entries[before]->name, name) < 0)
		before++;
	for (i = 0; i < tenants->count; i++)
		entries[i < before ? i : i + 1] = tenants->entries[i];
	take_over(plan);
	entries[before] = TAKE(plan->entry);
	free(tenants->entries);
	tenants->entries = entries;
	tenants->count++;
	listen_for(tenants, entries[before]);
	listen_for_raw(tenants, entries[before]);
	share_refresh(tenants);
	return 0;
}

void tenants_remove_entry(struct tenants *tenants, const char *name)
{
	struct entry *entry = tenants_find(tenants, name);
	size_t i = 0;

	if (!entry)
		return;
	while (tenants->entries[i] != entry)
		i++;
	tenants->count--;
	memmove(&tenants->entries[i], &tenants->entries[i + 1],
		(tenants->count - i) * sizeof(struct entry *));
	retire(tenants, entry, true);
}

void tenants_opened(struct tenants *tenants, const char *name, const struct keystore_tenant *owner,
		    const struct err *fault)
{
	struct entry *entry = tenants_find(tenants, name);

	if (!entry || !entry->served)
		return;
	if (owner) {
		entry->served->st.owner = *owner;
		entry->served->st.fault = (struct err){.code = 0};
		raw_resume(tenants->daemon->service);
		return;
	}
	entry->served->st.fault = *fault;
	raw_resume(tenants->daemon->service);
	log_err(LOG_LEVEL_WARNING, fault, "tenant %s cannot use its data", name);
}

/* --- life --- */

/* Takes the tenants out of the daemon's configuration, where nothing else uses them. */
int tenants_new(struct daemon *daemon, struct tenants **ret_tenants, struct err *err)
{
	CLEANUP(tenants_cleanup) struct tenants *tenants = calloc(1, sizeof(*tenants));
	struct service_reloaded ignored;
	int r;

	if (!tenants)
		return err_set(err, ERR_INTERNAL, "memory is short");
	tenants->daemon = daemon;
	tenants->next_number = TENANT_NUMBER_FIRST;
	change_init(tenants);
	r = kept_read_all(tenants, err);
	if (r == 0)
		r = tenants_apply(tenants, daemon->conf, &ignored, err);
	if (r < 0)
		return r;
	*ret_tenants = TAKE(tenants);
	return 0;
}

struct tenant *tenants_host(struct tenants *tenants)
{
	return &tenants_find(tenants, POLICY_HOST)->served->st.tenant;
}

int tenants_listen(struct tenants *tenants, struct err *err)
{
	size_t i;
	int r = check_room(tenants, tenants->count - 1, count_raw(tenants), err);

	for (i = 0; r == 0 && i < tenants->count; i++)
		listen_for(tenants, tenants->entries[i]);
	if (r == 0)
		tenants_listen_raw(tenants);
	return r;
}

void tenants_start(struct tenants *tenants)
{
	struct err err;

	if (change_open(tenants, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "opening the tenants' data");
}

/* What came of it is logged there. */
void tenants_reload(struct tenants *tenants)
{
	struct err err;

	if (change_reload(tenants, NULL, NULL, &err) < 0)
		log_err(LOG_LEVEL_ERROR, &err, "reload");
}

void tenants_stop(struct tenants *tenants)
{
	if (tenants)
		change_stop(tenants);
}

void tenants_free(struct tenants *tenants)
{
	size_t i;

	if (!tenants)
		return;
	change_stop(tenants);
	for (i = 0; i < tenants->count; i++)
		entry_free(tenants->entries[i]);
	free(tenants->entries);
	kept_forget_all(tenants);
	free(tenants);
}
