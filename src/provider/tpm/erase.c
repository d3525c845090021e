/* SPDX-License-Identifier: Apache-2.0 */

/* What a factory reset does to the chip, and what it has to name before. */

#include <stdio.h>
#include <string.h>

#include "base/tpm_range.h"
#include "provider/tpm/impl.h"

int tpm_provider_erase(const struct tpm_options *options, const struct tpm_erase *erase,
		       struct tpm_erased *ret_erased, struct err *err)
{
	const struct engine_options engine = tpm_engine_options(options);
	struct engine_persistent keys[TPM_ERASE_MAX];
	const struct engine_erase what = {
		.keys = keys, .count = erase->count, .clear = erase->clear};
	struct engine_erased erased;
	int r;

	if (erase->count > TPM_ERASE_MAX)
		return err_set(err, ERR_INVALID, "at most %u keys are erased at once",
			       TPM_ERASE_MAX);
	for (size_t i = 0; i < erase->count; i++)
		keys[i] = (struct engine_persistent){.handle = erase->keys[i].handle,
						     .name = erase->keys[i].name};
	r = engine_erase(&engine, &what, &erased, err);
	if (r < 0)
		return r;
	*ret_erased = (struct tpm_erased){.left = erased.left, .cleared = erased.cleared};
	snprintf(ret_erased->why, sizeof(ret_erased->why), "%s", erased.why);
	return 0;
}

struct foreign {
	const uint32_t *ours;
	size_t ours_count;
	uint32_t srk, hsk;
	uint32_t handles[TPM_FOREIGN_MAX];
	size_t count;
};

static bool is_known(const struct foreign *foreign, uint32_t handle)
{
	for (size_t i = 0; i < foreign->ours_count; i++)
		if (foreign->ours[i] == handle)
			return true;
	return handle == foreign->srk || handle == foreign->hsk;
}

static bool take_foreign(void *arg, uint32_t handle)
{
	struct foreign *foreign = arg;

	if (!is_known(foreign, handle))
		foreign->handles[foreign->count++] = handle;
	return foreign->count < TPM_FOREIGN_MAX;
}

int tpm_provider_foreign(struct provider *p, const uint32_t *ours, size_t ours_count,
			 uint32_t ret_handles[static TPM_FOREIGN_MAX], size_t *ret_count,
			 struct err *err)
{
	struct foreign foreign = {.ours = ours,
				  .ours_count = ours_count,
				  .srk = engine_roots(tpm_engine(p))->srk_handle,
				  .hsk = engine_hsk_handle(tpm_engine(p))};
	int r = tpm_persistents(p, TPM_OWNER_FIRST, take_foreign, &foreign, err);

	if (r < 0)
		return r;
	memcpy(ret_handles, foreign.handles, foreign.count * sizeof(foreign.handles[0]));
	*ret_count = foreign.count;
	return 0;
}
