/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

/*
 * Text: a configuration file as bytes, for this room, and for programs with files of other forms.
 * Links are followed: configuration belongs to the administrator, and on some systems all of /etc
 * is links.
 */

#include "base/buf.h"
#include "base/err.h"

#define TEXT_MAX (1024u * 1024u)

/* Whose file it may be. */
enum text_access {
	TEXT_ANY,
	TEXT_OURS,   /* only root and we may write to it */
	TEXT_SECRET, /* nor may others read it */
};

/*
 * Appends the file, as far as @ret_bytes takes it: whoever has a limit asks for a byte more.
 * ERR_NOT_FOUND when it is absent, ERR_UNREADABLE, ERR_FORBIDDEN (access), ERR_INTERNAL (memory).
 */
int text_read(const char *path, enum text_access access, struct buf *ret_bytes, struct err *err)
	MUST_CHECK;

/* The end of a long path, so that the line and the cause fit into a message too. */
const char *text_name(const char *path);

#endif
