/* SPDX-License-Identifier: Apache-2.0 */

#include "artifact/test_v2_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "tests/vectors/v2.inc"

void v2_hex(const char *text, struct buf *ret_bytes)
{
	size_t len = strlen(text) / 2;
	uint8_t *room = buf_grow(ret_bytes, len);

	assert_non_null(room);
	assert_true(hex_decode(slice_str(text), room, len));
}

void v2_base64(const char *text, struct buf *ret_bytes)
{
	size_t len = 0;
	uint8_t *room = buf_grow(ret_bytes, base64_decoded_max(strlen(text)));

	assert_non_null(room);
	assert_true(base64_decode(slice_str(text), room, &len));
	ret_bytes->len -= base64_decoded_max(strlen(text)) - len;
}

struct secret *v2_key(void)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(PAYLOAD_KEY);
	struct secret *key = NULL;
	struct err err = {0};

	v2_hex(V2_CEK, &bytes);
	assert_int_equal(secret_copy(buf_slice(&bytes), &key, &err), 0);
	return key;
}

void v2_plain(size_t size, struct buf *ret_plain)
{
	for (size_t i = 0; i < size; i++)
		buf_put_u8(ret_plain, (uint8_t)(i * 7 % 251));
	assert_true(buf_ok(ret_plain));
}

struct manifest *v2_manifest(uint64_t plain)
{
	struct manifest *manifest = NULL;
	struct err err = {0};

	assert_int_equal(manifest_parse(slice_str(V2_FILE_JSON), &manifest, &err), 0);
	manifest->plain_size = plain;
	manifest->payload_size = payload_size(plain);
	return manifest;
}

struct payload_release v2_release(const struct manifest *manifest)
{
	return (struct payload_release){.resource = manifest_resource(manifest),
					.serial = manifest->serial};
}

static struct slice take(struct slice *bytes, size_t len)
{
	size_t n = len < bytes->len ? len : bytes->len;
	struct slice first = slice_of(bytes->data, n);

	*bytes = slice_of(n ? bytes->data + n : bytes->data, bytes->len - n);
	return first;
}

void v2_seal(const struct secret *key, const struct manifest *manifest, struct slice plain,
	     size_t step, struct buf *ret_payload)
{
	CLEANUP(payload_seal_cleanup) struct payload_seal *seal = NULL;
	const struct payload_release release = v2_release(manifest);
	uint8_t digest[MANIFEST_DIGEST];
	struct err err = {0};

	assert_int_equal(payload_seal_new(key, &release, plain.len, &seal, &err), 0);
	while (plain.len > 0)
		assert_int_equal(payload_seal_add(seal, take(&plain, step), ret_payload, &err), 0);
	assert_int_equal(payload_seal_end(seal, ret_payload, digest, &err), 0);
}

int v2_load(const struct v2_load *load, struct buf *ret_plain, struct err *err)
{
	CLEANUP(payload_open_cleanup) struct payload_open *open = NULL;
	struct slice rest = load->payload;
	uint64_t at = 0;
	int r = payload_open_new(load->key, load->manifest, &open, err);

	if (r == 0 && load->from > 0) {
		r = payload_open_add(open, take(&rest, PAYLOAD_HEADER), ret_plain, err);
		if (r == 0)
			r = payload_open_seek(open, load->from, &at, err);
		if (r == 0)
			rest = slice_of(load->payload.data + at, load->payload.len - (size_t)at);
	}
	while (r == 0 && rest.len > 0)
		r = payload_open_add(open, take(&rest, load->step), ret_plain, err);
	return r < 0 ? r : payload_open_end(open, err);
}
