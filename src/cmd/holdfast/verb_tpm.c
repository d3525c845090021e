/* SPDX-License-Identifier: Apache-2.0 */
/* A TPM that is another one than before is only used once somebody said that this is meant. */
#include <jansson.h>

#include "base/mem.h"
#include "cmd/holdfast/admin.h"
#include "cmd/holdfast/verb.h"

static const char MEANING[] =
	"This accepts the TPM that is in the device now, in the place of the one that the\n"
	"service knew. What the service seals and creates from now on belongs to this TPM.\n"
	"What was sealed with the other one, and the keys in it, stay closed on this one;\n"
	"they open again only when the other one is put back.\n";

static void put_accepted(struct buf *out, const json_t *object)
{
	const json_t *previous = json_object_get(object, "previous");

	buf_put_str(out, "The TPM is accepted.\n");
	admin_put_text(out, "previous SRK", previous, "srk");
	admin_put_text(out, "previous HSK", previous, "hsk");
	admin_put_text(out, "SRK", object, "srk");
	admin_put_text(out, "HSK", object, "hsk");
	admin_put_text(out, "old state kept as", object, "kept_as");
}

int verb_tpm_accept(struct cli *cli, struct opt_words words)
{
	bool yes = false;
	const struct opt opts[] = {
		{.kind = OPT_FLAG,
		 .name = "yes",
		 .help = "do not ask; needed where there is no terminal",
		 .flag = &yes},
	};
	char *json;
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	if (r < 0 && !yes)
		r = admin_confirm(cli, MEANING);
	if (r < 0)
		r = admin_open(cli);
	if (r >= 0)
		return r;
	if (hf_tpm_accept_json(cli->hf, &json) < 0)
		return cli_fail_hf(cli);
	return cli_print_answer(cli, json, put_accepted);
}
