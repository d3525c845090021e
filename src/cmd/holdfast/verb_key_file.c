/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PEM file that names a key of the service, for programs that know key files alone; the OpenSSL
 * module reads it (openssl/uri.h, holdfast-openssl(7)). There is nothing secret in it.
 */
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/verb.h"
#include "openssl/uri.h"

#define PEM_LINE 64u

/* The path as the module takes it; the default one is left out, and so the file fits anywhere. */
static int put_socket(struct buf *uri, const char *socket, struct err *err)
{
	size_t i;

	if (strcmp(socket, HF_SOCKET_DEFAULT) == 0)
		return 0;
	for (i = 0; socket[i] > ' ' && socket[i] <= '~'; i++)
		continue;
	if (socket[0] != '/' || socket[i] != '\0')
		return err_set(err, ERR_INVALID,
			       "a key file takes an absolute path of printable characters for the "
			       "socket");
	buf_put_str(uri, "?socket=");
	buf_put_str(uri, socket);
	return 0;
}

/* The PEM of the key @name on @socket; NULL is the device's. */
static int put_key_file(struct buf *pem, const char *name, const char *socket, struct err *err)
{
	CLEANUP(buf_fini) struct buf uri = BUF_INIT(URI_MAX);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(URI_PEM_CONTENT);
	size_t at, len;
	int r;

	buf_put_str(&uri, name ? URI_SCHEME ":key/" : URI_SCHEME ":device");
	buf_put_str(&uri, name ? name : "");
	r = put_socket(&uri, socket, err);
	if (r < 0)
		return r;
	base64_encode(&text, buf_slice(&uri));
	buf_put_str(pem, URI_PEM_BEGIN "\n");
	for (at = 0; at < text.len; at += len) {
		len = text.len - at < PEM_LINE ? text.len - at : PEM_LINE;
		buf_put(pem, slice_of(text.data + at, len));
		buf_put_str(pem, "\n");
	}
	buf_put_str(pem, URI_PEM_END "\n");
	if (!buf_ok(&uri) || !buf_ok(&text) || !buf_ok(pem))
		return err_set(err, ERR_INTERNAL, "no room for a key file");
	return 0;
}

/* A file for a key that is not there would be noticed late, in another program. */
static int look(struct hf *hf, const char *name)
{
	char *text = NULL;
	int r = name ? hf_key_public(hf, name, &text) : hf_device_certificate(hf, &text);

	hf_free(text);
	return !name && r == HF_NO_CERTIFICATE ? 0 : r;
}

static int run(struct cli *cli, const char *name, const char *path)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(2u * URI_PEM_CONTENT);
	struct cli_result result = {.member = "pem", .is_text = true};
	struct err err;

	if (look(cli->hf, name) < 0)
		return cli_fail_hf(cli);
	if (put_key_file(&pem, name, hf_socket(cli->hf), &err) < 0)
		return cli_fail(cli, &err);
	/* A text ends in a NUL. */
	buf_put_u8(&pem, 0);
	if (!buf_ok(&pem))
		return CLI_FAILED;
	result.bytes = slice_of(pem.data, pem.len - 1);
	return cli_put_result(cli, path, &result);
}

#define WHERE "where the PEM goes; default: standard output"

int verb_key_file(struct cli *cli, struct opt_words words)
{
	const char *name = NULL, *path = NULL;
	const struct opt opts[] = {
		{.kind = OPT_ARGUMENT,
		 .name = "NAME",
		 .help = "the key's name",
		 .required = true,
		 .text = &name,
		 .is_name = true,
		 .offer = complete_keys},
		{.kind = OPT_TEXT, .name = "out", .value = "FILE", .help = WHERE, .text = &path},
	};
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	return r >= 0 ? r : run(cli, name, path);
}

int verb_device_key_file(struct cli *cli, struct opt_words words)
{
	const char *path = NULL;
	const struct opt opts[] = {
		{.kind = OPT_TEXT, .name = "out", .value = "FILE", .help = WHERE, .text = &path},
	};
	int r = cli_parse(cli, opts, ARRAY_LEN(opts), words);

	return r >= 0 ? r : run(cli, NULL, path);
}
