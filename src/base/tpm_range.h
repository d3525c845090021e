/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TPM_RANGE_H
#define BASE_TPM_RANGE_H

/*
 * TPM range: the persistent handles of the owner (TPM 2.0 Part 2, 7.2 and 7.5); those behind them
 * are the platform's.
 */

#include <stdbool.h>
#include <stdint.h>

#define TPM_OWNER_FIRST 0x81000000u
#define TPM_OWNER_LAST	0x817fffffu

static inline bool tpm_is_owners(uint32_t handle)
{
	return handle >= TPM_OWNER_FIRST && handle <= TPM_OWNER_LAST;
}

#endif
