/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_FINGERPRINT_H
#define ARTIFACT_FINGERPRINT_H

/*
 * Fingerprint: the text by which the binary-split scheme knows a machine (docs/ARTIFACT.md,
 * "Fingerprint"). One byte that differs and nothing opens, so whoever has machines in the field
 * pins the text that their servers know. It is no secret and no identity: anybody on the machine
 * reads it.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define FINGERPRINT_MAX	      1024u
#define FINGERPRINT_FIELD_MAX 200u

/* What it is made of; borrowed. Blanks around a field are not its own. */
struct fingerprint {
	struct slice cpu;
	struct slice gpu;
	struct slice memory; /* kB, in decimal */
	struct slice serial; /* of the disk */
};

/*
 * Appends "CPU: .. GPU: .. Memory: .. DriveSerial: ..". ERR_INVALID: a field is empty, too long, or
 * has characters that no such text can have (control characters, broken UTF-8).
 */
int fingerprint_put(const struct fingerprint *fingerprint, struct buf *ret_text, struct err *err)
	MUST_CHECK;

/* The text in a file that pins it: one line, its end is not part of it. ERR_INVALID. */
int fingerprint_pinned(struct slice file, struct slice *ret_text, struct err *err) MUST_CHECK;

/*
 * From /proc/cpuinfo: the model's name; of Arm, which states numbers only, the name of the first
 * core's part. From /proc/meminfo: MemTotal. Both are parts of @text or constants. ERR_NOT_FOUND.
 */
int fingerprint_cpu(struct slice text, struct slice *ret_cpu, struct err *err) MUST_CHECK;
int fingerprint_memory(struct slice text, struct slice *ret_memory, struct err *err) MUST_CHECK;

#endif
