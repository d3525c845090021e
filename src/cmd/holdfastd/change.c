/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the table changes: one change after the other, each in turns of loop and pool.
 *
 *   open     for each tenant that is STARTING: read its id, or make it (pool)
 *   reload   read the file (pool)  >  put it in force  >  open
 *   add      give up what is left of that name, and wait until nothing is  >  listen  >  write its
 *            policy, make its id (pool)
 *   remove   listen no more, end its connections  >  wait until nothing of that name is left  >
 *            move its data away (pool), which is the moment that counts  >  delete them (pool)
 *
 * What is left of a name are all that were ever served by it and are held: also one whose section
 * is gone, whose requests are still at work, or one whose removal was given up. A late operation of
 * theirs makes folders anew.
 *
 * Cut off by a kill, an addition has happened when its policy is there, and a removal when the data
 * were moved: what remains to be done is done at the next start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/holdfastd/policy.h"
#include "cmd/holdfastd/tenants_impl.h"

/* A chip may look for the primes of an RSA key for so long. */
#define PATIENCE_US 150000000u
#define SILENCE_US  5000000u /* .. of which the log tells after this */
#define NAMES_MAX   (4u * 1024u * 1024u)

struct change {
	struct tenants *tenants;
	struct change *next;
	char name[STORE_TENANT_MAX + 1];
	void (*begin)(struct change *change);

	/* Who asked; NULL when nobody waits. */
	service_tenants_fn done;
	service_reload_fn reloaded;
	void *op;

	/* A job at work, and what comes after it. */
	int (*run)(struct change *change, struct err *err);
	void (*then)(struct change *change, const struct err *err);
	bool failed;
	struct err failure;

	/* What it works on. */
	struct store *store;
	struct keystore_tenant owner;
	struct conf_tenant *policy; /* add */
	struct buf text;	    /* .. as it is kept */
	const char *path;	    /* reload */
	struct conf *conf;
	struct service_reloaded counts;
	bool known; /* remove: it was served, so that absent data are no error */
	void (*go_on)(struct change *change, const struct err *err); /* add, remove: not NULL while
						it waits until nothing of the name is left */
	bool told;						     /* that it waits */
};

/* --- the queue --- */

static void change_free(struct change *change)
{
	conf_tenant_free(change->policy);
	conf_free(change->conf);
	buf_fini(&change->text);
	free(change);
}

/* Tells who asked, once. */
static void answer(struct change *change, const struct err *err)
{
	if (change->done)
		TAKE(change->done)(change->op, err);
	if (change->reloaded)
		TAKE(change->reloaded)(change->op, err ? NULL : &change->counts, err);
}

static void end(struct change *change, const struct err *err)
{
	struct tenants *tenants = change->tenants;

	answer(change, err);
	tenants->first = change->next;
	if (!tenants->first)
		tenants->last = NULL;
	change_free(change);
	if (tenants->first && !tenants->stopping)
		tenants->first->begin(tenants->first);
}

static void job_done(void *arg, const struct err *err)
{
	struct change *change = arg;

	change->failed = err != NULL;
	if (err)
		change->failure = *err;
}

/* Only now the step has ended for sure. */
static void job_released(void *arg)
{
	struct change *change = arg;

	change->then(change, change->failed ? &change->failure : NULL);
}

static int job_run(void *arg, struct err *err)
{
	struct change *change = arg;

	return change->run(change, err);
}

static void run(struct change *change, int (*step)(struct change *change, struct err *err),
		void (*then)(struct change *change, const struct err *err))
{
	struct service *service = change->tenants->daemon->service;
	const struct job_plan plan = {
		.steps = {{JOB_POOL, job_run}},
		.count = 1,
		.done = job_done,
		.release = job_released,
		.arg = change,
		.lane = TENANT_NUMBER_ADMIN,
	};
	struct job *job;
	struct err err;

	change->run = step;
	change->then = then;
	if (service_submit(service, &plan, &job, &err) < 0)
		then(change, &err);
}

static int refuse_stopping(struct err *err)
{
	(void)err_set(err, ERR_STARTING, "the service is stopping");
	return err->code;
}

static struct change *change_new(struct tenants *tenants, const char *name,
				 void (*begin)(struct change *change), struct err *err)
{
	struct change *change;

	if (tenants->stopping) {
		(void)refuse_stopping(err);
		return NULL;
	}
	change = calloc(1, sizeof(*change));
	if (!change) {
		(void)err_set(err, ERR_INTERNAL, "memory is short");
		return NULL;
	}
	change->tenants = tenants;
	change->begin = begin;
	change->store = tenants->daemon->state.store;
	change->text = (struct buf)BUF_INIT(POLICY_JSON_MAX);
	(void)snprintf(change->name, sizeof(change->name), "%s", name);
	return change;
}

