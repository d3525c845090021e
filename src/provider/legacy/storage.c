/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage key of a machine without a TPM: a P-256 pair that comes from the host key alone, so
 * no file of its own can be lost or left behind. It is made when the provider is opened and never
 * changes, so threads share it.
 */

#include "crypto/pkey_parts.h"
#include "provider/impl.h"
#include "provider/legacy/impl.h"
#include "wrap/duplicate.h"

#define LABEL_STORAGE "holdfast legacy storage key"
#define SEED_SIZE     40u /* of pkey_from_seed() for P-256 */

static int make_pair(const struct secret *host_key, struct pkey **ret_pair, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *seed = NULL;
	const struct hash_hkdf hkdf = {
		.alg = HASH_SHA256,
		.key = secret_slice(host_key),
		.info = slice_of(LABEL_STORAGE, sizeof(LABEL_STORAGE)),
	};
	int r = secret_new(SEED_SIZE, &seed, err);

	if (r == 0)
		r = hash_hkdf(&hkdf, secret_data(seed), SEED_SIZE, err);
	return r < 0 ? r : pkey_from_seed(PKEY_ECC_P256, secret_slice(seed), ret_pair, err);
}

int legacy_storage_init(struct legacy_storage *storage, const struct secret *host_key,
			struct err *err)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
	int r = make_pair(host_key, &storage->pair, err);

	if (r == 0)
		r = wrap_public_of_software(storage->pair, &area, err);
	return r < 0 ? r : wrap_public_read(buf_slice(&area), &storage->public, err);
}

void legacy_storage_fini(struct legacy_storage *storage)
{
	wrap_public_free(storage->public);
	pkey_free(storage->pair);
}

int legacy_storage_key(struct provider *p, struct key_result *ret_key, struct err *err)
{
	const struct legacy_storage *storage = &legacy_of(p)->storage;
	int r = pkey_to_spki(wrap_public_key(storage->public), &ret_key->spki, err);

	if (r < 0)
		return r;
	buf_put(&ret_key->name, wrap_public_name(storage->public));
	buf_put(&ret_key->public, wrap_public_area(storage->public));
	ret_key->type = PKEY_ECC_P256;
	ret_key->uses = 0;
	return buf_ok(&ret_key->name) && buf_ok(&ret_key->public)
		       ? 0
		       : err_set(err, ERR_INTERNAL, "no room for a public key");
}

int legacy_unwrap(struct provider *p, const struct provider_wrapped *wrapped,
		  struct secret **ret_plain, struct err *err)
{
	const struct legacy_storage *storage = &legacy_of(p)->storage;
	const struct duplicate duplicate = {
		.public_area = wrapped->public_area,
		.private_area = wrapped->private_area,
		.seed = wrapped->seed,
	};

	return duplicate_open(storage->pair, storage->public, &duplicate, ret_plain, err);
}
