/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the machine's own tools print, which a program that was put in their place may do as well:
 * what is taken from it is of the form that it must have, and what is refused leaves no trace.
 */

#include <string.h>

#include "stack/look.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 65536u

static void check_public(const char *text)
{
	struct fact_public public = {.tool = TOOL_ANSWERED};

	if (!look_parse_public(text, &public)) {
		FUZZ_REQUIRE(!public.name[0] && !public.type[0] && !public.attributes[0]);
		return;
	}
	FUZZ_REQUIRE(public.name[0] && public.type[0] && public.attributes[0]);
	FUZZ_REQUIRE(strspn(public.name, "0123456789abcdefABCDEF") == strlen(public.name));
	FUZZ_REQUIRE(strlen(public.name) % 2 == 0 && strlen(public.name) < sizeof(public.name));
	FUZZ_REQUIRE(strlen(public.type) < sizeof(public.type));
	FUZZ_REQUIRE(strlen(public.attributes) < sizeof(public.attributes));
}

static void check_chip(const char *text)
{
	struct fact_lockout lockout = {.tool = TOOL_ANSWERED, .counter = 77, .max = 78};
	struct fact_handles handles = {.tool = TOOL_ANSWERED, .count = 3};

	if (!look_parse_lockout(text, &lockout))
		FUZZ_REQUIRE(lockout.counter == 77 && lockout.max == 78 && !lockout.in_lockout);
	if (look_parse_handles(text, &handles))
		FUZZ_REQUIRE(handles.count <= FACT_HANDLES);
	else
		FUZZ_REQUIRE(handles.count == 3);
	FUZZ_REQUIRE(lockout.tool == TOOL_ANSWERED && handles.tool == TOOL_ANSWERED);
	FUZZ_REQUIRE(!look_parse_random(text, 4) || strlen(text) >= 8);
}

static void check_bus(const char *text)
{
	char name[FACT_TEXT_SIZE] = "", line[FACT_TEXT_SIZE];
	bool session = false, owned = false;

	if (look_parse_bus_name(text, name, &session))
		FUZZ_REQUIRE(name[0] && name[0] != '-' && !strpbrk(name, " ,:/\n"));
	else
		FUZZ_REQUIRE(!name[0] && !session);
	FUZZ_REQUIRE(look_parse_bus(text, &owned) || !owned);
	FUZZ_REQUIRE(!look_parse_modules(text, "tpm2_pkcs11") || strstr(text, "tpm2_pkcs11"));
	look_last_line(text, line);
	FUZZ_REQUIRE(strlen(line) < sizeof(line) && !strchr(line, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT_MAX + 1];

	if (size > TEXT_MAX)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_public(text);
	check_chip(text);
	check_bus(text);
	return 0;
}
