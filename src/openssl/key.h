/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENSSL_KEY_H
#define OPENSSL_KEY_H

/*
 * Key: what EVP_PKEY holds of ours. The public half is a key of the default provider in the
 * module's own library context; the private half stays where it is, and is a name and the path of
 * a socket. A key without that name is a public key that somebody brought. Immutable once made,
 * counted, used by any number of threads.
 */

#include <stdbool.h>
#include <stdint.h>

#include <openssl/types.h>

#include "base/slice.h"
#include "openssl/module.h"
#include "openssl/uri.h"

#define KEY_TYPE_EC  "EC"
#define KEY_TYPE_RSA "RSA"

struct key {
	atomic_uint count;
	struct module *module;
	EVP_PKEY *pub;
	bool private;	/* @uri says which */
	struct uri uri; /* its socket is always named */
};

/* A key with nothing in it; NULL when memory is short. */
struct key *key_new(struct module *module);
/* The public half of @key, as somebody else's would be. */
struct key *key_new_public(const struct key *key);
struct key *key_hold(struct key *key);
void key_free(struct key *key);
MEM_DEFINE_CLEANUP(key)

/* Asks the service for the public half, once. NULL, with the error raised, when it gives none. */
struct key *key_load(struct module *module, const struct uri *uri);

/* KEY_TYPE_EC or KEY_TYPE_RSA; NULL for another. */
const char *key_type(const struct key *key);

/*
 * What the private half does: one request, and one command of the TPM where the key lives in one.
 * Each fills *ret_len of @room bytes, and returns 1, or 0 with the error raised. @hash is the
 * service's name, "sha256". A signature that the public half does not verify is an error.
 */
struct key_out {
	uint8_t *data;
	size_t room;
	size_t *ret_len;
};
int key_sign(const struct key *key, const char *scheme, const char *hash, struct slice digest,
	     const struct key_out *out);
/* By the device's key, what tls_is_content(). */
int key_sign_tls(const struct key *key, struct slice content, const struct key_out *out);
int key_agree(const struct key *key, const struct key *peer, const struct key_out *out);
int key_decrypt(const struct key *key, const char *hash, const char *label, struct slice sealed,
		const struct key_out *out);

/* True for two names of one digest: those of OpenSSL's are many. */
bool key_same_digest(struct module *module, const char *left, const char *right);

/* The service's name of a digest of OpenSSL's, which has any of its aliases; NULL: it has none. */
const char *key_hash_name(const EVP_MD *md);

#endif
