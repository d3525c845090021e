/* SPDX-License-Identifier: Apache-2.0 */
/* device.cert.pem: everybody may read it, and a CA's may lie in it. */
#include "identity/files_impl.h"

#include <limits.h>
#include <stdio.h>

#include "base/base64.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

#define CERTIFICATE_MODE  0644
#define FINGERPRINT_SHOWN 8u
#define CROSS_ENDING	  ".cross.pem"

int identity_certificate_read(struct identity_files *files, struct buf *ret_chain, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *pem = NULL;
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);
	int r = files_read(files, FILES_IN_CONFIG, FILES_CERTIFICATE, X509_CHAIN_PEM_MAX, &pem,
			   err);

	if (r == 0)
		r = x509_chain_of_pem(secret_slice(pem), &chain, err);
	if (r == ERR_INVALID || r == ERR_TOO_LARGE) {
		(void)err_wrap(err, FILES_CERTIFICATE);
		err->code = ERR_DAMAGED;
		return ERR_DAMAGED;
	}
	if (r < 0)
		return r;
	buf_put(ret_chain, buf_slice(&chain));
	return buf_ok(ret_chain) ? 0 : err_set(err, ERR_INTERNAL, "no room for certificates");
}

static int write_chain(struct identity_files *files, enum files_folder folder, const char *name,
		       struct slice chain, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);
	int r;

	if (chain.len == 0 || chain.len > IDENTITY_CHAIN_MAX)
		return err_set(err, ERR_INVALID, "no certificates, or too large ones");
	r = x509_chain_to_pem(chain, &pem, err);
	if (r < 0)
		return r;
	return files_write(files, folder,
			   &(struct files_content){.name = name,
						   .bytes = buf_slice(&pem),
						   .mode = CERTIFICATE_MODE},
			   err);
}

int identity_certificate_write(struct identity_files *files, struct slice chain, struct err *err)
{
	return write_chain(files, FILES_IN_CONFIG, FILES_CERTIFICATE, chain, err);
}

/* The first half of what a key is known by here; "unknown" of a type that is none of ours. */
static int key_word(struct slice chain, char *ret_word, size_t size, struct err *err)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	CLEANUP(buf_fini) struct buf word = BUF_INIT(2 * FINGERPRINT_SHOWN);
	uint8_t digest[HASH_MAX_SIZE];
	struct slice spki;
	int r = x509_read(slice_of(chain.data, certificate_len(chain)), &facts, err);

	if (r == ERR_NOT_SUPPORTED || r == ERR_DAMAGED) {
		(void)snprintf(ret_word, size, "unknown");
		return 0;
	}
	if (r < 0)
		return r;
	spki = buf_slice(&facts.spki);
	r = hash_digest(HASH_SHA256, &spki, 1, digest, err);
	if (r < 0)
		return r;
	hex_encode(&word, slice_of(digest, FINGERPRINT_SHOWN));
	if (!buf_ok(&word))
		return err_set(err, ERR_INTERNAL, "memory is short");
	(void)snprintf(ret_word, size, "%.*s", (int)word.len, (const char *)word.data);
	return 0;
}

static int put_aside(struct identity_files *files, bool keep, struct err *err)
{
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(IDENTITY_CHAIN_MAX);
	char word[2 * FINGERPRINT_SHOWN + 1] = "";
	struct files_move move = {.from = FILES_IN_CONFIG,
				  .name = FILES_CERTIFICATE,
				  .to = FILES_IN_PREVIOUS,
				  .new_name = word,
				  .keep = keep};
	int r = identity_certificate_read(files, &chain, err);

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == ERR_DAMAGED || r == ERR_UNREADABLE) {
		move.to = FILES_IN_QUARANTINE;
		move.new_name = FILES_CERTIFICATE;
		move.keep = keep && r == ERR_DAMAGED;
		return files_move(files, &move, err);
	}
	if (r == 0)
		r = key_word(buf_slice(&chain), word, sizeof(word), err);
	return r < 0 ? r : files_move(files, &move, err);
}

int identity_certificate_keep_chain(struct identity_files *files, struct slice chain,
				    struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(X509_CHAIN_PEM_MAX);
	char word[2 * FINGERPRINT_SHOWN + 1] = "";
	int r = key_word(chain, word, sizeof(word), err);

	if (r == 0)
		r = x509_chain_to_pem(chain, &pem, err);
	return r < 0 ? r : files_keep(files, FILES_IN_PREVIOUS, word, buf_slice(&pem), err);
}

int identity_certificate_retire(struct identity_files *files, struct err *err)
{
	return put_aside(files, false, err);
}

int identity_certificate_keep(struct identity_files *files, struct err *err)
{
	return put_aside(files, true, err);
}

int identity_certificate_keep_cross(struct identity_files *files, struct slice der, struct err *err)
{
	char word[2 * FINGERPRINT_SHOWN + 1] = "";
	char name[sizeof(word) + sizeof(CROSS_ENDING)];
	int r = key_word(der, word, sizeof(word), err);

	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%s" CROSS_ENDING, word);
	return write_chain(files, FILES_IN_PREVIOUS, name, der, err);
}
