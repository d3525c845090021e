/* SPDX-License-Identifier: Apache-2.0 */

/* What a factory reset does to the chip, and what it has to name before. */

#include <stdio.h>

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

struct known {
	const uint32_t *ours;
	size_t count;
	uint32_t srk, hsk;
};

static bool is_known(const struct known *known, uint32_t handle)
{
	for (size_t i = 0; i < known->count; i++)
		if (known->ours[i] == handle)
			return true;
	return handle == known->srk || handle == known->hsk;
}

int tpm_provider_foreign(struct provider *p, const uint32_t *ours, size_t ours_count,
			 uint32_t ret_handles[static TPM_FOREIGN_MAX], size_t *ret_count,
			 struct err *err)
{
	struct engine *engine = tpm_engine(p);
	const struct known known = {.ours = ours,
				    .count = ours_count,
				    .srk = engine_roots(engine)->srk_handle,
				    .hsk = engine_hsk_handle(engine)};
	uint32_t handles[TPM_FOREIGN_MAX], from = TPM_OWNER_FIRST;
	struct engine_handles some = {.more = true};
	size_t count = 0;
	int r = 0;

	while (r == 0 && some.more && count < TPM_FOREIGN_MAX && tpm_is_owners(from)) {
		r = tpm_used(p, engine_persistents(engine, from, &some, err));
		for (size_t i = 0; r == 0 && i < some.count && count < TPM_FOREIGN_MAX; i++)
			if (!is_known(&known, some.handle[i]))
				handles[count++] = some.handle[i];
		if (r == 0 && some.count > 0)
			from = some.handle[some.count - 1] + 1;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		ret_handles[i] = handles[i];
	*ret_count = count;
	return 0;
}
