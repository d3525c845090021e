/* SPDX-License-Identifier: Apache-2.0 */
/* Policy as questions on an immutable policy and a few counters; no I/O and no clock. */
#include "tenant/tenant.h"

#include "base/mem.h"

/* The words of the configuration, so that a refusal can be mended there. */
static const struct {
	uint32_t right;
	const char *word;
} WORDS[] = {
	{TENANT_RANDOM, "random"},
	{TENANT_SEAL, "seal"},
	{TENANT_KEY, "key"},
	{TENANT_SIGN, "sign"},
	{TENANT_AIK, "aik"},
	{TENANT_USAGE, "usage"},
	{TENANT_DECRYPT, "decrypt"},
	{TENANT_IMPORT, "import"},
	{TENANT_EXPORT, "export"},
	{TENANT_UNWRAP, "unwrap"},
	{TENANT_DEVICE_SIGN, "device-sign"},
	{TENANT_DEVICE_TLS, "device-tls"},
	{TENANT_DEVICE_RAW, "device-raw"},
};

/* A client that waits this long finds some of the requests in flight answered. */
#define RETRY_AFTER_S 1u
#define SECOND_US     1000000u

/* Both limits end by themselves; deleting objects, the code's own advice, would not help. */
static int come_again(struct err *err)
{
	err->retry_after = RETRY_AFTER_S;
	return err_add_remedy(err, "Wait as long as Retry-After says, then repeat.");
}

struct tenant *tenant_hold(struct tenant *tenant)
{
	if (tenant)
		tenant->holders++;
	return tenant;
}

void tenant_drop(struct tenant *tenant)
{
	if (tenant && --tenant->holders == 0 && tenant->free)
		tenant->free(tenant);
}

void tenant_set_policy(struct tenant *tenant, const struct tenant_policy *policy)
{
	tenant->policy = *policy;
}

/* --- decisions --- */

int tenant_admits(const struct tenant *tenant, const struct tenant_peer *peer, struct err *err)
{
	size_t i;

	if (tenant->over)
		return err_set(err, ERR_FORBIDDEN, "the tenant %s was removed", tenant->name);
	for (i = 0; i < tenant->peer_count; i++)
		if (tenant->peers[i] == peer->uid)
			return 0;
	if (tenant->peer_count == 0)
		return 0;
	return err_set(err, ERR_FORBIDDEN, "this peer's uid may not use the socket of tenant %s",
		       tenant->name);
}

/* In millionths, one microsecond brings as many as the rate has requests: no rounding. */
int tenant_take_turn(struct tenant *tenant, uint64_t now_us, struct err *err)
{
	uint64_t most = (uint64_t)tenant->rate * SECOND_US;
	uint64_t elapsed = now_us - tenant->turns_us;

	if (tenant->rate == 0)
		return 0;
	tenant->turns_us = now_us;
	tenant->turns += elapsed < SECOND_US ? elapsed * tenant->rate : most;
	if (tenant->turns > most)
		tenant->turns = most;
	if (tenant->turns >= SECOND_US) {
		tenant->turns -= SECOND_US;
		return 0;
	}
	(void)err_set(err, ERR_QUOTA, "tenant %s may ask %u times a second", tenant->name,
		      tenant->rate);
	return come_again(err);
}

int tenant_permits(const struct tenant *tenant, uint32_t right, struct err *err)
{
	uint32_t missing = right & ~(tenant->rights | TENANT_NO_JOB);
	size_t i;

	if (missing == 0)
		return 0;
	if (missing & TENANT_ADMIN) {
		(void)err_set(err, ERR_FORBIDDEN, "only the administrator may do that");
		return err_add_remedy(err,
				      "Send it to admin.sock beside this socket, as root or as "
				      "the user of the service.");
	}
	for (i = 0; i < ARRAY_LEN(WORDS); i++)
		if (missing & WORDS[i].right)
			return err_set(err, ERR_FORBIDDEN,
				       "tenant %s has no right to the operation '%s'", tenant->name,
				       WORDS[i].word);
	return err_set(err, ERR_FORBIDDEN, "only the host may do that");
}

int tenant_has_room(const struct tenant *tenant, struct err *err)
{
	if (tenant->in_flight < TENANT_IN_FLIGHT_MAX)
		return 0;
	(void)err_set(err, ERR_QUOTA, "tenant %s has %u requests in flight already", tenant->name,
		      tenant->in_flight);
	return come_again(err);
}

bool tenant_may_connect(const struct tenant *tenant, unsigned open, unsigned max)
{
	unsigned own = tenant->connections;

	return open < max && own < tenant->connections_max && own < max - open;
}
