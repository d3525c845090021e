/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_RAW_H
#define SERVICE_RAW_H

/*
 * Raw TPM commands: what a tenant sends to the chip itself. Each is judged on the loop by its
 * policy, so that a refusal wakes nobody, and then is a job of one step on the worker, in the
 * tenant's lane. The virtual chips are here (broker/broker.h): one for each tenant, made with its
 * first command.
 *
 * A chip is open to raw commands from raw_open() to raw_close(): before that, and while there is
 * no provider, commands wait. The tenant of number TENANT_NUMBER_FAPI, which is the service's own
 * helper, is served whenever the chip is open, also before the provider was chosen. Loop only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"
#include "provider/provider.h"

struct connection;
struct raw;
struct raw_chip;
struct raw_op;
struct service;
struct service_tenant;

#define RAW_RESERVED_MAX 16u

/* Of the service. */
struct raw_state {
	const struct secret *key; /* of the broker; NULL = there are no raw commands at all */
	uint32_t reserved[RAW_RESERVED_MAX]; /* persistent handles that are nobody's to reach */
	size_t reserved_count;
	struct raw *open;    /* NULL while no chip is */
	struct raw_op *ops;  /* those without an answer: at work, or waiting for a provider */
	struct raw_op *rest; /* .. of which these are still to be looked at */
	uint64_t logged_us;  /* the last fault that was; those since then are counted */
	unsigned unlogged;
	/* Of the helper: what its commands failed with first since it was zeroed, and how many
	 * commands of the chip they were. */
	struct err helper_fault;
	uint64_t helper_commands;
};

/*
 * A whole command of @tenant. connection_answer() is called once, perhaps before this returns; the
 * connection's work is this room's.
 */
void raw_command(struct service *service, struct service_tenant *tenant,
		 struct connection *connection, struct slice bytes);

/* The client left while its command was at work: one that has not begun is not begun. */
void raw_gone(struct connection *connection);

/*
 * Of those that the open chip is to have, all that have not come to it are answered TPM_RC_RETRY:
 * who wants the chip waits for one command at most, not for what many tenants have sent. What comes
 * again waits for the next provider.
 */
void raw_put_off(struct service *service);

/* What waits is looked at again. */
void raw_resume(struct service *service);

/*
 * The chip of @p takes raw commands: those of the helper, and once it is the service's provider
 * those of all. Nothing happens when it does already, or when it is no chip.
 */
int raw_open(struct service *service, struct provider *p, struct err *err) MUST_CHECK;

/*
 * It takes none any more. then() is called once, when the last one has ended and all virtual chips
 * are freed: perhaps before this returns, never when the jobs end before.
 */
void raw_close(struct service *service, void (*then)(void *arg), void *arg);

/* The same where no thread runs any more, at once and without a command. */
void raw_sweep(struct service *service);

/* The virtual chip of a tenant that ends, or begins anew, goes. Commands at work are finished. */
void raw_forget(struct service *service, struct service_tenant *tenant);

/* The chip as it was after the last raw command; false when there was none. */
bool raw_status(const struct service *service, struct provider_status *ret_status);

/* "ready", "starting" or "none": for status. */
const char *raw_word(const struct service *service);

#endif
