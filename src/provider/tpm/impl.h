/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_TPM_IMPL_H
#define PROVIDER_TPM_IMPL_H

/* What the TPM provider's own files share. */

#include <stdatomic.h>

#include "provider/guest.h"
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

/*
 * unwrap.c: what was imported for whom, so that opening it again needs no import. An entry is of no
 * use without this chip.
 */
struct unwrapped_entry {
	uint8_t id[HASH_MAX_SIZE]; /* of what was wrapped; SHA-256 */
	struct engine_made object;
	uint64_t used; /* 0 = there is none */
};
struct unwrapped {
	struct unwrapped_entry entries[PROVIDER_UNWRAPPED];
	uint64_t clock;
};
void unwrapped_fini(struct unwrapped *unwrapped);

struct tpm_provider {
	struct provider base; /* first */
	struct engine *engine;
	struct secret *auth_key;
	struct random_pool pool;
	struct unwrapped unwrapped;
	struct engine_facts facts; /* as they were at the start: what does not change */
	struct tpm_live live;
	char remark[384];
};

/* object.c: our form of an object, with a tag that binds it to its header. Pure. */
enum tpm_object_flag {
	TPM_OBJECT_EXPORTABLE = 1 << 0,
	TPM_OBJECT_EMPTY_AUTH = 1 << 1,
	TPM_OBJECT_AIK = 1 << 2, /* of the attestation calls and no other */
};

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

/* --- tpm.c: what the operations of every file stand on ------------------------------------- */

static inline struct tpm_provider *tpm_of(struct provider *p)
{
	return (struct tpm_provider *)(void *)p;
}

/* All that is not known before the record was read. */
struct engine_options tpm_engine_options(const struct tpm_options *options);

/* The engine, with the deadline of this use. */
struct engine *tpm_engine(struct provider *p);

/* After each use of the engine: what status tells of the chip. Hands @r on. */
int tpm_used(struct provider *p, int r);

/* An object ready for the engine: its parts, borrowed, and, unless empty, its authValue. */
struct opened {
	struct tpm_object parts;
	struct secret *auth;
	struct engine_object object;
};
void opened_fini(struct opened *opened);
/* ERR_DAMAGED: header or object was changed; it is an AIK, or it is none. */
int opened_open(struct tpm_provider *tpm, struct slice header, struct slice bytes,
		struct opened *ret_opened, struct err *err) MUST_CHECK;
int opened_open_aik(struct tpm_provider *tpm, struct slice header, struct slice bytes,
		    struct opened *ret_opened, struct err *err) MUST_CHECK;

/*
 * Header, tag and auth key fit (blob_check() and the tag saw to it), so a refused authorisation
 * means that the object is not the one that this header was made with.
 */
int tpm_refused_is_damaged(int r, struct err *err) MUST_CHECK;

/* --- keys.c -------------------------------------------------------------------------------- */

/* A TPM2B_PUBLIC in the forms that everybody else reads. */
int tpm_fill_result(struct slice public, struct key_result *result, struct err *err) MUST_CHECK;
/* What the engine made, with its object. */
int tpm_finish_key(struct tpm_provider *tpm, struct slice header, const struct tpm_object *parts,
		   struct key_result *ret_key, struct err *err) MUST_CHECK;

int tpm_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
		   struct key_result *ret_key, struct err *err) MUST_CHECK;
int tpm_key_import(struct provider *p, struct slice header, const struct key_source *source,
		   struct key_result *ret_key, struct err *err) MUST_CHECK;
int tpm_key_export(struct provider *p, struct slice header, struct slice object,
		   struct buf *ret_pem, struct secret **ret_passphrase, struct err *err) MUST_CHECK;
int tpm_key_sign(struct provider *p, struct slice header, struct slice object,
		 const struct sign_request *request, struct buf *ret_signature, struct err *err)
	MUST_CHECK;
int tpm_key_decrypt(struct provider *p, struct slice header, struct slice object,
		    const struct decrypt_request *request, struct secret **ret_plain,
		    struct err *err) MUST_CHECK;
int tpm_key_agree(struct provider *p, struct slice header, struct slice object,
		  const struct pkey *peer, struct secret **ret_shared, struct err *err) MUST_CHECK;
