/* SPDX-License-Identifier: Apache-2.0 */

/* Secrets for the holder of a key: the salt of a session, the seed of a duplicate. */

#include <string.h>

#include "crypto/cipher.h"
#include "tpm/impl.h"

/* Part 1, C.6.4: the ephemeral point goes to the chip, both sides derive the secret from the other.
 */
static int make_ecc(const struct pkey *key, const TPM2B_PUBLIC *holder, const char *use,
		    uint8_t secret[SESSION_HASH_SIZE], struct buf *ret_sealed, struct err *err)
{
	const TPM2B_ECC_PARAMETER *x = &holder->publicArea.unique.ecc.x;
	struct pkey_ecdh ecdh = {0};
	struct hash_kdfe kdf = {
		.alg = HASH_SHA256,
		.use = use,
		.party_v = slice_of(x->buffer, x->size),
		.bits = SESSION_HASH_SIZE * 8,
	};
	int r = pkey_ecdh_ephemeral(key, &ecdh, err);

	if (r < 0)
		return r;
	kdf.z = slice_of(ecdh.z, ecdh.size);
	kdf.party_u = slice_of(ecdh.x, ecdh.size);
	r = hash_kdfe(&kdf, secret, err);
	wipe(ecdh.z, sizeof(ecdh.z));
	buf_put_u16(ret_sealed, (uint16_t)ecdh.size);
	buf_put(ret_sealed, slice_of(ecdh.x, ecdh.size));
	buf_put_u16(ret_sealed, (uint16_t)ecdh.size);
	buf_put(ret_sealed, slice_of(ecdh.y, ecdh.size));
	return r;
}

/* Part 1, B.10.2. */
static int make_rsa(const struct pkey *key, const char *use, uint8_t secret[SESSION_HASH_SIZE],
		    struct buf *ret_sealed, struct err *err)
{
	int r = cipher_random(secret, SESSION_HASH_SIZE, err);

	if (r < 0)
		return r;
	return pkey_oaep_encrypt(key, HASH_SHA256, use, slice_of(secret, SESSION_HASH_SIZE),
				 ret_sealed, err);
}

int share_make(const TPM2B_PUBLIC *holder, const char *use, uint8_t ret_secret[SESSION_HASH_SIZE],
	       TPM2B_ENCRYPTED_SECRET *ret_sealed, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(sizeof(ret_sealed->secret));
	int r = public_to_pkey(holder, &key, err);

	if (r < 0)
		return r;
	r = pkey_type_is_rsa(pkey_type(key)) ? make_rsa(key, use, ret_secret, &sealed, err)
					     : make_ecc(key, holder, use, ret_secret, &sealed, err);
	if (r < 0)
		return r;
	if (!buf_ok(&sealed))
		return err_set(err, ERR_INTERNAL, "a shared secret does not fit");
	ret_sealed->size = (UINT16)sealed.len;
	memcpy(ret_sealed->secret, sealed.data, sealed.len);
	return 0;
}
