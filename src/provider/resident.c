/* SPDX-License-Identifier: Apache-2.0 */
/* The door, for keys that the chip keeps, and for the storage key that is above them. */

#include "base/tpm_range.h"
#include "provider/impl.h"

#define SIGNATURE_MAX 1024u

static int check_handle(uint32_t handle, struct err *err)
{
	if (tpm_is_owners(handle))
		return 0;
	return err_set(err, ERR_INVALID, "the persistent handle 0x%08x is not of the owner's range",
		       handle);
}

static int check_resident(const struct provider_resident *key, struct err *err)
{
	if (key->name.len == 0 || key->name.len > PROVIDER_ROOT_MAX)
		return err_set(err, ERR_INVALID, "the persistent key's Name is not possible");
	return check_handle(key->handle, err);
}

int provider_persist(struct provider *p, struct slice header, struct slice object, uint32_t handle,
		     uint32_t *ret_handle, struct err *err)
{
	int r;

	if (!p || !p->ops->persist)
		return provider_not_there(err);
	r = check_handle(handle, err);
	if (r == 0)
		r = provider_check_object(header, object, err);
	if (r == 0)
		r = provider_check_aik(header, false, err);
	return r < 0 ? r : p->ops->persist(p, header, object, handle, ret_handle, err);
}

int provider_taken(struct provider *p, uint32_t handle, struct provider_taken *ret_taken,
		   struct err *err)
{
	struct provider_taken taken = {.count = 0};
	int r;

	if (!p || !p->ops->taken)
		return provider_not_there(err);
	r = check_handle(handle, err);
	if (r == 0)
		r = p->ops->taken(p, handle, &taken, err);
	if (r == 0)
		*ret_taken = taken;
	return r;
}

int provider_resident(struct provider *p, uint32_t handle, struct key_result *ret_key,
		      struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result found = KEY_RESULT_INIT;
	int r;

	if (!p || !p->ops->resident)
		return provider_not_there(err);
	r = check_handle(handle, err);
	if (r == 0)
		r = p->ops->resident(p, handle, &found, err);
	return r < 0 ? r : provider_key_hand_over(&found, ret_key, err);
}

int provider_resident_sign(struct provider *p, struct slice header,
			   const struct provider_resident *key, const struct sign_request *request,
			   struct buf *ret_signature, struct err *err)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(SIGNATURE_MAX);
	int r;

	if (!p || !p->ops->resident_sign)
		return provider_not_there(err);
	r = provider_check_request(request, err);
	if (r == 0)
		r = check_resident(key, err);
	if (r == 0)
		r = provider_check_header(header, err);
	if (r == 0)
		r = p->ops->resident_sign(p, header, key, request, &signature, err);
	return r < 0 ? r : provider_hand_over(&signature, ret_signature, err);
}

int provider_evict(struct provider *p, const struct provider_resident *key, struct err *err)
{
	int r;

	if (!p || !p->ops->evict)
		return provider_not_there(err);
	r = check_resident(key, err);
	return r < 0 ? r : p->ops->evict(p, key, err);
}

int provider_storage_key(struct provider *p, struct key_result *ret_key, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	int r;

	if (!p || !p->ops->storage_key)
		return provider_not_there(err);
	r = p->ops->storage_key(p, &key, err);
	return r < 0 ? r : provider_key_hand_over(&key, ret_key, err);
}
