/* SPDX-License-Identifier: Apache-2.0 */

/* Public areas, duplicates and what is inside of one; signatures of the vectors. */

#include "base/base64.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/wrap_key.h"
#include "tests/vectors/v1_sig.inc"
#include "wrap/duplicate.h"

static void put_ecc_seed(const struct wrap_public *public, uint32_t attributes)
{
	CLEANUP(buf_fini) struct buf seed = BUF_INIT(1024);

	buf_put_u8(&seed, 0);
	buf_put(&seed, wrap_public_area(public));
	for (unsigned i = 0; i < 4; i++)
		seed.data[7 + i] = (uint8_t)(attributes >> (24 - 8 * i));
	put_seed(buf_slice(&seed));
}

/* An endorsement key's template around a modulus that is one of nobody. */
static void put_rsa_seed(uint16_t bits, uint16_t cipher_bits)
{
	CLEANUP(buf_fini) struct buf seed = BUF_INIT(1024);

	buf_put_u8(&seed, 0);
	buf_put_u16(&seed, (uint16_t)(58 + bits / 8));
	buf_put_u32(&seed, 0x0001000b);
	buf_put_u32(&seed, 0x000300b2);
	buf_put_u16(&seed, 32);
	for (unsigned i = 0; i < 32; i++)
		buf_put_u8(&seed, 0x83);
	buf_put_u16(&seed, 6);
	buf_put_u16(&seed, cipher_bits);
	buf_put_u16(&seed, 0x43);
	buf_put_u16(&seed, 0x10);
	buf_put_u16(&seed, bits);
	buf_put_u32(&seed, 0);
	buf_put_u16(&seed, bits / 8);
	for (unsigned i = 0; i < bits / 8; i++)
		buf_put_u8(&seed, 0xc3);
	put_seed(buf_slice(&seed));
}

static void put_duplicate_seed(const struct wrap_public *public, size_t len)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *data = NULL;
	CLEANUP(buf_fini) struct buf seed = BUF_INIT(2048);
	struct err err = {0};

	FUZZ_REQUIRE(secret_new(len, &data, &err) == 0);
	memset(secret_data(data), WRAP_KEY_FILL, len);
	FUZZ_REQUIRE(duplicate_make(public, data, &made, &err) == 0);
	buf_put_u8(&seed, 1);
	buf_put_u16(&seed, (uint16_t)made.public_area.len);
	buf_put(&seed, buf_slice(&made.public_area));
	buf_put_u16(&seed, (uint16_t)made.private_area.len);
	buf_put(&seed, buf_slice(&made.private_area));
	buf_put(&seed, buf_slice(&made.seed));
	put_seed(buf_slice(&seed));
}

static void put_sensitive_seed(uint16_t len)
{
	CLEANUP(buf_fini) struct buf seed = BUF_INIT(512);

	buf_put_u8(&seed, 2);
	buf_put_u16(&seed, (uint16_t)(40 + len));
	buf_put_u32(&seed, 0x00080000);
	buf_put_u16(&seed, 32);
	for (unsigned i = 0; i < 32; i++)
		buf_put_u8(&seed, (uint8_t)i);
	buf_put_u16(&seed, len);
	for (unsigned i = 0; i < len; i++)
		buf_put_u8(&seed, 0x77);
	put_seed(buf_slice(&seed));
}

void seeds_wrap(void)
{
	struct wrap_public *public = NULL;
	struct pkey *pair = NULL;

	wrap_key_make(&pair, &public);
	put_ecc_seed(public, 0x00030440);
	put_ecc_seed(public, 0x00030472);
	put_ecc_seed(public, 0x00070472);
	put_rsa_seed(2048, 128);
	put_rsa_seed(3072, 256);
	put_rsa_seed(1024, 128);
	put_duplicate_seed(public, 1);
	put_duplicate_seed(public, 64);
	put_duplicate_seed(public, 128);
	put_sensitive_seed(1);
	put_sensitive_seed(64);
	put_sensitive_seed(129);
	wrap_public_free(public);
	pkey_free(pair);
}

void seeds_cms(void)
{
	static const char *const texts[] = {
		VECTOR_ATTACHED, VECTOR_GOOD, VECTOR_NOATTR, VECTOR_SHA384, VECTOR_SHA1,
		VECTOR_TWO,	 VECTOR_BARE, VECTOR_ANY,    VECTOR_UNDER,  VECTOR_CA,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP(buf_fini) struct buf seed = BUF_INIT(16384);
		size_t len = 0;
		uint8_t *room = buf_grow(&seed, base64_decoded_max(strlen(texts[i])));

		FUZZ_REQUIRE(room && base64_decode(slice_str(texts[i]), room, &len));
		put_seed(slice_of(room, len));
	}
}
