/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_IMPL_H
#define KEYSTORE_IMPL_H

/* The inside of the keystore, shared by its files. */

#include "base/err.h"
#include "keystore/keystore.h"

/* A header for something new: of @p, for @target, at the present time. */
int keystore_header(const struct provider *p, const struct keystore_target *target,
		    struct blob_header *ret_header, struct err *err) MUST_CHECK;

/* The bytes of a new key's header, complete before the key is made: the key is bound to them. */
int keystore_begin(const struct provider *p, const struct keystore_target *target, unsigned flags,
		   struct buf *ret_header, struct err *err) MUST_CHECK;

/* What was made, for the body of its record; borrows from it. */
struct blob_key_public keystore_public_of(const struct key_result *key);

/* Appends the record or nothing. */
int keystore_put_record(struct slice header, struct slice object, const struct buf *body,
			struct buf *ret_record, struct err *err) MUST_CHECK;

/* A record that may be opened here, and is of @kind. The slices of *ret_blob borrow from it. */
int keystore_open_record(const struct provider *p, const struct keystore_record *record,
			 enum blob_kind kind, struct blob *ret_blob, struct err *err) MUST_CHECK;

/* What @target demands of a blob; borrows from it. */
struct blob_expect keystore_expect(const struct keystore_target *target);

#endif
