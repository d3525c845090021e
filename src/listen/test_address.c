/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "listen/listen.h"

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_good(void **state)
{
	static const struct {
		const char *text;
		const char *printed; /* NULL: the same */
		int family;
		bool loopback;
	} CASES[] = {
		{"127.0.0.1:8080", NULL, AF_INET, true},
		{"127.9.8.7:65535", NULL, AF_INET, true},
		{"0.0.0.0:0", NULL, AF_INET, false},
		{"128.0.0.1:1", NULL, AF_INET, false},
		{"localhost:8080", "127.0.0.1:8080", AF_INET, true},
		{"127.0.0.1:00080", "127.0.0.1:80", AF_INET, true},
		{"[::1]:443", NULL, AF_INET6, true},
		{"[::]:443", NULL, AF_INET6, false},
		{"[0:0::0:1]:443", "[::1]:443", AF_INET6, true},
		{"[fe80::1]:1", NULL, AF_INET6, false},
		{"[::ffff:127.0.0.1]:1", NULL, AF_INET6, true},
		{"[::ffff:10.0.0.1]:1", NULL, AF_INET6, false},
		{"unix:/run/x.sock", NULL, AF_UNIX, true},
		{"unix:/a:80", NULL, AF_UNIX, true},
		{"unix:/" A50 A50 "aaaaaa", NULL, AF_UNIX, true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		const char *printed = CASES[i].printed ? CASES[i].printed : CASES[i].text;
		struct listen_address address = {.length = 0};
		char text[LISTEN_TEXT_MAX];
		struct err err = {.code = 0};

		if (listen_parse(CASES[i].text, &address, &err) < 0)
			fail_msg("%s: %s", CASES[i].text, err.text);
		listen_print(&address, text);
		assert_string_equal(text, printed);
		assert_int_equal(address.address.ss_family, CASES[i].family);
		if (listen_is_loopback(&address) != CASES[i].loopback)
			fail_msg("%s: loopback", CASES[i].text);
	}
}

static void test_bad(void **state)
{
	static const char *const CASES[] = {
		"",
		":",
		":80",
		"80",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:100000",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1: 1",
		"127.0.0.1:1 ",
		"127.0.0.1:0x50",
		"127.0.0:1",
		"127.0.0.1.1:1",
		"0127.0.0.1:1",
		"256.0.0.1:1",
		"example.com:80",
		"LOCALHOST:80",
		"::1:80",
		"[::1]",
		"[::1]:",
		"[::1:80",
		"::1]:80",
		"[]:80",
		"[127.0.0.1]:80",
		"[localhost]:80",
		"[fe80::1%lo]:80",
		"[::1]x:80",
		"[" A50 A50 "]:80",
		A50 A50 ":80",
		"unix:",
		"unix:x",
		"unix:@x",
		"UNIX:/x",
		"unix:/" A50 A50 "aaaaaaa",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct listen_address address = {.length = 77};
		struct err err = {.code = 0};

		if (listen_parse(CASES[i], &address, &err) != ERR_INVALID)
			fail_msg("'%s' was taken", CASES[i]);
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(address.length, 77);
	}
}

/* What accept() says of a client's Unix socket. */
static void test_unnamed(void **state)
{
	struct listen_address address = {.length = sizeof(sa_family_t)};
	char text[LISTEN_TEXT_MAX];

	(void)state;
	address.address.ss_family = AF_UNIX;
	listen_print(&address, text);
	assert_string_equal(text, "unix:");
	assert_true(listen_is_loopback(&address));
	address.address.ss_family = AF_NETLINK;
	assert_false(listen_is_loopback(&address));
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_unnamed),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
