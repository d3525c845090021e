/* SPDX-License-Identifier: Apache-2.0 */
/* The administrator's routes for tenants, with those who make and remove them played. */
#include "service/test_fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "service/op.h"
#include "tenant/audit.h"

static struct {
	const char *names; /* with spaces between them, in order */
	int fails_at_once; /* enum err_code */
	int fails_later;
	char asked[64]; /* the last change: "add web" */
	char policy[256];
	service_tenants_fn done;
	service_reload_fn reloaded;
	void *op;
	struct loop_timer later;
} player;

static void play_names(void *arg, struct buf *ret_names)
{
	const char *at = player.names;

	assert_ptr_equal(arg, &player);
	while (*at != '\0') {
		size_t len = strcspn(at, " ");

		buf_put(ret_names, slice_of(at, len));
		buf_put_u8(ret_names, 0);
		at += len + (at[len] == ' ');
	}
}

static bool play_is_served(void *arg, const char *name)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(1024);
	size_t i;

	play_names(arg, &names);
	for (i = 0; i < names.len; i += strlen((const char *)names.data + i) + 1)
		if (strcmp((const char *)names.data + i, name) == 0)
			return true;
	return false;
}

static struct json_t *play_describe(void *arg, const char *name, bool whole)
{
	const char *source = play_is_served(arg, name) ? "command" : "none";

	return whole ? json_pack("{s:s, s:s, s:{s:i}, s:{s:n}}", "name", name, "source", source,
				 "keys", "limit", 7, "stored", "limit")
		     : json_pack("{s:s, s:s}", "name", name, "source", source);
}

static void answer_later(void *arg)
{
	static const struct service_reloaded COUNTS = {.added = 1, .removed = 2, .changed = 3};
	struct err err;

	(void)arg;
	if (player.fails_later)
		(void)err_set(&err, player.fails_later, "as told");
	if (player.done)
		TAKE(player.done)(player.op, player.fails_later ? &err : NULL);
	if (player.reloaded)
		TAKE(player.reloaded)
	(player.op, player.fails_later ? NULL : &COUNTS, player.fails_later ? &err : NULL);
}

static int play(const char *what, const char *name, void *op, struct err *err)
{
	(void)snprintf(player.asked, sizeof(player.asked), "%s %s", what, name);
	if (player.fails_at_once)
		return err_set(err, player.fails_at_once, "not so");
	player.op = op;
	return loop_timer_set(&player.later, 0, err);
}

static int play_add(void *arg, const char *name, const struct json_t *policy,
		    service_tenants_fn done, void *op, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(sizeof(player.policy) - 1);

	assert_ptr_equal(arg, &player);
	json_write(&text, policy);
	memcpy(player.policy, text.data, text.len);
	player.policy[text.len] = '\0';
	player.done = done;
	return play("add", name, op, err);
}

static int play_remove(void *arg, const char *name, service_tenants_fn done, void *op,
		       struct err *err)
{
	assert_ptr_equal(arg, &player);
	player.done = done;
	return play("remove", name, op, err);
}

static int play_reload(void *arg, service_reload_fn done, void *op, struct err *err)
{
	assert_ptr_equal(arg, &player);
	player.reloaded = done;
	return play("reload", "", op, err);
}

static void use_player(struct fixture *fixture, const char *names)
{
	memset(&player, 0, sizeof(player));
	player.names = names;
	loop_timer_init(&player.later, fixture->loop, answer_later, NULL);
	service_set_admin(fixture->service,
			  &(struct service_admin){.tenants = {
							  .names = play_names,
							  .describe = play_describe,
							  .is_served = play_is_served,
							  .add = play_add,
							  .remove = play_remove,
							  .reload = play_reload,
							  .arg = &player,
						  }});
}

static void without_tenants(void **state)
{
	static const char *const PATHS[] = {"/v1/admin/tenants", "/v1/admin/tenants/web"};
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PATHS); i++)
		assert_int_equal(ask(fixture, "GET", PATHS[i], NULL), 422);
	assert_int_equal(ask(fixture, "DELETE", PATHS[1], NULL), 422);
	assert_int_equal(ask(fixture, "POST", PATHS[0], "{\"name\":\"web\"}"), 422);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/reload", "{}"), 422);
}

