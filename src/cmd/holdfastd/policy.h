/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_POLICY_H
#define CMD_HOLDFASTD_POLICY_H

/* Policy: what a tenant's configuration means, and how it is written in JSON. Pure. */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tenant/tenant.h"

struct json_t;

#define POLICY_HOST		"host"
#define POLICY_HOST_CONNECTIONS 256u /* where no section of the host says otherwise */
#define POLICY_JSON_MAX		(60u * 1024u)

/* What @conf means to its tenant. *ret_peers, which the policy borrows, is the caller's to free; it
 * stays NULL where everybody may come. */
int policy_of(const struct conf_tenant *conf, struct tenant_policy *ret_policy, uid_t **ret_peers,
	      struct err *err) MUST_CHECK;

/*
 * From the members of an object that are a policy's, over the defaults; others are ignored.
 * ERR_INVALID names the member as a JSON pointer.
 */
int policy_from_json(const char *name, const struct json_t *object, struct conf_tenant **ret_conf,
		     struct err *err) MUST_CHECK;

/* Those members as one JSON text, for policy_parse(). ERR_TOO_LARGE over POLICY_JSON_MAX. */
int policy_to_text(const struct json_t *object, struct buf *ret_text, struct err *err) MUST_CHECK;

/* What policy_to_text() wrote; whatever else there is is ERR_UNREADABLE. */
int policy_parse(const char *name, struct slice text, struct conf_tenant **ret_conf,
		 struct err *err) MUST_CHECK;

/* Puts what the tenant may do and how much into @object; false when memory was short. */
bool policy_describe(const struct conf_tenant *conf, struct json_t *object);

#endif
