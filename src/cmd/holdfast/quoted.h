/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_QUOTED_H
#define CMD_HOLDFAST_QUOTED_H

/*
 * Quoted: which PCRs a quote is about, in its own order, since their digest is made in that order.
 * Read from TPMS_ATTEST (TPM 2.0 Part 2, 10.12.12); nothing is checked here but that it is one.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct json_t;

#define QUOTED_BANKS_MAX 8u
#define QUOTED_LIST_MAX	 1024u /* bytes of what quoted_put_list() writes */

struct quoted_bank {
	const char *hash;    /* "sha256"; a constant */
	uint16_t id;	     /* of the hash, TPM_ALG_ID */
	uint8_t select_size; /* bytes of its bitmap */
	uint32_t pcrs;	     /* bit n stands for PCR n */
};

struct quoted {
	struct quoted_bank banks[QUOTED_BANKS_MAX];
	size_t count;
};

/* ERR_DAMAGED when these bytes are no quote, or one of hashes that are not known here. */
int quoted_read(struct slice attest, struct quoted *ret_quoted, struct err *err) MUST_CHECK;

/* Appends "sha256:0,1,2+sha1:7", as tools for TPMs take it. */
void quoted_put_list(struct buf *out, const struct quoted *quoted);

/*
 * Appends which PCRs and their values as the file that tpm2_quote writes and tpm2_checkquote takes
 * by -f, from the service's {"sha256": {"0": "hex", ..}, ..}. ERR_DAMAGED when a value is missing
 * or malformed.
 */
int quoted_put_values(struct buf *out, const struct quoted *quoted, const struct json_t *pcrs,
		      struct err *err) MUST_CHECK;

#endif
