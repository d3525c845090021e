/* SPDX-License-Identifier: Apache-2.0 */
/* Thin over EVP, with its padding off: OpenSSL's would tell padding faults by their own error. */

#include "crypto/cbc.h"

#include <limits.h>

#include <openssl/evp.h>

#include "crypto/cipher.h"
#include "crypto/ossl.h"

/* OpenSSL counts in int; a multiple of the block. */
#define CBC_PIECE ((size_t)1 << 30)

struct cbc {
	EVP_CIPHER_CTX *ctx;
};

int cbc_new(const struct secret *key, const uint8_t *iv, bool encrypt, struct cbc **ret_cbc,
	    struct err *err)
{
	CLEANUP(cbc_cleanup) struct cbc *cbc = calloc(1, sizeof(*cbc));
	const EVP_CIPHER *cipher = ossl_cipher(OSSL_AES256_CBC);

	if (!cbc)
		return err_set(err, ERR_INTERNAL, "out of memory");
	if (secret_size(key) != CIPHER_KEY256)
		return err_set(err, ERR_INTERNAL, "a key of AES-256 must have 32 bytes");
	cbc->ctx = EVP_CIPHER_CTX_new();
	if (!cbc->ctx || !cipher ||
	    EVP_CipherInit_ex2(cbc->ctx, cipher, secret_slice(key).data, iv, encrypt ? 1 : 0,
			       NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(cbc->ctx, 0) != 1)
		return ossl_fail(err, ERR_INTERNAL, "AES-CBC cannot be set up");
	*ret_cbc = TAKE(cbc);
	return 0;
}

void cbc_free(struct cbc *cbc)
{
	if (!cbc)
		return;
	EVP_CIPHER_CTX_free(cbc->ctx);
	free(cbc);
}

int cbc_run(struct cbc *cbc, uint8_t *data, size_t len, struct err *err)
{
	int n;

	if (len % CBC_BLOCK != 0)
		return err_set(err, ERR_INTERNAL, "AES-CBC takes whole blocks");
	while (len > 0) {
		size_t piece = len < CBC_PIECE ? len : CBC_PIECE;

		if (EVP_CipherUpdate(cbc->ctx, data, &n, data, (int)piece) != 1 || n < 0 ||
		    (size_t)n != piece)
			return ossl_fail(err, ERR_INTERNAL, "AES-CBC failed");
		data += piece;
		len -= piece;
	}
	return 0;
}

/* All ones when @a < @b, else zero; both are small. */
static unsigned mask_less(unsigned a, unsigned b)
{
	return 0u - ((a - b) >> (sizeof(unsigned) * CHAR_BIT - 1));
}

unsigned cbc_padding(const uint8_t block[CBC_BLOCK])
{
	/* Volatile, so that the compiler makes no branch of what is left of the loop. */
	volatile unsigned fault = 0;
	unsigned pad = block[CBC_BLOCK - 1];

	fault |= mask_less(pad, 1) | mask_less(CBC_BLOCK, pad);
	for (unsigned i = 1; i <= CBC_BLOCK; i++)
		fault |= mask_less(i - 1, pad) & (block[CBC_BLOCK - i] ^ pad);
	return pad & mask_less(fault & 0xff, 1);
}
