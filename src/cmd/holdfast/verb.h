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

#define VERB_OPT_PURPOSE(target)                                                                   \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "purpose", .value = "WORD",                              \
		.help = "what the signature is for, 1 to 64 of A-Z a-z 0-9 . _ -: it is part of "  \
			"what is signed",                                                          \
		.required = true, .text = (target)                                                 \
	}

/*
 * Of verbs that verify, in verb_verify.c. Only one of their inputs can be standard input; @key may
 * be NULL: there is none. An exit code, CLI_DONE to go on.
 */
int verb_check_inputs(const struct cli *cli, const char *in, const char *signature,
		      const char *key);
int verb_print_good(const struct cli *cli);

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
int verb_key_file(struct cli *cli, struct opt_words words);
int verb_device_key_file(struct cli *cli, struct opt_words words);

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

int verb_device_status(struct cli *cli, struct opt_words words);
int verb_device_sign(struct cli *cli, struct opt_words words);
int verb_device_certificate(struct cli *cli, struct opt_words words);
int verb_device_storage_key(struct cli *cli, struct opt_words words);
int verb_device_activate(struct cli *cli, struct opt_words words);
int verb_device_unwrap(struct cli *cli, struct opt_words words);
int verb_device_verify(struct cli *cli, struct opt_words words);
int verb_device_init(struct cli *cli, struct opt_words words);
int verb_device_csr(struct cli *cli, struct opt_words words);
int verb_device_install(struct cli *cli, struct opt_words words);
int verb_device_renew(struct cli *cli, struct opt_words words);
int verb_device_approve(struct cli *cli, struct opt_words words);
int verb_device_migrate(struct cli *cli, struct opt_words words);
int verb_device_reset(struct cli *cli, struct opt_words words);

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

int verb_artifact_publish(struct cli *cli, struct opt_words words);
int verb_artifact_inspect(struct cli *cli, struct opt_words words);
int verb_artifact_archive(struct cli *cli, struct opt_words words);
int verb_artifact_wrap(struct cli *cli, struct opt_words words);
int verb_artifact_enrol(struct cli *cli, struct opt_words words);
int verb_artifact_open(struct cli *cli, struct opt_words words);
int verb_artifact_prune(struct cli *cli, struct opt_words words);

int verb_tpm2_render(struct cli *cli, struct opt_words words);
int verb_tpm2_apply(struct cli *cli, struct opt_words words);
int verb_tpm2_check(struct cli *cli, struct opt_words words);

int verb_doctor(struct cli *cli, struct opt_words words);

int verb_random(struct cli *cli, struct opt_words words);

#endif
