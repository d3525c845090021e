/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/cli.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/io.h"

#define TEXT_MAX      (64u * 1024u)
#define JSON_MAX      (96u * 1024u * 1024u) /* the largest result in base64 */
#define TIMEOUT_S_MAX 86400u

/* --- texts --- */

/* To standard error; nothing can be done when that fails. */
static void complain(const char *before, const char *text)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(TEXT_MAX);

	cli_put_text(&line, text);
	buf_put_u8(&line, '\0');
	if (buf_ok(&line))
		(void)fprintf(stderr, "%s%s\n", before, (const char *)line.data);
}

json_t *cli_take_object(int r, char *take_text)
{
	struct json_t *object = NULL;
	struct err ignored;

	if (r < 0)
		return NULL;
	if (json_parse(slice_str(take_text), &object, &ignored) < 0)
		object = NULL;
	hf_free(take_text);
	return object;
}

static json_t *problem_json(const struct err *err)
{
	const struct err_info *info = err_info(err->code);
	char type[64];

	(void)snprintf(type, sizeof(type), "urn:holdfast:error:%s", info->name);
	return json_pack("{s:s, s:s, s:i, s:s, s:o, s:o}", "type", type, "title", info->title,
			 "status", info->http_status, "code", info->name, "detail",
			 cli_text_json(err->text), "remedy", cli_text_json(err_remedy(err)));
}

static const char *program_name(const struct cli *cli)
{
	return cli->is_tool && cli->verb ? cli->verb->name : "holdfast";
}

int cli_fail(const struct cli *cli, const struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *problem = cli->json ? problem_json(err) : NULL;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);
	char before[64];
	struct err ignored;

	if (problem) {
		json_write(&out, problem);
		buf_put_u8(&out, '\n');
		if (buf_ok(&out) && io_write(NULL, buf_slice(&out), &ignored) == 0)
			return CLI_FAILED;
	}
	(void)snprintf(before, sizeof(before), "%s: %s: ", program_name(cli),
		       err_info(err->code)->name);
	complain(before, err->text);
	complain("  try: ", err_remedy(err));
	return CLI_FAILED;
}

int cli_fail_hf(const struct cli *cli)
{
	struct err err;

	(void)err_set(&err, hf_error_code(cli->hf), "%s", hf_error_text(cli->hf));
	(void)err_add_remedy(&err, hf_error_remedy(cli->hf));
	return cli_fail(cli, &err);
}

int cli_usage(const struct cli *cli, const struct err *err)
{
	char before[64], hint[64] = "holdfast help";

	if (cli->verb)
		(void)snprintf(hint, sizeof(hint), "%s%s --help", cli->is_tool ? "" : "holdfast ",
			       cli->verb->name);
	(void)snprintf(before, sizeof(before), "%s: ", program_name(cli));
	complain(before, err->text);
	complain("  try: ", hint);
	return CLI_USAGE;
}

int cli_print(const struct cli *cli, const struct buf *text)
{
	struct err err;
	int r;

	if (buf_ok(text))
		r = io_write(NULL, buf_slice(text), &err);
	else
		r = err_set(&err, ERR_INTERNAL, "memory is short");
	return cli_end(cli, r, &err);
}

int cli_print_answer(const struct cli *cli, char *take_json,
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

int cli_print_object(const struct cli *cli, struct json_t *take_json)
{
	CLEANUP(json_cleanup) struct json_t *json = take_json;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(JSON_MAX);
	struct err err;

	if (!json)
		return cli_end(cli, err_set(&err, ERR_INTERNAL, "memory is short"), &err);
	json_write(&out, json);
	buf_put_u8(&out, '\n');
	return cli_print(cli, &out);
}

int cli_deleted(const struct cli *cli, const char *name)
{
	if (!cli->json)
		return CLI_DONE;
	return cli_print_object(cli, json_pack("{s:s, s:b}", "name", name, "deleted", 1));
}

int cli_print_json(const struct cli *cli, const char *json)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(JSON_MAX);

	buf_put_str(&out, json);
	buf_put_u8(&out, '\n');
	return cli_print(cli, &out);
}

/* --- options --- */

void cli_common(struct cli *cli, struct opt ret_opts[CLI_COMMON_COUNT])
{
	const struct opt opts[CLI_COMMON_COUNT] = {
		{.kind = OPT_TEXT,
		 .name = "socket",
		 .value = "PATH",
		 .help = "the service's socket; default: $HOLDFAST_SOCKET, else " HF_SOCKET_DEFAULT,
		 .text = &cli->socket,
		 .offer = complete_files},
		{.kind = OPT_FLAG,
		 .name = "json",
		 .help = "print results and errors as JSON",
		 .flag = &cli->json},
		{.kind = OPT_TEXT,
		 .name = "timeout",
		 .value = "SECONDS",
		 .help = "give up after so long; default: 60, of verbs for the administrator 300",
		 .text = &cli->timeout},
	};

	memcpy(ret_opts, opts, sizeof(opts));
}

