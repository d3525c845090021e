/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/tls.h"
#include "openssl/uri.h"

#define LONG_NAME "0123456789012345678901234567890123456789012345678901234567890123"

static void names_that_are_taken(void **state)
{
	static const struct {
		const char *text;
		bool device;
		const char *name, *socket;
	} cases[] = {
		{"holdfast:device", true, "", ""},
		{"holdfast:device?socket=/run/s", true, "", "/run/s"},
		{"holdfast://device", true, "", ""},
		{"holdfast:key/a", false, "a", ""},
		{"holdfast://key/a?socket=/s", false, "a", "/s"},
		{"holdfast:key/A.b_c-9", false, "A.b_c-9", ""},
		{"holdfast:key/" LONG_NAME LONG_NAME, false, LONG_NAME LONG_NAME, ""},
		{"holdfast:key/a?socket=/x?y#z", false, "a", "/x?y#z"},
	};
	struct uri uri;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(uri_parse(slice_str(cases[i].text), &uri, &err), 0);
		assert_int_equal(uri.device, cases[i].device);
		assert_string_equal(uri.name, cases[i].name);
		assert_string_equal(uri.socket, cases[i].socket);
	}
}

static void names_that_are_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"holdfast:",
		"holdfast:devic",
		"holdfast:device ",
		"holdfast:device/",
		"holdfast:device\n",
		"holdfast:devices",
		"Holdfast:device",
		"holdfast:/device",
		"holdfast:///device",
		"//device",
		"holdfast:key",
		"holdfast:key/",
		"holdfast:key/.a",
		"holdfast:key/a/b",
		"holdfast:key/a b",
		"holdfast:key/" LONG_NAME LONG_NAME "0",
		"holdfast:key/a?",
		"holdfast:key/a?sock=/x",
		"holdfast:key/a?socket=",
		"holdfast:key/a?socket=x",
		"holdfast:key/a?socket=/x y",
		"holdfast:key/a?socket=/x\n",
		"holdfast:key/a?socket=/" LONG_NAME LONG_NAME,
		"file:/etc/passwd",
	};
	struct uri uri, before;
	struct err err;
	size_t i;

	(void)state;
	memset(&uri, 0x55, sizeof(uri));
	before = uri;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(uri_parse(slice_str(cases[i]), &uri, &err), ERR_INVALID);
		assert_memory_equal(&uri, &before, sizeof(uri));
	}
	assert_int_equal(uri_parse(slice_of("holdfast:key/a\0", 15), &uri, &err), ERR_INVALID);
}

/* Every length that the buffer must hold, and the first that it must not. */
static void content_of_a_pem(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096), pem = BUF_INIT(4096);
	struct uri uri;
	struct err err;

	(void)state;
	buf_put_str(&text, "holdfast://key/" LONG_NAME LONG_NAME "?socket=/");
	while (text.len < URI_MAX)
		buf_put_u8(&text, 'x');
	base64_encode(&pem, buf_slice(&text));
	assert_int_equal(uri_parse_pem(buf_slice(&pem), &uri, &err), 0);
	assert_int_equal(strlen(uri.socket), URI_SOCKET_MAX);
	buf_put_str(&text, "xxx");
	buf_reset(&pem);
	base64_encode(&pem, buf_slice(&text));
	assert_int_equal(uri_parse_pem(buf_slice(&pem), &uri, &err), ERR_INVALID);
	assert_int_equal(uri_parse_pem(slice_str("*"), &uri, &err), ERR_INVALID);
	assert_int_equal(uri_parse_pem(slice_str(""), &uri, &err), ERR_INVALID);
}

#define SPACES64 "                                                                "
#define CLIENT	 SPACES64 "TLS 1.3, client CertificateVerify"

static void what_tls_signs(void **state)
{
	char text[TLS_CONTENT_MAX + 1] = CLIENT;
	size_t i, len = sizeof(CLIENT);

	(void)state;
	assert_int_equal(len, 98);
	for (i = 0; i <= sizeof(text) - len; i++)
		assert_int_equal(tls_is_content(slice_of(text, len + i)), i == 32 || i == 48);
	/* Any byte that is another, but for those of the hash. */
	for (i = 0; i < len + 32; i++) {
		text[i] ^= 1;
		assert_int_equal(tls_is_content(slice_of(text, len + 32)), i >= len);
		text[i] ^= 1;
	}
	memcpy(text + 64, "TLS 1.3, server", 15);
	assert_true(tls_is_content(slice_of(text, len + 32)));
	assert_false(tls_is_content(slice_of(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_are_taken),
		cmocka_unit_test(names_that_are_refused),
		cmocka_unit_test(content_of_a_pem),
		cmocka_unit_test(what_tls_signs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
