/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attestation keys sign. Files come in the forms that the stock tools for TPMs take, beside
 * a plain signature for everybody else. Nonces and Names are no secrets; the secret of a challenge
 * goes to a file.
 */
#include <ctype.h>
#include <jansson.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/errand.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/quoted.h"
#include "cmd/holdfast/sign.h"
#include "cmd/holdfast/verb.h"

#define CREDENTIAL_MAX 2048u
#define VALUES_MAX     (16u * 1024u)

#define OPT_NAME(target)                                                                           \
	{                                                                                          \
		.kind = OPT_ARGUMENT, .name = "NAME", .help = "the attestation key's name",        \
		.required = true, .text = (target), .is_name = true, .offer = complete_aiks        \
	}

/* --- nonces --- */

struct nonce {
	const char *hex;  /* as given, or NULL */
	const char *file; /* the same */
	uint8_t bytes[HF_NONCE_MAX];
	size_t len;
};

#define OPT_NONCE(nonce)                                                                           \
	{.kind = OPT_TEXT,                                                                         \
	 .name = "nonce",                                                                          \
	 .value = "HEX",                                                                           \
	 .help = "up to 64 bytes that the one who checks has chosen, in hexadecimal",              \
	 .text = &(nonce).hex},                                                                    \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "nonce-file", .value = "FILE",                           \
		.help = "the same, from a file, as they are", .text = &(nonce).file                \
	}

static bool decode_nonce(struct nonce *nonce)
{
	char hex[2 * HF_NONCE_MAX];
	size_t len = strlen(nonce->hex), i;

	if (len % 2 != 0 || len > sizeof(hex))
		return false;
	for (i = 0; i < len; i++)
		hex[i] = (char)tolower((unsigned char)nonce->hex[i]);
	nonce->len = len / 2;
	return hex_decode(slice_of(hex, len), nonce->bytes, nonce->len);
}

static int read_nonce(struct nonce *nonce, struct err *err)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(HF_NONCE_MAX);
	int r;

	if (!nonce->file)
		return 0;
	r = io_read(nonce->file, &bytes, err);
	if (r < 0)
		return err_wrap(err, "nonce");
	nonce->len = bytes.len;
	if (bytes.len > 0)
		memcpy(nonce->bytes, bytes.data, bytes.len);
	return 0;
}

/* Returns an exit code. */
static int take_nonce(const struct cli *cli, struct nonce *nonce)
{
	struct err err;

	if (nonce->hex && nonce->file)
		(void)err_set(&err, ERR_INVALID, "--nonce does not go with --nonce-file");
	else if (nonce->hex && !decode_nonce(nonce))
		(void)err_set(&err, ERR_INVALID,
			      "--nonce is an even number of hexadecimal digits, up to %u",
			      2 * HF_NONCE_MAX);
	else
		return cli_end(cli, read_nonce(nonce, &err), &err);
	return cli_usage(cli, &err);
}

/* --- files --- */

struct files {
	const char *attest;
	const char *signature;
	const char *plain;
};

#define OPT_FILES(files)                                                                           \
	{.kind = OPT_TEXT,                                                                         \
	 .name = "attest",                                                                         \
	 .value = "FILE",                                                                          \
	 .help = "where goes what is signed, TPMS_ATTEST; needed unless --json",                   \
	 .text = &(files).attest},                                                                 \
		{.kind = OPT_TEXT,                                                                 \
		 .name = "signature",                                                              \
		 .value = "FILE",                                                                  \
		 .help = "where the signature goes, TPMT_SIGNATURE; needed unless --json",         \
		 .text = &(files).signature},                                                      \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "plain-signature", .value = "FILE",                      \
		.help = "where it goes as OpenSSL takes it: DER of ECDSA, or the bytes of RSA",    \
		.text = &(files).plain                                                             \
	}

static int check_files(const struct cli *cli, const struct files *files)
{
	struct err err;

	if (cli->json || (files->attest && files->signature))
		return CLI_DONE;
	(void)err_set(&err, ERR_INVALID, "--attest and --signature are needed, or --json");
	return cli_usage(cli, &err);
}

/* What nobody wants has no path. */
struct output {
	const char *path;
	struct slice bytes;
};

static int write_outputs(const struct output *outputs, size_t count, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++)
		if (outputs[i].path)
			r = io_write(outputs[i].path, outputs[i].bytes, err);
	return r;
}

/* --- quote --- */

struct quoting {
	struct files files;
	const char *values;
	const char *event_log;
	struct quoted quoted;
	struct buf digests;
};

