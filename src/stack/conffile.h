/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_CONFFILE_H
#define STACK_CONFFILE_H

/* Conffile: is a file as a Debian package has brought it? For this room only. */

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

/*
 * False too where there is no dpkg, and where MD5 is not to be had. ERR_UNREADABLE: its records
 * are there and cannot be read.
 */
int conffile_pristine(int root, const char *path, struct slice content, bool *ret_pristine,
		      struct err *err) MUST_CHECK;

/* Does @status, a text of dpkg, note this digest for @path? Pure. */
bool conffile_noted(struct slice status, const char *path, const char *md5);

#endif
