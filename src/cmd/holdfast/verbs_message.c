/* SPDX-License-Identifier: Apache-2.0 */
/* The same without libcrypto: the service hashes. */
#include "base/mem.h"
#include "cmd/holdfast/verb.h"

static const struct verb VERBS[] = {
	{"sign", verb_sign_message, "Sign a file of up to 1 MiB with a key of the service"},
};

const struct verb_set VERBS_MESSAGE = {VERBS, ARRAY_LEN(VERBS)};
