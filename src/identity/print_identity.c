/* SPDX-License-Identifier: Apache-2.0 */
/* The table as docs/IDENTITY.md has it, in Markdown. See tools/gen-identity. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/slice.h"
#include "identity/state.h"

static const char LETTERS[] = "USEDXC";

static const struct identity_row *row_of(unsigned mode, unsigned event)
{
	return identity_row((enum identity_mode)mode, (enum identity_event)event);
}

static const char *text_of(unsigned event)
{
	return identity_event_text((enum identity_event)event);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_row(const struct identity_row *a, const struct identity_row *b)
{
	return a->to == b->to &&
	       slice_equal(slice_of(a->actions, sizeof(a->actions)),
			   slice_of(b->actions, sizeof(b->actions))) &&
	       a->again == b->again && a->retry == b->retry && a->refuse == b->refuse &&
	       same_text(a->never, b->never) && same_text(a->reason, b->reason) &&
	       same_text(a->alarm, b->alarm) && same_text(a->remedy, b->remedy);
}

/* Has a mode before this one the same row? */
static bool is_printed(unsigned mode, unsigned event)
{
	for (unsigned m = 0; m < mode; m++)
		if (same_row(row_of(m, event), row_of(mode, event)))
			return true;
	return false;
}

static void print_modes(unsigned mode, unsigned event)
{
	const char *between = "";

	for (unsigned m = mode; m < IDENTITY_MODES; m++) {
		if (!same_row(row_of(m, event), row_of(mode, event)))
			continue;
		printf("%s%c", between, LETTERS[m]);
		between = ", ";
	}
}

static void print_actions(const struct identity_row *row)
{
	if (row->actions[0] == ACT_NONE)
		printf("nothing");
	for (size_t i = 0; i < IDENTITY_ROW_MAX && row->actions[i] != ACT_NONE; i++)
		printf("%s%s", i > 0 ? "; " : "", identity_action_text(row->actions[i]));
	if (row->again)
		printf(". Then the next event");
	if (row->retry)
		printf(". Tried again");
}

/* --- the diagram --- */

/* What Mermaid would take for its own. */
static void print_label(const char *text)
{
	for (; *text; text++)
		if (*text == ';')
			putchar(',');
		else if (*text != '`' && *text != '"')
			putchar(*text);
}

static void print_edges(unsigned from, unsigned to)
{
	for (unsigned e = 0; e < IDENTITY_EVENTS; e++) {
		const struct identity_row *row = row_of(from, e);

		if (row->never || row->refuse || row->to != to)
			continue;
		printf("    %c --> %c : ", LETTERS[from], LETTERS[to]);
		print_label(text_of(e));
		putchar('\n');
	}
}

static void print_diagram(void)
{
	printf("```mermaid\nstateDiagram-v2\n    [*] --> U\n");
	for (unsigned m = 0; m < IDENTITY_MODES; m++)
		printf("    %c : %c %s\n", LETTERS[m], LETTERS[m],
		       identity_mode_name((enum identity_mode)m));
	for (unsigned from = 0; from < IDENTITY_MODES; from++)
		for (unsigned to = 0; to < IDENTITY_MODES; to++)
			if (from != to)
				print_edges(from, to);
	printf("```\n");
}

/* --- the tables --- */

static void print_rows(void)
{
	printf("\n| from | event | to | what is done | what is told |\n|---|---|---|---|---|\n");
	for (unsigned e = 0; e < IDENTITY_EVENTS; e++) {
		for (unsigned m = 0; m < IDENTITY_MODES; m++) {
			const struct identity_row *row = row_of(m, e);

			if (row->never || row->refuse || is_printed(m, e))
				continue;
			printf("| ");
			print_modes(m, e);
			printf(" | %s | %c | ", text_of(e), LETTERS[row->to]);
			print_actions(row);
			printf(" | %s%s%s |\n", row->reason, row->alarm ? ". **Alarm**: " : "",
			       row->alarm ? row->alarm : "");
		}
	}
}

static void print_refusals(void)
{
	printf("\n| in | order | answer | remedy |\n|---|---|---|---|\n");
	for (unsigned e = 0; e < IDENTITY_EVENTS; e++) {
		for (unsigned m = 0; m < IDENTITY_MODES; m++) {
			const struct identity_row *row = row_of(m, e);

			if (row->never || !row->refuse || is_printed(m, e))
				continue;
			printf("| ");
			print_modes(m, e);
			printf(" | %s | `%s`: %s | %s |\n", text_of(e), err_info(row->refuse)->name,
			       row->reason, row->remedy ? row->remedy : "that of the code");
		}
	}
}

static void print_impossible(void)
{
	printf("\n| event | cannot be in | because |\n|---|---|---|\n");
	for (unsigned e = 0; e < IDENTITY_EVENTS; e++) {
		for (unsigned m = 0; m < IDENTITY_MODES; m++) {
			if (!row_of(m, e)->never || is_printed(m, e))
				continue;
			printf("| %s | ", text_of(e));
			print_modes(m, e);
			printf(" | %s |\n", row_of(m, e)->never);
		}
	}
}

static const struct {
	const char *title;
	void (*print)(void);
} PARTS[] = {
	{NULL, print_diagram},
	{"Events and what is done", print_rows},
	{"Orders that are refused", print_refusals},
	{"Cells that cannot be", print_impossible},
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(PARTS); i++) {
		if (PARTS[i].title)
			printf("\n### %s\n", PARTS[i].title);
		PARTS[i].print();
	}
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
