/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/BLOB.md in code. The header's checksum catches accidents and gives them the right name;
 * attackers are caught by the provider, to which the header's exact bytes are bound.
 */

#include "provider/blob.h"

#include <assert.h>

#include "crypto/hash.h"
#include "crypto/stream.h"

#define BLOB_MAGIC	   "HFBL"
#define BLOB_MAGIC_SIZE	   4u
#define BLOB_VERSION	   1u
#define BLOB_CHECKSUM_SIZE 8u

/* What may stand in the flags of a kind. */
static const uint8_t kind_flags[] = {
	[BLOB_SEALED] = BLOB_ENVELOPE,
	[BLOB_SECRET] = BLOB_ENVELOPE,
	[BLOB_KEY] = BLOB_EXPORTABLE | BLOB_EMPTY_AUTH | BLOB_IMPORTED,
	[BLOB_AIK] = 0,
	[BLOB_PERSISTENT] = BLOB_ENVELOPE,
};

static const char *const kind_names[] = {
	[BLOB_SEALED] = "sealed data",
	[BLOB_SECRET] = "a named secret",
	[BLOB_KEY] = "a key",
	[BLOB_AIK] = "an attestation key",
	[BLOB_PERSISTENT] = "a persistent object",
};

#define ALL_FLAGS (BLOB_ENVELOPE | BLOB_EXPORTABLE | BLOB_EMPTY_AUTH | BLOB_IMPORTED)

static bool name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

bool blob_name_valid(struct slice name)
{
	if (name.len == 0 || name.len > BLOB_NAME_MAX || name.data[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!name_char(name.data[i]))
			return false;
	return true;
}

void blob_header_init(struct blob_header *header, const struct provider *p, enum blob_kind kind,
		      const uint8_t tenant[BLOB_TENANT_SIZE], const char *name, uint64_t time)
{
	size_t name_len = strlen(name);

	assert(kind == BLOB_SEALED ? name_len == 0 : blob_name_valid(slice_str(name)));
	assert(p->root_len > 0 && p->root_len <= PROVIDER_ROOT_MAX);
	*header = (struct blob_header){
		.provider = p->ops->kind,
		.kind = kind,
		.time = time,
		.root_len = (uint8_t)p->root_len,
	};
	memcpy(header->tenant, tenant, BLOB_TENANT_SIZE);
	memcpy(header->auth_id, p->auth_id, sizeof(header->auth_id));
	memcpy(header->root, p->root, p->root_len);
	memcpy(header->name, name, name_len);
}

static int checksum(struct slice bytes, uint8_t ret_sum[BLOB_CHECKSUM_SIZE], struct err *err)
{
	uint8_t digest[HASH_MAX_SIZE];
	int r = hash_digest(HASH_SHA256, &bytes, 1, digest, err);

	if (r == 0)
		memcpy(ret_sum, digest, BLOB_CHECKSUM_SIZE);
	return r;
}

void blob_header_write(const struct blob_header *header, struct buf *ret_bytes)
{
	uint8_t sum[BLOB_CHECKSUM_SIZE];
	size_t start = ret_bytes->len;
	struct err err = {0};

	buf_put_str(ret_bytes, BLOB_MAGIC);
	buf_put_u8(ret_bytes, BLOB_VERSION);
	buf_put_u8(ret_bytes, (uint8_t)header->provider);
	buf_put_u8(ret_bytes, (uint8_t)header->kind);
	buf_put_u8(ret_bytes, header->flags);
	buf_put_u64(ret_bytes, header->time);
	buf_put(ret_bytes, slice_of(header->tenant, sizeof(header->tenant)));
	buf_put(ret_bytes, slice_of(header->auth_id, sizeof(header->auth_id)));
	buf_put_u8(ret_bytes, header->root_len);
	buf_put(ret_bytes, slice_of(header->root, header->root_len));
	buf_put_u8(ret_bytes, (uint8_t)strlen(header->name));
	buf_put_str(ret_bytes, header->name);
	if (!buf_ok(ret_bytes))
		return;
	if (checksum(slice_of(ret_bytes->data + start, ret_bytes->len - start), sum, &err) < 0)
		ret_bytes->failed = true;
	else
		buf_put(ret_bytes, slice_of(sum, sizeof(sum)));
}

enum blob_kind blob_header_kind(struct slice header_bytes)
{
	struct cursor cursor = cursor_of(header_bytes);
	struct slice magic = cursor_take(&cursor, BLOB_MAGIC_SIZE);
	uint8_t version = cursor_u8(&cursor);
	uint8_t kind;

	(void)cursor_u8(&cursor); /* the provider */
	kind = cursor_u8(&cursor);
	if (cursor.failed || !slice_equal(magic, slice_str(BLOB_MAGIC)) ||
	    version != BLOB_VERSION || kind > BLOB_PERSISTENT)
		return 0;
	return (enum blob_kind)kind;
}

void blob_write(struct slice header_bytes, struct slice object, struct slice body,
		struct buf *ret_blob)
{
	buf_put(ret_blob, header_bytes);
	buf_put_u32(ret_blob, (uint32_t)object.len);
	buf_put(ret_blob, object);
	buf_put(ret_blob, body);
}

static int damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_DAMAGED, "the blob is damaged: %s", what);
}

