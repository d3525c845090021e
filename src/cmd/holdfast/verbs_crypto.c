/* SPDX-License-Identifier: Apache-2.0 */
/* What computes here, and needs libcrypto for it. */
#include "base/mem.h"
#include "cmd/holdfast/verb.h"

static const struct verb VERBS[] = {
	{"sign", verb_sign, "Sign a file with a key of the service"},
	{"verify", verb_verify, "Check a signature, without the TPM"},
	{"device verify", verb_device_verify, "Check a signature of another device's key"},
	{"aik verify", verb_aik_verify, "Check a quote or a certification, without a TPM"},
};

const struct verb_set VERBS_CRYPTO = {VERBS, ARRAY_LEN(VERBS)};
