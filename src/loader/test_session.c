/* SPDX-License-Identifier: Apache-2.0 */
/* Session: one token for many, its exchange, and who stays logged in. */
#include "loader/test_fake.h"

#include "loader/fault.h"
#include "loader/session_impl.h"

#define MANY 5u

/* A call's own answer, where there are several. */
struct heard {
	unsigned times;
	int code;
	struct buf bytes;
	struct session_call *call;
};

static void hear(void *arg, struct slice bytes, const struct err *err)
{
	struct heard *heard = arg;

	heard->times++;
	heard->code = err ? err->code : 0;
	heard->bytes = (struct buf)BUF_INIT(4096);
	buf_put(&heard->bytes, bytes);
}

static void heard_fini(struct heard *heard)
{
	buf_fini(&heard->bytes);
}

static const struct resource *net_bin(void)
{
	static struct resource resource;

	resource = (struct resource){slice_str("models"), slice_str("net.bin")};
	return &resource;
}

static void ask(struct world *world, struct heard *heard)
{
	*heard = (struct heard){0};
	assert_int_equal(
		session_small(world->session, net_bin(), hear, heard, &heard->call, &world->err),
		0);
}

static void answer_sealed(struct world *world, struct fake_request *request, const char *plain)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(4096);

	world_seal(world, slice_str(plain), &blob);
	fake_answer_bytes(request, 200, buf_slice(&blob));
}

static void check_heard(struct heard *heard, int code, const char *plain)
{
	assert_int_equal(heard->times, 1);
	assert_int_equal(heard->code, code);
	assert_int_equal(heard->bytes.len, strlen(plain));
	if (heard->bytes.len > 0)
		assert_memory_equal(heard->bytes.data, plain, heard->bytes.len);
	heard_fini(heard);
}

static void check_token(const struct world *world, const char *token)
{
	const struct who *who = world->session->who;

	assert_int_equal(session_active(world->session), token != NULL);
	assert_int_equal(who != NULL, token != NULL);
	if (token)
		assert_true(slice_equal(secret_slice(who->token), slice_str(token)));
}

static void log_in(struct world *world, const char *email, struct session_call **ret_call)
{
	assert_int_equal(session_login(world->session, slice_str(email), slice_str("pw"),
				       world_done, world, ret_call, &world->err),
			 0);
}

/* --- logins --- */

static void a_login_is_in_force_when_the_api_says_so(void **state)
{
	struct world *world = *state;
	struct session_call *call;

	world_session(world);
	check_token(world, NULL);
	log_in(world, "a@b.c", &call);
	assert_string_equal(fake_last()->url, "https://api.example/login");
	check_token(world, NULL);
	assert_int_equal(world->done, 0);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, 0);
	check_token(world, "T1");
	assert_int_equal(fake.count, 1);
	assert_int_equal(world->machines, 0);
}

static void a_failed_login_keeps_the_old_one(void **state)
{
	static const struct {
		unsigned status;
		const char *body;
		int code;
	} rows[] = {
		{401, "", FAULT_CREDENTIALS},
		{409, "{\"ErrorCode\":10}", FAULT_CREDENTIALS},
		{500, "", FAULT_UPSTREAM},
		{200, "{\"token\":\"\"}", FAULT_UPSTREAM},
		{200, "{\"token\":{}}", FAULT_UPSTREAM},
	};
	struct world *world = *state;
	struct session_call *call;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world->done = 0;
		log_in(world, "other@b.c", &call);
		fake_answer(fake_last(), rows[i].status, rows[i].body);
		assert_int_equal(world->done, 1);
		assert_int_equal(world->code, rows[i].code);
		check_token(world, "T1");
	}
	log_in(world, "other@b.c", &call);
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	check_token(world, "T2");
}

static void credentials_that_cannot_be_are_refused(void **state)
{
	char long_text[V1_FIELD_MAX + 1];
	struct world *world = *state;
	const struct slice bad[] = {
		slice_of(NULL, 0),
		slice_of(long_text, sizeof(long_text)),
		slice_of("a\0b", 3),
		slice_str("\xff\xfe"),
	};
	struct session_call *call;

	for (size_t i = 0; i < sizeof(long_text); i++)
		long_text[i] = 'x';
	world_session(world);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(session_login(world->session, bad[i], slice_str("pw"), world_done,
					       world, &call, &world->err),
				 ERR_INVALID);
		assert_int_equal(session_login(world->session, slice_str("a@b.c"), bad[i],
					       world_done, world, &call, &world->err),
				 ERR_INVALID);
	}
	assert_int_equal(fake.count, 0);
	assert_int_equal(session_login(world->session, slice_of(long_text, V1_FIELD_MAX),
				       slice_of(long_text, V1_FIELD_MAX), world_done, world, &call,
				       &world->err),
			 0);
}

