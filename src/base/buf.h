/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

/*
 * Buf: growing bytes with a hard maximum, and Cursor: its reading counterpart.
 *
 * Both fail stickily: after the first overflow every call does nothing, and the caller asks once
 * at the end (buf_ok(), cursor_done()). Integers are big-endian, as TPM and file formats want.
 * A buf wipes what it leaves behind when it grows and when it is freed, since request bodies pass
 * through it; what is kept for long belongs in a struct secret.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max;  /* never longer than this */
	bool failed; /* over max, or memory was short */
};

#define BUF_INIT(maximum)                                                                          \
	{                                                                                          \
		.max = (maximum)                                                                   \
	}

void buf_fini(struct buf *buf);
void buf_reset(struct buf *buf); /* len 0, failed false; wipes, keeps the memory */
struct slice buf_slice(const struct buf *buf);
bool buf_ok(const struct buf *buf);

void buf_put(struct buf *buf, struct slice bytes);
void buf_put_u8(struct buf *buf, uint8_t v);
void buf_put_u16(struct buf *buf, uint16_t v);
void buf_put_u32(struct buf *buf, uint32_t v);
void buf_put_u64(struct buf *buf, uint64_t v);
void buf_put_str(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Room for @len bytes at the end, counted in already; NULL when that fails. */
uint8_t *buf_grow(struct buf *buf, size_t len);

struct cursor {
	struct slice rest;
	bool failed;
};

static inline struct cursor cursor_of(struct slice bytes)
{
	return (struct cursor){.rest = bytes};
}

/* Zero and an empty slice are returned once the cursor has failed. */
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
struct slice cursor_take(struct cursor *cursor, size_t len);

/* True when nothing failed and no byte is left over. */
bool cursor_done(const struct cursor *cursor);

#endif
