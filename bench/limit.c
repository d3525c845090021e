/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lower limit: TPM commands made by hand, with no code of src/. What is measured is the
 * smallest work that any program can do for the same command: an HMAC session salted to a storage
 * key, AES-128-CFB for the response, OpenSSL's algorithms fetched once, one write and one read by
 * the same libtss2-tcti-swtpm that the engine uses. That TCTI connects anew for each command;
 * "chip" shows what is left without it and without a session: a kept connection and a password.
 *
 *   limit TCTI SOCKET	operations: unseal sign unseal-password sign-password chip-unseal chip-sign
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <tss2/tss2_sys.h>
#include <tss2/tss2_tctildr.h>

#include "bench/limit.h"

#define ATTR_CONTINUE 0x01u
#define ATTR_ENCRYPT  0x40u

static void put16(uint8_t **at, size_t v)
{
	*(*at)++ = (uint8_t)(v >> 8);
	*(*at)++ = (uint8_t)v;
}

static void put32(uint8_t **at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at, v & 0xffff);
}

static void put(uint8_t **at, const void *bytes, size_t len)
{
	memcpy(*at, bytes, len);
	*at += len;
}

static size_t get16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | (uint32_t)get16(at + 2);
}

/* --- the session's arithmetic (TPM 2.0 Part 1), on contexts that are set up once --- */

static int sha256(struct limit *limit, const struct limit_bytes *parts, size_t count, uint8_t *out)
{
	size_t i;

	if (EVP_DigestInit_ex2(limit->md_ctx, limit->sha256, NULL) != 1)
		return bench_say("SHA-256");
	for (i = 0; i < count; i++)
		if (EVP_DigestUpdate(limit->md_ctx, parts[i].data, parts[i].len) != 1)
			return bench_say("SHA-256");
	return EVP_DigestFinal_ex(limit->md_ctx, out, NULL) == 1 ? 0 : bench_say("SHA-256");
}

/* The key is what the session and the object's password give together: two blocks, made once. */
static int hmac(struct limit *limit, const struct limit_bytes *parts, size_t count, uint8_t *out)
{
	struct limit_bytes inner[8] = {{limit->inner_pad, 64}};
	struct limit_bytes outer[2] = {{limit->outer_pad, 64}, {out, 32}};

	memcpy(inner + 1, parts, count * sizeof(*parts));
	if (sha256(limit, inner, count + 1, out) < 0)
		return -1;
	return sha256(limit, outer, 2, out);
}

void limit_set_key(struct limit *limit, const uint8_t *session_key, const uint8_t *auth)
{
	uint8_t block[64];
	size_t i;

	memcpy(block, session_key, 32);
	memcpy(block + 32, auth, 32);
	for (i = 0; i < sizeof(block); i++) {
		limit->inner_pad[i] = block[i] ^ 0x36;
		limit->outer_pad[i] = block[i] ^ 0x5c;
	}
}

static int authorise(struct limit *limit, const struct limit_bytes *cp, size_t count, uint8_t attr,
		     uint8_t *out)
{
	uint8_t digest[32];
	const struct limit_bytes parts[] = {
		{digest, 32}, {limit->nonce_caller, 32}, {limit->nonce_tpm, 32}, {&attr, 1}};

	if (sha256(limit, cp, count, digest) < 0)
		return -1;
	return hmac(limit, parts, 4, out);
}

/* Checks the answer's HMAC; its parameters begin at ret_parameters. */
static int accept_answer(struct limit *limit, uint32_t code, struct limit_bytes *ret_parameters)
{
	uint8_t success_and_code[8] = {0}, digest[32], mac[32], *at = success_and_code + 4;
	const uint8_t *answer = limit->answer, *auth;
	size_t len = get32(answer + 10);
	struct limit_bytes rp[2] = {{success_and_code, 8}, {answer + 14, len}};

	put32(&at, code);
	auth = answer + 14 + len;
	if (limit->answer_len != 14 + len + 2 + 32 + 1 + 2 + 32 || get16(auth) != 32)
		return bench_say("the chip's answer has a wrong length");
	memcpy(limit->nonce_tpm, auth + 2, 32);
	{
		const struct limit_bytes parts[] = {{digest, 32},
						    {limit->nonce_tpm, 32},
						    {limit->nonce_caller, 32},
						    {auth + 34, 1}};

		if (sha256(limit, rp, 2, digest) < 0 || hmac(limit, parts, 4, mac) < 0)
			return -1;
	}
	if (CRYPTO_memcmp(mac, auth + 37, 32) != 0)
		return bench_say("the chip's answer is not authentic");
	*ret_parameters = rp[1];
	return 0;
}