static void logins_have_a_limit(void **state)
{
	struct world *world = *state;
	struct session_call *call;

	world_session(world);
	for (unsigned i = 0; i < 8; i++)
		log_in(world, "a@b.c", &call);
	assert_int_equal(session_login(world->session, slice_str("a@b.c"), slice_str("pw"),
				       world_done, world, &call, &world->err),
			 FAULT_BUSY);
	fake_answer(&fake.requests[3], 401, "");
	log_in(world, "a@b.c", &call);
}

static void a_login_that_is_left_goes_on(void **state)
{
	struct world *world = *state;
	struct session_call *call;

	world_session(world);
	log_in(world, "a@b.c", &call);
	session_leave(call);
	session_leave(NULL);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	check_token(world, "T1");
	assert_int_equal(world->done, 0);
}

static void a_configuration_is_looked_at_first(void **state)
{
	struct world *world = *state;
	struct fetch *fetch = (struct fetch *)&fake;
	struct loader_config bad[5];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = world->config;
	bad[0].api_url = "http://api.example";
	bad[1].cdn_url = "ftp://cdn.example";
	bad[2].s3_endpoint = "https://user:pw@s3.example";
	bad[3].salts.api = slice_str("");
	bad[4].salts.hw = slice_str("");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			session_new(world->jobs, fetch, &bad[i], &world->session, &world->err),
			ERR_INVALID);
	bad[4].formula = V1_NOHW;
	assert_int_equal(session_new(world->jobs, fetch, &bad[4], &world->session, &world->err), 0);
}

/* --- what it is good for --- */

static void a_small_part_comes_opened(void **state)
{
	struct world *world = *state;
	struct heard heard;

	world_login(world);
	ask(world, &heard);
	assert_string_equal(fake_last()->url, "https://api.example/resources/get/models");
	assert_string_equal(fake_last()->bearer, "T1");
	buf_put_u8(&fake_last()->body, '\0');
	assert_non_null(strstr((char *)fake_last()->body.data, "\"fileName\":\"net.bin.small\""));
	assert_non_null(strstr((char *)fake_last()->body.data, "\"password\":\"pw\""));
	answer_sealed(world, fake_last(), "small");
	check_heard(&heard, 0, "small");
}

static void what_does_not_open_is_damaged(void **state)
{
	static const char *const bad[] = {"", "x", "0123456789abcdef0123456789abcdef"};
	struct world *world = *state;
	struct heard heard;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ask(world, &heard);
		fake_answer(fake_last(), 200, bad[i]);
		check_heard(&heard, ERR_DAMAGED, "");
	}
	ask(world, &heard);
	fake_answer(fake_last(), 404, "");
	check_heard(&heard, ERR_NOT_FOUND, "");
	check_token(world, "T1");
}

static void nobody_gets_nothing(void **state)
{
	struct world *world = *state;
	struct session_call *call;

	world_session(world);
	assert_int_equal(
		session_small(world->session, net_bin(), world_bytes, world, &call, &world->err),
		FAULT_NOT_LOGGED_IN);
	assert_int_equal(session_put_small(world->session, net_bin(), slice_str("x"), world_done,
					   world, &call, &world->err),
			 FAULT_NOT_LOGGED_IN);
	assert_int_equal(session_fragment(world->session, world_bytes, world, &call, &world->err),
			 FAULT_NOT_LOGGED_IN);
	assert_int_equal(session_renew(world->session, 0, world_done, world, &call, &world->err),
			 FAULT_NOT_LOGGED_IN);
	assert_int_equal(fake.count, 0);
}

static void names_are_looked_at(void **state)
{
	const struct resource bad[] = {
		{slice_str(".."), slice_str("net.bin")},
		{slice_str("models"), slice_str("../net.bin")},
		{slice_str("models"), slice_str("net.bin.small")},
		{slice_str(""), slice_str("net.bin")},
	};
	struct world *world = *state;
	struct session_call *call;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(session_small(world->session, &bad[i], world_bytes, world, &call,
					       &world->err),
				 ERR_INVALID);
		assert_int_equal(session_put_small(world->session, &bad[i], slice_str("x"),
						   world_done, world, &call, &world->err),
				 ERR_INVALID);
	}
	assert_int_equal(fake.count, 1);
}

