/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing and unsealing, each cut in two where the provider's part ends: the chip's worker must
 * not be kept busy with a megabyte of AES.
 */
#include "keystore/keystore.h"

#include <time.h>

#include "keystore/impl.h"
#include "provider/envelope.h"

int keystore_header(const struct provider *p, const struct keystore_target *target,
		    struct blob_header *ret_header, struct err *err)
{
	struct slice name = slice_str(target->name);

	if (!p)
		return err_set(err, ERR_TPM_REQUIRED,
			       "the operation needs a TPM, and none is in use");
	if (target->kind == BLOB_SEALED ? name.len != 0 : !blob_name_valid(name))
		return err_set(err, ERR_INVALID, "not a name that an object can have");
	blob_header_init(ret_header, p, target->kind, target->tenant->id, target->name,
			 (uint64_t)time(NULL));
	return 0;
}

struct blob_expect keystore_expect(const struct keystore_target *target)
{
	return (struct blob_expect){
		.kind = target->kind,
		.tenant = target->tenant->id,
		.name = target->name,
	};
}

void keystore_sealing_fini(struct keystore_sealing *sealing)
{
	buf_fini(&sealing->header_bytes);
	buf_fini(&sealing->object);
	secret_free(TAKE(sealing->key));
}

static int check_plain_size(uint64_t size, struct err *err)
{
	if (size > KEYSTORE_PLAIN_MAX)
		return err_set(err, ERR_TOO_LARGE, "more than %u bytes of plaintext",
			       KEYSTORE_PLAIN_MAX);
	return 0;
}

int keystore_seal_object(struct provider *p, const struct keystore_target *target,
			 const struct secret *plain, struct keystore_sealing *ret_sealing,
			 struct err *err)
{
	CLEANUP(keystore_sealing_fini)
	struct keystore_sealing sealing = {
		.header_bytes = BUF_INIT(BLOB_HEADER_MAX),
		.object = BUF_INIT(PROVIDER_OBJECT_MAX),
	};
	CLEANUP(secret_cleanup) struct secret *inner = NULL;
	int r;

	r = check_plain_size(secret_size(plain), err);
	if (r < 0)
		return r;
	r = keystore_header(p, target, &sealing.header, err);
	if (r < 0)
		return r;
	r = envelope_begin(&sealing.header, secret_slice(plain), &sealing.header_bytes, &inner,
			   err);
	if (r < 0)
		return r;
	r = provider_seal(p, buf_slice(&sealing.header_bytes), inner, &sealing.object, err);
	if (r < 0)
		return r;
	if (sealing.header.flags & BLOB_ENVELOPE)
		sealing.key = TAKE(inner);
	*ret_sealing = sealing;
	sealing = (struct keystore_sealing){.key = NULL};
	return 0;
}

int keystore_seal_finish(const struct keystore_sealing *sealing, const struct secret *plain,
			 struct buf *ret_blob, struct err *err)
{
	const struct envelope envelope = {
		.header = &sealing->header,
		.header_bytes = buf_slice(&sealing->header_bytes),
		.inner = sealing->key,
		.object = buf_slice(&sealing->object),
		.plain = secret_slice(plain),
	};

	return envelope_finish(&envelope, ret_blob, err);
}

int keystore_open_object(struct provider *p, const struct keystore_target *target,
			 struct slice blob, struct secret **ret_secret, bool *ret_is_key,
			 struct err *err)
{
	struct blob_expect expect = keystore_expect(target);
	struct blob parsed;
	int r;

	r = blob_parse(blob, &parsed, err);
	if (r < 0)
		return r;
	r = blob_check(&parsed, &expect, p, err);
	if (r < 0)
		return r;
	/* Before the chip works for it. */
	r = check_plain_size(envelope_plain_max(&parsed), err);
	if (r < 0)
		return r;
	r = provider_unseal(p, parsed.header_bytes, parsed.object, ret_secret, err);
	if (r < 0)
		return r;
	*ret_is_key = (parsed.header.flags & BLOB_ENVELOPE) != 0;
	return 0;
}

int keystore_open_finish(struct slice blob, const struct secret *key, struct secret **ret_plain,
			 struct err *err)
{
	struct blob parsed;
	int r = blob_parse(blob, &parsed, err);

	return r < 0 ? r : envelope_open(&parsed, key, ret_plain, err);
}
