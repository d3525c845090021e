/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named keys. Passphrases come from files and go to files, never through the command line, where
 * every process of the machine could read them.
 */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/names.h"
#include "cmd/holdfast/verb.h"

#define PEM_MAX	       (128u * 1024u)
#define PASSPHRASE_MAX 1024u

#define OPT_NAME(target, others)                                                                   \
	{                                                                                          \
		.kind = OPT_ARGUMENT, .name = "NAME", .help = "the key's name", .required = true,  \
		.text = (target), .is_name = true, .offer = (others)                               \
	}

/* "NAME: TYPE, ORIGIN, for sign decrypt, protection P" */
static void put_description(struct buf *out, const json_t *object)
{
	const json_t *uses = json_object_get(object, "use");
	size_t i;

	cli_put_member(out, object, "name", ": ");
	cli_put_member(out, object, "type", ", ");
	cli_put_member(out, object, "origin", ", ");
	for (i = 0; i < json_array_size(uses); i++) {
		buf_put_str(out, i > 0 ? " " : "for ");
		cli_put_text(out, json_string_value(json_array_get(uses, i)));
	}
	buf_put_str(out, json_array_size(uses) > 0 ? ", protection " : "protection ");
	cli_put_member(out, object, "protection", "\n");
}

static int print_description(const struct cli *cli, char *take_json)
{
	return cli_print_answer(cli, take_json, put_description);
}

/* Whether a use fits the type is for the service to say. */
static unsigned uses_of(const struct opt_list *list)
{
	unsigned uses = 0;
	size_t i;

	for (i = 0; i < list->count; i++)
		uses |= list->items[i][0] == 's'   ? HF_USE_SIGN
			: list->items[i][0] == 'd' ? HF_USE_DECRYPT
						   : HF_USE_AGREE;
	return uses;
}

#define OPT_USES(target)                                                                           \
	{                                                                                          \
		.kind = OPT_CHOICES, .name = "use", .value = "sign|decrypt|agree",                 \
		.help = "what the key may be used for: RSA keys sign and decrypt, ECC keys sign "  \
			"and agree; default: sign",                                                \
		.list = (target)                                                                   \
	}

int verb_key_create(struct cli *cli, struct opt_words words)
{
	const char *name = NULL, *type = NULL, *auth = NULL;
	struct opt_list uses = {.count = 0};
	bool export = false, bare;
	const struct opt opts[] = {
		OPT_NAME(&name, NULL),
		{.kind = OPT_CHOICE,
		 .name = "type",
		 .value = "ecc-p256|ecc-p384|rsa-2048|rsa-3072|hmac-sha256",
		 .help = "default: ecc-p256",
		 .text = &type},
		OPT_USES(&uses),
		{.kind = OPT_FLAG,
		 .name = "export",
		 .help = "allow 'key export'; without it the key can never leave",
		 .flag = &export},
		{.kind = OPT_CHOICE,
		 .name = "auth",
		 .value = "passphrase|none",
		 .help = "with --export: what opens the exported key; default: passphrase",
		 .text = &auth},
	};
	char *json;
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (auth && !export) {
		(void)err_set(&err, ERR_INVALID, "--auth needs --export");
		return cli_usage(cli, &err);
	}
	bare = auth && strcmp(auth, "none") == 0;
	if (hf_key_create_for(cli->hf, name, type ? type : "ecc-p256", uses_of(&uses),
			      (export ? HF_KEY_EXPORT : 0u) | (bare ? HF_KEY_NO_PASSPHRASE : 0u),
			      &json) < 0)
		return cli_fail_hf(cli);
	return print_description(cli, json);
}

int verb_key_list(struct cli *cli, struct opt_words words)
{
	int r = cli_parse(cli, NULL, 0, words);

	return r >= 0 ? r : names_print(cli, "keys", hf_key_list);
}

static int print_public(const struct cli *cli, const char *name, const char *path)
{
	struct cli_result result = {.member = "public"};
	char *pem;
	int r;

	if (hf_key_public(cli->hf, name, &pem) < 0)
		return cli_fail_hf(cli);
	result.bytes = slice_str(pem);
	r = cli_put_result(cli, path, &result);
	hf_free(pem);
	return r;
}

/* The PEM of a file is taken out of the description that is printed. */
static int print_whole(const struct cli *cli, const char *path, const char *description)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct cli_result result = {.member = "public", .json = description};
	const char *pem = NULL;
	struct err err;

	if (json_parse(slice_str(description), &json, &err) < 0 ||
	    json_get_string(json, "public", true, &pem, &err) < 0)
		return cli_fail(cli, &err);
	result.bytes = slice_str(pem);
	return cli_put_result(cli, path, &result);
}

static int describe_public(const struct cli *cli, const char *name, const char *path)
{
	char *description;
	int r;

	if (hf_key_describe(cli->hf, name, &description) < 0)
		return cli_fail_hf(cli);
	r = print_whole(cli, path, description);
	hf_free(description);
	return r;
}

