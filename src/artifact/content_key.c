/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/content_key.h"

#include <inttypes.h>

#include "artifact/payload.h"
#include "base/base64.h"
#include "base/json.h"

#define KIND "content key v2"

int content_key_write(const struct manifest *manifest, const struct secret *key,
		      struct secret **ret_json, struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(CONTENT_KEY_MAX);
	char digest[MANIFEST_DIGEST_HEX];

	if (secret_size(key) != PAYLOAD_KEY)
		return err_set(err, ERR_INVALID, "a content key has %u bytes", PAYLOAD_KEY);
	manifest_hex(manifest->digest, digest);
	buf_printf(&json,
		   "{\"holdfast\":\"" KIND
		   "\",\"folder\":\"%s\",\"name\":\"%s\",\"serial\":%" PRIu64
		   ",\"manifest\":\"%s\",\"key\":\"",
		   manifest->folder, manifest->name, manifest->serial, digest);
	base64_encode(&json, secret_slice(key));
	buf_put_str(&json, "\"}\n");
	if (!buf_ok(&json))
		return err_set(err, ERR_INTERNAL, "no room for a content key");
	return secret_copy(buf_slice(&json), ret_json, err);
}

/* What the file says it is of. */
struct claim {
	const char *kind, *folder, *name, *manifest;
	uint64_t serial;
};

static int read_claim(const struct json_t *object, struct claim *claim, struct err *err)
{
	static const char *const names[] = {"holdfast", "folder",   "name",
					    "serial",	"manifest", "key"};
	int r = json_only(object, names, ARRAY_LEN(names), err);

	if (r == 0)
		r = json_get_string(object, "holdfast", true, &claim->kind, err);
	if (r == 0 && strcmp(claim->kind, KIND) != 0)
		r = err_set(err, ERR_INVALID, "/holdfast: not a content key");
	if (r == 0)
		r = json_get_string(object, "folder", true, &claim->folder, err);
	if (r == 0)
		r = json_get_string(object, "name", true, &claim->name, err);
	if (r == 0)
		r = json_get_u64(object, "serial", true, 1, MANIFEST_SERIAL_MAX, &claim->serial,
				 err);
	return r < 0 ? r : json_get_string(object, "manifest", true, &claim->manifest, err);
}

static int check_claim(const struct claim *claim, const struct manifest *manifest, struct err *err)
{
	char digest[MANIFEST_DIGEST_HEX];

	manifest_hex(manifest->digest, digest);
	if (strcmp(claim->folder, manifest->folder) == 0 &&
	    strcmp(claim->name, manifest->name) == 0 && claim->serial == manifest->serial &&
	    strcmp(claim->manifest, digest) == 0)
		return 0;
	return err_set(err, ERR_WRONG_NAME, "the content key is of another release");
}

static int read_key(const struct secret *json, const struct manifest *manifest,
		    struct secret **ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	struct claim claim = {0};
	int r = json_parse(secret_slice(json), &object, err);

	if (r == 0)
		r = read_claim(object, &claim, err);
	if (r == 0)
		r = json_get_secret(object, "key", true, PAYLOAD_KEY, &key, err);
	if (r == 0 && secret_size(key) != PAYLOAD_KEY)
		r = err_set(err, ERR_INVALID, "/key: not %u bytes", PAYLOAD_KEY);
	if (r == 0)
		r = check_claim(&claim, manifest, err);
	if (r == 0)
		*ret_key = TAKE(key);
	return r;
}

int content_key_read(const struct secret *json, const struct manifest *manifest,
		     struct secret **ret_key, struct err *err)
{
	int r = secret_size(json) > CONTENT_KEY_MAX
			? err_set(err, ERR_TOO_LARGE, "over %u bytes", CONTENT_KEY_MAX)
			: read_key(json, manifest, ret_key, err);

	if (r == ERR_INVALID || r == ERR_TOO_LARGE)
		err->code = ERR_DAMAGED;
	if (r < 0)
		err_wrap(err, "the file of the content key");
	return r < 0 ? err->code : 0;
}
