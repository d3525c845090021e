/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_TPM_TPM_H
#define PROVIDER_TPM_TPM_H

/*
 * The TPM SecurityProvider: seal, keys and random on the engine (src/tpm). Everything of ours
 * lies under the HSK, a storage key of our own below the SRK; keys made for export lie under the
 * SRK. Runs on the one worker only.
 *
 * It writes no file. What must be remembered of the chip (SRK and HSK by Name, the HSK's blob) is
 * returned as text for the caller to record durably, then tpm_provider_commit() goes on.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "crypto/pkey.h"
#include "provider/provider.h"

#define TPM_STATE_MAX 8192u

struct tpm_options {
	const char *tcti;	 /* Tss2_TctiLdr conf; "" = /dev/tpm0, else /dev/tpmrm0 */
	enum pkey_type srk_type; /* PKEY_ECC_P256 or PKEY_RSA_2048: of an SRK that we make */
	uint32_t srk_handle;	 /* where ours goes when 0x81000001 cannot be used */
	uint32_t hsk_handle;	 /* 0 = the HSK is not made persistent */
	bool encrypt;		 /* encrypt parameters */
	/* Hierarchy passwords; empty = none; borrowed for the call. */
	struct slice owner_auth;
	struct slice endorsement_auth;
	struct slice lockout_auth; /* with it the lockout counter is reset before its end */
};

/* Is there a TPM to try: a configured TCTI, or a device node? Opens nothing. */
bool tpm_device_present(const char *tcti);

/*
 * Opens the chip. @auth_key (32 bytes, copied) authorises our objects; @state is what was
 * recorded earlier, empty when nothing ever was. On success *ret_state holds a text to record
 * durably before tpm_provider_commit(), or nothing when the record stands.
 *
 * A chip that answers but is not what was recorded opens too, and every use is refused: see
 * engine_open(). So a replaced chip is never taken for an absent one.
 * Errors: ERR_TPM_REQUIRED (no such device), ERR_TPM_FAILED, ERR_OWNER_AUTH_REQUIRED,
 * ERR_DAMAGED (the record makes no sense), ERR_NOT_SUPPORTED (the chip lacks an algorithm).
 */
int tpm_provider_open(const struct tpm_options *options, const struct secret *auth_key,
		      struct slice state, struct provider **ret_provider, struct buf *ret_state,
		      struct err *err) MUST_CHECK;

/* Makes the HSK persistent, when the options ask for it and the owner's password allows it. */
int tpm_provider_commit(struct provider *p, struct err *err) MUST_CHECK;

/* A remark for the log after opening ("HSK not persistent: ..", "SRK adopted ..."); may be NULL. */
const char *tpm_provider_remark(const struct provider *p);

/*
 * Erases persistent keys of ours from a chip that no provider has open: each where its Name lies at
 * its handle; what is gone already is good, what lies there under another Name is left and counted.
 * With @clear TPM2_Clear follows, by the lockout hierarchy's password, and *ret_cleared tells
 * whether the chip did it: it may be forbidden (TPM2_ClearControl), which is no error. May be
 * repeated after a power cut at any point.
 */
#define TPM_ERASE_MAX	4u
#define TPM_FOREIGN_MAX 64u
struct tpm_erase {
	struct provider_resident keys[TPM_ERASE_MAX];
	size_t count;
	bool clear;
};
struct tpm_erased {
	unsigned left; /* not ours, or not to be evicted: see why */
	bool cleared;
	char why[160]; /* of left, or of not cleared; "" */
};
int tpm_provider_erase(const struct tpm_options *options, const struct tpm_erase *erase,
		       struct tpm_erased *ret_erased, struct err *err) MUST_CHECK;

/*
 * The persistent handles of the owner's range that are neither among @ours nor the HSK's, nor the
 * SRK's that we share: what TPM2_Clear would take away beside ours. At most TPM_FOREIGN_MAX.
 */
int tpm_provider_foreign(struct provider *p, const uint32_t *ours, size_t ours_count,
			 uint32_t ret_handles[static TPM_FOREIGN_MAX], size_t *ret_count,
			 struct err *err) MUST_CHECK;

#endif