int verb_key_public(struct cli *cli, struct opt_words words)
{
	const char *name = NULL, *path = NULL;
	const struct opt opts[] = {
		OPT_NAME(&name, complete_keys),
		{.kind = OPT_TEXT,
		 .name = "out",
		 .value = "FILE",
		 .help = "where the PEM goes; default: standard output; with --json that gets the "
			 "whole description of the key",
		 .text = &path},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	return cli->json ? describe_public(cli, name, path) : print_public(cli, name, path);
}

int verb_key_delete(struct cli *cli, struct opt_words words)
{
	const char *name = NULL;
	const struct opt opts[] = {OPT_NAME(&name, complete_keys)};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	return hf_key_delete(cli->hf, name) < 0 ? cli_fail_hf(cli) : cli_deleted(cli, name);
}

/* --- import --- */

/* The end of the line that an editor adds is no part of a passphrase. */
static void cut_line_end(struct buf *text)
{
	char *start = (char *)text->data;
	size_t len = strlen(start);

	if (len > 0 && start[len - 1] == '\n')
		start[--len] = '\0';
	if (len > 0 && start[len - 1] == '\r')
		start[--len] = '\0';
}

static const char REMEDY_PASSPHRASE[] =
	"Put the passphrase of this PEM into a file and name it with --passphrase-file FILE.";

static int fail_import(const struct cli *cli)
{
	struct err err;

	if (hf_error_code(cli->hf) != HF_AUTH_FAILED)
		return cli_fail_hf(cli);
	(void)err_set(&err, ERR_AUTH_FAILED, "%s", hf_error_text(cli->hf));
	(void)err_add_remedy(&err, REMEDY_PASSPHRASE);
	return cli_fail(cli, &err);
}

struct import {
	const char *name;
	const char *in;
	const char *passphrase_file;
	struct opt_list uses;
};

static int import_key(const struct cli *cli, const struct import *import)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);
	CLEANUP(buf_fini) struct buf passphrase = BUF_INIT(PASSPHRASE_MAX);
	char *json;
	struct err err;
	int r;

	r = io_read_text(import->in, "key", &pem, &err);
	if (r == 0 && import->passphrase_file)
		r = io_read_text(import->passphrase_file, "passphrase", &passphrase, &err);
	if (r < 0)
		return cli_fail(cli, &err);
	if (import->passphrase_file)
		cut_line_end(&passphrase);
	if (hf_key_import_for(cli->hf, import->name, (const char *)pem.data,
			      (const char *)passphrase.data, uses_of(&import->uses), &json) < 0)
		return fail_import(cli);
	return print_description(cli, json);
}

int verb_key_import(struct cli *cli, struct opt_words words)
{
	struct import import = {0};
	const struct opt opts[] = {
		OPT_NAME(&import.name, NULL),
		{.kind = OPT_TEXT,
		 .name = "in",
		 .value = "FILE",
		 .help = "the PEM: PKCS#8, or with provider tpm a TSS2 PRIVATE KEY of this TPM; "
			 "default: standard input",
		 .text = &import.in},
		OPT_USES(&import.uses),
		{.kind = OPT_TEXT,
		 .name = "passphrase-file",
		 .value = "FILE",
		 .help = "a file that holds the PEM's passphrase; - is standard input",
		 .text = &import.passphrase_file},
	};
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (import.passphrase_file && io_is_standard(import.passphrase_file) &&
	    io_is_standard(import.in)) {
		(void)err_set(&err, ERR_INVALID,
			      "key and passphrase cannot both come from standard input");
		return cli_usage(cli, &err);
	}
	return import_key(cli, &import);
}

/* --- export --- */

struct export
{
	const char *name;
	const char *out;
	const char *passphrase_out;
	char *pem;	  /* of the library */
	char *passphrase; /* the same; NULL = none */
};

static void export_fini(struct export *export)
{
	hf_free(export->pem);
	hf_free(export->passphrase);
}

/* The passphrase first: a PEM without it would be of no use. */
static int write_export(const struct cli *cli, const struct export *export)
{
	struct cli_result pem = {.member = "pem"};
	struct err err;

	if (export->passphrase && !export->passphrase_out) {
		(void)err_set(&err, ERR_INVALID,
			      "the exported key has a passphrase, and nowhere to put it");
		(void)err_add_remedy(&err, "Add --passphrase-out FILE.");
		return cli_fail(cli, &err);
	}
	if (export->passphrase &&
	    io_write(export->passphrase_out, slice_str(export->passphrase), &err) < 0)
		return cli_fail(cli, &err);
	if (!cli->json || export->out) {
		pem.bytes = slice_str(export->pem);
		return cli_put_result(cli, export->out, &pem);
	}
	return CLI_DONE;
}

static int print_export_json(const struct cli *cli, const struct export *export)
{
	return cli_print_object(cli, json_pack("{s:s, s:s}", "pem", export->pem, "protection",
					       hf_protection(cli->hf)));
}

int verb_key_export(struct cli *cli, struct opt_words words)
{
	CLEANUP(export_fini) struct export export = {0};
	const struct opt opts[] = {
		OPT_NAME(&export.name, complete_keys),
		{.kind = OPT_TEXT,
		 .name = "out",
		 .value = "FILE",
		 .help = "where the PEM goes; default: standard output",
		 .text = &export.out},
		{.kind = OPT_TEXT,
		 .name = "passphrase-out",
		 .value = "FILE",
		 .help = "where the passphrase goes; needed unless the key was created with "
			 "--auth none",
		 .text = &export.passphrase_out},
	};
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (export.passphrase_out && strcmp(export.passphrase_out, "-") == 0) {
		(void)err_set(&err, ERR_INVALID, "--passphrase-out names a file");
		return cli_usage(cli, &err);
	}
	if (hf_key_export(cli->hf, export.name, &export.pem, &export.passphrase) < 0)
		return cli_fail_hf(cli);
	r = write_export(cli, &export);
	if (r == CLI_DONE && cli->json && !export.out)
		r = print_export_json(cli, &export);
	return r;
}
