/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_ARTIFACT_H
#define CMD_HOLDFAST_ARTIFACT_H

/*
 * Artifact: what the verbs that publish share: who signs, and an input that becomes a blob piece by
 * piece, so that memory does not grow with it.
 */

#include "artifact/manifest.h"
#include "artifact/v1_sig.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "cmd/holdfast/cli.h"
#include "crypto/pkey.h"
#include "crypto/x509.h"

/* --- signing, when it is asked for --- */

struct artifact_signer {
	const char *key_file; /* of the options; both or none */
	const char *cert_file;
	struct pkey *key; /* NULL: nothing is signed */
	struct buf chain; /* DER */
};
#define ARTIFACT_SIGNER_INIT                                                                       \
	{                                                                                          \
		.chain = BUF_INIT(X509_CHAIN_MAX * X509_MAX)                                       \
	}
#define ARTIFACT_OPTS_SIGN(signer)                                                                 \
	{.kind = OPT_TEXT,                                                                         \
	 .name = "sign-key",                                                                       \
	 .value = "FILE",                                                                          \
	 .help = "sign with this private key, PEM without a passphrase",                           \
	 .text = &(signer).key_file},                                                              \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "sign-cert", .value = "FILE",                            \
		.help = "the key's certificate, PEM, with those of its issuers behind it",         \
		.text = &(signer).cert_file                                                        \
	}

/* ERR_INVALID: one file without the other, or they do not belong together. */
int artifact_signer_read(struct artifact_signer *signer, struct err *err) MUST_CHECK;
/*
 * .. and may sign manifests of version 2, as far as the certificate tells; of the anchors of
 * devices nothing is known here. ERR_FORBIDDEN, with what to do.
 */
int artifact_signer_check_v2(const struct artifact_signer *signer, struct err *err) MUST_CHECK;
void artifact_signer_fini(struct artifact_signer *signer);

/* Appends the signature of a release; nothing when there is no key. */
int artifact_sign(const struct artifact_signer *signer, const struct v1_release *release,
		  struct buf *ret_sig, struct err *err) MUST_CHECK;

/* --- sealing --- */

struct artifact_seal {
	const char *in; /* a path as of io.h */
	const struct secret *key;
	/* Gets the blob, in order, in pieces that are borrowed for the call. */
	int (*take)(void *arg, struct slice blob, struct err *err);
	void *arg;
};
int artifact_seal(const struct artifact_seal *seal, struct err *err) MUST_CHECK;

/* Certificates of a PEM file, in DER, that --anchors names. */
int artifact_anchors(const char *file, struct buf *ret_der, struct err *err) MUST_CHECK;

/* The subject of who claims to have signed; "" where that cannot be read. */
void artifact_signer_name(struct slice signature, char ret_subject[X509_TEXT_MAX]);

/* Of what is in an open file, with progress on the terminal. */
struct artifact_digest {
	const char *label;		 /* "reading" */
	uint64_t size;			 /* of the file */
	uint8_t sha256[MANIFEST_DIGEST]; /* comes out */
};
/* ERR_UNREADABLE: there are fewer bytes. */
int artifact_digest(int fd, struct artifact_digest *digest, struct err *err) MUST_CHECK;

/* Is that what the manifest says of its payload, size and digest? */
bool artifact_is_payload(const struct manifest *manifest, const struct artifact_digest *digest);

/* ERR_FORBIDDEN when it has expired. */
int artifact_is_expired(const struct manifest *manifest, int64_t now, struct err *err) MUST_CHECK;

/* The key of all resources, of the salts in @file. */
int artifact_fleet_key(const char *file, struct secret **ret_key, struct err *err) MUST_CHECK;

/* Prints what was made: "FOLDER/NAME: .. bytes, SHA-256 .., signed". */
int artifact_print(const struct cli *cli, const struct v1_release *release, bool is_signed);

#endif
