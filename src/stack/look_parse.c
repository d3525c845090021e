/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of other programs. They are read strictly: what is not as expected tells nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/slice.h"
#include "stack/look.h"

#define ABRMD_NAME "com.intel.tss2.Tabrmd"

/* The line that @text begins with, without spaces around it. */
static struct slice line_of(const char *text)
{
	size_t len = strcspn(text, "\n");

	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\r' || text[len - 1] == '\t'))
		len--;
	while (len > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	return slice_of(text, len);
}

static const char *next_line(const char *text)
{
	text += strcspn(text, "\n");
	return *text ? text + 1 : NULL;
}

static struct slice without(struct slice line, size_t len)
{
	while (len < line.len && (line.data[len] == ' ' || line.data[len] == '\t'))
		len++;
	return slice_of(line.data + len, line.len - len);
}

/* "NAME: value" of the first such line; also gives where the next line begins. */
static bool find_value(const char *text, const char *name, struct slice *ret_value,
		       const char **ret_rest)
{
	size_t len = strlen(name);

	for (; text; text = next_line(text)) {
		struct slice line = line_of(text);

		if (!slice_begins(line, name) || line.len <= len || line.data[len] != ':')
			continue;
		*ret_value = without(line, len + 1);
		if (ret_rest)
			*ret_rest = next_line(text);
		return true;
	}
	return false;
}

/* The whole of it is one number, in C's way of writing. */
static bool number_of(struct slice digits, uint32_t *ret_value)
{
	bool hex = digits.len > 2 && digits.data[0] == '0' && (digits.data[1] | 32) == 'x';
	unsigned base = hex ? 16 : 10;
	uint64_t value = 0;
	size_t i = hex ? 2 : 0;

	if (digits.len == i || digits.len - i > 10)
		return false;
	for (; i < digits.len; i++) {
		unsigned c = digits.data[i], lower = c | 32u, digit = 99;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (lower >= 'a' && lower <= 'f')
			digit = lower - 'a' + 10;
		if (digit >= base)
			return false;
		value = value * base + digit;
	}
	if (value > UINT32_MAX)
		return false;
	*ret_value = (uint32_t)value;
	return true;
}

static bool find_number(const char *text, const char *name, uint32_t *ret_value)
{
	struct slice value;

	return find_value(text, name, &value, NULL) && number_of(value, ret_value);
}

/* Printable ASCII that fits, whole. */
static bool copy_value(struct slice value, char *ret_text, size_t size)
{
	size_t i;

	if (value.len == 0 || value.len >= size)
		return false;
	for (i = 0; i < value.len; i++)
		if (value.data[i] < 0x20 || value.data[i] > 0x7e)
			return false;
	memcpy(ret_text, value.data, value.len);
	ret_text[value.len] = '\0';
	return true;
}

static bool is_hex(struct slice text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (!strchr("0123456789abcdefABCDEF", text.data[i]) || !text.data[i])
			return false;
	return text.len > 0;
}

/* tpm2_getcap properties-variable */
bool look_parse_lockout(const char *text, struct fact_lockout *ret_lockout)
{
	struct fact_lockout lockout = *ret_lockout;
	uint32_t locked;

	if (!find_number(text, "inLockout", &locked) || locked > 1 ||
	    !find_number(text, "TPM2_PT_LOCKOUT_COUNTER", &lockout.counter) ||
	    !find_number(text, "TPM2_PT_MAX_AUTH_FAIL", &lockout.max))
		return false;
	lockout.in_lockout = locked == 1;
	*ret_lockout = lockout;
	return true;
}

/* tpm2_getcap handles-..: "- 0x81000001"; nothing at all where there are none. */
bool look_parse_handles(const char *text, struct fact_handles *ret_handles)
{
	struct fact_handles handles = {.tool = ret_handles->tool};

	for (; text; text = next_line(text)) {
		struct slice line = line_of(text);

		if (line.len == 0)
			continue;
		if (!slice_begins(line, "- 0x") || handles.count == FACT_HANDLES ||
		    !number_of(without(line, 2), &handles.list[handles.count]))
			return false;
		handles.count++;
	}
	*ret_handles = handles;
	return true;
}

/* "SECTION:" and on the next line "value: .." */
static bool find_section(const char *text, const char *section, struct slice *ret_value)
{
	struct slice head;
	const char *rest;

	return find_value(text, section, &head, &rest) && head.len == 0 && rest &&
	       slice_begins(line_of(rest), "value:") && find_value(rest, "value", ret_value, NULL);
}

/* tpm2_readpublic */
bool look_parse_public(const char *text, struct fact_public *ret_public)
{
	struct fact_public public = *ret_public;
	struct slice name, type, attributes;

	if (!find_value(text, "name", &name, NULL) || !is_hex(name) || name.len % 2 != 0 ||
	    !copy_value(name, public.name, sizeof(public.name)) ||
	    !find_section(text, "type", &type) ||
	    !copy_value(type, public.type, sizeof(public.type)) ||
	    !find_section(text, "attributes", &attributes) ||
	    !copy_value(attributes, public.attributes, sizeof(public.attributes)))
		return false;
	*ret_public = public;
	return true;
}

/* tpm2_getrandom --hex */
bool look_parse_random(const char *text, size_t bytes)
{
	struct slice line = line_of(text);

	return line.len == 2 * bytes && is_hex(line);
}

/* busctl call .. NameHasOwner, dbus-send --print-reply=literal .. NameHasOwner */
bool look_parse_bus(const char *text, bool *ret_owned)
{
	struct slice line = line_of(text);
	size_t i;
	static const struct {
		const char *line;
		bool owned;
	} ANSWERS[] = {
		{"b true", true},
		{"b false", false},
		{"boolean true", true},
		{"boolean false", false},
	};

	for (i = 0; i < ARRAY_LEN(ANSWERS); i++) {
		if (!slice_equal(line, slice_str(ANSWERS[i].line)))
			continue;
		*ret_owned = ANSWERS[i].owned;
		return true;
	}
	return false;
}

/*
 * p11-kit list-modules: of a module "NAME: FILE" in the first column, or from 0.25 on
 * "module: NAME", and more of it below that.
 */
bool look_parse_modules(const char *text, const char *module)
{
	size_t len = strlen(module);

	for (; text; text = next_line(text)) {
		const char *name = strncmp(text, "module: ", 8) == 0 ? text + 8 : text;

		if (strncmp(name, module, len) == 0 &&
		    (name[len] == ':' || name[len] == '\n' || name[len] == '\0'))
			return true;
	}
	return false;
}

static bool is_bus_name(struct slice name)
{
	static const char ALLOWED[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t i;

	for (i = 0; i < name.len; i++)
		if (!name.data[i] || !strchr(ALLOWED, name.data[i]))
			return false;
	return name.len > 0 && name.data[0] != '-' && name.data[0] != '.';
}

bool look_parse_bus_name(const char *conf, char ret_name[FACT_TEXT_SIZE], bool *ret_session)
{
	struct slice name = slice_str(ABRMD_NAME);
	bool session = false;
	const char *at = conf;

	while (*at) {
		struct slice part = slice_of(at, strcspn(at, ","));

		if (slice_begins(part, "bus_name="))
			name = slice_of(part.data + 9, part.len - 9);
		else if (slice_equal(part, slice_str("bus_type=session")))
			session = true;
		at += part.len;
		at += *at == ',';
	}
	if (!is_bus_name(name) || !copy_value(name, ret_name, FACT_TEXT_SIZE))
		return false;
	*ret_session = session;
	return true;
}

void look_last_line(const char *text, char ret_line[FACT_TEXT_SIZE])
{
	struct slice last = slice_of(NULL, 0);

	for (; text; text = next_line(text))
		if (line_of(text).len > 0)
			last = line_of(text);
	if (last.len > FACT_TEXT_SIZE - 1)
		last.len = FACT_TEXT_SIZE - 1;
	(void)snprintf(ret_line, FACT_TEXT_SIZE, "%.*s", (int)last.len,
		       last.data ? (const char *)last.data : "");
}
