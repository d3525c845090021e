/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's half. Sizes are known from the manifest, so the buffer grows once for each piece and
 * every chunk is decrypted from where it lies to where it is wanted; only a chunk that is cut by
 * the edge of a piece is copied.
 */

#include "artifact/payload_impl.h"
#include "artifact/v1.h"

#define SEALED_CHUNK (STREAM_CHUNK + STREAM_TAG)

struct payload_open {
	bool dead;
	bool sought;
	struct buf info;
	struct secret *key; /* until there is a stream */
	uint64_t plain;
	uint64_t size; /* of the file */
	uint64_t at;   /* bytes of it that came in, or were passed over */
	uint64_t skip; /* bytes of plaintext that nobody wants, of the next chunk */
	struct stream *stream;
	uint8_t header[PAYLOAD_HEADER];
	uint8_t carry[SEALED_CHUNK];
	size_t carried;
};

static int does_not_open(struct err *err)
{
	return err_set(err, ERR_DAMAGED, V1_DOES_NOT_OPEN);
}

int payload_open_new(const struct secret *key, const struct manifest *manifest,
		     struct payload_open **ret_open, struct err *err)
{
	CLEANUP(payload_open_cleanup) struct payload_open *open = calloc(1, sizeof(*open));
	const struct payload_release release = {
		.resource = manifest_resource(manifest),
		.serial = manifest->serial,
	};
	int r;

	if (!open)
		return err_set(err, ERR_INTERNAL, "out of memory");
	if (secret_size(key) != PAYLOAD_KEY || manifest->plain_size > PAYLOAD_PLAIN_MAX ||
	    manifest->payload_size != payload_size(manifest->plain_size))
		return err_set(err, ERR_INVALID, "no payload has such a key or size");
	open->info.max = PAYLOAD_INFO_MAX;
	open->plain = manifest->plain_size;
	open->size = manifest->payload_size;
	r = payload_info(&release, &open->info, err);
	if (r == 0)
		r = secret_copy(secret_slice(key), &open->key, err);
	if (r == 0)
		*ret_open = TAKE(open);
	return r;
}

void payload_open_free(struct payload_open *open)
{
	if (!open)
		return;
	buf_fini(&open->info);
	secret_free(open->key);
	stream_free(open->stream);
	free(open);
}

static int open_stream(struct payload_open *open, struct err *err)
{
	const struct payload_binding binding = {
		.key = open->key, .info = buf_slice(&open->info), .header = open->header};
	struct payload_header header;
	int r = payload_header_read(open->header, &header, err);

	if (r == 0 && header.plain != open->plain)
		r = does_not_open(err);
	if (r == 0)
		r = payload_stream(&binding, &open->stream, err);
	secret_free(TAKE(open->key));
	return r;
}

static struct slice take(struct slice *bytes, size_t len)
{
	struct slice first = slice_of(bytes->data, len < bytes->len ? len : bytes->len);

	if (first.len > 0)
		*bytes = slice_of(bytes->data + first.len, bytes->len - first.len);
	return first;
}

static int take_header(struct payload_open *open, struct slice *payload, struct err *err)
{
	struct slice part = take(payload, PAYLOAD_HEADER - (size_t)open->at);

	if (part.len > 0)
		memcpy(open->header + open->at, part.data, part.len);
	open->at += part.len;
	return open->at == PAYLOAD_HEADER ? open_stream(open, err) : 0;
}

/* Sealed size of the chunk that begins at @at, an edge. */
static size_t chunk_size(const struct payload_open *open, uint64_t at)
{
	uint64_t left = open->size - at;

	return left < SEALED_CHUNK ? (size_t)left : SEALED_CHUNK;
}

/* Decrypts a whole chunk, which ends at @end, to the buffer's end. */
static int open_chunk(struct payload_open *open, struct slice sealed, uint64_t end,
		      struct buf *plain, struct err *err)
{
	size_t len = sealed.len - STREAM_TAG;
	size_t skip = (size_t)open->skip;
	uint8_t *out = buf_grow(plain, len);
	int r;

