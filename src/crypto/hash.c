/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC is built here from two digests (RFC 2104), because OpenSSL's own looks its digest up by
 * name at every call; the TPM's sessions need several MACs per command.
 */

#include "crypto/hash.h"

#include <openssl/evp.h>

#include "crypto/ossl.h"

#define HASH_MAX_BLOCK	128u
#define HKDF_MAX_BLOCKS 255u

struct hash_info {
	const char *name;
	size_t size;
	size_t block;
	bool in_api;
};

static const struct hash_info hashes[HASH_ALGS] = {
	[HASH_SHA1] = {.name = "sha1", .size = 20, .block = 64, .in_api = false},
	[HASH_SHA256] = {.name = "sha256", .size = 32, .block = 64, .in_api = true},
	[HASH_SHA384] = {.name = "sha384", .size = 48, .block = 128, .in_api = true},
	[HASH_SHA512] = {.name = "sha512", .size = 64, .block = 128, .in_api = true},
};

struct hash_stream {
	EVP_MD_CTX *ctx;
	EVP_MD_CTX *outer; /* of an HMAC, begun with its key; else NULL */
	enum hash_alg alg;
	bool ended;
};

static void md_ctx_cleanup(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

int hash_of_name(const char *name, enum hash_alg *ret_alg, struct err *err)
{
	for (unsigned i = 0; i < HASH_ALGS; i++) {
		if (hashes[i].in_api && strcmp(name, hashes[i].name) == 0) {
			*ret_alg = (enum hash_alg)i;
			return 0;
		}
	}
	return err_set(err, ERR_NOT_SUPPORTED, "unknown hash; known are sha256, sha384, sha512");
}

const char *hash_name(enum hash_alg alg)
{
	return hashes[alg].name;
}

size_t hash_size(enum hash_alg alg)
{
	return hashes[alg].size;
}

static int hash_failed(struct err *err)
{
	return ossl_fail(err, ERR_INTERNAL, "the hash function failed");
}

static bool ctx_start(EVP_MD_CTX *ctx, enum hash_alg alg)
{
	const EVP_MD *md = ossl_md(alg);

	return md && EVP_DigestInit_ex2(ctx, md, NULL) == 1;
}

static bool ctx_add(EVP_MD_CTX *ctx, struct slice bytes)
{
	return bytes.len == 0 || EVP_DigestUpdate(ctx, bytes.data, bytes.len) == 1;
}

static bool ctx_add_parts(EVP_MD_CTX *ctx, const struct slice *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!ctx_add(ctx, parts[i]))
			return false;
	return true;
}

static bool ctx_digest(EVP_MD_CTX *ctx, enum hash_alg alg, const struct slice *parts, size_t count,
		       uint8_t *out)
{
	return ctx_start(ctx, alg) && ctx_add_parts(ctx, parts, count) &&
	       EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

int hash_digest(enum hash_alg alg, const struct slice *parts, size_t count, uint8_t *ret_digest,
		struct err *err)
{
	CLEANUP(md_ctx_cleanup) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || !ctx_digest(ctx, alg, parts, count, ret_digest))
		return hash_failed(err);
	return 0;
}

int hash_stream_new(enum hash_alg alg, struct hash_stream **ret_stream, struct err *err)
{
	CLEANUP(hash_stream_cleanup) struct hash_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return err_set(err, ERR_INTERNAL, "out of memory");
	stream->alg = alg;
	stream->ctx = EVP_MD_CTX_new();
	if (!stream->ctx || !ctx_start(stream->ctx, alg))
		return hash_failed(err);
	*ret_stream = TAKE(stream);
	return 0;
}

int hash_stream_add(struct hash_stream *stream, struct slice bytes, struct err *err)
{
	if (stream->ended)
		return err_set(err, ERR_INTERNAL, "the hash stream has ended");
	if (!ctx_add(stream->ctx, bytes))
		return hash_failed(err);
	return 0;
}

static bool stream_final(struct hash_stream *stream, uint8_t *out)
{
	uint8_t inner[HASH_MAX_SIZE];
	bool ok;

	if (!stream->outer)
		return EVP_DigestFinal_ex(stream->ctx, out, NULL) == 1;
	ok = EVP_DigestFinal_ex(stream->ctx, inner, NULL) == 1 &&
	     ctx_add(stream->outer, slice_of(inner, hashes[stream->alg].size)) &&
	     EVP_DigestFinal_ex(stream->outer, out, NULL) == 1;
	wipe(inner, sizeof(inner));
	return ok;
}

