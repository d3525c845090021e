/* SPDX-License-Identifier: Apache-2.0 */

/* Secrets for the holder of a key: the salt of a session, the seed of a duplicate. */

#include <string.h>

#include "tpm/impl.h"
#include "wrap/seed.h"

int share_make(const TPM2B_PUBLIC *holder, const char *use, uint8_t ret_secret[SESSION_HASH_SIZE],
	       TPM2B_ENCRYPTED_SECRET *ret_sealed, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(sizeof(ret_sealed->secret));
	const TPM2B_ECC_PARAMETER *x = &holder->publicArea.unique.ecc.x;
	struct seed_holder to = {.use = use};
	int r = public_to_pkey(holder, &key, err);

	if (r < 0)
		return r;
	to.key = key;
	if (holder->publicArea.type == TPM2_ALG_ECC)
		to.x = slice_of(x->buffer, x->size);
	r = seed_make(&to, ret_secret, &sealed, err);
	if (r < 0)
		return r;
	ret_sealed->size = (UINT16)sealed.len;
	memcpy(ret_sealed->secret, sealed.data, sealed.len);
	return 0;
}