static void a_fragment_and_a_part_to_put(void **state)
{
	struct world *world = *state;
	struct session_call *call;

	world_login(world);
	assert_int_equal(session_fragment(world->session, world_bytes, world, &call, &world->err),
			 0);
	fake_answer(fake_last(), 200, "FRAGMENT");
	assert_int_equal(world->code, 0);
	assert_true(slice_equal(buf_slice(&world->bytes), slice_str("FRAGMENT")));
	world->done = 0;
	assert_int_equal(session_put_small(world->session, net_bin(), slice_str("SMALL"),
					   world_done, world, &call, &world->err),
			 0);
	assert_string_equal(fake_last()->url, "https://api.example/resources/models");
	fake_answer(fake_last(), 200, "");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, 0);
}

/* What the API says of the user at a call ends the login, unless another has come. */
static void credentials_refused_later_log_out(void **state)
{
	static const char *const BODIES[] = {"{\"ErrorCode\":10}", "{\"ErrorCode\":30}"};
	struct world *world = *state;
	struct session_call *call;
	struct heard heard;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(BODIES); i++) {
		ask(world, &heard);
		fake_answer(fake_last(), 409, BODIES[i]);
		check_heard(&heard, FAULT_NOT_LOGGED_IN, "");
		check_token(world, NULL);
		log_in(world, "a@b.c", &call);
		fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
		check_token(world, "T2");
	}
	ask(world, &heard);
	log_in(world, "other@b.c", &call);
	fake_answer(fake_last(), 200, "{\"token\":\"T3\"}");
	fake_answer(&fake.requests[fake.count - 2], 409, BODIES[0]);
	check_heard(&heard, FAULT_NOT_LOGGED_IN, "");
	check_token(world, "T3");
}

/* --- the exchange --- */

static void many_wait_for_one_new_token(void **state)
{
	struct world *world = *state;
	struct heard heard[MANY + 1];

	world_login(world);
	for (size_t i = 0; i < MANY; i++)
		ask(world, &heard[i]);
	for (size_t i = 0; i < MANY; i++)
		fake_answer(&fake.requests[1 + i], i % 2 ? 403 : 401, "");
	assert_int_equal(fake_count("/login"), 2);
	/* One who comes now does not even try the old one. */
	ask(world, &heard[MANY]);
	assert_int_equal(fake.count, 1 + MANY + 1);
	assert_string_equal(fake_last()->bearer, "");
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	assert_int_equal(fake.count, 1 + MANY + 1 + MANY + 1);
	check_token(world, "T2");
	for (size_t i = 0; i <= MANY; i++) {
		struct fake_request *again = &fake.requests[MANY + 2 + i];

		assert_string_equal(again->bearer, "T2");
		answer_sealed(world, again, "small");
	}
	for (size_t i = 0; i <= MANY; i++)
		check_heard(&heard[i], 0, "small");
	assert_int_equal(fake_count("/login"), 2);
}

static void a_late_refusal_of_the_old_token_needs_no_login(void **state)
{
	struct world *world = *state;
	struct heard a, b;

	world_login(world);
	ask(world, &a);
	ask(world, &b);
	fake_answer(&fake.requests[1], 401, "");
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	answer_sealed(world, fake_last(), "a");
	check_heard(&a, 0, "a");
	fake_answer(&fake.requests[2], 401, "");
	assert_string_equal(fake_last()->bearer, "T2");
	answer_sealed(world, fake_last(), "b");
	check_heard(&b, 0, "b");
	assert_int_equal(fake_count("/login"), 2);
}

/* The API knows the token, and does not allow this one thing. */
static void a_second_refusal_is_of_the_call(void **state)
{
	static const unsigned statuses[] = {401, 403};
	struct world *world = *state;
	struct heard heard, other;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		ask(world, &heard);
		fake_answer(fake_last(), statuses[i], "");
		fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
		fake_answer(fake_last(), statuses[i], "");
		check_heard(&heard, ERR_FORBIDDEN, "");
		check_token(world, "T2");
		/* Others are served. */
		ask(world, &other);
		assert_string_equal(fake_last()->bearer, "T2");
		answer_sealed(world, fake_last(), "small");
		check_heard(&other, 0, "small");
		world->session->who->renewed_us = 0;
	}
	assert_int_equal(world->notes, 0);
}

