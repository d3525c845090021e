/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_VERB_H
#define CMD_HOLDFAST_VERB_H

/* What the verbs run; one file per group. Each takes its words and returns an exit code. */

#include "cmd/holdfast/cli.h"

int verb_status(struct cli *cli, struct opt_words words);

int verb_seal(struct cli *cli, struct opt_words words);
int verb_unseal(struct cli *cli, struct opt_words words);

int verb_secret_list(struct cli *cli, struct opt_words words);
int verb_secret_delete(struct cli *cli, struct opt_words words);

int verb_key_create(struct cli *cli, struct opt_words words);
int verb_key_list(struct cli *cli, struct opt_words words);
int verb_key_public(struct cli *cli, struct opt_words words);
int verb_key_delete(struct cli *cli, struct opt_words words);
int verb_key_import(struct cli *cli, struct opt_words words);
int verb_key_export(struct cli *cli, struct opt_words words);

int verb_sign(struct cli *cli, struct opt_words words);
int verb_verify(struct cli *cli, struct opt_words words);

int verb_fapi_probe(struct cli *cli, struct opt_words words);
int verb_fapi_provision(struct cli *cli, struct opt_words words);
int verb_fapi_seal(struct cli *cli, struct opt_words words);
int verb_fapi_list(struct cli *cli, struct opt_words words);
int verb_fapi_delete(struct cli *cli, struct opt_words words);

int verb_tpm_accept(struct cli *cli, struct opt_words words);

int verb_doctor(struct cli *cli, struct opt_words words);

int verb_random(struct cli *cli, struct opt_words words);

#endif
