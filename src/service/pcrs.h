/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_PCRS_H
#define SERVICE_PCRS_H

/* PCRs as requests select them and answers show them. */

#include "base/err.h"
#include "provider/provider.h"

struct json_t;

/*
 * The member `pcrs`: {"sha256": [0, 1, 7], ..}. Nothing selected when it is absent; a bank stands
 * once and selects at least one PCR.
 */
int pcrs_read(const struct json_t *body, struct pcr_selection *ret_pcrs, struct err *err)
	MUST_CHECK;

/* What is quoted unless asked for otherwise: of SHA-256, else of the chip's first bank, PCRs 0-7.
 */
void pcrs_usual(const struct pcr_selection *banks, struct pcr_selection *ret_pcrs);

/* {"sha256": {"0": "hex", ..}, ..}, a new reference; NULL when memory is short. */
struct json_t *pcrs_json(const struct pcr_values *values);

#endif
