/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands as holdfast-broker(7) has it, in scdoc(5). See tools/gen-broker-man. */
#include <stdio.h>

#include "broker/commands.h"

static const struct {
	unsigned kinds;
	const char *word;
} WORDS[] = {
	/* Those of several kinds first. */
	{HANDLE_OBJECT, "object"},
	{HANDLE_SESSION, "session"},
	{HANDLE_TRANSIENT, "transient"},
	{HANDLE_PERSISTENT, "persistent"},
	{HANDLE_POLICY, "policy session"},
	{HANDLE_HMAC, "HMAC session"},
	{HANDLE_NV, "NV"},
	{HANDLE_PCR, "PCR"},
	{HANDLE_OWNER, "owner"},
	{HANDLE_ENDORSEMENT, "endorsement"},
	{HANDLE_LOCKOUT, "lockout"},
	{HANDLE_NULL, "null"},
};

static void print_kinds(unsigned kinds)
{
	const char *between = "";
	size_t i;

	for (i = 0; i < ARRAY_LEN(WORDS); i++) {
		if ((kinds & WORDS[i].kinds) != WORDS[i].kinds)
			continue;
		printf("%s%s", between, WORDS[i].word);
		kinds &= ~WORDS[i].kinds;
		between = ", ";
	}
}

/* What a wider set grants besides; of a command that only this set holds it is just what may be. */
static void print_more(const struct command *command, enum command_set set, unsigned kinds)
{
	if (kinds && command->set < set)
		printf(" (%s: ", command_set_word(set));
	print_kinds(kinds);
	if (kinds && command->set < set)
		printf(")");
}

static void print_position(const struct command *command, size_t i)
{
	unsigned always = command->handles[i];

	if (command->set == SET_FULL)
		always |= command->full[i];
	printf("%s%s", i > 0 ? "; " : "", i < command->auths ? "@" : "");
	print_kinds(always);
	print_more(command, SET_PROVISION, command->provision[i]);
	if (command->set < SET_FULL)
		print_more(command, SET_FULL, command->full[i]);
}

static void print_row(const struct command *command)
{
	size_t i, count = command_handle_count(command);

	printf("|  %s\n:  %x\n:  %s\n:  ", command->name, command->code,
	       command_set_word(command->set));
	for (i = 0; i < count; i++)
		print_position(command, i);
	if (command->remark)
		printf("%s_%s_", count > 0 ? ". " : "", command->remark);
	printf("%s\n", count > 0 || command->remark ? "" : "-");
}

int main(void)
{
	size_t i, count;
	const struct command *commands = commands_all(&count);

	printf("][ *Command*\n:[ *Code*\n:[ *Set*\n:[ *Handles and remarks*\n");
	for (i = 0; i < count; i++)
		print_row(&commands[i]);
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
