/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing and unsealing piece by piece. What is at hand at once is one piece, in memory that is
 * wiped; a body that fits into it is an ordinary request, which states its length and can be
 * repeated. Plaintext goes to the caller as it arrives: the service checks each part before it
 * sends it, but a later part may turn out damaged, and then it breaks off.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "client/call.h"

#define PIECE_SIZE 65536u
#define FRAME_HEAD 8u /* "10000\r\n" and one to spare */
#define FRAME_TAIL 7u /* "\r\n0\r\n\r\n" */

/* Far over what the service streams today, so that a later release may raise its limit. */
#define ANSWER_MAX ((uint64_t)1 << 40)

static const char REMEDY_DAMAGED[] =
	"Discard what came. Look whether holdfastd still runs; if it does, the blob is damaged: "
	"take an undamaged copy from your backup.";
static const char REMEDY_TOO_MUCH[] =
	"Check that it is a whole blob, or data within the limits, and that holdfastd still runs.";
static const char REMEDY_LENGTH[] = "Repeat when nobody changes the input meanwhile.";

struct stream {
	struct hf *hf;
	const struct hf_stream *io;
	struct call call;
	struct call_stream body;
	uint64_t max;	/* bytes that may be given; UINT64_MAX when it is a blob that is opened */
	uint64_t given; /* bytes that the caller's function gave */
	bool ended;	/* it said so */
	bool begun;	/* the caller got bytes of an answer */
	int stopped;	/* not 0: what a function of the caller ended the call with */
	uint8_t frame[FRAME_HEAD + PIECE_SIZE + FRAME_TAIL];
};

static void stream_free(struct stream *stream)
{
	if (stream)
		wipe(stream, sizeof(*stream));
	free(stream);
}
MEM_DEFINE_CLEANUP(stream)

static int stop(struct stream *stream, int result, struct err *err)
{
	stream->stopped = result;
	return err_set(err, ERR_INTERNAL, "the caller ended it");
}

/* --- what goes out --- */

/* The service can refuse what it knows from the head only; later it just breaks off. */
static int check_max(const struct stream *stream, uint64_t len, struct err *err)
{
	if (len <= stream->max)
		return 0;
	return err_set(err, ERR_TOO_LARGE, "the input is over the limit of %u MiB of plaintext",
		       HF_SEAL_MAX >> 20);
}

static int changed_length(const struct stream *stream, struct err *err)
{
	(void)err_set(err, ERR_INVALID, "the input is %s than was stated",
		      stream->given > stream->io->total ? "longer" : "shorter");
	return err_add_remedy(err, REMEDY_LENGTH);
}

/* Once more from the caller: up to @room bytes to @data. */
static int read_some(struct stream *stream, uint8_t *data, size_t room, size_t *ret_len,
		     struct err *err)
{
	size_t len = 0;
	int r = stream->io->read(stream->io->arg, data, room, &len);

	if (r != 0)
		return stop(stream, r, err);
	if (len > room)
		return err_set(err, ERR_INVALID, "the input gave more bytes than there is room");
	stream->given += len;
	stream->ended = len == 0;
	*ret_len = len;
	return check_max(stream, stream->given, err);
}

/* The service works once it has all bytes, so the last ones wait for the end of the input. */
static int check_total(struct stream *stream, struct err *err)
{
	uint64_t total = stream->io->total;
	uint8_t surplus;
	size_t len = 0;
	int r = 0;

	if (total == HF_TOTAL_UNKNOWN)
		return 0;
	if (stream->given == total && !stream->ended)
		r = read_some(stream, &surplus, 1, &len, err);
	if (r == 0 && (stream->given > total || (stream->ended && stream->given < total)))
		r = changed_length(stream, err);
	return r;
}

/* Returns the end of what it copies. */
static uint8_t *append(uint8_t *at, struct slice bytes)
{
	memcpy(at, bytes.data, bytes.len);
	return at + bytes.len;
}

/* Makes @len bytes at their place in the frame a piece of the body. */
static struct slice frame_piece(struct stream *stream, size_t len)
{
	uint8_t *start = stream->frame + FRAME_HEAD;
	uint8_t *end = start + len;
	char size[FRAME_HEAD + 1];

	if (!stream->body.chunked)
		return slice_of(start, len);
	if (len > 0) {
		(void)snprintf(size, sizeof(size), "%x\r\n", (unsigned)len & 0xfffffu);
		start -= strlen(size);
		(void)append(start, slice_str(size));
		end = append(end, slice_str("\r\n"));
	}
	if (stream->ended)
		end = append(end, slice_str("0\r\n\r\n"));
	return slice_of(start, (size_t)(end - start));
}

