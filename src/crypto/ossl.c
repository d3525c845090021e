/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching an algorithm costs more than using it on short input, so each is fetched at its first
 * use and kept. Two threads may both fetch; the one that comes second drops its copy.
 */

#include "crypto/ossl.h"

#include <limits.h>
#include <stdatomic.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/secret.h"
#include "crypto/cipher.h"

static const char *const md_names[HASH_ALGS] = {
	[HASH_SHA1] = "SHA1",
	[HASH_SHA256] = "SHA256",
	[HASH_SHA384] = "SHA384",
	[HASH_SHA512] = "SHA512",
};

static const char *const cipher_names[OSSL_CIPHERS] = {
	[OSSL_AES128_CFB] = "AES-128-CFB", [OSSL_AES256_CFB] = "AES-256-CFB",
	[OSSL_AES256_GCM] = "AES-256-GCM", [OSSL_AES256_CTR] = "AES-256-CTR",
	[OSSL_AES256_CBC] = "AES-256-CBC",
};

static _Atomic(EVP_MD *) mds[HASH_ALGS];
static _Atomic(EVP_CIPHER *) ciphers[OSSL_CIPHERS];

unsigned long ossl_take_error(void)
{
	unsigned long last = ERR_peek_last_error();

	ERR_clear_error();
	return last;
}

const char *ossl_md_name(enum hash_alg alg)
{
	return md_names[alg];
}

const EVP_MD *ossl_md(enum hash_alg alg)
{
	EVP_MD *known = atomic_load_explicit(&mds[alg], memory_order_acquire);
	EVP_MD *fetched;

	if (known)
		return known;
	fetched = EVP_MD_fetch(NULL, md_names[alg], NULL);
	if (!fetched)
		return NULL;
	if (atomic_compare_exchange_strong(&mds[alg], &known, fetched))
		return fetched;
	EVP_MD_free(fetched);
	return known;
}

const EVP_CIPHER *ossl_cipher(enum ossl_cipher cipher)
{
	EVP_CIPHER *known = atomic_load_explicit(&ciphers[cipher], memory_order_acquire);
	EVP_CIPHER *fetched;

	if (known)
		return known;
	fetched = EVP_CIPHER_fetch(NULL, cipher_names[cipher], NULL);
	if (!fetched)
		return NULL;
	if (atomic_compare_exchange_strong(&ciphers[cipher], &known, fetched))
		return fetched;
	EVP_CIPHER_free(fetched);
	return known;
}

/* OpenSSL counts in int; one message here is never near that. */
static bool gcm_fits(struct slice aad, struct slice text)
{
	return aad.len <= INT_MAX && text.len <= INT_MAX;
}

static bool gcm_encrypt(const struct ossl_gcm *gcm, struct slice plain, uint8_t *out)
{
	int n;

	return EVP_CipherInit_ex2(gcm->ctx, NULL, NULL, gcm->nonce, 1, NULL) == 1 &&
	       (gcm->aad.len == 0 ||
		EVP_EncryptUpdate(gcm->ctx, NULL, &n, gcm->aad.data, (int)gcm->aad.len) == 1) &&
	       (plain.len == 0 ||
		EVP_EncryptUpdate(gcm->ctx, out, &n, plain.data, (int)plain.len) == 1) &&
	       EVP_EncryptFinal_ex(gcm->ctx, out + plain.len, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(gcm->ctx, EVP_CTRL_AEAD_GET_TAG, CIPHER_GCM_TAG,
				   out + plain.len) == 1;
}

int ossl_gcm_seal(const struct ossl_gcm *gcm, struct slice plain, struct buf *ret_sealed,
		  struct err *err)
{
	size_t before = ret_sealed->len;
	uint8_t *out;

	if (!gcm_fits(gcm->aad, plain))
		return err_set(err, ERR_TOO_LARGE, "too much to encrypt in one piece");
	out = buf_grow(ret_sealed, plain.len + CIPHER_GCM_TAG);
	if (!out)
		return err_set(err, ERR_INTERNAL, "no room for a ciphertext");
	if (gcm_encrypt(gcm, plain, out))
		return 0;
	wipe(out, plain.len + CIPHER_GCM_TAG);
	ret_sealed->len = before;
	return ossl_fail(err, ERR_INTERNAL, "AES-GCM encryption failed");
}

static bool gcm_decrypt(const struct ossl_gcm *gcm, struct slice text, const uint8_t *tag,
			uint8_t *out)
{
	uint8_t expected[CIPHER_GCM_TAG];
	uint8_t none[1];
	int n;

	memcpy(expected, tag, sizeof(expected));
	return EVP_CipherInit_ex2(gcm->ctx, NULL, NULL, gcm->nonce, 0, NULL) == 1 &&
	       (gcm->aad.len == 0 ||
		EVP_DecryptUpdate(gcm->ctx, NULL, &n, gcm->aad.data, (int)gcm->aad.len) == 1) &&
	       (text.len == 0 ||
		EVP_DecryptUpdate(gcm->ctx, out, &n, text.data, (int)text.len) == 1) &&
	       EVP_CIPHER_CTX_ctrl(gcm->ctx, EVP_CTRL_AEAD_SET_TAG, CIPHER_GCM_TAG, expected) ==
		       1 &&
	       EVP_DecryptFinal_ex(gcm->ctx, none, &n) == 1;
}

int ossl_gcm_open(const struct ossl_gcm *gcm, struct slice sealed, uint8_t *ret_plain,
		  struct err *err)
{
	struct slice text;

	if (sealed.len < CIPHER_GCM_TAG || !gcm_fits(gcm->aad, sealed))
		return err_set(err, ERR_DAMAGED, "the encrypted data have an impossible length");
	text = slice_of(sealed.data, sealed.len - CIPHER_GCM_TAG);
	if (gcm_decrypt(gcm, text, sealed.data + text.len, ret_plain))
		return 0;
	if (text.len)
		wipe(ret_plain, text.len);
	return ossl_fail(err, ERR_DAMAGED, "the encrypted data were changed or cut");
}

void ossl_bytes_cleanup(struct ossl_bytes *bytes)
{
	OPENSSL_clear_free(bytes->data, bytes->len);
}

/* One block of the text: 1 when it is the wanted one, 0 for another, -1 at the end. */
static int pem_next(BIO *bio, const char *label, struct ossl_bytes *ret_der)
{
	char *name = NULL, *header = NULL;
	uint8_t *data = NULL;
	long len = 0;
	int found = 0;

	if (PEM_read_bio(bio, &name, &header, &data, &len) != 1)
		return -1;
	if (strcmp(name, label) == 0 && header[0] == '\0') {
		*ret_der = (struct ossl_bytes){.data = data, .len = (size_t)len};
		data = NULL;
		found = 1;
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(data, (size_t)len);
	return found;
}

bool ossl_pem_find(struct slice pem, const char *label, struct ossl_bytes *ret_der)
{
	BIO *bio;
	int found = 0;

	if (pem.len == 0 || pem.len > INT_MAX)
		return false;
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (!bio)
		return false;
	while (found == 0)
		found = pem_next(bio, label, ret_der);
	BIO_free(bio);
	ERR_clear_error();
	return found == 1;
}

void ossl_bio_take(BIO *bio, struct buf *ret_bytes)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);

	if (len > 0)
		buf_put(ret_bytes, slice_of(data, (size_t)len));
}
