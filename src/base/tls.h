/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

/* Tls: is this what TLS 1.3 signs in a CertificateVerify (RFC 8446, 4.4.3)? Pure. */

#include <stdbool.h>

#include "base/slice.h"

/* Of the longest such content: 64 spaces, the context, a NUL, and a hash of 48 bytes. */
#define TLS_CONTENT_MAX (64u + 33u + 1u + 48u)

bool tls_is_content(struct slice message);

#endif
