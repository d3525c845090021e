/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_INSPECT_H
#define CMD_HOLDFAST_INSPECT_H

#include "cmd/holdfast/cli.h"
#include "cmd/holdfast/release.h"

/* artifact inspect of version 2; @release was checked. @anchors_file may be NULL. An exit code. */
int inspect_v2(const struct cli *cli, struct release *release, const char *anchors_file);

#endif
