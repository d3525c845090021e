/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_BLOB_H
#define PROVIDER_BLOB_H

/*
 * Blob: the self-describing form of everything sealed, normative in docs/BLOB.md. A header that
 * says by whom, for whom and under which name; the provider's object; and, by envelope, a stream.
 * Pure: bytes to structs and back, and the decision whether a blob may be opened here.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/pkey.h"
#include "provider/provider.h"

#define BLOB_TENANT_SIZE 16u
#define BLOB_NAME_MAX	 128u
#define BLOB_HEADER_MAX	 512u
/* What a blob adds to its plaintext at most, beside a tag per chunk. */
#define BLOB_OVERHEAD (BLOB_HEADER_MAX + 4u + PROVIDER_OBJECT_MAX)

enum blob_kind {
	BLOB_SEALED = 1, /* stateless, handed to the client; no name */
	BLOB_SECRET = 2, /* a named secret kept by the daemon */
	BLOB_KEY = 3,	 /* a named key kept by the daemon */
	BLOB_AIK = 4,	 /* a named attestation key kept by the daemon */
	/* how an object that a tenant made persistent by raw commands is made again; its name is
	 * the handle, in eight hexadecimal digits */
	BLOB_PERSISTENT = 5,
};

enum blob_flag {
	BLOB_ENVELOPE = 1 << 0,	  /* the object seals a key, the data follow as a stream */
	BLOB_EXPORTABLE = 1 << 1, /* keys */
	BLOB_EMPTY_AUTH = 1 << 2, /* keys */
	BLOB_IMPORTED = 1 << 3,	  /* keys */
};

struct blob_header {
	enum provider_kind provider;
	enum blob_kind kind;
	uint8_t flags;
	uint64_t time; /* seconds since 1970, informative */
	uint8_t tenant[BLOB_TENANT_SIZE];
	uint8_t auth_id[8];
	uint8_t root[PROVIDER_ROOT_MAX];
	uint8_t root_len;
	char name[BLOB_NAME_MAX + 1]; /* "" when kind is BLOB_SEALED */
};

/* A blob taken apart; all slices borrow from it. */
struct blob {
	struct blob_header header;
	struct slice header_bytes; /* what the object is bound to */
	struct slice object;
	struct slice
		body; /* kinds sealed, secret, persistent: the stream; others: the public part */
};

/* 1 to BLOB_NAME_MAX of [A-Za-z0-9._-], no leading dot: the names that headers carry. */
bool blob_name_valid(struct slice name);

/* A header for a new object of @p, at @time; @name is "" or blob_name_valid(). */
void blob_header_init(struct blob_header *header, const struct provider *p, enum blob_kind kind,
		      const uint8_t tenant[BLOB_TENANT_SIZE], const char *name, uint64_t time);

/* Appends the header's bytes with their checksum. */
void blob_header_write(const struct blob_header *header, struct buf *ret_bytes);

/* The kind that a header's bytes say; 0 when they are no header of ours. */
enum blob_kind blob_header_kind(struct slice header_bytes);

/* Appends header, object and body as one blob. */
void blob_write(struct slice header_bytes, struct slice object, struct slice body,
		struct buf *ret_blob);

/* ERR_INVALID: no blob of ours at all; ERR_NOT_SUPPORTED: a later version; ERR_DAMAGED. */
int blob_parse(struct slice bytes, struct blob *ret_blob, struct err *err) MUST_CHECK;

/*
 * The same for the beginning of a blob: at least BLOB_OVERHEAD bytes, or all there are. The body is
 * what is there of it and is not judged: blob_check_stream() does that once its length is known.
 */
int blob_parse_start(struct slice bytes, struct blob *ret_blob, struct err *err) MUST_CHECK;

/*
 * @body_len bytes of body follow: is it a stream, and of how much plaintext? ERR_DAMAGED;
 * ERR_INVALID for a kind that has none.
 */
int blob_check_stream(const struct blob_header *header, uint64_t body_len, uint64_t *ret_plain,
		      struct err *err) MUST_CHECK;

/*
 * May the caller open it here? First whether it is of this device: ERR_TPM_REQUIRED (a TPM's
 * blob, software in use), ERR_NOT_SUPPORTED (a software blob, a TPM in use), ERR_WRONG_TPM
 * (another root), ERR_AUTH_FAILED (another auth key). Then whether it is the caller's:
 * ERR_WRONG_TENANT, ERR_INVALID (another kind), ERR_WRONG_NAME. Tenant ids are random on each
 * device, so the other way round every blob of another device would be another tenant's.
 */
struct blob_expect {
	enum blob_kind kind;
	const uint8_t *tenant;
	const char *name; /* "" for BLOB_SEALED */
};
int blob_check(const struct blob *blob, const struct blob_expect *expect, const struct provider *p,
	       struct err *err) MUST_CHECK;

/* The first three of them: is it the caller's, and what he asks for? Needs no provider. */
int blob_check_owner(const struct blob *blob, const struct blob_expect *expect, struct err *err)
	MUST_CHECK;

/* The body of a key's blob: its public part. Slices borrow from the body when parsed. */
struct blob_key_public {
	enum pkey_type type;
	unsigned uses;	     /* enum key_use, as they fit the type; records of before: sign */
	struct slice spki;   /* DER SubjectPublicKeyInfo, 1 to BLOB_SPKI_MAX bytes; HMAC: none */
	struct slice name;   /* the TPM Name, at most PROVIDER_ROOT_MAX bytes; empty in software */
	struct slice public; /* TPM2B_PUBLIC, at most BLOB_PUBLIC_MAX bytes; may be empty */
	enum hash_alg hash;  /* BLOB_AIK: the one it signs with */
	uint32_t handle;     /* BLOB_AIK: BLOB_AIK_HANDLE and its number in the tenant */
};
#define BLOB_SPKI_MAX	 1024u
#define BLOB_PUBLIC_MAX	 1024u
#define BLOB_KEY_MAX	 (BLOB_SPKI_MAX + PROVIDER_ROOT_MAX + BLOB_PUBLIC_MAX + 12u) /* of a body */
#define BLOB_AIK_HANDLE	 0x81010000u
#define BLOB_AIK_NUMBERS 0x10000u

void blob_key_public_write(const struct blob_key_public *key, struct buf *ret_body);
int blob_key_public_parse(struct slice body, struct blob_key_public *ret_key, struct err *err)
	MUST_CHECK;

/* The same for BLOB_AIK. */
void blob_aik_public_write(const struct blob_key_public *aik, struct buf *ret_body);
int blob_aik_public_parse(struct slice body, struct blob_key_public *ret_aik, struct err *err)
	MUST_CHECK;

#endif
