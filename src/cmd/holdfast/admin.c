/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/admin.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define TIMEOUT_MS  300000u
#define ANSWER_SIZE 16u

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

int admin_parse(struct cli *cli, const struct opt *opts, size_t count, struct opt_words words)
{
	int r = cli_parse(cli, opts, count, words);

	return r < 0 ? admin_open(cli) : r;
}

int admin_confirm(const struct cli *cli, const char *meaning)
{
	char answer[ANSWER_SIZE] = "";
	struct err err;

	if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
		(void)err_set(&err, ERR_INVALID, "there is no terminal to ask on: --yes is needed");
		return cli_usage(cli, &err);
	}
	(void)fprintf(stderr, "%sType yes to go on: ", meaning);
	(void)fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0)
		return -1;
	(void)fputs("Nothing was changed.\n", stderr);
	return CLI_FAILED;
}

void admin_put_text(struct buf *out, const char *label, const json_t *object, const char *member)
{
	cli_put_line(out, label, json_string_value(json_object_get(object, member)));
}

void admin_put_bool(struct buf *out, const char *label, const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (json_is_boolean(value))
		buf_printf(out, "%-*s%s\n", CLI_LABEL_COLUMN, label,
			   json_is_true(value) ? "yes" : "no");
}
