/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_KEY_H
#define SERVICE_KEY_H

/* What the operations on keys, attestation keys and the endorsement key have in common. */

#include "service/op.h"

/* "hmac-sha256" beside the types of pairs. */
#define KEY_TYPE_HMAC "hmac-sha256"
const char *key_type_name(const struct keystore_key *key);

/* The member `use`: enum key_use, for a key of @type (PKEY_TYPES: HMAC; NULL: not known yet).
 * Untouched when absent. */
int key_read_uses(const struct json_t *body, const enum pkey_type *type, unsigned *ret_uses,
		  struct err *err) MUST_CHECK;
struct json_t *key_uses_json(unsigned uses);

/* The member `hash`, "sha256" when absent. */
int key_read_hash(const struct json_t *body, enum hash_alg *ret_hash, struct err *err) MUST_CHECK;

/* The member `digest`: exactly hash_size(@hash) bytes. */
int key_read_digest(const struct json_t *body, enum hash_alg hash, uint8_t *ret_digest,
		    struct err *err) MUST_CHECK;

/* A message is hashed on the loop up to this size; a trip to the pool costs more. */
#define KEY_HASH_INLINE_MAX 4096u

/* A step's beginning: the op's record described; ERR_INVALID unless the key has @use. */
int key_describe_for(const struct op *op, enum key_use use, struct keystore_key *ret_key,
		     struct err *err) MUST_CHECK;
int key_check_use(const char *name, const struct keystore_key *key, enum key_use use,
		  struct err *err) MUST_CHECK;

/* For steps: SubjectPublicKeyInfo as PEM. */
#define KEY_PEM_MAX 4096u
int key_spki_pem(struct slice spki, struct buf *ret_pem, struct err *err) MUST_CHECK;

/* For answers: the word of the provider that made it, which need not be the one in use. */
const char *key_protection(const struct blob_header *header);
/* Hexadecimal; null when empty. */
struct json_t *key_hex_json(struct slice bytes);
/* "0x81010001"; null when 0. */
struct json_t *key_handle_json(uint32_t handle);

#endif
