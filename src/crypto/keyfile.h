/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_KEYFILE_H
#define CRYPTO_KEYFILE_H

/*
 * Keyfile: "-----BEGIN TSS2 PRIVATE KEY-----", the ASN.1 file that tpm2-openssl and tpm2-tools
 * share (OID 2.23.133.10.1.3 loadable key, .5 sealed data):
 *
 *   TPMKey ::= SEQUENCE {
 *     type OBJECT IDENTIFIER, emptyAuth [0] EXPLICIT BOOLEAN OPTIONAL,
 *     policy [1] EXPLICIT .. OPTIONAL, secret [2] EXPLICIT OCTET STRING OPTIONAL,
 *     authPolicy [3] EXPLICIT .. OPTIONAL, description [4] EXPLICIT UTF8String OPTIONAL,
 *     rsaParent [5] EXPLICIT BOOLEAN OPTIONAL,
 *     parent INTEGER, pubkey OCTET STRING, privkey OCTET STRING }
 *
 * Writing gives the least that the stock tools accept: type, emptyAuth, parent, pubkey, privkey;
 * emptyAuth even when false, since tpm2-openssl asks for no password when it is absent. Reading
 * takes every optional field (an absent emptyAuth is false); a key with policy or secret (an
 * importable one) is ERR_NOT_SUPPORTED, since its use would need more than a password.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum keyfile_type { KEYFILE_LOADABLE, KEYFILE_SEALED };

struct keyfile {
	enum keyfile_type type;
	bool empty_auth;
	uint32_t parent;    /* a persistent handle or a hierarchy (0x40000001) */
	struct buf pubkey;  /* marshalled TPM2B_PUBLIC */
	struct buf privkey; /* marshalled TPM2B_PRIVATE */
};

#define KEYFILE_PART_MAX 4096u
#define KEYFILE_PEM_MAX	 16384u

void keyfile_fini(struct keyfile *keyfile);
static inline void keyfile_cleanup(struct keyfile *keyfile)
{
	keyfile_fini(keyfile);
}

/* ERR_INVALID when it is no such PEM, ERR_NOT_SUPPORTED as said above. */
int keyfile_read(struct slice pem, struct keyfile *ret_keyfile, struct err *err) MUST_CHECK;
int keyfile_write(const struct keyfile *keyfile, struct buf *ret_pem, struct err *err) MUST_CHECK;

/* True when the text holds a TSS2 PRIVATE KEY block. */
bool keyfile_is_tss2(struct slice pem);

#endif
