/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_KEYSTORE_H
#define KEYSTORE_KEYSTORE_H

/*
 * Keystore: named keys and secrets, and stateless blobs, as records and provider calls. It holds
 * the step bodies; who runs them where is the service's business:
 *   disk part       fetch, put, remove, list                on the pool
 *   provider part   make, open, sign, import, export, quote on the chip's worker (or the pool)
 *   crypto part     the envelope's stream                   on the pool
 *   cache           hot records by tenant, kind and name    on the loop only
 * The only writer of tenants' records.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "crypto/stream.h"
#include "provider/blob.h"
#include "provider/provider.h"
#include "store/store.h"

/* Plaintexts that are held whole: named secrets, and all that is as small. */
#define KEYSTORE_PLAIN_MAX (1024u * 1024u)
#define KEYSTORE_BLOB_MAX  (KEYSTORE_PLAIN_MAX + BLOB_OVERHEAD + 17u * 16u)

/* Stateless blobs that pass through as streams; chunks are of 64 KiB, with 16 bytes for each tag.
 */
#define KEYSTORE_STREAM_MAX	 (64u * 1024u * 1024u)
#define KEYSTORE_STREAM_BLOB_MAX (KEYSTORE_STREAM_MAX + BLOB_OVERHEAD + 1024u * 16u)

struct keystore_tenant {
	char name[64];
	uint8_t id[BLOB_TENANT_SIZE];
};

/*
 * The tenant's random id: read, or made when the tenant has nothing at all yet. A tenant that has
 * records but no readable id is ERR_UNREADABLE, never given a new one. Makes
 * the tenant's folders, durably: once per start, before its records are written. Pool; one call at
 * a time.
 */
int keystore_tenant_open(struct store *store, const char *name, struct keystore_tenant *ret_tenant,
			 struct err *err) MUST_CHECK;

/*
 * The same for a tenant that has an id, without a write or a sync; ERR_NOT_FOUND when it has none.
 */
int keystore_tenant_read(struct store *store, const char *name, struct keystore_tenant *ret_tenant,
			 struct err *err) MUST_CHECK;

/*
 * The number of the tenant's next attestation key, from 0: each is given once in a tenant's life,
 * and is durably gone before it is returned. ERR_CONFLICT after BLOB_AIK_NUMBERS of them;
 * ERR_UNREADABLE when the counter is not readable, or absent while attestation keys are there.
 * Pool; one call at a time for a tenant.
 */
int keystore_aik_number(struct store *store, const char *tenant, uint32_t *ret_number,
			struct err *err) MUST_CHECK;

/*
 * What counts for the tenant's limits: its keys with its attestation keys, and the bytes of its
 * secrets and persistent objects as store_usage() counts them; what a new secret adds is
 * store_record_bytes(). Pool.
 */
int keystore_usage(struct store *store, const char *tenant, uint64_t *ret_keys,
		   uint64_t *ret_stored, struct err *err) MUST_CHECK;

/*
 * Sealing, in two halves. Provider half: header and object; when the plaintext needs an envelope,
 * the fresh key is left in the sealing for the crypto half, which adds the stream.
 */
struct keystore_sealing {
	struct blob_header header;
	struct buf header_bytes;
	struct buf object;
	struct secret *key; /* of the stream; NULL when sealed directly */
};
void keystore_sealing_fini(struct keystore_sealing *sealing);

struct keystore_target {
	const struct keystore_tenant *tenant;
	enum blob_kind kind;
	const char *name; /* "" for BLOB_SEALED */
};

int keystore_seal_object(struct provider *p, const struct keystore_target *target,
			 const struct secret *plain, struct keystore_sealing *ret_sealing,
			 struct err *err) MUST_CHECK;
int keystore_seal_finish(const struct keystore_sealing *sealing, const struct secret *plain,
			 struct buf *ret_blob, struct err *err) MUST_CHECK;

/*
 * Unsealing, in two halves: the provider half gives the plaintext itself or, for an envelope, the
 * key (*ret_is_key) that the crypto half turns into the plaintext.
 */
int keystore_open_object(struct provider *p, const struct keystore_target *target,
			 struct slice blob, struct secret **ret_secret, bool *ret_is_key,
			 struct err *err) MUST_CHECK;
int keystore_open_finish(struct slice blob, const struct secret *key, struct secret **ret_plain,
			 struct err *err) MUST_CHECK;

