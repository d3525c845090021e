/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ATTEST_EVENTLOG_H
#define ATTEST_EVENTLOG_H

/*
 * Eventlog: the firmware's record of what it measured (TCG PC Client Platform Firmware Profile,
 * chapter 10), in the form with several hashes and in the old one with SHA-1 alone. Pure. A log
 * proves nothing by itself; replayed, it must give the values of a quote.
 */

#include "attest/attest.h"

#define EVENTLOG_MAX (1024u * 1024u)

struct eventlog_event {
	uint32_t pcr;
	uint32_t type;	   /* TCG_EVENTTYPE */
	struct slice data; /* what the firmware says of it; not covered by the PCR */
	size_t offset;	   /* in the log */
	bool extends;	   /* false: a remark that no PCR has seen */
};

/* Called for each event in order; a non-zero result ends the walk and is returned. */
typedef int (*eventlog_fn)(void *arg, const struct eventlog_event *event, struct err *err);

/*
 * Walks the log (@visit may be NULL) and computes the PCRs' values: all of 0 to 23 in each bank
 * that the log has and we know. ERR_DAMAGED: it ends in the middle or contradicts itself;
 * ERR_NOT_SUPPORTED: no bank of it is known; ERR_TOO_LARGE over EVENTLOG_MAX.
 */
int eventlog_replay(struct slice log, eventlog_fn visit, void *arg, struct attest_pcrs *ret_pcrs,
		    struct err *err) MUST_CHECK;

/*
 * Which of the PCRs in @values the log does not explain: a bit for each, of the bank of @hash.
 * ERR_NOT_SUPPORTED when one of both does not have that bank.
 */
int eventlog_compare(const struct attest_pcrs *replayed, const struct attest_pcrs *values,
		     enum hash_alg hash, uint32_t *ret_unexplained, struct err *err) MUST_CHECK;

#endif
