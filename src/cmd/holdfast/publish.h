/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_PUBLISH_H
#define CMD_HOLDFAST_PUBLISH_H

/* Publish: the two formats behind one verb; each checks its own words, and returns an exit code. */

#include "cmd/holdfast/artifact.h"
#include "cmd/holdfast/cli.h"

struct publish_words {
	const char *format, *name, *folder, *in, *origin;
	struct artifact_signer signer;
	const char *salts; /* version 1 */
	/* Version 2. */
	const char *version, *serial, *expires, *min_format, *protection, *type, *content_key;
	const char *devices, *anchors;
	struct opt_list device, images;
};

int publish_v1(const struct cli *cli, struct publish_words *words);
int publish_v2(const struct cli *cli, struct publish_words *words);

#endif
