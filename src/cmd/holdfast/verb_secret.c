/* SPDX-License-Identifier: Apache-2.0 */
/* Named secrets; storing and fetching them is seal --name and unseal --name. */
#include "base/mem.h"
#include "cmd/holdfast/complete.h"
#include "cmd/holdfast/names.h"
#include "cmd/holdfast/verb.h"

int verb_secret_list(struct cli *cli, struct opt_words words)
{
	int r = cli_parse(cli, NULL, 0, words);

	return r >= 0 ? r : names_print(cli, "secrets", hf_secret_list);
}

int verb_secret_delete(struct cli *cli, struct opt_words words)
{
	const char *name = NULL;
	const struct opt opts[] = {
		{.kind = OPT_ARGUMENT,
		 .name = "NAME",
		 .help = "the secret's name",
		 .required = true,
		 .text = &name,
		 .is_name = true,
		 .offer = complete_secrets},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r >= 0)
		return r;
	return hf_secret_delete(cli->hf, name) < 0 ? cli_fail_hf(cli) : cli_deleted(cli, name);
}
