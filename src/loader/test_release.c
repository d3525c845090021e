/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/test_release.h"

#include <stdio.h>

#include "artifact/test_fixture.h"
#include "base/base64.h"
#include "crypto/cipher.h"
#include "crypto/cms.h"
#include "tests/vectors/v2_sig.inc"

#define LARGE ((size_t)64 << 20)

static struct buf anchors;

/* --- the device --- */

static int storage_key(void *arg, bool anew, struct buf *ret_public, bool *ret_is_tpm,
		       struct err *err)
{
	struct device *device = arg;

	device->asked++;
	device->asked_anew += anew ? 1 : 0;
	if (device->key_code)
		return err_set(err, device->key_code, "the service says no");
	buf_put(ret_public, wrap_public_area(device->public));
	*ret_is_tpm = device->is_tpm;
	return 0;
}

static int unwrap(void *arg, const struct duplicate *wrapped, struct secret **ret_key,
		  struct err *err)
{
	struct device *device = arg;

	device->unwrapped++;
	if (device->unwrap_code)
		return err_set(err, device->unwrap_code, "the service says no");
	return duplicate_open(device->pair, device->public, wrapped, ret_key, err);
}

void device_make(struct device *device)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
	struct err err = {0};

	*device = (struct device){.is_tpm = true};
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &device->pair, &err), 0);
	assert_int_equal(wrap_public_of_software(device->pair, &area, &err), 0);
	assert_int_equal(wrap_public_read(buf_slice(&area), &device->public, &err), 0);
	device->ops =
		(struct loader_device){.storage_key = storage_key, .unwrap = unwrap, .arg = device};
}

void device_fini(struct device *device)
{
	pkey_free(device->pair);
	wrap_public_free(device->public);
}

/* --- a release --- */

static void seal(struct release *release, const struct release_wish *wish)
{
	const struct payload_release of = {manifest_resource(release->manifest),
					   release->manifest->serial};
	struct manifest *manifest = release->manifest;
	struct payload_seal *seal = NULL;
	struct err err = {0};

	release->plain = release->payload = (struct buf)BUF_INIT(LARGE + (LARGE >> 4));
	if (wish->plain > 0)
		fixture_plain(wish->plain, &release->plain);
	assert_int_equal(secret_new(PAYLOAD_KEY, &release->key, &err), 0);
	assert_int_equal(cipher_random(secret_data(release->key), PAYLOAD_KEY, &err), 0);
	assert_int_equal(payload_seal_new(release->key, &of, wish->plain, &seal, &err), 0);
	if (wish->plain > 0)
		assert_int_equal(
			payload_seal_add(seal, buf_slice(&release->plain), &release->payload, &err),
			0);
	assert_int_equal(payload_seal_end(seal, &release->payload, manifest->payload_digest, &err),
			 0);
	payload_seal_free(seal);
	manifest->plain_size = wish->plain;
	manifest->payload_size = release->payload.len;
}

/* A stranger has the certificate that is on everybody's disk, and a key of his own. */
static void sign(struct release *release, const struct release_wish *wish)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(MANIFEST_MAX);
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(8192), chain = BUF_INIT(8192);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct err err = {0};

	release->whole = (struct buf)BUF_INIT(CMS_WHOLE_MAX);
	world_unbase64(V2_SIGNER_KEY, &p8);
	world_unbase64(V2_SIGNER, &chain);
	assert_int_equal(manifest_write(release->manifest, &json, &err), 0);
	if (wish->unknown) {
		json.len--;
		buf_put_str(&json, ",\"more\":1}");
	}
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &key, &err), 0);
	assert_int_equal(
		cms_seal_whole(key, buf_slice(&chain), buf_slice(&json), &release->whole, &err), 0);
	if (wish->is_stranger)
		release->whole.data[release->whole.len - 1] ^= 1;
}

void release_make(struct release *release, const struct release_wish *wish,
		  const struct device *device)
{
	char hex[MANIFEST_DIGEST_HEX];
	struct manifest *manifest = calloc(1, sizeof(*manifest));

	assert_non_null(manifest);
	*release = (struct release){.manifest = manifest};
	(void)snprintf(manifest->folder, sizeof(manifest->folder), "models");
	(void)snprintf(manifest->name, sizeof(manifest->name), "%s",
		       wish->name ? wish->name : "net.bin");
	(void)snprintf(manifest->version, sizeof(manifest->version), "1.0");
	manifest->serial = wish->serial ? wish->serial : 1;
	manifest->expires = wish->expires;
	manifest->min_format = wish->min_format ? wish->min_format : 1;
	manifest->protection = wish->protection;
	if (wish->is_archive) {
		manifest->type = MANIFEST_IMAGES_ARCHIVE;
		manifest->image_count = 1;
		(void)snprintf(manifest->images[0].ref, MANIFEST_REF_MAX, "a:1");
		(void)snprintf(manifest->images[0].id, MANIFEST_ID_MAX, "sha256:%064d", 7);
	}
	seal(release, wish);
	sign(release, wish);
	release->line = (struct buf)BUF_INIT(DEVICE_KEY_LINE_MAX);
	release_line(release, device, manifest->digest, &release->line);
	manifest_hex(manifest->payload_digest, hex);
	(void)snprintf(release->file, sizeof(release->file), "models/%s.payload", hex);
	manifest_hex(manifest->digest, hex);
	(void)snprintf(release->keys, sizeof(release->keys), "models/%s.keys", hex);
}

void release_line(const struct release *release, const struct device *device,
		  const uint8_t *manifest, struct buf *ret_line)
{
	struct err err = {0};

	assert_int_equal(device_key_make(device->public, release->key, manifest, ret_line, &err),
			 0);
}

void release_fini(struct release *release)
{
	manifest_free(release->manifest);
	secret_free(release->key);
	buf_fini(&release->plain);
	buf_fini(&release->payload);
	buf_fini(&release->whole);
	buf_fini(&release->line);
}

/* --- the world --- */

void release_publish(struct world *world, const struct release *release)
{
	world->manifest_code = release ? 0 : ERR_NOT_FOUND;
	world->key_code = release ? 0 : FAULT_NO_KEY;
	if (!release)
		return;
	world->manifest_answer = buf_slice(&release->whole);
	world->key_answer = buf_slice(&release->line);
	world->payload = buf_slice(&release->payload);
}

void release_begin(struct world *world, struct device *device)
{
	device_make(device);
	anchors = (struct buf)BUF_INIT(8192);
	world_unbase64(V2_CA, &anchors);
	world->config.manifest_anchors = buf_slice(&anchors);
	world->config.device = &device->ops;
	world->config.resource_max = LARGE;
	release_publish(world, NULL);
}

void release_end(void)
{
	buf_fini(&anchors);
}