int hash_stream_end(struct hash_stream *stream, uint8_t *ret_digest, struct err *err)
{
	if (stream->ended)
		return err_set(err, ERR_INTERNAL, "the hash stream has ended");
	stream->ended = true;
	if (!stream_final(stream, ret_digest))
		return hash_failed(err);
	return 0;
}

void hash_stream_free(struct hash_stream *stream)
{
	if (!stream)
		return;
	EVP_MD_CTX_free(stream->ctx); /* wipes what it holds */
	EVP_MD_CTX_free(stream->outer);
	free(stream);
}

/* The key as one block: as it is when it fits, else its digest; zeros behind. */
static bool hmac_key_block(EVP_MD_CTX *ctx, enum hash_alg alg, struct slice key, uint8_t *block)
{
	if (key.len > hashes[alg].block)
		return ctx_digest(ctx, alg, &key, 1, block);
	if (key.len)
		memcpy(block, key.data, key.len);
	return true;
}

static void xor_block(uint8_t *block, size_t len, uint8_t pad)
{
	for (size_t i = 0; i < len; i++)
		block[i] ^= pad;
}

static bool hmac_run(EVP_MD_CTX *ctx, enum hash_alg alg, uint8_t *block, const struct slice *parts,
		     size_t count, uint8_t *out)
{
	const size_t block_len = hashes[alg].block;
	const size_t size = hashes[alg].size;

	xor_block(block, block_len, 0x36);
	if (!ctx_start(ctx, alg) || !ctx_add(ctx, slice_of(block, block_len)) ||
	    !ctx_add_parts(ctx, parts, count) || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		return false;
	xor_block(block, block_len, 0x36 ^ 0x5c);
	return ctx_start(ctx, alg) && ctx_add(ctx, slice_of(block, block_len)) &&
	       ctx_add(ctx, slice_of(out, size)) && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

int hash_hmac(enum hash_alg alg, struct slice key, const struct slice *parts, size_t count,
	      uint8_t *ret_mac, struct err *err)
{
	CLEANUP(md_ctx_cleanup) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t block[HASH_MAX_BLOCK] = {0};
	uint8_t mac[HASH_MAX_SIZE];
	bool ok;

	ok = ctx && hmac_key_block(ctx, alg, key, block) &&
	     hmac_run(ctx, alg, block, parts, count, mac);
	if (ok)
		memcpy(ret_mac, mac, hashes[alg].size);
	wipe(block, sizeof(block));
	wipe(mac, sizeof(mac));
	return ok ? 0 : hash_failed(err);
}

int hash_hmac_new(enum hash_alg alg, struct slice key, struct hash_stream **ret_stream,
		  struct err *err)
{
	CLEANUP(hash_stream_cleanup) struct hash_stream *stream = NULL;
	const size_t block_len = hashes[alg].block;
	uint8_t block[HASH_MAX_BLOCK] = {0};
	bool ok;
	int r = hash_stream_new(alg, &stream, err);

	if (r < 0)
		return r;
	stream->outer = EVP_MD_CTX_new();
	ok = stream->outer && hmac_key_block(stream->outer, alg, key, block);
	xor_block(block, block_len, 0x36);
	ok = ok && ctx_add(stream->ctx, slice_of(block, block_len));
	xor_block(block, block_len, 0x36 ^ 0x5c);
	ok = ok && ctx_start(stream->outer, alg) &&
	     ctx_add(stream->outer, slice_of(block, block_len));
	wipe(block, sizeof(block));
	if (!ok)
		return hash_failed(err);
	*ret_stream = TAKE(stream);
	return 0;
}

/* RFC 5869, 2.3: T(i) = HMAC(PRK, T(i-1) || info || i), i from 1. */
static int hkdf_expand(const struct hash_hkdf *in, const uint8_t *prk, struct slice out,
		       struct err *err)
{
	const size_t size = hashes[in->alg].size;
	uint8_t *to = (uint8_t *)(uintptr_t)out.data;
	uint8_t block[HASH_MAX_SIZE], i = 0;
	int r = 0;

	for (size_t done = 0; r == 0 && done < out.len; done += size) {
		const size_t n = out.len - done < size ? out.len - done : size;
		const struct slice parts[] = {slice_of(block, done ? size : 0), in->info,
					      slice_of(&i, 1)};

		i++;
		r = hash_hmac(in->alg, slice_of(prk, size), parts, ARRAY_LEN(parts), block, err);
		if (r == 0)
			memcpy(to + done, block, n);
	}
	wipe(block, sizeof(block));
	return r;
}

int hash_hkdf(const struct hash_hkdf *in, uint8_t *ret_key, size_t len, struct err *err)
{
	uint8_t prk[HASH_MAX_SIZE];
	int r;

	if (len > HKDF_MAX_BLOCKS * hashes[in->alg].size)
		return err_set(err, ERR_INTERNAL, "a derived key of %zu bytes is not possible",
			       len);
	r = hash_hmac(in->alg, in->salt, &in->key, 1, prk, err);
	if (r == 0)
		r = hkdf_expand(in, prk, slice_of(ret_key, len), err);
	wipe(prk, sizeof(prk));
	return r;
}

static void put_u32(uint8_t out[4], uint32_t v)
{
	out[0] = (uint8_t)(v >> 24);
	out[1] = (uint8_t)(v >> 16);
	out[2] = (uint8_t)(v >> 8);
	out[3] = (uint8_t)v;
}

static int kdf_check_bits(unsigned bits, struct err *err)
{
	if (bits == 0 || bits % 8 != 0 || bits > 8192)
		return err_set(err, ERR_INTERNAL, "a derived key of %u bits is not possible", bits);
	return 0;
}

/* Part 1, 11.4.10.2: HMAC(key, [i] || label || 00 || contextU || contextV || [bits]), i from 1. */
static int kdfa_block(const void *arg, uint32_t i, uint8_t *ret_block, struct err *err)
{
	const struct hash_kdfa *in = arg;
	uint8_t counter[4] = {0}, bits[4] = {0};
	const struct slice parts[] = {
		slice_of(counter, 4), slice_of(in->label, strlen(in->label) + 1),
		in->context_u,	      in->context_v,
		slice_of(bits, 4),
	};

	put_u32(counter, i);
	put_u32(bits, in->bits);
	return hash_hmac(in->alg, in->key, parts, ARRAY_LEN(parts), ret_block, err);
}

/* Part 1, 11.4.10.3: H([i] || Z || use || 00 || PartyUInfo || PartyVInfo), i from 1. */
static int kdfe_block(const void *arg, uint32_t i, uint8_t *ret_block, struct err *err)
{
	const struct hash_kdfe *in = arg;
	uint8_t counter[4] = {0};
	const struct slice parts[] = {
		slice_of(counter, 4), in->z,	   slice_of(in->use, strlen(in->use) + 1),
		in->party_u,	      in->party_v,
	};

	put_u32(counter, i);
	return hash_digest(in->alg, parts, ARRAY_LEN(parts), ret_block, err);
}

/* Blocks of both derivations one after the other, the last one cut. */
static int kdf_run(int (*block)(const void *, uint32_t, uint8_t *, struct err *), const void *in,
		   size_t block_len, struct slice out, struct err *err)
{
	uint8_t one[HASH_MAX_SIZE];
	uint8_t *to = (uint8_t *)(uintptr_t)out.data;
	size_t done = 0;
	int r = 0;

	for (uint32_t i = 1; r == 0 && done < out.len; i++) {
		size_t n = out.len - done < block_len ? out.len - done : block_len;

		r = block(in, i, one, err);
		if (r == 0)
			memcpy(to + done, one, n);
		done += n;
	}
	wipe(one, sizeof(one));
	return r;
}

int hash_kdfa(const struct hash_kdfa *in, uint8_t *ret_key, struct err *err)
{
	int r = kdf_check_bits(in->bits, err);

	if (r < 0)
		return r;
	return kdf_run(kdfa_block, in, hashes[in->alg].size, slice_of(ret_key, in->bits / 8), err);
}

int hash_kdfe(const struct hash_kdfe *in, uint8_t *ret_key, struct err *err)
{
	int r = kdf_check_bits(in->bits, err);

	if (r < 0)
		return r;
	return kdf_run(kdfe_block, in, hashes[in->alg].size, slice_of(ret_key, in->bits / 8), err);
}
