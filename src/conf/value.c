/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libconfuse only splits the file into words; what a word means is decided here, so that there is
 * one reading of numbers (no octal, no silent overflow) and one form of refusal.
 */
#include "conf/value.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/secret.h"
#include "conf/conf.h"

#define SHOWN_MAX 40 /* bytes of a refused value that the message repeats */
#define WORDS_MAX 160u

_Static_assert(sizeof(enum conf_provider) == sizeof(uint32_t), "enums are stored as uint32_t");
_Static_assert(sizeof(unsigned) == sizeof(uint32_t), "unsigned has 32 bits");

static int refuse(const char *key, const char *text, const char *allowed, struct err *err)
{
	const char *more = strlen(text) > SHOWN_MAX ? ".." : "";

	return err_set(err, ERR_INVALID, "%s = \"%.*s%s\" is not allowed; allowed: %s", key,
		       SHOWN_MAX, text, more, allowed);
}

static int short_of_memory(struct err *err)
{
	return err_set(err, ERR_INTERNAL, "memory is short");
}

int value_word(const char *key, const struct schema_word *words, const char *text,
	       uint32_t *ret_value, struct err *err)
{
	CLEANUP(buf_fini) struct buf list = BUF_INIT(WORDS_MAX);
	const struct schema_word *word;

	for (word = words; word->word; word++) {
		if (strcmp(word->word, text) == 0) {
			*ret_value = word->value;
			return 0;
		}
		buf_printf(&list, "%s%s", word == words ? "" : ", ",
			   word->word[0] ? word->word : "\"\"");
	}
	buf_put_u8(&list, 0);
	return refuse(key, text, buf_ok(&list) ? (const char *)list.data : "another word", err);
}

int value_check(const char *key, const struct schema_rule *rule, const char *text, struct err *err)
{
	return rule->check(text) ? 0 : refuse(key, text, rule->allowed, err);
}

/* --- numbers --- */

static bool digit_of(char c, unsigned base, unsigned *ret_digit)
{
	static const char DIGITS[] = "0123456789abcdef";
	const char *at;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	at = c != '\0' ? strchr(DIGITS, c) : NULL;
	if (!at || (unsigned)(at - DIGITS) >= base)
		return false;
	*ret_digit = (unsigned)(at - DIGITS);
	return true;
}

/* Decimal, or hexadecimal after 0x. A leading zero is refused: to some readers it means octal. */
static bool parse_number(const char *text, uint64_t *ret_value)
{
	unsigned base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
	const char *at = base == 16 ? text + 2 : text;
	uint64_t n = 0;
	unsigned digit;

	if (*at == '\0' || (base == 10 && at[0] == '0' && at[1] != '\0'))
		return false;
	for (; *at != '\0'; at++) {
		if (!digit_of(*at, base, &digit) || n > (UINT64_MAX - digit) / base)
			return false;
		n = n * base + digit;
	}
	*ret_value = n;
	return true;
}

static int refuse_number(const struct schema_field *field, const char *text, struct err *err)
{
	CLEANUP(buf_fini) struct buf allowed = BUF_INIT(WORDS_MAX);

	if (field->zero)
		buf_put_str(&allowed, "0 or ");
	if (field->kind == SCHEMA_HANDLE)
		buf_printf(&allowed, "a number from 0x%" PRIx64 " to 0x%" PRIx64, field->min,
			   field->max);
	else
		buf_printf(&allowed, "a number from %" PRIu64 " to %" PRIu64, field->min,
			   field->max);
	buf_put_str(&allowed, ", decimal without leading zeros or 0x..");
	buf_put_u8(&allowed, 0);
	return refuse(field->key, text, buf_ok(&allowed) ? (const char *)allowed.data : "a number",
		      err);
}

static int store_number(const struct schema_field *field, void *member, const char *text,
			struct err *err)
{
	uint64_t n;
	uint32_t small;

	if (!parse_number(text, &n) || n > field->max ||
	    (n < field->min && !(field->zero && n == 0)))
		return refuse_number(field, text, err);
	if (field->kind == SCHEMA_U64) {
		memcpy(member, &n, sizeof(n));
		return 0;
	}
	small = (uint32_t)n;
	memcpy(member, &small, sizeof(small));
	return 0;
}

/* --- the other kinds --- */

static int store_bool(const struct schema_field *field, void *member, const char *text,
		      struct err *err)
{
	static const struct schema_word BOOLS[] = {{"false", 0}, {"true", 1}, {0}};
	uint32_t value;
	bool yes;
	int tri;
	int r;

	r = value_word(field->key, field->words ? field->words : BOOLS, text, &value, err);
	if (r < 0)
		return r;
	yes = value == 1;
	tri = (int)value;
	if (field->kind == SCHEMA_BOOL)
		memcpy(member, &yes, sizeof(yes));
	else
		memcpy(member, &tri, sizeof(tri));
	return 0;
}

static int store_enum(const struct schema_field *field, void *member, const char *text,
		      struct err *err)
{
	uint32_t value;
	int r;

	r = value_word(field->key, field->words, text, &value, err);
	if (r < 0)
		return r;
	memcpy(member, &value, sizeof(value));
	return 0;
}

static int store_set(const struct schema_field *field, void *member, const char *text,
		     struct err *err)
{
	uint32_t *bits = member;
	uint32_t value;
	int r;

	r = value_word(field->key, field->words, text, &value, err);
	if (r < 0)
		return r;
	*bits |= value;
	return 0;
}

