/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_PAYLOAD_H
#define ARTIFACT_PAYLOAD_H

/*
 * Payload: the large file of version 2 (docs/ARTIFACT.md, "Payload"): a header and a stream of
 * chunks (crypto/stream.h), under a key that comes from the content key, the header's salt and the
 * release: folder, name, serial. It cannot depend on the manifest, which has the payload's digest;
 * the device key binds the two.
 *
 * Push style, as v1.h: the caller reads pieces of any size and pushes them, what comes out is
 * appended to a buffer of his: of a piece at most PAYLOAD_GROWTH bytes more than it has, when
 * sealing than payload_size() of it. Pieces of whole chunks (of STREAM_CHUNK + STREAM_TAG bytes
 * behind the header) are never copied. After a failure an object is dead, and what the call
 * appended is taken back. Each chunk that comes out was authenticated; that all of it came is known
 * at the end. The digest in the manifest is taken over the file first, by the caller.
 */

#include "artifact/manifest.h"
#include "base/buf.h"
#include "base/secret.h"
#include "crypto/stream.h"

#define PAYLOAD_HEADER	  48u
#define PAYLOAD_GROWTH	  (STREAM_CHUNK + STREAM_TAG + PAYLOAD_HEADER)
#define PAYLOAD_KEY	  32u /* bytes of the content key */
#define PAYLOAD_PLAIN_MAX ((uint64_t)1 << 40)

/* Bytes of the file of @plain bytes. */
uint64_t payload_size(uint64_t plain);

/* Of which release; borrowed. */
struct payload_release {
	struct resource resource;
	uint64_t serial;
};

/* --- the publisher --- */

struct payload_seal;
/* @plain is the exact number of bytes that will come, which stands in the header. */
int payload_seal_new(const struct secret *key, const struct payload_release *release,
		     uint64_t plain, struct payload_seal **ret_seal, struct err *err) MUST_CHECK;
void payload_seal_free(struct payload_seal *seal);
MEM_DEFINE_CLEANUP(payload_seal)
/* ERR_INVALID: more or fewer bytes than were announced. */
int payload_seal_add(struct payload_seal *seal, struct slice plain, struct buf *ret_payload,
		     struct err *err) MUST_CHECK;
/* *ret_digest is SHA-256 of all that came out. */
int payload_seal_end(struct payload_seal *seal, struct buf *ret_payload,
		     uint8_t ret_digest[MANIFEST_DIGEST], struct err *err) MUST_CHECK;

/* --- the loader --- */

/* What opens it: the release and both sizes, of a manifest that was verified. */
struct payload_open;
int payload_open_new(const struct secret *key, const struct manifest *manifest,
		     struct payload_open **ret_open, struct err *err) MUST_CHECK;
void payload_open_free(struct payload_open *open);
MEM_DEFINE_CLEANUP(payload_open)

/*
 * Begins in the middle, once, after the header was added and before anything else: plaintext comes
 * from @from on, at most plain_size. *ret_at is the offset in the file at which the next
 * payload_open_add() goes on, the edge of a chunk. ERR_INVALID.
 */
int payload_open_seek(struct payload_open *open, uint64_t from, uint64_t *ret_at, struct err *err)
	MUST_CHECK;
/* ERR_DAMAGED: what does not fit, whatever it is; ERR_NOT_SUPPORTED: cipher or chunk of the header.
 */
int payload_open_add(struct payload_open *open, struct slice payload, struct buf *ret_plain,
		     struct err *err) MUST_CHECK;
/* After the last byte. ERR_DAMAGED: it ended early. */
int payload_open_end(struct payload_open *open, struct err *err) MUST_CHECK;

#endif