static void quoting_fini(struct quoting *quoting)
{
	buf_fini(&quoting->digests);
}

static int make_values(struct quoting *quoting, const char *answer, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	int r;

	r = json_parse(slice_str(answer), &json, err);
	if (r == 0)
		r = quoted_put_values(&quoting->digests, &quoting->quoted,
				      json_object_get(json, "pcrs"), err);
	if (r == 0 && !buf_ok(&quoting->digests))
		r = err_set(err, ERR_TOO_LARGE, "the values are too long");
	return r;
}

/* Nothing is written before all is there. */
static int write_quote(struct quoting *quoting, const struct hf_attestation *quote, struct err *err)
{
	const struct files *files = &quoting->files;
	int r;

	if (quoting->event_log && !quote->event_log) {
		(void)err_set(err, ERR_NOT_FOUND, "the service can read no event log here");
		return err_add_remedy(err, "Quote without --event-log.");
	}
	r = quoted_read(slice_of(quote->attest, quote->attest_len), &quoting->quoted, err);
	if (r == 0 && quoting->values)
		r = make_values(quoting, quote->json, err);
	if (r < 0)
		return r;
	return write_outputs(
		(const struct output[]){
			{files->attest, slice_of(quote->attest, quote->attest_len)},
			{files->signature, slice_of(quote->signature, quote->signature_len)},
			{files->plain,
			 slice_of(quote->plain_signature, quote->plain_signature_len)},
			{quoting->values, buf_slice(&quoting->digests)},
			{quoting->event_log, slice_of(quote->event_log, quote->event_log_len)},
		},
		5, err);
}

static int print_list(const struct cli *cli, const struct quoted *quoted)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(QUOTED_LIST_MAX);

	quoted_put_list(&line, quoted);
	buf_put_u8(&line, '\n');
	return cli_print(cli, &line);
}

static int run_quote(const struct cli *cli, struct quoting *quoting, struct hf_quote *request)
{
	struct hf_attestation *quote;
	struct err err;
	int r;

	if (!quoting->values && !cli->json)
		request->flags |= HF_QUOTE_NO_VALUES;
	if (quoting->event_log)
		request->flags |= HF_QUOTE_EVENT_LOG;
	if (hf_aik_quote(cli->hf, request, &quote) < 0)
		return cli_fail_hf(cli);
	if (write_quote(quoting, quote, &err) < 0)
		r = cli_fail(cli, &err);
	else
		r = cli->json ? cli_print_json(cli, quote->json)
			      : print_list(cli, &quoting->quoted);
	hf_attestation_free(quote);
	return r;
}