/* Who asks again and again for what it may not have does not log in each time. */
static void a_fresh_token_is_not_exchanged(void **state)
{
	struct world *world = *state;
	struct heard heard;

	world_login(world);
	ask(world, &heard);
	fake_answer(fake_last(), 401, "");
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	answer_sealed(world, fake_last(), "small");
	check_heard(&heard, 0, "small");
	ask(world, &heard);
	fake_answer(fake_last(), 403, "");
	check_heard(&heard, ERR_FORBIDDEN, "");
	assert_int_equal(fake_count("/login"), 2);
	/* Later it may have run out. */
	world->session->who->renewed_us = clock_monotonic_us() - SESSION_FRESH_US;
	ask(world, &heard);
	fake_answer(fake_last(), 403, "");
	assert_int_equal(fake_count("/login"), 3);
	fake_answer(fake_last(), 200, "{\"token\":\"T3\"}");
	answer_sealed(world, fake_last(), "small");
	check_heard(&heard, 0, "small");
	check_token(world, "T3");
}

/* Only what the API says of the credentials themselves ends the session, for all who wait. */
static void who_waits_hears_of_a_log_out(void **state)
{
	struct world *world = *state;
	struct session_call *call;
	struct heard a, b;

	world_login(world);
	ask(world, &a);
	ask(world, &b);
	fake_answer(&fake.requests[1], 401, "");
	fake_answer(&fake.requests[2], 403, "");
	fake_answer(fake_last(), 401, "");
	check_heard(&a, FAULT_NOT_LOGGED_IN, "");
	check_heard(&b, FAULT_NOT_LOGGED_IN, "");
	check_token(world, NULL);
	assert_int_equal(world->notes, 1);
	assert_int_equal(fake_count("/login"), 2);
	assert_int_equal(
		session_small(world->session, net_bin(), world_bytes, world, &call, &world->err),
		FAULT_NOT_LOGGED_IN);
	/* Until somebody logs in. */
	log_in(world, "a@b.c", &call);
	fake_answer(fake_last(), 200, "{\"token\":\"T3\"}");
	check_token(world, "T3");
}

static void an_exchange_may_fail(void **state)
{
	static const struct {
		unsigned status;
		const char *body;
		int code;
		bool stays;
	} rows[] = {
		{500, "", FAULT_UPSTREAM, true},
		{200, "{}", FAULT_UPSTREAM, true},
		{404, "", FAULT_UPSTREAM, true},
		{409, "{\"ErrorCode\":30}", FAULT_NOT_LOGGED_IN, false},
	};
	struct world *world = *state;
	struct heard a, b;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t first = fake.count;

		ask(world, &a);
		ask(world, &b);
		fake_answer(&fake.requests[first], 401, "");
		fake_answer(&fake.requests[first + 1], 401, "");
		fake_answer(fake_last(), rows[i].status, rows[i].body);
		check_heard(&a, rows[i].code, "");
		check_heard(&b, rows[i].code, "");
		check_token(world, rows[i].stays ? "T1" : NULL);
		assert_int_equal(fake.count, first + 3);
	}
}

static void an_exchange_that_cannot_start_is_told(void **state)
{
	struct world *world = *state;
	struct heard heard;

	world_login(world);
	ask(world, &heard);
	fake.refuse = 1;
	fake_answer(fake_last(), 401, "");
	check_heard(&heard, ERR_INTERNAL, "");
	check_token(world, "T1");
}

static void a_new_login_takes_over_who_waits(void **state)
{
	struct world *world = *state;
	struct session_call *call;
	struct heard heard;

	world_login(world);
	ask(world, &heard);
	fake_answer(fake_last(), 401, ""); /* 1; 2 is the exchange */
	log_in(world, "a@b.c", &call);	   /* 3 */
	fake_answer(fake_last(), 200, "{\"token\":\"T9\"}");
	assert_true(fake.requests[2].cancelled);
	check_token(world, "T9");
	assert_string_equal(fake_last()->bearer, "T9");
	answer_sealed(world, fake_last(), "small");
	check_heard(&heard, 0, "small");
}

