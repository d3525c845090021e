/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a signature needs no TPM and, with a public key at hand, no service either. */
#include <string.h>

#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/digest.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"
#include "crypto/pkey.h"

#define SIGNATURE_MAX 4096u
#define PEM_MAX	      16384u

static const char REMEDY_BAD[] =
	"Check that input, key, hash, scheme and format are those it was signed with; if they are, "
	"trust neither.";

/* The public key from a file, or from the service; returns an exit code. */
static int get_public(const struct cli *cli, const struct sign_options *options,
		      struct buf *ret_pem)
{
	struct err err;
	char *pem;

	if (options->public_file)
		return cli_end(cli, io_read(options->public_file, ret_pem, &err), &err);
	if (hf_key_public(cli->hf, options->key, &pem) < 0)
		return cli_fail_hf(cli);
	buf_put_str(ret_pem, pem);
	hf_free(pem);
	if (buf_ok(ret_pem))
		return CLI_DONE;
	return cli_end(cli, err_set(&err, ERR_TOO_LARGE, "the public key is too large"), &err);
}

/* A raw ECDSA signature is r and s side by side, each of the field's size. */
static int to_der(const struct pkey *pkey, struct buf *signature, struct err *err)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(SIGNATURE_MAX);
	size_t half = signature->len / 2;
	int r;

	if (pkey_type_is_rsa(pkey_type(pkey)))
		return err_set(err, ERR_INVALID, "--format raw is for ECDSA only");
	if (signature->len == 0 || signature->len % 2 != 0)
		return err_set(err, ERR_DAMAGED, "no raw signature is that long");
	r = pkey_ecdsa_der(pkey_type(pkey), slice_of(signature->data, half),
			   slice_of(signature->data + half, half), &der, err);
	if (r < 0)
		return r;
	buf_reset(signature);
	buf_put(signature, buf_slice(&der));
	return 0;
}

static int check_signature(const struct sign_options *options, struct slice pem, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(SIGNATURE_MAX);
	enum pkey_scheme scheme;
	struct digest digest = {.alg = HASH_SHA256};
	int r;

	r = pkey_from_pem(pem, &pkey, err);
	if (r < 0)
		return err_wrap(err, "public key");
	scheme = pkey_type_is_rsa(pkey_type(pkey)) ? PKEY_RSASSA : PKEY_ECDSA;
	if (options->scheme)
		r = pkey_scheme_of_name(options->scheme, &scheme, err);
	if (r == 0)
		r = io_read(options->signature, &signature, err);
	if (r == 0 && options->format && strcmp(options->format, "raw") == 0)
		r = to_der(pkey, &signature, err);
	if (r == 0)
		r = digest_input(options, &digest, err);
	if (r < 0)
		return r;
	r = pkey_verify(pkey, scheme, digest.alg, digest_slice(&digest), buf_slice(&signature),
			err);
	return r == ERR_DAMAGED ? err_add_remedy(err, REMEDY_BAD) : r;
}

int verb_print_good(const struct cli *cli)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(64);

	buf_put_str(&out, cli->json ? "{\"good\":true}\n" : "good signature\n");
	return cli_print(cli, &out);
}

int verb_check_inputs(const struct cli *cli, const char *in, const char *signature, const char *key)
{
	struct err err;
	int inputs = io_is_standard(in) + io_is_standard(signature) + (key && io_is_standard(key));

	if (inputs <= 1)
		return CLI_DONE;
	(void)err_set(&err, ERR_INVALID, "only one input can be standard input");
	return cli_usage(cli, &err);
}

int verb_verify(struct cli *cli, struct opt_words words)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);
	struct sign_options options = {0};
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "signature",
		 .value = "FILE",
		 .help = "the signature to check",
		 .required = true,
		 .text = &options.signature},
		{.kind = OPT_TEXT,
		 .name = "key",
		 .value = "NAME",
		 .help = "ask the service for the public half of this key",
		 .text = &options.key,
		 .is_name = true,
		 .offer = complete_keys,
		 .or_next = true},
		{.kind = OPT_TEXT,
		 .name = "public",
		 .value = "FILE",
		 .help = "or take the public key from this PEM",
		 .text = &options.public_file},
		SIGN_OPT_INPUT(options),
	};
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = verb_check_inputs(cli, options.in, options.signature, options.public_file);
	if (r == CLI_DONE)
		r = get_public(cli, &options, &pem);
	if (r != CLI_DONE)
		return r;
	if (check_signature(&options, buf_slice(&pem), &err) < 0)
		return cli_fail(cli, &err);
	return verb_print_good(cli);
}
