/* SPDX-License-Identifier: Apache-2.0 */
/* The header, and from content key, salt and release to the key of one stream. */

#include "artifact/payload_impl.h"

#include "artifact/v1.h"
#include "crypto/hash.h"

#define MAGIC	    "HFV2"
#define MAGIC_SIZE  4u
#define CIPHER_GCM  1u
#define CHUNK_LOG2  16u
#define INFO_PREFIX "holdfast artifact v2 payload"

_Static_assert(STREAM_CHUNK == 1u << CHUNK_LOG2, "the header says how large chunks are");

uint64_t payload_size(uint64_t plain)
{
	uint64_t sealed = stream_sealed_size(plain);

	return sealed > UINT64_MAX - PAYLOAD_HEADER ? UINT64_MAX : sealed + PAYLOAD_HEADER;
}

void payload_header_write(const struct payload_header *header, uint8_t ret_bytes[PAYLOAD_HEADER])
{
	static const uint8_t begin[] = {'H', 'F', 'V', '2', CIPHER_GCM, CHUNK_LOG2, 0, 0};

	memcpy(ret_bytes, begin, sizeof(begin));
	for (unsigned i = 0; i < 8; i++)
		ret_bytes[sizeof(begin) + i] = (uint8_t)(header->plain >> (56 - 8 * i));
	memcpy(ret_bytes + sizeof(begin) + 8, header->salt, PAYLOAD_SALT);
}

int payload_header_read(const uint8_t bytes[PAYLOAD_HEADER], struct payload_header *ret_header,
			struct err *err)
{
	struct cursor cursor = cursor_of(slice_of(bytes, PAYLOAD_HEADER));
	struct slice magic = cursor_take(&cursor, MAGIC_SIZE);
	uint8_t cipher, chunk;

	if (!slice_equal(magic, slice_of(MAGIC, MAGIC_SIZE)))
		return err_set(err, ERR_DAMAGED, V1_DOES_NOT_OPEN);
	cipher = cursor_u8(&cursor);
	chunk = cursor_u8(&cursor);
	if (cipher != CIPHER_GCM || chunk != CHUNK_LOG2)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "the payload's cipher or chunk size is not known here");
	if (cursor_u16(&cursor) != 0)
		return err_set(err, ERR_DAMAGED, V1_DOES_NOT_OPEN);
	ret_header->plain = cursor_u64(&cursor);
	memcpy(ret_header->salt, cursor_take(&cursor, PAYLOAD_SALT).data, PAYLOAD_SALT);
	return 0;
}

int payload_info(const struct payload_release *release, struct buf *ret_info, struct err *err)
{
	int r = resource_check_artifact(&release->resource, err);

	if (r < 0)
		return r;
	if (release->serial < 1 || release->serial > MANIFEST_SERIAL_MAX)
		return err_set(err, ERR_INVALID, "no release has that serial number");
	buf_put(ret_info, slice_of(INFO_PREFIX, sizeof(INFO_PREFIX))); /* with its NUL */
	buf_put(ret_info, release->resource.folder);
	buf_put_u8(ret_info, '/');
	buf_put(ret_info, release->resource.name);
	buf_put_u8(ret_info, 0);
	buf_put_u64(ret_info, release->serial);
	return buf_ok(ret_info) ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

int payload_stream(const struct payload_binding *binding, struct stream **ret_stream,
		   struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	const struct hash_hkdf hkdf = {
		.alg = HASH_SHA256,
		.key = secret_slice(binding->key),
		.salt = slice_of(binding->header + PAYLOAD_HEADER - PAYLOAD_SALT, PAYLOAD_SALT),
		.info = binding->info,
	};
	int r = secret_new(PAYLOAD_KEY, &key, err);

	if (r == 0)
		r = hash_hkdf(&hkdf, secret_data(key), PAYLOAD_KEY, err);
	if (r == 0)
		r = stream_new(key, slice_of(binding->header, PAYLOAD_HEADER), ret_stream, err);
	return r;
}
