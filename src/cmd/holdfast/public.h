/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_PUBLIC_H
#define CMD_HOLDFAST_PUBLIC_H

/* Public: the public half of a key of the TPM, in the forms that tools want. */

#include "cmd/holdfast/cli.h"

#define PUBLIC_OPT_FORMAT(target)                                                                  \
	{                                                                                          \
		.kind = OPT_CHOICE, .name = "format", .value = "pem|tpm|name",                     \
		.help = "pem; tpm, TPM2B_PUBLIC as tools for TPMs take it; or name, its Name in "  \
			"hexadecimal; default: pem",                                               \
		.text = (target)                                                                   \
	}
#define PUBLIC_OPT_OUT(target)                                                                     \
	{                                                                                          \
		.kind = OPT_TEXT, .name = "out", .value = "FILE",                                  \
		.help = "where it goes; default: standard output; with --json that gets the "      \
			"whole "                                                                   \
			"description",                                                             \
		.text = (target)                                                                   \
	}

/* The description itself besides, for programs. */
#define PUBLIC_OPT_FORMAT_JSON(target)                                                             \
	{                                                                                          \
		.kind = OPT_CHOICE, .name = "format", .value = "pem|tpm|name|json",                \
		.help = "pem; tpm, TPM2B_PUBLIC as tools for TPMs take it; name, its Name in "     \
			"hexadecimal; or json, all of it; default: pem",                           \
		.text = (target)                                                                   \
	}

/* What the description calls them. */
struct public_members {
	const char *pem;
	const char *tpm; /* TPM2B_PUBLIC */
	const char *name;
};
extern const struct public_members PUBLIC_MEMBERS; /* of an AIK and of an endorsement key */

/*
 * Ends a verb: of the description @take_json, which is freed, the half in @format (NULL = "pem")
 * goes to @path.
 */
int public_print(const struct cli *cli, char *take_json, const struct public_members *members,
		 const char *format, const char *path);

#endif