/* KDFa with SHA-256 gives the 32 bytes of key and initial value in one block. */
static int decrypt(struct limit *limit, struct limit_bytes in, uint8_t *out)
{
	static const uint8_t counter[4] = {0, 0, 0, 1}, bits[4] = {0, 0, 1, 0};
	const struct limit_bytes parts[] = {{counter, 4},
					    {"CFB", 4},
					    {limit->nonce_tpm, 32},
					    {limit->nonce_caller, 32},
					    {bits, 4}};
	uint8_t key[32];
	int n;

	if (hmac(limit, parts, 5, key) < 0)
		return -1;
	if (EVP_CipherInit_ex2(limit->cipher_ctx, limit->aes, key, key + 16, 0, NULL) != 1 ||
	    EVP_CipherUpdate(limit->cipher_ctx, out, &n, in.data, (int)in.len) != 1)
		return bench_say("AES-128-CFB");
	return 0;
}

/* --- the way to the chip --- */

static int by_tcti(struct limit *limit, const uint8_t *command, size_t len)
{
	size_t size = sizeof(limit->answer);

	if (Tss2_Tcti_Transmit(limit->tcti, len, command) ||
	    Tss2_Tcti_Receive(limit->tcti, &size, limit->answer, TSS2_TCTI_TIMEOUT_BLOCK))
		return bench_say("the TCTI failed");
	limit->answer_len = size;
	return 0;
}

static int by_socket(struct limit *limit, const uint8_t *command, size_t len)
{
	ssize_t n;

	if (write(limit->fd, command, len) != (ssize_t)len)
		return bench_say("writing to the chip: %s", strerror(errno));
	n = read(limit->fd, limit->answer, sizeof(limit->answer));
	if (n < 10)
		return bench_say("reading from the chip: %s", strerror(errno));
	limit->answer_len = (size_t)n;
	return 0;
}

static int converse(struct limit *limit, uint8_t *command, size_t len)
{
	uint8_t *size = command + 2;
	int r;

	put32(&size, (uint32_t)len);
	r = limit->fd >= 0 ? by_socket(limit, command, len) : by_tcti(limit, command, len);
	if (r < 0)
		return r;
	if (get32(limit->answer + 6) != 0)
		return bench_say("the chip answers 0x%x", get32(limit->answer + 6));
	return 0;
}

/* --- one command --- */

static void put_header(uint8_t **at, uint32_t code, uint32_t handle)
{
	put16(at, TPM2_ST_SESSIONS);
	put32(at, 0); /* the size, when it is known */
	put32(at, code);
	put32(at, handle);
}

static void put_password(uint8_t **at)
{
	put32(at, 4 + 2 + 1 + 2 + 32);
	put32(at, TPM2_RS_PW);
	put16(at, 0);
	*(*at)++ = ATTR_CONTINUE;
	put16(at, 32);
	put(at, LIMIT_AUTH, 32);
}

/* Random bytes by the dozen: a call costs more than the bytes. */
static int next_nonce(struct limit *limit)
{
	if (limit->nonces_left == 0) {
		if (RAND_bytes(limit->nonces[0], sizeof(limit->nonces)) != 1)
			return bench_say("no random bytes");
		limit->nonces_left = LIMIT_NONCES;
	}
	memcpy(limit->nonce_caller, limit->nonces[--limit->nonces_left], 32);
	return 0;
}

static int put_session(struct limit *limit, uint8_t **at, uint8_t attr,
		       const struct limit_bytes *cp, size_t count)
{
	put32(at, 4 + 2 + 32 + 1 + 2 + 32);
	put32(at, limit->session);
	if (next_nonce(limit) < 0)
		return -1;
	put16(at, 32);
	put(at, limit->nonce_caller, 32);
	*(*at)++ = attr;
	put16(at, 32);
	if (authorise(limit, cp, count, attr, *at) < 0)
		return -1;
	*at += 32;
	return 0;
}

static int check_plain(const uint8_t *plain)
{
	return memcmp(plain, LIMIT_PLAIN, 32) == 0 ? 0 : bench_say("not what was sealed");
}

