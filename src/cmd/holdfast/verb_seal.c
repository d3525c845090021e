/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without a name the sealed blob is the caller's to keep, and streams; with one the service keeps
 * it, or FAPI does. Either way bytes travel as they are. JSON has room for less, all at once.
 */
#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/flow.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"

#define PLAIN_MAX (1024u * 1024u) /* of what is kept under a name, or shown as JSON */
#define BLOB_MAX  (2u * PLAIN_MAX)

static const char REMEDY_LARGE[] =
	"Encrypt the data with a key of your own, and seal that key instead.";

struct seal_options {
	const char *in;
	const char *out;
	const char *name;
	bool create;
};

static int read_plain(const struct cli *cli, const char *path, struct buf *ret_plain)
{
	struct err err;
	int r;

	r = io_read(path, ret_plain, &err);
	if (r == ERR_TOO_LARGE) {
		r = err_set(&err, r,
			    "the input is over the limit of 1 MiB of plaintext, which is that of "
			    "--name and of --json");
		(void)err_add_remedy(&err, REMEDY_LARGE);
	}
	return cli_end(cli, r, &err);
}

static int seal_stream(const struct cli *cli, const struct seal_options *options)
{
	const struct flow flow = {
		.label = "sealing",
		.in = options->in,
		.out = options->out,
		.call = hf_seal_stream,
		.remedy_too_large = REMEDY_LARGE,
	};

	return flow_run(cli, &flow);
}

static int seal_json(const struct cli *cli, const struct seal_options *options)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(PLAIN_MAX);
	struct cli_result result = {.member = "blob"};
	void *blob;
	size_t len;
	int r;

	r = read_plain(cli, options->in, &plain);
	if (r != CLI_DONE)
		return r;
	if (hf_seal(cli->hf, plain.data, plain.len, &blob, &len) < 0)
		return cli_fail_hf(cli);
	result.bytes = slice_of(blob, len);
	r = cli_put_result(cli, options->out, &result);
	hf_free(blob);
	return r;
}

static int seal_named(const struct cli *cli, const struct seal_options *options)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(PLAIN_MAX);
	int r;

	r = read_plain(cli, options->in, &plain);
	if (r != CLI_DONE)
		return r;
	if (hf_secret_put(cli->hf, options->name, plain.data, plain.len,
			  options->create ? HF_SECRET_CREATE : 0) < 0)
		return cli_fail_hf(cli);
	return cli->json ? cli_print_json(cli, hf_answer_json(cli->hf)) : CLI_DONE;
}

static int check_seal(const struct cli *cli, const struct seal_options *options)
{
	struct err err;

	if (options->name && options->name[0] == '/')
		(void)err_set(&err, ERR_INVALID,
			      "--name is a path of FAPI, under which 'holdfast fapi seal' seals");
	else if (options->name && options->out)
		(void)err_set(&err, ERR_INVALID,
			      "--out does not go with --name: the service keeps "
			      "a named secret");
	else if (options->create && !options->name)
		(void)err_set(&err, ERR_INVALID, "--create needs --name");
	else
		return CLI_DONE;
	return cli_usage(cli, &err);
}

int verb_seal(struct cli *cli, struct opt_words words)
{
	struct seal_options options = {0};
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "in",
		 .value = "FILE",
		 .help = "what to seal; default: standard input",
		 .text = &options.in},
		{.kind = OPT_TEXT,
		 .name = "out",
		 .value = "FILE",
		 .help = "where the blob goes; default: standard output",
		 .text = &options.out},
		{.kind = OPT_TEXT,
		 .name = "name",
		 .value = "NAME",
		 .help = "let the service keep it under this name instead",
		 .text = &options.name,
		 .is_name = true,
		 .is_path = true}, /* so that check_seal() can say where it belongs */
		{.kind = OPT_FLAG,
		 .name = "create",
		 .help = "with --name: fail when the name exists, instead of replacing it",
		 .flag = &options.create},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = check_seal(cli, &options);
	if (r != CLI_DONE)
		return r;
	if (options.name)
		return seal_named(cli, &options);
	return cli->json ? seal_json(cli, &options) : seal_stream(cli, &options);
}

/* --- unseal --- */

static int unseal_stream(const struct cli *cli, const struct seal_options *options)
{
	const struct flow flow = {
		.label = "unsealing",
		.in = options->in,
		.out = options->out,
		.call = hf_unseal_stream,
	};

	return flow_run(cli, &flow);
}

static int open_blob(const struct cli *cli, const char *path, void **ret_data, size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(BLOB_MAX);
	struct err err;

	if (io_read(path, &blob, &err) < 0)
		return cli_fail(cli, &err);
	if (hf_unseal(cli->hf, blob.data, blob.len, ret_data, ret_len) < 0)
		return cli_fail_hf(cli);
	return CLI_DONE;
}

/* What is kept under a name: by the service, or by FAPI. */
static int fetch_named(const struct cli *cli, const char *name, void **ret_data, size_t *ret_len)
{
	int r = name[0] == '/' ? hf_fapi_unseal(cli->hf, name, ret_data, ret_len)
			       : hf_secret_get(cli->hf, name, ret_data, ret_len);

	return r < 0 ? cli_fail_hf(cli) : CLI_DONE;
}

/* All at once: what has a name is small, and JSON is one text. */
static int unseal_whole(const struct cli *cli, const struct seal_options *options)
{
	struct cli_result result = {.member = "data"};
	void *data = NULL;
	size_t len = 0;
	int r;

	r = options->name ? fetch_named(cli, options->name, &data, &len)
			  : open_blob(cli, options->in, &data, &len);
	if (r != CLI_DONE)
		return r;
	result.bytes = slice_of(data, len);
	r = cli_put_result(cli, options->out, &result);
	hf_free(data);
	return r;
}

static int check_unseal(const struct cli *cli, const struct seal_options *options)
{
	struct err err;

	if (!options->name || !options->in)
		return CLI_DONE;
	(void)err_set(&err, ERR_INVALID, "--in does not go with --name");
	return cli_usage(cli, &err);
}

int verb_unseal(struct cli *cli, struct opt_words words)
{
	struct seal_options options = {0};
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "in",
		 .value = "FILE",
		 .help = "the blob; default: standard input",
		 .text = &options.in},
		{.kind = OPT_TEXT,
		 .name = "out",
		 .value = "FILE",
		 .help = "where the plaintext goes; default: standard output",
		 .text = &options.out},
		{.kind = OPT_TEXT,
		 .name = "name",
		 .value = "NAME",
		 .help = "fetch the secret that the service keeps under this name, or the data "
			 "that FAPI has sealed under this path, /HS/SRK/..",
		 .text = &options.name,
		 .is_name = true,
		 .is_path = true,
		 .offer = complete_secrets},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = check_unseal(cli, &options);
	if (r != CLI_DONE)
		return r;
	if (!options.name && !cli->json)
		return unseal_stream(cli, &options);
	return unseal_whole(cli, &options);
}
