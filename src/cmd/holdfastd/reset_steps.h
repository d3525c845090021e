/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_RESET_STEPS_H
#define CMD_HOLDFASTD_RESET_STEPS_H

/*
 * Reset steps: what a factory reset erases, and in which order. Each step can be repeated, and the
 * journal tells which are done. What the secrets hang on dies first, what tells of them last. The
 * chip has its place in the order; while it cannot be reached, the files go all the same.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "identity/files.h"
#include "provider/tpm/tpm.h"
#include "store/store.h"

/* Bits of identity_journal.step. */
enum reset_step {
	RESET_RECORDS = 1 << 0, /* of all tenants: keys, secrets, policies of those added */
	RESET_FAPI = 1 << 1,
	RESET_CHIP = 1 << 2,  /* the HSK and the identity's key, or all of it (clear) */
	RESET_KEYS = 1 << 3,  /* auth.key and host.key */
	RESET_REST = 1 << 4,  /* what else the state folder has: what was recorded of the TPM */
	RESET_FILES = 1 << 5, /* of the identity */
	RESET_ALL = (1 << 6) - 1,
};
#define RESET_BEFORE_CHIP (RESET_RECORDS | RESET_FAPI)
#define RESET_AFTER_CHIP  (RESET_KEYS | RESET_REST | RESET_FILES)

/* What is going to be erased; @record is tpm.state, empty when no TPM was ever used. */
struct reset_plan {
	struct slice record;
	bool record_lost; /* there was one, and it cannot be read */
	uint32_t hsk_handle;
	bool clear_tpm;
	bool without_tpm; /* the chip is not asked */
	int64_t now;
};
/*
 * Makes of @journal, which tells what was being done, that of a reset. The key is the view's, or
 * one that was being made.
 */
struct identity_view;
int reset_plan(const struct reset_plan *plan, const struct identity_view *view,
	       struct identity_journal *journal, struct err *err) MUST_CHECK;

/* Is there anything to erase from a chip? Borrows the journal. */
bool reset_erase(const struct identity_journal *journal, struct tpm_erase *ret_erase);
/* The chip did what it could. */
void reset_erased(struct identity_journal *journal, const struct tpm_erased *erased);

/* .. or an operator says that it is gone: what it has stays there. */
void reset_give_up_chip(struct identity_journal *journal);

/* Those of @steps that are not done, on disk, and journals each. Not RESET_CHIP. */
struct reset_place {
	struct store *store;
	struct identity_files *files;
	const char *state; /* the state folder's path */
};
int reset_disk(const struct reset_place *place, unsigned steps, struct identity_journal *journal,
	       struct err *err) MUST_CHECK;

/* In words what somebody could still use; "" = nothing. @why may be "". */
void reset_left(const struct identity_journal *journal, const char *why, char *ret_text,
		size_t size);

#endif
