/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_COMPLETE_H
#define CMD_HOLDFAST_COMPLETE_H

/*
 * Complete: what cli_parse() does when a shell completes a line: it prints what the verb's table
 * offers (offer.h), and the verb has nothing more to do. The names of keys and the like are asked
 * of the service, which has a second for it; when it cannot tell, there are none.
 */

#include "cmd/holdfast/cli.h"
#include "cmd/holdfast/offer.h"

/* Prints the offers for the last one of @words. Returns CLI_DONE, whatever happens. */
int complete_print(struct cli *cli, const struct opt_table *tables, size_t table_count,
		   struct opt_words words);

/* Prints @offers and ends with them. */
int complete_end(const struct cli *cli, struct offers *offers);

/* Rows of tables: their member offer. */
void complete_files(struct cli *cli, struct offers *offers);
void complete_keys(struct cli *cli, struct offers *offers);
void complete_secrets(struct cli *cli, struct offers *offers);
void complete_aiks(struct cli *cli, struct offers *offers);
/* For administrators, in complete_admin.c. */
void complete_tenants(struct cli *cli, struct offers *offers);
void complete_fapi_paths(struct cli *cli, struct offers *offers);

/* hf_name_fn; @arg are the offers. */
int complete_name(void *arg, const char *name);

#define COMPLETE_TIMEOUT_MS 1000u

#endif