/*
 * The same for what is too large to be held (stream.c). Sealing: the provider half seals a fresh
 * key, whatever the plaintext will be; the crypto half gives the bytes before the stream and then
 * seals piece by piece. A piece is whole chunks (STREAM_CHUNK), but for the last. The blob is the
 * same as above for every plaintext of more than PROVIDER_SEAL_MAX bytes.
 */
int keystore_seal_key(struct provider *p, const struct keystore_target *target,
		      struct keystore_sealing *ret_sealing, struct err *err) MUST_CHECK;
int keystore_seal_start(const struct keystore_sealing *sealing, struct stream **ret_stream,
			struct buf *ret_blob, struct err *err) MUST_CHECK;
int keystore_seal_piece(struct stream *stream, struct slice plain, bool last, struct buf *ret_blob,
			struct err *err) MUST_CHECK;

/* The beginning of a blob, up to its stream. */
struct keystore_opening {
	struct buf bytes;
	struct blob blob; /* borrows from bytes; without a body */
};
void keystore_opening_fini(struct keystore_opening *opening);

/* From the first BLOB_OVERHEAD bytes of a blob or more. Errors as blob_parse(). */
int keystore_open_start(struct slice first, struct keystore_opening *ret_opening, struct err *err)
	MUST_CHECK;
/* Of a blob of @blob_len bytes the plaintext's length. ERR_DAMAGED, ERR_INVALID, ERR_TOO_LARGE. */
int keystore_open_length(const struct keystore_opening *opening, uint64_t blob_len,
			 uint64_t *ret_plain, struct err *err) MUST_CHECK;
/* The provider half. */
int keystore_open_key(struct provider *p, const struct keystore_target *target,
		      const struct keystore_opening *opening, struct secret **ret_key,
		      struct err *err) MUST_CHECK;
/* The crypto half; the second appends. A stream can be opened again from the start. */
int keystore_open_stream(const struct keystore_opening *opening, const struct secret *key,
			 struct stream **ret_stream, struct err *err) MUST_CHECK;
int keystore_open_piece(struct stream *stream, struct slice sealed, bool last,
			struct buf *ret_plain, struct err *err) MUST_CHECK;

/*
 * Keys and attestation keys. Records hold a blob of kind BLOB_KEY or BLOB_AIK whose body is the
 * public part. A key is opened by the calls for keys only, an attestation key by those for
 * attestation keys, whatever kind the target names: ERR_INVALID.
 */
struct keystore_key {
	struct blob_header header;
	enum pkey_type type; /* PKEY_TYPES with KEY_USE_MAC */
	unsigned uses;	     /* enum key_use */
	struct buf spki;     /* DER; empty with KEY_USE_MAC */
	struct buf tpm_name; /* empty in software */
	struct buf public;   /* TPM2B_PUBLIC; empty in software, and of records of before */
	enum hash_alg hash;  /* of attestation keys, as is the next */
	uint32_t handle;     /* BLOB_AIK_HANDLE and its number */
};
void keystore_key_fini(struct keystore_key *key);

int keystore_key_create(struct provider *p, const struct keystore_target *target,
			const struct key_spec *spec, struct buf *ret_record, struct err *err)
	MUST_CHECK;
int keystore_key_import(struct provider *p, const struct keystore_target *target,
			const struct key_source *source, struct buf *ret_record, struct err *err)
	MUST_CHECK;
int keystore_key_export(struct provider *p, const struct keystore_target *target,
			struct slice record, struct buf *ret_pem, struct secret **ret_passphrase,
			struct err *err) MUST_CHECK;
int keystore_key_sign(struct provider *p, const struct keystore_target *target, struct slice record,
		      const struct sign_request *request, struct buf *ret_signature,
		      struct err *err) MUST_CHECK;
int keystore_key_decrypt(struct provider *p, const struct keystore_target *target,
			 struct slice record, const struct decrypt_request *request,
			 struct secret **ret_plain, struct err *err) MUST_CHECK;
int keystore_key_agree(struct provider *p, const struct keystore_target *target,
		       struct slice record, const struct pkey *peer, struct secret **ret_shared,
		       struct err *err) MUST_CHECK;
/* At most PROVIDER_PIECE_MAX bytes. */
int keystore_key_mac(struct provider *p, const struct keystore_target *target, struct slice record,
		     struct slice data, struct buf *ret_mac, struct err *err) MUST_CHECK;

/*
 * What is longer: the MAC of a key, the signature of an attestation key, as the target's kind
 * says. The pieces are then the provider's (provider_pieces_add(), _end(), _free()). The bytes of
 * @record must live, and stay where they are, until the end.
 */
