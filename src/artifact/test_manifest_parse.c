/* SPDX-License-Identifier: Apache-2.0 */
/* JSON that is no manifest, or one of another version: which of the two, for each member. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/manifest_impl.h"
#include "artifact/test_v2_fixture.h"
#include "tests/vectors/v2.inc"

static int parse(struct slice text, struct manifest **ret_manifest)
{
	struct err err = {0};
	int r = manifest_parse(text, ret_manifest, &err);

	assert_int_equal(r, err.code);
	return r;
}

static void test_members(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *file = NULL, *archive = NULL;

	(void)state;
	assert_int_equal(parse(slice_str(V2_FILE_JSON), &file), 0);
	assert_string_equal(file->folder, "models");
	assert_string_equal(file->name, "net.bin");
	assert_int_equal(file->type, MANIFEST_FILE);
	assert_string_equal(file->version, "1.2 \"b\\c\"");
	assert_int_equal(file->serial, 7);
	assert_int_equal(file->expires, 1999999999);
	assert_int_equal(file->min_format, 2);
	assert_int_equal(file->protection, MANIFEST_TPM);
	assert_int_equal(file->plain_size, 1000);
	assert_int_equal(file->payload_size, 1064);
	assert_int_equal(file->payload_digest[0], 0x36);
	assert_int_equal(file->image_count, 0);
	assert_int_equal(parse(slice_str(V2_ARCHIVE_JSON), &archive), 0);
	assert_int_equal(archive->type, MANIFEST_IMAGES_ARCHIVE);
	assert_int_equal(archive->protection, MANIFEST_SOFTWARE);
	assert_int_equal(archive->expires, 0);
	assert_int_equal(archive->image_count, 2);
	assert_string_equal(archive->images[0].ref, "registry.example:5000/a/b:1.0");
	assert_string_equal(archive->images[1].ref, "c:latest");
	assert_memory_equal(archive->images[1].id, "sha256:cdcd", 11);
}

/* The first @from of the archive's text becomes @to. */
static void replaced(const char *from, const char *to, struct buf *ret_text)
{
	const char *text = V2_ARCHIVE_JSON;
	const char *at = strstr(text, from);

	assert_non_null(at);
	buf_put(ret_text, slice_of(text, (size_t)(at - text)));
	buf_put_str(ret_text, to);
	buf_put_str(ret_text, at + strlen(from));
}

