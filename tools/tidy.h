/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before every source by tools/check-tidy, and by nothing else. It tells the analyser what
 * the compiler need not know: whatever reports an error returns a negative number. Without it each
 * `return err_set(..)` would look like a success that left its outputs unset.
 */
#ifndef TOOLS_TIDY_H
#define TOOLS_TIDY_H

#include "base/err.h"
#include "tpm/rc.h"

static inline int tidy_negative(int code)
{
	if (code >= 0)
		__builtin_unreachable();
	return code;
}

#define err_set(...)	    tidy_negative(err_set(__VA_ARGS__))
#define err_set_errno(...)  tidy_negative(err_set_errno(__VA_ARGS__))
#define err_wrap(...)	    tidy_negative(err_wrap(__VA_ARGS__))
#define err_add_origin(...) tidy_negative(err_add_origin(__VA_ARGS__))
#define err_add_remedy(...) tidy_negative(err_add_remedy(__VA_ARGS__))
#define rc_err(...)	    tidy_negative(rc_err(__VA_ARGS__))

#endif
