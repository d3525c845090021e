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
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/names.h"
#include "cmd/holdfast/verb.h"

#define PEM_MAX	       (128u * 1024u)
#define PASSPHRASE_MAX 1024u
#define LINE_MAX_BYTES 1024u

#define OPT_NAME(target)                                                                           \
	{                                                                                          \
		.kind = OPT_ARGUMENT, .name = "NAME", .help = "the key's name", .required = true,  \
		.text = (target), .is_name = true                                                  \
	}

/* The description that the service gave, whole or as one line. */
static int print_description(const struct cli *cli, const char *text)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(LINE_MAX_BYTES);
	const char *name = "", *type = "", *protection = "", *origin = "";
	struct err err;

	if (cli->json)
		return cli_print_json(cli, text);
	if (json_parse(slice_str(text), &json, &err) < 0 ||
	    json_get_string(json, "name", true, &name, &err) < 0 ||
	    json_get_string(json, "type", true, &type, &err) < 0 ||
	    json_get_string(json, "protection", true, &protection, &err) < 0 ||
	    json_get_string(json, "origin", true, &origin, &err) < 0)
		return cli_fail(cli, &err);
	cli_put_text(&out, name);
	buf_put_str(&out, ": ");
	cli_put_text(&out, type);
	buf_put_str(&out, ", ");
	cli_put_text(&out, origin);
	buf_put_str(&out, ", protection ");
	cli_put_text(&out, protection);
	buf_put_u8(&out, '\n');
	return cli_print(cli, &out);
}

int verb_key_create(struct cli *cli, struct opt_words words)
{
	const char *name = NULL, *type = NULL, *auth = NULL;
	bool export = false, bare;
	const struct opt opts[] = {
		OPT_NAME(&name),
		{.kind = OPT_CHOICE,
		 .name = "type",
		 .value = "ecc-p256|ecc-p384|rsa-2048|rsa-3072",
		 .help = "default: ecc-p256",
		 .text = &type},
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
	char *json = NULL;
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
	if (hf_key_create(cli->hf, name, type ? type : "ecc-p256",
			  (export ? HF_KEY_EXPORT : 0u) | (bare ? HF_KEY_NO_PASSPHRASE : 0u),
			  &json) < 0)
		return cli_fail_hf(cli);
	r = print_description(cli, json);
	hf_free(json);
	return r;
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
		OPT_NAME(&name),
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
	const struct opt opts[] = {OPT_NAME(&name)};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	return hf_key_delete(cli->hf, name) < 0 ? cli_fail_hf(cli) : cli_deleted(cli, name);
}

/* --- import --- */

/* Reads a text for the library: without NUL inside, with one behind. */
static int read_text(const char *path, const char *what, struct buf *ret_text, struct err *err)
{
	int r = io_read(path, ret_text, err);

	if (r < 0)
		return err_wrap(err, "%s", what);
	if (ret_text->len > 0 && memchr(ret_text->data, '\0', ret_text->len))
		return err_set(err, ERR_INVALID, "%s: not a text", what);
	buf_put_u8(ret_text, '\0');
	return buf_ok(ret_text) ? 0 : err_set(err, ERR_TOO_LARGE, "%s: too large", what);
}

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
};

static int import_key(const struct cli *cli, const struct import *import)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);
	CLEANUP(buf_fini) struct buf passphrase = BUF_INIT(PASSPHRASE_MAX);
	char *json = NULL;
	struct err err;
	int r;

	r = read_text(import->in, "key", &pem, &err);
	if (r == 0 && import->passphrase_file)
		r = read_text(import->passphrase_file, "passphrase", &passphrase, &err);
	if (r < 0)
		return cli_fail(cli, &err);
	if (import->passphrase_file)
		cut_line_end(&passphrase);
	if (hf_key_import(cli->hf, import->name, (const char *)pem.data,
			  (const char *)passphrase.data, &json) < 0)
		return fail_import(cli);
	r = print_description(cli, json);
	hf_free(json);
	return r;
}

static bool is_stdin(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

int verb_key_import(struct cli *cli, struct opt_words words)
{
	struct import import = {0};
	const struct opt opts[] = {
		OPT_NAME(&import.name),
		{.kind = OPT_TEXT,
		 .name = "in",
		 .value = "FILE",
		 .help = "the PEM: with provider tpm a TSS2 PRIVATE KEY of this TPM, with "
			 "provider legacy PKCS#8; default: standard input",
		 .text = &import.in},
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
	if (import.passphrase_file && is_stdin(import.passphrase_file) && is_stdin(import.in)) {
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
		OPT_NAME(&export.name),
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
