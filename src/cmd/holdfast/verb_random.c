/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes from the provider, in a form that a terminal or a file can take. */
#include "base/base64.h"
#include "base/mem.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/verb.h"

#define TEXT_MAX (3u * HF_RANDOM_MAX)

static int print_text(const struct cli *cli, struct slice bytes, bool base64)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);

	if (base64)
		base64_encode(&out, bytes);
	else
		hex_encode(&out, bytes);
	buf_put_u8(&out, '\n');
	return cli_print(cli, &out);
}

int verb_random(struct cli *cli, struct opt_words words)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(HF_RANDOM_MAX);
	const char *count = NULL;
	bool hex = false, base64 = false;
	const struct opt opts[] = {
		{.kind = OPT_ARGUMENT,
		 .name = "N",
		 .help = "how many bytes, 1 to 65536",
		 .required = true,
		 .text = &count},
		{.kind = OPT_FLAG,
		 .name = "hex",
		 .help = "print hexadecimal, as a terminal gets it always; default: raw bytes",
		 .flag = &hex},
		{.kind = OPT_FLAG, .name = "base64", .help = "print base64", .flag = &base64},
	};
	struct cli_result result = {.member = "data"};
	uint64_t n = 0;
	struct err err;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	if (hex && base64)
		r = err_set(&err, ERR_INVALID, "--hex does not go with --base64");
	else
		r = opt_number(count, "N", 1, HF_RANDOM_MAX, &n, &err);
	if (r < 0)
		return cli_usage(cli, &err);
	if (!buf_grow(&bytes, (size_t)n))
		return cli_end(cli, err_set(&err, ERR_INTERNAL, "memory is short"), &err);
	if (hf_random(cli->hf, bytes.data, bytes.len) < 0)
		return cli_fail_hf(cli);
	if (!cli->json && (hex || base64 || io_is_terminal(NULL)))
		return print_text(cli, buf_slice(&bytes), base64);
	result.bytes = buf_slice(&bytes);
	return cli_put_result(cli, NULL, &result);
}
