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
#include "provider/guest.h"
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

/* A key with the header that it is bound to. */
struct contract_key {
	const char *name;
	struct key_spec spec;
	struct buf header;
	struct key_result made;
};
int contract_key_make(struct contract_key *key); /* -1: it told why */
void contract_key_fini(struct contract_key *key);

/* Signs and verifies in software with the public half that was given out at creation. */
void contract_sign_and_verify(struct slice header, const struct key_result *key,
			      const struct sign_request *request);

/* A guest's command: a beginning without a length, which is filled in when it is sent, with all
 * that @how says but its bytes; the code of the answer. */
bool contract_on_chip(void);
void contract_raw_begin(struct buf *command, uint16_t tag, uint32_t code);
uint32_t contract_raw_send(struct buf *command, const struct guest_command *how,
			   struct buf *ret_answer, struct provider_guest **ret_made);
/* A TPM2B, with its length. */
struct slice contract_take_sized(struct cursor *cursor);

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
void contract_use_told(void **state);
void contract_use_enforced(void **state);
void contract_use_survives_reopen(void **state);
void contract_decrypt(void **state);
void contract_decrypt_refused(void **state);
void contract_agree(void **state);
void contract_agree_refused(void **state);
void contract_mac(void **state);
void contract_mac_key_changed(void **state);
void contract_pieces(void **state);
void contract_pieces_in_turn(void **state);
void contract_pieces_refused(void **state);
void contract_import_pkcs8(void **state);
void contract_import_pkcs8_refused(void **state);
int contract_uses_setup(void);
void contract_uses_teardown(void);
void contract_attest_in_software(void **state);
void contract_attest_refuses(void **state);
void contract_aik_signs(void **state);
void contract_aik_pieces(void **state);
void contract_aik_is_no_key(void **state);
void contract_quote(void **state);
void contract_certify(void **state);
void contract_activate(void **state);
void contract_ek(void **state);
void contract_pcrs(void **state);
int contract_attest_setup(void);
void contract_attest_teardown(void);
void contract_resident_in_software(void **state);
void contract_resident(void **state);
void contract_resident_of_others(void **state);
void contract_resident_is_bound(void **state);
void contract_resident_refuses(void **state);
void contract_storage_key(void **state);
void contract_unwrap_storage(void **state);
void contract_unwrap(void **state);
void contract_unwrap_many(void **state);
void contract_unwrap_changed(void **state);
void contract_unwrap_seed(void **state);
void contract_unwrap_elsewhere(void **state);
void contract_unwrap_others(void **state);
void contract_storage_activate(void **state);
void contract_guests(void **state);
void contract_unseal_loadable(void **state);
int contract_keys_setup(void);
void contract_keys_teardown(void);

#endif
