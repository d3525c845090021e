/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What somebody has sealed for our storage key, without this chip: a duplicate (Part 1, "Protected
 * Storage") that TPM2_Import makes an object below the HSK of. Its attributes are in its Name and
 * its Name is in the wrapper's HMAC, so the chip refuses what was made for another key, and what
 * was changed, in one word. That word is no failure of the chip's, and no authorisation, which
 * could be counted. What is no sealed data at all does not reach it.
 */

#include <tss2/tss2_mu.h>

#include "tpm/impl.h"
#include "tpm/rc.h"
#include "wrap/duplicate.h"

static int unmarshal(const struct engine_wrapped *wrapped, struct op_import *ret_import,
		     struct err *err)
{
	const struct duplicate duplicate = {
		.public_area = wrapped->public_area,
		.private_area = wrapped->private_area,
		.seed = wrapped->seed,
	};
	struct slice seed = wrapped->seed;
	size_t end = 0;
	int r = duplicate_check(&duplicate, err);

	if (r == 0)
		r = public_unmarshal(wrapped->public_area, &ret_import->public, err);
	if (r == 0)
		r = private_unmarshal(wrapped->private_area, &ret_import->duplicate, err);
	if (r == 0 && (Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(seed.data, seed.len, &end,
								&ret_import->seed) ||
		       end != seed.len))
		r = err_set(err, ERR_DAMAGED, "a seed is damaged");
	return r;
}

static TSS2_RC run(struct engine *engine, void *arg)
{
	struct op_import *op = arg;
	TSS2_RC rc = import_run(engine, op);

	if (op->rc != TPM2_RC_FAILURE || !chip_is_well(engine))
		return rc;
	op->rc = TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_4;
	return op->rc;
}

int engine_import_sealed(struct engine *engine, const struct engine_wrapped *wrapped,
			 struct engine_made *ret_made, struct err *err)
{
	struct op_import import = {0};
	const struct engine_op op = {.what = "importing sealed data", .run = run, .arg = &import};
	int r = unmarshal(wrapped, &import, err);

	if (r < 0)
		return r;
	r = engine_do(engine, &op, err);
	if (r < 0 && rc_is_of_input(import.rc))
		return err_set(err, ERR_DAMAGED,
			       "it was wrapped to another storage key, or changed");
	return r < 0 ? r : made_marshal(&import.public, &import.private, ret_made, err);
}
