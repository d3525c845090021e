/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_FLOW_H
#define CMD_HOLDFAST_FLOW_H

/* Flow: an input goes through the service to an output, piece by piece, with a line of progress. */

#include "cmd/holdfast/cli.h"

struct flow {
	const char *label; /* "sealing" */
	const char *in;	   /* paths as of io.h */
	const char *out;
	int (*call)(struct hf *hf, const struct hf_stream *stream);
	const char *remedy_too_large; /* in the place of the service's; NULL = that */
};

/* Runs it whole and returns an exit code; what went wrong has been said. */
int flow_run(const struct cli *cli, const struct flow *flow);

#endif
