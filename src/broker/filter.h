/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_FILTER_H
#define BROKER_FILTER_H

/*
 * Filter: which raw command may pass to the chip. Default deny: a table of commands and of the
 * handles allowed in each position; what the parser does not understand does not pass. Pure.
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

enum filter_set {
	FILTER_NONE,
	FILTER_READ_ONLY, /* capabilities, random, PCRs, public parts */
	FILTER_STANDARD,  /* what stock consumers need of a chip of their own */
	FILTER_PROVISION, /* and DictionaryAttackParameters, EvictControl of the absent SRK */
};

enum filter_verdict {
	FILTER_PASS,
	FILTER_ANSWER, /* *ret_answer has the response: a refusal, or what needs no chip */
};

/* What the verdict depends on beside the command's bytes. */
struct filter_facts {
	enum filter_set set;
	bool srk_absent;	  /* nothing lies at 0x81000001 */
	const uint32_t *reserved; /* persistent handles that are ours: never reachable */
	size_t reserved_count;
};

/*
 * @command is one whole command as of wire_command_size(). Refusals: TPM_RC_COMMAND_CODE for what
 * the set does not hold, TPM_RC_VALUE or TPM_RC_HANDLE with its position for a handle, the TPM's
 * own format codes for what is malformed. Startup is answered TPM_RC_INITIALIZE, Shutdown success.
 */
enum filter_verdict filter_judge(const struct filter_facts *facts, struct slice command,
				 struct buf *ret_answer);

#endif
