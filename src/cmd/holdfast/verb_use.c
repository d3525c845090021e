/* SPDX-License-Identifier: Apache-2.0 */
/* What keys do beside signing. Data come from files and go to files, as everywhere. */
#include "base/base64.h"
#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/csr.h"
#include "cmd/holdfast/errand.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"

#define CIPHERTEXT_MAX 1024u
#define PEM_MAX	       16384u

#define OPT_KEY(target)                                                                            \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "key", .value = "NAME", .help = "the key to use",        \
		.required = true, .text = (target), .is_name = true, .offer = complete_keys        \
	}

/* --- decrypt --- */

static int ask_decrypt(struct hf *hf, void *arg, struct slice input, void **ret_data,
		       size_t *ret_len)
{
	struct hf_decrypt *request = arg;

	request->ciphertext = input.data;
	request->len = input.len;
	return hf_key_decrypt(hf, request, ret_data, ret_len);
}

int verb_decrypt(struct cli *cli, struct opt_words words)
{
	struct hf_decrypt request = {0};
	struct errand errand = {
		.in_max = CIPHERTEXT_MAX, .member = "data", .ask = ask_decrypt, .arg = &request};
	const struct opt opts[] = {
		OPT_KEY(&request.key),
		VERB_OPT_IN("what was encrypted to it by RSA-OAEP", &errand.in),
		VERB_OPT_OUT("the plaintext", &errand.out),
		{.kind = OPT_CHOICE,
		 .name = "hash",
		 .value = SIGN_HASHES,
		 .help = "of OAEP and of its MGF1; default: sha256",
		 .text = &request.hash},
		{.kind = OPT_TEXT,
		 .name = "label",
		 .value = "TEXT",
		 .help = "the label of OAEP, to which a NUL byte is added; default: none",
		 .text = &request.label},
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}

/* --- agree --- */

static int ask_agree(struct hf *hf, void *arg, struct slice input, void **ret_data, size_t *ret_len)
{
	const char *const *key = arg;

	return hf_key_agree(hf, *key, (const char *)input.data, ret_data, ret_len);
}

int verb_agree(struct cli *cli, struct opt_words words)
{
	const char *key = NULL;
	struct errand errand = {.in_max = PEM_MAX,
				.text = "peer",
				.member = "secret",
				.ask = ask_agree,
				.arg = &key};
	const struct opt opts[] = {
		OPT_KEY(&key),
		{.kind = OPT_TEXT,
		 .name = "peer",
		 .value = "FILE",
		 .help = "the other side's public key, as PEM, on the same curve",
		 .required = true,
		 .text = &errand.in},
		VERB_OPT_OUT("the shared secret", &errand.out),
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}

/* --- mac --- */

struct mac {
	const char *key;
	bool hex;
};

static int ask_mac(struct hf *hf, void *arg, struct slice input, void **ret_data, size_t *ret_len)
{
	const struct mac *mac = arg;

	return hf_mac(hf, mac->key, input.data, input.len, ret_data, ret_len);
}

static int print_hex(const struct cli *cli, const char *path, void *take_mac, size_t len)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(1024);
	struct err err;
	int r;

	hex_encode(&line, slice_of(take_mac, len));
	buf_put_u8(&line, '\n');
	hf_free(take_mac);
	if (!buf_ok(&line))
		r = err_set(&err, ERR_INTERNAL, "memory is short");
	else
		r = io_write(path, buf_slice(&line), &err);
	return cli_end(cli, r, &err);
}

static int put_mac(const struct cli *cli, const struct errand *errand, void *take_data, size_t len)
{
	const struct mac *mac = errand->arg;

	if (!cli->json && (mac->hex || io_is_terminal(errand->out)))
		return print_hex(cli, errand->out, take_data, len);
	return errand_put(cli, errand, take_data, len);
}

int verb_mac(struct cli *cli, struct opt_words words)
{
	struct mac mac = {.key = NULL};
	struct errand errand = {.in_max = HF_MESSAGE_MAX,
				.member = "mac",
				.ask = ask_mac,
				.arg = &mac,
				.put = put_mac};
	const struct opt opts[] = {
		OPT_KEY(&mac.key),
		VERB_OPT_IN("what is authenticated, up to 1 MiB", &errand.in),
		VERB_OPT_OUT("the MAC", &errand.out),
		{.kind = OPT_FLAG,
		 .name = "hex",
		 .help = "write hexadecimal, as a terminal gets it always; default: raw bytes",
		 .flag = &mac.hex},
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}

/* --- certificate requests --- */

static int ask_csr(struct hf *hf, void *arg, struct slice input, void **ret_data, size_t *ret_len)
{
	char *pem = NULL;
	int r;

	(void)input;
	r = hf_key_request(hf, arg, &pem);
	return errand_text(r, pem, ret_data, ret_len);
}

int verb_key_csr(struct cli *cli, struct opt_words words)
{
	struct csr csr = CSR_INIT(csr);
	struct errand errand = {
		.member = "request", .answer_is_text = true, .ask = ask_csr, .arg = &csr.request};
	const struct opt opts[] = {
		{.kind = OPT_ARGUMENT,
		 .name = "NAME",
		 .help = "the key's name",
		 .required = true,
		 .text = &csr.request.key,
		 .is_name = true,
		 .offer = complete_keys},
		{.kind = OPT_TEXT,
		 .name = "subject",
		 .value = "NAMES",
		 .help = "as RFC 4514 writes it: CN=gw-1,O=Example",
		 .required = true,
		 .text = &csr.request.subject},
		CSR_OPTS(csr, errand),
		{.kind = OPT_CHOICE,
		 .name = "hash",
		 .value = SIGN_HASHES,
		 .help = "default: sha256",
		 .text = &csr.request.hash},
	};

	return errand_run(cli, opts, ARRAY_LEN(opts), words, &errand);
}
