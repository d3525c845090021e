/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writer and reader share one set of rules, so that nothing is written that no reader takes. What
 * a later version could add (members, words) is told apart from what was never right.
 */

#include "artifact/manifest.h"

#include <inttypes.h>

#include "artifact/manifest_impl.h"
#include "artifact/payload.h"
#include "base/base64.h"
#include "base/json.h"
#include "crypto/hash.h"

const char *const manifest_types[MANIFEST_TYPES] = {
	[MANIFEST_FILE] = "file",
	[MANIFEST_IMAGES_ARCHIVE] = "docker-archive",
};

const char *const manifest_protections[MANIFEST_PROTECTIONS] = {
	[MANIFEST_SOFTWARE] = "software",
	[MANIFEST_TPM] = "tpm",
};

const char *manifest_type_name(enum manifest_type type)
{
	return manifest_types[type];
}

const char *manifest_protection_name(enum manifest_protection protection)
{
	return manifest_protections[protection];
}

void manifest_free(struct manifest *manifest)
{
	free(manifest);
}

void manifest_hex(const uint8_t digest[MANIFEST_DIGEST], char ret_hex[MANIFEST_DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < MANIFEST_DIGEST; i++) {
		ret_hex[2 * i] = digits[digest[i] >> 4];
		ret_hex[2 * i + 1] = digits[digest[i] & 15];
	}
	ret_hex[MANIFEST_DIGEST_HEX - 1] = '\0';
}

static int check_version(const char *version, struct err *err)
{
	size_t len = strnlen(version, MANIFEST_VERSION_MAX + 1);
	bool good = len > 0 && len <= MANIFEST_VERSION_MAX;

	for (size_t i = 0; good && i < len; i++)
		good = version[i] >= ' ' && version[i] <= '~';
	if (good)
		return 0;
	return err_set(err, ERR_INVALID, "/version: not 1 to %u printable ASCII characters",
		       MANIFEST_VERSION_MAX);
}

/*
 * No grammar of an engine's, which is held against it where the engine is asked: characters that
 * need no escape anywhere, and a tag.
 */
static bool is_ref(const char *ref)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-/:";
	size_t len = strnlen(ref, MANIFEST_REF_MAX);
	const char *slash = len < MANIFEST_REF_MAX ? strrchr(ref, '/') : NULL;
	const char *colon;

	if (len == 0 || len == MANIFEST_REF_MAX || strspn(ref, allowed) != len)
		return false;
	colon = strrchr(slash ? slash : ref, ':');
	return colon && colon > ref && colon[1] != '\0' && !(slash && colon == slash + 1) &&
	       ref[0] != '/';
}

static bool is_id(const char *id)
{
	static const char prefix[] = "sha256:";
	size_t skip = sizeof(prefix) - 1, len = strnlen(id, MANIFEST_ID_MAX);
	uint8_t digest[MANIFEST_DIGEST];

	return len == skip + 2 * MANIFEST_DIGEST && strncmp(id, prefix, skip) == 0 &&
	       hex_decode(slice_of(id + skip, len - skip), digest, MANIFEST_DIGEST);
}

static int check_image(const struct manifest *manifest, size_t i, struct err *err)
{
	const struct manifest_image *image = &manifest->images[i];

	if (!is_ref(image->ref))
		return err_set(err, ERR_INVALID, "/images/%zu/ref: not a name with its tag", i);
	if (!is_id(image->id))
		return err_set(err, ERR_INVALID,
			       "/images/%zu/id: not sha256: and 64 lower hex digits", i);
	for (size_t k = 0; k < i; k++)
		if (strcmp(image->ref, manifest->images[k].ref) == 0)
			return err_set(err, ERR_INVALID, "/images/%zu/ref: stands there twice", i);
	return 0;
}

static int check_images(const struct manifest *manifest, struct err *err)
{
	bool archive = manifest->type == MANIFEST_IMAGES_ARCHIVE;
	int r = 0;

	if (manifest->image_count > MANIFEST_IMAGES || (manifest->image_count > 0) != archive)
		return err_set(err, ERR_INVALID,
			       "/images: 1 to %u of a docker-archive, none of a file",
			       MANIFEST_IMAGES);
	for (size_t i = 0; r == 0 && i < manifest->image_count; i++)
		r = check_image(manifest, i, err);
	return r;
}

static int check_numbers(const struct manifest *manifest, struct err *err)
{
	if (manifest->serial < 1 || manifest->serial > MANIFEST_SERIAL_MAX)
		return err_set(err, ERR_INVALID, "/serial: not from 1 to %" PRIu64,
			       MANIFEST_SERIAL_MAX);
	if (manifest->expires < 0 || (uint64_t)manifest->expires > MANIFEST_SERIAL_MAX)
		return err_set(err, ERR_INVALID, "/expires: not from 1 to %" PRIu64,
			       MANIFEST_SERIAL_MAX);
	if (manifest->min_format < 1 || manifest->min_format > 2)
		return err_set(err, ERR_INVALID, "/min_format: neither 1 nor 2");
	if (manifest->plain_size > PAYLOAD_PLAIN_MAX)
		return err_set(err, ERR_INVALID, "/plain/size: over %" PRIu64, PAYLOAD_PLAIN_MAX);
	if (manifest->payload_size != payload_size(manifest->plain_size))
		return err_set(err, ERR_INVALID, "/payload/size: not that of so much plaintext");
	return 0;
}

