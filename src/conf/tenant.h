/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_TENANT_H
#define CONF_TENANT_H

/* Tenant: one section `tenant` as a struct, inside this room only. */

#include "base/err.h"
#include "conf/conf.h"

/* Sections `tenant` that one file may have. */
#define TENANT_COUNT_MAX 1024u

/* Makes the zeroed @tenant one with all defaults; on failure it can be given to _fini() too. */
int tenant_init(struct conf_tenant *tenant, const char *name, struct err *err) MUST_CHECK;
void tenant_fini(struct conf_tenant *tenant);

#endif
