/* SPDX-License-Identifier: Apache-2.0 */
/* A signature of the openssl command over one resource, held against others (crypto/test_cms.c). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/v1_sig.h"
#include "base/base64.h"
#include "base/mem.h"
#include "tests/vectors/v1_sig.inc"

#define NOW INT64_C(1900000000)

static struct buf sig = BUF_INIT(CMS_MAX), anchor = BUF_INIT(8192);

static struct v1_release release_of(const char *folder, const char *name, uint64_t size)
{
	struct v1_release release = {
		.resource = {.folder = slice_str(folder), .name = slice_str(name)},
		.seen = {.size = size},
	};

	for (unsigned i = 0; i < V1_DIGEST; i++)
		release.seen.digest[i] = (uint8_t)i;
	return release;
}

static void unbase64(const char *text, struct buf *ret_bytes)
{
	size_t len = 0;
	uint8_t *room = buf_grow(ret_bytes, base64_decoded_max(strlen(text)));

	assert_non_null(room);
	assert_true(base64_decode(slice_str(text), room, &len));
	ret_bytes->len -= base64_decoded_max(strlen(text)) - len;
}

static int decode(void **state)
{
	(void)state;
	unbase64(VECTOR_GOOD, &sig);
	unbase64(VECTOR_CA, &anchor);
	return 0;
}

static int fini(void **state)
{
	(void)state;
	buf_fini(&sig);
	buf_fini(&anchor);
	return 0;
}

static int verify(const struct v1_release *release)
{
	struct err err = {0};

	return v1_sig_verify(buf_slice(&sig), release, buf_slice(&anchor), NOW, &err);
}

static void test_text(void **state)
{
	static const char WANTED[] =
		"{\"holdfast\":\"resource v1\",\"folder\":\"models\",\"name\":\"net.bin\","
		"\"length\":48,\"sha256\":"
		"\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}";
	const struct v1_release release = release_of("models", "net.bin", 48);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(V1_SIG_TEXT_MAX);
	struct err err = {0};

	(void)state;
	assert_int_equal(v1_sig_text(&release, &text, &err), 0);
	assert_int_equal(text.len, strlen(WANTED));
	assert_memory_equal(text.data, WANTED, text.len);
}

/* The longest there can be fits. */
static void test_longest(void **state)
{
	char folder[RESOURCE_FOLDER_MAX + 1] = {0}, name[RESOURCE_NAME_MAX + 1] = {0};
	CLEANUP(buf_fini) struct buf text = BUF_INIT(V1_SIG_TEXT_MAX);
	struct v1_release release;
	struct err err = {0};

	(void)state;
	memset(folder, 'f', sizeof(folder) - 1);
	memset(name, 'n', sizeof(name) - 1);
	release = release_of(folder, name, UINT64_MAX);
	assert_int_equal(v1_sig_text(&release, &text, &err), 0);
}

/* Moved to another name or folder, another length, another digest. */
static void test_bound(void **state)
{
	struct v1_release release = release_of("models", "net.bin", 48);

	(void)state;
	assert_int_equal(verify(&release), 0);
	for (unsigned i = 0; i < V1_DIGEST; i++) {
		release.seen.digest[i] ^= 0x80;
		assert_int_equal(verify(&release), ERR_DAMAGED);
		release.seen.digest[i] ^= 0x80;
	}
	release = release_of("models", "net.bin", 49);
	assert_int_equal(verify(&release), ERR_DAMAGED);
	release = release_of("models", "net.bim", 48);
	assert_int_equal(verify(&release), ERR_DAMAGED);
	release = release_of("model", "net.bin", 48);
	assert_int_equal(verify(&release), ERR_DAMAGED);
	release = release_of("models", "net.bin\",\"x\":\"", 48);
	assert_int_equal(verify(&release), ERR_INVALID);
}

static void test_make(void **state)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(8192), chain = BUF_INIT(8192);
	CLEANUP(buf_fini) struct buf made = BUF_INIT(CMS_MAX);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	const struct v1_release release = release_of("images", "all.enc", 4096);
	const struct v1_release other = release_of("images", "all.enc", 4112);
	struct err err = {0};

	(void)state;
	unbase64(VECTOR_SIGNER_KEY, &p8);
	unbase64(VECTOR_SIGNER, &chain);
	unbase64(VECTOR_MIDDLE, &chain);
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &key, &err), 0);
	assert_int_equal(v1_sig_make(&release, key, buf_slice(&chain), &made, &err), 0);
	assert_int_equal(v1_sig_verify(buf_slice(&made), &release, buf_slice(&anchor), NOW, &err),
			 0);
	assert_int_equal(v1_sig_verify(buf_slice(&made), &other, buf_slice(&anchor), NOW, &err),
			 ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_make),
	};

	return cmocka_run_group_tests(tests, decode, fini);
}
