/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A software key in process: what the legacy provider's cryptography costs at least, with the key
 * in memory and OpenSSL's algorithms fetched once.
 *
 *   soft	operations: sign unseal
 */

#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "bench/bench.h"

#define PLAIN "thirty-two bytes that are sealed"

struct soft {
	EVP_PKEY *key;
	EVP_CIPHER *gcm;
	uint8_t aes_key[32], nonce[12], sealed[32], tag[16];
};

static int sign(void *arg)
{
	struct soft *soft = arg;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(soft->key, NULL);
	uint8_t signature[80];
	size_t len = sizeof(signature);
	int ok = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
		 EVP_PKEY_sign(ctx, signature, &len, (const uint8_t *)PLAIN, 32) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok ? 0 : bench_say("EVP_PKEY_sign");
}

static int seal(struct soft *soft)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, ok;

	ok = RAND_bytes(soft->aes_key, 32) == 1 && RAND_bytes(soft->nonce, 12) == 1 &&
	     EVP_EncryptInit_ex2(ctx, soft->gcm, soft->aes_key, soft->nonce, NULL) == 1 &&
	     EVP_EncryptUpdate(ctx, soft->sealed, &n, (const uint8_t *)PLAIN, 32) == 1 &&
	     EVP_EncryptFinal_ex(ctx, soft->sealed + n, &n) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, soft->tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -1;
}

static int unseal(void *arg)
{
	struct soft *soft = arg;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t plain[48];
	int n, ok;

	ok = ctx && EVP_DecryptInit_ex2(ctx, soft->gcm, soft->aes_key, soft->nonce, NULL) == 1 &&
	     EVP_DecryptUpdate(ctx, plain, &n, soft->sealed, 32) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, soft->tag) == 1 &&
	     EVP_DecryptFinal_ex(ctx, plain + 32, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : bench_say("AES-256-GCM");
}

int main(void)
{
	struct soft soft = {.key = EVP_EC_gen("P-256"),
			    .gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL)};
	const struct bench_op ops[] = {
		{"sign", NULL, sign, NULL, &soft},
		{"unseal", NULL, unseal, NULL, &soft},
	};

	if (!soft.key || !soft.gcm || seal(&soft) < 0)
		bench_die("OpenSSL lacks an algorithm");
	return bench_serve(ops, sizeof(ops) / sizeof(ops[0]));
}
