/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_GUARD_H
#define CONF_GUARD_H

/*
 * Guard: what stands between a file and libconfuse. It refuses every text that libconfuse would
 * take in a surprising way, and writes marks into the rest that no file can contain (control
 * characters are refused), so that the reader learns where lists and sections begin.
 *
 * Refused: NUL and other control characters, "${" (libconfuse puts the environment in), escapes
 * other than \\ and the quote itself, a string or comment that is not closed (libconfuse would
 * begin the next file inside of it), bare words of other characters than A-Z a-z 0-9 and _-.:/@%~
 * (libconfuse drops some of them unseen), and a key that is not a bare word ("tpm|wait" would
 * reach into another section). Comments become blanks, since libconfuse miscounts their lines.
 */

#include "base/buf.h"
#include "base/err.h"

/* Bytes of one string or word. */
#define GUARD_VALUE_MAX 1024u

#define GUARD_MARK_LIST	   "\001" /* the first entry of every list */
#define GUARD_MARK_SECTION "\002" /* a key, the first thing in every section */
#define GUARD_MARK_END	   "\003" /* a key at the end, on a line of its own after the last one */

/*
 * Appends the guarded text, with a NUL, to @ret_text; *ret_last_line is the number of the file's
 * last line. ERR_INVALID with "FILE:LINE: what, and what is allowed".
 */
int guard_text(struct slice text, const char *file, struct buf *ret_text, unsigned *ret_last_line,
	       struct err *err) MUST_CHECK;

#endif