int keystore_pieces_start(struct provider *p, const struct keystore_target *target,
			  struct slice record, struct pieces **ret_pieces, struct err *err)
	MUST_CHECK;

/*
 * What the record of a key or an attestation key says of it, as the target's kind says; needs no
 * provider, so it works without the TPM too.
 */
int keystore_key_describe(const struct keystore_target *target, struct slice record,
			  struct keystore_key *ret_key, struct err *err) MUST_CHECK;

/* Attestation keys. @handle is BLOB_AIK_HANDLE and a number by keystore_aik_number(). */
int keystore_aik_create(struct provider *p, const struct keystore_target *target,
			const struct aik_spec *spec, uint32_t handle, struct buf *ret_record,
			struct err *err) MUST_CHECK;
/* At most PROVIDER_PIECE_MAX bytes. */
int keystore_aik_sign(struct provider *p, const struct keystore_target *target, struct slice record,
		      struct slice message, struct buf *ret_signature, struct err *err) MUST_CHECK;
int keystore_aik_activate(struct provider *p, const struct keystore_target *target,
			  struct slice record, const struct credential *credential,
			  struct secret **ret_secret, struct err *err) MUST_CHECK;

/* A record with what it must be. */
struct keystore_record {
	const struct keystore_target *target;
	struct slice bytes;
};
int keystore_aik_quote(struct provider *p, const struct keystore_record *aik,
		       const struct quote_request *request, struct attestation *ret_quote,
		       struct pcr_values *ret_values, struct err *err) MUST_CHECK;
int keystore_aik_certify(struct provider *p, const struct keystore_record *aik,
			 const struct keystore_record *key, struct slice nonce,
			 struct attestation *ret_certified, struct err *err) MUST_CHECK;

/*
 * Objects that a tenant made persistent by raw commands: recipes, 1 to KEYSTORE_PLAIN_MAX bytes,
 * by their handles. Sealed and stored at once, so durable when the call returns; where the
 * provider's calls are made.
 */
struct keystore_shelf {
	struct store *store;
	struct provider *p;
	const struct keystore_tenant *tenant;
};
/*
 * *ret_bytes is what the record takes of the tenant's bytes (keystore_usage()). ERR_QUOTA: that is
 * more than @room, which whoever counts them has set aside. ERR_CONFLICT: there is one of that
 * handle.
 */
int keystore_shelf_put(const struct keystore_shelf *shelf, uint32_t handle,
		       const struct secret *recipe, uint64_t room, uint64_t *ret_bytes,
		       struct err *err) MUST_CHECK;
/* What a record of a recipe of that size takes at most. */
uint64_t keystore_shelf_bytes(size_t recipe_size);
int keystore_shelf_get(const struct keystore_shelf *shelf, uint32_t handle,
		       struct secret **ret_recipe, struct err *err) MUST_CHECK;
/* *ret_bytes is what it took; 0 when it could not be read. */
int keystore_shelf_remove(const struct keystore_shelf *shelf, uint32_t handle, uint64_t *ret_bytes,
			  struct err *err) MUST_CHECK;
/* In order; ERR_TOO_LARGE when there are more than @max. */
int keystore_shelf_list(const struct keystore_shelf *shelf, size_t max, uint32_t *ret_handles,
			size_t *ret_count, struct err *err) MUST_CHECK;

/*
 * Cache of hot records, bounded by bytes, least recently used out first. An entry is only put in
 * when no change of any record began since its read did: take the epoch before the read, give it
 * back with the content. Loop only.
 */
struct keystore_cache;
int keystore_cache_new(size_t max_bytes, struct keystore_cache **ret_cache, struct err *err)
	MUST_CHECK;
void keystore_cache_free(struct keystore_cache *cache);
uint64_t keystore_cache_epoch(const struct keystore_cache *cache);
/* Appends a copy of the record; false when it is not there. */
bool keystore_cache_get(struct keystore_cache *cache, const struct store_id *id,
			struct buf *ret_record);
void keystore_cache_put(struct keystore_cache *cache, const struct store_id *id, uint64_t epoch,
			struct slice record);
/* Before and after a record changes; both advance the epoch. */
void keystore_cache_drop(struct keystore_cache *cache, const struct store_id *id);
/* The same for all records of a tenant. */
void keystore_cache_drop_tenant(struct keystore_cache *cache, const char *tenant);

#endif
