/* SPDX-License-Identifier: Apache-2.0 */
/* Long messages of many tenants: a chip has place for some of them, the others have their turn. */
#include "service/test_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "service/message_queue.h"

#define TURNS_MAX 60000u
#define TENANTS	  12u

_Static_assert(TENANTS > PROVIDER_MESSAGES_MAX + 1, "more than find place at once");

/* Tenants who share the fixture's keys, so that none has to be made for each. */
struct crowd {
	struct fixture *fixture;
	struct service_tenant tenants[TENANTS];
	struct tenant_peer peers[TENANTS];
	struct asker askers[TENANTS];
};

static char body[2 * MESSAGE_MAX];

/* {"data": ..} of so many bytes, a multiple of 3, each @letter: 'a' as base64 is "YWFh", .. */
static const char *data(char letter, size_t len)
{
	static const char *const THREE[] = {"YWFh", "YmJi", "Y2Nj", "ZGRk"};
	static const char HEAD[] = "{\"data\":\"";
	char *at = body + sizeof(HEAD) - 1;

	memcpy(body, HEAD, sizeof(HEAD) - 1);
	for (; len > 0; len -= 3, at += 4)
		memcpy(at, THREE[letter - 'a'], 4);
	memcpy(at, "\"}", 3);
	return body;
}

static int gather(void **state)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	struct service_tenant *tenant;
	void *fixture = NULL;
	size_t i;

	if (!crowd || fixture_make(&fixture) < 0)
		return -1;
	crowd->fixture = fixture;
	use_chip(fixture);
	if (ask(fixture, "POST", "/v1/keys", "{\"name\":\"m\",\"type\":\"hmac-sha256\"}") != 201)
		return -1;
	for (i = 0; i < TENANTS; i++) {
		tenant = &crowd->tenants[i];
		tenant->tenant = (struct tenant){
			.name = "other", .number = (uint32_t)i + 7, .rights = UINT32_MAX};
		tenant->owner = crowd->fixture->tenant.owner;
		crowd->peers[i].tenant = &tenant->tenant;
		crowd->askers[i].peer = &crowd->peers[i];
	}
	*state = crowd;
	return 0;
}

static int disperse(void **state)
{
	struct crowd *crowd = *state;
	void *fixture = crowd->fixture;
	int r;

	/* A test that failed may have left it there. */
	crowd->fixture->chip.stands = 0;
	r = fixture_remove(&fixture);
	free(crowd);
	return r;
}

static void begin(struct crowd *crowd, size_t who, char letter, size_t pieces)
{
	asker_begin(&crowd->askers[who], crowd->fixture, "POST", "/v1/keys/m/mac",
		    data(letter, pieces * 1024 / 3 * 3 + 3));
}

static void run_until_noted(struct crowd *crowd, size_t count)
{
	const struct chip *chip = &crowd->fixture->chip;
	unsigned i;

	for (i = 0; i < TURNS_MAX && chip->noted < count; i++)
		turn(crowd->fixture);
	assert_int_equal(chip->noted, count);
}

/* A request that is taken holds its tenant. */
static void run_until_held(struct crowd *crowd, size_t who, unsigned holders)
{
	unsigned i;

	for (i = 0; i < TURNS_MAX && crowd->tenants[who].tenant.holders != holders; i++)
		turn(crowd->fixture);
	assert_int_equal(crowd->tenants[who].tenant.holders, holders);
}

/* The first tenant's message of 'a', in whose first piece the chip stands. */
static void begin_first(struct crowd *crowd, size_t pieces)
{
	crowd->fixture->chip.stands = 2;
	begin(crowd, 0, 'a', pieces);
	run_until_noted(crowd, 2);
}

/* Of all others: 'b' that find place in the chip, 'c' that wait. */
static void begin_others(struct crowd *crowd, size_t pieces)
{
	size_t i;

	for (i = 1; i < TENANTS; i++) {
		begin(crowd, i, i < PROVIDER_MESSAGES_MAX ? 'b' : 'c', pieces);
		run_until_held(crowd, i, 1);
	}
}

static void assert_idle(struct crowd *crowd)
{
	const struct service *service = crowd->fixture->service;
	unsigned i;

	for (i = 0; i < TURNS_MAX && service->users > 0; i++)
		turn(crowd->fixture);
	assert_int_equal(service->users, 0);
	assert_null(service->messages.next);
	assert_int_equal(service->messages.at_work, 0);
	assert_int_equal(service->messages.bytes, 0);
	assert_int_equal(crowd->fixture->chip.pieces_alive, 0);
	for (i = 0; i < TENANTS; i++) {
		assert_null(crowd->tenants[i].messages);
		assert_int_equal(crowd->tenants[i].message_bytes, 0);
	}
}

