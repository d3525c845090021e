/* SPDX-License-Identifier: Apache-2.0 */
/* Decided by the text alone: whether a file is there is not asked here. */
#include "conf/rule.h"

#include <string.h>

bool rule_made_of(const char *text, const char *alphabet, size_t max)
{
	size_t len = strlen(text);

	return len >= 1 && len <= max && strspn(text, alphabet) == len;
}

/* Decimal without leading zeros, up to @last. */
bool rule_is_decimal(const char *text, uint64_t last)
{
	uint64_t n = 0;
	size_t i;

	if (!rule_made_of(text, RULE_DIGITS, 10) || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (i = 0; text[i] != '\0'; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	return n <= last;
}

/* A component `..` would lead out of the folder that the reader of the file sees. */
bool rule_is_absolute(const char *text)
{
	const char *part = text;

	if (text[0] != '/')
		return false;
	for (; part; part = strchr(part, '/')) {
		part += strspn(part, "/");
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
			return false;
	}
	return true;
}

bool rule_is_absolute_or_empty(const char *text)
{
	return text[0] == '\0' || rule_is_absolute(text);
}

bool rule_is_plain_path(const char *text)
{
	return rule_is_absolute(text) &&
	       rule_made_of(text, RULE_LOWER RULE_UPPER RULE_DIGITS "/._-+@:", SIZE_MAX);
}

const struct schema_rule RULE_ABSOLUTE = {rule_is_absolute, "an absolute path without .."};
const struct schema_rule RULE_ABSOLUTE_OR_EMPTY = {rule_is_absolute_or_empty,
						   "\"\" or an absolute path without .."};
const struct schema_rule RULE_PLAIN_PATH = {
	rule_is_plain_path, "an absolute path of letters, digits and /._-+@: without .."};