/* It may have ended when this returns. */
static void submit(struct change *change)
{
	struct tenants *tenants = change->tenants;

	if (tenants->last) {
		tenants->last->next = change;
		tenants->last = change;
		return;
	}
	tenants->first = tenants->last = change;
	change->begin(change);
}

/* --- waiting until nothing of a name is left --- */

/* One that is removed is off the sockets already, and stays so. */
static int refuse_waiting(const struct change *change, struct err *err)
{
	(void)err_set(err, ERR_TIMEOUT, "a request of tenant %s does not end; %s", change->name,
		      change->known ? "its data are untouched, but it is not served any more"
				    : "nothing was changed");
	return err_add_remedy(err, change->known ? "Repeat the command later; or reload, which "
						   "serves the tenant again."
						 : "Repeat the command later.");
}

/* Everything that changes stands behind it meanwhile. True: it waits on. */
static bool tell_waiting(struct change *change)
{
	struct err ignored;

	if (change->told)
		return false;
	change->told = true;
	log_warning("tenants: a change waits for a request of tenant %s to end", change->name);
	return loop_timer_set(&change->tenants->step, PATIENCE_US - SILENCE_US, &ignored) == 0;
}

/* They are gone, or it was waited for long enough. */
static void waited(void *arg)
{
	struct tenants *tenants = arg;
	struct change *change = tenants->first;
	struct err err;

	if (!change || !change->go_on)
		return;
	if (!tenants_living(tenants, change->name)) {
		TAKE(change->go_on)(change, NULL);
		return;
	}
	if (tell_waiting(change))
		return;
	(void)refuse_waiting(change, &err);
	TAKE(change->go_on)(change, &err);
}

void change_left(struct tenants *tenants, const char *name)
{
	const struct change *change = tenants->first;
	struct err ignored;

	if (!change || !change->go_on || strcmp(change->name, name) != 0 ||
	    tenants_living(tenants, name))
		return;
	/* Not from here: this may be inside of any operation's end. The timer has its room. */
	(void)!loop_timer_set(&tenants->step, 0, &ignored);
}

/* Mostly nothing is. */
static void wait_for_none(struct change *change,
			  void (*go_on)(struct change *change, const struct err *err))
{
	struct tenants *tenants = change->tenants;
	struct err err;

	if (!tenants_living(tenants, change->name)) {
		go_on(change, NULL);
		return;
	}
	if (loop_timer_set(&tenants->step, SILENCE_US, &err) < 0)
		go_on(change, &err);
	else
		change->go_on = go_on;
}

/* --- open --- */

/* Most have an id, which takes no more than reading it. */
static int open_one(struct change *change, struct err *err)
{
	int r = keystore_tenant_read(change->store, change->name, &change->owner, err);

	return r == ERR_NOT_FOUND
		       ? keystore_tenant_open(change->store, change->name, &change->owner, err)
		       : r;
}

static void open_next(struct change *change);

static void opened(struct change *change, const struct err *err)
{
	if (change->tenants->stopping) {
		end(change, NULL);
		return;
	}
	tenants_opened(change->tenants, change->name, err ? NULL : &change->owner, err);
	open_next(change);
}

static void open_next(struct change *change)
{
	const struct tenants *tenants = change->tenants;
	size_t i = 0;

	while (i < tenants->count && !(tenants->entries[i]->served &&
				       tenants->entries[i]->served->st.fault.code == ERR_STARTING))
		i++;
	if (i == tenants->count || tenants->stopping) {
		end(change, NULL);
		return;
	}
	(void)snprintf(change->name, sizeof(change->name), "%s", tenants->entries[i]->name);
	run(change, open_one, opened);
}

static int sweep(struct change *change, struct err *err)
{
	(void)err;
	store_sweep_removed(change->store);
	return 0;
}

static void swept_at_start(struct change *change, const struct err *err)
{
	(void)err;
	open_next(change);
}

static void begin_open(struct change *change)
{
	run(change, sweep, swept_at_start);
}

int change_open(struct tenants *tenants, struct err *err)
{
	struct change *change = change_new(tenants, "", begin_open, err);

	if (!change)
		return err->code;
	submit(change);
	return 0;
}

/* --- reload --- */

/* A file that is gone is a fault, also where none is needed at the start: it may be on its way to
 * be replaced, and without it tenants would end and the host's limits go. */
static int read_conf(struct change *change, struct err *err)
{
	return conf_load(change->path, &change->conf, err);
}