static int print_help(const struct cli *cli, const struct opt_table *own,
		      const struct opt_table *common)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);

	buf_printf(&out, "usage: %s%s", cli->is_tool ? "" : "holdfast ", cli->verb->name);
	opt_usage(&out, own, out.len);
	buf_printf(&out, "\n\n%s.\n\n", cli->verb->text);
	opt_help(&out, own);
	buf_put_str(&out, own->count > 0 ? "\n" : "");
	opt_help(&out, common);
	return cli_print(cli, &out);
}

static int open_handle(struct cli *cli, struct err *err)
{
	uint64_t seconds = 0;
	int r = 0;

	if (cli->timeout)
		r = opt_number(cli->timeout, "--timeout", 1, TIMEOUT_S_MAX, &seconds, err);
	if (r < 0)
		return r;
	r = hf_open(cli->socket, &cli->hf);
	if (r < 0)
		return err_set(err, r, "%s",
			       r == HF_INVALID ? "the path of the socket is empty or too long"
					       : "memory is short");
	cli->timeout_ms = (unsigned)seconds * 1000u;
	hf_set_timeout_ms(cli->hf, cli->timeout_ms);
	return 0;
}

int cli_parse(struct cli *cli, const struct opt *opts, size_t count, struct opt_words words)
{
	struct opt common[CLI_COMMON_COUNT];
	const struct opt_table tables[] = {{opts, count}, {common, CLI_COMMON_COUNT}};
	bool help = false;
	struct err err;

	cli_common(cli, common);
	if (cli->completing)
		return complete_print(cli, tables, ARRAY_LEN(tables), words);
	if (opt_parse(tables, ARRAY_LEN(tables), words, &help, &err) < 0)
		return cli_usage(cli, &err);
	if (help)
		return print_help(cli, &tables[0], &tables[1]);
	if (open_handle(cli, &err) < 0)
		return err.code == ERR_INVALID ? cli_usage(cli, &err) : cli_fail(cli, &err);
	return -1;
}

/* --- results --- */

/* By hand: the result may be large, and base64 needs no escape. A text has a NUL behind it. */
static void put_json_result(struct buf *out, const struct cli *cli, const char *path,
			    const struct cli_result *result)
{
	if (path) {
		buf_printf(out, "{\"bytes\":%zu", result->bytes.len);
	} else if (result->is_text) {
		buf_printf(out, "{\"%s\":", result->member);
		json_put_string(out, (const char *)result->bytes.data);
	} else {
		buf_printf(out, "{\"%s\":\"", result->member);
		base64_encode(out, result->bytes);
		buf_put_u8(out, '"');
	}
	if (hf_protection(cli->hf)[0])
		buf_printf(out, ",\"protection\":\"%s\"", hf_protection(cli->hf));
	buf_put_str(out, "}\n");
}

int cli_put_result(const struct cli *cli, const char *path, const struct cli_result *result)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(JSON_MAX);
	struct err err;
	int r = 0;

	if (path && strcmp(path, "-") == 0)
		path = NULL;
	if (!cli->json)
		r = io_check_terminal(path, result->bytes, &err);
	if (r == 0 && (path || !cli->json))
		r = io_write(path, result->bytes, &err);
	if (r < 0)
		return cli_fail(cli, &err);
	if (!cli->json)
		return CLI_DONE;
	if (result->json)
		return cli_print_json(cli, result->json);
	put_json_result(&json, cli, path, result);
	return cli_print(cli, &json);
}

static int put_taken(const struct cli *cli, const char *path, const struct cli_result *result,
		     void *take_data)
{
	int r = cli_put_result(cli, path, result);

	hf_free(take_data);
	return r;
}

int cli_put_taken(const struct cli *cli, const char *path, const char *member, void *take_data,
		  size_t len)
{
	const struct cli_result result = {.member = member, .bytes = slice_of(take_data, len)};

	return put_taken(cli, path, &result, take_data);
}

int cli_put_taken_text(const struct cli *cli, const char *path, const char *member, char *take_text)
{
	const struct cli_result result = {
		.member = member, .bytes = slice_str(take_text), .is_text = true};

	return put_taken(cli, path, &result, take_text);
}