/* The header as it stands, before anybody judges it. */
struct raw_header {
	uint8_t provider, kind, flags;
	uint64_t time;
	struct slice tenant, auth_id, root, name;
};

/* Takes the header up to its checksum apart and checks that. */
static int raw_read(struct cursor *cursor, struct raw_header *ret_raw, struct slice *ret_bytes,
		    struct err *err)
{
	const uint8_t *start = cursor->rest.data;
	uint8_t sum[BLOB_CHECKSUM_SIZE];
	struct raw_header raw = {0};
	struct slice stored;
	size_t len;
	int r;

	(void)cursor_take(cursor, BLOB_MAGIC_SIZE + 1);
	raw.provider = cursor_u8(cursor);
	raw.kind = cursor_u8(cursor);
	raw.flags = cursor_u8(cursor);
	raw.time = cursor_u64(cursor);
	raw.tenant = cursor_take(cursor, BLOB_TENANT_SIZE);
	raw.auth_id = cursor_take(cursor, sizeof(((struct blob_header *)0)->auth_id));
	raw.root = cursor_take(cursor, cursor_u8(cursor));
	raw.name = cursor_take(cursor, cursor_u8(cursor));
	len = (size_t)(cursor->rest.data - start);
	stored = cursor_take(cursor, BLOB_CHECKSUM_SIZE);
	if (cursor->failed)
		return damaged(err, "it ends within its header");
	r = checksum(slice_of(start, len), sum, err);
	if (r < 0)
		return r;
	if (!slice_equal(stored, slice_of(sum, sizeof(sum))))
		return damaged(err, "its header was changed");
	*ret_raw = raw;
	*ret_bytes = slice_of(start, len + BLOB_CHECKSUM_SIZE);
	return 0;
}

/* The checksum is right, so what we do not know was written by somebody who does. */
static int raw_known(const struct raw_header *raw, struct err *err)
{
	if (raw->provider != PROVIDER_TPM && raw->provider != PROVIDER_SOFTWARE)
		return err_set(err, ERR_NOT_SUPPORTED, "the blob is of an unknown provider (%u)",
			       raw->provider);
	if (raw->kind < BLOB_SEALED || raw->kind > BLOB_PERSISTENT)
		return err_set(err, ERR_NOT_SUPPORTED, "the blob is of an unknown kind (%u)",
			       raw->kind);
	if (raw->flags & ~ALL_FLAGS)
		return err_set(err, ERR_NOT_SUPPORTED, "the blob has unknown flags (0x%02x)",
			       raw->flags);
	return 0;
}

/* What no writer of this version can have written. */
static int raw_possible(const struct raw_header *raw, struct err *err)
{
	if (raw->flags & ~kind_flags[raw->kind])
		return damaged(err, "its flags do not fit its kind");
	if ((raw->flags & BLOB_EMPTY_AUTH) && !(raw->flags & BLOB_EXPORTABLE))
		return damaged(err, "its flags contradict each other");
	if (raw->root.len == 0 || raw->root.len > PROVIDER_ROOT_MAX)
		return damaged(err, "its root has an impossible length");
	if (raw->kind == BLOB_SEALED ? raw->name.len != 0 : !blob_name_valid(raw->name))
		return damaged(err, "its name is not possible");
	return 0;
}

static void raw_to_header(const struct raw_header *raw, struct blob_header *ret_header)
{
	*ret_header = (struct blob_header){
		.provider = (enum provider_kind)raw->provider,
		.kind = (enum blob_kind)raw->kind,
		.flags = raw->flags,
		.time = raw->time,
		.root_len = (uint8_t)raw->root.len,
	};
	memcpy(ret_header->tenant, raw->tenant.data, sizeof(ret_header->tenant));
	memcpy(ret_header->auth_id, raw->auth_id.data, sizeof(ret_header->auth_id));
	memcpy(ret_header->root, raw->root.data, raw->root.len);
	if (raw->name.len)
		memcpy(ret_header->name, raw->name.data, raw->name.len);
}

static int check_body(const struct blob_header *header, struct slice body, struct err *err)
{
	struct blob_key_public key;
	uint64_t plain;

	if (header->kind == BLOB_KEY)
		return blob_key_public_parse(body, &key, err);
	if (header->kind == BLOB_AIK)
		return blob_aik_public_parse(body, &key, err);
	if (header->flags & BLOB_ENVELOPE)
		return stream_plain_size(body.len, &plain, err);
	return body.len == 0 ? 0 : damaged(err, "bytes are left over");
}

