/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests as they are written, and as they are opened: by whom they are signed, and of what. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "artifact/test_v2_fixture.h"
#include "tests/vectors/v2.inc"
#include "tests/vectors/v2_sig.inc"

#define NOW INT64_C(1900000000)

static struct manifest *read_text(const char *text)
{
	struct manifest *manifest = NULL;
	struct err err = {0};

	assert_int_equal(manifest_parse(slice_str(text), &manifest, &err), 0);
	return manifest;
}

/* What was read is written again, byte for byte, and has the digest that other software gave. */
static void test_vectors(void **state)
{
	static const char *const rows[][2] = {
		{V2_FILE_JSON, V2_FILE_DIGEST},
		{V2_ARCHIVE_JSON, V2_ARCHIVE_DIGEST},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = read_text(rows[i][0]);
		CLEANUP(buf_fini) struct buf json = BUF_INIT(MANIFEST_MAX);
		char digest[MANIFEST_DIGEST_HEX];
		struct err err = {0};

		manifest_hex(manifest->digest, digest);
		assert_string_equal(digest, rows[i][1]);
		memset(manifest->digest, 0, MANIFEST_DIGEST);
		assert_int_equal(manifest_write(manifest, &json, &err), 0);
		assert_true(slice_equal(buf_slice(&json), slice_str(rows[i][0])));
		manifest_hex(manifest->digest, digest);
		assert_string_equal(digest, rows[i][1]);
	}
}

/* The largest that the rules allow fits, and is read again. */
static void test_largest(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = read_text(V2_ARCHIVE_JSON);
	CLEANUP(manifest_cleanup) struct manifest *back = NULL;
	CLEANUP(buf_fini) struct buf json = BUF_INIT(MANIFEST_MAX);
	struct err err = {0};

	(void)state;
	memset(manifest->folder, 'f', RESOURCE_FOLDER_MAX);
	memset(manifest->name, 'n', ARTIFACT_NAME_MAX);
	memset(manifest->version, '"', MANIFEST_VERSION_MAX);
	manifest->serial = MANIFEST_SERIAL_MAX;
	manifest->expires = (int64_t)MANIFEST_SERIAL_MAX;
	manifest->plain_size = PAYLOAD_PLAIN_MAX;
	manifest->payload_size = payload_size(PAYLOAD_PLAIN_MAX);
	manifest->image_count = MANIFEST_IMAGES;
	for (unsigned i = 0; i < MANIFEST_IMAGES; i++) {
		struct manifest_image *image = &manifest->images[i];

		memset(image->ref, 'r', MANIFEST_REF_MAX - 4);
		snprintf(image->ref + MANIFEST_REF_MAX - 4, 4, ":%02u", i);
		memcpy(image->id, manifest->images[0].id, MANIFEST_ID_MAX);
	}
	assert_int_equal(manifest_write(manifest, &json, &err), 0);
	assert_int_equal(manifest_parse(buf_slice(&json), &back, &err), 0);
	assert_memory_equal(manifest, back, sizeof(*manifest));
}

struct broken {
	const char *member;
	void (*change)(struct manifest *manifest);
};

#define CHANGE(name, statement)                                                                    \
	static void name(struct manifest *m)                                                       \
	{                                                                                          \
		statement;                                                                         \
	}
