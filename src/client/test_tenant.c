/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants against a scripted service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "client/test_fixture.h"

#define NAMES_SIZE 256u

static bool was_sent(const struct buf *log, const char *text)
{
	return strstr((const char *)log->data, text) != NULL;
}

static int visit(void *arg, const struct hf_tenant *tenant)
{
	char *names = arg;
	size_t len = strlen(names);

	(void)snprintf(names + len, NAMES_SIZE - len, "%s %s %s %s,", tenant->name, tenant->source,
		       tenant->folder, tenant->fault);
	return 0;
}

static void call_tenants(struct hf *hf)
{
	static const char *const OPERATIONS[] = {"seal", "key", NULL};
	static const char *const PEERS[] = {"uid:1", NULL};
	static const char *const COMMANDS[] = {"NV_Write", NULL};
	static const struct hf_tenant_policy POLICY = {.operations = OPERATIONS,
						       .peers = PEERS,
						       .broker = "none",
						       .allow = COMMANDS,
						       .deny = COMMANDS,
						       .cgroup = "/a\"b",
						       .keys = "0",
						       .stored = "1099511627776",
						       .rate = "7",
						       .connections = "2"};
	char names[NAMES_SIZE] = "";
	char *text;

	assert_int_equal(hf_tenant_add(hf, "web", NULL, NULL), 0);
	assert_int_equal(hf_tenant_add(hf, "db", &POLICY, &text), 0);
	assert_string_equal(text, "{\"name\":\"db\"}");
	hf_free(text);
	assert_int_equal(hf_tenant_list(hf, visit, names), 0);
	assert_string_equal(names, "db command /r/tenants/db why,old none  ,");
	assert_int_equal(hf_tenant_describe(hf, "db", &text), 0);
	assert_string_equal(text, "{\"keys\":1}");
	hf_free(text);
	assert_int_equal(hf_tenant_remove(hf, "db"), 0);
}

static void test_tenants(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("201 Created"), .body = "{\"name\":\"web\"}"},
		{.answer = JSON("201 Created"), .body = "{\"name\":\"db\"}"},
		{.answer = JSON("200 OK"),
		 .body = "{\"tenants\":[{\"name\":\"db\",\"source\":\"command\",\"folder\":"
			 "\"/r/tenants/db\",\"fault\":\"why\"}],\"next\":\"db\"}"},
		{.answer = JSON("200 OK"),
		 .body = "{\"tenants\":[{\"name\":\"old\",\"source\":\"none\",\"folder\":null,"
			 "\"fault\":null}],\"next\":null}"},
		{.answer = JSON("200 OK"), .body = "{\"keys\":1}"},
		{.answer = "HTTP/1.1 204 No Content\r\n\r\n"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);

	fake_serve(fake, steps, ARRAY_LEN(steps));
	call_tenants(fake->hf);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "POST /v1/admin/tenants HTTP"));
	assert_true(was_sent(&log, "\r\n\r\n{\"name\":\"web\"}POST "));
	assert_true(was_sent(&log, "{\"name\":\"db\",\"operations\":[\"seal\",\"key\"],\"peers\":["
				   "\"uid:1\"],\"allow\":[\"NV_Write\"],\"deny\":[\"NV_Write\"],"
				   "\"broker\":\"none\",\"cgroup\":\"/a\\\"b\","
				   "\"keys\":0,\"stored\":1099511627776,\"rate\":7,"
				   "\"connections\":2}"));
	assert_true(was_sent(&log, "GET /v1/admin/tenants?limit=1000 HTTP"));
	assert_true(was_sent(&log, "GET /v1/admin/tenants?limit=1000&after=db HTTP"));
	assert_true(was_sent(&log, "GET /v1/admin/tenants/db HTTP"));
	assert_true(was_sent(&log, "DELETE /v1/admin/tenants/db HTTP"));
}

/* Nothing that is no name or number leaves the library. */
static void test_refused_here(void **state)
{
	static const char *const NUMBERS[] = {"",   "-1", "1.5", "0x10",
					      "01", " 1", "1}",	 "99999999999999999999"};
	struct fake *fake = *state;
	char *text = NULL;
	size_t i;

	for (i = 0; i < ARRAY_LEN(NUMBERS); i++) {
		const struct hf_tenant_policy policy = {.rate = NUMBERS[i]};

		assert_int_equal(hf_tenant_add(fake->hf, "web", &policy, &text), HF_INVALID);
		assert_non_null(strstr(hf_error_text(fake->hf), "rate"));
	}
	assert_int_equal(hf_tenant_add(fake->hf, "a/b", NULL, &text), HF_INVALID);
	assert_int_equal(hf_tenant_describe(fake->hf, "..", &text), HF_INVALID);
	assert_int_equal(hf_tenant_remove(fake->hf, ""), HF_INVALID);
	assert_null(text);
}

static void test_odd_list(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"),
		 .body = "{\"tenants\":[{\"name\":\"a\"}],\"next\":null}"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	char names[NAMES_SIZE] = "";

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_true(hf_tenant_list(fake->hf, visit, names) < 0);
	assert_string_equal(names, "");
	fake_served(fake, &log);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		WITH_FAKE(test_tenants),
		WITH_FAKE(test_refused_here),
		WITH_FAKE(test_odd_list),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
