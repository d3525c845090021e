/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_SERVE_H
#define CMD_HOLDFAST_LOADER_SERVE_H

/*
 * Serve: the service itself, until SIGTERM or SIGINT. What is at work then may end, within a limit;
 * downloads stay as they are and go on at the next start.
 */

#include "cmd/holdfast-loader/setup.h"

/* The exit status. */
int serve(struct setup *setup);

#endif
