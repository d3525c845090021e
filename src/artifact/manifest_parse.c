/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From JSON to a manifest: members one by one into the struct, then the rules of all manifests.
 * What this version does not know is found first, so that a later manifest is not called damaged.
 */

#include <jansson.h>

#include "artifact/manifest_impl.h"
#include "base/base64.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "crypto/stream.h"

#define FORMAT_MAX 2u

/* Objects of the manifest, and what may stand in each. */
enum scope { SCOPE_TOP, SCOPE_PLAIN, SCOPE_PAYLOAD, SCOPE_IMAGE, SCOPES };

static const char *const members[SCOPES][14] = {
	[SCOPE_TOP] = {"holdfast", "folder", "name", "type", "version", "serial", "expires",
		       "min_format", "protection", "plain", "payload", "images"},
	[SCOPE_PLAIN] = {"size"},
	[SCOPE_PAYLOAD] = {"cipher", "chunk", "size", "sha256"},
	[SCOPE_IMAGE] = {"ref", "id"},
};

static int only_known(const json_t *object, enum scope scope, struct err *err)
{
	size_t count = 0;
	int r;

	while (members[scope][count])
		count++;
	r = json_only(object, members[scope], count, err);
	if (r == ERR_INVALID)
		err->code = ERR_NOT_SUPPORTED;
	return r < 0 ? err->code : 0;
}

/* A member that is an object of known members. */
static int get_object(const json_t *top, const char *name, enum scope scope,
		      const json_t **ret_object, struct err *err)
{
	const json_t *object = json_object_get(top, name);
	int r;

	if (!json_is_object(object))
		return err_set(err, ERR_INVALID, "/%s: must be an object", name);
	r = only_known(object, scope, err);
	if (r == 0)
		*ret_object = object;
	return r;
}

/* A text of less than @size bytes; the rest of @ret_text is zero already. */
static int get_text(const json_t *object, const char *name, size_t size, char *ret_text,
		    struct err *err)
{
	const char *text = NULL;
	int r = json_get_string(object, name, true, &text, err);

	if (r == 0 && strlen(text) >= size)
		r = err_set(err, ERR_INVALID, "/%s: over %zu bytes", name, size - 1);
	if (r == 0)
		memcpy(ret_text, text, strlen(text) + 1);
	return r;
}

/* A text that is one of a few words; another is of a later version. */
static int get_word(const json_t *object, const char *name, const char *const *words, size_t count,
		    size_t *ret_which, struct err *err)
{
	const char *text = NULL;
	int r = json_get_string(object, name, true, &text, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret_which = i;
			return 0;
		}
	}
	return r < 0 ? r : err_set(err, ERR_NOT_SUPPORTED, "/%s: not known here", name);
}

static int get_kind(const json_t *top, struct err *err)
{
	static const char *const kinds[] = {MANIFEST_KIND};
	size_t which;

	return get_word(top, "holdfast", kinds, ARRAY_LEN(kinds), &which, err);
}

static int get_names(const json_t *top, struct manifest *manifest, struct err *err)
{
	size_t type = 0, protection = 0;
	int r = get_text(top, "folder", sizeof(manifest->folder), manifest->folder, err);

	if (r == 0)
		r = get_text(top, "name", sizeof(manifest->name), manifest->name, err);
	if (r == 0)
		r = get_text(top, "version", sizeof(manifest->version), manifest->version, err);
	if (r == 0)
		r = get_word(top, "type", manifest_types, MANIFEST_TYPES, &type, err);
	if (r == 0)
		r = get_word(top, "protection", manifest_protections, MANIFEST_PROTECTIONS,
			     &protection, err);
	manifest->type = (enum manifest_type)type;
	manifest->protection = (enum manifest_protection)protection;
	return r;
}

static int get_numbers(const json_t *top, struct manifest *manifest, struct err *err)
{
	uint64_t expires = 0, min_format = 0;
	int r = json_get_u64(top, "serial", true, 1, MANIFEST_SERIAL_MAX, &manifest->serial, err);

	if (r == 0)
		r = json_get_u64(top, "expires", false, 1, MANIFEST_SERIAL_MAX, &expires, err);
	if (r == 0)
		r = json_get_u64(top, "min_format", true, 1, MANIFEST_SERIAL_MAX, &min_format, err);
	manifest->expires = (int64_t)expires;
	manifest->min_format = min_format > FORMAT_MAX ? FORMAT_MAX + 1 : (unsigned)min_format;
	return r;
}

static int check_format(const json_t *top, struct manifest *manifest, struct err *err)
{
	(void)top;
	return manifest->min_format > FORMAT_MAX
		       ? err_set(err, ERR_NOT_SUPPORTED, "/min_format: not known here")
		       : 0;
}

static int get_digest(const json_t *payload, struct manifest *manifest, struct err *err)
{
	const char *text = NULL;
	int r = json_get_string(payload, "sha256", true, &text, err);

	if (r == 0 && !hex_decode(slice_str(text), manifest->payload_digest, MANIFEST_DIGEST))
		r = err_set(err, ERR_INVALID, "/payload/sha256: not 64 lower hex digits");
	return r;
}

