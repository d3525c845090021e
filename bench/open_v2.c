/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A payload of version 2, opened as the loader does it: its digest first, then all chunks, in
 * pieces of its size, the plaintext thrown away.
 *
 *   open_v2 BYTES FILE	operations: memory file
 *
 * At its start it seals so many bytes, into memory and FILE.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "artifact/payload.h"
#include "bench/bench.h"
#include "crypto/hash.h"

#define PIECE (256u * 1024u)

struct opening {
	struct secret *key;
	struct manifest manifest;
	struct buf payload; /* all of it */
	const char *file;
	int fd; /* -1: from memory */
	uint8_t piece[PIECE];
	struct buf plain;
};

/* Up to a piece from @at on; an empty one at the end. */
static struct slice piece_at(struct opening *opening, uint64_t at)
{
	uint64_t left = opening->manifest.payload_size - at;
	size_t len = left < PIECE ? (size_t)left : PIECE;
	ssize_t n;

	if (opening->fd < 0)
		return slice_of(opening->payload.data + at, len);
	n = pread(opening->fd, opening->piece, len, (off_t)at);
	return slice_of(opening->piece, n > 0 ? (size_t)n : 0);
}

static int check_digest(struct opening *opening, struct err *err)
{
	CLEANUP(hash_stream_cleanup) struct hash_stream *hash = NULL;
	uint8_t digest[MANIFEST_DIGEST];
	uint64_t at = 0;
	int r = hash_stream_new(HASH_SHA256, &hash, err);

	while (r == 0 && at < opening->manifest.payload_size) {
		struct slice piece = piece_at(opening, at);

		r = hash_stream_add(hash, piece, err);
		at += piece.len;
	}
	if (r == 0)
		r = hash_stream_end(hash, digest, err);
	if (r == 0 && !slice_equal(slice_of(digest, sizeof(digest)),
				   slice_of(opening->manifest.payload_digest, MANIFEST_DIGEST)))
		r = err_set(err, ERR_DAMAGED, "another digest");
	return r;
}

static int open_all(struct opening *opening, struct err *err)
{
	CLEANUP(payload_open_cleanup) struct payload_open *open = NULL;
	uint64_t at = 0;
	int r = payload_open_new(opening->key, &opening->manifest, &open, err);

	while (r == 0 && at < opening->manifest.payload_size) {
		struct slice piece = piece_at(opening, at);

		buf_reset(&opening->plain);
		r = payload_open_add(open, piece, &opening->plain, err);
		at += piece.len;
	}
	return r < 0 ? r : payload_open_end(open, err);
}

static int run(void *arg)
{
	struct err err = {0};
	int r = check_digest(arg, &err);

	if (r == 0)
		r = open_all(arg, &err);
	return r < 0 ? bench_say("%s", err.text) : 0;
}

static int begin_file(void *arg)
{
	struct opening *opening = arg;

	opening->fd = open(opening->file, O_RDONLY | O_CLOEXEC);
	return opening->fd < 0 ? bench_say("cannot open %s", opening->file) : 0;
}

static void end_file(void *arg)
{
	struct opening *opening = arg;

	close(opening->fd);
	opening->fd = -1;
}

static int seal(struct opening *opening, struct err *err)
{
	CLEANUP(payload_seal_cleanup) struct payload_seal *seal = NULL;
	struct manifest *manifest = &opening->manifest;
	const struct payload_release release = {
		.resource = {slice_str(manifest->folder), slice_str(manifest->name)},
		.serial = manifest->serial,
	};
	uint64_t left = manifest->plain_size;
	int r = payload_seal_new(opening->key, &release, left, &seal, err);

	for (; r == 0 && left > 0; left -= left < PIECE ? left : PIECE)
		r = payload_seal_add(seal,
				     slice_of(opening->piece, left < PIECE ? (size_t)left : PIECE),
				     &opening->payload, err);
	return r < 0 ? r : payload_seal_end(seal, &opening->payload, manifest->payload_digest, err);
}

static void write_file(const struct opening *opening)
{
	int fd = open(opening->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t at = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && at < opening->payload.len) {
		n = write(fd, opening->payload.data + at, opening->payload.len - at);
		at += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || at < opening->payload.len || close(fd) < 0)
		bench_die("cannot write %s", opening->file);
}

int main(int argc, char **argv)
{
	static struct opening opening = {
		.manifest = {.folder = "models", .name = "bench", .serial = 1},
		.plain = BUF_INIT(PIECE + PAYLOAD_GROWTH),
		.fd = -1,
	};
	const struct bench_op ops[] = {
		{"memory", NULL, run, NULL, &opening},
		{"file", begin_file, run, end_file, &opening},
	};
	struct err err = {0};

	if (argc != 3)
		bench_die("usage: open_v2 BYTES FILE");
	opening.manifest.plain_size = strtoull(argv[1], NULL, 10);
	opening.manifest.payload_size = payload_size(opening.manifest.plain_size);
	opening.payload.max = (size_t)opening.manifest.payload_size;
	opening.file = argv[2];
	if (secret_new(PAYLOAD_KEY, &opening.key, &err) < 0 || seal(&opening, &err) < 0)
		bench_die("%s", err.text);
	write_file(&opening);
	return bench_serve(ops, ARRAY_LEN(ops));
}
