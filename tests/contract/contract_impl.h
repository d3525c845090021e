/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONTRACT_IMPL_H
#define TESTS_CONTRACT_IMPL_H

/* What the files of the suite share: the device under test and headers to bind objects to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/blob.h"
#include "tests/contract/contract.h"

extern struct contract_factory *contract_factory;
extern struct provider *contract_provider; /* device 0 */

/* A secret of @len bytes with a pattern. */
struct secret *contract_secret(size_t len);

/* Appends the header of a new object of that kind and name on device 0. */
void contract_header(enum blob_kind kind, const char *name, struct buf *ret_bytes);

/* Closes device 0 and opens it again. */
void contract_reopen(void);

/* Checks a code and tells what came instead. */
void contract_expect(int r, int wanted, const struct err *err, const char *what);

/* Which byte to change after @i: all near the ends, a sample between. */
size_t contract_next(size_t i, size_t len);

/* The tests of the other files. */
void contract_key_ecdsa(void **state);
void contract_key_rsa(void **state);
void contract_key_header_changed(void **state);
void contract_key_object_changed(void **state);
void contract_key_is_no_secret(void **state);
void contract_key_survives_reopen(void **state);
void contract_key_wrong_use(void **state);
void contract_key_bad_spec(void **state);
void contract_key_forget(void **state);
void contract_key_export_import(void **state);
void contract_key_export_empty_auth(void **state);
void contract_key_export_refused(void **state);
void contract_key_import_refused(void **state);
void contract_raw(void **state);
void contract_unseal_loadable(void **state);
int contract_keys_setup(void);
void contract_keys_teardown(void);

#endif
