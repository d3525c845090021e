/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/der.h"

/* AlgorithmIdentifiers: ECDSA without parameters (RFC 5758, 3.2), RSA with NULL (RFC 4055, 5). */
#define ECDSA_WITH(n)                                                                              \
	{                                                                                          \
		0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, (n)              \
	}
#define RSA_WITH(n)                                                                                \
	{                                                                                          \
		0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, (n), 0x05, \
			0x00                                                                       \
	}
static const uint8_t ecdsa_with[HASH_ALGS][12] = {
	[HASH_SHA256] = ECDSA_WITH(2),
	[HASH_SHA384] = ECDSA_WITH(3),
	[HASH_SHA512] = ECDSA_WITH(4),
};
static const uint8_t rsa_with[HASH_ALGS][15] = {
	[HASH_SHA256] = RSA_WITH(11),
	[HASH_SHA384] = RSA_WITH(12),
	[HASH_SHA512] = RSA_WITH(13),
};

void der_put(struct buf *buf, uint8_t tag, struct slice content)
{
	buf_put_u8(buf, tag);
	if (content.len >= 0x100) {
		buf_put_u8(buf, 0x82);
		buf_put_u16(buf, (uint16_t)content.len);
	} else {
		if (content.len >= 0x80)
			buf_put_u8(buf, 0x81);
		buf_put_u8(buf, (uint8_t)content.len);
	}
	buf_put(buf, content);
}

void der_wrap(struct buf *buf, uint8_t tag)
{
	CLEANUP(buf_fini) struct buf inner = *buf;

	*buf = (struct buf)BUF_INIT(inner.max);
	der_put(buf, tag, buf_slice(&inner));
	buf->failed |= inner.failed;
}

int der_put_algorithm(struct buf *buf, enum pkey_scheme scheme, enum hash_alg alg, struct err *err)
{
	if (scheme != PKEY_ECDSA && scheme != PKEY_RSASSA)
		return err_set(err, ERR_NOT_SUPPORTED, "this is signed by ecdsa or rsassa");
	if ((unsigned)alg >= HASH_ALGS || alg == HASH_SHA1)
		return err_set(err, ERR_NOT_SUPPORTED, "this is signed over sha256 or better");
	buf_put(buf, scheme == PKEY_ECDSA ? DER_BYTES(ecdsa_with[alg]) : DER_BYTES(rsa_with[alg]));
	return 0;
}

int der_put_signed(struct buf *buf, struct slice info, const struct der_signature *signature,
		   struct err *err)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(DER_MAX);
	CLEANUP(buf_fini) struct buf bits = BUF_INIT(DER_MAX);
	int r;

	buf_put(&whole, info);
	r = der_put_algorithm(&whole, signature->scheme, signature->alg, err);
	if (r < 0)
		return r;
	buf_put_u8(&bits, 0); /* of the last byte no bit is unused */
	buf_put(&bits, signature->bytes);
	der_put(&whole, DER_BITS, buf_slice(&bits));
	der_wrap(&whole, DER_SEQUENCE);
	if (!buf_ok(&whole) || !buf_ok(&bits))
		return err_set(err, ERR_TOO_LARGE, "what is to be signed is too large");
	buf_put(buf, buf_slice(&whole));
	return 0;
}
