/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_CERTIFICATE_IMPL_H
#define CRYPTO_CERTIFICATE_IMPL_H

/* Certificates as OpenSSL holds them, for the x509*.c files. For this room only. */

#include "crypto/certificate.h"

struct x509_st;

void certificate_cleanup(struct x509_st **x509);

/* The caller frees it. ERR_DAMAGED: not one certificate in DER, or over CERTIFICATE_MAX bytes. */
#define CERTIFICATE_MAX 65536u
int certificate_parse(struct slice der, struct x509_st **ret_x509, struct err *err) MUST_CHECK;

#endif
