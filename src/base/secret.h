/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

/*
 * Secret: bytes that must not leave a trace. Fixed size, locked into memory where the limit
 * allows, left out of core dumps, wiped when freed; never resized, printed or logged.
 * Small ones (up to SECRET_SMALL bytes) come from one arena that is locked once; larger ones
 * get pages of their own. Any thread may allocate and free.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

#define SECRET_SMALL 240u

struct secret;

/* A new secret of @size zero bytes (0 is allowed). ERR_INTERNAL when memory is short. */
int secret_new(size_t size, struct secret **ret_secret, struct err *err) MUST_CHECK;

/* A new secret holding a copy of @bytes; the caller wipes its own copy. */
int secret_copy(struct slice bytes, struct secret **ret_secret, struct err *err) MUST_CHECK;

/* Wipes and frees. NULL is allowed. */
void secret_free(struct secret *secret);
MEM_DEFINE_CLEANUP(secret)

uint8_t *secret_data(struct secret *secret);
size_t secret_size(const struct secret *secret);
struct slice secret_slice(const struct secret *secret);

/* Overwrites memory in a way that the compiler cannot drop. */
void wipe(void *data, size_t len);

/* Constant time in the content; lengths are not secret. */
bool secret_equal(struct slice a, struct slice b);

#endif
