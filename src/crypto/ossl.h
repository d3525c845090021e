/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_OSSL_H
#define CRYPTO_OSSL_H

/*
 * Ossl: what the files of this room share between them and nobody else uses. OpenSSL's types
 * stand here by their struct tags, so that its headers stay out of ours.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "crypto/hash.h"

struct bio_st;
struct evp_cipher_ctx_st;
struct evp_cipher_st;
struct evp_md_st;

/* OpenSSL's last error, or 0; its queue is empty afterwards. */
unsigned long ossl_take_error(void);

/* Sets code and text, with OpenSSL's last error as origin; returns the code. */
static inline int ossl_fail(struct err *err, int code, const char *what)
{
	err_set(err, code, "%s", what);
	return err_add_origin(err, ERR_ORIGIN_OPENSSL, ossl_take_error());
}

/* Algorithms fetched once per process; NULL when the library lacks them. Any thread. */
const struct evp_md_st *ossl_md(enum hash_alg alg);
enum ossl_cipher {
	OSSL_AES128_CFB,
	OSSL_AES256_CFB,
	OSSL_AES256_GCM,
	OSSL_AES256_CTR,
	OSSL_AES256_CBC,
	OSSL_CIPHERS
};
const struct evp_cipher_st *ossl_cipher(enum ossl_cipher cipher);

/* OpenSSL's name of the algorithm ("SHA256"), for its parameters. */
const char *ossl_md_name(enum hash_alg alg);

/* One AES-256-GCM message on a context that has its key; @nonce is CIPHER_GCM_NONCE bytes. */
struct ossl_gcm {
	struct evp_cipher_ctx_st *ctx;
	const uint8_t *nonce;
	struct slice aad;
};
int ossl_gcm_seal(const struct ossl_gcm *gcm, struct slice plain, struct buf *ret_sealed,
		  struct err *err) MUST_CHECK;
/* ERR_DAMAGED; @ret_plain is wiped then. */
int ossl_gcm_open(const struct ossl_gcm *gcm, struct slice sealed, uint8_t *ret_plain,
		  struct err *err) MUST_CHECK;

/* Bytes that OpenSSL allocated; wiped when freed. */
struct ossl_bytes {
	uint8_t *data;
	size_t len;
};
void ossl_bytes_cleanup(struct ossl_bytes *bytes);

/*
 * The first PEM block under @label, decoded. Text around it, CRLF and other blocks are passed
 * over; a block with headers ("Proc-Type") is no answer. False when there is none.
 */
bool ossl_pem_find(struct slice pem, const char *label, struct ossl_bytes *ret_der);

/* Appends everything in the memory BIO. */
void ossl_bio_take(struct bio_st *bio, struct buf *ret_bytes);

#endif
