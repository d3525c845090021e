/* SPDX-License-Identifier: Apache-2.0 */
/* Long messages: one job for each piece, one message of a tenant at a time, and what ends them. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/message.h"

#define PIECE	  PROVIDER_PIECE_MAX
#define TURNS_MAX 60000u

static char body[2 * MESSAGE_MAX];

/* {"data": ..} of @pieces pieces, each of one letter: 'a' as base64 is "YWFh", .. */
static const char *message(const char *member, char letter, size_t pieces, size_t more)
{
	static const char *const THREE[] = {"YWFh", "YmJi", "Y2Nj", "ZGRk"};
	size_t len = pieces * PIECE + more;
	size_t at = (size_t)snprintf(body, sizeof(body), "{\"%s\":\"", member);

	assert_int_equal(len % 3, 0);
	assert_true(at + len / 3 * 4 + 3 < sizeof(body));
	for (; len > 0; len -= 3, at += 4)
		memcpy(body + at, THREE[letter - 'a'], 4);
	memcpy(body + at, "\"}", 3);
	return body;
}

static void make_keys(struct fixture *fixture)
{
	use_chip(fixture);
	assert_int_equal(
		ask(fixture, "POST", "/v1/keys", "{\"name\":\"m\",\"type\":\"hmac-sha256\"}"), 201);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{\"name\":\"q\"}"), 201);
}

static void run_until_noted(struct fixture *fixture, size_t count)
{
	unsigned i;

	for (i = 0; i < TURNS_MAX && fixture->chip.noted < count; i++)
		turn(fixture);
	assert_int_equal(fixture->chip.noted, count);
}

static void run_until_idle(struct fixture *fixture)
{
	unsigned i;

	for (i = 0; i < TURNS_MAX && fixture->service->users > 0; i++)
		turn(fixture);
	assert_int_equal(fixture->service->users, 0);
	assert_int_equal(fixture->chip.pieces_alive, 0);
	assert_int_equal(fixture->tenant.tenant.holders, 0);
	assert_null(fixture->tenant.messages);
}

static const struct {
	const char *path;
	const char *member;
	size_t pieces, more;
	const char *notes;
	const char *result; /* as base64 */
	unsigned calls;
} LENGTHS[] = {
	{"/v1/keys/m/mac", "data", 0, 0, "", "\"mac\":\"d2hvbGU=\"", 1},
	{"/v1/keys/m/mac", "data", 1, 2, "<a>", "\"mac\":\"MTAyNiBieXRlcw==\"", 3},
	{"/v1/keys/m/mac", "data", 3, 0, "<aa>", "\"mac\":\"MzA3MiBieXRlcw==\"", 4},
	{"/v1/aiks/q/sign", "message", 0, 3, "", "\"signature\":\"YWFh\"", 1},
	{"/v1/aiks/q/sign", "message", 4, 2, "{aaaa>", "\"signature\":\"NDA5OCBieXRlcw==\"", 6},
};

/* Whole up to a piece; beyond, one call for each piece and one to begin. */
static void goes_in_pieces(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	make_keys(fixture);
	for (i = 0; i < ARRAY_LEN(LENGTHS); i++) {
		struct asker asker = {0};
		unsigned before = fixture->chip.calls;
		size_t noted = fixture->chip.noted;

		asker_begin(&asker, fixture, "POST", LENGTHS[i].path,
			    message(LENGTHS[i].member, 'a', LENGTHS[i].pieces, LENGTHS[i].more));
		assert_int_equal(asker_end(&asker), 200);
		if (!strstr(asker.answer, LENGTHS[i].result))
			fail_msg("row %zu: %s", i, asker.answer);
		assert_int_equal(fixture->chip.calls - before, LENGTHS[i].calls);
		assert_string_equal(fixture->chip.notes + noted, LENGTHS[i].notes);
	}
	assert_false(fixture->chip.deadline_missing);
	run_until_idle(fixture);
}

/* While a piece is in the chip another tenant comes, and is next. */
static void others_have_their_turn(void **state)
{
	struct fixture *fixture = *state;
	static struct service_tenant other;
	static struct tenant_peer peer = {.tenant = &other.tenant};
	struct asker flood[3] = {0}, polite = {.peer = &peer};
	size_t i;

	make_keys(fixture);
	other = (struct service_tenant){
		.tenant = {.name = "other", .number = 7, .rights = UINT32_MAX}};
	fixture->chip.stands = 3;
	for (i = 0; i < ARRAY_LEN(flood); i++)
		asker_begin(&flood[i], fixture, "POST", "/v1/keys/m/mac",
			    message("data", (char)('a' + i), 6, 0));
	run_until_noted(fixture, 3);
	asker_begin(&polite, fixture, "POST", "/v1/random", "{\"bytes\":1}");
	for (i = 0; i < TURNS_MAX && other.tenant.holders == 0; i++)
		turn(fixture);
	assert_int_equal(other.tenant.holders, 1);
	fixture->chip.stands = 0;
	assert_int_equal(asker_end(&polite), 200);
	for (i = 0; i < ARRAY_LEN(flood); i++)
		assert_int_equal(asker_end(&flood[i]), 200);
	/* The flooder's second message begins when the first has ended. */
	assert_string_equal(fixture->chip.notes, "<aaraaa><bbbbb><ccccc>");
	assert_int_equal(fixture->chip.pieces_most, 1);
	run_until_idle(fixture);
}

