/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_TPM2_H
#define CMD_HOLDFAST_TPM2_H

/* Tpm2: what the verbs on this machine's TPM2 software share: the configuration, and its errors. */

#include "cmd/holdfast/cli.h"
#include "conf/conf.h"
#include "stack/render.h"

#define TPM2_CONFIG "/etc/holdfast/holdfast.conf"

#define TPM2_OPT_CONFIG(target)                                                                    \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "config", .value = "FILE",                               \
		.help = "the configuration; default: " TPM2_CONFIG, .text = (target)               \
	}

struct tpm2 {
	struct conf *conf;
	struct stack_tree tree;
	bool none; /* there is no configuration, which means that nothing is enabled */
};
void tpm2_fini(struct tpm2 *tpm2);

/*
 * Reads @path, NULL = TPM2_CONFIG, and renders it. With @must_exist its absence is an error, else
 * that of TPM2_CONFIG means that nothing is enabled. @ret_tpm2 is zeroed. Returns a negative number
 * to go on, else the exit code, with one line said.
 */
int tpm2_open(const struct cli *cli, const char *path, bool must_exist, struct tpm2 *ret_tpm2)
	MUST_CHECK;

/* Ends a verb for a configuration that is wrong: one line, and nothing else. */
int tpm2_refuse(const struct cli *cli, const struct err *err);

/*
 * ERR_INVALID when FAPI's profile is not in its folder below @root and will not be; "" is the
 * machine itself.
 */
int tpm2_check_profile(const struct tpm2 *tpm2, const char *root, struct err *err) MUST_CHECK;

#endif
