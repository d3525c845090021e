/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates one after the other: as PEM files have them, and whether each vouches for the one
 * before it. */

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto/certificate_impl.h"
#include "crypto/ossl.h"
#include "crypto/x509.h"

#define PEM_BEGIN "-----BEGIN "

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio);
}

struct pem_block {
	char *label, *header;
	unsigned char *data;
	long len;
};

static void pem_block_fini(struct pem_block *block)
{
	OPENSSL_free(block->label);
	OPENSSL_free(block->header);
	OPENSSL_clear_free(block->data, block->len > 0 ? (size_t)block->len : 0);
}

/* Takes the first certificate off @chain. */
static int take_first(struct slice *chain, struct slice *ret_der, struct err *err)
{
	size_t len = certificate_len(*chain);

	if (len == 0 || len > X509_MAX)
		return err_set(err, ERR_DAMAGED, "these bytes are no certificates");
	*ret_der = slice_of(chain->data, len);
	*chain = slice_of(chain->data + len, chain->len - len);
	return certificate_check(*ret_der, err);
}

/* How many blocks the text seems to have. OpenSSL passes over a line that is not quite one. */
static size_t count_blocks(struct slice pem)
{
	size_t count = 0;
	const uint8_t *at = pem.data;

	while (at) {
		at = memmem(at, pem.len - (size_t)(at - pem.data), PEM_BEGIN, strlen(PEM_BEGIN));
		count += at != NULL;
		at = at ? at + strlen(PEM_BEGIN) : NULL;
	}
	return count;
}

static int take_block(BIO *bio, struct buf *der, struct err *err)
{
	CLEANUP(pem_block_fini) struct pem_block block = {0};
	struct slice bytes;

	if (PEM_read_bio(bio, &block.label, &block.header, &block.data, &block.len) != 1)
		return ossl_fail(err, ERR_INVALID, "a block of the PEM is damaged");
	bytes = slice_of(block.data, (size_t)block.len);
	if (strcmp(block.label, PEM_STRING_X509) != 0 || block.header[0] != '\0')
		return err_set(err, ERR_INVALID, "something in the PEM is no certificate");
	if (bytes.len > X509_MAX || certificate_len(bytes) != bytes.len ||
	    certificate_check(bytes, err) < 0)
		return err_set(err, ERR_INVALID, "a certificate in the PEM is damaged");
	buf_put(der, bytes);
	return 0;
}

int x509_list_of_pem(struct slice pem, size_t max, struct buf *ret_der, struct err *err)
{
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_CHAIN_PEM_MAX);
	size_t count;
	int r = 0;

	if (pem.len > X509_CHAIN_PEM_MAX)
		return err_set(err, ERR_INVALID, "no PEM of certificates is that long");
	count = count_blocks(pem);
	if (count == 0 || count > max)
		return err_set(err, ERR_INVALID, "the PEM has %s",
			       count ? "too many certificates" : "no certificate");
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (!bio)
		return ossl_fail(err, ERR_INTERNAL, "memory is short");
	while (r == 0 && count-- > 0)
		r = take_block(bio, &der, err);
	if (r < 0)
		return r;
	if (ret_der->max - ret_der->len < der.len)
		return err_set(err, ERR_TOO_LARGE, "the certificates are too large");
	buf_put(ret_der, buf_slice(&der));
	return buf_ok(ret_der) && buf_ok(&der) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int x509_chain_of_pem(struct slice pem, struct buf *ret_der, struct err *err)
{
	return x509_list_of_pem(pem, X509_CHAIN_MAX, ret_der, err);
}

int x509_chain_to_pem(struct slice der, struct buf *ret_pem, struct err *err)
{
	CLEANUP(bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());
	struct slice one;
	int r = bio ? 0 : ossl_fail(err, ERR_INTERNAL, "memory is short");

	while (r == 0 && der.len > 0) {
		r = take_first(&der, &one, err);
		if (r == 0 && PEM_write_bio(bio, PEM_STRING_X509, "", one.data, (long)one.len) <= 0)
			r = ossl_fail(err, ERR_INTERNAL, "the certificate cannot be encoded");
	}
	if (r < 0)
		return r;
	ossl_bio_take(bio, ret_pem);
	return buf_ok(ret_pem) ? 0 : err_set(err, ERR_INTERNAL, "no room for a certificate");
}

/* By its name and by its key. */
static bool vouches(X509 *issuer, X509 *x509)
{
	return X509_NAME_cmp(X509_get_issuer_name(x509), X509_get_subject_name(issuer)) == 0 &&
	       X509_verify(x509, X509_get0_pubkey(issuer)) == 1;
}

static int not_signed(size_t which, struct err *err)
{
	(void)err_set(err, ERR_INVALID, "certificate %zu is not signed by the one behind it",
		      which);
	return err_add_origin(err, ERR_ORIGIN_OPENSSL, ossl_take_error());
}

int x509_chain_check(struct slice der, struct err *err)
{
	CLEANUP(certificate_cleanup) X509 *below = NULL;
	size_t count = 0;

	do {
		CLEANUP(certificate_cleanup) X509 *x509 = NULL;
		struct slice one;
		int r = take_first(&der, &one, err);

		if (r == 0)
			r = certificate_parse(one, &x509, err);
		if (r < 0)
			return r;
		if (++count > X509_CHAIN_MAX)
			return err_set(err, ERR_INVALID, "more than %u certificates",
				       X509_CHAIN_MAX);
		if (below && !vouches(x509, below))
			return not_signed(count - 1, err);
		X509_free(below);
		below = TAKE(x509);
	} while (der.len > 0);
	return 0;
}
