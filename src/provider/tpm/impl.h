/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_TPM_IMPL_H
#define PROVIDER_TPM_IMPL_H

/* What the TPM provider's own files share. */

#include <stdatomic.h>

#include "provider/provider.h"
#include "provider/tpm/tpm.h"
#include "tpm/engine.h"

#define TPM_AUTH_KEY_SIZE 32u
#define TPM_AUTH_SIZE	  32u /* 24 bytes in base64url: no chip refuses it, no NUL in it */

/* random.c: a pool seeded by the chip, mixed with the kernel's bytes at every use. */
#define POOL_SEED 32u
#define POOL_USES 1024u
struct random_pool {
	struct secret *state;
	unsigned uses_left; /* 0 = seed from the chip first */
};
int random_pool_init(struct random_pool *pool, struct err *err) MUST_CHECK;
void random_pool_fini(struct random_pool *pool);
int random_pool_take(struct random_pool *pool, struct engine *engine, uint8_t *ret_bytes,
		     size_t len, struct err *err) MUST_CHECK;

/* What changes in use: written by the worker after each one, read by status on any thread. */
struct tpm_live {
	_Atomic int fault; /* the code, while the chip does not serve */
	_Atomic uint32_t reset_count, restart_count;
	_Atomic uint32_t lockout_counter, lockout_max, lockout_resets;
	_Atomic bool in_lockout, lockout_auth_refused;
};

struct tpm_provider {
	struct provider base; /* first */
	struct engine *engine;
	struct secret *auth_key;
	struct random_pool pool;
	struct engine_facts facts; /* as they were at the start: what does not change */
	struct tpm_live live;
	char remark[384];
};

/* object.c: our form of an object, with a tag that binds it to its header. Pure. */
enum tpm_object_flag { TPM_OBJECT_EXPORTABLE = 1 << 0, TPM_OBJECT_EMPTY_AUTH = 1 << 1 };

struct tpm_object {
	enum engine_parent parent;
	uint8_t flags;
	struct slice public;
	struct slice private;
};

int tpm_object_write(const struct tpm_object *object, const struct secret *auth_key,
		     struct slice header, struct buf *ret_bytes, struct err *err) MUST_CHECK;
/* ERR_DAMAGED when a byte of header or object was changed. */
int tpm_object_parse(struct slice bytes, const struct secret *auth_key, struct slice header,
		     struct tpm_object *ret_object, struct err *err) MUST_CHECK;

/* The authValue that the chip keeps for an object with this header; TPM_AUTH_SIZE characters. */
int tpm_object_auth(const struct secret *auth_key, struct slice header, struct secret **ret_auth,
		    struct err *err) MUST_CHECK;

/* record.c: engine_roots as the text that is kept, and back. Pure. */
int tpm_record_write(const struct engine_roots *roots, struct buf *ret_text, struct err *err)
	MUST_CHECK;
int tpm_record_parse(struct slice text, struct engine_roots *ret_roots, struct err *err) MUST_CHECK;

#endif
