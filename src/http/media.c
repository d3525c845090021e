/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media types as headers carry them (RFC 9110, 8.3 and 12.5.1). Of the ranges of an Accept header
 * the most specific one that matches counts, with its q; a malformed q counts as 0.
 */
#include <string.h>
#include <strings.h>

#include "http/impl.h"

#define SPACE " \t"

/* The length of "type/subtype" before parameters and spaces. */
static size_t type_length(const char *value)
{
	return strcspn(value, ";," SPACE);
}

bool http_media_is(const char *value, const char *type)
{
	size_t len;

	value += strspn(value, SPACE);
	len = type_length(value);
	value += len;
	if (len != strlen(type) || strncasecmp(value - len, type, len) != 0)
		return false;
	value += strspn(value, SPACE);
	return *value == '\0' || *value == ';';
}

struct rank {
	unsigned specificity; /* 0: no range matches */
	unsigned q;	      /* thousandths */
};

/* "1", "0.5", "0.123"; anything else is 0. */
static unsigned parse_q(const char *text)
{
	unsigned q = 0, weight = 100;

	if (text[0] != '0' && text[0] != '1')
		return 0;
	q = text[0] == '1' ? 1000 : 0;
	if (*++text == '.')
		for (text++; *text >= '0' && *text <= '9' && weight > 0; text++, weight /= 10)
			q += (unsigned)(*text - '0') * weight;
	return q <= 1000 && (*text == '\0' || strchr(";," SPACE, *text)) ? q : 0;
}

/* @params begins behind the type and may run on into further ranges. */
static unsigned range_q(const char *params)
{
	const char *end = params + strcspn(params, ",");

	while (params < end) {
		params += strspn(params, ";" SPACE);
		if (strncasecmp(params, "q=", 2) == 0)
			return parse_q(params + 2);
		params += strcspn(params, ";,");
		if (*params == ',')
			break;
	}
	return 1000;
}

static unsigned range_specificity(const char *range, size_t len, const char *type)
{
	size_t major = strcspn(type, "/") + 1;

	if (len == strlen(type) && strncasecmp(range, type, len) == 0)
		return 3;
	if (len == major + 1 && range[major] == '*' && strncasecmp(range, type, major) == 0)
		return 2;
	return len == 3 && strncmp(range, "*/*", 3) == 0 ? 1 : 0;
}

static struct rank rank_of(const char *accept, const char *type)
{
	struct rank best = {0, 0};

	while (*accept) {
		size_t len;
		unsigned specificity;

		accept += strspn(accept, "," SPACE);
		len = type_length(accept);
		specificity = range_specificity(accept, len, type);
		if (specificity > best.specificity)
			best = (struct rank){specificity, range_q(accept + len)};
		accept += strcspn(accept, ",");
	}
	return best;
}

bool http_media_prefers(const char *accept, const char *type, const char *other)
{
	struct rank a, b;

	if (!accept)
		return false;
	a = rank_of(accept, type);
	b = rank_of(accept, other);
	if (a.q != b.q)
		return a.q > b.q;
	return a.q > 0 && a.specificity > b.specificity;
}
