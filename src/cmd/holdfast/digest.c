/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/digest.h"

#include "cmd/holdfast/io.h"

static int add_piece(void *arg, struct slice piece, struct err *err)
{
	return hash_stream_add(arg, piece, err);
}

int digest_input(const struct sign_options *options, struct digest *ret_digest, struct err *err)
{
	CLEANUP(hash_stream_cleanup) struct hash_stream *stream = NULL;
	int r;

	r = hash_of_name(options->hash ? options->hash : "sha256", &ret_digest->alg, err);
	if (r == 0)
		r = hash_stream_new(ret_digest->alg, &stream, err);
	if (r == 0)
		r = io_each(options->in, add_piece, stream, err);
	if (r == 0)
		r = hash_stream_end(stream, ret_digest->bytes, err);
	return r;
}
