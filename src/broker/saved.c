/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each copy has a key of its own, from the broker's, the tenant's id and a salt, so that no nonce
 * can repeat however many there are. Blob: version, salt, stream (crypto/stream.h) over kind,
 * noDA, the context with its length and the recipe; version and outer fields are authenticated.
 */
#include "broker/saved.h"

#include "broker/wire.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/stream.h"

#define VERSION	   1u
#define SALT_SIZE  16u
#define OUTER_SIZE (8u + 4u + 4u + 2u) /* sequence, handle, hierarchy, size of the blob */
#define INNER_SIZE (1u + 1u + 2u)
#define BLOB_SIZE  (1u + SALT_SIZE + STREAM_TAG + INNER_SIZE) /* of a blob with nothing in it */
#define AAD_SIZE   17u

static int derive(const struct saved_key *key, struct slice salt, struct secret **ret_key,
		  struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *derived = NULL;
	struct hash_kdfa in = {
		.alg = HASH_SHA256,
		.key = secret_slice(key->broker),
		.label = "CONTEXT",
		.context_u = slice_of(key->id, BROKER_TENANT_ID_SIZE),
		.context_v = salt,
		.bits = CIPHER_KEY256 * 8,
	};
	int r = secret_new(CIPHER_KEY256, &derived, err);

	if (r == 0)
		r = hash_kdfa(&in, secret_data(derived), err);
	if (r == 0)
		*ret_key = TAKE(derived);
	return r;
}

static void put_aad(struct buf *aad, uint8_t version, const struct saved_head *head)
{
	buf_put_u8(aad, version);
	buf_put_u64(aad, head->sequence);
	buf_put_u32(aad, head->handle);
	buf_put_u32(aad, head->hierarchy);
}

static void put_plain(struct buf *plain, const struct saved *saved)
{
	size_t room = SAVED_CONTEXT_MAX - OUTER_SIZE - BLOB_SIZE;

	buf_put_u8(plain, saved->kind);
	buf_put_u8(plain, saved->no_da);
	buf_put_u16(plain, (uint16_t)saved->context.len);
	buf_put(plain, saved->context);
	if (saved->context.len + saved->recipe.len <= room)
		buf_put(plain, saved->recipe);
}

int saved_seal(const struct saved_key *key, const struct saved *saved, struct buf *ret_context,
	       struct err *err)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(SAVED_CONTEXT_MAX), aad = BUF_INIT(AAD_SIZE);
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(SAVED_CONTEXT_MAX);
	CLEANUP(secret_cleanup) struct secret *own = NULL;
	uint8_t salt[SALT_SIZE];
	int r;

	if (saved->context.len > SAVED_CONTEXT_MAX - OUTER_SIZE - BLOB_SIZE)
		return err_set(err, ERR_TOO_LARGE, "a context of %zu bytes cannot be saved",
			       saved->context.len);
	put_plain(&plain, saved);
	put_aad(&aad, VERSION, &saved->head);
	if (!buf_ok(&plain) || !buf_ok(&aad))
		return err_set(err, ERR_INTERNAL, "no memory for a saved context");
	r = cipher_random(salt, sizeof(salt), err);
	if (r == 0)
		r = derive(key, slice_of(salt, sizeof(salt)), &own, err);
	if (r == 0)
		r = stream_seal(own, buf_slice(&aad), buf_slice(&plain), &sealed, err);
	if (r < 0)
		return r;
	buf_put_u64(ret_context, saved->head.sequence);
	buf_put_u32(ret_context, saved->head.handle);
	buf_put_u32(ret_context, saved->head.hierarchy);
	buf_put_u16(ret_context, (uint16_t)(1 + sizeof(salt) + sealed.len));
	buf_put_u8(ret_context, VERSION);
	buf_put(ret_context, slice_of(salt, sizeof(salt)));
	buf_put(ret_context, buf_slice(&sealed));
	return 0;
}

static int read_plain(struct slice plain, const struct saved_head *head, struct saved *ret_saved)
{
	struct cursor cursor = cursor_of(plain);
	struct saved saved = {.head = *head};

	saved.kind = cursor_u8(&cursor);
	saved.no_da = cursor_u8(&cursor) != 0;
	saved.context = cursor_take(&cursor, cursor_u16(&cursor));
	saved.recipe = cursor.rest;
	if (cursor.failed)
		return ERR_DAMAGED;
	*ret_saved = saved;
	return 0;
}

int saved_open(const struct saved_key *key, const struct saved_head *head, struct slice blob,
	       struct saved *ret_saved, struct secret **ret_plain, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *own = NULL, *plain = NULL;
	CLEANUP(buf_fini) struct buf aad = BUF_INIT(AAD_SIZE);
	struct cursor cursor = cursor_of(blob);
	uint8_t version = cursor_u8(&cursor);
	struct slice salt = cursor_take(&cursor, SALT_SIZE);
	int r;

	if (cursor.failed || version != VERSION || cursor.rest.len < STREAM_TAG)
		return err_set(err, ERR_DAMAGED, "this is no context that was saved here");
	put_aad(&aad, version, head);
	if (!buf_ok(&aad))
		return err_set(err, ERR_INTERNAL, "no memory for a saved context");
	r = derive(key, salt, &own, err);
	if (r == 0)
		r = stream_open(own, buf_slice(&aad), cursor.rest, &plain, err);
	if (r < 0)
		return r;
	r = read_plain(secret_slice(plain), head, ret_saved);
	if (r < 0)
		return err_set(err, r, "a saved context makes no sense");
	*ret_plain = TAKE(plain);
	return 0;
}
