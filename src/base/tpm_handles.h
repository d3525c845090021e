/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TPM_HANDLES_H
#define BASE_TPM_HANDLES_H

/* TPM handles: one answer of TPM2_GetCapability to who lists them (TPM 2.0 Part 3, 30.2). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Can the list be believed? None may stand before @first, which was asked for, and none twice: who
 * has room for each once relies on that. Where there are @more, what is asked for next begins
 * behind the last one, so they must rise as they stand, and there must be some. The last answer may
 * be in any order; it rises afterwards. false: @handles are in any order, and to be thrown away.
 */
bool tpm_handles_in_order(uint32_t *handles, size_t count, bool more, uint32_t first);

#endif
