/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LIMITS_H
#define HOST_LIMITS_H

/* Limits: what a daemon that holds secrets asks of its process before anything else. */

#include "base/err.h"
#include "base/mem.h"

#define LIMITS_FILES 65536u

/*
 * No core dumps, not to be inspected by its own user, files for the owner only (umask 077), no
 * SIGPIPE and SIGXFSZ, freed memory overwritten, and up to LIMITS_FILES descriptors where the hard
 * limit allows. Only what keeps secrets in is an error when it fails.
 */
int limits_apply(struct err *err) MUST_CHECK;

/* Descriptors that this process may have. */
unsigned limits_files(void);

#endif
