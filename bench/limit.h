/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIMIT_H
#define LIMIT_H

/* Limit: what its two files share. limit.c is the measured part, limit_setup.c what precedes it. */

#include <stdbool.h>

#include <openssl/evp.h>
#include <tss2/tss2_sys.h>

#include "bench/bench.h"

/* 32 bytes each: what is sealed, and the password of what is loaded. */
#define LIMIT_PLAIN "thirty-two bytes that are sealed"
#define LIMIT_AUTH  "thirty-two bytes of the password"

#define LIMIT_NONCES 16

struct limit_bytes {
	const void *data;
	size_t len;
};

struct limit {
	TSS2_TCTI_CONTEXT *tcti;
	TSS2_SYS_CONTEXT *sys;
	const char *socket; /* of the emulator, for a connection of our own */
	int fd;		    /* that connection; -1 = by the TCTI */
	EVP_MD *sha256;
	EVP_CIPHER *aes;
	EVP_MD_CTX *md_ctx;
	EVP_CIPHER_CTX *cipher_ctx;
	uint32_t object; /* loaded; 0 = none */
	uint8_t name[34];
	size_t name_len;
	uint32_t session;
	uint8_t nonce_caller[32], nonce_tpm[32];
	uint8_t nonces[LIMIT_NONCES][32]; /* of the caller, to come */
	unsigned nonces_left;
	uint8_t inner_pad[64], outer_pad[64]; /* of the HMAC key */
	uint8_t answer[4096];
	size_t answer_len;
};

void limit_open(struct limit *limit, const char *tcti);

/* Loads a fresh sealed object or P-256 key below a fresh primary, and starts a session. */
int limit_load(struct limit *limit, bool sealed);
void limit_unload(struct limit *limit);

void limit_set_key(struct limit *limit, const uint8_t *session_key, const uint8_t *auth);

#endif