/* Its sequence leaves the chip, the one that waited gets in, and one that waited in vain is gone.
 */
static void client_leaves(void **state)
{
	struct fixture *fixture = *state;
	struct asker askers[3] = {0};
	size_t i;

	make_keys(fixture);
	fixture->chip.stands = 2;
	for (i = 0; i < ARRAY_LEN(askers); i++)
		asker_begin(&askers[i], fixture, "POST", "/v1/keys/m/mac",
			    message("data", (char)('a' + i), 3, 0));
	run_until_noted(fixture, 2);
	asker_leave(&askers[1]);
	asker_leave(&askers[0]);
	for (i = 0; i < TURNS_MAX && fixture->tenant.tenant.holders > 2; i++)
		turn(fixture);
	assert_int_equal(fixture->tenant.tenant.holders, 2);
	fixture->chip.stands = 0;
	assert_int_equal(asker_end(&askers[2]), 200);
	assert_string_equal(fixture->chip.notes, "<a!<cc>");
	run_until_idle(fixture);
}

/* What is in the chip ends with its key, and so does what waits for it; another key's goes on. */
static void key_is_deleted(void **state)
{
	struct fixture *fixture = *state;
	struct asker askers[3] = {0};

	make_keys(fixture);
	fixture->chip.stands = 2;
	asker_begin(&askers[0], fixture, "POST", "/v1/keys/m/mac", message("data", 'a', 3, 0));
	asker_begin(&askers[1], fixture, "POST", "/v1/aiks/q/sign", message("message", 'b', 3, 0));
	asker_begin(&askers[2], fixture, "POST", "/v1/keys/m/mac", message("data", 'c', 3, 0));
	run_until_noted(fixture, 2);
	while (fixture->tenant.tenant.holders < 3)
		turn(fixture);
	/* Another kind of that name is another key. */
	assert_int_equal(ask(fixture, "DELETE", "/v1/aiks/m", NULL), 404);
	assert_int_equal(ask(fixture, "DELETE", "/v1/keys/m", NULL), 204);
	fixture->chip.stands = 0;
	assert_int_equal(asker_end(&askers[0]), 404);
	assert_non_null(strstr(askers[0].answer, "\"code\":\"not_found\""));
	assert_non_null(strstr(askers[0].answer, "the key m was deleted"));
	/* It waited behind the other, and does not wait for that to be told. */
	assert_int_equal(asker_end(&askers[2]), 404);
	assert_int_equal(asker_end(&askers[1]), 200);
	assert_string_equal(fixture->chip.notes, "<a!{bb>");
	run_until_idle(fixture);
	/* A new key of that name is not taken for the old one. */
	assert_int_equal(
		ask(fixture, "POST", "/v1/keys", "{\"name\":\"m\",\"type\":\"hmac-sha256\"}"), 201);
	asker_begin(&askers[0], fixture, "POST", "/v1/keys/m/mac", message("data", 'd', 3, 0));
	assert_int_equal(asker_end(&askers[0]), 200);
	run_until_idle(fixture);
}

/* A piece that fails ends it, with the chip's own error. */
static void piece_fails(void **state)
{
	struct fixture *fixture = *state;
	struct asker asker = {0};

	make_keys(fixture);
	fixture->chip.stands = 3;
	asker_begin(&asker, fixture, "POST", "/v1/aiks/q/sign", message("message", 'b', 6, 0));
	run_until_noted(fixture, 3);
	fixture->chip.fails_with = ERR_CONFLICT;
	fixture->chip.stands = 0;
	assert_int_equal(asker_end(&asker), 409);
	assert_non_null(strstr(asker.answer, "\"detail\":\"as told\""));
	run_until_idle(fixture);
	assert_string_equal(fixture->chip.notes, "{bb!");
	fixture->chip.fails_with = 0;
}

static unsigned idle_calls;

static void note_idle(void *arg)
{
	struct fixture *fixture = arg;

	assert_int_equal(fixture->chip.pieces_alive, 0);
	idle_calls++;
}