static int get_payload(const json_t *top, struct manifest *manifest, struct err *err)
{
	static const char *const ciphers[] = {MANIFEST_CIPHER};
	const json_t *payload = NULL;
	uint64_t chunk = 0;
	size_t cipher;
	int r = get_object(top, "payload", SCOPE_PAYLOAD, &payload, err);

	if (r == 0)
		r = get_word(payload, "cipher", ciphers, ARRAY_LEN(ciphers), &cipher, err);
	if (r == 0)
		r = json_get_u64(payload, "chunk", true, 1, MANIFEST_SERIAL_MAX, &chunk, err);
	if (r == 0 && chunk != STREAM_CHUNK)
		r = err_set(err, ERR_NOT_SUPPORTED, "/payload/chunk: not known here");
	if (r == 0)
		r = json_get_u64(payload, "size", true, 1, MANIFEST_SERIAL_MAX,
				 &manifest->payload_size, err);
	return r < 0 ? r : get_digest(payload, manifest, err);
}

static int get_plain(const json_t *top, struct manifest *manifest, struct err *err)
{
	const json_t *plain = NULL;
	int r = get_object(top, "plain", SCOPE_PLAIN, &plain, err);

	return r < 0 ? r
		     : json_get_u64(plain, "size", true, 0, MANIFEST_SERIAL_MAX,
				    &manifest->plain_size, err);
}

static int get_image(const json_t *object, struct manifest_image *image, struct err *err)
{
	int r;

	if (!json_is_object(object))
		return err_set(err, ERR_INVALID, "/images: must be a list of objects");
	r = only_known(object, SCOPE_IMAGE, err);
	if (r == 0)
		r = get_text(object, "ref", sizeof(image->ref), image->ref, err);
	if (r == 0)
		r = get_text(object, "id", sizeof(image->id), image->id, err);
	return r;
}

static int get_images(const json_t *top, struct manifest *manifest, struct err *err)
{
	const json_t *images = json_object_get(top, "images");
	size_t count = json_array_size(images);
	int r = 0;

	if (!images)
		return 0;
	if (!json_is_array(images) || count == 0 || count > MANIFEST_IMAGES)
		return err_set(err, ERR_INVALID, "/images: must be a list of 1 to %u",
			       MANIFEST_IMAGES);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = get_image(json_array_get(images, i), &manifest->images[i], err);
	manifest->image_count = count;
	return r;
}

static int read_members(const json_t *top, struct manifest *manifest, struct err *err)
{
	static int (*const steps[])(const json_t *, struct manifest *, struct err *) = {
		get_names, get_numbers, check_format, get_plain, get_payload, get_images,
	};
	int r = get_kind(top, err);

	if (r == 0)
		r = only_known(top, SCOPE_TOP, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(steps); i++)
		r = steps[i](top, manifest, err);
	return r < 0 ? r : manifest_check(manifest, err);
}

/* The members that every manifest of this version has, whatever else is in it. */
static int read_outline(const json_t *top, struct manifest *manifest, struct err *err)
{
	int r = get_kind(top, err);

	if (r == 0)
		r = get_text(top, "folder", sizeof(manifest->folder), manifest->folder, err);
	if (r == 0)
		r = get_text(top, "name", sizeof(manifest->name), manifest->name, err);
	if (r == 0)
		r = get_numbers(top, manifest, err);
	if (manifest->min_format > FORMAT_MAX)
		manifest->min_format = FORMAT_MAX;
	return r;
}

static int parse(struct slice json,
		 int (*read)(const json_t *top, struct manifest *manifest, struct err *err),
		 struct manifest **ret_manifest, struct err *err)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = calloc(1, sizeof(*manifest));
	CLEANUP(json_cleanup) struct json_t *top = NULL;
	int r;

	if (!manifest)
		return err_set(err, ERR_INTERNAL, "out of memory");
	if (json.len > MANIFEST_MAX)
		return err_set(err, ERR_DAMAGED, "a manifest of over %u bytes", MANIFEST_MAX);
	r = json_parse(json, &top, err);
	if (r == 0)
		r = read(top, manifest, err);
	if (r == 0)
		r = hash_digest(HASH_SHA256, &json, 1, manifest->digest, err);
	if (r == 0) {
		*ret_manifest = TAKE(manifest);
		return 0;
	}
	if (r == ERR_INVALID)
		err->code = ERR_DAMAGED;
	err_wrap(err, "the manifest");
	return err->code;
}

int manifest_parse(struct slice json, struct manifest **ret_manifest, struct err *err)
{
	return parse(json, read_members, ret_manifest, err);
}

int manifest_parse_outline(struct slice json, struct manifest **ret_manifest, struct err *err)
{
	return parse(json, read_outline, ret_manifest, err);
}
