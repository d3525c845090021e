/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_TENANT_H
#define TENANT_TENANT_H

/*
 * Tenant: who asks. The socket is the identity; peer credentials are recorded and may narrow,
 * never widen.
 *
 * What a tenant may do is its policy: a value that is never changed in parts. Another one takes its
 * place as a whole, on the loop and between two requests (tenant_set_policy()), so that each
 * decision sees one policy. All of this is the loop's: a step on another thread gets what it needs
 * by value. A tenant lives until nobody holds it: its listener, its connections, its operations.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/metrics.h"
#include "broker/commands.h"

/* Rights stand in the route table; the bits are those of the configuration's operation words. */
enum tenant_right {
	TENANT_RANDOM = 1 << 0,
	TENANT_SEAL = 1 << 1,
	TENANT_KEY = 1 << 2,
	TENANT_SIGN = 1 << 3,
	TENANT_AIK = 1 << 4,
	TENANT_USAGE = 1 << 5,
	TENANT_DECRYPT = 1 << 6,
	TENANT_IMPORT = 1 << 7,
	TENANT_EXPORT = 1 << 8,
	TENANT_UNWRAP = 1 << 9,
	TENANT_DEVICE_SIGN = 1 << 10,
	TENANT_DEVICE_TLS = 1 << 11,
	TENANT_DEVICE_RAW = 1 << 12,
	TENANT_HOST_ONLY = 1 << 16, /* host and admin alone: not what a container may ask */
	/* No right but a mark of routes that are answered at once: they take no place in flight, so
	 * that they answer while all places wait for the chip. */
	TENANT_NO_JOB = 1 << 17,
	TENANT_ADMIN = 1 << 18, /* the admin socket and no other; no tenant is ever given it */
};

#define TENANT_IN_FLIGHT_MAX 64u
#define TENANT_CGROUP_MAX    255u

/* Numbers of tenants: the lanes of their jobs. */
#define TENANT_NUMBER_HOST  0u
#define TENANT_NUMBER_ADMIN 1u
#define TENANT_NUMBER_FAPI  2u /* the FAPI helper, which only sends raw commands */
#define TENANT_NUMBER_FIRST 3u /* of all others */

/* The policy's members, of a struct tenant as well. */
#define TENANT_POLICY                                                                              \
	uint32_t rights; /* enum tenant_right */                                                   \
	unsigned connections_max;                                                                  \
	/* Who may use the socket; borrowed. None listed = everybody. */                           \
	const uid_t *peers;                                                                        \
	size_t peer_count;                                                                         \
	uint64_t keys_max;   /* keys and attestation keys; 0 = no limit */                         \
	uint64_t stored_max; /* bytes of named secrets as they lie on disk; 0 = no limit */        \
	unsigned rate;	     /* requests per second, and at once after a pause; 0 = no limit */    \
	struct command_policy raw; /* the TPM commands that it may send itself */                  \
	unsigned objects_max;	   /* transient objects that it may have by these, .. */           \
	unsigned sessions_max;	   /* .. and sessions */                                           \
	/* The cgroup that `usage` reads, as configured; "" = that of the peer. */                 \
	char cgroup[TENANT_CGROUP_MAX + 1];

struct tenant_policy {
	TENANT_POLICY
};

struct tenant {
	char name[64];
	uint32_t number; /* unlike any other tenant's */
	union {
		struct {
			TENANT_POLICY
		};
		struct tenant_policy policy;
	};
	unsigned connections; /* open now */
	unsigned in_flight;   /* requests admitted and not finished, without TENANT_NO_JOB */
	uint64_t turns;	      /* left at turns_us, in millionths of a request */
	uint64_t turns_us;    /* CLOCK_MONOTONIC */
	struct metric requests;
	struct metric raw_commands; /* that it sent itself .. */
	struct metric raw_refused;  /* .. and the policy, or a limit, did not let through */
	bool over;		    /* removed: nothing begins any more */
	unsigned holders;
	void (*free)(struct tenant *tenant); /* when the last one lets go; NULL = it is nobody's */
};

/* What the kernel says of the other end of a connection. */
struct tenant_peer {
	struct tenant *tenant;
	pid_t pid; /* 0 = of another pid namespace */
	uid_t uid;
	gid_t gid;
	int socket;	   /* of the connection, while it is open; not owned */
	uint64_t since_us; /* process_clock_us() when it was accepted */
};

/* Both allow NULL; the first returns its argument. The last drop frees it. */
struct tenant *tenant_hold(struct tenant *tenant);
void tenant_drop(struct tenant *tenant);

/* What was counted goes on; what is open beyond a smaller limit stays until it ends. */
void tenant_set_policy(struct tenant *tenant, const struct tenant_policy *policy);

/* Pure. ERR_FORBIDDEN when it was removed, or lists its peers and this one's uid is none of them.
 */
int tenant_admits(const struct tenant *tenant, const struct tenant_peer *peer, struct err *err)
	MUST_CHECK;

/*
 * Pure. Takes one request off the tenant's rate at @now_us (CLOCK_MONOTONIC, never going back);
 * ERR_QUOTA with retry_after when there is none left. What was not used adds up to one second's.
 */
int tenant_take_turn(struct tenant *tenant, uint64_t now_us, struct err *err) MUST_CHECK;

/* Pure. 0, or ERR_FORBIDDEN naming the missing right. A right of 0 is open to every tenant. */
int tenant_permits(const struct tenant *tenant, uint32_t right, struct err *err) MUST_CHECK;

/* Pure. ERR_QUOTA with retry_after when as many requests are in flight as may be. */
int tenant_has_room(const struct tenant *tenant, struct err *err) MUST_CHECK;

/*
 * Pure. May the tenant open one more connection where @open of all @max are open? None may have
 * more than what is left for all others, so that there is always a place for one who has none.
 */
bool tenant_may_connect(const struct tenant *tenant, unsigned open, unsigned max);

#endif