int verb_aik_quote(struct cli *cli, struct opt_words words)
{
	CLEANUP(quoting_fini) struct quoting quoting = {.digests = BUF_INIT(VALUES_MAX)};
	struct nonce nonce = {.len = 0};
	struct hf_quote request = {.nonce = nonce.bytes};
	const struct opt opts[] = {
		OPT_NAME(&request.aik),
		{.kind = OPT_TEXT,
		 .name = "pcrs",
		 .value = "PCRS",
		 .help = "which: sha256:0,1,7 or sha256:0-7+sha1:all; default: 0 to 7 of sha256, "
			 "where the TPM has it",
		 .text = &request.pcrs},
		OPT_NONCE(nonce),
		OPT_FILES(quoting.files),
		{.kind = OPT_TEXT,
		 .name = "values",
		 .value = "FILE",
		 .help = "where the values of the PCRs go, as tpm2_checkquote takes them by -f",
		 .text = &quoting.values},
		{.kind = OPT_TEXT,
		 .name = "event-log",
		 .value = "FILE",
		 .help = "where the firmware's event log goes",
		 .text = &quoting.event_log},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = check_files(cli, &quoting.files);
	if (r == CLI_DONE)
		r = take_nonce(cli, &nonce);
	if (r != CLI_DONE)
		return r;
	request.nonce_len = nonce.len;
	return run_quote(cli, &quoting, &request);
}

/* --- certify --- */

static int write_certified(const struct files *files, const char *public_file,
			   const struct hf_attestation *certified, struct err *err)
{
	if (public_file && !certified->key_public)
		return err_set(err, ERR_NOT_SUPPORTED, "the key's TPM2B_PUBLIC is not known");
	return write_outputs(
		(const struct output[]){
			{files->attest, slice_of(certified->attest, certified->attest_len)},
			{files->signature,
			 slice_of(certified->signature, certified->signature_len)},
			{files->plain,
			 slice_of(certified->plain_signature, certified->plain_signature_len)},
			{public_file, slice_of(certified->key_public, certified->key_public_len)},
		},
		4, err);
}

int verb_aik_certify(struct cli *cli, struct opt_words words)
{
	const char *name = NULL, *key = NULL, *public_file = NULL;
	struct nonce nonce = {.len = 0};
	struct files files = {0};
	const struct opt opts[] = {
		OPT_NAME(&name),
		{.kind = OPT_TEXT,
		 .name = "key",
		 .value = "KEY",
		 .help = "the key that it vouches for",
		 .required = true,
		 .text = &key,
		 .is_name = true,
		 .offer = complete_keys},
		OPT_NONCE(nonce),
		OPT_FILES(files),
		{.kind = OPT_TEXT,
		 .name = "public",
		 .value = "FILE",
		 .help = "where the key's public half goes, TPM2B_PUBLIC",
		 .text = &public_file},
	};
	struct hf_attestation *certified;
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = check_files(cli, &files);
	if (r == CLI_DONE)
		r = take_nonce(cli, &nonce);
	if (r != CLI_DONE)
		return r;
	if (hf_aik_certify(cli->hf, name, key, nonce.bytes, nonce.len, &certified) < 0)
		return cli_fail_hf(cli);
	r = write_certified(&files, public_file, certified, &err);
	r = r < 0 || !cli->json ? cli_end(cli, r, &err) : cli_print_json(cli, certified->json);
	hf_attestation_free(certified);
	return r;
}

/* --- sign --- */

static int ask_sign(struct hf *hf, void *arg, struct slice input, void **ret_data, size_t *ret_len)
{
	return hf_aik_sign(hf, arg, input.data, input.len, ret_data, ret_len);
}

int verb_aik_sign(struct cli *cli, struct opt_words words)
{
	struct hf_sign request = {0};
	struct errand errand = {
		.in_max = HF_MESSAGE_MAX, .member = "signature", .ask = ask_sign, .arg = &request};
	const struct opt opts[] = {
		OPT_NAME(&request.key),
		VERB_OPT_IN("what is signed, up to 1 MiB", &errand.in),
		{.kind = OPT_TEXT,
		 .name = "out",
		 .value = "FILE",
		 .help = "where the signature goes, as OpenSSL takes it; default: standard output",
		 .text = &errand.out},
		{.kind = OPT_CHOICE,
		 .name = "hash",
		 .value = SIGN_HASHES,
		 .help = "must be the key's own; default: that one",
		 .text = &request.hash},
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}

/* --- activate --- */

#define OPT_EK(target)                                                                             \
	{                                                                                          \
		.kind = OPT_CHOICE, .name = "ek", .value = "ecc-p256|ecc-p384|rsa-2048|rsa-3072",  \
		.help = "the endorsement key that it was made for; default: that of 'holdfast "    \
			"ek'",                                                                     \
		.text = (target)                                                                   \
	}

struct opening {
	struct hf_credential credential;
	int (*open)(struct hf *hf, const struct hf_credential *credential, void **ret_secret,
		    size_t *ret_len);
};

static int ask_activate(struct hf *hf, void *arg, struct slice input, void **ret_data,
			size_t *ret_len)
{
	struct opening *opening = arg;

	opening->credential.data = input.data;
	opening->credential.len = input.len;
	return opening->open(hf, &opening->credential, ret_data, ret_len);
}

int verb_aik_activate(struct cli *cli, struct opt_words words)
{
	struct opening opening = {.open = hf_aik_activate};
	struct errand errand = {
		.in_max = CREDENTIAL_MAX, .member = "secret", .ask = ask_activate, .arg = &opening};
	const struct opt opts[] = {
		OPT_NAME(&opening.credential.aik),
		{.kind = OPT_TEXT,
		 .name = "credential",
		 .value = "FILE",
		 .help = "a challenge, as tpm2_makecredential writes it",
		 .required = true,
		 .text = &errand.in},
		OPT_EK(&opening.credential.ek),
		VERB_OPT_OUT("the secret", &errand.out),
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}

int verb_device_activate(struct cli *cli, struct opt_words words)
{
	struct opening opening = {.open = hf_storage_key_activate};
	struct errand errand = {
		.in_max = CREDENTIAL_MAX, .member = "secret", .ask = ask_activate, .arg = &opening};
	const struct opt opts[] = {
		VERB_OPT_IN("a challenge, as tpm2_makecredential writes it", &errand.in),
		OPT_EK(&opening.credential.ek),
		VERB_OPT_OUT("the secret", &errand.out),
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}
