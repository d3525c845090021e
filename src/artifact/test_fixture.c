/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "crypto/cipher.h"
#include "tests/vectors/v1_keys.inc"

struct secret *fixture_key(void)
{
	struct secret *key = NULL;
	struct err err = {0};

	assert_int_equal(secret_new(CIPHER_KEY256, &key, &err), 0);
	assert_true(hex_decode(slice_str(VECTOR_RESOURCE_KEY), secret_data(key), CIPHER_KEY256));
	return key;
}

void fixture_plain(size_t size, struct buf *ret_plain)
{
	uint8_t *bytes = buf_grow(ret_plain, size);

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 7 % 251);
}

static struct slice take(struct slice *bytes, size_t step)
{
	size_t n = bytes->len < step ? bytes->len : step;
	struct slice first = slice_of(bytes->data, n);

	*bytes = slice_of(bytes->data ? bytes->data + n : NULL, bytes->len - n);
	return first;
}

void fixture_seal(const struct secret *key, struct slice plain, size_t step, struct buf *ret_blob)
{
	CLEANUP(v1_seal_cleanup) struct v1_seal *seal = NULL;
	size_t size = plain.len, before = ret_blob->len;
	struct err err = {0};

	assert_int_equal(v1_seal_new(key, &seal, &err), 0);
	while (plain.len > 0)
		assert_int_equal(v1_seal_add(seal, take(&plain, step), ret_blob, &err), 0);
	assert_int_equal(v1_seal_end(seal, ret_blob, &err), 0);
	assert_int_equal(ret_blob->len - before, v1_blob_size(size));
}

int fixture_check(const struct secret *key, const struct fixture_load *load,
		  struct v1_facts *ret_facts, struct err *err)
{
	CLEANUP(v1_check_cleanup) struct v1_check *check = NULL;
	struct slice parts[] = {load->small, load->big};
	struct v1_seen seen;

	assert_int_equal(v1_check_new(&check, err), 0);
	for (size_t i = 0; i < 2; i++)
		while (parts[i].len > 0)
			assert_int_equal(v1_check_add(check, take(&parts[i], load->step), err), 0);
	assert_int_equal(v1_check_end(check, &seen, err), 0);
	assert_int_equal(seen.size, load->small.len + load->big.len);
	return v1_check_verdict(check, key, load->expected, ret_facts, err);
}

int fixture_load(const struct secret *key, const struct fixture_load *load, struct buf *ret_plain,
		 struct err *err)
{
	CLEANUP(v1_open_cleanup) struct v1_open *open = NULL;
	struct slice parts[] = {load->small, load->big};
	struct v1_facts facts;
	int r = fixture_check(key, load, &facts, err);

	if (r == 0)
		r = v1_open_new(key, &facts, load->from, &open, err);
	for (size_t i = 0; r == 0 && i < 2; i++)
		while (r == 0 && parts[i].len > 0)
			r = v1_open_add(open, take(&parts[i], load->step), ret_plain, err);
	return r < 0 ? r : v1_open_end(open, ret_plain, err);
}