	if (!out)
		return err_set(err, ERR_TOO_LARGE, "no room for the opened data");
	r = stream_open_chunk(open->stream, sealed, end == open->size, out, err);
	if (r < 0)
		return r == ERR_DAMAGED ? does_not_open(err) : r;
	if (skip > 0) {
		memmove(out, out + skip, len - skip);
		wipe(out + len - skip, skip);
		plain->len -= skip;
		open->skip = 0;
	}
	return 0;
}

/* The chunk that is carried gets what it lacks. */
static int open_carried(struct payload_open *open, struct slice *payload, struct buf *plain,
			struct err *err)
{
	size_t whole = chunk_size(open, open->at - open->carried);
	struct slice part = take(payload, whole - open->carried);

	if (part.len > 0)
		memcpy(open->carry + open->carried, part.data, part.len);
	open->carried += part.len;
	open->at += part.len;
	if (open->carried < whole)
		return 0;
	open->carried = 0;
	return open_chunk(open, slice_of(open->carry, whole), open->at, plain, err);
}

static int open_chunks(struct payload_open *open, struct slice payload, struct buf *plain,
		       struct err *err)
{
	int r = 0;

	if (open->carried > 0)
		r = open_carried(open, &payload, plain, err);
	while (r == 0 && payload.len > 0 && payload.len >= chunk_size(open, open->at)) {
		struct slice sealed = take(&payload, chunk_size(open, open->at));

		open->at += sealed.len;
		r = open_chunk(open, sealed, open->at, plain, err);
	}
	return r < 0 || payload.len == 0 ? r : open_carried(open, &payload, plain, err);
}

/* What whole chunks there will be, so that a growing buffer is moved once at most. */
static int make_room(const struct payload_open *open, size_t len, struct buf *plain,
		     struct err *err)
{
	size_t before = plain->len;
	size_t sealed = open->carried + len;
	size_t chunks = sealed / SEALED_CHUNK;
	size_t rest = open->at + len == open->size ? sealed % SEALED_CHUNK : 0;
	size_t opened = chunks * STREAM_CHUNK + (rest > STREAM_TAG ? rest - STREAM_TAG : 0);

	if (!buf_grow(plain, opened))
		return err_set(err, ERR_TOO_LARGE, "no room for the opened data");
	plain->len = before;
	return 0;
}

static int open_some(struct payload_open *open, struct slice payload, struct buf *plain,
		     struct err *err)
{
	int r = 0;

	if (payload.len > open->size - open->at)
		return does_not_open(err);
	if (open->at < PAYLOAD_HEADER)
		r = take_header(open, &payload, err);
	if (r < 0 || payload.len == 0)
		return r;
	r = make_room(open, payload.len, plain, err);
	return r < 0 ? r : open_chunks(open, payload, plain, err);
}

int payload_open_seek(struct payload_open *open, uint64_t from, uint64_t *ret_at, struct err *err)
{
	uint64_t chunk = from / STREAM_CHUNK;
	int r;

	if (open->dead || open->sought || open->at != PAYLOAD_HEADER || from > open->plain)
		return err_set(err, ERR_INVALID,
			       "there is no such place in the payload, or not now");
	open->sought = true;
	if (from > 0 && from == open->plain) {
		open->at = *ret_at = open->size;
		return 0;
	}
	r = stream_open_from(open->stream, chunk, err);
	if (r < 0)
		return r;
	open->at = *ret_at = PAYLOAD_HEADER + chunk * SEALED_CHUNK;
	open->skip = from % STREAM_CHUNK;
	return 0;
}

int payload_open_add(struct payload_open *open, struct slice payload, struct buf *ret_plain,
		     struct err *err)
{
	size_t before = ret_plain->len;
	int r;

	if (open->dead)
		return err_set(err, ERR_INTERNAL, "the opening has ended");
	r = open_some(open, payload, ret_plain, err);
	if (r == 0)
		return 0;
	open->dead = true;
	if (ret_plain->len > before)
		wipe(ret_plain->data + before, ret_plain->len - before);
	ret_plain->len = before;
	return r;
}

int payload_open_end(struct payload_open *open, struct err *err)
{
	if (open->dead)
		return err_set(err, ERR_INTERNAL, "the opening has ended");
	open->dead = true;
	return open->at == open->size ? 0 : does_not_open(err);
}
