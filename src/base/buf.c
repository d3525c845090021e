/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that is put into a buf goes through buf_grow(), the one place that checks the
 * maximum and moves the block; everything that is taken from a cursor goes through cursor_take().
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"

#define FIRST_CAP 64u

/*
 * A block has one byte more than cap, since vsnprintf() always ends in a NUL. The old block is
 * wiped, so it cannot be left to realloc().
 */
static bool reserve(struct buf *buf, size_t need)
{
	size_t cap = buf->cap > 0 ? buf->cap : FIRST_CAP;
	uint8_t *data;

	if (buf->data && need <= buf->cap)
		return true;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap > buf->max)
		cap = buf->max;
	data = cap < PTRDIFF_MAX ? malloc(cap + 1) : NULL;
	if (!data)
		return false;
	if (buf->data) {
		memcpy(data, buf->data, buf->len);
		wipe(buf->data, buf->cap + 1);
		free(buf->data);
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

void buf_fini(struct buf *buf)
{
	if (buf->data)
		wipe(buf->data, buf->cap + 1);
	free(buf->data);
	*buf = (struct buf)BUF_INIT(buf->max);
}

void buf_reset(struct buf *buf)
{
	if (buf->data)
		wipe(buf->data, buf->cap + 1);
	buf->len = 0;
	buf->failed = false;
}

struct slice buf_slice(const struct buf *buf)
{
	return slice_of(buf->data, buf->len);
}

bool buf_ok(const struct buf *buf)
{
	return !buf->failed;
}

uint8_t *buf_grow(struct buf *buf, size_t len)
{
	uint8_t *end;

	if (buf->failed)
		return NULL;
	if (buf->len > buf->max || len > buf->max - buf->len || !reserve(buf, buf->len + len)) {
		buf->failed = true;
		return NULL;
	}
	end = buf->data + buf->len;
	buf->len += len;
	return end;
}

void buf_put(struct buf *buf, struct slice bytes)
{
	uint8_t *end = buf_grow(buf, bytes.len);

	if (end && bytes.len > 0)
		memcpy(end, bytes.data, bytes.len);
}

/* The lowest @size bytes of @v, the highest of them first. */
static void put_uint(struct buf *buf, uint64_t v, size_t size)
{
	uint8_t *end = buf_grow(buf, size);
	size_t i;

	for (i = 0; end && i < size; i++)
		end[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
}

void buf_put_u8(struct buf *buf, uint8_t v)
{
	put_uint(buf, v, sizeof(v));
}

void buf_put_u16(struct buf *buf, uint16_t v)
{
	put_uint(buf, v, sizeof(v));
}

void buf_put_u32(struct buf *buf, uint32_t v)
{
	put_uint(buf, v, sizeof(v));
}

void buf_put_u64(struct buf *buf, uint64_t v)
{
	put_uint(buf, v, sizeof(v));
}

void buf_put_str(struct buf *buf, const char *text)
{
	buf_put(buf, slice_str(text));
}

/* Into the room that is there, mostly; only what does not fit is printed twice. */
void buf_printf(struct buf *buf, const char *fmt, ...)
{
	size_t room = buf->data && !buf->failed ? buf->cap - buf->len + 1 : 0;
	uint8_t *end = NULL;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(room ? (char *)buf->data + buf->len : NULL, room, fmt, ap);
	va_end(ap);
	if (len < 0)
		buf->failed = true;
	else
		end = buf_grow(buf, (size_t)len);
	if (!end || (size_t)len < room)
		return;
	va_start(ap, fmt);
	(void)vsnprintf((char *)end, (size_t)len + 1, fmt, ap);
	va_end(ap);
}

struct slice cursor_take(struct cursor *cursor, size_t len)
{
	struct slice taken;

	if (cursor->failed || len > cursor->rest.len) {
		cursor->failed = true;
		return slice_of(NULL, 0);
	}
	taken = slice_of(cursor->rest.data, len);
	if (len > 0)
		cursor->rest.data += len;
	cursor->rest.len -= len;
	return taken;
}

static uint64_t take_uint(struct cursor *cursor, size_t size)
{
	struct slice bytes = cursor_take(cursor, size);
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < bytes.len; i++)
		v = v << 8 | bytes.data[i];
	return v;
}

uint8_t cursor_u8(struct cursor *cursor)
{
	return (uint8_t)take_uint(cursor, sizeof(uint8_t));
}

uint16_t cursor_u16(struct cursor *cursor)
{
	return (uint16_t)take_uint(cursor, sizeof(uint16_t));
}

uint32_t cursor_u32(struct cursor *cursor)
{
	return (uint32_t)take_uint(cursor, sizeof(uint32_t));
}

uint64_t cursor_u64(struct cursor *cursor)
{
	return take_uint(cursor, sizeof(uint64_t));
}

bool cursor_done(const struct cursor *cursor)
{
	return !cursor->failed && cursor->rest.len == 0;
}
