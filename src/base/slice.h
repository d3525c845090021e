/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

/* Slice: borrowed bytes. It owns nothing and is passed by value. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *data; /* may be NULL when len is 0 */
	size_t len;
};

static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){.data = data, .len = len};
}

static inline struct slice slice_str(const char *text)
{
	return slice_of(text, strlen(text));
}

/* Not for secrets: it stops at the first difference. Those use secret_equal(). */
static inline bool slice_equal(struct slice a, struct slice b)
{
	size_t i;

	if (a.len != b.len)
		return false;
	for (i = 0; i < a.len; i++)
		if (a.data[i] != b.data[i])
			return false;
	return true;
}

static inline bool slice_begins(struct slice bytes, const char *with)
{
	size_t len = strlen(with);

	return bytes.len >= len && slice_equal(slice_of(bytes.data, len), slice_str(with));
}

#endif
