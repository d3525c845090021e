/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Signatures with their content inside and without. The anchor and its signer are those of the
 * vectors: nobody else's content comes out as signed, however the bytes were changed, and what is
 * refused leaves nothing behind.
 */

#include "base/base64.h"
#include "crypto/cms.h"
#include "tests/fuzz/fuzz.h"
#include "tests/vectors/v1_sig.inc"

#define NOW INT64_C(1900000000)

static struct buf anchor = BUF_INIT(8192), chain = BUF_INIT(8192);
static struct pkey *key;

static void unbase64(const char *text, struct buf *ret_bytes)
{
	size_t len = 0;
	uint8_t *room = buf_grow(ret_bytes, base64_decoded_max(strlen(text)));

	FUZZ_REQUIRE(room && base64_decode(slice_str(text), room, &len));
	ret_bytes->len -= base64_decoded_max(strlen(text)) - len;
}

static void setup(void)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(8192);
	struct err err = {0};

	if (key)
		return;
	unbase64(VECTOR_CA, &anchor);
	unbase64(VECTOR_SIGNER, &chain);
	unbase64(VECTOR_MIDDLE, &chain);
	unbase64(VECTOR_SIGNER_KEY, &p8);
	FUZZ_REQUIRE(pkey_from_pkcs8(buf_slice(&p8), &key, &err) == 0);
}

static void require_error(int r, const struct err *err)
{
	FUZZ_REQUIRE(r == err->code && err->text[0]);
	FUZZ_REQUIRE(r == ERR_DAMAGED || r == ERR_FORBIDDEN || r == ERR_INVALID);
}

/* What opens is what the vectors sign; and then it can be seen without a look at who signed. */
static void try_whole(struct slice bytes, const struct cms_trust *trust)
{
	CLEANUP(buf_fini) struct buf content = BUF_INIT(CMS_MAX), peeked = BUF_INIT(CMS_MAX);
	struct err err = {0};
	int seen = cms_peek_whole(bytes, &peeked, &err), r;

	FUZZ_REQUIRE(seen == 0 || (seen == ERR_DAMAGED && peeked.len == 0));
	r = cms_open_whole(bytes, trust, &content, &err);
	if (r < 0) {
		require_error(r, &err);
		FUZZ_REQUIRE(content.len == 0);
		return;
	}
	FUZZ_REQUIRE(seen == 0 && slice_equal(buf_slice(&content), buf_slice(&peeked)));
	FUZZ_REQUIRE(content.len > 30 && slice_equal(slice_of(content.data, 25),
						     slice_str("{\"holdfast\":\"resource v1\"")));
}

static void try_detached(struct slice bytes, const struct cms_trust *trust)
{
	CLEANUP(buf_fini) struct buf signer = BUF_INIT(8192);
	struct err err = {0};
	int r = cms_verify(bytes, slice_str("{}"), trust, &err);

	FUZZ_REQUIRE(r < 0); /* no vector is over that */
	require_error(r, &err);
	r = cms_verify_signer(bytes, trust, &err);
	FUZZ_EITHER(cms_signer(bytes, &signer, &err) < 0);
	FUZZ_REQUIRE(r < 0 || signer.len > 0);
}

/* Whatever the bytes are, we sign and open them. */
static void try_seal(struct slice bytes, const struct cms_trust *trust)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX), sig = BUF_INIT(CMS_MAX);
	CLEANUP(buf_fini) struct buf content = BUF_INIT(CMS_MAX);
	struct err err = {0};

	FUZZ_REQUIRE(cms_seal_whole(key, buf_slice(&chain), bytes, &whole, &err) == 0);
	FUZZ_REQUIRE(cms_open_whole(buf_slice(&whole), trust, &content, &err) == 0);
	FUZZ_REQUIRE(slice_equal(buf_slice(&content), bytes));
	FUZZ_REQUIRE(cms_sign(key, buf_slice(&chain), bytes, &sig, &err) == 0);
	FUZZ_REQUIRE(cms_verify(buf_slice(&sig), bytes, trust, &err) == 0);
	FUZZ_EITHER(cms_sign(key, bytes, bytes, &sig, &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct cms_trust trust = {.usage = VECTOR_USAGE, .at = NOW};

	setup();
	trust.anchors = buf_slice(&anchor);
	try_whole(bytes, &trust);
	try_detached(bytes, &trust);
	if (size % 16 == 0 && size <= CMS_MAX)
		try_seal(bytes, &trust);
	trust.at = CMS_ANY_TIME;
	trust.anchors = bytes;
	try_detached(bytes, &trust);
	return 0;
}