static const struct {
	const char *from, *to;
	int code;
} changes[] = {
	/* another version: whatever else is in it */
	{"artifact v2", "artifact v3", ERR_NOT_SUPPORTED},
	{"\"holdfast\":\"artifact v2\"", "\"holdfast\":\"artifact v3\",\"a\":1", ERR_NOT_SUPPORTED},
	{"artifact v2", "resource v1", ERR_NOT_SUPPORTED},
	{"\"artifact v2\"", "2", ERR_DAMAGED},
	{"\"holdfast\":\"artifact v2\",", "", ERR_DAMAGED},
	/* members that are not known, in each object */
	{"\"folder\"", "\"more\":1,\"folder\"", ERR_NOT_SUPPORTED},
	{"\"plain\":{", "\"plain\":{\"sha256\":\"\",", ERR_NOT_SUPPORTED},
	{"\"chunk\"", "\"key\":1,\"chunk\"", ERR_NOT_SUPPORTED},
	{"\"ref\"", "\"os\":\"x\",\"ref\"", ERR_NOT_SUPPORTED},
	/* words that are not known */
	{"docker-archive", "oci-archive", ERR_NOT_SUPPORTED},
	{"\"software\"", "\"enclave\"", ERR_NOT_SUPPORTED},
	{"AES-256-GCM", "AES-256-CBC", ERR_NOT_SUPPORTED},
	{"AES-256-GCM", "aes-256-gcm", ERR_NOT_SUPPORTED},
	{"65536", "131072", ERR_NOT_SUPPORTED},
	{"\"min_format\":2", "\"min_format\":3", ERR_NOT_SUPPORTED},
	/* each member left out */
	{"\"folder\":\"models\",", "", ERR_DAMAGED},
	{"\"name\":\"net.bin\",", "", ERR_DAMAGED},
	{"\"type\":\"docker-archive\",", "", ERR_DAMAGED},
	{"\"version\":\"1.2 \\\"b\\\\c\\\"\",", "", ERR_DAMAGED},
	{"\"serial\":7,", "", ERR_DAMAGED},
	{"\"min_format\":2,", "", ERR_DAMAGED},
	{"\"protection\":\"software\",", "", ERR_DAMAGED},
	{"\"plain\":{\"size\":1000},", "", ERR_DAMAGED},
	{"\"size\":1000", "", ERR_DAMAGED},
	{"\"cipher\":\"AES-256-GCM\",", "", ERR_DAMAGED},
	{"\"chunk\":65536,", "", ERR_DAMAGED},
	{"\"size\":1064,", "", ERR_DAMAGED},
	{"\"size\":1064,\"sha256\"", "\"size\":1064,\"cipher\"", ERR_DAMAGED},
	{"\"ref\":\"c:latest\",", "", ERR_DAMAGED},
	/* twice */
	{"\"serial\":7", "\"serial\":7,\"serial\":7", ERR_DAMAGED},
	{"\"chunk\"", "\"chunk\":65536,\"chunk\"", ERR_DAMAGED},
	/* values that are none */
	{"\"models\"", "\"..\"", ERR_DAMAGED},
	{"\"models\"", "\"a/b\"", ERR_DAMAGED},
	{"\"models\"", "7", ERR_DAMAGED},
	{"\"models\"", "null", ERR_DAMAGED},
	{"net.bin", "net.keys", ERR_DAMAGED},
	{"net.bin", "net\\u0000bin", ERR_DAMAGED},
	{"net.bin", "net\\u002fbin", ERR_DAMAGED},
	{"net.bin", "\xc3\xa4", ERR_DAMAGED},
	{"net.bin", "\xff", ERR_DAMAGED},
	{"\"docker-archive\"", "[]", ERR_DAMAGED},
	{"1.2", "1\\n2", ERR_DAMAGED},
	{"1.2", "\\u0000", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":0", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":-1", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":7.0", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":\"7\"", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":9007199254740992", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":18446744073709551623", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":7,\"expires\":0", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":7,\"expires\":null", ERR_DAMAGED},
	{"\"serial\":7", "\"serial\":7,\"expires\":-5", ERR_DAMAGED},
	{"\"min_format\":2", "\"min_format\":0", ERR_DAMAGED},
	{"\"min_format\":2", "\"min_format\":true", ERR_DAMAGED},
	{"{\"size\":1000}", "1000", ERR_DAMAGED},
	{"{\"size\":1000}", "[{\"size\":1000}]", ERR_DAMAGED},
	{"1000", "999999", ERR_DAMAGED},
	{"1000", "-1", ERR_DAMAGED},
	{"1000", "1099511627777", ERR_DAMAGED},
	{"65536", "\"65536\"", ERR_DAMAGED},
	{"65536", "0", ERR_DAMAGED},
	{"1064", "1065", ERR_DAMAGED},
	{"1064", "0", ERR_DAMAGED},
	{"\"3690", "\"369", ERR_DAMAGED},
	{"\"3690", "\"36900", ERR_DAMAGED},
	{"\"3690", "\"369G", ERR_DAMAGED},
	{"cbe", "CBE", ERR_DAMAGED},
	/* images */
	{"\"docker-archive\"", "\"file\"", ERR_DAMAGED},
	{"[{", "[7,{", ERR_DAMAGED},
	{"\"c:latest\"", "\"c\"", ERR_DAMAGED},
	{"\"c:latest\"", "\"c:latest \"", ERR_DAMAGED},
	{"\"c:latest\"", "\"registry.example:5000/a/b:1.0\"", ERR_DAMAGED},
	{"sha256:ab", "sha256:AB", ERR_DAMAGED},
	{"sha256:ab", "sha512:ab", ERR_DAMAGED},
	{"sha256:ab", "sha256:a", ERR_DAMAGED},
	/* no JSON, or not this one thing */
	{"{\"hold", "[\"hold", ERR_DAMAGED},
	{"}]}", "}]}x", ERR_DAMAGED},
	{"}]}", "}]", ERR_DAMAGED},
	{"}]}", "}],}", ERR_DAMAGED},
};

static void test_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
		CLEANUP(buf_fini) struct buf text = BUF_INIT(MANIFEST_MAX);

		replaced(changes[i].from, changes[i].to, &text);
		if (parse(buf_slice(&text), &manifest) != changes[i].code)
			fail_msg("%s: %d, not %d", changes[i].to,
				 parse(buf_slice(&text), &manifest), changes[i].code);
		assert_null(manifest);
	}
}