int tpm_key_mac(struct provider *p, struct slice header, struct slice object, struct slice data,
		struct buf *ret_mac, struct err *err) MUST_CHECK;

/* --- pieces.c ------------------------------------------------------------------------------ */

int tpm_aik_sign(struct provider *p, struct slice header, struct slice object, struct slice message,
		 struct buf *ret_signature, struct err *err) MUST_CHECK;
int tpm_pieces_start(struct provider *p, enum pieces_of of, struct slice header,
		     struct slice object, struct pieces **ret_pieces, struct err *err) MUST_CHECK;
int tpm_pieces_add(struct provider *p, struct pieces *pieces, struct slice piece, struct err *err)
	MUST_CHECK;
int tpm_pieces_end(struct provider *p, struct pieces *pieces, struct slice last,
		   struct buf *ret_result, struct err *err) MUST_CHECK;
void tpm_pieces_free(struct provider *p, struct pieces *pieces);

/* --- attest.c ------------------------------------------------------------------------------ */

int tpm_aik_create(struct provider *p, struct slice header, const struct aik_spec *spec,
		   struct key_result *ret_key, struct err *err) MUST_CHECK;

int tpm_quote(struct provider *p, struct slice header, struct slice object,
	      const struct quote_request *request, struct attestation *ret_quote,
	      struct pcr_values *ret_values, struct err *err) MUST_CHECK;
int tpm_certify(struct provider *p, const struct provider_object *aik,
		const struct provider_object *key, struct slice nonce,
		struct attestation *ret_certified, struct err *err) MUST_CHECK;
int tpm_activate(struct provider *p, struct slice header, struct slice object,
		 const struct credential *credential, struct secret **ret_secret, struct err *err)
	MUST_CHECK;
int tpm_ek(struct provider *p, enum pkey_type type, struct ek_result *ret_ek, struct err *err)
	MUST_CHECK;
int tpm_pcrs(struct provider *p, const struct pcr_selection *selection,
	     struct pcr_values *ret_values, struct err *err) MUST_CHECK;
int tpm_pcr_banks(struct provider *p, struct pcr_selection *ret_banks, struct err *err) MUST_CHECK;

/* --- resident.c ---------------------------------------------------------------------------- */

int tpm_persist(struct provider *p, struct slice header, struct slice object, uint32_t handle,
		uint32_t *ret_handle, struct err *err) MUST_CHECK;

/*
 * Calls @visit for each handle of the owner's range where something lies, rising from @from on, up
 * to the end or until it returns false.
 */
int tpm_persistents(struct provider *p, uint32_t from, bool (*visit)(void *arg, uint32_t handle),
		    void *arg, struct err *err) MUST_CHECK;
int tpm_taken(struct provider *p, uint32_t handle, struct provider_taken *ret_taken,
	      struct err *err) MUST_CHECK;
int tpm_resident(struct provider *p, uint32_t handle, struct key_result *ret_key, struct err *err)
	MUST_CHECK;
int tpm_resident_sign(struct provider *p, struct slice header, const struct provider_resident *key,
		      const struct sign_request *request, struct buf *ret_signature,
		      struct err *err) MUST_CHECK;
int tpm_evict(struct provider *p, const struct provider_resident *key, struct err *err) MUST_CHECK;
int tpm_storage_key(struct provider *p, struct key_result *ret_key, struct err *err) MUST_CHECK;

/* --- unwrap.c ------------------------------------------------------------------------------ */

int tpm_unwrap(struct provider *p, const struct provider_wrapped *wrapped,
	       struct secret **ret_plain, struct err *err) MUST_CHECK;
int tpm_storage_activate(struct provider *p, const struct credential *credential,
			 struct secret **ret_secret, struct err *err) MUST_CHECK;

/* --- guest.c --- */

extern const struct guest_ops tpm_guests;

/* record.c: engine_roots as the text that is kept, and back. Pure. */
int tpm_record_write(const struct engine_roots *roots, struct buf *ret_text, struct err *err)
	MUST_CHECK;
int tpm_record_parse(struct slice text, struct engine_roots *ret_roots, struct err *err) MUST_CHECK;

#endif
