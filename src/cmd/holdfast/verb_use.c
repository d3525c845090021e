/* SPDX-License-Identifier: Apache-2.0 */
/* What keys do beside signing. Data come from files and go to files, as everywhere. */
#include "base/base64.h"
#include "base/mem.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"

#define CIPHERTEXT_MAX 1024u
#define PEM_MAX	       16384u
#define HASHES	       "sha256|sha384|sha512"

#define OPT_KEY(target)                                                                            \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "key", .value = "NAME", .help = "the key to use",        \
		.required = true, .text = (target), .is_name = true                                \
	}

/* --- decrypt --- */

int verb_decrypt(struct cli *cli, struct opt_words words)
{
	CLEANUP(buf_fini) struct buf ciphertext = BUF_INIT(CIPHERTEXT_MAX);
	const char *in = NULL, *out = NULL;
	struct hf_decrypt request = {0};
	const struct opt opts[] = {
		OPT_KEY(&request.key),
		VERB_OPT_IN("what was encrypted to it by RSA-OAEP", &in),
		VERB_OPT_OUT("the plaintext", &out),
		{.kind = OPT_CHOICE,
		 .name = "hash",
		 .value = HASHES,
		 .help = "of OAEP and of its MGF1; default: sha256",
		 .text = &request.hash},
		{.kind = OPT_TEXT,
		 .name = "label",
		 .value = "TEXT",
		 .help = "the label of OAEP, to which a NUL byte is added; default: none",
		 .text = &request.label},
	};
	struct err err;
	void *data;
	size_t len;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (io_read(in, &ciphertext, &err) < 0)
		return cli_fail(cli, &err);
	request.ciphertext = ciphertext.data;
	request.len = ciphertext.len;
	if (hf_key_decrypt(cli->hf, &request, &data, &len) < 0)
		return cli_fail_hf(cli);
	return cli_put_taken(cli, out, "data", data, len);
}

/* --- agree --- */

int verb_agree(struct cli *cli, struct opt_words words)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);
	const char *key = NULL, *peer = NULL, *out = NULL;
	const struct opt opts[] = {
		OPT_KEY(&key),
		{.kind = OPT_TEXT,
		 .name = "peer",
		 .value = "FILE",
		 .help = "the other side's public key, as PEM, on the same curve",
		 .required = true,
		 .text = &peer},
		VERB_OPT_OUT("the shared secret", &out),
	};
	struct err err;
	void *secret;
	size_t len;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (io_read_text(peer, "peer", &pem, &err) < 0)
		return cli_fail(cli, &err);
	if (hf_key_agree(cli->hf, key, (const char *)pem.data, &secret, &len) < 0)
		return cli_fail_hf(cli);
	return cli_put_taken(cli, out, "secret", secret, len);
}

/* --- mac --- */

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

int verb_mac(struct cli *cli, struct opt_words words)
{
	CLEANUP(buf_fini) struct buf data = BUF_INIT(HF_MESSAGE_MAX);
	const char *key = NULL, *in = NULL, *out = NULL;
	bool hex = false;
	const struct opt opts[] = {
		OPT_KEY(&key),
		VERB_OPT_IN("what is authenticated, up to 1 MiB", &in),
		VERB_OPT_OUT("the MAC", &out),
		{.kind = OPT_FLAG,
		 .name = "hex",
		 .help = "write hexadecimal, as a terminal gets it always; default: raw bytes",
		 .flag = &hex},
	};
	struct err err;
	void *mac;
	size_t len;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (io_read(in, &data, &err) < 0)
		return cli_fail(cli, &err);
	if (hf_mac(cli->hf, key, data.data, data.len, &mac, &len) < 0)
		return cli_fail_hf(cli);
	if (!cli->json && (hex || io_is_terminal(out)))
		return print_hex(cli, out, mac, len);
	return cli_put_taken(cli, out, "mac", mac, len);
}

/* --- certificate requests --- */

int verb_key_csr(struct cli *cli, struct opt_words words)
{
	struct opt_list dns = {.count = 0}, ip = {.count = 0}, mail = {.count = 0};
	struct opt_list uri = {.count = 0};
	struct hf_certificate_request request = {
		.dns = dns.items, .ip = ip.items, .mail = mail.items, .uri = uri.items};
	const char *out = NULL;
	const struct opt opts[] = {
		{.kind = OPT_ARGUMENT,
		 .name = "NAME",
		 .help = "the key's name",
		 .required = true,
		 .text = &request.key,
		 .is_name = true},
		{.kind = OPT_TEXT,
		 .name = "subject",
		 .value = "NAMES",
		 .help = "as RFC 4514 writes it: CN=gw-1,O=Example",
		 .required = true,
		 .text = &request.subject},
		{.kind = OPT_LIST,
		 .name = "dns",
		 .value = "HOST",
		 .help = "a name for hosts that the certificate shall hold",
		 .list = &dns},
		{.kind = OPT_LIST,
		 .name = "ip",
		 .value = "ADDRESS",
		 .help = "an address of IPv4 or IPv6",
		 .list = &ip},
		{.kind = OPT_LIST,
		 .name = "email",
		 .value = "ADDRESS",
		 .help = "an address of mail",
		 .list = &mail},
		{.kind = OPT_LIST, .name = "uri", .value = "URI", .help = "a URI", .list = &uri},
		{.kind = OPT_CHOICE,
		 .name = "hash",
		 .value = HASHES,
		 .help = "default: sha256",
		 .text = &request.hash},
		VERB_OPT_OUT("the request, as PEM,", &out),
	};
	char *pem;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (hf_key_request(cli->hf, &request, &pem) < 0)
		return cli_fail_hf(cli);
	return cli_put_taken_text(cli, out, "request", pem);
}
