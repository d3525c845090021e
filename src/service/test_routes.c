/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "service/service.h"

/* Written down a second time on purpose: a right that changes must be changed here as well. */
static const struct {
	enum http_method method;
	const char *path;
	uint32_t right;
} RIGHTS[] = {
	{HTTP_GET, "/v1/status", TENANT_NO_JOB},
	{HTTP_GET, "/metrics", TENANT_HOST_ONLY | TENANT_NO_JOB},
	{HTTP_POST, "/v1/random", TENANT_RANDOM},
	{HTTP_POST, "/v1/seal", TENANT_SEAL},
	{HTTP_POST, "/v1/unseal", TENANT_SEAL},
	{HTTP_GET, "/v1/secrets", TENANT_SEAL},
	{HTTP_PUT, "/v1/secrets/{name}", TENANT_SEAL},
	{HTTP_GET, "/v1/secrets/{name}", TENANT_SEAL},
	{HTTP_DELETE, "/v1/secrets/{name}", TENANT_SEAL},
	{HTTP_GET, "/v1/keys", TENANT_KEY},
	{HTTP_POST, "/v1/keys", TENANT_KEY},
	{HTTP_GET, "/v1/keys/{name}", TENANT_KEY},
	{HTTP_DELETE, "/v1/keys/{name}", TENANT_KEY},
	{HTTP_POST, "/v1/keys/{name}/sign", TENANT_SIGN},
	{HTTP_POST, "/v1/keys/{name}/export", TENANT_EXPORT},
	{HTTP_POST, "/v1/keys/{name}/decrypt", TENANT_DECRYPT},
	{HTTP_POST, "/v1/keys/{name}/agree", TENANT_DECRYPT},
	{HTTP_POST, "/v1/keys/{name}/mac", TENANT_SIGN},
	{HTTP_POST, "/v1/keys/{name}/certificate-request", TENANT_SIGN},
	{HTTP_GET, "/v1/aiks", TENANT_AIK},
	{HTTP_POST, "/v1/aiks", TENANT_AIK},
	{HTTP_GET, "/v1/aiks/{name}", TENANT_AIK},
	{HTTP_DELETE, "/v1/aiks/{name}", TENANT_AIK},
	{HTTP_POST, "/v1/aiks/{name}/quote", TENANT_AIK},
	{HTTP_POST, "/v1/aiks/{name}/certify", TENANT_AIK},
	{HTTP_POST, "/v1/aiks/{name}/sign", TENANT_AIK},
	{HTTP_POST, "/v1/aiks/{name}/activate", TENANT_AIK},
	{HTTP_GET, "/v1/ek", TENANT_AIK},
	{HTTP_GET, "/v1/ek/certificate", TENANT_AIK},
	{HTTP_GET, "/v1/pcrs", TENANT_AIK},
	{HTTP_GET, "/v1/eventlog", TENANT_AIK},
	{HTTP_GET, "/v1/usage", TENANT_USAGE},
	{HTTP_GET, "/v1/device", TENANT_NO_JOB},
	{HTTP_POST, "/v1/device/sign", TENANT_DEVICE_SIGN},
	{HTTP_POST, "/v1/device/tls", TENANT_DEVICE_TLS},
	{HTTP_POST, "/v1/device/raw", TENANT_DEVICE_RAW},
	{HTTP_GET, "/v1/device/storage-key", TENANT_UNWRAP},
	{HTTP_POST, "/v1/device/storage-key/activate", TENANT_UNWRAP},
	{HTTP_POST, "/v1/unwrap", TENANT_UNWRAP},
	{HTTP_GET, "/v1/fapi/object", TENANT_HOST_ONLY | TENANT_SEAL},
	{HTTP_POST, "/v1/admin/tpm/accept", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/device/init", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/device/approve", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/device/renew", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/device/certificate", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/device/certificate-request", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/device/migrate", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/device/reset", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/fapi/probe", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/fapi/provision", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/fapi/seal", TENANT_ADMIN},
	{HTTP_GET, "/v1/admin/fapi/objects", TENANT_ADMIN},
	{HTTP_DELETE, "/v1/admin/fapi/object", TENANT_ADMIN},
	{HTTP_GET, "/v1/admin/tenants", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/tenants", TENANT_ADMIN},
	{HTTP_GET, "/v1/admin/tenants/{name}", TENANT_ADMIN},
	{HTTP_DELETE, "/v1/admin/tenants/{name}", TENANT_ADMIN},
	{HTTP_POST, "/v1/admin/reload", TENANT_ADMIN},
	{HTTP_GET, "/v1/admin/audit", TENANT_ADMIN | TENANT_NO_JOB},
};

static void test_rights(void **state)
{
	size_t count, i, j;
	const struct http_route *routes = service_routes(&count);

	(void)state;
	assert_int_equal(count, ARRAY_LEN(RIGHTS));
	for (i = 0; i < count; i++) {
		assert_non_null(routes[i].handler);
		for (j = 0; j < ARRAY_LEN(RIGHTS); j++)
			if (RIGHTS[j].method == routes[i].method &&
			    strcmp(RIGHTS[j].path, routes[i].path) == 0)
				break;
		if (j == ARRAY_LEN(RIGHTS))
			fail_msg("%s is not in the test's table", routes[i].path);
		if (routes[i].right != RIGHTS[j].right)
			fail_msg("%s has another right", routes[i].path);
	}
}

/* What begins with /v1/admin is the administrator's, and nothing else is. */
static void test_admin(void **state)
{
	size_t count, i;
	const struct http_route *routes = service_routes(&count);

	(void)state;
	for (i = 0; i < count; i++)
		assert_int_equal((routes[i].right & TENANT_ADMIN) != 0,
				 strncmp(routes[i].path, "/v1/admin/", 10) == 0);
}

/* A limit where octets are taken, and nowhere else. */
static void test_bodies(void **state)
{
	size_t count, i;
	const struct http_route *routes = service_routes(&count);

	(void)state;
	for (i = 0; i < count; i++) {
		bool streams = routes[i].body == HTTP_BODY_STREAM_OR_JSON;

		assert_int_equal(routes[i].octets_max > 0,
				 routes[i].body == HTTP_BODY_OCTETS_OR_JSON || streams);
		assert_int_equal(routes[i].stream_max > routes[i].octets_max, streams);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_admin),
		cmocka_unit_test(test_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
