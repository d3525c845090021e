/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_READER_H
#define CONF_READER_H

/*
 * Reader: drives libconfuse over a guarded text and stores each value as it is met, so that every
 * error has the line of its value. Libconfuse keeps its scanner in globals: one thread at a time.
 */

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

/* Sections `tenant` that one file may have. */
#define READER_TENANTS_MAX 1024u

/*
 * Puts what @text says over the defaults in @conf, which is half done after a failure.
 * ERR_INVALID with "FILE:LINE: what, and what is allowed", or ERR_INTERNAL (memory).
 */
int reader_run(struct slice text, const char *file, struct conf *conf, struct err *err) MUST_CHECK;

/* Makes the zeroed @tenant one with all defaults; on failure it can be given to _fini() too. */
int reader_tenant_init(struct conf_tenant *tenant, const char *name, struct err *err) MUST_CHECK;
void reader_tenant_fini(struct conf_tenant *tenant);

#endif
