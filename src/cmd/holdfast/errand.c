/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/errand.h"

#include <string.h>

#include "base/mem.h"
#include "cmd/holdfast/admin.h"
#include "cmd/holdfast/io.h"

static int read_input(const struct errand *errand, struct buf *input, struct err *err)
{
	if (errand->in_max == 0)
		return 0;
	return errand->text ? io_read_text(errand->in, errand->text, input, err)
			    : io_read(errand->in, input, err);
}

int errand_text(int r, char *take_text, void **ret_data, size_t *ret_len)
{
	if (r < 0)
		return r;
	*ret_data = take_text;
	*ret_len = strlen(take_text);
	return 0;
}

int errand_put(const struct cli *cli, const struct errand *errand, void *take_data, size_t len)
{
	const char *json = hf_answer_json(cli->hf);
	const struct cli_result result = {
		.member = errand->member,
		.bytes = slice_of(take_data, len),
		.is_text = errand->answer_is_text,
		.json = json[0] ? json : NULL,
	};
	int r = cli_put_result(cli, errand->out, &result);

	hf_free(take_data);
	return r;
}

int errand_run(struct cli *cli, const struct opt *opts, size_t count, struct opt_words words,
	       const struct errand *errand)
{
	CLEANUP(buf_fini) struct buf input = BUF_INIT(0);
	void *data = NULL;
	size_t len = 0;
	struct err err;
	int r;

	r = errand->is_admin ? admin_parse(cli, opts, count, words)
			     : cli_parse(cli, opts, count, words);
	if (r >= 0)
		return r;
	input.max = errand->in_max;
	if (read_input(errand, &input, &err) < 0)
		return cli_fail(cli, &err);
	if (errand->ask(cli->hf, errand->arg, buf_slice(&input), &data, &len) < 0)
		return cli_fail_hf(cli);
	return errand->put ? errand->put(cli, errand, data, len)
			   : errand_put(cli, errand, data, len);
}
