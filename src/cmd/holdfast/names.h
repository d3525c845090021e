/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_NAMES_H
#define CMD_HOLDFAST_NAMES_H

/* Names: prints what a list function of the library walks. */

#include "cmd/holdfast/cli.h"

/* One name a line; with --json {"member":[{"name"}, ..]}. Returns an exit code. */
int names_print(const struct cli *cli, const char *member,
		int (*list)(struct hf *hf, hf_name_fn visit, void *arg));

#endif
