/* SPDX-License-Identifier: Apache-2.0 */
/* Thin over EVP: what is decided here is sizes, and that nothing half-done is handed out. */

#include "crypto/cipher.h"

#include <limits.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "crypto/ossl.h"

static void cipher_ctx_cleanup(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx); /* wipes the key schedule */
}

int cipher_random(uint8_t *ret_bytes, size_t len, struct err *err)
{
	if (RAND_bytes_ex(NULL, ret_bytes, len, 0) != 1)
		return ossl_fail(err, ERR_INTERNAL, "no random bytes to be had");
	return 0;
}

/* A stream cipher in place. */
static int cipher_in_place(const EVP_CIPHER *cipher, const uint8_t *key_iv[2], int encrypt,
			   uint8_t *data, size_t len, struct err *err)
{
	CLEANUP(cipher_ctx_cleanup) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (len > INT_MAX)
		return err_set(err, ERR_TOO_LARGE, "too much to encrypt in one piece");
	if (!ctx || !cipher ||
	    EVP_CipherInit_ex2(ctx, cipher, key_iv[0], key_iv[1], encrypt, NULL) != 1)
		return ossl_fail(err, ERR_INTERNAL, "AES cannot be set up");
	if (len && EVP_CipherUpdate(ctx, data, &n, data, (int)len) != 1)
		return ossl_fail(err, ERR_INTERNAL, "AES failed");
	return 0;
}

int cipher_cfb(struct slice key, const uint8_t *iv, bool encrypt, uint8_t *data, size_t len,
	       struct err *err)
{
	const uint8_t *key_iv[2] = {key.data, iv};
	enum ossl_cipher cipher = key.len == CIPHER_KEY256 ? OSSL_AES256_CFB : OSSL_AES128_CFB;

	if (key.len != CIPHER_KEY128 && key.len != CIPHER_KEY256)
		return err_set(err, ERR_INTERNAL, "AES-CFB needs a key of 16 or 32 bytes");
	return cipher_in_place(ossl_cipher(cipher), key_iv, encrypt ? 1 : 0, data, len, err);
}

int cipher_cfb128(const uint8_t *key, const uint8_t *iv, bool encrypt, uint8_t *data, size_t len,
		  struct err *err)
{
	return cipher_cfb(slice_of(key, CIPHER_KEY128), iv, encrypt, data, len, err);
}

int cipher_expand(struct slice key, uint8_t *ret_bytes, size_t len, struct err *err)
{
	static const uint8_t zero_counter[16];
	const uint8_t *key_iv[2] = {key.data, zero_counter};

	if (key.len != CIPHER_KEY256)
		return err_set(err, ERR_INTERNAL, "a key to expand must have 32 bytes");
	if (len > INT_MAX)
		return err_set(err, ERR_TOO_LARGE, "too much to expand in one piece");
	for (size_t i = 0; i < len; i++)
		ret_bytes[i] = 0;
	return cipher_in_place(ossl_cipher(OSSL_AES256_CTR), key_iv, 1, ret_bytes, len, err);
}

/* A context that has the key; the nonce comes with the message. */
static int gcm_keyed(const struct cipher_gcm *gcm, EVP_CIPHER_CTX *ctx, struct err *err)
{
	const EVP_CIPHER *cipher = ossl_cipher(OSSL_AES256_GCM);

	if (gcm->key.len != CIPHER_KEY256 || gcm->nonce.len != CIPHER_GCM_NONCE)
		return err_set(err, ERR_INTERNAL, "AES-GCM needs a key of 32, a nonce of 12 bytes");
	if (!ctx || !cipher || EVP_CipherInit_ex2(ctx, cipher, gcm->key.data, NULL, 1, NULL) != 1)
		return ossl_fail(err, ERR_INTERNAL, "AES-GCM cannot be set up");
	return 0;
}

int cipher_gcm_seal(const struct cipher_gcm *gcm, struct slice plain, struct buf *ret_sealed,
		    struct err *err)
{
	CLEANUP(cipher_ctx_cleanup) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const struct ossl_gcm message = {.ctx = ctx, .nonce = gcm->nonce.data, .aad = gcm->aad};
	int r = gcm_keyed(gcm, ctx, err);

	return r < 0 ? r : ossl_gcm_seal(&message, plain, ret_sealed, err);
}

int cipher_gcm_open(const struct cipher_gcm *gcm, struct slice sealed, uint8_t *ret_plain,
		    struct err *err)
{
	CLEANUP(cipher_ctx_cleanup) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const struct ossl_gcm message = {.ctx = ctx, .nonce = gcm->nonce.data, .aad = gcm->aad};
	int r = gcm_keyed(gcm, ctx, err);

	return r < 0 ? r : ossl_gcm_open(&message, sealed, ret_plain, err);
}
