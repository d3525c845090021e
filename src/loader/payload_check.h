/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_PAYLOAD_CHECK_H
#define LOADER_PAYLOAD_CHECK_H

/*
 * Payload check: what lies on the disk as a payload is the one that a manifest names: its size and
 * its SHA-256 (docs/ARTIFACT.md, "Payload"). For the pool, in steps, so that gigabytes do not keep
 * others from it; the counterpart of blob.h.
 */

#include "artifact/manifest.h"

struct payload_check;
/* Of a file that is open as @fd, borrowed until payload_check_free(). */
int payload_check_new(int fd, uint64_t size, const uint8_t digest[MANIFEST_DIGEST],
		      struct payload_check **ret_check, struct err *err) MUST_CHECK;
void payload_check_free(struct payload_check *check);
MEM_DEFINE_CLEANUP(payload_check)

/*
 * Reads on for at most @max bytes; *ret_end: there is no more, or more than there may be.
 * ERR_UNREADABLE.
 */
int payload_check_step(struct payload_check *check, uint64_t max, bool *ret_end, struct err *err)
	MUST_CHECK;
/* The verdict, once, behind the end: ERR_DAMAGED. */
int payload_check_end(struct payload_check *check, struct err *err) MUST_CHECK;
/* Bytes that were read; not while a step is at work. */
uint64_t payload_check_at(const struct payload_check *check);

#endif