/* Those that are served and those that only have data, once each and in order. */
static void listing(void **state)
{
	static const struct {
		const char *query;
		const char *answer;
	} CASES[] = {
		{"", "{\"tenants\":[{\"name\":\"a\",\"source\":\"none\"},"
		     "{\"name\":\"b\",\"source\":\"command\"},"
		     "{\"name\":\"d\",\"source\":\"command\"},"
		     "{\"name\":\"host\",\"source\":\"none\"}],\"next\":null}"},
		{"?limit=2", "{\"tenants\":[{\"name\":\"a\",\"source\":\"none\"},"
			     "{\"name\":\"b\",\"source\":\"command\"}],\"next\":\"b\"}"},
		{"?after=b&limit=1",
		 "{\"tenants\":[{\"name\":\"d\",\"source\":\"command\"}],\"next\":\"d\"}"},
		{"?after=c", "{\"tenants\":[{\"name\":\"d\",\"source\":\"command\"},"
			     "{\"name\":\"host\",\"source\":\"none\"}],\"next\":null}"},
		{"?after=zz", "{\"tenants\":[],\"next\":null}"},
		{"?after=", "{\"tenants\":[{\"name\":\"a\""},
	};
	struct fixture *fixture = *state;
	char path[64];
	struct err err;
	size_t i;

	use_player(fixture, "b d");
	assert_int_equal(store_tenant_make(fixture->store, "a", &err), 0);
	assert_int_equal(store_tenant_make(fixture->store, "d", &err), 0);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		(void)snprintf(path, sizeof(path), "/v1/admin/tenants%s", CASES[i].query);
		assert_int_equal(ask(fixture, "GET", path, NULL), 200);
		answer_has(fixture, CASES[i].answer);
	}
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants?limit=0", NULL), 400);
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants?limit=1001", NULL), 400);
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants?after=A", NULL), 400);
}

static void showing(void **state)
{
	static const struct store_id IDS[] = {
		{"web", STORE_KEYS, "k"}, {"web", STORE_AIKS, "a"}, {"web", STORE_SECRETS, "s"}};
	struct fixture *fixture = *state;
	struct err err;
	size_t i;

	use_player(fixture, "web");
	for (i = 0; i < ARRAY_LEN(IDS); i++)
		assert_int_equal(store_create(fixture->store, &IDS[i], slice_str("x"), &err), 0);
	assert_int_equal(store_tenant_make(fixture->store, "old", &err), 0);
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants/web", NULL), 200);
	answer_has(fixture, "\"source\":\"command\",\"keys\":{\"limit\":7,\"used\":2},"
			    "\"stored\":{\"limit\":null,\"used\":4096}");
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants/old", NULL), 200);
	answer_has(fixture, "\"source\":\"none\"");
	answer_has(fixture, "\"used\":0");
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants/ol", NULL), 404);
	answer_has(fixture, "there is no tenant named ol");
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants/Web", NULL), 400);
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants/a%2fb", NULL), 400);
}

static void adding(void **state)
{
	struct fixture *fixture = *state;

	use_player(fixture, "web");
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tenants",
			     "{\"name\":\"web\",\"keys\":3,\"peers\":[\"uid:1\"]}"),
			 201);
	answer_has(fixture, "Location: /v1/admin/tenants/web\r\n");
	answer_has(fixture, "\"keys\":{\"limit\":7,\"used\":0}");
	assert_string_equal(player.asked, "add web");
	assert_string_equal(player.policy, "{\"name\":\"web\",\"keys\":3,\"peers\":[\"uid:1\"]}");
	player.fails_later = ERR_DISK_FULL;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tenants", "{\"name\":\"web\"}"), 507);
	player.fails_at_once = ERR_CONFLICT;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tenants", "{\"name\":\"web\"}"), 409);
	player.asked[0] = '\0';
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tenants", "{}"), 400);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tenants", "{\"name\":\"a.b\"}"), 400);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tenants", "{\"name\":7}"), 400);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tenants", "{\"name\":\"a\",\"colour\":1}"),
			 400);
	answer_has(fixture, "/colour: unknown member");
	assert_string_equal(player.asked, "");
}

