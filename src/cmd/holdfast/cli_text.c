/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that others wrote, for a terminal. */
#include <jansson.h>

#include "base/utf8.h"
#include "cmd/holdfast/cli.h"
#include "cmd/holdfast/io.h"

#define TEXT_MAX (64u * 1024u)

void cli_put_text(struct buf *out, const char *text)
{
	struct slice rest = slice_str(text);

	while (rest.len > 0) {
		size_t len = io_printable(rest);

		buf_put(out, len > 0 ? slice_of(rest.data, len) : slice_str("?"));
		if (len == 0)
			len = utf8_next(rest) > 0 ? utf8_next(rest) : 1;
		rest = slice_of(rest.data + len, rest.len - len);
	}
}

json_t *cli_text_json(const char *text)
{
	CLEANUP(buf_fini) struct buf printable = BUF_INIT(TEXT_MAX);

	cli_put_text(&printable, text);
	return json_stringn((const char *)printable.data, printable.len);
}

void cli_put_member(struct buf *out, const struct json_t *object, const char *member,
		    const char *behind)
{
	const char *text = json_string_value(json_object_get(object, member));

	cli_put_text(out, text ? text : "?");
	buf_put_str(out, behind);
}

void cli_put_label(struct buf *out, const char *label)
{
	buf_printf(out, "%-*s", CLI_LABEL_COLUMN, label);
}

void cli_put_line(struct buf *out, const char *label, const char *text)
{
	if (!text || !text[0])
		return;
	cli_put_label(out, label);
	cli_put_text(out, text);
	buf_put_u8(out, '\n');
}
