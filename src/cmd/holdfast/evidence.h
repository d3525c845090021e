/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_EVIDENCE_H
#define CMD_HOLDFAST_EVIDENCE_H

/*
 * Evidence: the service's answer to a quote or a certification, brought to a verifier, and what
 * may be believed of it. Pure; the answer is as hostile as the device that it came from.
 */

#include <stdbool.h>

#include "attest/attest.h"
#include "attest/eventlog.h"
#include "base/buf.h"

#define EVIDENCE_MAX (4u * 1024u * 1024u) /* of JSON, event log included */

struct evidence {
	struct buf attest;    /* TPMS_ATTEST */
	struct buf signature; /* TPMT_SIGNATURE */
	struct buf public;    /* TPM2B_PUBLIC of a certified key; empty = not told */
	struct buf event_log; /* empty = not told */
	struct attest_pcrs values;
	bool has_values;
};
#define EVIDENCE_INIT                                                                              \
	{                                                                                          \
		.attest = BUF_INIT(4096), .signature = BUF_INIT(1024), .public = BUF_INIT(4096),   \
		.event_log = BUF_INIT(EVENTLOG_MAX)                                                \
	}
void evidence_fini(struct evidence *evidence);

/* Members that it does not know are ignored. ERR_INVALID with a JSON pointer. */
int evidence_read(struct slice text, struct evidence *ret_evidence, struct err *err) MUST_CHECK;

/* What the verifier knows beforehand. */
struct evidence_expect {
	const struct pkey *key;
	const struct slice *nonce; /* NULL: any */
	const struct slice *name;  /* a certification of this key; NULL: a quote */
};

struct evidence_verdict {
	struct attest_statement statement; /* borrows from the evidence */
	enum hash_alg hash;		   /* of the signature */
	bool event_log;			   /* a log was told, and explains all quoted PCRs */
	bool public; /* the certified key's public area was told, and is its */
};

/*
 * ERR_DAMAGED when one thing does not hold: signature, nonce, values, log or Name; the text says
 * which. ERR_INVALID: a quote without values, or the other kind of statement than is expected.
 */
int evidence_judge(const struct evidence *evidence, const struct evidence_expect *expect,
		   struct evidence_verdict *ret_verdict, struct err *err) MUST_CHECK;

#endif
