/* SPDX-License-Identifier: Apache-2.0 */

/* Keys that the chip keeps, and our storage key. */

#include "base/tpm_range.h"
#include "provider/tpm/impl.h"

int tpm_persist(struct provider *p, struct slice header, struct slice object, uint32_t handle,
		uint32_t *ret_handle, struct err *err)
{
	CLEANUP(opened_fini) struct opened opened = {0};
	int r = opened_open(tpm_of(p), header, object, &opened, err);

	if (r < 0)
		return r;
	return tpm_used(p, engine_persist(tpm_engine(p), &opened.object, handle, ret_handle, err));
}

/* A chip may answer with fewer than there are. */
int tpm_persistents(struct provider *p, uint32_t from, bool (*visit)(void *arg, uint32_t handle),
		    void *arg, struct err *err)
{
	struct engine_handles some = {.more = true};
	int r;

	while (some.more && tpm_is_owners(from)) {
		r = tpm_used(p, engine_persistents(tpm_engine(p), from, &some, err));
		if (r < 0)
			return r;
		for (size_t i = 0; i < some.count; i++) {
			if (!visit(arg, some.handle[i]))
				return 0;
			from = some.handle[i] + 1;
		}
	}
	return 0;
}

struct tries {
	uint32_t first;
	struct provider_taken *taken;
};

static bool take_try(void *arg, uint32_t handle)
{
	struct tries *tries = arg;
	bool tried = handle - tries->first < PROVIDER_RESIDENT_TRIES;

	if (tried)
		tries->taken->handle[tries->taken->count++] = handle;
	return tried;
}

int tpm_taken(struct provider *p, uint32_t handle, struct provider_taken *ret_taken,
	      struct err *err)
{
	struct tries tries = {.first = handle, .taken = ret_taken};

	return tpm_persistents(p, handle, take_try, &tries, err);
}

/* A key of a kind that is not served has a Name all the same. */
static int take_found(struct slice public, const struct engine_name *name,
		      struct key_result *ret_key, struct err *err)
{
	int r = tpm_fill_result(public, ret_key, err);

	if (r != ERR_NOT_SUPPORTED)
		return r;
	ret_key->type = PKEY_TYPES;
	buf_put(&ret_key->name, slice_of(name->bytes, name->len));
	buf_put(&ret_key->public, public);
	return 0;
}

int tpm_resident(struct provider *p, uint32_t handle, struct key_result *ret_key, struct err *err)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(ENGINE_PUBLIC_MAX);
	struct engine_name name;
	int r = tpm_used(p, engine_look(tpm_engine(p), handle, &name, &public, err));

	return r < 0 ? r : take_found(buf_slice(&public), &name, ret_key, err);
}

int tpm_resident_sign(struct provider *p, struct slice header, const struct provider_resident *key,
		      const struct sign_request *request, struct buf *ret_signature,
		      struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *auth = NULL;
	struct engine_persistent persistent = {.handle = key->handle, .name = key->name};
	const struct engine_sign sign = {
		.scheme = request->scheme, .hash = request->hash, .digest = request->digest};
	int r = tpm_object_auth(tpm_of(p)->auth_key, header, &auth, err);

	if (r < 0)
		return r;
	persistent.auth = secret_slice(auth);
	r = tpm_used(p,
		     engine_sign_persistent(tpm_engine(p), &persistent, &sign, ret_signature, err));
	return tpm_refused_is_damaged(r, err);
}

int tpm_evict(struct provider *p, const struct provider_resident *key, struct err *err)
{
	const struct engine_persistent persistent = {.handle = key->handle, .name = key->name};

	return tpm_used(p, engine_evict(tpm_engine(p), &persistent, err));
}

/* Of a chip that is refused it would be a lie. */
int tpm_storage_key(struct provider *p, struct key_result *ret_key, struct err *err)
{
	const struct engine_roots *roots = engine_roots(tpm_of(p)->engine);
	int refusal = engine_refusal(tpm_of(p)->engine), r;

	if (refusal)
		return err_set(err, refusal, "the TPM with Holdfast's storage key is not there");
	r = tpm_fill_result(slice_of(roots->hsk_public, roots->hsk_public_len), ret_key, err);
	ret_key->uses = 0; /* it is restricted: what it decrypts stays in the chip */
	return r;
}
