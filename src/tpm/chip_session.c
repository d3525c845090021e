/* SPDX-License-Identifier: Apache-2.0 */

/* TPM2_StartAuthSession. */

#include <string.h>

#include "crypto/cipher.h"
#include "tpm/impl.h"

TSS2_RC chip_start_session(struct engine *engine, enum line_session which,
			   const struct root *salt_key, const TPM2B_PUBLIC *public)
{
	struct session *session = &engine->line.sessions[which];
	struct command command = {.code = TPM2_CC_StartAuthSession};
	TPMT_SYM_DEF symmetric = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
	TPM2B_NONCE caller = {.size = SESSION_HASH_SIZE}, tpm = {0};
	TPM2B_ENCRYPTED_SECRET sealed = {0};
	uint8_t salt[SESSION_HASH_SIZE] = {0};
	TPMI_SH_AUTH_SESSION handle = 0;
	struct err *fault = &engine->line.fault;
	TSS2_RC rc;

	session_fini(session);
	if (cipher_random(caller.buffer, caller.size, fault) < 0 ||
	    (salt_key && share_make(public, "SECRET", salt, &sealed, fault) < 0)) {
		wipe(salt, sizeof(salt));
		return COMMAND_OURS;
	}
	rc = Tss2_Sys_StartAuthSession_Prepare(
		engine->line.sys, salt_key ? salt_key->handle : TPM2_RH_NULL, TPM2_RH_NULL, &caller,
		&sealed, which == LINE_POLICY ? TPM2_SE_POLICY : TPM2_SE_HMAC, &symmetric,
		TPM2_ALG_SHA256);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_StartAuthSession_Complete(engine->line.sys, &handle, &tpm);
	if (!rc &&
	    !chip_is_of(handle, which == LINE_POLICY ? GROUP_POLICY_SESSION : GROUP_LOADED_SESSION))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc && session_begin(session, handle, slice_of(salt, salt_key ? sizeof(salt) : 0),
				 slice_of(caller.buffer, caller.size),
				 slice_of(tpm.buffer, tpm.size), fault) < 0) {
		(void)chip_flush(engine, handle);
		rc = COMMAND_OURS;
	}
	wipe(salt, sizeof(salt));
	return rc;
}
