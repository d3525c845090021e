/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_CBC_H
#define CRYPTO_CBC_H

/*
 * Cbc: AES-256-CBC (SP 800-38A, 6.2) over data of any length, block by block, without padding, and
 * the look at a PKCS#7 padding (RFC 5652, 6.3). It is for formats that others chose: CBC says
 * nothing about whether data are whole. What is new takes stream.h.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"

#define CBC_BLOCK 16u

struct cbc; /* one direction of one message; one thread at a time */

/* @key is CIPHER_KEY256 bytes, else ERR_INTERNAL; @iv is one block. Both are copied. */
int cbc_new(const struct secret *key, const uint8_t *iv, bool encrypt, struct cbc **ret_cbc,
	    struct err *err) MUST_CHECK;
void cbc_free(struct cbc *cbc); /* NULL is allowed; wipes the key schedule */
MEM_DEFINE_CLEANUP(cbc)

/* The next blocks, in place; @len is a multiple of CBC_BLOCK, else ERR_INTERNAL. */
int cbc_run(struct cbc *cbc, uint8_t *data, size_t len, struct err *err) MUST_CHECK;

/*
 * How many bytes of the last block are padding: 1 to CBC_BLOCK, 0 when it is no padding. Neither
 * branches nor places in memory depend on what the block holds.
 */
unsigned cbc_padding(const uint8_t block[CBC_BLOCK]);

#endif
