/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_VERB_H
#define CMD_HOLDFAST_VERB_H

/*
 * What the verbs run; one file per group. Each takes its words and returns an exit code. The sets
 * are all that links a verb into a program: one that leaves a set out needs none of its files.
 */

#include <stddef.h>

#include "cmd/holdfast/cli.h"

struct verb_set {
	const struct verb *verbs;
	size_t count;
};

extern const struct verb_set VERBS_COMMON;
extern const struct verb_set VERBS_CRYPTO;  /* verb_sign.c, verb_verify.c: they need libcrypto */
extern const struct verb_set VERBS_MESSAGE; /* in its place where there is none */
extern const struct verb_set VERBS_HOST;

/* Options that several verbs have; @what is a string that goes into the sentence. */
#define VERB_OPT_IN(what, target)                                                                  \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "in", .value = "FILE",                                   \
		.help = what "; default: standard input", .text = (target)                         \
	}
#define VERB_OPT_OUT(what, target)                                                                 \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "out", .value = "FILE",                                  \
		.help = "where " what " goes; default: standard output", .text = (target)          \
	}

int verb_status(struct cli *cli, struct opt_words words);
int verb_usage(struct cli *cli, struct opt_words words);

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
int verb_key_csr(struct cli *cli, struct opt_words words);

int verb_decrypt(struct cli *cli, struct opt_words words);
int verb_agree(struct cli *cli, struct opt_words words);
int verb_mac(struct cli *cli, struct opt_words words);

int verb_aik_create(struct cli *cli, struct opt_words words);
int verb_aik_list(struct cli *cli, struct opt_words words);
int verb_aik_public(struct cli *cli, struct opt_words words);
int verb_aik_delete(struct cli *cli, struct opt_words words);
int verb_aik_quote(struct cli *cli, struct opt_words words);
int verb_aik_certify(struct cli *cli, struct opt_words words);
int verb_aik_sign(struct cli *cli, struct opt_words words);
int verb_aik_activate(struct cli *cli, struct opt_words words);

int verb_ek(struct cli *cli, struct opt_words words);
int verb_pcr(struct cli *cli, struct opt_words words);
int verb_eventlog(struct cli *cli, struct opt_words words);

int verb_sign(struct cli *cli, struct opt_words words);
int verb_sign_message(struct cli *cli, struct opt_words words);
int verb_verify(struct cli *cli, struct opt_words words);
int verb_aik_verify(struct cli *cli, struct opt_words words);

int verb_fapi_probe(struct cli *cli, struct opt_words words);
int verb_fapi_provision(struct cli *cli, struct opt_words words);
int verb_fapi_seal(struct cli *cli, struct opt_words words);
int verb_fapi_list(struct cli *cli, struct opt_words words);
int verb_fapi_delete(struct cli *cli, struct opt_words words);

int verb_tpm_accept(struct cli *cli, struct opt_words words);

int verb_tenant_add(struct cli *cli, struct opt_words words);
int verb_tenant_list(struct cli *cli, struct opt_words words);
int verb_tenant_show(struct cli *cli, struct opt_words words);
int verb_tenant_remove(struct cli *cli, struct opt_words words);

int verb_doctor(struct cli *cli, struct opt_words words);

int verb_random(struct cli *cli, struct opt_words words);

#endif