/* All that a chip has place for is taken, and nobody hears that it is busy. */
static void all_are_served(void **state)
{
	struct crowd *crowd = *state;
	size_t i;

	begin_first(crowd, 4);
	begin_others(crowd, 4);
	assert_int_equal(crowd->fixture->service->messages.at_work, PROVIDER_MESSAGES_MAX);
	crowd->fixture->chip.stands = 0;
	for (i = 0; i < TENANTS; i++)
		assert_int_equal(asker_end(&crowd->askers[i]), 200);
	assert_int_equal(crowd->fixture->chip.pieces_most, PROVIDER_MESSAGES_MAX);
	assert_idle(crowd);
}

/* So many seconds from now, about. */
static void assert_deadline(const struct op *op, uint64_t seconds)
{
	uint64_t now = clock_monotonic_us();

	assert_in_range(op->plan.deadline_us, now + (seconds - 20) * 1000000u,
			now + seconds * 1000000u);
}

/* Waiting takes nothing of the time that a message has in the chip. */
static void time_begins_with_the_turn(void **state)
{
	struct crowd *crowd = *state;
	struct op *waiting;
	size_t i, last = TENANTS - 1;

	begin_first(crowd, 4);
	begin_others(crowd, 4);
	for (i = 0; i < PROVIDER_MESSAGES_MAX; i++)
		assert_deadline(&crowd->tenants[i].messages->op, MESSAGE_WORK_S);
	waiting = &crowd->tenants[last].messages->op;
	assert_deadline(waiting, MESSAGE_WAIT_S);
	/* All before it leave. */
	for (i = 0; i < last; i++)
		asker_leave(&crowd->askers[i]);
	for (i = 0; i < last; i++)
		run_until_held(crowd, i, i == 0);
	/* It is given up, and then the last one begins. */
	crowd->fixture->chip.stands = crowd->fixture->chip.noted + 4;
	run_until_noted(crowd, crowd->fixture->chip.stands);
	assert_true(crowd->tenants[last].messages->at_work);
	assert_deadline(waiting, MESSAGE_WORK_S);
	crowd->fixture->chip.stands = 0;
	assert_int_equal(asker_end(&crowd->askers[last]), 200);
	assert_idle(crowd);
}

/* No memory for the job that takes a message out of the chip: its place is not lost. */
static void what_is_left_is_tried_again(void **state)
{
	struct crowd *crowd = *state;
	struct service *service = crowd->fixture->service;
	struct jobs *jobs = service->jobs;
	unsigned i;

	begin_first(crowd, 2);
	asker_leave(&crowd->askers[0]);
	for (i = 0; i < TURNS_MAX && crowd->tenants[0].messages->op.job; i++)
		turn(crowd->fixture);
	service->jobs = NULL;
	crowd->fixture->chip.stands = 0;
	for (i = 0; i < TURNS_MAX && !service->left; i++)
		turn(crowd->fixture);
	assert_non_null(service->left);
	assert_int_equal(service->messages.at_work, 1);
	service->jobs = jobs;
	assert_int_equal(ask(crowd->fixture, "POST", "/v1/random", "{\"bytes\":8}"), 200);
	assert_idle(crowd);
	assert_null(service->left);
}

/* The short message of the first tenant ends first; its second is behind those who waited. */
static void tenants_take_turns(void **state)
{
	struct asker second = {0};
	struct crowd *crowd = *state;
	const char *notes = crowd->fixture->chip.notes;
	size_t i;

	second.peer = &crowd->peers[0];
	begin_first(crowd, 1);
	asker_begin(&second, crowd->fixture, "POST", "/v1/keys/m/mac", data('d', 1026));
	run_until_held(crowd, 0, 2);
	begin_others(crowd, 2);
	crowd->fixture->chip.stands = 0;
	assert_int_equal(asker_end(&second), 200);
	for (i = 0; i < TENANTS; i++)
		assert_int_equal(asker_end(&crowd->askers[i]), 200);
	assert_non_null(strchr(notes, 'c'));
	assert_non_null(strchr(notes, 'd'));
	assert_true(strrchr(notes, 'c') != NULL && strchr(notes, 'c') < strchr(notes, 'd'));
	assert_idle(crowd);
}

/* One who waits leaves the line, at its end and in its midst, and nothing of his reaches the chip.
 */
static void waiting_clients_leave(void **state)
{
	struct crowd *crowd = *state;
	size_t i;

	begin_first(crowd, 2);
	begin_others(crowd, 2);
	for (i = TENANTS; i-- > PROVIDER_MESSAGES_MAX;) {
		asker_leave(&crowd->askers[i]);
		run_until_held(crowd, i, 0);
	}
	assert_null(crowd->fixture->service->messages.next);
	crowd->fixture->chip.stands = 0;
	for (i = 0; i < PROVIDER_MESSAGES_MAX; i++)
		assert_int_equal(asker_end(&crowd->askers[i]), 200);
	assert_null(strchr(crowd->fixture->chip.notes, 'c'));
	assert_idle(crowd);
}

