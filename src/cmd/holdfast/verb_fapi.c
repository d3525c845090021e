/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FAPI, the TCG's Feature API, as the service runs it. For the administrator: its socket is the
 * one that root and the service's own user may open. Opening what FAPI sealed is unseal --name.
 */
#include <jansson.h>

#include "base/mem.h"
#include "cmd/holdfast/admin.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/names.h"
#include "cmd/holdfast/verb.h"

#define OPT_PATH(target, others)                                                                   \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "name", .value = "PATH",                                 \
		.help = "the object's path: /HS/SRK/..", .required = true, .text = (target),       \
		.is_path = true, .offer = (others)                                                 \
	}

static void put_milliseconds(struct buf *out, const json_t *object)
{
	const json_t *value = json_object_get(object, "milliseconds");

	if (json_is_integer(value))
		buf_printf(out, "%-20s%" JSON_INTEGER_FORMAT " ms\n", "took",
			   json_integer_value(value));
}

static void put_probe(struct buf *out, const json_t *object)
{
	admin_put_bool(out, "connects", object, "connects");
	admin_put_bool(out, "provisioned", object, "provisioned");
	admin_put_text(out, "profile", object, "profile");
	admin_put_bool(out, "confined", object, "confined");
	put_milliseconds(out, object);
}

int verb_fapi_probe(struct cli *cli, struct opt_words words)
{
	char *json;
	int r;

	r = admin_parse(cli, NULL, 0, words);
	if (r >= 0)
		return r;
	if (hf_fapi_probe_json(cli->hf, &json) < 0)
		return cli_fail_hf(cli);
	return cli_print_answer(cli, json, put_probe);
}

static void put_provisioned(struct buf *out, const json_t *object)
{
	admin_put_text(out, "profile", object, "profile");
	admin_put_text(out, "SRK", object, "srk");
	admin_put_bool(out, "was there before", object, "already");
}

int verb_fapi_provision(struct cli *cli, struct opt_words words)
{
	char *json;
	int r;

	r = admin_parse(cli, NULL, 0, words);
	if (r >= 0)
		return r;
	if (hf_fapi_provision_json(cli->hf, &json) < 0)
		return cli_fail_hf(cli);
	return cli_print_answer(cli, json, put_provisioned);
}

static int seal(const struct cli *cli, const char *path, const char *in)
{
	CLEANUP(buf_fini) struct buf data = BUF_INIT(HF_FAPI_SEAL_MAX);
	struct err err;
	int r;

	r = io_read(in, &data, &err);
	if (r == ERR_TOO_LARGE)
		r = err_set(&err, r, "the input is over the %u bytes that FAPI seals",
			    HF_FAPI_SEAL_MAX);
	if (r < 0)
		return cli_fail(cli, &err);
	if (hf_fapi_seal(cli->hf, path, data.data, data.len) < 0)
		return cli_fail_hf(cli);
	if (!cli->json)
		return CLI_DONE;
	return cli_print_object(cli, json_pack("{s:s}", "path", path));
}

int verb_fapi_seal(struct cli *cli, struct opt_words words)
{
	const char *path = NULL, *in = NULL;
	const struct opt opts[] = {
		OPT_PATH(&path, NULL),
		{.kind = OPT_TEXT,
		 .name = "in",
		 .value = "FILE",
		 .help = "what to seal, 1 to 128 bytes; default: standard input",
		 .text = &in},
	};
	int r;

	r = admin_parse(cli, opts, ARRAY_LEN(opts), words);
	return r >= 0 ? r : seal(cli, path, in);
}

int verb_fapi_list(struct cli *cli, struct opt_words words)
{
	int r;

	r = admin_parse(cli, NULL, 0, words);
	return r >= 0 ? r : names_print(cli, "objects", hf_fapi_list);
}

int verb_fapi_delete(struct cli *cli, struct opt_words words)
{
	const char *path = NULL;
	const struct opt opts[] = {OPT_PATH(&path, complete_fapi_paths)};
	int r;

	r = admin_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	return hf_fapi_delete(cli->hf, path) < 0 ? cli_fail_hf(cli) : cli_deleted(cli, path);
}
