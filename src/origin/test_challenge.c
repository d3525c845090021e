/* SPDX-License-Identifier: Apache-2.0 */
/* What a device says of itself, member by member, and who is let in. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "origin/challenge.h"

#define ATTRIBUTES_AT 6u /* behind size, type and nameAlg of a TPM2B_PUBLIC */
#define FIT_HIGH      0x03
#define FIT_LOW	      0x72 /* fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth */

enum { STORAGE, EK, OTHER, LOOSE, KEYS };

static struct {
	struct wrap_public *public;
	char text[1024]; /* base64 */
} keys[KEYS];

static void make_key(size_t i)
{
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX), text = BUF_INIT(1024);
	struct err err;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &err), 0);
	assert_int_equal(wrap_public_of_software(pair, &area, &err), 0);
	if (i != LOOSE)
		memcpy(area.data + ATTRIBUTES_AT, (uint8_t[]){0, FIT_HIGH, 0, FIT_LOW}, 4);
	assert_int_equal(wrap_public_read(buf_slice(&area), &keys[i].public, &err), 0);
	base64_encode(&text, buf_slice(&area));
	(void)snprintf(keys[i].text, sizeof(keys[i].text), "%.*s", (int)text.len, text.data);
}

static int begin(void **state)
{
	(void)state;
	json_setup();
	for (size_t i = 0; i < KEYS; i++)
		make_key(i);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++)
		wrap_public_free(keys[i].public);
	return 0;
}

/* $S, $E, $O, $L are the keys' public areas. */
static const char *fill(const char *pattern)
{
	static const char LETTERS[] = "SEOL";
	static char text[CHALLENGE_JSON_MAX];
	size_t len = 0;

	for (; *pattern; pattern++) {
		const char *letter = pattern[0] == '$' ? strchr(LETTERS, pattern[1]) : NULL;

		if (letter) {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
						keys[letter - LETTERS].text);
			pattern++;
		} else {
			text[len++] = *pattern;
		}
	}
	text[len] = '\0';
	return text;
}

static int read_wish(const char *pattern, struct challenge_wish *wish)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	struct err err;

	assert_int_equal(json_parse(slice_str(fill(pattern)), &object, &err), 0);
	return challenge_wish_read(object, wish, &err);
}

#define KEY "\"storage_key\":{\"public\":\"$S\"}"
#define BY(key, certificate)                                                                       \
	"\"ek\":{\"type\":\"ecc-p256\",\"public\":\"" key "\",\"certificate\":" certificate        \
	",\"chain\":null}"
#define TPM "\"protection\":\"tpm\""

