/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_DIGEST_H
#define CMD_HOLDFAST_DIGEST_H

/* Digest: the input of sign and verify, of any size, hashed by this program. */

#include "cmd/holdfast/sign.h"
#include "crypto/hash.h"

struct digest {
	enum hash_alg alg;
	uint8_t bytes[HASH_MAX_SIZE];
};

static inline struct slice digest_slice(const struct digest *digest)
{
	return slice_of(digest->bytes, hash_size(digest->alg));
}

/* Reads the input that the options name, to its end. */
int digest_input(const struct sign_options *options, struct digest *ret_digest, struct err *err)
	MUST_CHECK;

#endif
