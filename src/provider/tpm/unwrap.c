/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What others have encrypted to the storage key. TPM2_Import makes an object of it, which is
 * remembered while the provider is open: the next time it is as with every object of ours, one
 * Unseal while it is in the chip, and a Load before that when it is not.
 *
 * What is remembered outlives a reset, since it is an object below the HSK like any other. When
 * another chip answers all of it goes.
 */

#include <string.h>

#include "provider/tpm/impl.h"

/* --- the memory ---------------------------------------------------------------------------- */

static void entry_wipe(struct unwrapped_entry *entry)
{
	engine_made_fini(&entry->object);
	*entry = (struct unwrapped_entry){0};
}

void unwrapped_fini(struct unwrapped *unwrapped)
{
	for (size_t i = 0; i < PROVIDER_UNWRAPPED; i++)
		entry_wipe(&unwrapped->entries[i]);
}

/* With the lengths, so that no byte can pass from one part to the next. */
static int id_of(const struct provider_wrapped *wrapped, uint8_t ret_id[HASH_MAX_SIZE],
		 struct err *err)
{
	size_t lengths[] = {wrapped->public_area.len, wrapped->private_area.len};
	struct slice parts[] = {slice_of(lengths, sizeof(lengths)), wrapped->public_area,
				wrapped->private_area, wrapped->seed};

	memset(ret_id, 0, HASH_MAX_SIZE);
	return hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), ret_id, err);
}

static struct unwrapped_entry *entry_find(struct unwrapped *unwrapped, const uint8_t *id)
{
	for (size_t i = 0; i < PROVIDER_UNWRAPPED; i++) {
		struct unwrapped_entry *entry = &unwrapped->entries[i];

		if (entry->used &&
		    slice_equal(slice_of(entry->id, HASH_MAX_SIZE), slice_of(id, HASH_MAX_SIZE))) {
			entry->used = ++unwrapped->clock;
			return entry;
		}
	}
	return NULL;
}

/* Takes @object over, in the place of the one that was not used for the longest time. */
static void entry_put(struct unwrapped *unwrapped, const uint8_t *id, struct engine_made *object)
{
	struct unwrapped_entry *oldest = &unwrapped->entries[0];

	for (size_t i = 1; i < PROVIDER_UNWRAPPED; i++)
		if (unwrapped->entries[i].used < oldest->used)
			oldest = &unwrapped->entries[i];
	entry_wipe(oldest);
	memcpy(oldest->id, id, HASH_MAX_SIZE);
	oldest->object = *object;
	oldest->used = ++unwrapped->clock;
	*object = (struct engine_made)ENGINE_MADE_INIT;
}

/* --- the calls ----------------------------------------------------------------------------- */

/* A password inside is not ours, so it is not for us; nothing is counted (noDA). */
static int unseal(struct provider *p, const struct engine_made *made, struct secret **ret_plain,
		  struct err *err)
{
	const struct engine_object object = {
		.parent = ENGINE_HSK,
		.public = buf_slice(&made->public),
		.private = buf_slice(&made->private),
	};
	int r = tpm_used(p, engine_unseal(tpm_engine(p), &object, ret_plain, err));

	return tpm_refused_is_damaged(r, err);
}

static int import(struct provider *p, const struct provider_wrapped *wrapped, const uint8_t *id,
		  struct secret **ret_plain, struct err *err)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	const struct engine_wrapped import = {
		.public_area = wrapped->public_area,
		.private_area = wrapped->private_area,
		.seed = wrapped->seed,
	};
	int r = tpm_used(p, engine_import_sealed(tpm_engine(p), &import, &made, err));

	if (r == 0)
		r = unseal(p, &made, ret_plain, err);
	if (r == 0)
		entry_put(&tpm_of(p)->unwrapped, id, &made);
	return r;
}

int tpm_unwrap(struct provider *p, const struct provider_wrapped *wrapped,
	       struct secret **ret_plain, struct err *err)
{
	struct unwrapped *unwrapped = &tpm_of(p)->unwrapped;
	struct unwrapped_entry *entry;
	uint8_t id[HASH_MAX_SIZE];
	int r = id_of(wrapped, id, err);

	if (r < 0)
		return r;
	entry = entry_find(unwrapped, id);
	r = entry ? unseal(p, &entry->object, ret_plain, err)
		  : import(p, wrapped, id, ret_plain, err);
	if (r == ERR_TPM_CHANGED)
		unwrapped_fini(unwrapped);
	return r;
}

int tpm_storage_activate(struct provider *p, const struct credential *credential,
			 struct secret **ret_secret, struct err *err)
{
	const struct engine_credential challenge = {
		.ek = credential->ek, .blob = credential->blob, .secret = credential->secret};

	return tpm_used(p, engine_activate_storage(tpm_engine(p), &challenge, ret_secret, err));
}
