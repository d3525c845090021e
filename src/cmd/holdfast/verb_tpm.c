/* SPDX-License-Identifier: Apache-2.0 */
/* A TPM that is another one than before is only used once somebody said that this is meant. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/holdfast/admin.h"
#include "cmd/holdfast/verb.h"

#define ANSWER_SIZE 16u

static const char MEANING[] =
	"This accepts the TPM that is in the device now, in the place of the one that the\n"
	"service knew. What the service seals and creates from now on belongs to this TPM.\n"
	"What was sealed with the other one, and the keys in it, stay closed on this one;\n"
	"they open again only when the other one is put back.\n";

/* A person is asked where there is one; a script has to say that it means it. */
static int confirm(const struct cli *cli)
{
	char answer[ANSWER_SIZE] = "";
	struct err err;

	if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
		(void)err_set(&err, ERR_INVALID, "there is no terminal to ask on: --yes is needed");
		return cli_usage(cli, &err);
	}
	(void)fprintf(stderr, "%sType yes to go on: ", MEANING);
	(void)fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0)
		return -1;
	(void)fputs("Nothing was changed.\n", stderr);
	return CLI_FAILED;
}

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
		r = confirm(cli);
	if (r < 0)
		r = admin_open(cli);
	if (r >= 0)
		return r;
	if (hf_tpm_accept_json(cli->hf, &json) < 0)
		return cli_fail_hf(cli);
	return admin_print(cli, json, put_accepted);
}