static void removing(void **state)
{
	struct fixture *fixture = *state;

	use_player(fixture, "web");
	assert_int_equal(ask(fixture, "DELETE", "/v1/admin/tenants/web", NULL), 204);
	assert_string_equal(player.asked, "remove web");
	player.fails_later = ERR_NOT_FOUND;
	assert_int_equal(ask(fixture, "DELETE", "/v1/admin/tenants/old", NULL), 404);
	player.fails_at_once = ERR_FORBIDDEN;
	assert_int_equal(ask(fixture, "DELETE", "/v1/admin/tenants/host", NULL), 403);
	assert_int_equal(ask(fixture, "DELETE", "/v1/admin/tenants/A", NULL), 400);
	assert_string_equal(player.asked, "remove host");
}

static void reloading(void **state)
{
	struct fixture *fixture = *state;

	use_player(fixture, "");
	assert_int_equal(ask(fixture, "POST", "/v1/admin/reload", "{}"), 200);
	answer_has(fixture, "{\"added\":1,\"removed\":2,\"changed\":3}");
	player.fails_later = ERR_INVALID;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/reload", "{}"), 400);
	answer_has(fixture, "\"detail\":\"as told\"");
	assert_int_equal(ask(fixture, "POST", "/v1/admin/reload", "{\"force\":true}"), 400);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/reload", NULL), 400);
}

static void recalling(void **state)
{
	struct fixture *fixture = *state;

	use_player(fixture, "");
	use_chip(fixture);
	audit_forget();
	assert_int_equal(ask(fixture, "GET", "/v1/admin/audit", NULL), 200);
	answer_has(fixture, "\r\n\r\n{\"events\":[]}");
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 200);
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/s", "{\"data\":\"eA==\"}"), 201);
	assert_int_equal(ask(fixture, "GET", "/v1/admin/audit?limit=1", NULL), 200);
	answer_has(fixture, "{\"events\":[{\"time\":");
	answer_has(fixture, "\"operation\":\"secret.put\",\"object\":\"s\",\"result\":\"ok\"");
	assert_null(strstr(fixture->answer, "\"operation\":\"random\""));
	assert_int_equal(ask(fixture, "GET", "/v1/admin/audit?tenant=host", NULL), 200);
	answer_has(fixture, "\"operation\":\"random\"");
	assert_int_equal(ask(fixture, "GET", "/v1/admin/audit?tenant=web", NULL), 200);
	answer_has(fixture, "{\"events\":[]}");
	assert_int_equal(ask(fixture, "GET", "/v1/admin/audit?tenant=W", NULL), 400);
	assert_int_equal(ask(fixture, "GET", "/v1/admin/audit?limit=1025", NULL), 400);
	audit_forget();
}

/* A tenant whose data cannot be used: its operations fail, what needs none goes on. */
static void a_tenant_with_a_fault(void **state)
{
	struct fixture *fixture = *state;

	use_player(fixture, "");
	use_chip(fixture);
	(void)err_set(&fixture->tenant.fault, ERR_UNREADABLE, "the id is gone");
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 500);
	answer_has(fixture, "\"code\":\"unreadable\",\"detail\":\"the id is gone\"");
	assert_int_equal(ask(fixture, "GET", "/v1/keys", NULL), 500);
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants", NULL), 200);
	fixture->tenant.fault.code = 0;
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 200);
}

/* An operation holds its tenant until its last step has ended. */
static void operations_hold_their_tenant(void **state)
{
	struct fixture *fixture = *state;

	use_player(fixture, "");
	use_chip(fixture);
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 200);
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":0}"), 400);
	assert_int_equal(ask(fixture, "GET", "/v1/admin/tenants", NULL), 200);
	assert_int_equal(fixture->tenant.tenant.holders, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_tenants),
		TEST(listing),
		TEST(showing),
		TEST(adding),
		TEST(removing),
		TEST(reloading),
		TEST(recalling),
		TEST(a_tenant_with_a_fault),
		TEST(operations_hold_their_tenant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
