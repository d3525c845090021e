/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_RULE_H
#define CONF_RULE_H

/* Rule: what texts of a configuration must look like, as far as several schemas want the same. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/schema.h"

#define RULE_LOWER  "abcdefghijklmnopqrstuvwxyz"
#define RULE_UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define RULE_DIGITS "0123456789"

/* 1 to @max characters of @alphabet. */
bool rule_made_of(const char *text, const char *alphabet, size_t max);
/* Decimal without leading zeros, up to @last. */
bool rule_is_decimal(const char *text, uint64_t last);
/* Without a component `..`. */
bool rule_is_absolute(const char *text);
bool rule_is_absolute_or_empty(const char *text);
/* The same, of letters, digits and /._-+@: alone: it means itself in whatever file it is written.
 */
bool rule_is_plain_path(const char *text);

extern const struct schema_rule RULE_ABSOLUTE;
extern const struct schema_rule RULE_ABSOLUTE_OR_EMPTY;
extern const struct schema_rule RULE_PLAIN_PATH;

#endif
