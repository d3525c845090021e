/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * Err: how a function says what went wrong.
 *
 * A function that can fail returns 0 or a negative enum err_code and fills a struct err that its
 * caller owns: no heap, no thread-local. Callers on the way up add what they know with err_wrap().
 * It is logged once, at the top; a client sees code, text and remedy, never the origin.
 * Outputs (ret_*) are untouched on failure.
 */

#include <stdint.h>

#include "base/mem.h"
#include "holdfast/error.h"

/* The public codes under the names that the inside uses; ERR_x == HF_x. */
enum err_code {
	ERR_INVALID = HF_INVALID,
	ERR_FORBIDDEN = HF_FORBIDDEN,
	ERR_NOT_FOUND = HF_NOT_FOUND,
	ERR_CONFLICT = HF_CONFLICT,
	ERR_TOO_LARGE = HF_TOO_LARGE,
	ERR_NOT_SUPPORTED = HF_NOT_SUPPORTED,
	ERR_DAMAGED = HF_DAMAGED,
	ERR_WRONG_NAME = HF_WRONG_NAME,
	ERR_WRONG_TENANT = HF_WRONG_TENANT,
	ERR_WRONG_TPM = HF_WRONG_TPM,
	ERR_AUTH_FAILED = HF_AUTH_FAILED,
	ERR_QUOTA = HF_QUOTA,
	ERR_STARTING = HF_STARTING,
	ERR_TPM_REQUIRED = HF_TPM_REQUIRED,
	ERR_TPM_BUSY = HF_TPM_BUSY,
	ERR_TPM_LOCKOUT = HF_TPM_LOCKOUT,
	ERR_TPM_FAILED = HF_TPM_FAILED,
	ERR_TPM_CHANGED = HF_TPM_CHANGED,
	ERR_OWNER_AUTH_REQUIRED = HF_OWNER_AUTH_REQUIRED,
	ERR_NO_CERTIFICATE = HF_NO_CERTIFICATE,
	ERR_TIMEOUT = HF_TIMEOUT,
	ERR_UNREADABLE = HF_UNREADABLE,
	ERR_DISK_FULL = HF_DISK_FULL,
	ERR_INTERNAL = HF_INTERNAL,
};

enum err_origin {
	ERR_ORIGIN_NONE,
	ERR_ORIGIN_ERRNO,
	ERR_ORIGIN_TSS2,    /* a TSS2_RC: the TPM's own code or a layer of the TSS */
	ERR_ORIGIN_OPENSSL, /* ERR_get_error() */
};

struct err {
	int code; /* enum err_code, 0 while nothing failed */
	enum err_origin origin_kind;
	unsigned long origin;
	uint32_t retry_after; /* seconds a client should wait; 0 = no advice */
	const char *remedy;   /* a constant; NULL = the code's own (err_remedy()) */
	char text[192];	      /* for people, without secrets, paths or origins of the host */
};

/* What docs/ERRORS.md says of a code; the document and this table are compared by a test. */
struct err_info {
	int code;
	const char *name;
	int http_status;
	const char *title;
	const char *remedy;
};

/* The table itself: *ret_count rows, constant. */
const struct err_info *err_table(size_t *ret_count);

/* Never NULL: an unknown code is answered as ERR_INTERNAL. */
const struct err_info *err_info(int code);

/* The code of a name as problem documents carry it; ERR_INTERNAL when unknown. */
int err_code_of_name(const char *name);

/* The remedy of this very error: its own, else its code's. */
const char *err_remedy(const struct err *err);

/* Sets code and text, clears the rest; returns code, so that `return err_set(..)` reads well. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same, with errno as origin. ENOSPC, EDQUOT and EFBIG become ERR_DISK_FULL. */
int err_set_errno(struct err *err, int code, int errnum, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Puts "what: " before the text and keeps everything else; returns the code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Adds to an error that was just set; both return the code. */
int err_add_origin(struct err *err, enum err_origin kind, unsigned long origin);
int err_add_remedy(struct err *err, const char *constant);

#endif
