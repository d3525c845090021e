/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in a program without libcrypto: the message itself travels, and the service hashes it. */
#include "base/mem.h"
#include "cmd/holdfast/io.h"
#include "cmd/holdfast/sign.h"
#include "cmd/holdfast/verb.h"

int verb_sign_message(struct cli *cli, struct opt_words words)
{
	CLEANUP(buf_fini) struct buf message = BUF_INIT(HF_MESSAGE_MAX);
	struct sign_options options = {0};
	struct hf_sign request;
	struct err err;
	void *signature;
	size_t len;
	int r;

	r = sign_parse(cli, words, &options);
	if (r >= 0)
		return r;
	if (io_read(options.in, &message, &err) < 0)
		return cli_fail(cli, &err);
	request = (struct hf_sign){
		.key = options.key,
		.hash = options.hash,
		.scheme = options.scheme,
		.format = options.format,
	};
	if (hf_sign_message(cli->hf, &request, buf_slice(&message).data, message.len, &signature,
			    &len) < 0)
		return cli_fail_hf(cli);
	return sign_print(cli, &options, signature, len);
}
