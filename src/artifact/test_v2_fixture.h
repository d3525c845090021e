/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_TEST_V2_FIXTURE_H
#define ARTIFACT_TEST_V2_FIXTURE_H

/* What the tests of version 2 share: the vectors' bytes, payloads, and a loader's way with them. */

#include "artifact/payload.h"

#define V2_ROOM	  (1024u * 1024u) /* of any buffer here */
#define V2_SEALED (STREAM_CHUNK + STREAM_TAG)

void v2_hex(const char *text, struct buf *ret_bytes);
void v2_base64(const char *text, struct buf *ret_bytes);
struct secret *v2_key(void); /* of the vectors; the caller's */

/* Appends @size bytes, byte i being i * 7 % 251, as tests/vectors/make-v2 has it. */
void v2_plain(size_t size, struct buf *ret_plain);

/* The vectors' manifest of a file, of so much plaintext. */
struct manifest *v2_manifest(uint64_t plain);
struct payload_release v2_release(const struct manifest *manifest);

/* Seals in pieces of @step bytes. */
void v2_seal(const struct secret *key, const struct manifest *manifest, struct slice plain,
	     size_t step, struct buf *ret_payload);

/* Opens in pieces of @step bytes, from @from on; appends what comes out, also where it fails. */
struct v2_load {
	const struct secret *key;
	const struct manifest *manifest;
	struct slice payload;
	size_t step;
	uint64_t from;
};
int v2_load(const struct v2_load *load, struct buf *ret_plain, struct err *err) MUST_CHECK;

#endif
