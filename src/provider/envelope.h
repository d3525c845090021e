/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_ENVELOPE_H
#define PROVIDER_ENVELOPE_H

/*
 * Envelope: how a plaintext of any size becomes a blob and comes back, when the provider itself
 * seals 1 to PROVIDER_SEAL_MAX bytes only (docs/BLOB.md, "Envelope").
 *
 * The provider's call stands between two steps that are software, since it may have to run on
 * another thread:
 *
 *   seal: envelope_begin  >  provider_seal(header_bytes, inner) = object  >  envelope_finish
 *   open: blob_parse, blob_check  >  provider_unseal(header_bytes, object) = inner  > envelope_open
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "provider/blob.h"

/* True for 0 bytes (a TPM seals none) and for more than PROVIDER_SEAL_MAX. */
bool envelope_needed(size_t plain_size);

/*
 * Sets BLOB_ENVELOPE in @header as the plaintext's size demands, appends the header's bytes, and
 * gives what the provider is to seal: a copy of @plain, or a fresh key for it.
 */
int envelope_begin(struct blob_header *header, struct slice plain, struct buf *ret_header_bytes,
		   struct secret **ret_inner, struct err *err) MUST_CHECK;

/* What one sealing has come to when the provider is through; all borrowed. */
struct envelope {
	const struct blob_header *header;
	struct slice header_bytes;
	const struct secret *inner;
	struct slice object;
	struct slice plain;
};

/* Appends the whole blob. */
int envelope_finish(const struct envelope *envelope, struct buf *ret_blob, struct err *err)
	MUST_CHECK;

/* Bytes of plaintext that envelope_open() would give, at most; to check a limit beforehand. */
uint64_t envelope_plain_max(const struct blob *blob);

/* From what provider_unseal() gave to the plaintext. ERR_DAMAGED. */
int envelope_open(const struct blob *blob, const struct secret *inner, struct secret **ret_plain,
		  struct err *err) MUST_CHECK;

#endif
