/* SPDX-License-Identifier: Apache-2.0 */
/* Attestation keys: making them, seeing them, and their public halves in the forms others want. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/public.h"
#include "cmd/holdfast/verb.h"

#define LIST_MAX    (4u * 1024u * 1024u)
#define NAME_COLUMN 24

#define OPT_NAME(target)                                                                           \
	{                                                                                          \
		.kind = OPT_ARGUMENT, .name = "NAME", .help = "the attestation key's name",        \
		.required = true, .text = (target), .is_name = true, .offer = complete_aiks        \
	}

static void put_description(struct buf *out, const json_t *object)
{
	cli_put_member(out, object, "name", ": ");
	cli_put_member(out, object, "type", ", signs with ");
	cli_put_member(out, object, "hash", ", handle ");
	cli_put_member(out, object, "handle", ", protection ");
	cli_put_member(out, object, "protection", "\n");
}

int verb_aik_create(struct cli *cli, struct opt_words words)
{
	const char *name = NULL, *type = NULL, *hash = NULL;
	const struct opt opts[] = {
		{.kind = OPT_ARGUMENT,
		 .name = "NAME",
		 .help = "its name; default: its handle, as in 0x81010000",
		 .text = &name,
		 .is_name = true},
		{.kind = OPT_CHOICE,
		 .name = "type",
		 .value = "ecc-p256|ecc-p384|rsa-2048|rsa-3072",
		 .help = "default: ecc-p256",
		 .text = &type},
		{.kind = OPT_CHOICE,
		 .name = "hash",
		 .value = "sha256|sha384|sha512",
		 .help = "the one hash that it signs with; default: sha256",
		 .text = &hash},
	};
	char *json;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (hf_aik_create(cli->hf, name, type, hash, &json) < 0)
		return cli_fail_hf(cli);
	return cli_print_answer(cli, json, put_description);
}

/* --- the list --- */

struct rows {
	struct buf out;
	bool json;
	bool any;
};

static void add_json(struct rows *rows, const struct hf_aik *aik)
{
	const struct {
		const char *before;
		const char *text;
	} members[] = {{"{\"name\":", aik->name},
		       {",\"handle\":", aik->handle},
		       {",\"type\":", aik->type},
		       {",\"hash\":", aik->hash}};
	size_t i;

	buf_put_str(&rows->out, rows->any ? "," : "");
	for (i = 0; i < ARRAY_LEN(members); i++) {
		buf_put_str(&rows->out, members[i].before);
		json_put_string(&rows->out, members[i].text);
	}
	buf_put_u8(&rows->out, '}');
}

static int add_row(void *arg, const struct hf_aik *aik)
{
	struct rows *rows = arg;

	if (rows->json) {
		add_json(rows, aik);
	} else {
		buf_printf(&rows->out, "%-*s ", NAME_COLUMN, aik->name);
		cli_put_text(&rows->out, aik->handle);
		buf_put_u8(&rows->out, ' ');
		cli_put_text(&rows->out, aik->type);
		buf_put_u8(&rows->out, ' ');
		cli_put_text(&rows->out, aik->hash);
		buf_put_u8(&rows->out, '\n');
	}
	rows->any = true;
	return 0;
}

int verb_aik_list(struct cli *cli, struct opt_words words)
{
	struct rows rows = {.out = BUF_INIT(LIST_MAX)};
	int r;

	r = cli_parse(cli, NULL, 0, words);
	if (r >= 0)
		return r;
	rows.json = cli->json;
	buf_put_str(&rows.out, rows.json ? "{\"aiks\":[" : "");
	r = hf_aik_list(cli->hf, add_row, &rows);
	buf_put_str(&rows.out, rows.json ? "]}\n" : "");
	r = r < 0 ? cli_fail_hf(cli) : cli_print(cli, &rows.out);
	buf_fini(&rows.out);
	return r;
}

/* --- one of them --- */

int verb_aik_public(struct cli *cli, struct opt_words words)
{
	const char *name = NULL, *format = NULL, *path = NULL;
	const struct opt opts[] = {
		OPT_NAME(&name),
		PUBLIC_OPT_FORMAT(&format),
		PUBLIC_OPT_OUT(&path),
	};
	char *json;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (hf_aik_describe(cli->hf, name, &json) < 0)
		return cli_fail_hf(cli);
	return public_print(cli, json, &PUBLIC_MEMBERS, format, path);
}

int verb_aik_delete(struct cli *cli, struct opt_words words)
{
	const char *name = NULL;
	const struct opt opts[] = {OPT_NAME(&name)};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	return hf_aik_delete(cli->hf, name) < 0 ? cli_fail_hf(cli) : cli_deleted(cli, name);
}
