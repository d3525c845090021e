/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_PASSWORD_H
#define CMD_HOLDFAST_LOADER_PASSWORD_H

/* Password: from a file, from a person, or from standard input; never from the command line. */

#include "base/buf.h"
#include "base/err.h"

#define PASSWORD_MAX 1024u

/*
 * Appends it, without its line end. @file NULL: asked for where standard input is a terminal,
 * which then does not show it, else all of standard input; "-" is the latter always.
 */
int password_read(const char *file, struct buf *ret_password, struct err *err) MUST_CHECK;

#endif
