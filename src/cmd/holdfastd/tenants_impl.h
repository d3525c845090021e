/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_TENANTS_IMPL_H
#define CMD_HOLDFASTD_TENANTS_IMPL_H

/*
 * What is shared by tenants.c (the table), kept.c (what the state folder says), change.c (how the
 * table changes) and tenants_show.c (how it is shown).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "cmd/holdfastd/tenants.h"
#include "conf/conf.h"
#include "service/service.h"

#define TENANTS_POLICY "policy" /* the twin file of one that was added by command */

struct change;

enum tenants_source { TENANTS_CONFIGURATION, TENANTS_COMMAND };

/* What connections and operations hold; it may outlive its entry. */
struct served {
	struct service_tenant st; /* first: peers point here */
	struct tenants *tenants;
	struct served *next; /* of all that live */
	bool given_up;
	uid_t *peers; /* what the policy borrows */
};

/* A name that is to be served. */
struct entry {
	char name[STORE_TENANT_MAX + 1];
	enum tenants_source source;
	struct conf_tenant *own; /* of the configuration; NULL when the policy is a kept one */
	const struct conf_tenant *policy; /* NULL when that cannot be read */
	struct served *served; /* held; NULL when there is no policy, or it was removed */
	struct err fault;      /* why there is no socket; code 0 = there is one */
};

/* One that was added by command. */
struct kept {
	char name[STORE_TENANT_MAX + 1];
	struct conf_tenant *policy; /* NULL when it cannot be read */
	struct err fault;	    /* .. and why */
};

struct tenants {
	struct daemon *daemon;
	struct entry **entries; /* in byte order of their names */
	size_t count;
	struct kept **kept; /* .. */
	size_t kept_count;
	struct served *living; /* all that somebody holds, in the table or not */
	uint32_t next_number;
	bool stopping;
	bool sharing;	  /* share.c: a job is at work, .. */
	bool share_again; /* .. and another one follows */

	struct change *first; /* the one that is made now; the others wait */
	struct change *last;
	struct loop_timer step; /* zero, when the end it waits for has come; else how long it is
				   waited until that is told, and then until it is given up */
};

/* --- tenants.c --- */

struct entry *tenants_find(const struct tenants *tenants, const char *name);
/* The one of that name in an array of pointers to what begins with its name, in order; or NULL. */
void *tenants_search(void *elements, size_t count, const char *name);

/*
 * Makes the table what @conf and the kept ones say: all of it, or nothing when it fails. Takes
 * the tenants out of @conf. Without a server it only makes the table.
 */
int tenants_apply(struct tenants *tenants, struct conf *conf, struct service_reloaded *ret_counts,
		  struct err *err) MUST_CHECK;

/* The same for one more that is kept; it is then in the table, with or without a fault. */
int tenants_add_entry(struct tenants *tenants, const char *name, struct err *err) MUST_CHECK;
/* Takes it off, and gives up what is at work for it. An unknown one is none. */
void tenants_remove_entry(struct tenants *tenants, const char *name);

/* Has it a socket for raw commands, as far as policy and provider say? */
bool tenants_takes_raw(const struct tenants *tenants, const struct entry *entry);

/* The id of one that is STARTING is known, or why it is not. */
void tenants_opened(struct tenants *tenants, const char *name, const struct keystore_tenant *owner,
		    const struct err *fault);

/* One of that name that still lives, also one that is in the table no more; NULL = there is none.
 */
struct served *tenants_living(const struct tenants *tenants, const char *name);
/* Nothing begins for any of that name, and what is at work for them is given up. */
void tenants_give_up(struct tenants *tenants, const char *name);

/* --- kept.c --- */

struct kept *kept_find(const struct tenants *tenants, const char *name);
/* Reads those of the state folder; one that cannot be read is kept with its fault. */
int kept_read_all(struct tenants *tenants, struct err *err) MUST_CHECK;
/* One more, which must be new; takes @policy over when it returns 0. */
int kept_add(struct tenants *tenants, const char *name, struct conf_tenant *policy, struct err *err)
	MUST_CHECK;
/* An unknown one is none. */
void kept_remove(struct tenants *tenants, const char *name);
void kept_forget_all(struct tenants *tenants);
/*
 * Whoever has the folder of an earlier tenant mounted must not find the socket of a later one in
 * it: the folder goes before the name is free, and once more before the name is taken.
 */
int tenants_forget_folder(struct tenants *tenants, const char *name, struct err *err) MUST_CHECK;

/* --- change.c --- */

/* One served by that name has ended. */
void change_left(struct tenants *tenants, const char *name);

/* @arg: struct tenants, as the service has it. */
int change_add(void *arg, const char *name, const struct json_t *policy, service_tenants_fn done,
	       void *op, struct err *err);
int change_remove(void *arg, const char *name, service_tenants_fn done, void *op, struct err *err);
int change_reload(void *arg, service_reload_fn done, void *op, struct err *err);
int change_open(struct tenants *tenants, struct err *err) MUST_CHECK;
void change_stop(struct tenants *tenants);
void change_init(struct tenants *tenants);

#endif
