/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_SIGN_H
#define CMD_HOLDFAST_SIGN_H

/*
 * Sign: the options of signing and verifying, and where a signature goes. The input is hashed by
 * this program (digest.h, with libcrypto), or by the service; to the user it looks the same.
 */

#include "cmd/holdfast/cli.h"

#define SIGN_HASHES  "sha256|sha384|sha512"
#define SIGN_SCHEMES "ecdsa|rsassa|rsapss"
#define SIGN_FORMATS "der|raw"

struct sign_options {
	const char *key;
	const char *public_file;
	const char *in;
	const char *out;
	const char *signature;
	const char *hash;
	const char *scheme;
	const char *format;
};

/* Rows that sign and verify share. */
#define SIGN_OPT_INPUT(options)                                                                    \
	{.kind = OPT_TEXT,                                                                         \
	 .name = "in",                                                                             \
	 .value = "FILE",                                                                          \
	 .help = "what is signed; default: standard input",                                        \
	 .text = &(options).in},                                                                   \
		{.kind = OPT_CHOICE,                                                               \
		 .name = "hash",                                                                   \
		 .value = SIGN_HASHES,                                                             \
		 .help = "default: sha256",                                                        \
		 .text = &(options).hash},                                                         \
		{.kind = OPT_CHOICE,                                                               \
		 .name = "scheme",                                                                 \
		 .value = SIGN_SCHEMES,                                                            \
		 .help = "default: ecdsa for ECC keys, rsassa for RSA keys",                       \
		 .text = &(options).scheme},                                                       \
	{                                                                                          \
		.kind = OPT_CHOICE, .name = "format", .value = SIGN_FORMATS,                       \
		.help = "of an ECDSA signature; default: der", .text = &(options).format           \
	}

/* Parses the words of sign. A negative number to go on, else the exit code. */
int sign_parse(struct cli *cli, struct opt_words words, struct sign_options *options) MUST_CHECK;

/* Ends sign: puts the signature, which is freed, where the options say. */
int sign_print(const struct cli *cli, const struct sign_options *options, void *take_signature,
	       size_t len);

#endif
