/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/complete.h"

#include "base/mem.h"

int complete_name(void *arg, const char *name)
{
	offer_word(arg, name, NULL);
	return 0;
}

static int add_aik(void *arg, const struct hf_aik *aik)
{
	offer_word(arg, aik->name, aik->type);
	return 0;
}

void complete_files(struct cli *cli, struct offers *offers)
{
	(void)cli;
	offer_path(offers, false);
}

void complete_keys(struct cli *cli, struct offers *offers)
{
	(void)hf_key_list(cli->hf, complete_name, offers);
}

void complete_secrets(struct cli *cli, struct offers *offers)
{
	(void)hf_secret_list(cli->hf, complete_name, offers);
}

void complete_aiks(struct cli *cli, struct offers *offers)
{
	(void)hf_aik_list(cli->hf, add_aik, offers);
}

int complete_end(const struct cli *cli, struct offers *offers)
{
	if (buf_ok(&offers->out))
		(void)cli_print(cli, &offers->out);
	buf_fini(&offers->out);
	return CLI_DONE;
}

int complete_print(struct cli *cli, const struct opt_table *tables, size_t table_count,
		   struct opt_words words)
{
	struct offers offers = OFFERS_INIT(words.words[words.count - 1]);
	const struct opt *opt = offer_opts(&offers, tables, table_count, words);

	if (opt && hf_open(cli->socket, &cli->hf) == 0) {
		hf_set_timeout_ms(cli->hf, COMPLETE_TIMEOUT_MS);
		opt->offer(cli, &offers);
	}
	return complete_end(cli, &offers);
}