CHANGE(no_folder, m->folder[0] = '\0')
CHANGE(folder_up, memcpy(m->folder, "..", 3))
CHANGE(name_path, memcpy(m->name, "a/b", 4))
CHANGE(name_quote, memcpy(m->name, "a\"b", 4))
CHANGE(name_part, memcpy(m->name, "a.manifest", 11))
CHANGE(name_endless, memset(m->name, 'n', sizeof(m->name)))
CHANGE(no_version, m->version[0] = '\0')
CHANGE(version_line, memcpy(m->version, "1\n2", 4))
CHANGE(version_utf8, memcpy(m->version, "\xc3\xa4", 3))
CHANGE(version_endless, memset(m->version, 'v', sizeof(m->version)))
CHANGE(no_type, m->type = MANIFEST_TYPES)
CHANGE(no_protection, m->protection = MANIFEST_PROTECTIONS)
CHANGE(serial_zero, m->serial = 0)
CHANGE(serial_high, m->serial = MANIFEST_SERIAL_MAX + 1)
CHANGE(expires_low, m->expires = -1)
CHANGE(expires_high, m->expires = (int64_t)MANIFEST_SERIAL_MAX + 1)
CHANGE(format_zero, m->min_format = 0)
CHANGE(format_three, m->min_format = 3)
CHANGE(plain_high, m->plain_size = PAYLOAD_PLAIN_MAX + 1)
CHANGE(plain_endless, m->plain_size = UINT64_MAX)
CHANGE(payload_other, m->payload_size++)
CHANGE(images_none, m->image_count = 0)
CHANGE(images_many, m->image_count = MANIFEST_IMAGES + 1)
CHANGE(images_file, m->type = MANIFEST_FILE)
CHANGE(image_twice, memcpy(&m->images[1], &m->images[0], sizeof(m->images[0])))
CHANGE(ref_none, m->images[1].ref[0] = '\0')
CHANGE(ref_no_tag, memcpy(m->images[1].ref, "host:5/a", 9))
CHANGE(ref_only_tag, memcpy(m->images[1].ref, ":tag", 5))
CHANGE(ref_empty_tag, memcpy(m->images[1].ref, "a:", 3))
CHANGE(ref_slash, memcpy(m->images[1].ref, "/a:b", 5))
CHANGE(ref_no_name, memcpy(m->images[1].ref, "a/:b", 5))
CHANGE(ref_quote, memcpy(m->images[1].ref, "a\":b", 5))
CHANGE(ref_blank, memcpy(m->images[1].ref, "a b:c", 6))
CHANGE(ref_query, memcpy(m->images[1].ref, "a?b:c", 6))
CHANGE(ref_endless, memset(m->images[1].ref, 'r', MANIFEST_REF_MAX))
CHANGE(id_none, m->images[0].id[0] = '\0')
CHANGE(id_upper, m->images[0].id[7] = 'A')
CHANGE(id_other, m->images[0].id[3] = '3')
CHANGE(id_brief, m->images[0].id[70] = '\0')
CHANGE(id_endless, memset(m->images[0].id, 'a', MANIFEST_ID_MAX))

static void test_refused(void **state)
{
	static const struct broken rows[] = {
		{"the folder", no_folder},
		{"the folder", folder_up},
		{"the name", name_path},
		{"the name", name_quote},
		{"a name that", name_part},
		{"the name", name_endless},
		{"/version", no_version},
		{"/version", version_line},
		{"/version", version_utf8},
		{"/version", version_endless},
		{"/type", no_type},
		{"/type", no_protection},
		{"/serial", serial_zero},
		{"/serial", serial_high},
		{"/expires", expires_low},
		{"/expires", expires_high},
		{"/min_format", format_zero},
		{"/min_format", format_three},
		{"/plain/size", plain_high},
		{"/plain/size", plain_endless},
		{"/payload/size", payload_other},
		{"/images", images_none},
		{"/images", images_many},
		{"/images", images_file},
		{"/images/1/ref", image_twice},
		{"/images/1/ref", ref_none},
		{"/images/1/ref", ref_no_tag},
		{"/images/1/ref", ref_only_tag},
		{"/images/1/ref", ref_empty_tag},
		{"/images/1/ref", ref_slash},
		{"/images/1/ref", ref_no_name},
		{"/images/1/ref", ref_quote},
		{"/images/1/ref", ref_blank},
		{"/images/1/ref", ref_query},
		{"/images/1/ref", ref_endless},
		{"/images/0/id", id_none},
		{"/images/0/id", id_upper},
		{"/images/0/id", id_other},
		{"/images/0/id", id_brief},
		{"/images/0/id", id_endless},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = read_text(V2_ARCHIVE_JSON);
		CLEANUP(buf_fini) struct buf json = BUF_INIT(MANIFEST_MAX);
		struct err err = {0};

		rows[i].change(manifest);
		assert_int_equal(manifest_write(manifest, &json, &err), ERR_INVALID);
		assert_memory_equal(err.text, rows[i].member, strlen(rows[i].member));
		assert_int_equal(json.len, 0);
	}
}

static void test_no_room(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = read_text(V2_FILE_JSON);
	CLEANUP(buf_fini) struct buf json = BUF_INIT(strlen(V2_FILE_JSON) - 1);
	struct err err = {0};

	(void)state;
	manifest->digest[0] = 0x55;
	assert_int_equal(manifest_write(manifest, &json, &err), ERR_INTERNAL);
	assert_int_equal(json.len, 0);
	assert_int_equal(manifest->digest[0], 0x55);
}

/* --- signed --- */

static int open_signed(struct slice whole, const char *folder, const char *name, const char *anchor,
		       struct manifest **ret_manifest)
{
	CLEANUP(buf_fini) struct buf anchors = BUF_INIT(8192);
	const struct resource resource = {.folder = slice_str(folder), .name = slice_str(name)};
	struct manifest_trust trust = {.at = NOW};
	struct err err = {0};
	int r;

