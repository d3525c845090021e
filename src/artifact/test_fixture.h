/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_TEST_FIXTURE_H
#define ARTIFACT_TEST_FIXTURE_H

/* What the tests of blobs share: the key of the vectors, plaintexts, and both passes of a loader.
 */

#include "artifact/v1.h"

#define ROOM (1024u * 1024u) /* of any buffer here */

struct secret *fixture_key(void);

/* Appends @size bytes, byte i being i * 7 % 251, as tests/vectors/make has it. */
void fixture_plain(size_t size, struct buf *ret_plain);

/* Appends a blob, sealed in pieces of so many bytes. */
void fixture_seal(const struct secret *key, struct slice plain, size_t step, struct buf *ret_blob);

/* One way to load: the parts, in pieces, from an offset on. */
struct fixture_load {
	struct slice small, big;
	size_t step;
	uint64_t from;
	const struct v1_seen *expected;
};
/* The first pass, and the second if that is good; appends what comes out, also where it fails. */
int fixture_load(const struct secret *key, const struct fixture_load *load, struct buf *ret_plain,
		 struct err *err) MUST_CHECK;
int fixture_check(const struct secret *key, const struct fixture_load *load,
		  struct v1_facts *ret_facts, struct err *err) MUST_CHECK;

#endif
