/* SPDX-License-Identifier: Apache-2.0 */
/* Attestation keys: records as those of keys are, with the hash and a handle that is theirs. */
#include "keystore/keystore.h"

#include "keystore/impl.h"

int keystore_aik_create(struct provider *p, const struct keystore_target *target,
			const struct aik_spec *spec, uint32_t handle, struct buf *ret_record,
			struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result aik = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BLOB_KEY_MAX);
	struct blob_key_public public;
	int r;

	r = keystore_begin(p, target, 0, &header, err);
	if (r < 0)
		return r;
	r = provider_aik_create(p, buf_slice(&header), spec, &aik, err);
	if (r < 0)
		return r;
	public = keystore_public_of(&aik);
	public.hash = spec->hash;
	public.handle = handle;
	blob_aik_public_write(&public, &body);
	return keystore_put_record(buf_slice(&header), buf_slice(&aik.object), &body, ret_record,
				   err);
}

static int open_aik(const struct provider *p, const struct keystore_target *target,
		    struct slice record, struct blob *ret_blob, struct err *err)
{
	const struct keystore_record aik = {.target = target, .bytes = record};

	return keystore_open_record(p, &aik, BLOB_AIK, ret_blob, err);
}

int keystore_aik_sign(struct provider *p, const struct keystore_target *target, struct slice record,
		      struct slice message, struct buf *ret_signature, struct err *err)
{
	struct blob blob;
	int r = open_aik(p, target, record, &blob, err);

	if (r < 0)
		return r;
	return provider_aik_sign(p, blob.header_bytes, blob.object, message, ret_signature, err);
}

int keystore_aik_activate(struct provider *p, const struct keystore_target *target,
			  struct slice record, const struct credential *credential,
			  struct secret **ret_secret, struct err *err)
{
	struct blob blob;
	int r = open_aik(p, target, record, &blob, err);

	if (r < 0)
		return r;
	return provider_activate(p, blob.header_bytes, blob.object, credential, ret_secret, err);
}

int keystore_aik_quote(struct provider *p, const struct keystore_record *aik,
		       const struct quote_request *request, struct attestation *ret_quote,
		       struct pcr_values *ret_values, struct err *err)
{
	struct blob blob;
	int r = keystore_open_record(p, aik, BLOB_AIK, &blob, err);

	if (r < 0)
		return r;
	return provider_quote(p, blob.header_bytes, blob.object, request, ret_quote, ret_values,
			      err);
}

int keystore_aik_certify(struct provider *p, const struct keystore_record *aik,
			 const struct keystore_record *key, struct slice nonce,
			 struct attestation *ret_certified, struct err *err)
{
	struct provider_object objects[2];
	struct blob blobs[2];
	int r = keystore_open_record(p, aik, BLOB_AIK, &blobs[0], err);

	if (r == 0)
		r = keystore_open_record(p, key, BLOB_KEY, &blobs[1], err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(objects); i++)
		objects[i] = (struct provider_object){.header = blobs[i].header_bytes,
						      .object = blobs[i].object};
	return provider_certify(p, &objects[0], &objects[1], nonce, ret_certified, err);
}
