/* SPDX-License-Identifier: Apache-2.0 */
/* What was found is in part the text of others, tools and services: all of it is made printable. */
#include <jansson.h>

#include "base/mem.h"
#include "cmd/holdfast/cli.h"
#include "cmd/holdfast/findings.h"

#define STATE_COLUMN 6
#define ID_COLUMN    20

static void put_one(struct buf *out, const struct finding *finding)
{
	buf_printf(out, "%-*s%-*s ", STATE_COLUMN, finding_state_word(finding->state),
		   ID_COLUMN - 1, finding->id);
	cli_put_text(out, finding->found);
	buf_put_u8(out, '\n');
	if (!finding->remedy[0])
		return;
	buf_printf(out, "%*stry: ", STATE_COLUMN, "");
	cli_put_text(out, finding->remedy);
	buf_put_u8(out, '\n');
}

void findings_put(struct buf *out, const struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		put_one(out, &findings->rows[i]);
}

static json_t *finding_json(const struct finding *finding)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "id", finding->id, "state",
			 finding_state_word(finding->state), "found", cli_text_json(finding->found),
			 "remedy",
			 finding->remedy[0] ? cli_text_json(finding->remedy) : json_null());
}

struct json_t *findings_json(const struct findings *findings)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < findings->count; i++)
		(void)json_array_append_new(rows, finding_json(&findings->rows[i]));
	return json_pack("{s:b, s:o}", "good", (int)!findings_fail(findings), "checks", rows);
}
