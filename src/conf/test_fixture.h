/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_TEST_FIXTURE_H
#define CONF_TEST_FIXTURE_H

/* What the tests of the configuration share: texts that must be taken or refused, and defaults. */

#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"

#define MIB (1024u * 1024u)

/* The configuration of a text named "t", for conf_free(); fails when it is refused. */
struct conf *parse_ok(const char *text);
/* The message of a refusal; fails when the text is taken, or the result is touched. */
void parse_bad(const char *text, size_t len, struct err *err);

void assert_starts(const char *text, const char *start);
void assert_has(const char *text, const char *part);

void assert_tenant_defaults(const struct conf_tenant *tenant);
/* The tenant named host has defaults of its own. */
void assert_host_defaults(const struct conf_tenant *tenant);
/* Everything but the tenants. */
void assert_all_defaults(const struct conf *conf);

#endif
