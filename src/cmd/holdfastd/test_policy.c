/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/holdfastd/policy.h"

static struct json_t *object_of(const char *text)
{
	struct json_t *object = NULL;
	struct err err;

	if (json_parse(slice_str(text), &object, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return object;
}

static struct conf_tenant *conf_of(const char *name, const char *text)
{
	struct conf_tenant *conf = NULL;
	struct json_t *object = object_of(text);
	struct err err;

	if (policy_from_json(name, object, &conf, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	json_free(object);
	return conf;
}

static void test_meaning(void **state)
{
	struct conf_tenant *conf =
		conf_of("web", "{\"operations\":[\"seal\",\"decrypt\"],\"keys\":7,\"stored\":0,"
			       "\"rate\":3,\"connections\":5,\"cgroup\":\"/a.slice\","
			       "\"broker\":\"standard\",\"allow\":[\"NV_Write\"],"
			       "\"deny\":[\"quote\"],\"sessions\":9,\"objects\":8,"
			       "\"peers\":[\"uid:0\",\"uid:201000\"]}");
	struct tenant_policy policy;
	uid_t *peers = NULL;
	struct err err;

	(void)state;
	assert_int_equal(policy_of(conf, &policy, &peers, &err), 0);
	assert_int_equal(policy.rights, TENANT_SEAL | TENANT_DECRYPT);
	assert_int_equal(policy.keys_max, 7);
	assert_int_equal(policy.stored_max, 0);
	assert_int_equal(policy.rate, 3);
	assert_int_equal(policy.connections_max, 5);
	assert_string_equal(policy.cgroup, "/a.slice");
	assert_int_equal(policy.raw.set, SET_STANDARD);
	assert_true(command_policy_holds(&policy.raw, commands_by_name("NV_Write")));
	assert_true(command_policy_holds(&policy.raw, commands_by_name("Sign")));
	assert_false(command_policy_holds(&policy.raw, commands_by_name("Quote")));
	assert_false(command_policy_holds(&policy.raw, commands_by_name("PCR_Extend")));
	assert_int_equal(policy.sessions_max, 9);
	assert_int_equal(policy.objects_max, 8);
	assert_int_equal(policy.peer_count, 2);
	assert_ptr_equal(policy.peers, peers);
	assert_int_equal(peers[0], 0);
	assert_int_equal(peers[1], 201000);
	free(peers);
	conf_tenant_free(conf);
}

/* Only the host is one, whatever the words are. */
static void test_host(void **state)
{
	struct conf_tenant *host = conf_of("host", "{}"), *web;
	struct tenant_policy policy;
	uid_t *peers = NULL;
	struct err err;

	(void)state;
	assert_int_equal(policy_of(host, &policy, &peers, &err), 0);
	assert_int_equal(policy.rights & TENANT_HOST_ONLY, TENANT_HOST_ONLY);
	assert_int_equal(policy.rights & TENANT_DEVICE_RAW, 0);
	assert_int_equal(policy.raw.set, SET_PROVISION);
	assert_int_equal(policy.keys_max, 0);
	assert_null(peers);
	web = conf_of("web", "{\"operations\":[\"device-raw\"]}");
	assert_int_equal(policy_of(web, &policy, &peers, &err), 0);
	assert_int_equal(policy.rights, TENANT_DEVICE_RAW);
	assert_int_equal(policy.raw.set, SET_NONE);
	assert_int_equal(policy.keys_max, 256);
	conf_tenant_free(web);
	conf_tenant_free(host);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *json;
		const char *text;
	} CASES[] = {
		{"{\"operations\":\"seal\"}", "/operations: must be an array"},
		{"{\"operations\":[\"seal\",7]}", "/operations/1: must be a string"},
		{"{\"operations\":[\"fly\"]}", "/operations/0: operations = \"fly\""},
		{"{\"broker\":\"provision\"}", "/broker: broker = \"provision\""},
		{"{\"broker\":[]}", "/broker: must be a string"},
		{"{\"allow\":[\"Sign\",\"Sing\"]}", "/allow/1: allow = \"Sing\""},
		{"{\"allow\":[\"Clear\"]}", "/allow/0: allow = \"Clear\""},
		{"{\"deny\":[\"Clear\"]}", "/deny/0: deny = \"Clear\""},
		{"{\"deny\":\"Sign\"}", "/deny: must be an array"},
		{"{\"keys\":\"7\"}", "/keys: must be a whole number"},
		{"{\"keys\":7.5}", "/keys: must be a whole number"},
		{"{\"keys\":-1}", "/keys: keys = \"-1\""},
		{"{\"keys\":1000001}", "/keys: keys = \"1000001\""},
		{"{\"connections\":0}", "/connections: connections = \"0\""},
		{"{\"peers\":[\"gid:0\"]}", "/peers/0: "},
		{"{\"peers\":null}", "/peers: must be an array"},
		{"{\"cgroup\":\"relative\"}", "/cgroup: "},
		{"{\"cgroup\":\"/a\\u0001\"}", "/cgroup: "},
		{"{\"cgroup\":\"/a/../b\"}", "/cgroup: "},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct json_t *object = object_of(CASES[i].json);
		struct conf_tenant *conf = NULL;
		struct err err;

		assert_int_equal(policy_from_json("web", object, &conf, &err), ERR_INVALID);
		assert_null(conf);
		if (strncmp(err.text, CASES[i].text, strlen(CASES[i].text)) != 0)
			fail_msg("%s: %s", CASES[i].json, err.text);
		json_free(object);
	}
}

/* What is kept is read as what was given, and nothing else is. */
static void test_kept(void **state)
{
	static const char GIVEN[] = "{\"name\":\"web\",\"keys\":3,\"operations\":[],"
				    "\"peers\":[\"uid:5\"]}";
	static const char *const BAD[] = {"",
					  "[]",
					  "{\"name\":\"web\"}",
					  "{\"keys\":\"3\"}",
					  "{\"keys\":3",
					  "{\"colour\":1}"};
	CLEANUP(buf_fini) struct buf text = BUF_INIT(POLICY_JSON_MAX);
	struct json_t *object = object_of(GIVEN);
	struct conf_tenant *given = conf_of("web", GIVEN), *kept = NULL;
	struct err err;
	size_t i;

	(void)state;
	assert_int_equal(policy_to_text(object, &text, &err), 0);
	assert_int_equal(policy_parse("web", buf_slice(&text), &kept, &err), 0);
	assert_true(conf_tenant_same(given, kept, NULL));
	assert_int_equal(kept->operations, 0);
	assert_int_equal(kept->keys, 3);
	conf_tenant_free(kept);
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		kept = NULL;
		assert_int_equal(policy_parse("web", slice_str(BAD[i]), &kept, &err),
				 ERR_UNREADABLE);
		assert_int_equal(err.code, ERR_UNREADABLE);
		assert_null(kept);
	}
	json_free(object);
	conf_tenant_free(given);
}

static void test_too_large(void **state)
{
	struct json_t *object = json_object(), *peers = json_array();
	CLEANUP(buf_fini) struct buf text = BUF_INIT(2 * POLICY_JSON_MAX);
	struct err err;
	unsigned i;

	(void)state;
	for (i = 0; i < 10000; i++)
		(void)json_array_append_new(peers, json_string("uid:1"));
	(void)json_object_set_new(object, "peers", peers);
	assert_int_equal(policy_to_text(object, &text, &err), ERR_TOO_LARGE);
	assert_int_equal(text.len, 0);
	json_free(object);
}

static void test_shown(void **state)
{
	struct conf_tenant *conf = conf_of("web", "{\"operations\":[\"usage\",\"seal\"],"
						  "\"keys\":0,\"peers\":[\"uid:5\"]}");
	struct json_t *object = json_object();
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);

	(void)state;
	assert_true(policy_describe(conf, object));
	json_write(&text, object);
	assert_true(slice_equal(
		buf_slice(&text),
		slice_str("{\"operations\":[\"seal\",\"usage\"],\"broker\":\"none\",\"allow\":[],"
			  "\"deny\":[],\"keys\":{\"limit\":null},\"stored\":{\"limit\":16777216},"
			  "\"rate\":200,\"sessions\":16,\"objects\":64,\"peers\":[\"uid:5\"],"
			  "\"cgroup\":\"\"}")));
	json_free(object);
	conf_tenant_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meaning),	  cmocka_unit_test(test_host),
		cmocka_unit_test(test_refusals),  cmocka_unit_test(test_kept),
		cmocka_unit_test(test_too_large), cmocka_unit_test(test_shown),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
