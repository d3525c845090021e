/* SPDX-License-Identifier: Apache-2.0 */

#include "crypto/certificate_impl.h"

#include <openssl/x509.h>

#include "crypto/ossl.h"
#include "crypto/pkey_impl.h"

#define DER_SEQUENCE 0x30u
#define DER_LONG     0x80u /* the length stands in so many bytes that follow */

void certificate_cleanup(X509 **x509)
{
	X509_free(*x509);
}

static void x509_pubkey_cleanup(X509_PUBKEY **pubkey)
{
	X509_PUBKEY_free(*pubkey);
}

size_t certificate_len(struct slice bytes)
{
	struct cursor cursor = cursor_of(bytes);
	uint8_t tag = cursor_u8(&cursor), first = cursor_u8(&cursor);
	size_t len = first, more = 0;

	if (cursor.failed || tag != DER_SEQUENCE)
		return 0;
	if (first & DER_LONG) {
		more = first & ~DER_LONG;
		if (more == 0 || more > 3)
			return 0;
		len = 0;
		for (size_t i = 0; i < more; i++)
			len = len << 8 | cursor_u8(&cursor);
	}
	if (cursor.failed || len > cursor.rest.len)
		return 0;
	return bytes.len - cursor.rest.len + len;
}

int certificate_parse(struct slice der, X509 **ret_x509, struct err *err)
{
	const uint8_t *at = der.data;
	X509 *x509 = der.len > CERTIFICATE_MAX ? NULL : d2i_X509(NULL, &at, (long)der.len);

	if (!x509)
		return ossl_fail(err, ERR_DAMAGED, "these bytes are no certificate");
	if (at != der.data + der.len) {
		X509_free(x509);
		return err_set(err, ERR_DAMAGED, "more than a certificate");
	}
	*ret_x509 = x509;
	return 0;
}

int certificate_check(struct slice der, struct err *err)
{
	CLEANUP(certificate_cleanup) X509 *x509 = NULL;

	return certificate_parse(der, &x509, err);
}

int certificate_of(struct slice der, const struct pkey *key, struct err *err)
{
	CLEANUP(certificate_cleanup) X509 *x509 = NULL;
	CLEANUP(x509_pubkey_cleanup) X509_PUBKEY *ours = NULL;
	const ASN1_BIT_STRING *theirs;
	const uint8_t *bytes = NULL;
	int len = 0, r = certificate_parse(der, &x509, err);

	if (r < 0)
		return r;
	if (X509_PUBKEY_set(&ours, key->key) != 1 ||
	    X509_PUBKEY_get0_param(NULL, &bytes, &len, NULL, ours) != 1)
		return ossl_fail(err, ERR_INTERNAL, "a public key has no bytes");
	theirs = X509_get0_pubkey_bitstr(x509);
	if (!theirs || !slice_equal(slice_of(ASN1_STRING_get0_data(theirs),
					     (size_t)ASN1_STRING_length(theirs)),
				    slice_of(bytes, (size_t)len)))
		return err_set(err, ERR_DAMAGED, "the certificate is of another key");
	return 0;
}
