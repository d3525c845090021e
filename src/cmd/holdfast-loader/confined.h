/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_CONFINED_H
#define CMD_HOLDFAST_LOADER_CONFINED_H

/* Confined: what the loader keeps of its machine. */

#include "cmd/holdfast-loader/setup.h"

/* Gives up all else, for good, and logs it. After setup_read(), before threads start. */
int confined_begin(const struct setup *setup, struct err *err) MUST_CHECK;

#endif
