/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_FAPI_HELPER_H
#define CMD_HOLDFAST_FAPI_HELPER_H

/*
 * Helper: one run of holdfast-fapi, from its arguments to the one JSON object that it prints. A
 * verb appends its members to the answer; what fails carries the name of the step.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "fapi/impl.h"

struct FAPI_CONTEXT;

#define HELPER_DATA_MAX 128u /* what one sealed object holds (TPM 2.0 Part 2, MAX_SYM_DATA) */

struct helper {
	const char *path;	   /* of seal and delete; NULL otherwise */
	int folder;		   /* of the configuration, open; -1 */
	struct fapi_config config; /* the same that FAPI reads */
	struct secret *data;	   /* seal only */
	bool confined;
	uint64_t start_us; /* CLOCK_MONOTONIC */
	struct FAPI_CONTEXT *context;
	char hierarchy[16]; /* the last one that FAPI wanted a password for, or empty */
	const char *step;   /* what is being done, for the error */
	struct buf members; /* of the answer: `,"name":value` .. */
};

/* Calls Fapi_Initialize; Fapi_Finalize is the owner's, in helper_close(). */
int helper_open(struct helper *helper, struct err *err) MUST_CHECK;
void helper_close(struct helper *helper);

/* 0, or what @rc of the @step means, in @err. */
int helper_check(struct helper *helper, const char *step, uint32_t rc, struct err *err) MUST_CHECK;

/* --- verbs.c: with an open context --- */

int verb_probe(struct helper *helper, struct err *err) MUST_CHECK;
int verb_provision(struct helper *helper, struct err *err) MUST_CHECK;
int verb_seal(struct helper *helper, struct err *err) MUST_CHECK;
int verb_list(struct helper *helper, struct err *err) MUST_CHECK;
int verb_delete(struct helper *helper, struct err *err) MUST_CHECK;

/* --- settle.c: what FAPI leaves undone on disk --- */

/*
 * Makes the record of @path ("HS/SRK") in the store @dir durable; FAPI itself syncs nothing.
 * ERR_NOT_FOUND when there is no such record.
 */
int settle_record(struct helper *helper, const char *dir, const char *path, struct err *err)
	MUST_CHECK;

/* Makes durable that an object below the SRK was deleted. */
int settle_deleted(struct helper *helper, struct err *err) MUST_CHECK;

/* Are all records of a provisioned store there and whole? No call of FAPI, nothing is changed. */
bool settle_is_provisioned(struct helper *helper);

/*
 * Removes those records: FAPI refuses for ever to complete a provisioning that was killed. Nothing
 * is lost, since FAPI makes all of them again from the seeds of the TPM.
 */
int settle_forget(struct helper *helper, struct err *err) MUST_CHECK;

/* settle_record() for each of them. */
int settle_provisioned(struct helper *helper, struct err *err) MUST_CHECK;

/*
 * FAPI takes an SRK that was there before it for one that is not persistent, and makes it anew at
 * each use. Writes into its record where it lies; *ret_adopted tells whether that was needed.
 * ERR_TPM_CHANGED when the TPM does not have the key that the record names.
 */
int settle_srk(struct helper *helper, bool *ret_adopted, struct err *err) MUST_CHECK;

#endif