	v2_base64(anchor, &anchors);
	trust.anchors = buf_slice(&anchors);
	r = manifest_open(whole, &resource, &trust, ret_manifest, &err);
	assert_int_equal(r, err.code);
	return r;
}

static void test_signed(void **state)
{
	static const struct {
		const char *whole, *folder, *name, *anchor;
		int code;
	} rows[] = {
		{V2_SIGNED_GOOD, "models", "net.bin", V2_CA, 0},
		{V2_SIGNED_SHA512, "models", "net.bin", V2_CA, 0},
		{V2_SIGNED_GOOD, "models", "net.bin", V2_OTHER_CA, ERR_FORBIDDEN},
		{V2_SIGNED_STRANGER, "models", "net.bin", V2_CA, ERR_FORBIDDEN},
		{V2_SIGNED_STRANGER, "models", "net.bin", V2_OTHER_CA, 0},
		{V2_SIGNED_V1_SIGNER, "models", "net.bin", V2_CA, ERR_FORBIDDEN},
		{V2_SIGNED_SHA1, "models", "net.bin", V2_CA, ERR_DAMAGED},
		{V2_SIGNED_LATER, "models", "net.bin", V2_CA, ERR_NOT_SUPPORTED},
		{V2_SIGNED_GOOD, "models", "net.bim", V2_CA, ERR_WRONG_NAME},
		{V2_SIGNED_GOOD, "model", "net.bin", V2_CA, ERR_WRONG_NAME},
		{V2_SIGNED_GOOD, "models", "net.bi", V2_CA, ERR_WRONG_NAME},
		{V2_SIGNED_GOOD, "models", "../net.bin", V2_CA, ERR_INVALID},
		{V2_SIGNED_GOOD, "models", "net.bin.keys", V2_CA, ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
		CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
		char digest[MANIFEST_DIGEST_HEX];

		v2_base64(rows[i].whole, &whole);
		assert_int_equal(open_signed(buf_slice(&whole), rows[i].folder, rows[i].name,
					     rows[i].anchor, &manifest),
				 rows[i].code);
		assert_int_equal(manifest != NULL, rows[i].code == 0);
		if (!manifest)
			continue;
		manifest_hex(manifest->digest, digest);
		assert_string_equal(digest, V2_FILE_DIGEST);
	}
}

/* Every byte of the JSON inside: no change of it passes. Cuts neither. */
static void test_signed_changed(void **state)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	size_t at = 0;

	(void)state;
	v2_base64(V2_SIGNED_GOOD, &whole);
	while (memcmp(whole.data + at, "{\"holdfast\"", 11) != 0)
		at++;
	for (size_t i = 0; i < strlen(V2_FILE_JSON); i += 3) {
		struct manifest *manifest = NULL;

		whole.data[at + i] ^= 1;
		assert_int_equal(
			open_signed(buf_slice(&whole), "models", "net.bin", V2_CA, &manifest),
			ERR_DAMAGED);
		whole.data[at + i] ^= 1;
		assert_null(manifest);
	}
	for (size_t len = 0; len < whole.len; len += 13) {
		struct manifest *manifest = NULL;

		assert_int_equal(open_signed(slice_of(whole.data, len), "models", "net.bin", V2_CA,
					     &manifest),
				 ERR_DAMAGED);
	}
}

/* What we sign opens; more than a manifest may have does not, well signed as it is. */
static void test_seal(void **state)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(8192), chain = BUF_INIT(8192);
	CLEANUP(buf_fini) struct buf json = BUF_INIT(CMS_MAX);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct err err = {0};

	(void)state;
	v2_base64(V2_SIGNER_KEY, &p8);
	v2_base64(V2_SIGNER, &chain);
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &key, &err), 0);
	buf_put_str(&json, V2_FILE_JSON);
	for (unsigned large = 0; large < 2; large++) {
		CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
		CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;

		while (large && json.len <= MANIFEST_MAX)
			buf_put_u8(&json, ' ');
		assert_int_equal(
			cms_seal_whole(key, buf_slice(&chain), buf_slice(&json), &whole, &err), 0);
		assert_int_equal(
			open_signed(buf_slice(&whole), "models", "net.bin", V2_CA, &manifest),
			large ? ERR_DAMAGED : 0);
	}
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(manifest_type_name(MANIFEST_FILE), "file");
	assert_string_equal(manifest_type_name(MANIFEST_IMAGES_ARCHIVE), "docker-archive");
	assert_string_equal(manifest_protection_name(MANIFEST_SOFTWARE), "software");
	assert_string_equal(manifest_protection_name(MANIFEST_TPM), "tpm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_largest),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_signed),	cmocka_unit_test(test_signed_changed),
		cmocka_unit_test(test_seal),	cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
