/* SPDX-License-Identifier: Apache-2.0 */
/* The identity's key in the chip: the header that its password is made of, where it lies, a proof.
 */
#include "identity/impl.h"

#include <string.h>

#include "provider/blob.h"

/*
 * The name of the purpose. Tenants' ids are random, so that of zeros is none of them, and no
 * tenant's key has this header.
 */
#define PURPOSE "device-identity"

_Static_assert(IDENTITY_HEADER_MAX >= BLOB_HEADER_MAX, "a header that has no room in the record");

void identity_key_fini(struct identity_key *key)
{
	buf_fini(&key->header);
	buf_fini(&key->spki);
}

int identity_copy(struct buf *to, struct slice from, struct err *err)
{
	buf_reset(to);
	buf_put(to, from);
	return buf_ok(to) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int identity_key_name(struct identity_key *key, struct slice name, struct err *err)
{
	if (name.len == 0 || name.len > sizeof(key->name))
		return err_set(err, ERR_INTERNAL, "a Name of %zu bytes", name.len);
	memcpy(key->name, name.data, name.len);
	key->name_len = name.len;
	return 0;
}

/* The same for every identity key below one HSK: no time, no name of its own. */
int identity_key_header(const struct provider *p, struct buf *ret_header, struct err *err)
{
	static const uint8_t nobody[BLOB_TENANT_SIZE];
	struct blob_header header;

	blob_header_init(&header, p, BLOB_KEY, nobody, PURPOSE, 0);
	blob_header_write(&header, ret_header);
	return buf_ok(ret_header) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int identity_key_find(struct provider *p, uint32_t from, struct slice name, uint32_t *ret_handle,
		      struct key_result *ret_key, struct err *err)
{
	struct provider_taken taken;
	int trouble = provider_taken(p, from, &taken, err);

	if (trouble < 0)
		return trouble;
	for (size_t i = 0; i < taken.count; i++) {
		CLEANUP(key_result_cleanup) struct key_result there = KEY_RESULT_INIT;
		struct err why;
		int r = provider_resident(p, taken.handle[i], &there, &why);

		if (r == 0 && slice_equal(buf_slice(&there.name), name)) {
			*ret_handle = taken.handle[i];
			if (ret_key) {
				key_result_fini(ret_key);
				*ret_key = there;
				there = (struct key_result)KEY_RESULT_INIT;
			}
			return 0;
		}
		if (r < 0 && r != ERR_NOT_FOUND) {
			*err = why;
			trouble = r;
		}
	}
	return trouble < 0 ? trouble
			   : err_set(err, ERR_NOT_FOUND, "the key does not lie in the TPM");
}

int signer_sign(const struct signer *signer, enum hash_alg alg, struct slice digest,
		struct buf *ret_signature, struct err *err)
{
	const struct sign_request request = {.scheme = PKEY_ECDSA, .hash = alg, .digest = digest};
	struct provider_resident resident;

	if (signer->soft)
		return pkey_sign(signer->soft, PKEY_ECDSA, alg, digest, ret_signature, err);
	resident = identity_key_resident(signer->key);
	return provider_resident_sign(signer->provider, buf_slice(&signer->key->header), &resident,
				      &request, ret_signature, err);
}

/* ERR_DAMAGED also where the signature is not good. */
int identity_key_prove(struct provider *p, const struct identity_key *key, struct err *err)
{
	static const char said[] = "holdfast device identity: this key signs";
	const struct signer signer = {.provider = p, .key = key};
	const struct slice message = slice_str(said);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	uint8_t digest[HASH_MAX_SIZE];
	struct slice hashed = slice_of(digest, hash_size(HASH_SHA256));
	int r = hash_digest(HASH_SHA256, &message, 1, digest, err);

	if (r == 0)
		r = pkey_from_spki(buf_slice(&key->spki), &public, err);
	if (r == 0)
		r = signer_sign(&signer, HASH_SHA256, hashed, &signature, err);
	if (r == 0)
		r = pkey_verify(public, PKEY_ECDSA, HASH_SHA256, hashed, buf_slice(&signature),
				err);
	return r;
}

int identity_key_at(struct provider *p, uint32_t handle, struct identity_key *ret_key,
		    struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result there = KEY_RESULT_INIT;
	int r = provider_resident(p, handle, &there, err);

	if (r < 0)
		return r;
	if (there.type != PKEY_ECC_P256)
		return err_set(err, ERR_NOT_FOUND, "no key of ours is of its type");
	ret_key->handle = handle;
	r = identity_key_name(ret_key, buf_slice(&there.name), err);
	if (r == 0)
		r = identity_copy(&ret_key->spki, buf_slice(&there.spki), err);
	buf_reset(&ret_key->header);
	return r < 0 ? r : identity_key_header(p, &ret_key->header, err);
}

int identity_key_evict(struct provider *p, uint32_t handle, struct err *err)
{
	CLEANUP(identity_key_fini) struct identity_key key = IDENTITY_KEY_INIT;
	struct provider_resident resident;
	int r = identity_key_at(p, handle, &key, err);

	if (r < 0)
		return r;
	r = identity_key_prove(p, &key, err);
	if (r == ERR_DAMAGED || r == ERR_INVALID || r == ERR_NOT_SUPPORTED)
		return err_set(err, ERR_NOT_FOUND, "the key there is not one of ours");
	if (r < 0)
		return r;
	resident = identity_key_resident(&key);
	return provider_evict(p, &resident, err);
}
