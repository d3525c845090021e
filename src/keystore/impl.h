/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_IMPL_H
#define KEYSTORE_IMPL_H

/* The inside of the keystore, shared by its files. */

#include "base/err.h"
#include "keystore/keystore.h"

/* A header for something new: of @p, for @target, at the present time. */
int keystore_header(const struct provider *p, const struct keystore_target *target,
		    struct blob_header *ret_header, struct err *err) MUST_CHECK;

/* What @target demands of a blob; borrows from it. */
struct blob_expect keystore_expect(const struct keystore_target *target);

#endif