/* conn_source: what the caller gives at once, since it may come from a slow place. */
static int next_piece(void *arg, struct slice *ret_piece, struct err *err)
{
	struct stream *stream = arg;
	size_t len = 0;
	int r = 0;

	stream->body.moved = true;
	*ret_piece = slice_of(NULL, 0);
	if (stream->ended)
		return 0;
	r = read_some(stream, stream->frame + FRAME_HEAD, PIECE_SIZE, &len, err);
	if (r == 0)
		r = check_total(stream, err);
	if (r == 0)
		*ret_piece = frame_piece(stream, len);
	return r;
}

/* Fills the first piece, before anything is sent; a body that ends in it has a known length. */
static int first_piece(struct stream *stream, struct err *err)
{
	uint8_t *data = stream->frame + FRAME_HEAD;
	size_t used = 0, len = 0;
	int r = 0;

	if (stream->io->total != HF_TOTAL_UNKNOWN)
		r = check_max(stream, stream->io->total, err);
	while (r == 0 && !stream->ended && used < PIECE_SIZE) {
		r = read_some(stream, data + used, PIECE_SIZE - used, &len, err);
		used += len;
	}
	if (r == 0)
		r = check_total(stream, err);
	if (r < 0)
		return r;
	stream->body.length = stream->ended ? used : stream->io->total;
	stream->body.chunked = !stream->ended && stream->io->total == HF_TOTAL_UNKNOWN;
	if (!stream->ended)
		stream->body.source = (struct conn_source){.next = next_piece, .arg = stream};
	stream->call.body = frame_piece(stream, used);
	return 0;
}

/* --- what comes in --- */

static int take_piece(void *arg, const struct http_head *head, struct slice bytes, struct err *err)
{
	struct stream *stream = arg;
	int r;

	/* Of another type: it is swallowed here, and call_run() says so. */
	if (!call_type_fits(&stream->call, head))
		return 0;
	stream->begun = true;
	r = stream->io->write(stream->io->arg, bytes.data, bytes.len);
	return r != 0 ? stop(stream, r, err) : 0;
}

/*
 * A break in the middle of plaintext is how the service tells that the rest is not good, and one
 * in the middle of a body that it will not take more. What is opened has no limit here: the
 * service knows what a blob has beside plaintext.
 */
static int explain_break(struct stream *stream, int r)
{
	struct hf *hf = stream->hf;

	if (r == 0 || !stream->body.broken)
		return r;
	if (!stream->ended) {
		(void)err_set(&hf->err, r,
			      "the service broke off while it got the data: it may be too much");
		return err_add_remedy(&hf->err, REMEDY_TOO_MUCH);
	}
	if (!stream->begun || stream->max != UINT64_MAX)
		return r;
	(void)err_set(&hf->err, r,
		      "the service broke off in the middle of the data: the blob may be damaged");
	return err_add_remedy(&hf->err, REMEDY_DAMAGED);
}

static int run(struct stream *stream)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	struct hf *hf = stream->hf;
	int r;

	r = first_piece(stream, &hf->err);
	if (r == 0) {
		call_set_deadline(hf);
		r = call_run(hf, &stream->call, &answer);
	}
	if (stream->stopped != 0) {
		hf->err = (struct err){0};
		hf->protection = "";
		return stream->stopped;
	}
	return explain_break(stream, r);
}

static int stream_call(struct hf *hf, const char *path, uint64_t max, const struct hf_stream *io)
{
	CLEANUP(stream_cleanup) struct stream *stream = NULL;

	call_begin(hf);
	if (!io || !io->read || !io->write)
		return err_set(&hf->err, ERR_INVALID, "a function of the stream is missing");
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return err_set(&hf->err, ERR_INTERNAL, "memory is short");
	stream->hf = hf;
	stream->io = io;
	stream->max = max;
	stream->body.sink =
		(struct http_sink){.take = take_piece, .arg = stream, .max = ANSWER_MAX};
	stream->call = (struct call){
		.method = "POST",
		.path = path,
		.content_type = CALL_OCTETS,
		.accept = CALL_OCTETS,
		.repeatable = true,
		.answer_max = CALL_ANSWER_SPARE,
		.stream = &stream->body,
	};
	return run(stream);
}

int hf_seal_stream(struct hf *hf, const struct hf_stream *stream)
{
	return stream_call(hf, "/v1/seal", HF_SEAL_MAX, stream);
}

int hf_unseal_stream(struct hf *hf, const struct hf_stream *stream)
{
	return stream_call(hf, "/v1/unseal", UINT64_MAX, stream);
}
