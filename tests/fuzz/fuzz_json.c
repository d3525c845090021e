/* SPDX-License-Identifier: Apache-2.0 */

/* JSON, base64, hex and UTF-8 as request bodies and records use them. */

#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_members(const struct json_t *json)
{
	static const char *const names[] = {"s", "b", "u", "d", "x"};
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(256);
	const char *text = NULL;
	struct err err = {0};
	uint64_t number = 5;
	bool flag = false;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (json_get_string(json, names[i], i & 1, &text, &err) == 0 && text)
			FUZZ_REQUIRE(strlen(text) < 65536);
		FUZZ_EITHER(json_get_bool(json, names[i], i & 1, &flag, &err));
		if (json_get_u64(json, names[i], i & 1, 3, 70000, &number, &err) == 0)
			FUZZ_REQUIRE(number >= 3 && number <= 70000);
		FUZZ_EITHER(json_get_bytes(json, names[i], i & 1, &bytes, &err));
		FUZZ_REQUIRE(bytes.len <= 256);
		if (json_get_secret(json, names[i], i & 1, 128, &secret, &err) == 0 && secret)
			FUZZ_REQUIRE(secret_size(secret) <= 128);
		secret_free(secret);
		secret = NULL;
	}
	FUZZ_EITHER(json_only(json, names, sizeof(names) / sizeof(names[0]), &err));
}

static void check_json(struct slice text)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL, *again = NULL;
	CLEANUP(buf_fini) struct buf written = BUF_INIT(1u << 20);
	struct err err = {0};
	int r = json_parse(text, &json, &err);

	FUZZ_REQUIRE(r == 0 || (r == err.code && err.text[0] && !json));
	if (r < 0)
		return;
	check_members(json);
	json_write(&written, json);
	if (buf_ok(&written))
		FUZZ_REQUIRE(json_parse(buf_slice(&written), &again, &err) == 0);
}

/* Any text, even with NULs and broken UTF-8, becomes a JSON string that can be read. */
static void check_string(struct slice text)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf written = BUF_INIT(1u << 20);
	char c[257];
	struct err err = {0};
	size_t len = text.len < sizeof(c) - 1 ? text.len : sizeof(c) - 1;

	if (len)
		memcpy(c, text.data, len);
	c[len] = '\0';
	buf_put_str(&written, "{\"s\":");
	json_put_string(&written, c);
	buf_put_str(&written, "}");
	FUZZ_REQUIRE(buf_ok(&written));
	FUZZ_REQUIRE(json_parse(buf_slice(&written), &json, &err) == 0);
}

static void check_base64(struct slice bytes)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(1u << 20);
	size_t max = base64_decoded_max(base64_encoded_size(bytes.len)), len = 0;
	uint8_t *back = malloc(max + bytes.len + 1);

	FUZZ_REQUIRE(back);
	base64_encode(&text, bytes);
	FUZZ_REQUIRE(buf_ok(&text) && text.len == base64_encoded_size(bytes.len));
	FUZZ_REQUIRE(base64_decode(buf_slice(&text), back, &len));
	FUZZ_REQUIRE(slice_equal(slice_of(back, len), bytes));
	if (base64_decode(bytes, back, &len))
		FUZZ_REQUIRE(len <= base64_decoded_max(bytes.len));
	FUZZ_EITHER(hex_decode(bytes, back, bytes.len / 2));
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool set_up;
	struct slice text = slice_of(data, size);

	if (!set_up)
		json_setup();
	set_up = true;
	check_json(text);
	check_string(text);
	check_base64(text);
	return 0;
}