static int check_text(const struct schema_field *field, const char *text, struct err *err)
{
	uint32_t unused;

	if (field->words)
		return value_word(field->key, field->words, text, &unused, err);
	return field->rule ? value_check(field->key, field->rule, text, err) : 0;
}

static int store_text(const struct schema_field *field, void *member, const char *text,
		      struct err *err)
{
	char **string = member;
	char *copy;
	int r;

	r = check_text(field, text, err);
	if (r < 0)
		return r;
	copy = strdup(text);
	if (!copy)
		return short_of_memory(err);
	free(*string);
	*string = copy;
	return 0;
}

static int store_secret(const struct schema_field *field, void *member, const char *text,
			struct err *err)
{
	struct secret **secret = member;
	struct secret *copy;
	int r;

	(void)field;
	r = secret_copy(slice_of(text, strlen(text)), &copy, err);
	if (r < 0)
		return r;
	secret_free(*secret);
	*secret = copy;
	return 0;
}

/* The array is made at its full size with the first entry and never moves. */
static int store_entry(const struct schema_field *field, void *member, const char *text,
		       struct err *err)
{
	struct conf_list *list = member;
	int r;

	r = check_text(field, text, err);
	if (r < 0)
		return r;
	if (list->count >= VALUE_LIST_MAX)
		return err_set(err, ERR_INVALID, "%s has too many entries; allowed: %u", field->key,
			       VALUE_LIST_MAX);
	if (!list->items)
		list->items = calloc(VALUE_LIST_MAX, sizeof(*list->items));
	if (!list->items)
		return short_of_memory(err);
	list->items[list->count] = strdup(text);
	if (!list->items[list->count])
		return short_of_memory(err);
	list->count++;
	return 0;
}

typedef int (*store_fn)(const struct schema_field *field, void *member, const char *text,
			struct err *err);

static const store_fn STORE[] = {
	[SCHEMA_TEXT] = store_text,	[SCHEMA_SECRET] = store_secret, [SCHEMA_BOOL] = store_bool,
	[SCHEMA_TRISTATE] = store_bool, [SCHEMA_UINT] = store_number,	[SCHEMA_U64] = store_number,
	[SCHEMA_HANDLE] = store_number, [SCHEMA_ENUM] = store_enum,	[SCHEMA_LIST] = store_entry,
	[SCHEMA_SET] = store_set,
};

static void *member_of(const struct schema_field *field, void *base)
{
	return (char *)base + field->offset;
}

int value_store(const struct schema_field *field, void *base, const char *text, struct err *err)
{
	return STORE[field->kind](field, member_of(field, base), text, err);
}

static void clear_list(struct conf_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct conf_list){0};
}

static void clear_text(char **string)
{
	free(*string);
	*string = NULL;
}

static void clear_secret(struct secret **secret)
{
	secret_free(*secret);
	*secret = NULL;
}

void value_clear(const struct schema_field *field, void *base)
{
	void *member = member_of(field, base);

	if (field->kind == SCHEMA_TEXT)
		clear_text(member);
	else if (field->kind == SCHEMA_SECRET)
		clear_secret(member);
	else if (field->kind == SCHEMA_LIST)
		clear_list(member);
	else if (field->kind == SCHEMA_SET)
		*(uint32_t *)member = 0;
}

/* --- whole structs --- */

/* Adds the entries of "a,b,c". */
static int store_entries(const struct schema_field *field, void *base, const char *text,
			 struct err *err)
{
	CLEANUP(mem_free_cleanup) char *copy = strdup(text);
	char *save = NULL;
	char *entry;
	int r;

	if (!copy)
		return short_of_memory(err);
	for (entry = strtok_r(copy, ",", &save); entry; entry = strtok_r(NULL, ",", &save)) {
		r = value_store(field, base, entry, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int store_default(const struct schema_field *field, void *base, bool host, struct err *err)
{
	const char *text = host && field->host_def ? field->host_def : field->def;

	if (text)
		return schema_is_list(field) ? store_entries(field, base, text, err)
					     : value_store(field, base, text, err);
	if (field->kind == SCHEMA_TRISTATE)
		*(int *)member_of(field, base) = -1;
	return 0;
}

int value_defaults(const struct schema *schema, bool titled, bool host, void *base, struct err *err)
{
	size_t i;
	int r;

	for (i = 0; i < schema->field_count; i++) {
		if (schema_is_titled(schema, &schema->fields[i]) != titled)
			continue;
		r = store_default(&schema->fields[i], base, host, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void value_clear_all(const struct schema *schema, bool titled, void *base)
{
	size_t i;

	for (i = 0; i < schema->field_count; i++)
		if (schema_is_titled(schema, &schema->fields[i]) == titled)
			value_clear(&schema->fields[i], base);
}

/* --- the same? --- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_list(const struct conf_list *a, const struct conf_list *b)
{
	size_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

bool value_same(const struct schema_field *field, const void *a, const void *b)
{
	const void *x = (const char *)a + field->offset;
	const void *y = (const char *)b + field->offset;

	switch (field->kind) {
	case SCHEMA_TEXT:
		return same_text(*(char *const *)x, *(char *const *)y);
	case SCHEMA_SECRET: /* no schema that is compared has one */
		return false;
	case SCHEMA_LIST:
		return same_list(x, y);
	case SCHEMA_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case SCHEMA_U64:
		return *(const uint64_t *)x == *(const uint64_t *)y;
	case SCHEMA_TRISTATE:
	case SCHEMA_UINT:
	case SCHEMA_HANDLE:
	case SCHEMA_ENUM:
	case SCHEMA_SET:
		break;
	}
	return *(const uint32_t *)x == *(const uint32_t *)y;
}
