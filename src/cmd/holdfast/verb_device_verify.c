/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks what `device sign` made, here or on another machine, by the device's certificate alone.
 * Whether that is to be trusted is another question, and for others.
 */
#include <string.h>

#include "base/mem.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"
#include "crypto/x509.h"

#define SIGNATURE_MAX 1024u
#define PEM_MAX	      (64u * 1024u)
#define PURPOSE_MAX   64u
#define PURPOSE_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* docs/IDENTITY.md: the NUL is part of it. */
static const char LABEL[] = "holdfast device signature v1";

static const char REMEDY_BAD[] =
	"Check that input, purpose, tenant and certificate are those it was signed with; if they "
	"are, trust neither.";

struct statement {
	const char *purpose;
	const char *tenant;
	const char *certificate;
	const char *signature;
	const char *in;
};

static int add_piece(void *arg, struct slice piece, struct err *err)
{
	return hash_stream_add(arg, piece, err);
}

/* SHA-256 over the label, the tenant, the purpose, each with a NUL behind it, and the message. */
static int digest_statement(const struct statement *statement, uint8_t *ret_digest, struct err *err)
{
	CLEANUP(hash_stream_cleanup) struct hash_stream *stream = NULL;
	const char *const texts[] = {LABEL, statement->tenant, statement->purpose};
	size_t i;
	int r;

	r = hash_stream_new(HASH_SHA256, &stream, err);
	for (i = 0; r == 0 && i < ARRAY_LEN(texts); i++)
		r = hash_stream_add(stream, slice_of(texts[i], strlen(texts[i]) + 1), err);
	if (r == 0)
		r = io_each(statement->in, add_piece, stream, err);
	return r < 0 ? r : hash_stream_end(stream, ret_digest, err);
}

/* The key of the first certificate; those of its issuers may stand behind it. */
static int read_key(const char *path, struct pkey **ret_key, struct err *err)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	int r;

	r = io_read(path, &pem, err);
	if (r == 0)
		r = x509_chain_of_pem(buf_slice(&pem), &chain, err);
	if (r == 0)
		r = x509_read(slice_of(chain.data, certificate_len(buf_slice(&chain))), &facts,
			      err);
	if (r == 0)
		r = pkey_from_spki(buf_slice(&facts.spki), ret_key, err);
	return r < 0 ? err_wrap(err, "certificate") : 0;
}

/* As the library has it of those that sign (client/device.c): no other purpose was ever signed. */
static int check_purpose(const char *purpose, struct err *err)
{
	size_t len = strspn(purpose, PURPOSE_CHARS);

	if (len >= 1 && len <= PURPOSE_MAX && purpose[len] == '\0')
		return 0;
	return err_set(err, ERR_INVALID, "a purpose is 1 to %u of A-Z a-z 0-9 . _ -", PURPOSE_MAX);
}

static int check(const struct statement *statement, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(SIGNATURE_MAX);
	uint8_t digest[HASH_MAX_SIZE];
	int r;

	r = check_purpose(statement->purpose, err);
	if (r == 0)
		r = read_key(statement->certificate, &key, err);
	if (r == 0)
		r = io_read(statement->signature, &signature, err);
	if (r == 0)
		r = digest_statement(statement, digest, err);
	if (r < 0)
		return r;
	r = pkey_verify(key, pkey_type_is_rsa(pkey_type(key)) ? PKEY_RSASSA : PKEY_ECDSA,
			HASH_SHA256, slice_of(digest, hash_size(HASH_SHA256)),
			buf_slice(&signature), err);
	return r == ERR_DAMAGED ? err_add_remedy(err, REMEDY_BAD) : r;
}

int verb_device_verify(struct cli *cli, struct opt_words words)
{
	struct statement statement = {.in = NULL};
	const struct opt opts[] = {
		VERB_OPT_PURPOSE(&statement.purpose),
		{.kind = OPT_TEXT,
		 .name = "tenant",
		 .value = "NAME",
		 .help = "who had it signed: host, or the container's name",
		 .required = true,
		 .text = &statement.tenant},
		{.kind = OPT_TEXT,
		 .name = "cert",
		 .value = "FILE",
		 .help = "the device's certificate, as PEM",
		 .required = true,
		 .text = &statement.certificate},
		{.kind = OPT_TEXT,
		 .name = "signature",
		 .value = "FILE",
		 .help = "the signature to check",
		 .required = true,
		 .text = &statement.signature},
		VERB_OPT_IN("what was signed", &statement.in),
	};
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	r = verb_check_inputs(cli, statement.in, statement.signature, statement.certificate);
	if (r != CLI_DONE)
		return r;
	return check(&statement, &err) < 0 ? cli_fail(cli, &err) : verb_print_good(cli);
}
