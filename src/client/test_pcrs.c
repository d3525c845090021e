/* SPDX-License-Identifier: Apache-2.0 */
/* Selections of PCRs as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "client/pcrs.h"

static const struct {
	const char *text;
	const char *json; /* NULL = refused */
} CASES[] = {
	{"sha256:0", "{\"sha256\":[0]}"},
	{"sha256:7,0,23", "{\"sha256\":[0,7,23]}"},
	{"sha256:0-3,2,9", "{\"sha256\":[0,1,2,3,9]}"},
	{"sha1:1+sha256:2-2", "{\"sha1\":[1],\"sha256\":[2]}"},
	{"sha3-256:05", "{\"sha3-256\":[5]}"},
	{"sm3_256:all+sha1:0",
	 "{\"sm3_256\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23],"
	 "\"sha1\":[0]}"},
	{"", NULL},
	{"sha256", NULL},
	{"sha256:", NULL},
	{":0", NULL},
	{"sha256:24", NULL},
	{"sha256:100", NULL},
	{"sha256:3-1", NULL},
	{"sha256:1-", NULL},
	{"sha256:-1", NULL},
	{"sha256:1,", NULL},
	{"sha256:1,+sha1:1", NULL},
	{"sha256:1+", NULL},
	{"sha256:1+sha256:2", NULL},
	{"sha256:1 ", NULL},
	{"sha256:allx", NULL},
	{"sha256:all,1", NULL},
	{"SHA256:1", NULL},
	{"sha\"256:1", NULL},
	{"a:1+b:1+c:1+d:1+e:1+f:1+g:1+h:1+i:1", NULL},
};

static void test_put(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf out = BUF_INIT(1024);
		struct err err = {0};
		int r = pcrs_put(&out, CASES[i].text, &err);

		assert_int_equal(r, CASES[i].json ? 0 : ERR_INVALID);
		assert_int_equal(err.code, r);
		buf_put_u8(&out, '\0');
		assert_string_equal((const char *)out.data, CASES[i].json ? CASES[i].json : "");
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {cmocka_unit_test(test_put)};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
