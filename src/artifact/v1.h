/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_V1_H
#define ARTIFACT_V1_H

/*
 * V1: resources of the binary-split scheme, normative in docs/ARTIFACT.md. A blob is one IV and the
 * plaintext under AES-256-CBC with its PKCS#7 padding; it travels as a small and a big part, which
 * one after the other are the blob again, wherever it was cut.
 *
 * All of it is push style: the caller reads pieces of any size, from wherever, and pushes them;
 * what comes out is appended to a buffer of his, at most V1_GROWTH bytes more than went in. So the
 * caller owns time, threads and I/O, memory is his piece size, and a blob has no limit but
 * V1_PLAIN_MAX. An object serves one blob and one thread at a time; after a failure it is dead, and
 * further calls fail. What a failing call appended is taken back.
 *
 * CBC cannot tell changed data, so opening takes two passes over the same ciphertext: v1_check
 * looks at all of it, and only what it gives can begin a v1_open, which looks at all of it again
 * and keeps the last block back until that is done: nobody ever gets the whole of a wrong
 * plaintext.
 *
 * What can be taken up again after a stop: sealing, by struct v1_state, and opening, by the offset
 * of what is still wanted. Digests cannot: who resumes a download pushes what he has from the disk,
 * and so learns whether the disk still has it.
 *
 * Errors: ERR_DAMAGED with V1_DOES_NOT_OPEN for length, padding, size and digest alike (none tells
 * which, nor takes longer); ERR_TOO_LARGE when the buffer's maximum is too small; ERR_INTERNAL.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

#define V1_BLOCK     16u
#define V1_DIGEST    32u /* SHA-256 */
#define V1_BLOB_MIN  32u
#define V1_PLAIN_MAX ((uint64_t)1 << 40)
#define V1_GROWTH    (12u * 1024u)

#define V1_DOES_NOT_OPEN "the resource is damaged, or not for this key"

/* Bytes of the blob of @plain bytes. */
uint64_t v1_blob_size(uint64_t plain);

/* --- the publisher --- */

/* Where a blob is cut: 3,072 bytes, or 30 % rounded down if that is less. Readers never ask. */
#define V1_CUT_MAX   3072u
#define V1_SMALL_MAX (64u * 1024u) /* what readers take of who cuts elsewhere */
size_t v1_cut(uint64_t blob);

/* Sealing: plaintext in, blob out. The IV is fresh and random. */
struct v1_seal;
int v1_seal_new(const struct secret *key, struct v1_seal **ret_seal, struct err *err) MUST_CHECK;
void v1_seal_free(struct v1_seal *seal);
MEM_DEFINE_CLEANUP(v1_seal)

int v1_seal_add(struct v1_seal *seal, struct slice plain, struct buf *ret_blob, struct err *err)
	MUST_CHECK;
int v1_seal_end(struct v1_seal *seal, struct buf *ret_blob, struct err *err) MUST_CHECK;

/*
 * A point to go on from, at the edge of a block: no secret, but to be trusted, since whoever
 * changes it changes what one block opens to. Kept only after the blob's first @done bytes are.
 */
struct v1_state {
	uint64_t done;		/* bytes of the blob, the IV among them */
	uint8_t last[V1_BLOCK]; /* the last of them */
};

/* ERR_INVALID before the first byte came out. */
int v1_seal_state(const struct v1_seal *seal, struct v1_state *ret_state, struct err *err)
	MUST_CHECK;
/* The plaintext goes on at @ret_plain. ERR_DAMAGED: no such state. */
int v1_seal_resume(const struct secret *key, const struct v1_state *state,
		   struct v1_seal **ret_seal, uint64_t *ret_plain, struct err *err) MUST_CHECK;

/* What anybody sees of a blob. */
struct v1_seen {
	uint64_t size;
	uint8_t digest[V1_DIGEST]; /* of small || big */
};

/* Cutting: blob in, parts out. */
struct v1_parts {
	struct buf *small;
	struct buf *big;
};
struct v1_split;
int v1_split_new(struct v1_split **ret_split, struct err *err) MUST_CHECK;
void v1_split_free(struct v1_split *split);
MEM_DEFINE_CLEANUP(v1_split)

int v1_split_add(struct v1_split *split, struct slice blob, const struct v1_parts *ret_parts,
		 struct err *err) MUST_CHECK;
int v1_split_end(struct v1_split *split, const struct v1_parts *ret_parts, struct v1_seen *ret_seen,
		 struct err *err) MUST_CHECK;

/* --- the loader --- */

/* The first pass: small part, then big part. */
struct v1_check;
int v1_check_new(struct v1_check **ret_check, struct err *err) MUST_CHECK;
void v1_check_free(struct v1_check *check);
MEM_DEFINE_CLEANUP(v1_check)

int v1_check_add(struct v1_check *check, struct slice blob, struct err *err) MUST_CHECK;

/*
 * After the last byte. Needs no key: what a signature (v1_sig.h) or a pin says is held against this
 * first, so that a blob that is not the right one never gets as far as its padding.
 */
int v1_check_end(struct v1_check *check, struct v1_seen *ret_seen, struct err *err) MUST_CHECK;

/* A blob that opens. */
struct v1_facts {
	struct v1_seen seen;
	uint64_t plain; /* bytes */
};

/* Once, after the end. @expected is what it must be, NULL where nobody knows. */
int v1_check_verdict(struct v1_check *check, const struct secret *key,
		     const struct v1_seen *expected, struct v1_facts *ret_facts, struct err *err)
	MUST_CHECK;

/*
 * The second pass: the same bytes from the first one on. Plaintext comes from offset @from, a
 * multiple of V1_BLOCK below @facts->plain or 0 (else ERR_INVALID), what is before it is only
 * digested. v1_open_end() gives the last bytes, at least one unless the plaintext is empty, and
 * fewer than two blocks.
 */
struct v1_open;
int v1_open_new(const struct secret *key, const struct v1_facts *facts, uint64_t from,
		struct v1_open **ret_open, struct err *err) MUST_CHECK;
void v1_open_free(struct v1_open *open);
MEM_DEFINE_CLEANUP(v1_open)

int v1_open_add(struct v1_open *open, struct slice blob, struct buf *ret_plain, struct err *err)
	MUST_CHECK;
int v1_open_end(struct v1_open *open, struct buf *ret_plain, struct err *err) MUST_CHECK;

/* --- small things whole: the small part as a user is sent it, settings of the CDN --- */

#define V1_BYTES_MAX (1024u * 1024u)

int v1_seal_bytes(const struct secret *key, struct slice plain, struct buf *ret_blob,
		  struct err *err) MUST_CHECK;
/* A blob over V1_BYTES_MAX is ERR_TOO_LARGE. */
int v1_open_bytes(const struct secret *key, struct slice blob, struct secret **ret_plain,
		  struct err *err) MUST_CHECK;

/* --- the pin of a cached big part --- */

/*
 * What was known of a blob when its parts came, by the digest of its small part. Kept beside the
 * cached big part; a new small part from the server makes it void.
 */
struct v1_pin {
	uint8_t small[V1_DIGEST];
	struct v1_seen seen;
};
int v1_pin_make(struct slice small, const struct v1_seen *seen, struct v1_pin *ret_pin,
		struct err *err) MUST_CHECK;
/* What the blob of this small part must be; *ret_expected is NULL when the pin is of another. */
int v1_pin_expect(const struct v1_pin *pin, struct slice small, const struct v1_seen **ret_expected,
		  struct err *err) MUST_CHECK;

#endif