static void tell_reloaded(const struct change *change)
{
	const struct service_reloaded *counts = &change->counts;
	const char *key = conf_differs(change->tenants->daemon->conf, change->conf);

	log_notice("configuration reloaded: tenants added %u, removed %u, changed %u",
		   counts->added, counts->removed, counts->changed);
	if (key)
		log_notice("the configuration differs in '%s', which takes a restart", key);
}

static void conf_read(struct change *change, const struct err *err)
{
	struct err failure;

	if (!err && tenants_apply(change->tenants, change->conf, &change->counts, &failure) < 0)
		err = &failure;
	if (err) {
		log_err(LOG_LEVEL_ERROR, err,
			"the configuration is not reloaded, the old one "
			"stays in force");
		end(change, err);
		return;
	}
	tell_reloaded(change);
	open_next(change);
}

static void begin_reload(struct change *change)
{
	run(change, read_conf, conf_read);
}

int change_reload(void *arg, service_reload_fn done, void *op, struct err *err)
{
	struct tenants *tenants = arg;
	struct change *change = change_new(tenants, "", begin_reload, err);

	if (!change)
		return err->code;
	change->path = tenants->daemon->conf_path;
	change->reloaded = done;
	change->op = op;
	submit(change);
	return 0;
}

/* --- add --- */

static bool is_there(const struct buf *names, const char *name)
{
	const char *at = (const char *)names->data;
	const char *last = at ? at + names->len : NULL;

	while (at < last && strcmp(at, name) != 0)
		at += strlen(at) + 1;
	return at < last;
}

/* What an earlier tenant of that name has left is not the new one's. */
static int check_unused(struct change *change, struct err *err)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(NAMES_MAX);
	int r = store_tenants(change->store, &names, err);

	if (r < 0 || !is_there(&names, change->name))
		return r;
	(void)err_set(err, ERR_CONFLICT, "there are data of an earlier tenant named %s",
		      change->name);
	return err_add_remedy(err, "Remove that tenant with its data first, or take another name.");
}

/* The policy first: with it the tenant is made, and its id is made anew at a start. */
static int store_tenant(struct change *change, struct err *err)
{
	struct err ignored;
	int r = check_unused(change, err);

	if (r < 0)
		return r;
	r = store_twin_write(change->store, change->name, TENANTS_POLICY, buf_slice(&change->text),
			     err);
	if (r == 0)
		r = keystore_tenant_open(change->store, change->name, &change->owner, err);
	if (r == 0)
		return 0;
	/* It was not made: nothing of it may be left. Where the disk is too full to move its
	 * folder, no policy makes it a tenant at the next start. */
	(void)!store_twin_remove(change->store, change->name, TENANTS_POLICY, &ignored);
	(void)!store_tenant_remove(change->store, change->name, &ignored);
	return r;
}

