/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_PCRS_H
#define CLIENT_PCRS_H

/* Pcrs: a selection of PCRs as people write it, "sha256:0,1,2+sha1:0-7", "sha256:all". */

#include "base/buf.h"
#include "base/err.h"

/* Appends it as the interface wants it: {"sha256":[0,1,2],"sha1":[..]}. ERR_INVALID. */
int pcrs_put(struct buf *out, const char *text, struct err *err) MUST_CHECK;

#endif
