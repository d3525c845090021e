/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An error of our own, of input or output, ends the library's call and is told in its place. An
 * output file has no name before all is in it; what already went to standard output cannot be
 * taken back, so the message says that it is not whole.
 */
#include "cmd/holdfast/flow.h"

#include <unistd.h>

#include "base/mem.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/progress.h"

/* Below that the library finds out the length itself, and files of the kernel lie about theirs. */
#define TOTAL_LEAST 65536u

enum { STOPPED = 1 };

struct flowing {
	struct io_in in;
	struct io_out out;
	struct progress progress;
	struct err err; /* ours */
};

static void flowing_fini(struct flowing *flowing)
{
	io_in_fini(&flowing->in);
	io_out_fini(&flowing->out);
}

static int flow_read(void *arg, void *data, size_t room, size_t *ret_len)
{
	struct flowing *flowing = arg;

	if (io_in_read(&flowing->in, data, room, ret_len, &flowing->err) < 0)
		return STOPPED;
	progress_move(&flowing->progress, *ret_len, 0);
	return 0;
}

static int flow_write(void *arg, const void *data, size_t len)
{
	struct flowing *flowing = arg;

	if (io_out_write(&flowing->out, slice_of(data, len), &flowing->err) < 0)
		return STOPPED;
	progress_move(&flowing->progress, 0, len);
	return 0;
}

static int begin(struct flowing *flowing, const struct flow *flow)
{
	bool busy;
	int r;

	r = io_in_open(&flowing->in, flow->in, &flowing->err);
	if (r == 0)
		r = io_out_open(&flowing->out, flow->out, &flowing->err);
	if (r < 0)
		return r;
	/* A terminal that is typed at or written to has no room for the line. */
	busy = isatty(flowing->in.fd) == 1 || io_is_terminal(flow->out);
	progress_begin(&flowing->progress, flow->label, flowing->in.size, !busy);
	return 0;
}

/* The service's error, as it concerns somebody who has part of the output already. */
static int fail_call(const struct cli *cli, const struct flow *flow, const struct flowing *flowing)
{
	struct err err;

	(void)err_set(&err, hf_error_code(cli->hf), "%s", hf_error_text(cli->hf));
	(void)err_add_remedy(&err, hf_error_remedy(cli->hf));
	if (err.code == ERR_TOO_LARGE && flow->remedy_too_large)
		(void)err_add_remedy(&err, flow->remedy_too_large);
	if (!flowing->out.held_back)
		(void)err_wrap(&err, "the output is not whole, discard it");
	return cli_fail(cli, &err);
}

int flow_run(const struct cli *cli, const struct flow *flow)
{
	CLEANUP(flowing_fini) struct flowing flowing = {.in = IO_IN_INIT, .out = IO_OUT_INIT};
	struct hf_stream stream = {
		.read = flow_read,
		.write = flow_write,
		.arg = &flowing,
		.total = HF_TOTAL_UNKNOWN,
	};
	int r;

	if (begin(&flowing, flow) < 0)
		return cli_fail(cli, &flowing.err);
	if (flowing.in.size > TOTAL_LEAST)
		stream.total = flowing.in.size;
	r = flow->call(cli->hf, &stream);
	progress_end(&flowing.progress);
	if (r < 0)
		return fail_call(cli, flow, &flowing);
	if (r == 0)
		r = io_out_finish(&flowing.out, &flowing.err);
	return r != 0 ? cli_fail(cli, &flowing.err) : CLI_DONE;
}