static void forget_refused(struct tenants *tenants, const char *name)
{
	struct err err;

	if (tenants_forget_folder(tenants, name, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "tenant %s", name);
}

static void added(struct change *change, const struct err *err)
{
	struct tenants *tenants = change->tenants;

	if (!err) {
		tenants_opened(tenants, change->name, &change->owner, NULL);
		log_notice("tenant %s was added", change->name);
	} else {
		tenants_remove_entry(tenants, change->name);
		kept_remove(tenants, change->name);
		forget_refused(tenants, change->name);
	}
	end(change, err);
}

static int check_new(const struct tenants *tenants, const char *name, struct err *err)
{
	const struct entry *entry = tenants_find(tenants, name);

	if (tenants->daemon->state.fault.code != 0) {
		*err = tenants->daemon->state.fault;
		return err->code;
	}
	if (!entry && !kept_find(tenants, name))
		return 0;
	return err_set(err, ERR_CONFLICT, "there is a tenant named %s already%s", name,
		       entry && entry->source == TENANTS_CONFIGURATION ? ", in the configuration"
								       : "");
}

static void add_now(struct change *change, const struct err *failure)
{
	struct tenants *tenants = change->tenants;
	struct entry *entry;
	struct err err;
	int r;

	if (failure) {
		end(change, failure);
		return;
	}
	r = kept_add(tenants, change->name, change->policy, &err);
	if (r < 0) {
		end(change, &err);
		return;
	}
	change->policy = NULL;
	r = tenants_forget_folder(tenants, change->name, &err);
	if (r == 0)
		r = tenants_add_entry(tenants, change->name, &err);
	entry = r == 0 ? tenants_find(tenants, change->name) : NULL;
	if (r == 0 && entry->fault.code != 0) {
		err = entry->fault;
		r = err.code;
	}
	if (r < 0)
		added(change, &err);
	else
		run(change, store_tenant, added);
}

/* Nobody in the table has the name: what is left of it is of one whose section is gone. */
static void begin_add(struct change *change)
{
	struct err err;

	if (check_new(change->tenants, change->name, &err) < 0) {
		end(change, &err);
		return;
	}
	tenants_give_up(change->tenants, change->name);
	wait_for_none(change, add_now);
}

int change_add(void *arg, const char *name, const struct json_t *policy, service_tenants_fn done,
	       void *op, struct err *err)
{
	struct change *change;
	int r = conf_tenant_name(name, err);

	if (r == 0 && strcmp(name, POLICY_HOST) == 0)
		r = err_set(err, ERR_INVALID, "the name host is the machine's own");
	if (r < 0)
		return err_wrap(err, "/name");
	change = change_new(arg, name, begin_add, err);
	if (!change)
		return err->code;
	r = policy_from_json(name, policy, &change->policy, err);
	if (r == 0)
		r = policy_to_text(policy, &change->text, err);
	if (r < 0) {
		change_free(change);
		return r;
	}
	change->done = done;
	change->op = op;
	submit(change);
	return 0;
}

/* --- remove --- */

static void deleted(struct change *change, const struct err *err)
{
	(void)err;
	end(change, NULL);
}

/* The tenant is gone; its files are deleted while nobody waits. */
static void moved(struct change *change, const struct err *err)
{
	struct tenants *tenants = change->tenants;
	struct entry *entry = tenants_find(tenants, change->name);

	if (err) {
		if (entry)
			entry->fault = *err;
		end(change, err);
		return;
	}
	keystore_cache_drop_tenant(tenants->daemon->service->cache, change->name);
	tenants_remove_entry(tenants, change->name);
	kept_remove(tenants, change->name);
	log_notice("tenant %s was removed with its data", change->name);
	answer(change, NULL);
	run(change, sweep, deleted);
}

static int move_away(struct change *change, struct err *err)
{
	int r = store_tenant_remove(change->store, change->name, err);

	if (r == ERR_NOT_FOUND && change->known)
		return 0;
	if (r == ERR_NOT_FOUND)
		return err_set(err, r, "there is no tenant named %s", change->name);
	return r;
}

static void take_away(struct change *change, const struct err *failure)
{
	struct err err;

	if (failure)
		moved(change, failure);
	else if (tenants_forget_folder(change->tenants, change->name, &err) < 0)
		moved(change, &err);
	else
		run(change, move_away, moved);
}

static int check_removable(const struct tenants *tenants, const char *name, struct err *err)
{
	const struct entry *entry = tenants_find(tenants, name);

	if (strcmp(name, POLICY_HOST) == 0)
		return err_set(err, ERR_FORBIDDEN, "the host is no tenant that can be removed");
	if (!entry || entry->source == TENANTS_COMMAND)
		return 0;
	(void)err_set(err, ERR_CONFLICT, "tenant %s is in the configuration", name);
	return err_add_remedy(err, "Remove its section and reload, then remove what it has.");
}

static void begin_remove(struct change *change)
{
	struct tenants *tenants = change->tenants;
	struct entry *entry;
	struct err err;

	if (check_removable(tenants, change->name, &err) < 0) {
		end(change, &err);
		return;
	}
	tenants_give_up(tenants, change->name);
	entry = tenants_find(tenants, change->name);
	change->known = entry != NULL;
	if (entry)
		(void)err_set(&entry->fault, ERR_CONFLICT, "the tenant is being removed");
	if (entry && entry->served)
		tenant_drop(&TAKE(entry->served)->st.tenant);
	wait_for_none(change, take_away);
}

int change_remove(void *arg, const char *name, service_tenants_fn done, void *op, struct err *err)
{
	struct change *change = change_new(arg, name, begin_remove, err);

	if (!change)
		return err->code;
	change->done = done;
	change->op = op;
	submit(change);
	return 0;
}

/* --- life --- */

void change_init(struct tenants *tenants)
{
	loop_timer_init(&tenants->step, tenants->daemon->loop, waited, tenants);
}

/* A job at work ends its change by itself, or is cancelled with all the others. */
void change_stop(struct tenants *tenants)
{
	struct change *first = tenants->first;
	struct err err;

	if (tenants->stopping)
		return;
	tenants->stopping = true;
	loop_timer_clear(&tenants->step);
	(void)refuse_stopping(&err);
	while (first && first->next) {
		struct change *later = first->next;

		first->next = later->next;
		answer(later, &err);
		change_free(later);
	}
	tenants->last = first;
	if (first && first->go_on)
		end(first, &err);
}