/* An answer for one user is opened by that one's key, whoever is logged in by then. */
static void an_answer_is_for_who_asked(void **state)
{
	struct world *world = *state;
	struct session_call *call;
	struct heard heard;

	world_login(world);
	ask(world, &heard);
	log_in(world, "other@b.c", &call);
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	answer_sealed(world, &fake.requests[1], "small");
	check_heard(&heard, 0, "small");
}

static void renewing_is_one_exchange_too(void **state)
{
	struct world *world = *state;
	struct session_call *call = NULL;
	struct heard heard;

	world_login(world);
	ask(world, &heard);
	assert_int_equal(session_renew(world->session, 1, world_done, world, &call, &world->err),
			 0);
	assert_non_null(call);
	fake_answer(&fake.requests[1], 401, "");
	assert_int_equal(fake_count("/login"), 2);
	assert_int_equal(world->done, 0);
	fake_answer(&fake.requests[2], 200, "{\"token\":\"T2\"}");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, 0);
	answer_sealed(world, fake_last(), "small");
	check_heard(&heard, 0, "small");
	/* The first token has been replaced already. */
	assert_int_equal(session_renew(world->session, 1, world_done, world, &call, &world->err),
			 0);
	assert_null(call);
	assert_int_equal(fake_count("/login"), 2);
	world->done = 0;
	assert_int_equal(session_renew(world->session, 2, world_done, world, &call, &world->err),
			 0);
	fake_answer(fake_last(), 401, "");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, FAULT_NOT_LOGGED_IN);
	check_token(world, NULL);
}

/* --- leaving --- */

static void who_leaves_hears_nothing(void **state)
{
	struct world *world = *state;
	struct session_call *call;
	struct heard heard[3];

	world_login(world);
	ask(world, &heard[0]);
	session_leave(heard[0].call);
	assert_true(fake_last()->cancelled);
	/* While it waits: the exchange is for all, and goes on. */
	ask(world, &heard[1]);
	ask(world, &heard[2]);
	fake_answer(&fake.requests[2], 401, "");
	session_leave(heard[1].call);
	fake_answer(&fake.requests[3], 401, "");
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	answer_sealed(world, fake_last(), "small");
	check_heard(&heard[2], 0, "small");
	/* What is put is put. */
	assert_int_equal(session_put_small(world->session, net_bin(), slice_str("x"), world_done,
					   world, &call, &world->err),
			 0);
	session_leave(call);
	assert_true(fake_last()->open);
	fake_answer(fake_last(), 200, "");
	assert_int_equal(world->done, 0);
	assert_int_equal(heard[0].times + heard[1].times, 0);
}

static void all_ends_with_the_session(void **state)
{
	struct world *world = *state;
	struct session_call *call;
	struct heard heard[3];

	world_login(world);
	ask(world, &heard[0]);
	ask(world, &heard[1]);
	fake_answer(&fake.requests[1], 401, "");
	assert_int_equal(session_put_small(world->session, net_bin(), slice_str("x"), world_done,
					   world, &call, &world->err),
			 0);
	log_in(world, "other@b.c", &call);
	session_free(TAKE(world->session));
	for (size_t i = 0; i < fake.count; i++)
		assert_false(fake.requests[i].open);
	assert_int_equal(world->done + heard[0].times + heard[1].times, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_login_is_in_force_when_the_api_says_so),
		TEST(a_failed_login_keeps_the_old_one),
		TEST(credentials_that_cannot_be_are_refused),
		TEST(logins_have_a_limit),
		TEST(a_login_that_is_left_goes_on),
		TEST(a_configuration_is_looked_at_first),
		TEST(a_small_part_comes_opened),
		TEST(what_does_not_open_is_damaged),
		TEST(nobody_gets_nothing),
		TEST(names_are_looked_at),
		TEST(a_fragment_and_a_part_to_put),
		TEST(credentials_refused_later_log_out),
		TEST(many_wait_for_one_new_token),
		TEST(a_late_refusal_of_the_old_token_needs_no_login),
		TEST(a_second_refusal_is_of_the_call),
		TEST(a_fresh_token_is_not_exchanged),
		TEST(who_waits_hears_of_a_log_out),
		TEST(an_exchange_may_fail),
		TEST(an_exchange_that_cannot_start_is_told),
		TEST(a_new_login_takes_over_who_waits),
		TEST(an_answer_is_for_who_asked),
		TEST(renewing_is_one_exchange_too),
		TEST(who_leaves_hears_nothing),
		TEST(all_ends_with_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
