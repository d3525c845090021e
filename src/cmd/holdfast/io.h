/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_IO_H
#define CMD_HOLDFAST_IO_H

/*
 * Io: where a verb's data comes from and goes to. A path of NULL or "-" is standard input or
 * output.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct file_draft;

/* True for standard input or output. */
bool io_is_standard(const char *path);

/* Hands the input on in pieces. A negative result of @take ends the reading and is returned. */
typedef int (*io_take_fn)(void *arg, struct slice piece, struct err *err);
int io_each(const char *path, io_take_fn take, void *arg, struct err *err) MUST_CHECK;

/* Appends the whole input; ERR_TOO_LARGE over the max of @ret_bytes. */
int io_read(const char *path, struct buf *ret_bytes, struct err *err) MUST_CHECK;

/* The same of a text: without NUL inside, with one behind. @what is it called in errors. */
int io_read_text(const char *path, const char *what, struct buf *ret_text, struct err *err)
	MUST_CHECK;

/*
 * Writes all or nothing. A file gets mode 0600 and is put in place once it is whole; where the
 * path names something else that exists (a device, a pipe), that is written to.
 */
int io_write(const char *path, struct slice bytes, struct err *err) MUST_CHECK;

/*
 * A file that is to be new, mode 0600, whole when it is published with FILE_CREATE: a draft in the
 * folder of @path. ERR_CONFLICT when there is something of that name already.
 */
int io_new(const char *path, struct file_draft **ret_draft, struct err *err) MUST_CHECK;

/* An input that its user reads bit by bit. */
struct io_in {
	const char *path; /* borrowed */
	int fd;
	uint64_t size; /* bytes to come, of a regular file; else IO_SIZE_UNKNOWN */
};
#define IO_SIZE_UNKNOWN UINT64_MAX
#define IO_IN_INIT                                                                                 \
	{                                                                                          \
		.fd = -1                                                                           \
	}
int io_in_open(struct io_in *in, const char *path, struct err *err) MUST_CHECK;
/* Up to @room bytes; 0 of them are the end. */
int io_in_read(struct io_in *in, void *data, size_t room, size_t *ret_len, struct err *err)
	MUST_CHECK;
void io_in_fini(struct io_in *in);

/*
 * An output in pieces. A file is put in place by io_out_finish(), as io_write() does it, or stays
 * as it was. Standard output, and what is no file, gets nothing before IO_HELD_MAX bytes or the
 * end; a terminal gets text only, and no more than that.
 */
#define IO_HELD_MAX (1024u * 1024u)
struct io_out {
	const char *path; /* borrowed */
	struct file_draft *draft;
	struct buf held;
	int fd;		/* of what is no file, once it is written to */
	bool held_back; /* nothing was given out so far */
};
#define IO_OUT_INIT                                                                                \
	{                                                                                          \
		.held = BUF_INIT(IO_HELD_MAX), .fd = -1, .held_back = true                         \
	}
int io_out_open(struct io_out *out, const char *path, struct err *err) MUST_CHECK;
int io_out_write(struct io_out *out, struct slice bytes, struct err *err) MUST_CHECK;
int io_out_finish(struct io_out *out, struct err *err) MUST_CHECK;
void io_out_fini(struct io_out *out);

/* ERR_INVALID when @path is a terminal, and @bytes are no text for it. */
int io_check_terminal(const char *path, struct slice bytes, struct err *err) MUST_CHECK;

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
