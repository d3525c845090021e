/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "docker/impl.h"

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16
#define TEN   "0123456789"
#define BASE  "http://docker/v1.40/images/"

static void test_good_refs(void **state)
{
	static const char *const refs[] = {
		"app:1",
		"registry/app:1.2",
		"registry.test/team/app:v1_2-3",
		"registry.test:5000/app:x",
		"localhost:1/a:b",
		"Registry.Test/app:A",
		"a.b__c-d--e_f/g:_",
		"127.0.0.1:65535/a0:" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "01234567",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
		struct err err = {0};

		if (docker_check_ref(refs[i], &err) != 0)
			fail_msg("%s: %s", refs[i], err.text);
	}
}

static void test_bad_refs(void **state)
{
	static const char *const refs[] = {
		"",
		":",
		"app",
		"app:",
		":1",
		"/app:1",
		"app/:1",
		"a//b:1",
		"host:5000/app",
		"host:/app:1",
		"host:123456/app:1",
		"host:x1/app:1",
		"-host/app:1",
		"host-/app:1",
		"a..b/c:1",
		".a/b:1",
		"x/a..b:1",
		"x/a___b:1",
		"x/-a:1",
		"x/a-:1",
		"x/a_:1",
		"x/.:1",
		"x/..:1",
		"../x:1",
		"x/A:1",
		"App:1",
		"x/h:5/a:1",
		"app:.1",
		"app:-1",
		"app:1/json",
		"app:1?force=1",
		"app:1#a",
		"app:1 ",
		"app:1\n",
		"app:1%2f",
		"app:\xc3\xa4",
		"app@sha256:" HEX64,
		"app:1@sha256:" HEX64,
		"app:" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "012345678",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
		struct err err = {0};

		if (docker_check_ref(refs[i], &err) != ERR_INVALID)
			fail_msg("%s was taken", refs[i]);
	}
}

static void test_long_name(void **state)
{
	char ref[DOCKER_REF_MAX];
	struct err err = {0};

	(void)state;
	memset(ref, 'a', sizeof(ref));
	snprintf(ref + 255, sizeof(ref) - 255, ":1");
	assert_int_equal(docker_check_ref(ref, &err), 0);
	ref[255] = 'a';
	snprintf(ref + 256, sizeof(ref) - 256, ":1");
	assert_int_equal(docker_check_ref(ref, &err), ERR_INVALID);
}

static void test_ids(void **state)
{
	static const struct {
		const char *id;
		int code;
	} rows[] = {
		{"sha256:" HEX64, 0},
		{"sha256:" HEX16 HEX16 HEX16 "0123456789abcde", ERR_INVALID},
		{"sha256:" HEX64 "0", ERR_INVALID},
		{"sha256:" HEX16 HEX16 HEX16 "0123456789ABCDEF", ERR_INVALID},
		{"sha256:" HEX16 HEX16 HEX16 "0123456789abcdeg", ERR_INVALID},
		{"sha512:" HEX64, ERR_INVALID},
		{HEX64, ERR_INVALID},
		{"", ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};

		if (docker_check_id(rows[i].id, &err) != rows[i].code)
			fail_msg("%s", rows[i].id);
	}
}

static void test_urls(void **state)
{
	CLEANUP(buf_fini) struct buf url = BUF_INIT(DOCKER_URL_MAX);
	struct err err = {0};

	(void)state;
	assert_int_equal(url_image("r.test:5000/a/b:1.0", &url, &err), 0);
	assert_string_equal((char *)url.data, BASE "r.test%3A5000%2Fa%2Fb%3A1.0/json");
	buf_reset(&url);
	assert_int_equal(url_untag("a:1", &url, &err), 0);
	assert_string_equal((char *)url.data, BASE "a%3A1?noprune=true");
	buf_reset(&url);
	assert_int_equal(url_tag("sha256:" HEX64, "r.test:5000/a:1", &url, &err), 0);
	assert_string_equal((char *)url.data,
			    BASE "sha256%3A" HEX64 "/tag?repo=r.test%3A5000%2Fa&tag=1");
	buf_reset(&url);
	assert_int_equal(url_load(&url, &err), 0);
	assert_string_equal((char *)url.data, BASE "load?quiet=false");
}

static void test_urls_of_nothing(void **state)
{
	CLEANUP(buf_fini) struct buf url = BUF_INIT(DOCKER_URL_MAX);
	CLEANUP(buf_fini) struct buf tight = BUF_INIT(30);
	struct err err = {0};

	(void)state;
	assert_int_equal(url_image("a", &url, &err), ERR_INVALID);
	assert_int_equal(url_untag("a/../b:1", &url, &err), ERR_INVALID);
	assert_int_equal(url_tag("sha256:1", "a:1", &url, &err), ERR_INVALID);
	assert_int_equal(url_tag("sha256:" HEX64, "a", &url, &err), ERR_INVALID);
	assert_int_equal(url_image("a:1", &tight, &err), ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_refs), cmocka_unit_test(test_bad_refs),
		cmocka_unit_test(test_long_name), cmocka_unit_test(test_ids),
		cmocka_unit_test(test_urls),	  cmocka_unit_test(test_urls_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
