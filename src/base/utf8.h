/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

/* Utf8: how far the next character of hostile text reaches (RFC 3629). */

#include "base/slice.h"

/*
 * Bytes of the well-formed character that @text begins with, 1 to 4; 0 when it begins with none:
 * empty, stray, cut short, overlong, a surrogate or over U+10FFFF.
 */
size_t utf8_next(struct slice text);

#endif
