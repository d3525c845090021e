/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_MD5_H
#define CRYPTO_MD5_H

/*
 * Md5: only to know a file by the digest that a package manager has noted (dpkg does in no other
 * form). It protects nothing.
 */

#include "base/err.h"
#include "base/slice.h"

#define MD5_TEXT_SIZE 33u /* lower-case hexadecimal and a NUL */

/* ERR_NOT_SUPPORTED where the library is set up without it. */
int md5_text(struct slice bytes, char ret_text[MD5_TEXT_SIZE], struct err *err) MUST_CHECK;

#endif