/* Order and blanks are the writer's: what counts is what is signed. Its digest is of the bytes. */
static void test_other_forms(void **state)
{
	static const char *const rows[][2] = {
		{"\"folder\":\"models\",\"name\":\"net.bin\"",
		 "\"name\":\"net.bin\",\"folder\":\"models\""},
		{"{\"holdfast\"", " {\n\t\"holdfast\" "},
		{"net.bin", "\\u006eet.bin"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
		CLEANUP(buf_fini) struct buf text = BUF_INIT(MANIFEST_MAX);
		char digest[MANIFEST_DIGEST_HEX];

		replaced(rows[i][0], rows[i][1], &text);
		assert_int_equal(parse(buf_slice(&text), &manifest), 0);
		assert_string_equal(manifest->name, "net.bin");
		manifest_hex(manifest->digest, digest);
		assert_string_not_equal(digest, V2_ARCHIVE_DIGEST);
	}
}

static void put_images(unsigned count, struct buf *text)
{
	const char *all = V2_ARCHIVE_JSON;
	const char *images = strstr(all, ",\"images\"");

	buf_put(text, slice_of(all, (size_t)(images - all)));
	buf_put_str(text, ",\"images\":[");
	for (unsigned i = 0; i < count; i++)
		buf_printf(text, "%s{\"ref\":\"a:%u\",\"id\":\"sha256:%064u\"}", i ? "," : "", i,
			   i);
	buf_put_str(text, "]}");
}

static void test_images(void **state)
{
	static const unsigned counts[] = {0, 1, MANIFEST_IMAGES, MANIFEST_IMAGES + 1, 250};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
		CLEANUP(buf_fini) struct buf text = BUF_INIT(MANIFEST_MAX);
		bool good = counts[i] > 0 && counts[i] <= MANIFEST_IMAGES;

		put_images(counts[i], &text);
		assert_true(buf_ok(&text));
		assert_int_equal(parse(buf_slice(&text), &manifest), good ? 0 : ERR_DAMAGED);
		if (good)
			assert_int_equal(manifest->image_count, counts[i]);
	}
}

static void test_lengths(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MANIFEST_MAX + 1);
	struct manifest *none = NULL;

	(void)state;
	buf_put_str(&text, V2_FILE_JSON);
	for (size_t len = 0; len < text.len; len++)
		assert_int_equal(parse(slice_of(text.data, len), &none), ERR_DAMAGED);
	while (text.len < MANIFEST_MAX)
		buf_put_u8(&text, '\n');
	assert_int_equal(parse(buf_slice(&text), &manifest), 0);
	buf_put_u8(&text, '\n');
	assert_int_equal(parse(buf_slice(&text), &none), ERR_DAMAGED);
	assert_null(none);
}

/* What a manifest says of version 1 is read whatever else it has, but of this version alone. */
static void test_outline(void **state)
{
#define OF(kind, format, more)                                                                     \
	"{\"holdfast\":\"" kind                                                                    \
	"\",\"folder\":\"models\",\"name\":\"net.bin\",\"serial\":7,\"expires\":1999999999,"       \
	"\"min_format\":" format more "}"
	static const struct {
		const char *json;
		int code;
		unsigned format;
	} rows[] = {
		{OF("artifact v2", "1", ""), 0, 1},
		{OF("artifact v2", "2", ",\"more\":1"), 0, 2},
		{OF("artifact v2", "3", ",\"type\":7"), 0, 2},
		{OF("artifact v2", "9007199254740991", ""), 0, 2},
		{OF("artifact v2", "9007199254740992", ""), ERR_DAMAGED, 0},
		{OF("artifact v2", "0", ""), ERR_DAMAGED, 0},
		{OF("artifact v2", "\"1\"", ""), ERR_DAMAGED, 0},
		{OF("artifact v2", "1", ",\"min_format\":2"), ERR_DAMAGED, 0},
		{OF("artifact v3", "1", ""), ERR_NOT_SUPPORTED, 0},
		{"{\"holdfast\":\"artifact v2\",\"serial\":7,\"min_format\":1}", ERR_DAMAGED, 0},
		{"", ERR_DAMAGED, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
		struct err err = {0};

		assert_int_equal(manifest_parse_outline(slice_str(rows[i].json), &manifest, &err),
				 rows[i].code);
		if (rows[i].code) {
			assert_null(manifest);
			continue;
		}
		assert_string_equal(manifest->folder, "models");
		assert_string_equal(manifest->name, "net.bin");
		assert_int_equal(manifest->serial, 7);
		assert_int_equal(manifest->expires, 1999999999);
		assert_int_equal(manifest->min_format, rows[i].format);
	}
#undef OF
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),	    cmocka_unit_test(test_changed),
		cmocka_unit_test(test_other_forms), cmocka_unit_test(test_images),
		cmocka_unit_test(test_lengths),	    cmocka_unit_test(test_outline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
