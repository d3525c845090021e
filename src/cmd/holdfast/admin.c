/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/admin.h"

#include <jansson.h>

#include "base/json.h"
#include "base/mem.h"

#define TEXT_MAX     (16u * 1024u)
#define LABEL_COLUMN 20
#define TIMEOUT_MS   300000u

int admin_open(struct cli *cli)
{
	struct hf *hf;
	struct err err;
	int r;

	r = hf_open_admin(cli->socket, &hf);
	if (r < 0) {
		(void)err_set(&err, r, "the path of the socket has no room for admin.sock");
		return cli_fail(cli, &err);
	}
	hf_set_timeout_ms(hf, cli->timeout_ms > 0 ? cli->timeout_ms : TIMEOUT_MS);
	hf_close(cli->hf);
	cli->hf = hf;
	return -1;
}

void admin_put_text(struct buf *out, const char *label, const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	if (!text || !text[0])
		return;
	buf_printf(out, "%-*s", LABEL_COLUMN, label);
	cli_put_text(out, text);
	buf_put_u8(out, '\n');
}

void admin_put_bool(struct buf *out, const char *label, const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (json_is_boolean(value))
		buf_printf(out, "%-*s%s\n", LABEL_COLUMN, label,
			   json_is_true(value) ? "yes" : "no");
}

int admin_print(const struct cli *cli, char *take_json,
		void (*put)(struct buf *out, const json_t *object))
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	struct err err;
	int r;

	if (cli->json) {
		r = cli_print_json(cli, take_json);
	} else if (json_parse(slice_str(take_json), &object, &err) < 0) {
		r = cli_fail(cli, &err);
	} else {
		put(&out, object);
		r = cli_print(cli, &out);
	}
	hf_free(take_json);
	return r;
}
