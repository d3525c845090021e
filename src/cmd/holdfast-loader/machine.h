/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_MACHINE_H
#define CMD_HOLDFAST_LOADER_MACHINE_H

/* Machine: the fingerprint of this one, for struct loader_config.machine. */

#include "base/buf.h"
#include "base/err.h"

/* @arg is not used. What cannot be found out is an error: a text with a hole is another machine. */
int machine_fingerprint(void *arg, struct buf *ret_text, struct err *err) MUST_CHECK;

#endif
