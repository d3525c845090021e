/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: a record is a blob whose object is the provider's and whose body is the public part. */
#include "keystore/keystore.h"

#include "keystore/impl.h"

void keystore_key_fini(struct keystore_key *key)
{
	buf_fini(&key->spki);
	buf_fini(&key->tpm_name);
	buf_fini(&key->public);
}

int keystore_begin(const struct provider *p, const struct keystore_target *target, unsigned flags,
		   struct buf *ret_header, struct err *err)
{
	struct blob_header header;
	int r = keystore_header(p, target, &header, err);

	if (r < 0)
		return r;
	header.flags = (uint8_t)flags;
	blob_header_write(&header, ret_header);
	return buf_ok(ret_header) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

struct blob_key_public keystore_public_of(const struct key_result *key)
{
	return (struct blob_key_public){
		.type = key->type,
		.uses = key->uses,
		.spki = buf_slice(&key->spki),
		.name = buf_slice(&key->name),
		.public = buf_slice(&key->public),
	};
}

int keystore_put_record(struct slice header, struct slice object, const struct buf *body,
			struct buf *ret_record, struct err *err)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(ret_record->max - ret_record->len);

	blob_write(header, object, buf_slice(body), &record);
	if (buf_ok(body) && buf_ok(&record))
		buf_put(ret_record, buf_slice(&record));
	if (!buf_ok(body) || !buf_ok(&record) || !buf_ok(ret_record))
		return err_set(err, ERR_INTERNAL, "no room for the record of a key");
	return 0;
}

static int put_key(struct slice header, const struct key_result *key, struct buf *ret_record,
		   struct err *err)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BLOB_KEY_MAX);
	const struct blob_key_public public = keystore_public_of(key);

	blob_key_public_write(&public, &body);
	return keystore_put_record(header, buf_slice(&key->object), &body, ret_record, err);
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
	r = keystore_begin(p, target, flags, &header, err);
	if (r < 0)
		return r;
	r = provider_key_create(p, buf_slice(&header), spec, &key, err);
	if (r < 0)
		return r;
	return put_key(buf_slice(&header), &key, ret_record, err);
}

int keystore_key_import(struct provider *p, const struct keystore_target *target,
			const struct key_source *source, struct buf *ret_record, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	int r;

	r = keystore_begin(p, target, BLOB_IMPORTED, &header, err);
	if (r < 0)
		return r;
	r = provider_key_import(p, buf_slice(&header), source, &key, err);
	if (r < 0)
		return r;
	return put_key(buf_slice(&header), &key, ret_record, err);
}

int keystore_open_record(const struct provider *p, const struct keystore_record *record,
			 enum blob_kind kind, struct blob *ret_blob, struct err *err)
{
	struct blob_expect expect = keystore_expect(record->target);
	int r = blob_parse(record->bytes, ret_blob, err);

	if (r == 0)
		r = blob_check(ret_blob, &expect, p, err);
	if (r == 0 && ret_blob->header.kind != kind)
		r = err_set(err, ERR_INVALID, "the record is %s attestation key",
			    kind == BLOB_AIK ? "no" : "an");
	return r;
}

static int open_key(const struct provider *p, const struct keystore_target *target,
		    struct slice record, struct blob *ret_blob, struct err *err)
{
	const struct keystore_record key = {.target = target, .bytes = record};

	return keystore_open_record(p, &key, BLOB_KEY, ret_blob, err);
}

int keystore_key_export(struct provider *p, const struct keystore_target *target,
			struct slice record, struct buf *ret_pem, struct secret **ret_passphrase,
			struct err *err)
{
	struct blob blob;
	int r = open_key(p, target, record, &blob, err);

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
	int r = open_key(p, target, record, &blob, err);

	if (r < 0)
		return r;
	return provider_key_sign(p, blob.header_bytes, blob.object, request, ret_signature, err);
}

int keystore_key_decrypt(struct provider *p, const struct keystore_target *target,
			 struct slice record, const struct decrypt_request *request,
			 struct secret **ret_plain, struct err *err)
{
	struct blob blob;
	int r = open_key(p, target, record, &blob, err);

	if (r < 0)
		return r;
	return provider_key_decrypt(p, blob.header_bytes, blob.object, request, ret_plain, err);
}

int keystore_key_agree(struct provider *p, const struct keystore_target *target,
		       struct slice record, const struct pkey *peer, struct secret **ret_shared,
		       struct err *err)
{
	struct blob blob;
	int r = open_key(p, target, record, &blob, err);

	if (r < 0)
		return r;
	return provider_key_agree(p, blob.header_bytes, blob.object, peer, ret_shared, err);
}

int keystore_key_mac(struct provider *p, const struct keystore_target *target, struct slice record,
		     struct slice data, struct buf *ret_mac, struct err *err)
{
	struct blob blob;
	int r = open_key(p, target, record, &blob, err);

	if (r < 0)
		return r;
	return provider_key_mac(p, blob.header_bytes, blob.object, data, ret_mac, err);
}

int keystore_pieces_start(struct provider *p, const struct keystore_target *target,
			  struct slice record, struct pieces **ret_pieces, struct err *err)
{
	const struct keystore_record key = {.target = target, .bytes = record};
	bool is_aik = target->kind == BLOB_AIK;
	struct blob blob;
	int r = keystore_open_record(p, &key, is_aik ? BLOB_AIK : BLOB_KEY, &blob, err);

	if (r < 0)
		return r;
	return provider_pieces_start(p, is_aik ? PIECES_AIK : PIECES_MAC, blob.header_bytes,
				     blob.object, ret_pieces, err);
}

static int parse_public(const struct blob *blob, struct blob_key_public *ret_public,
			struct err *err)
{
	if (blob->header.kind == BLOB_AIK)
		return blob_aik_public_parse(blob->body, ret_public, err);
	return blob_key_public_parse(blob->body, ret_public, err);
}

int keystore_key_describe(const struct keystore_target *target, struct slice record,
			  struct keystore_key *ret_key, struct err *err)
{
	CLEANUP(keystore_key_fini)
	struct keystore_key key = {
		.spki = BUF_INIT(BLOB_SPKI_MAX),
		.tpm_name = BUF_INIT(PROVIDER_ROOT_MAX),
		.public = BUF_INIT(BLOB_PUBLIC_MAX),
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
	r = parse_public(&blob, &public, err);
	if (r < 0)
		return r;
	key.header = blob.header;
	key.type = public.type;
	key.uses = public.uses;
	key.hash = public.hash;
	key.handle = public.handle;
	buf_put(&key.spki, public.spki);
	buf_put(&key.tpm_name, public.name);
	buf_put(&key.public, public.public);
	if (!buf_ok(&key.spki) || !buf_ok(&key.tpm_name) || !buf_ok(&key.public))
		return err_set(err, ERR_INTERNAL, "memory is short");
	*ret_key = key;
	key = (struct keystore_key){.type = public.type};
	return 0;
}
