/* SPDX-License-Identifier: Apache-2.0 */

/* TPM2_StartAuthSession, and the salt that only the holder of a key can read. */

#include <string.h>

#include "crypto/cipher.h"
#include "tpm/impl.h"

/* Part 1, C.6.4: the ephemeral point goes to the chip, both sides derive the salt from the other.
 */
static int make_salt_ecc(const struct pkey *key, const TPM2B_PUBLIC *public,
			 uint8_t salt[SESSION_HASH_SIZE], struct buf *ret_sealed, struct err *err)
{
	const TPM2B_ECC_PARAMETER *x = &public->publicArea.unique.ecc.x;
	struct pkey_ecdh ecdh = {0};
	struct hash_kdfe kdf = {
		.alg = HASH_SHA256,
		.use = "SECRET",
		.party_v = slice_of(x->buffer, x->size),
		.bits = SESSION_HASH_SIZE * 8,
	};
	int r = pkey_ecdh_ephemeral(key, &ecdh, err);

	if (r < 0)
		return r;
	kdf.z = slice_of(ecdh.z, ecdh.size);
	kdf.party_u = slice_of(ecdh.x, ecdh.size);
	r = hash_kdfe(&kdf, salt, err);
	wipe(ecdh.z, sizeof(ecdh.z));
	buf_put_u16(ret_sealed, (uint16_t)ecdh.size);
	buf_put(ret_sealed, slice_of(ecdh.x, ecdh.size));
	buf_put_u16(ret_sealed, (uint16_t)ecdh.size);
	buf_put(ret_sealed, slice_of(ecdh.y, ecdh.size));
	return r;
}

/* Part 1, B.10.2. */
static int make_salt_rsa(const struct pkey *key, uint8_t salt[SESSION_HASH_SIZE],
			 struct buf *ret_sealed, struct err *err)
{
	int r = cipher_random(salt, SESSION_HASH_SIZE, err);

	if (r < 0)
		return r;
	return pkey_oaep_encrypt(key, HASH_SHA256, "SECRET", slice_of(salt, SESSION_HASH_SIZE),
				 ret_sealed, err);
}

/* A secret that only the holder of the key can read. */
static int make_salt(const TPM2B_PUBLIC *public, uint8_t salt[SESSION_HASH_SIZE],
		     TPM2B_ENCRYPTED_SECRET *ret_sealed, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(sizeof(ret_sealed->secret));
	int r = public_to_pkey(public, &key, err);

	if (r < 0)
		return r;
	r = pkey_type_is_rsa(pkey_type(key)) ? make_salt_rsa(key, salt, &sealed, err)
					     : make_salt_ecc(key, public, salt, &sealed, err);
	if (r < 0)
		return r;
	if (!buf_ok(&sealed))
		return err_set(err, ERR_INTERNAL, "a session salt does not fit");
	ret_sealed->size = (UINT16)sealed.len;
	memcpy(ret_sealed->secret, sealed.data, sealed.len);
	return 0;
}

TSS2_RC chip_start_session(struct engine *engine, const struct root *salt_key,
			   const TPM2B_PUBLIC *public)
{
	struct command command = {.code = TPM2_CC_StartAuthSession};
	TPMT_SYM_DEF symmetric = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
	TPM2B_NONCE caller = {.size = SESSION_HASH_SIZE}, tpm = {0};
	TPM2B_ENCRYPTED_SECRET sealed = {0};
	uint8_t salt[SESSION_HASH_SIZE] = {0};
	TPMI_SH_AUTH_SESSION handle = 0;
	struct err *fault = &engine->line.fault;
	TSS2_RC rc;

	session_fini(&engine->line.session);
	if (cipher_random(caller.buffer, caller.size, fault) < 0 ||
	    (salt_key && make_salt(public, salt, &sealed, fault) < 0))
		return COMMAND_OURS;
	rc = Tss2_Sys_StartAuthSession_Prepare(
		engine->line.sys, salt_key ? salt_key->handle : TPM2_RH_NULL, TPM2_RH_NULL, &caller,
		&sealed, TPM2_SE_HMAC, &symmetric, TPM2_ALG_SHA256);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_StartAuthSession_Complete(engine->line.sys, &handle, &tpm);
	if (!rc && !chip_is_of(handle, GROUP_LOADED_SESSION))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc && session_begin(&engine->line.session, handle,
				 slice_of(salt, salt_key ? sizeof(salt) : 0),
				 slice_of(caller.buffer, caller.size),
				 slice_of(tpm.buffer, tpm.size), fault) < 0)
		rc = COMMAND_OURS;
	wipe(salt, sizeof(salt));
	return rc;
}