int blob_check_stream(const struct blob_header *header, uint64_t body_len, uint64_t *ret_plain,
		      struct err *err)
{
	if (header->kind == BLOB_KEY || header->kind == BLOB_AIK)
		return err_set(err, ERR_INVALID, "the blob holds %s, which has no stream",
			       kind_names[header->kind]);
	if (!(header->flags & BLOB_ENVELOPE))
		return damaged(err, "bytes are left over");
	return stream_plain_size(body_len, ret_plain, err);
}

int blob_parse(struct slice bytes, struct blob *ret_blob, struct err *err)
{
	struct blob blob = {0};
	int r = blob_parse_start(bytes, &blob, err);

	if (r == 0)
		r = check_body(&blob.header, blob.body, err);
	if (r == 0)
		*ret_blob = blob;
	return r;
}

int blob_parse_start(struct slice bytes, struct blob *ret_blob, struct err *err)
{
	struct cursor cursor = cursor_of(bytes);
	struct raw_header raw = {0};
	struct blob blob = {0};
	uint32_t object_len;
	int r;

	if (bytes.len < BLOB_MAGIC_SIZE ||
	    !slice_equal(slice_of(bytes.data, BLOB_MAGIC_SIZE), slice_str(BLOB_MAGIC))) {
		err_set(err, ERR_INVALID, "not a Holdfast blob");
		return err_add_remedy(err,
				      "Give the bytes that sealing gave, whole and unchanged.");
	}
	if (bytes.len > BLOB_MAGIC_SIZE && bytes.data[BLOB_MAGIC_SIZE] != BLOB_VERSION)
		return err_set(err, ERR_NOT_SUPPORTED, "the blob has format %u; known is %u",
			       bytes.data[BLOB_MAGIC_SIZE], BLOB_VERSION);
	r = raw_read(&cursor, &raw, &blob.header_bytes, err);
	if (r == 0)
		r = raw_known(&raw, err);
	if (r == 0)
		r = raw_possible(&raw, err);
	if (r < 0)
		return r;
	raw_to_header(&raw, &blob.header);
	object_len = cursor_u32(&cursor);
	blob.object = cursor_take(&cursor, object_len);
	blob.body = cursor.rest;
	if (cursor.failed)
		return damaged(err, "it ends within its object");
	if (object_len == 0 || object_len > PROVIDER_OBJECT_MAX)
		return damaged(err, "its object has an impossible length");
	*ret_blob = blob;
	return 0;
}

int blob_check_owner(const struct blob *blob, const struct blob_expect *expect, struct err *err)
{
	const struct blob_header *header = &blob->header;

	if (!slice_equal(slice_of(header->tenant, BLOB_TENANT_SIZE),
			 slice_of(expect->tenant, BLOB_TENANT_SIZE)))
		return err_set(err, ERR_WRONG_TENANT, "the blob was made by another tenant");
	if (header->kind != expect->kind)
		return err_set(err, ERR_INVALID, "the blob holds %s, expected here is %s",
			       kind_names[header->kind], kind_names[expect->kind]);
	if (strcmp(header->name, expect->name) != 0)
		return err_set(err, ERR_WRONG_NAME,
			       "the blob was made under the name \"%.60s\", not \"%.60s\"",
			       header->name, expect->name);
	return 0;
}

/* Was it made by this provider, on this device? */
static int check_origin(const struct blob_header *header, const struct provider *p, struct err *err)
{
	bool tpm_here = p && p->ops->kind == PROVIDER_TPM;
	bool tpm_blob = header->provider == PROVIDER_TPM;

	if (tpm_blob && !tpm_here)
		return err_set(err, ERR_TPM_REQUIRED, "%s was made by a TPM, and %s is in use",
			       kind_names[header->kind], p ? "software" : "none");
	if (!p || (!tpm_blob && tpm_here)) {
		err_set(err, ERR_NOT_SUPPORTED,
			"%s was made by the legacy provider, which is not in use",
			kind_names[header->kind]);
		return err_add_remedy(err,
				      "Start the service with SECURITY_PROVIDER=legacy to read "
				      "it, then seal its content again with the TPM.");
	}
	if (!slice_equal(slice_of(header->root, header->root_len), slice_of(p->root, p->root_len)))
		return err_set(err, ERR_WRONG_TPM,
			       tpm_blob ? "the blob was made with another TPM or before its reset"
					: "the blob was made with another host key");
	if (!slice_equal(slice_of(header->auth_id, sizeof(header->auth_id)),
			 slice_of(p->auth_id, sizeof(p->auth_id))))
		return err_set(err, ERR_AUTH_FAILED,
			       "the blob was made with an auth key that this device no longer has");
	return 0;
}

int blob_check(const struct blob *blob, const struct blob_expect *expect, const struct provider *p,
	       struct err *err)
{
	int r = check_origin(&blob->header, p, err);

	return r < 0 ? r : blob_check_owner(blob, expect, err);
}
