/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

/*
 * Value: one value, as text, checked by its row of the schema and stored in its member. @base is
 * the struct of the schema, or for a tenant's key the struct conf_tenant. Errors say what was
 * written and what is allowed, without file and line.
 */

#include "base/err.h"
#include "conf/schema.h"

/* Entries that one list may have. */
#define VALUE_LIST_MAX 256u

/* Stores @text; to a list or set it adds one entry. ERR_INVALID or ERR_INTERNAL (memory). */
int value_store(const struct schema_field *field, void *base, const char *text, struct err *err)
	MUST_CHECK;

/* Frees what the member holds and leaves it empty: NULL, no entries, no bits. */
void value_clear(const struct schema_field *field, void *base);

/* All keys of titled sections, or all others, as if none was written. @base is zeroed, for free()
 * or this. @host: the defaults of tenant `host`. */
int value_defaults(const struct schema *schema, bool titled, bool host, void *base, struct err *err)
	MUST_CHECK;

/* Clears all keys of titled sections, or all others. */
void value_clear_all(const struct schema *schema, bool titled, void *base);

/* Do both structs have the same in that member? Secrets are never told to be the same. */
bool value_same(const struct schema_field *field, const void *a, const void *b);

/* Looks a word up. ERR_INVALID names @key, @text and the words. */
int value_word(const char *key, const struct schema_word *words, const char *text,
	       uint32_t *ret_value, struct err *err) MUST_CHECK;

/* ERR_INVALID unless @text is as @rule wants it. */
int value_check(const char *key, const struct schema_rule *rule, const char *text, struct err *err)
	MUST_CHECK;

#endif