static void test_members(void **state)
{
	static const struct {
		const char *json;
		int result;
	} rows[] = {
		{"{" KEY "," BY("$E", "null") "," TPM "}", 0},
		{"{" KEY ",\"ek\":null," TPM "}", 0},
		{"{" KEY "," TPM "}", 0},
		{"{" KEY ",\"protection\":\"software\"}", 0},
		{"{}", ERR_INVALID},
		{"{" KEY "}", ERR_INVALID},
		{"{" TPM "}", ERR_INVALID},
		{"{" KEY "," TPM ",\"more\":1}", ERR_INVALID},
		{"{" KEY ",\"protection\":\"\"}", ERR_INVALID},
		{"{" KEY ",\"protection\":\"TPM\"}", ERR_INVALID},
		{"{" KEY ",\"protection\":null}", ERR_INVALID},
		{"{" KEY ",\"protection\":true}", ERR_INVALID},
		{"{\"storage_key\":null," TPM "}", ERR_INVALID},
		{"{\"storage_key\":\"$S\"," TPM "}", ERR_INVALID},
		{"{\"storage_key\":{}," TPM "}", ERR_INVALID},
		{"{\"storage_key\":{\"public\":5}," TPM "}", ERR_INVALID},
		{"{\"storage_key\":{\"public\":\"$S=\"}," TPM "}", ERR_INVALID},
		{"{\"storage_key\":{\"public\":\"$S\",\"name\":\"x\"}," TPM "}", ERR_INVALID},
		{"{\"storage_key\":{\"public\":\"$S$S$S$S$S$S$S$S\"}," TPM "}", ERR_TOO_LARGE},
		{"{" KEY ",\"ek\":[]," TPM "}", ERR_INVALID},
		{"{" KEY ",\"ek\":{}," TPM "}", ERR_INVALID},
		{"{" KEY ",\"ek\":{\"type\":\"ecc-p256\"}," TPM "}", ERR_INVALID},
		{"{" KEY ",\"ek\":{\"public\":\"$E\"}," TPM "}", ERR_INVALID},
		{"{" KEY ",\"ek\":{\"type\":\"x\",\"public\":\"$E\"}," TPM "}", ERR_INVALID},
		{"{" KEY ",\"ek\":{\"type\":7,\"public\":\"$E\"}," TPM "}", ERR_INVALID},
		{"{" KEY ",\"ek\":{\"type\":\"ecc-p256\",\"public\":\"-\"}," TPM "}", ERR_INVALID},
		{"{" KEY "," BY("$E", "7") "," TPM "}", ERR_INVALID},
		{"{" KEY "," BY("$E", "\"AAA\"") "," TPM "}", ERR_INVALID},
		{"{" KEY
		 ",\"ek\":{\"type\":\"ecc-p256\",\"public\":\"$E\",\"certificate\":\"AAAA\","
		 "\"chain\":[]}," TPM "}",
		 ERR_INVALID},
		{"{" KEY ",\"ek\":{\"type\":\"ecc-p256\",\"public\":\"$E\",\"name\":\"x\"}," TPM
		 "}",
		 ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(challenge_wish_fini) struct challenge_wish wish = CHALLENGE_WISH_INIT;
		int r = read_wish(rows[i].json, &wish);

		if (r != rows[i].result)
			fail_msg("%s: %d", rows[i].json, r);
	}
}

static struct device_file file_of(size_t key, bool in_tpm, bool has_ek)
{
	struct device_file file = {.in_tpm = in_tpm, .has_ek = has_ek};

	memcpy(file.name, wrap_public_name(keys[key].public).data, WRAP_NAME_SIZE);
	memcpy(file.ek_name, wrap_public_name(keys[EK].public).data, WRAP_NAME_SIZE);
	return file;
}

/* The whole way; EK is on the list. */
static int judge(const char *pattern, const struct device_file *file, enum refusal *ret_refusal,
		 struct challenge *ret_challenge)
{
	CLEANUP(challenge_wish_fini) struct challenge_wish wish = CHALLENGE_WISH_INIT;
	const struct challenge_trust trust = {
		.ek_names = wrap_public_name(keys[EK].public),
		.file = file,
	};
	struct err err;
	int r;

	*ret_refusal = REFUSED_NOT;
	assert_int_equal(read_wish(pattern, &wish), 0);
	r = challenge_begin(&wish, ret_challenge, ret_refusal, &err);
	return r < 0 ? r : challenge_judge(&wish, &trust, ret_challenge, ret_refusal, &err);
}

#define SOFTWARE  "\"protection\":\"software\""
#define LOOSE_KEY "\"storage_key\":{\"public\":\"$L\"}"

static void test_judge(void **state)
{
	const struct device_file by_hand = file_of(STORAGE, true, false);
	const struct device_file by_ek = file_of(STORAGE, true, true);
	const struct device_file loose = file_of(LOOSE, false, false);
	const struct device_file liar = file_of(LOOSE, true, false);
	struct device_file revoked = file_of(STORAGE, true, true);
	struct device_file revoked_loose = file_of(LOOSE, false, false);
	const struct {
		const char *json;
		const struct device_file *file;
		int result;
		enum refusal refusal;
		bool credential, writes;
	} rows[] = {
		{"{" KEY "," BY("$E", "null") "," TPM "}", NULL, 0, 0, true, true},
		{"{" KEY "," BY("$O", "null") "," TPM "}", NULL, ERR_FORBIDDEN, REFUSED_EK, 0, 0},
		{"{" KEY "," BY("$O", "\"AAAA\"") "," TPM "}", NULL, ERR_FORBIDDEN, REFUSED_EK, 0,
		 0},
		{"{" KEY "," BY("$L", "null") "," TPM "}", NULL, ERR_FORBIDDEN, REFUSED_EK, 0, 0},
		{"{" KEY "," BY("AAAA", "null") "," TPM "}", NULL, ERR_INVALID, 0, 0, 0},
		{"{" KEY ",\"ek\":{\"type\":\"rsa-2048\",\"public\":\"$E\"}," TPM "}", NULL,
		 ERR_INVALID, 0, 0, 0},
		{"{\"storage_key\":{\"public\":\"AAAA\"}," TPM "}", NULL, ERR_INVALID, 0, 0, 0},
		{"{" KEY ",\"ek\":null," TPM "}", NULL, ERR_FORBIDDEN, REFUSED_UNKNOWN, 0, 0},
		{"{" KEY "," BY("$E", "null") "," SOFTWARE "}", NULL, ERR_FORBIDDEN,
		 REFUSED_UNKNOWN, 0, 0},
		{"{" LOOSE_KEY "," BY("$E", "null") "," TPM "}", NULL, ERR_FORBIDDEN,
		 REFUSED_STORAGE_KEY, 0, 0},
		{"{" LOOSE_KEY "," SOFTWARE "}", NULL, ERR_FORBIDDEN, REFUSED_UNKNOWN, 0, 0},
		{"{" LOOSE_KEY "," SOFTWARE "}", &loose, 0, 0, false, false},
		{"{" LOOSE_KEY "," TPM "}", &loose, ERR_FORBIDDEN, REFUSED_STORAGE_KEY, 0, 0},
		{"{" LOOSE_KEY "," SOFTWARE "}", &liar, ERR_FORBIDDEN, REFUSED_STORAGE_KEY, 0, 0},
		{"{" KEY "," BY("$O", "null") "," TPM "}", &by_hand, 0, 0, false, false},
		{"{" KEY ",\"ek\":null," TPM "}", &by_ek, 0, 0, false, false},
		{"{" KEY "," BY("$E", "null") "," TPM "}", &by_ek, 0, 0, true, false},
		{"{" KEY "," BY("$O", "null") "," TPM "}", &by_ek, ERR_FORBIDDEN, REFUSED_EK, 0, 0},
		{"{" KEY "," BY("$E", "null") "," TPM "}", &revoked, ERR_FORBIDDEN, REFUSED_UNKNOWN,
		 0, 0},
		{"{" KEY ",\"ek\":null," TPM "}", &revoked, ERR_FORBIDDEN, REFUSED_UNKNOWN, 0, 0},
		{"{" LOOSE_KEY "," SOFTWARE "}", &revoked_loose, ERR_FORBIDDEN, REFUSED_UNKNOWN, 0,
		 0},
	};

	(void)state;
	revoked.refused = revoked_loose.refused = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(challenge_fini) struct challenge challenge = {.ek = NULL};
		enum refusal refusal;
		int r = judge(rows[i].json, rows[i].file, &refusal, &challenge);

		if (r != rows[i].result || refusal != rows[i].refusal)
			fail_msg("%zu: %d, %s", i, r, refusal_name(refusal));
		if (r < 0)
			continue;
		if ((challenge.ek != NULL) != rows[i].credential ||
		    challenge.device.has_ek != rows[i].credential ||
		    (challenge.device.area_len > 0) != rows[i].writes)
			fail_msg("%zu: another challenge", i);
	}
}

/* What it hides is what has that digest, and is never the same. */
static void test_put(void **state)
{
	CLEANUP(challenge_fini) struct challenge challenge = {.ek = NULL};
	CLEANUP(buf_fini) struct buf first = BUF_INIT(4096), second = BUF_INIT(4096);
	uint8_t digests[2][DEVICE_DIGEST];
	enum refusal refusal;
	struct err err;

	(void)state;
	assert_int_equal(
		judge("{" KEY "," BY("$E", "null") "," TPM "}", NULL, &refusal, &challenge), 0);
	assert_int_equal(challenge_put(&challenge, &first, digests[0], &err), 0);
	assert_int_equal(challenge_put(&challenge, &second, digests[1], &err), 0);
	assert_memory_equal(first.data, "{\"credential\":\"utzA3gAAAAE", 26);
	assert_false(slice_equal(buf_slice(&first), buf_slice(&second)));
	assert_memory_not_equal(digests[0], digests[1], DEVICE_DIGEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_put),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
