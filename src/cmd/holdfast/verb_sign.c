/* SPDX-License-Identifier: Apache-2.0 */
/* The input is hashed here, whatever its size; only the digest travels. */
#include "base/mem.h"
#include "cmd/holdfast/digest.h"
#include "cmd/holdfast/verb.h"

static int sign_digest(const struct cli *cli, const struct sign_options *options,
		       const struct digest *digest)
{
	const struct hf_sign request = {
		.key = options->key,
		.hash = hash_name(digest->alg),
		.scheme = options->scheme,
		.format = options->format,
		.digest = digest->bytes,
		.digest_len = hash_size(digest->alg),
	};
	void *signature;
	size_t len;

	if (hf_sign_digest(cli->hf, &request, &signature, &len) < 0)
		return cli_fail_hf(cli);
	return sign_print(cli, options, signature, len);
}

int verb_sign(struct cli *cli, struct opt_words words)
{
	struct sign_options options = {0};
	struct digest digest = {.alg = HASH_SHA256};
	struct err err;
	int r;

	r = sign_parse(cli, words, &options);
	if (r >= 0)
		return r;
	if (digest_input(&options, &digest, &err) < 0)
		return cli_fail(cli, &err);
	return sign_digest(cli, &options, &digest);
}
