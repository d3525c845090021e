/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_TRUST_IMPL_H
#define CRYPTO_TRUST_IMPL_H

/* Trust: the way from a certificate to an anchor, for who signs and for whose key it is. For this
 * room only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct stack_st_X509;
struct x509_st;
struct x509_store_st;

void certificates_cleanup(struct stack_st_X509 **certs);
void trust_store_cleanup(struct x509_store_st **store);

/* DER certificates one after the other, 1 to @max of them; else ERR_INVALID. */
int certificates_parse(struct slice der, size_t max, struct stack_st_X509 **ret_certs,
		       struct err *err) MUST_CHECK;

/* At most @max @anchors, at any of which a chain may end. @at: seconds since 1970, or
 * CMS_ANY_TIME. ERR_INVALID: they are no certificates. */
int trust_store_new(struct slice anchors, size_t max, int64_t at, struct x509_store_st **ret_store,
		    struct err *err) MUST_CHECK;

/*
 * ERR_FORBIDDEN says why it leads to no anchor. All keys and signatures on the way are of 112 bits.
 * A CA below the anchor that has extended key usages has @usage, dotted, among them, named
 * outright: what a CA was constrained from, it makes nobody. The anchor is trusted as it is, and
 * @x509 itself is for the caller to look at. @others may be NULL.
 */
int trust_check(struct x509_store_st *store, struct x509_st *x509, struct stack_st_X509 *others,
		const char *usage, struct err *err) MUST_CHECK;

/* One of its extended key usages, named outright: "any usage" is none. */
bool trust_has_usage(struct x509_st *x509, const char *usage);

#endif
