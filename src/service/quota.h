/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_QUOTA_H
#define SERVICE_QUOTA_H

/*
 * Quota: what a tenant keeps against what it may keep. The loop knows of every change, so it counts
 * along: the folder is looked through once, when a limit is first asked about, and again only after
 * something made the count unsure. What is at work is reserved, so that requests at the same time
 * do not pass the limit together; nothing is counted twice. Loop only, but for the steps.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct op;

enum quota_of {
	QUOTA_KEYS,   /* keys and attestation keys */
	QUOTA_STORED, /* bytes of named secrets */
	QUOTA_KINDS,
};

/* Of a tenant. Sums are modulo 2^64: before the first count there is no meaning in `used`. */
struct quota {
	bool known; /* was counted once */
	bool loose; /* used may be more than there is, never less */
	uint64_t used;
	uint64_t grown;	   /* by all changes that ended, whatever others took away */
	uint64_t reserved; /* by changes at work */
	uint64_t begun;	   /* changes so far, .. */
	unsigned at_work;  /* .. and those that have not ended */
};

/* Of an op: how it changes what there is. Zero = not at all. */
struct quota_change {
	bool watched; /* belongs to one of the tenant's quotas */
	enum quota_of of;
	bool at_work;
	bool counts;	  /* a step counts, since the loop does not know or is not sure */
	bool quiet;	  /* nothing was at work when the op began .. */
	uint64_t begun;	  /* .. and so many changes had begun, .. */
	uint64_t grown;	  /* .. and those that had ended had added so much */
	uint64_t counted; /* by the step */
	uint64_t need;	  /* set by a step: what there is afterwards of this object, */
	uint64_t was;	  /* and before */
	bool was_unknown; /* set by a step */
	bool unsure;	  /* set by a step: it failed, and may have changed it all the same */
	bool blind;	  /* nothing was known when the op began */
	bool shared;	  /* another change of the same secret was at work meanwhile */
	uint64_t reserved;
	struct op *next; /* of the tenant's changes of secrets */
};

/* --- for prepare --- */

/* A key or an attestation key is going to be made. Refuses, or adds the steps that find out. */
int quota_adds_key(struct op *op, struct err *err) MUST_CHECK;
/*
 * A secret is going to be put; need and was are set by steps. Then comes quota_admits(), unless the
 * tenant has no limit: the change is at work from now on, with @at_most bytes, which need is never
 * above.
 */
void quota_puts_secret(struct op *op, uint64_t at_most);
/* The op's object is going to be removed; was is set by the step. */
void quota_removes(struct op *op, enum quota_of of);

/* --- steps --- */

/* Of an op. On the pool, before quota_admits(); does nothing unless a count is wanted. */
int quota_count(void *arg, struct err *err) MUST_CHECK;
/* On the loop: ERR_QUOTA, or reserves. */
int quota_admits(void *arg, struct err *err) MUST_CHECK;
/* What a failed store says of the change. */
void quota_failed(struct op *op, int code);

/* The op has ended. */
void quota_end(struct op *op);

/*
 * A change of what is stored that is no op's: of a persistent object. It begins, is counted on the
 * pool where a count is wanted, is admitted, and ends, which it may at any time before. @at_most
 * bytes are needed, 0 when something is removed.
 */
struct service_tenant;
struct store;
void quota_other_begins(struct service_tenant *tenant, uint64_t at_most,
			struct quota_change *change);
int quota_other_count(struct store *store, const char *tenant, struct quota_change *change,
		      struct err *err) MUST_CHECK;
/* How many bytes it may take: these are reserved until it ends. */
uint64_t quota_other_admits(struct service_tenant *tenant, struct quota_change *change);

/* What became of it. */
struct quota_other {
	bool changed;
	uint64_t put, taken; /* bytes; of what was removed 0 = nobody knows */
	int failed;	     /* enum err_code of the store; 0 = it did not fail */
};
void quota_other_ends(struct service_tenant *tenant, struct quota_change *change,
		      const struct quota_other *other);

#endif
