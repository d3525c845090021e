/* SPDX-License-Identifier: Apache-2.0 */
/* A table of what may be wrong; the exit code tells whether something is. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/doctor.h"
#include "cmd/holdfast/speed.h"
#include "cmd/holdfast/verb.h"

#define TEXT_MAX     (64u * 1024u)
#define NAME_COLUMN  18
#define STATE_COLUMN 6

static void put_row(struct buf *out, const struct doctor_row *row)
{
	buf_printf(out, "%-*s%-*s", STATE_COLUMN, doctor_state_name(row->state), NAME_COLUMN,
		   row->name);
	cli_put_text(out, row->found);
	buf_put_u8(out, '\n');
	if (!row->remedy[0])
		return;
	buf_printf(out, "%*stry: ", STATE_COLUMN, "");
	cli_put_text(out, row->remedy);
	buf_put_u8(out, '\n');
}

static bool has_fail(const struct doctor_report *report)
{
	size_t i;

	for (i = 0; i < report->count; i++)
		if (report->rows[i].state == DOCTOR_FAIL)
			return true;
	return false;
}

static int print_text(const struct cli *cli, const struct doctor_report *report,
		      const struct speed *speed)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	size_t i;

	for (i = 0; i < report->count; i++)
		put_row(&out, &report->rows[i]);
	if (speed) {
		buf_put_u8(&out, '\n');
		speed_put(&out, speed);
	}
	return cli_print(cli, &out);
}

/* Reasons and errors of the service are text; what is no UTF-8 in a path shows as '?'. */
static json_t *text_json(const char *text)
{
	CLEANUP(buf_fini) struct buf printable = BUF_INIT(TEXT_MAX);

	cli_put_text(&printable, text);
	return json_stringn((const char *)printable.data, printable.len);
}

static json_t *row_json(const struct doctor_row *row)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "name", row->name, "state",
			 doctor_state_name(row->state), "found", text_json(row->found), "remedy",
			 row->remedy[0] ? text_json(row->remedy) : json_null());
}

static int print_object(const struct cli *cli, const struct doctor_report *report,
			const struct speed *speed)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < report->count; i++)
		(void)json_array_append_new(rows, row_json(&report->rows[i]));
	return cli_print_object(cli, json_pack("{s:b, s:o, s:o}", "good", (int)!has_fail(report),
					       "checks", rows, "speed",
					       speed ? speed_json(speed) : json_null()));
}

static int examine(const struct cli *cli, bool wants_speed)
{
	CLEANUP(doctor_facts_fini) struct doctor_facts facts;
	struct doctor_report report;
	struct speed speed;
	bool fast;
	struct err err;
	int r;

	doctor_look(cli->hf, &facts);
	doctor_judge(&facts, &report);
	/* There is nothing to measure where nothing works. */
	fast = wants_speed && facts.status && facts.random_call.code == 0;
	if (fast && speed_measure(cli->hf, doctor_on_chip(&facts), &speed, &err) < 0)
		return cli_fail(cli, &err);
	r = cli->json ? print_object(cli, &report, fast ? &speed : NULL)
		      : print_text(cli, &report, fast ? &speed : NULL);
	return r == CLI_DONE && has_fail(&report) ? CLI_FAILED : r;
}

int verb_doctor(struct cli *cli, struct opt_words words)
{
	bool wants_speed = false;
	const struct opt opts[] = {
		{.kind = OPT_FLAG,
		 .name = "speed",
		 .help = "measure the chip too: makes keys, uses them, deletes them",
		 .flag = &wants_speed},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	return r >= 0 ? r : examine(cli, wants_speed);
}
