/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_IO_H
#define CMD_HOLDFAST_IO_H

/*
 * Io: where a verb's data comes from and goes to. A path of NULL or "-" is standard input or
 * output.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Hands the input on in pieces. A negative result of @take ends the reading and is returned. */
typedef int (*io_take_fn)(void *arg, struct slice piece, struct err *err);
int io_each(const char *path, io_take_fn take, void *arg, struct err *err) MUST_CHECK;

/* Appends the whole input; ERR_TOO_LARGE over the max of @ret_bytes. */
int io_read(const char *path, struct buf *ret_bytes, struct err *err) MUST_CHECK;

/*
 * Writes all or nothing. A file gets mode 0600 and is put in place once it is whole; where the
 * path names something else that exists (a device, a pipe), that is written to.
 */
int io_write(const char *path, struct slice bytes, struct err *err) MUST_CHECK;

/*
 * Puts something that fails every read and write on each of the descriptors 0 to 2 that is closed.
 * Without it the next file or socket would become standard output. False when that cannot be done.
 */
bool io_hold_standard(void) MUST_CHECK;

/* Bytes of the character that @text begins with when a terminal may get it; else 0. */
size_t io_printable(struct slice text);

/* True for UTF-8 without control characters other than tab and line end. */
bool io_is_text(struct slice bytes);

/* True when writing to @path would show on a terminal. */
bool io_is_terminal(const char *path);

#endif
