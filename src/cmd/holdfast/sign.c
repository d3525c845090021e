/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/sign.h"
#include "cmd/holdfast/complete.h"

#include "base/mem.h"

int sign_parse(struct cli *cli, struct opt_words words, struct sign_options *options)
{
	const struct opt opts[] = {
		{.kind = OPT_TEXT,
		 .name = "key",
		 .value = "NAME",
		 .help = "the key to sign with",
		 .required = true,
		 .text = &options->key,
		 .is_name = true,
		 .offer = complete_keys},
		{.kind = OPT_TEXT,
		 .name = "out",
		 .value = "FILE",
		 .help = "where the signature goes; default: standard output",
		 .text = &options->out},
		SIGN_OPT_INPUT(*options),
	};

	return cli_parse(cli, opts, ARRAY_LEN(opts), words);
}

int sign_print(const struct cli *cli, const struct sign_options *options, void *take_signature,
	       size_t len)
{
	const struct cli_result result = {
		.member = "signature",
		.bytes = slice_of(take_signature, len),
		.json = hf_answer_json(cli->hf),
	};
	int r = cli_put_result(cli, options->out, &result);

	hf_free(take_signature);
	return r;
}
