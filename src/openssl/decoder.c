/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoder: for programs that know key files alone. The first step finds a PEM block HOLDFAST KEY
 * and hands on what it names; the second, which OpenSSL takes where a key is wanted, asks the
 * service and makes one. OpenSSL's loader of files runs the same two steps, in two rounds.
 *
 * Every PEM and every DER that anybody reads comes by here. Of a PEM that is not ours the block is
 * read, of a DER nothing. Neither leaves an error behind, and the stream is left where OpenSSL's
 * own decoders leave it: at the end of the block, since behind it may stand another.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>

#include "base/buf.h"
#include "base/mem.h"
#include "openssl/hand.h"

#define LINE_SIZE 256

static void *decoder_new(void *data)
{
	return data;
}

static void decoder_free(void *data)
{
	(void)data;
}

/* A file stands for a private key. What is in our store has a public half, too. */
static int selects_private(void *data, int selection)
{
	(void)data;
	return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
}

static int selects_any(void *data, int selection)
{
	(void)data;
	return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
}

/* --- PEM --- */

/* A line without what ends it; false at the end of the stream. */
static bool next_line(const struct module *module, OSSL_CORE_BIO *in, char line[LINE_SIZE])
{
	int len = module->bio_gets(in, line, LINE_SIZE);

	if (len <= 0)
		return false;
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r' || line[len - 1] == ' '))
		line[--len] = '\0';
	return true;
}

static bool starts_with(const char *line, const char *prefix)
{
	return strncmp(line, prefix, strlen(prefix)) == 0;
}

/* Reads one block. True when it is ours and whole; its content is in @content then. */
static bool read_block(const struct module *module, OSSL_CORE_BIO *in, struct buf *content)
{
	char line[LINE_SIZE];
	bool ours;

	do {
		if (!next_line(module, in, line))
			return false;
	} while (!starts_with(line, "-----BEGIN "));
	ours = strcmp(line, URI_PEM_BEGIN) == 0;
	while (next_line(module, in, line)) {
		if (starts_with(line, "-----END "))
			return ours && strcmp(line, URI_PEM_END) == 0;
		if (ours)
			buf_put_str(content, line);
	}
	return false;
}

static int decode_pem(void *data, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *take, void *arg,
		      OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg)
{
	CLEANUP(buf_fini) struct buf content = BUF_INIT(URI_PEM_CONTENT);
	struct module *module = data;
	struct hand hand = {.module = module, .from_file = true};
	struct err err;
	int ok;

	(void)selection;
	(void)ask;
	(void)ask_arg;
	if (!read_block(module, in, &content))
		return 1;
	if (!buf_ok(&content))
		return module_fail(module, ERR_INVALID, "the PEM block HOLDFAST KEY is too long");
	if (uri_parse_pem(buf_slice(&content), &hand.uri, &err) < 0)
		return module_fail_err(module, &err);
	ok = hand_give(&hand, take, arg);
	hand_fini(&hand);
	return ok;
}

/* --- DER --- */

static int give_key(struct key *given, const char *type, OSSL_CALLBACK *take, void *arg)
{
	CLEANUP(key_cleanup) struct key *key = given;
	char name[sizeof(KEY_TYPE_RSA)] = "";
	int object = OSSL_OBJECT_PKEY;

	/* It is none of ours, or its error is told by whoever gave it. */
	if (!key)
		return 1;
	memcpy(name, type, strlen(type));
	{
		/* Who takes the key leaves NULL behind. */
		OSSL_PARAM params[] = {
			OSSL_PARAM_int(OSSL_OBJECT_PARAM_TYPE, &object),
			OSSL_PARAM_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, name, strlen(name)),
			OSSL_PARAM_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof(key)),
			OSSL_PARAM_END,
		};

		return take(params, arg);
	}
}

static int decode_ec(void *data, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *take, void *arg,
		     OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg)
{
	(void)ask;
	(void)ask_arg;
	return give_key(hand_take(data, in, KEY_TYPE_EC, selection), KEY_TYPE_EC, take, arg);
}

static int decode_rsa(void *data, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *take, void *arg,
		      OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg)
{
	(void)ask;
	(void)ask_arg;
	return give_key(hand_take(data, in, KEY_TYPE_RSA, selection), KEY_TYPE_RSA, take, arg);
}

#define DECODER(name, selects, fn)                                                                 \
	static const OSSL_DISPATCH name[] = {                                                      \
		{OSSL_FUNC_DECODER_NEWCTX, MODULE_FN(decoder_new)},                                \
		{OSSL_FUNC_DECODER_FREECTX, MODULE_FN(decoder_free)},                              \
		{OSSL_FUNC_DECODER_DOES_SELECTION, MODULE_FN(selects)},                            \
		{OSSL_FUNC_DECODER_DECODE, MODULE_FN(fn)},                                         \
		{0, NULL},                                                                         \
	}

DECODER(pem_functions, selects_private, decode_pem);
DECODER(ec_functions, selects_any, decode_ec);
DECODER(rsa_functions, selects_any, decode_rsa);

/* The name is that of what comes out. */
const OSSL_ALGORITHM decoder_algorithms[] = {
	{"DER", MODULE_PROPERTIES ",input=pem", pem_functions, NULL},
	{"EC", MODULE_PROPERTIES ",input=der,structure=" HAND_STRUCTURE, ec_functions, NULL},
	{"RSA", MODULE_PROPERTIES ",input=der,structure=" HAND_STRUCTURE, rsa_functions, NULL},
	{NULL, NULL, NULL, NULL},
};
