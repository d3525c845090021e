/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: a record is a blob whose object is the provider's and whose body is the public part. */
#include "keystore/keystore.h"

#include "keystore/impl.h"

void keystore_key_fini(struct keystore_key *key)
{
	buf_fini(&key->spki);
	buf_fini(&key->tpm_name);
}

/* A new key's header, which is complete before the key is made: the key is bound to it. */
static int begin(const struct provider *p, const struct keystore_target *target, uint8_t flags,
		 struct buf *ret_header, struct err *err)
{
	struct blob_header header;
	int r = keystore_header(p, target, &header, err);

	if (r < 0)
		return r;
	header.flags = flags;
	blob_header_write(&header, ret_header);
	return buf_ok(ret_header) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

/* Appends the record or nothing. */
static int put_record(struct slice header, const struct key_result *key, struct buf *ret_record,
		      struct err *err)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BLOB_SPKI_MAX + PROVIDER_ROOT_MAX + 4);
	CLEANUP(buf_fini) struct buf record = BUF_INIT(ret_record->max - ret_record->len);
	const struct blob_key_public public = {
		.type = key->type,
		.spki = buf_slice(&key->spki),
		.name = buf_slice(&key->name),
	};

	blob_key_public_write(&public, &body);
	blob_write(header, buf_slice(&key->object), buf_slice(&body), &record);
	if (buf_ok(&body) && buf_ok(&record))
		buf_put(ret_record, buf_slice(&record));
	if (!buf_ok(&body) || !buf_ok(&record) || !buf_ok(ret_record))
		return err_set(err, ERR_INTERNAL, "no room for the record of a key");
	return 0;
}

int keystore_key_create(struct provider *p, const struct keystore_target *target,
			const struct key_spec *spec, struct buf *ret_record, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	unsigned flags = (spec->exportable ? BLOB_EXPORTABLE : 0u) |
			 (spec->empty_auth ? BLOB_EMPTY_AUTH : 0u);
	int r;

	if (spec->empty_auth && !spec->exportable)
		return err_set(err, ERR_INVALID,
			       "only a key that can be exported can be without a passphrase");
	r = begin(p, target, (uint8_t)flags, &header, err);
	if (r < 0)
		return r;
	r = provider_key_create(p, buf_slice(&header), spec, &key, err);
	if (r < 0)
		return r;
	return put_record(buf_slice(&header), &key, ret_record, err);
}

int keystore_key_import(struct provider *p, const struct keystore_target *target,
			const struct key_source *source, struct buf *ret_record, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	int r;

	r = begin(p, target, BLOB_IMPORTED, &header, err);
	if (r < 0)
		return r;
	r = provider_key_import(p, buf_slice(&header), source, &key, err);
	if (r < 0)
		return r;
	return put_record(buf_slice(&header), &key, ret_record, err);
}

/* The slices of *ret_blob borrow from @record. */
static int open_record(const struct provider *p, const struct keystore_target *target,
		       struct slice record, struct blob *ret_blob, struct err *err)
{
	struct blob_expect expect = keystore_expect(target);
	int r = blob_parse(record, ret_blob, err);

	return r < 0 ? r : blob_check(ret_blob, &expect, p, err);
}

int keystore_key_export(struct provider *p, const struct keystore_target *target,
			struct slice record, struct buf *ret_pem, struct secret **ret_passphrase,
			struct err *err)
{
	struct blob blob;
	int r = open_record(p, target, record, &blob, err);

	if (r < 0)
		return r;
	if (!(blob.header.flags & BLOB_EXPORTABLE))
		return err_set(err, ERR_CONFLICT, "the key was not made for export");
	return provider_key_export(p, blob.header_bytes, blob.object, ret_pem, ret_passphrase, err);
}

int keystore_key_sign(struct provider *p, const struct keystore_target *target, struct slice record,
		      const struct sign_request *request, struct buf *ret_signature,
		      struct err *err)
{
	struct blob blob;
	int r = open_record(p, target, record, &blob, err);

	if (r < 0)
		return r;
	return provider_key_sign(p, blob.header_bytes, blob.object, request, ret_signature, err);
}

int keystore_key_describe(const struct keystore_target *target, struct slice record,
			  struct keystore_key *ret_key, struct err *err)
{
	CLEANUP(keystore_key_fini)
	struct keystore_key key = {
		.spki = BUF_INIT(BLOB_SPKI_MAX),
		.tpm_name = BUF_INIT(PROVIDER_ROOT_MAX),
	};
	struct blob_expect expect = keystore_expect(target);
	struct blob_key_public public;
	struct blob blob;
	int r;

	r = blob_parse(record, &blob, err);
	if (r < 0)
		return r;
	r = blob_check_owner(&blob, &expect, err);
	if (r < 0)
		return r;
	r = blob_key_public_parse(blob.body, &public, err);
	if (r < 0)
		return r;
	key.header = blob.header;
	key.type = public.type;
	buf_put(&key.spki, public.spki);
	buf_put(&key.tpm_name, public.name);
	if (!buf_ok(&key.spki) || !buf_ok(&key.tpm_name))
		return err_set(err, ERR_INTERNAL, "memory is short");
	*ret_key = key;
	key = (struct keystore_key){.type = public.type};
	return 0;
}
