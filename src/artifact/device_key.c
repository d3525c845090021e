/* SPDX-License-Identifier: Apache-2.0 */
/* One device's line: what is sealed in it, and how it is written. */

#include "artifact/device_key.h"

#include "artifact/v1.h"
#include "base/base64.h"
#include "base/json.h"

#define CONTENT_SIZE (PAYLOAD_KEY + MANIFEST_DIGEST)

static const uint8_t name_prefix[] = {0x00, 0x0b};

void device_key_fini(struct device_key *key)
{
	duplicate_made_fini(&key->wrapped);
}

static void put_part(const char *name, const struct buf *part, struct buf *line)
{
	buf_printf(line, ",\"%s\":\"", name);
	base64_encode(line, buf_slice(part));
	buf_put_u8(line, '"');
}

static void put_line(const struct wrap_public *storage, const uint8_t manifest[MANIFEST_DIGEST],
		     const struct duplicate_made *made, struct buf *line)
{
	char name[WRAP_NAME_HEX], digest[MANIFEST_DIGEST_HEX];

	wrap_public_hex(storage, name);
	manifest_hex(manifest, digest);
	buf_printf(line, DEVICE_KEY_PREFIX "%s\",\"manifest\":\"%s\"", name, digest);
	put_part("public", &made->public_area, line);
	put_part("duplicate", &made->private_area, line);
	put_part("seed", &made->seed, line);
	buf_put_str(line, "}\n");
}

int device_key_make(const struct wrap_public *storage, const struct secret *key,
		    const uint8_t manifest[MANIFEST_DIGEST], struct buf *ret_line, struct err *err)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(secret_cleanup) struct secret *content = NULL;
	CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX);
	int r;

	if (secret_size(key) != PAYLOAD_KEY)
		return err_set(err, ERR_INVALID, "a content key has %u bytes", PAYLOAD_KEY);
	r = secret_new(CONTENT_SIZE, &content, err);
	if (r < 0)
		return r;
	memcpy(secret_data(content), secret_slice(key).data, PAYLOAD_KEY);
	memcpy(secret_data(content) + PAYLOAD_KEY, manifest, MANIFEST_DIGEST);
	r = duplicate_make(storage, content, &made, err);
	if (r < 0)
		return r;
	put_line(storage, manifest, &made, &line);
	buf_put(ret_line, buf_slice(&line));
	return buf_ok(&line) && buf_ok(ret_line)
		       ? 0
		       : err_set(err, ERR_INTERNAL, "no room for a device key");
}

static int get_hex(const struct json_t *object, const char *name, size_t size, uint8_t *ret_bytes,
		   struct err *err)
{
	const char *text = NULL;
	int r = json_get_string(object, name, true, &text, err);

	if (r == 0 && !hex_decode(slice_str(text), ret_bytes, size))
		r = err_set(err, ERR_INVALID, "/%s: not %zu lower hex digits", name, 2 * size);
	return r;
}

static int get_part(const struct json_t *object, const char *name, struct buf *ret_part,
		    struct err *err)
{
	buf_reset(ret_part);
	return json_get_bytes(object, name, true, ret_part, err);
}

static int read_line(const struct json_t *object, struct device_key *key, struct err *err)
{
	static const char *const names[] = {"storage_key", "manifest", "public", "duplicate",
					    "seed"};
	struct duplicate duplicate;
	int r = json_only(object, names, ARRAY_LEN(names), err);

	if (r == 0)
		r = get_hex(object, "storage_key", WRAP_NAME_SIZE, key->storage_key, err);
	if (r == 0 && !slice_equal(slice_of(key->storage_key, sizeof(name_prefix)),
				   slice_of(name_prefix, sizeof(name_prefix))))
		r = err_set(err, ERR_INVALID, "/storage_key: not a Name with SHA-256");
	if (r == 0)
		r = get_hex(object, "manifest", MANIFEST_DIGEST, key->manifest, err);
	if (r == 0)
		r = get_part(object, "public", &key->wrapped.public_area, err);
	if (r == 0)
		r = get_part(object, "duplicate", &key->wrapped.private_area, err);
	if (r == 0)
		r = get_part(object, "seed", &key->wrapped.seed, err);
	if (r < 0)
		return r;
	duplicate = duplicate_of(&key->wrapped);
	return duplicate_check(&duplicate, err);
}

int device_key_parse(struct slice line, struct device_key *ret_key, struct err *err)
{
	CLEANUP(device_key_cleanup) struct device_key key = DEVICE_KEY_INIT;
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	int r;

	if (line.len > DEVICE_KEY_LINE_MAX)
		return err_set(err, ERR_DAMAGED, "a device key of over %u bytes",
			       DEVICE_KEY_LINE_MAX);
	r = json_parse(line, &object, err);
	if (r == 0)
		r = read_line(object, &key, err);
	if (r == 0) {
		device_key_fini(ret_key);
		*ret_key = key;
		key = (struct device_key)DEVICE_KEY_INIT;
		return 0;
	}
	if (r == ERR_INVALID || r == ERR_TOO_LARGE)
		err->code = ERR_DAMAGED;
	err_wrap(err, "the device key");
	return err->code;
}

int device_key_take(const struct secret *unwrapped, const uint8_t manifest[MANIFEST_DIGEST],
		    struct secret **ret_key, struct err *err)
{
	struct slice content = secret_slice(unwrapped);

	if (content.len != CONTENT_SIZE ||
	    !secret_equal(slice_of(content.data + PAYLOAD_KEY, MANIFEST_DIGEST),
			  slice_of(manifest, MANIFEST_DIGEST)))
		return err_set(err, ERR_DAMAGED, V1_DOES_NOT_OPEN);
	return secret_copy(slice_of(content.data, PAYLOAD_KEY), ret_key, err);
}