struct resource manifest_resource(const struct manifest *manifest)
{
	return (struct resource){
		.folder = slice_of(manifest->folder,
				   strnlen(manifest->folder, sizeof(manifest->folder))),
		.name = slice_of(manifest->name, strnlen(manifest->name, sizeof(manifest->name))),
	};
}

int manifest_check(const struct manifest *manifest, struct err *err)
{
	const struct resource resource = manifest_resource(manifest);
	int r = resource_check_artifact(&resource, err);

	if (r == 0 && ((unsigned)manifest->type >= MANIFEST_TYPES ||
		       (unsigned)manifest->protection >= MANIFEST_PROTECTIONS))
		r = err_set(err, ERR_INVALID, "/type or /protection: not known");
	if (r == 0)
		r = check_version(manifest->version, err);
	if (r == 0)
		r = check_numbers(manifest, err);
	if (r == 0)
		r = check_images(manifest, err);
	return r;
}

static void put_images(const struct manifest *manifest, struct buf *json)
{
	buf_put_str(json, ",\"images\":[");
	for (size_t i = 0; i < manifest->image_count; i++)
		buf_printf(json, "%s{\"ref\":\"%s\",\"id\":\"%s\"}", i > 0 ? "," : "",
			   manifest->images[i].ref, manifest->images[i].id);
	buf_put_u8(json, ']');
}

/* What may need an escape is the version alone. */
static void put_json(const struct manifest *manifest, struct buf *json)
{
	char digest[MANIFEST_DIGEST_HEX];

	manifest_hex(manifest->payload_digest, digest);
	buf_printf(json, "{\"holdfast\":\"" MANIFEST_KIND "\",\"folder\":\"%s\",\"name\":\"%s\"",
		   manifest->folder, manifest->name);
	buf_printf(json, ",\"type\":\"%s\",\"version\":", manifest_type_name(manifest->type));
	json_put_string(json, manifest->version);
	buf_printf(json, ",\"serial\":%" PRIu64, manifest->serial);
	if (manifest->expires != 0)
		buf_printf(json, ",\"expires\":%" PRIi64, manifest->expires);
	buf_printf(json,
		   ",\"min_format\":%u,\"protection\":\"%s\",\"plain\":{\"size\":%" PRIu64 "}",
		   manifest->min_format, manifest_protection_name(manifest->protection),
		   manifest->plain_size);
	buf_printf(json,
		   ",\"payload\":{\"cipher\":\"" MANIFEST_CIPHER "\",\"chunk\":%u,\"size\":%" PRIu64
		   ",\"sha256\":\"%s\"}",
		   STREAM_CHUNK, manifest->payload_size, digest);
	if (manifest->image_count > 0)
		put_images(manifest, json);
	buf_put_u8(json, '}');
}

int manifest_write(struct manifest *manifest, struct buf *ret_json, struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(MANIFEST_MAX);
	uint8_t digest[MANIFEST_DIGEST];
	struct slice text;
	int r = manifest_check(manifest, err);

	if (r < 0)
		return r;
	put_json(manifest, &json);
	text = buf_slice(&json);
	if (!buf_ok(&json))
		return err_set(err, ERR_INTERNAL, "no room for a manifest");
	r = hash_digest(HASH_SHA256, &text, 1, digest, err);
	if (r < 0)
		return r;
	buf_put(ret_json, text);
	if (!buf_ok(ret_json))
		return err_set(err, ERR_INTERNAL, "no room for a manifest");
	memcpy(manifest->digest, digest, MANIFEST_DIGEST);
	return 0;
}

typedef int (*parse_fn)(struct slice json, struct manifest **ret_manifest, struct err *err);

static int open_by(parse_fn parse, struct slice whole, const struct resource *resource,
		   const struct manifest_trust *trust, struct manifest **ret_manifest,
		   struct err *err)
{
	const struct cms_trust cms = {
		.anchors = trust->anchors, .usage = MANIFEST_USAGE, .at = trust->at};
	CLEANUP(buf_fini) struct buf json = BUF_INIT(CMS_MAX);
	CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
	struct resource own;
	int r = resource_check_artifact(resource, err);

	if (r == 0)
		r = cms_open_whole(whole, &cms, &json, err);
	if (r == 0)
		r = parse(buf_slice(&json), &manifest, err);
	if (!manifest)
		return r;
	own = manifest_resource(manifest);
	if (!slice_equal(own.folder, resource->folder) || !slice_equal(own.name, resource->name))
		return err_set(err, ERR_WRONG_NAME, "the manifest is that of another artifact");
	*ret_manifest = TAKE(manifest);
	return 0;
}

int manifest_open(struct slice whole, const struct resource *resource,
		  const struct manifest_trust *trust, struct manifest **ret_manifest,
		  struct err *err)
{
	return open_by(manifest_parse, whole, resource, trust, ret_manifest, err);
}

int manifest_open_outline(struct slice whole, const struct resource *resource,
			  const struct manifest_trust *trust, struct manifest **ret_manifest,
			  struct err *err)
{
	return open_by(manifest_parse_outline, whole, resource, trust, ret_manifest, err);
}
