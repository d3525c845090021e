/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names for certificate requests: the first byte says which kind, the rest is the name. What is
 * taken makes a request that OpenSSL reads, and gives the same when it is written again.
 */

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto/request.h"
#include "tests/fuzz/fuzz.h"

/* The base point of P-256: a public key as good as any. */
static const uint8_t SPKI[] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
	0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
	0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
	0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
	0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
	0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

static void check_readable(struct slice info)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(REQUEST_PEM_MAX);
	struct err err = {0};
	X509_REQ *req;
	uint8_t *der = NULL;
	BIO *bio;

	FUZZ_REQUIRE(request_finish(info, PKEY_ECDSA, HASH_SHA256, slice_str("no signature"), &pem,
				    &err) == 0);
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	FUZZ_REQUIRE(req);
	FUZZ_REQUIRE(i2d_re_X509_REQ_tbs(req, &der) == (int)info.len);
	FUZZ_REQUIRE(slice_equal(slice_of(der, info.len), info));
	OPENSSL_free(der);
	X509_REQ_free(req);
	BIO_free(bio);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_fini) struct buf info = BUF_INIT(REQUEST_MAX);
	struct slice text = slice_of(data + 1, size ? size - 1 : 0);
	unsigned kind = size ? data[0] % (REQUEST_KINDS + 1u) : 0;
	const struct request_name name = {(enum request_name_kind)kind, text};
	struct request request = {.spki = slice_of(SPKI, sizeof(SPKI))};
	struct err err = {0};
	int r;

	if (kind == REQUEST_KINDS) {
		request.subject = text;
	} else {
		request.names = &name;
		request.count = 1;
	}
	r = request_info(&request, &info, &err);
	FUZZ_REQUIRE(r == 0 || (r == err.code && err.text[0] && info.len == 0));
	if (r == 0)
		check_readable(buf_slice(&info));
	return 0;
}
