/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_CIPHER_H
#define CRYPTO_CIPHER_H

/* Cipher: random bytes, AES-CFB for what TPMs read, AES-256-GCM and AES-256-CTR for the rest. */

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

#define CIPHER_KEY128	 16u
#define CIPHER_KEY256	 32u
#define CIPHER_GCM_NONCE 12u
#define CIPHER_GCM_TAG	 16u

/* From the kernel by way of OpenSSL's generator. */
int cipher_random(uint8_t *ret_bytes, size_t len, struct err *err) MUST_CHECK;

/* In place, full-block feedback (TPM 2.0 Part 1, 21.3). @key is 16 or 32 bytes, @iv is 16. */
int cipher_cfb(struct slice key, const uint8_t *iv, bool encrypt, uint8_t *data, size_t len,
	       struct err *err) MUST_CHECK;
/* The same with a key of 16 bytes. */
int cipher_cfb128(const uint8_t *key, const uint8_t *iv, bool encrypt, uint8_t *data, size_t len,
		  struct err *err) MUST_CHECK;

/* AES-256-GCM. Appends ciphertext and tag. The nonce must never repeat under one key. */
struct cipher_gcm {
	struct slice key;   /* CIPHER_KEY256 bytes */
	struct slice nonce; /* CIPHER_GCM_NONCE bytes */
	struct slice aad;
};
int cipher_gcm_seal(const struct cipher_gcm *gcm, struct slice plain, struct buf *ret_sealed,
		    struct err *err) MUST_CHECK;

/* ERR_DAMAGED when the tag does not fit; nothing of the plaintext is then in @ret_plain. */
int cipher_gcm_open(const struct cipher_gcm *gcm, struct slice sealed, uint8_t *ret_plain,
		    struct err *err) MUST_CHECK;

/* Key stream of AES-256-CTR from a zero counter: expands a fresh 32-byte key to @len bytes. */
int cipher_expand(struct slice key, uint8_t *ret_bytes, size_t len, struct err *err) MUST_CHECK;

#endif