static int unseal(void *arg)
{
	static const uint8_t code[4] = {0, 0, 1, 0x5e};
	struct limit *limit = arg;
	const struct limit_bytes cp[] = {{code, 4}, {limit->name, limit->name_len}};
	uint8_t command[256], plain[32], *at = command;
	struct limit_bytes in;

	put_header(&at, TPM2_CC_Unseal, limit->object);
	if (put_session(limit, &at, ATTR_CONTINUE | ATTR_ENCRYPT, cp, 2) < 0 ||
	    converse(limit, command, (size_t)(at - command)) < 0 ||
	    accept_answer(limit, TPM2_CC_Unseal, &in) < 0)
		return -1;
	if (in.len != 34)
		return bench_say("the sealed data have a wrong length");
	in = (struct limit_bytes){(const uint8_t *)in.data + 2, 32};
	if (decrypt(limit, in, plain) < 0)
		return -1;
	return check_plain(plain);
}

static int unseal_password(void *arg)
{
	struct limit *limit = arg;
	uint8_t command[256], *at = command;

	put_header(&at, TPM2_CC_Unseal, limit->object);
	put_password(&at);
	if (converse(limit, command, (size_t)(at - command)) < 0)
		return -1;
	return check_plain(limit->answer + 16);
}

static void put_sign(uint8_t **at)
{
	put16(at, 32);
	put(at, LIMIT_PLAIN, 32); /* as good a digest as any */
	put16(at, TPM2_ALG_ECDSA);
	put16(at, TPM2_ALG_SHA256);
	put16(at, TPM2_ST_HASHCHECK);
	put32(at, TPM2_RH_NULL);
	put16(at, 0);
}

static int sign(void *arg)
{
	static const uint8_t code[4] = {0, 0, 1, 0x5d};
	struct limit *limit = arg;
	uint8_t command[256], parameters[64], *at = command, *to = parameters;
	struct limit_bytes cp[] = {{code, 4}, {limit->name, limit->name_len}, {parameters, 0}}, out;

	put_sign(&to);
	cp[2].len = (size_t)(to - parameters);
	put_header(&at, TPM2_CC_Sign, limit->object);
	if (put_session(limit, &at, ATTR_CONTINUE, cp, 3) < 0)
		return -1;
	put(&at, parameters, cp[2].len);
	if (converse(limit, command, (size_t)(at - command)) < 0)
		return -1;
	return accept_answer(limit, TPM2_CC_Sign, &out);
}

static int sign_password(void *arg)
{
	struct limit *limit = arg;
	uint8_t command[256], *at = command;

	put_header(&at, TPM2_CC_Sign, limit->object);
	put_password(&at);
	put_sign(&at);
	return converse(limit, command, (size_t)(at - command));
}

/* --- begin and end of a batch --- */

static int begin_sealed(void *arg)
{
	return limit_load(arg, true);
}

static int begin_key(void *arg)
{
	return limit_load(arg, false);
}

static int kept(struct limit *limit, int r)
{
	if (r == 0)
		limit->fd = bench_connect(limit->socket);
	return r == 0 && limit->fd < 0 ? -1 : r;
}

static int begin_sealed_kept(void *arg)
{
	return kept(arg, limit_load(arg, true));
}

static int begin_key_kept(void *arg)
{
	return kept(arg, limit_load(arg, false));
}

static void end(void *arg)
{
	struct limit *limit = arg;

	if (limit->fd >= 0)
		close(limit->fd);
	limit->fd = -1;
	limit_unload(limit);
}

int main(int argc, char **argv)
{
	static struct limit limit = {.fd = -1};
	const struct bench_op ops[] = {
		{"unseal", begin_sealed, unseal, end, &limit},
		{"sign", begin_key, sign, end, &limit},
		{"unseal-password", begin_sealed, unseal_password, end, &limit},
		{"sign-password", begin_key, sign_password, end, &limit},
		{"chip-unseal", begin_sealed_kept, unseal_password, end, &limit},
		{"chip-sign", begin_key_kept, sign_password, end, &limit},
	};

	if (argc != 3)
		bench_die("usage: limit TCTI SOCKET");
	limit.socket = argv[2];
	limit.md_ctx = EVP_MD_CTX_new();
	limit.cipher_ctx = EVP_CIPHER_CTX_new();
	limit.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	limit.aes = EVP_CIPHER_fetch(NULL, "AES-128-CFB", NULL);
	if (!limit.md_ctx || !limit.cipher_ctx || !limit.sha256 || !limit.aes)
		bench_die("OpenSSL lacks an algorithm");
	limit_open(&limit, argv[1]);
	return bench_serve(ops, sizeof(ops) / sizeof(ops[0]));
}
