/* SPDX-License-Identifier: Apache-2.0 */
/* What the administrator asks, with the part that opens TPMs played; and taking a provider away. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "service/op.h"

/* --- who accepts --- */

static struct {
	struct fixture *fixture;
	int fails_at_once; /* enum err_code */
	int fails_later;
	unsigned asked;
	void (*done)(void *op, const struct service_accepted *accepted, const struct err *err);
	void *op;
	struct loop_timer later;
} player;

static void answer_later(void *arg)
{
	static const struct service_accepted ACCEPTED = {
		.previous_srk = "000b01",
		.srk = "000b02",
		.hsk = "000b03",
		.kept_as = "tpm.state.20260101T000000Z",
		.commands = 7,
	};
	struct err err;

	(void)arg;
	if (player.fails_later)
		(void)err_set(&err, player.fails_later, "no chip");
	player.done(player.op, player.fails_later ? NULL : &ACCEPTED,
		    player.fails_later ? &err : NULL);
}

static int play(void *arg,
		void (*done)(void *op, const struct service_accepted *accepted,
			     const struct err *err),
		void *op, struct err *err)
{
	assert_ptr_equal(arg, &player);
	player.asked++;
	if (player.fails_at_once)
		return err_set(err, player.fails_at_once, "not now");
	player.done = done;
	player.op = op;
	return loop_timer_set(&player.later, 0, err);
}

static void use_player(struct fixture *fixture)
{
	player.fixture = fixture;
	player.fails_at_once = player.fails_later = 0;
	player.asked = 0;
	loop_timer_init(&player.later, fixture->loop, answer_later, NULL);
	service_set_admin(fixture->service,
			  &(struct service_admin){.accept = play, .arg = &player});
}

static int ask_accept(struct fixture *fixture)
{
	return ask(fixture, "POST", "/v1/admin/tpm/accept", "{}");
}

static void accepting(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ask_accept(fixture), 422); /* nobody there who could */
	use_player(fixture);
	/* Also while there is no provider: that may be what it mends. */
	assert_int_equal(ask_accept(fixture), 200);
	answer_has(fixture, "{\"accepted\":true,\"previous\":{\"srk\":\"000b01\",\"hsk\":null},"
			    "\"srk\":\"000b02\",\"hsk\":\"000b03\","
			    "\"kept_as\":\"tpm.state.20260101T000000Z\"}");
	player.fails_later = ERR_TPM_FAILED;
	assert_int_equal(ask_accept(fixture), 503);
	answer_has(fixture, "\"detail\":\"no chip\"");
	player.fails_at_once = ERR_TPM_BUSY;
	assert_int_equal(ask_accept(fixture), 503);
	answer_has(fixture, "\"code\":\"tpm_busy\"");
	assert_int_equal(player.asked, 3);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tpm/accept", "{\"x\":1}"), 400);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tpm/accept", "[]"), 400);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/tpm/accept", NULL), 400);
	assert_int_equal(player.asked, 3);
	assert_int_equal(ask(fixture, "GET", "/metrics", NULL), 200);
	answer_has(fixture, "holdfast_requests_total{operation=\"tpm.accept\"} 7\n");
}

static void accepting_is_audited(void **state)
{
	static const char REQUEST[] = "POST /v1/admin/tpm/accept HTTP/1.1\r\nHost: h\r\n"
				      "Content-Length: 2\r\n\r\n{}";
	struct fixture *fixture = *state;
	char text[4096];

	use_player(fixture);
	assert_int_equal(send(fixture->client, REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL),
			 sizeof(REQUEST) - 1);
	run_and_listen(fixture, text, sizeof(text));
	assert_non_null(strstr(text, "\"operation\":\"tpm.accept\""));
	assert_non_null(strstr(text, "\"result\":\"ok\",\"tpm_commands\":7"));
}

/* --- taking the provider away --- */

static unsigned idle_calls;

static void note_idle(void *arg)
{
	const struct fixture *fixture = arg;

	idle_calls++;
	assert_int_equal(fixture->service->users, 0);
	assert_null(fixture->service->provider);
}

static void an_unused_provider_is_idle_at_once(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	idle_calls = 0;
	service_take_provider(fixture->service, "a test", note_idle, fixture);
	assert_int_equal(idle_calls, 1);
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 503);
	answer_has(fixture, "\"code\":\"starting\",\"detail\":\"a test\"");
	service_give_back(fixture->service);
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 200);
	assert_int_equal(idle_calls, 1);
}

/* Taken away while a request is on its way to the chip: it is served first. */
static void a_used_provider_is_waited_for(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	idle_calls = 0;
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
	assert_int_equal(fixture->service->users, 0);
	(void)service_hold(fixture->service, &fixture->chip.provider);
	service_take_provider(fixture->service, "a test", note_idle, fixture);
	assert_int_equal(idle_calls, 0);
	service_give_back(fixture->service);
	service_drop(fixture->service, &fixture->chip.provider);
	assert_int_equal(idle_calls, 0); /* it was given back before */
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"provider\":\"tpm\",\"reason\":\"a test\"");
	(void)service_hold(fixture->service, &fixture->chip.provider);
	service_take_provider(fixture->service, "again", note_idle, fixture);
	service_drop(fixture->service, &fixture->chip.provider);
	assert_int_equal(idle_calls, 1);
	service_drop(fixture->service, NULL);
	(void)service_hold(fixture->service, NULL);
	assert_int_equal(fixture->service->users, 0);
}

/* What outlives its answer, the object that the chip forgets, holds it as well. */
static void every_operation_lets_go(void **state)
{
	struct fixture *fixture = *state;
	struct err err;
	unsigned i;

	use_chip(fixture);
	idle_calls = 0;
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
	assert_int_equal(ask(fixture, "DELETE", "/v1/secrets/a", NULL), 204);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets", NULL), 200);
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":0}"), 400);
	fixture->chip.fails_with = ERR_TPM_FAILED;
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 503);
	service_take_provider(fixture->service, "a test", note_idle, fixture);
	/* An answer may come before its job's release. */
	for (i = 0; i < 1000 && idle_calls == 0; i++) {
		assert_int_equal(loop_timer_set(&fixture->give_up, 1000, &err), 0);
		assert_int_equal(loop_run(fixture->loop, &err), 0);
	}
	assert_int_equal(idle_calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(accepting),
		TEST(accepting_is_audited),
		TEST(an_unused_provider_is_idle_at_once),
		TEST(a_used_provider_is_waited_for),
		TEST(every_operation_lets_go),
	};

	return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
