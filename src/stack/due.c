/* SPDX-License-Identifier: Apache-2.0 */
#include "stack/due.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "stack/place.h"

#define DUE_MAX	  4096u
#define LINE_SIZE 64u

bool due_same(const struct stack_due *a, const struct stack_due *b)
{
	return a->put == b->put && a->gone == b->gone;
}

void due_add(struct stack_due *due, enum stack_part part, enum stack_deed deed)
{
	unsigned bit = 1u << part;

	switch (deed) {
	case STACK_WRITTEN:
	case STACK_REPLACED:
	case STACK_FORCED:
		due->put |= bit;
		due->gone &= ~bit;
		break;
	case STACK_REMOVED:
		due->gone |= bit;
		due->put &= ~bit;
		break;
	case STACK_ABSENT:
	case STACK_SAME:
	case STACK_KEPT:
	case STACK_FORGOTTEN:
		break;
	}
}

static void put_lines(const struct stack_due *due, struct buf *out)
{
	unsigned part;

	for (part = 0; part < STACK_PARTS; part++) {
		if (due->put & 1u << part)
			buf_printf(out, "%s put\n", stack_word((enum stack_part)part));
		if (due->gone & 1u << part)
			buf_printf(out, "%s gone\n", stack_word((enum stack_part)part));
	}
}

static bool parse_line(const char *line, struct stack_due *due)
{
	char wanted[LINE_SIZE];
	unsigned part;

	for (part = 0; part < STACK_PARTS; part++) {
		(void)snprintf(wanted, sizeof(wanted), "%s put", stack_word((enum stack_part)part));
		if (strcmp(line, wanted) == 0) {
			due->put |= 1u << part;
			return true;
		}
		(void)snprintf(wanted, sizeof(wanted), "%s gone",
			       stack_word((enum stack_part)part));
		if (strcmp(line, wanted) == 0) {
			due->gone |= 1u << part;
			return true;
		}
	}
	return false;
}

static bool parse(char *text, struct stack_due *due)
{
	char *save = NULL;
	const char *line;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!parse_line(line, due))
			return false;
	return true;
}

int due_read(int dir, struct stack_due *ret_due, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(DUE_MAX);
	struct stack_due due = {0};
	int r = file_read(dir, place_name(STACK_DUE), &text, err);

	if (r < 0 && r != ERR_NOT_FOUND)
		return err_wrap(err, "%s", STACK_STATE);
	buf_put_u8(&text, '\0');
	if (!buf_ok(&text) || strlen((const char *)text.data) + 1 != text.len ||
	    !parse((char *)text.data, &due)) {
		(void)err_set(err, ERR_UNREADABLE, STACK_DUE " is damaged");
		return err_add_remedy(err, "Remove it, and start this machine anew: then all that "
					   "was changed is in force.");
	}
	*ret_due = due;
	return 0;
}

int due_write(int dir, const struct stack_due *due, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(DUE_MAX);

	put_lines(due, &text);
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return place_put_file(dir, place_name(STACK_DUE), buf_slice(&text), PLACE_FILE_MODE, err);
}

int due_settle(int dir, const struct stack_due *due, struct err *err)
{
	struct stack_due noted = {0};
	int r = due_read(dir, &noted, err);

	if (r < 0 || !due_same(&noted, due))
		return r;
	r = file_remove(dir, place_name(STACK_DUE), err);
	return r == ERR_NOT_FOUND ? 0 : r;
}