/* Between two pieces: the request ends, and the chip is empty when it is let go. */
static void provider_is_taken_away(void **state)
{
	struct fixture *fixture = *state;
	struct asker asker = {0};

	make_keys(fixture);
	idle_calls = 0;
	fixture->chip.stands = 3;
	asker_begin(&asker, fixture, "POST", "/v1/keys/m/mac", message("data", 'c', 6, 0));
	run_until_noted(fixture, 3);
	service_take_provider(fixture->service, "a test", note_idle, fixture);
	assert_int_equal(idle_calls, 0);
	fixture->chip.stands = 0;
	assert_int_equal(asker_end(&asker), 503);
	assert_non_null(strstr(asker.answer, "\"code\":\"starting\""));
	assert_non_null(strstr(asker.answer, "Retry-After: "));
	run_until_idle(fixture);
	assert_int_equal(idle_calls, 1);
	assert_string_equal(fixture->chip.notes, "<cc!");
	/* Given back, it serves again. */
	service_give_back(fixture->service);
	asker_begin(&asker, fixture, "POST", "/v1/keys/m/mac", message("data", 'c', 3, 0));
	assert_int_equal(asker_end(&asker), 200);
}

/* No job frees the sequence any more: the sweep does, when the threads have ended. */
static void service_stops(void **state)
{
	struct fixture *fixture = *state;
	struct asker askers[2] = {0};
	size_t i;

	make_keys(fixture);
	fixture->chip.stands = 3;
	for (i = 0; i < ARRAY_LEN(askers); i++)
		asker_begin(&askers[i], fixture, "POST", "/v1/keys/m/mac",
			    message("data", 'd', 6, 0));
	run_until_noted(fixture, 3);
	service_stop(fixture->service);
	assert_false(jobs_free(fixture->jobs, 0));
	fixture->chip.stands = 0;
	assert_true(jobs_free(fixture->jobs, GIVE_UP_US));
	fixture->jobs = NULL;
	assert_int_equal(fixture->chip.pieces_alive, 1);
	assert_int_equal(fixture->service->users, 1);
	service_sweep(fixture->service);
	assert_int_equal(fixture->service->users, 0);
	for (i = 0; i < ARRAY_LEN(askers); i++)
		asker_leave(&askers[i]);
}

static const struct {
	const char *path, *body;
	int status;
	const char *detail;
} BAD[] = {
	{"/v1/keys/m/mac", "{}", 400, "/data: missing"},
	{"/v1/keys/m/mac", "{\"data\":1}", 400, "/data: must be a string of base64"},
	{"/v1/keys/m/mac", "{\"data\":\"\",\"hash\":\"sha256\"}", 400, "/hash: unknown member"},
	{"/v1/keys/e/mac", "{\"data\":\"\"}", 400, "/use: the key e of type ecc-p256 lacks"},
	{"/v1/aiks/q/sign", "{\"message\":\"\"}", 400, "/message: has at least 1 byte"},
	{"/v1/aiks/q/sign", "{\"message\":\"/1RDRw==\"}", 400, "/message: begins as what a TPM"},
	{"/v1/aiks/q/sign", "{\"message\":\"YQ==\",\"hash\":\"sha384\"}", 422,
	 "/hash: the attestation key q signs with sha256 only"},
	{"/v1/aiks/q/sign", "{\"message\":\"YQ==\",\"hash\":\"sha1\"}", 422, "/hash"},
	{"/v1/aiks/q/sign", "{\"message\":\"YQ==\",\"hash\":\"sha256\"}", 200, ""},
	{"/v1/aiks/x/sign", "{\"message\":\"YQ==\"}", 404, ""},
	/* Three bytes of the four that none may begin with. */
	{"/v1/aiks/q/sign", "{\"message\":\"/1RD\"}", 200, ""},
};

static void refuses(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	make_keys(fixture);
	assert_int_equal(ask(fixture, "POST", "/v1/keys", "{\"name\":\"e\",\"type\":\"ecc-p256\"}"),
			 201);
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		int status = ask(fixture, "POST", BAD[i].path, BAD[i].body);

		if (status != BAD[i].status || !strstr(fixture->answer, BAD[i].detail))
			fail_msg("row %zu: %s", i, fixture->answer);
	}
	/* Another key cannot do it, and that is found before the chip is asked. */
	assert_int_equal(fixture->chip.noted, 0);
}

/* 1 MiB and no byte more; the route takes the JSON that it needs. */
static void longest(void **state)
{
	struct fixture *fixture = *state;
	struct asker asker = {0};
	char *text;

	make_keys(fixture);
	(void)message("data", 'a', 1023, 1023);
	text = strrchr(body, '"');
	memcpy(text, "YQ==\"}", 7);
	asker_begin(&asker, fixture, "POST", "/v1/keys/m/mac", body);
	assert_int_equal(asker_end(&asker), 200);
	memcpy(text, "YWE=\"}", 7);
	asker_begin(&asker, fixture, "POST", "/v1/keys/m/mac", body);
	assert_int_equal(asker_end(&asker), 413);
	run_until_idle(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(goes_in_pieces), TEST(others_have_their_turn),
		TEST(client_leaves),  TEST(key_is_deleted),
		TEST(piece_fails),    TEST(provider_is_taken_away),
		TEST(service_stops),  TEST(refuses),
		TEST(longest),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