/* Those in the chip leave, and each makes place for another. */
static void working_clients_leave(void **state)
{
	struct crowd *crowd = *state;
	size_t i;

	begin_first(crowd, 2);
	begin_others(crowd, 2);
	for (i = 0; i < PROVIDER_MESSAGES_MAX; i++)
		asker_leave(&crowd->askers[i]);
	crowd->fixture->chip.stands = 0;
	for (i = PROVIDER_MESSAGES_MAX; i < TENANTS; i++)
		assert_int_equal(asker_end(&crowd->askers[i]), 200);
	assert_idle(crowd);
}

/* One more of the tenant, and whether it is taken. */
static bool is_taken(struct crowd *crowd, size_t who)
{
	struct asker more = {.peer = &crowd->peers[who]};
	unsigned i, held = crowd->tenants[who].tenant.holders;

	asker_begin(&more, crowd->fixture, "POST", "/v1/keys/m/mac", data('d', 1026));
	for (i = 0; i < TURNS_MAX && !more.done && crowd->tenants[who].tenant.holders == held; i++)
		turn(crowd->fixture);
	if (crowd->tenants[who].tenant.holders > held) {
		asker_leave(&more);
		run_until_held(crowd, who, held);
		return true;
	}
	assert_int_equal(asker_end(&more), 429);
	assert_non_null(strstr(more.answer, "Retry-After: "));
	return false;
}

/* So much of a tenant and of all waits, and no more; but a tenant's first is always taken. */
static void what_waits_is_bounded(void **state)
{
	struct crowd *crowd = *state;
	uint64_t *of_all = &crowd->fixture->service->messages.bytes;
	uint64_t *of_one = &crowd->tenants[0].message_bytes;
	const uint64_t spare = 1026;
	uint64_t before;

	begin_first(crowd, 4);
	begin(crowd, 1, 'b', 1);
	run_until_held(crowd, 1, 1);
	assert_true(is_taken(crowd, 0));
	before = *of_one;
	*of_one = MESSAGE_QUEUE_TENANT_MAX - spare;
	assert_true(is_taken(crowd, 0));
	*of_one += 1;
	assert_false(is_taken(crowd, 0));
	assert_true(is_taken(crowd, 1));
	*of_one = before;
	*of_all += MESSAGE_QUEUE_MAX;
	assert_false(is_taken(crowd, 0));
	assert_false(is_taken(crowd, 1));
	assert_true(is_taken(crowd, 2));
	*of_all -= MESSAGE_QUEUE_MAX;
	crowd->fixture->chip.stands = 0;
	assert_int_equal(asker_end(&crowd->askers[0]), 200);
	assert_int_equal(asker_end(&crowd->askers[1]), 200);
	assert_idle(crowd);
}

/*
 * More of one tenant than may have their bodies at work: none is held back by those that wait for
 * the chip, and what it keeps of each is the message, as it is counted.
 */
static void what_waits_keeps_no_body(void **state)
{
	struct crowd *crowd = *state;
	struct asker more[HTTP_BODIES_AT_WORK + 1] = {0};
	const size_t len = 33 * 1026; /* over HTTP_SMALL_BODY in any form */
	size_t i;

	begin_first(crowd, 1);
	for (i = 0; i < ARRAY_LEN(more); i++) {
		more[i].peer = &crowd->peers[0];
		asker_begin(&more[i], crowd->fixture, "POST", "/v1/keys/m/mac", data('d', len));
		run_until_held(crowd, 0, (unsigned)i + 2);
	}
	assert_int_equal(crowd->tenants[0].message_bytes, 1026 + ARRAY_LEN(more) * len);
	for (i = 0; i < ARRAY_LEN(more); i++)
		asker_leave(&more[i]);
	run_until_held(crowd, 0, 1);
	crowd->fixture->chip.stands = 0;
	assert_int_equal(asker_end(&crowd->askers[0]), 200);
	assert_idle(crowd);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, gather, disperse)
	const struct CMUnitTest tests[] = {
		CASE(all_are_served),
		CASE(tenants_take_turns),
		CASE(waiting_clients_leave),
		CASE(working_clients_leave),
		CASE(what_waits_is_bounded),
		CASE(time_begins_with_the_turn),
		CASE(what_is_left_is_tried_again),
		CASE(what_waits_keeps_no_body),
	};

	return cmocka_run_group_tests_name("message_queue", tests, NULL, NULL);
}
