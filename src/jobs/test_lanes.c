/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is, as positions: no thread and no time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "jobs/impl.h"

enum { URGENT, NORMAL, BULK };

static struct lanes lanes;

static int setup(void **state)
{
	(void)state;
	lanes = (struct lanes){.turns = 0};
	return 0;
}

/* Takes one, and tells its number among @turns. */
static size_t take(const struct turn *turns)
{
	const struct turn *turn = lanes_take(&lanes);

	assert_non_null(turn);
	assert_false(turn->queued);
	return (size_t)(turn - turns);
}

static void a_lane_is_first_come_first_served(void **state)
{
	struct turn turns[100];
	size_t i;

	(void)state;
	assert_null(lanes_take(&lanes));
	for (i = 0; i < ARRAY_LEN(turns); i++)
		lanes_push(&lanes, &turns[i], NORMAL, 7);
	for (i = 0; i < ARRAY_LEN(turns); i++)
		assert_int_equal(take(turns), i);
	assert_null(lanes_take(&lanes));
}

/* The flood came first, and each of the polite waits for one of it at most. */
static void a_flood_delays_others_by_one(void **state)
{
	static struct turn flood[1000];
	struct turn polite[7];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(flood); i++)
		lanes_push(&lanes, &flood[i], NORMAL, 1);
	for (i = 0; i < ARRAY_LEN(polite); i++)
		lanes_push(&lanes, &polite[i], NORMAL, (uint32_t)(2 + i));
	assert_int_equal(take(flood), 0);
	for (i = 0; i < ARRAY_LEN(polite); i++)
		assert_int_equal(take(polite), i);
	assert_int_equal(take(flood), 1);
	/* Those that come again while one of it is at work wait for that one alone, .. */
	lanes_push(&lanes, &polite[0], NORMAL, 2);
	lanes_push(&lanes, &polite[1], NORMAL, 3);
	assert_int_equal(take(polite), 0);
	/* .. and one that comes later is behind one of it: the flood has its turn, too. */
	lanes_push(&lanes, &polite[0], NORMAL, 2);
	assert_int_equal(take(polite), 1);
	assert_int_equal(take(flood), 2);
	assert_int_equal(take(polite), 0);
}

static void lanes_take_turns(void **state)
{
	struct turn turns[8][8];
	size_t lane, i;

	(void)state;
	for (lane = 0; lane < 8; lane++)
		for (i = 0; i < 8; i++)
			lanes_push(&lanes, &turns[lane][i], NORMAL, (uint32_t)lane << 24);
	for (i = 0; i < 8; i++)
		for (lane = 0; lane < 8; lane++)
			assert_int_equal(take(&turns[0][0]), lane * 8 + i);
}

static void the_urgent_goes_first_and_nothing_starves(void **state)
{
	static const unsigned EXPECTED[] = {URGENT, URGENT, URGENT, NORMAL,
					    URGENT, URGENT, URGENT, BULK};
	struct turn turns[LANES_CLASSES][32];
	size_t level, i;

	(void)state;
	for (level = LANES_CLASSES; level-- > 0;)
		for (i = 0; i < ARRAY_LEN(turns[0]); i++)
			lanes_push(&lanes, &turns[level][i], (unsigned)level, (uint32_t)i);
	for (i = 0; i < 32; i++)
		assert_int_equal(take(&turns[0][0]) / ARRAY_LEN(turns[0]), EXPECTED[i % 8]);
}

/* What a class does not need goes to the best that waits. */
static void shares_are_not_wasted(void **state)
{
	static const unsigned PAIRS[][2] = {{URGENT, BULK}, {NORMAL, BULK}, {URGENT, NORMAL}};
	struct turn turns[2][64];
	size_t p, i;

	for (p = 0; p < ARRAY_LEN(PAIRS); p++) {
		size_t of_lower = 0;

		(void)setup(state);
		for (i = 0; i < 64; i++) {
			lanes_push(&lanes, &turns[0][i], PAIRS[p][0], 1);
			lanes_push(&lanes, &turns[1][i], PAIRS[p][1], 1);
		}
		for (i = 0; i < 64; i++)
			of_lower += take(&turns[0][0]) >= 64;
		assert_int_equal(of_lower, 8);
	}
	/* Alone, a class has every turn. */
	(void)setup(state);
	for (i = 0; i < 64; i++)
		lanes_push(&lanes, &turns[0][i], BULK, 1);
	for (i = 0; i < 64; i++)
		assert_int_equal(take(&turns[0][0]), i);
}

static void removing_keeps_the_order(void **state)
{
	struct turn turns[3][4];
	size_t lane, i;

	(void)state;
	for (lane = 0; lane < 3; lane++)
		for (i = 0; i < 4; i++)
			lanes_push(&lanes, &turns[lane][i], NORMAL, (uint32_t)lane);
	assert_true(
		lanes_remove(&lanes, &turns[0][0])); /* the first of a lane: it keeps its turn */
	assert_true(lanes_remove(&lanes, &turns[1][2])); /* in the middle */
	assert_true(lanes_remove(&lanes, &turns[2][3])); /* the last, .. */
	assert_false(lanes_remove(&lanes, &turns[2][3]));
	lanes_push(&lanes, &turns[2][3], NORMAL, 2); /* .. behind which others fit */
	assert_int_equal(take(&turns[0][0]), 1);
	assert_int_equal(take(&turns[0][0]), 4);
	assert_int_equal(take(&turns[0][0]), 8);
	/* A whole lane goes. */
	for (i = 2; i < 4; i++)
		assert_true(lanes_remove(&lanes, &turns[0][i]));
	assert_false(lanes_remove(&lanes, &turns[0][1]));
	assert_int_equal(take(&turns[0][0]), 5);
	assert_int_equal(take(&turns[0][0]), 9);
	assert_int_equal(take(&turns[0][0]), 7);
	assert_int_equal(take(&turns[0][0]), 10);
	assert_int_equal(take(&turns[0][0]), 11);
	assert_null(lanes_take(&lanes));
}

/* --- against a model that is too slow to be wrong --- */

#define MODEL_TURNS 400u
#define MODEL_LANES 1024u
#define LAST	    UINT64_MAX

struct model {
	struct turn turns[MODEL_TURNS];
	uint64_t since[MODEL_TURNS]; /* when it was pushed; 0 = it is not in there */
	/* When the lane came to the end of its class; LAST while it is the one served last. */
	uint64_t turn_of[LANES_CLASSES][MODEL_LANES];
	uint32_t served[LANES_CLASSES];
	uint64_t now;
	unsigned takes;
};

static bool lane_is_empty(const struct model *model, unsigned level, uint32_t lane)
{
	size_t i;

	for (i = 0; i < MODEL_TURNS; i++)
		if (model->since[i] && model->turns[i].level == level &&
		    model->turns[i].lane == lane)
			return false;
	return true;
}

static void model_push(struct model *model, size_t i, unsigned level, uint32_t lane)
{
	if (lane_is_empty(model, level, lane) && model->turn_of[level][lane] != LAST)
		model->turn_of[level][lane] = ++model->now;
	lanes_push(&lanes, &model->turns[i], level, lane);
	model->since[i] = ++model->now;
}

/* The oldest of the lane whose turn is the oldest; MODEL_TURNS when the class is empty. */
static size_t model_first(const struct model *model, unsigned level)
{
	size_t best = MODEL_TURNS, i;

	for (i = 0; i < MODEL_TURNS; i++) {
		const struct turn *turn = &model->turns[i];
		uint64_t of_best, of_this;

		if (!model->since[i] || turn->level != level)
			continue;
		of_this = model->turn_of[level][turn->lane];
		of_best = best < MODEL_TURNS ? model->turn_of[level][model->turns[best].lane] : 0;
		if (best == MODEL_TURNS || of_this < of_best ||
		    (of_this == of_best && model->since[i] < model->since[best]))
			best = i;
	}
	return best;
}

static size_t model_take(struct model *model)
{
	static const unsigned OFFERS[] = {0, 0, 0, 1, 0, 0, 0, 2};
	size_t best = model_first(model, OFFERS[model->takes % 8]);
	unsigned level;

	for (level = 0; level < LANES_CLASSES && best == MODEL_TURNS; level++)
		best = model_first(model, level);
	model->takes += best < MODEL_TURNS;
	return best;
}

static void check_take(struct model *model)
{
	size_t best = model_take(model);
	uint32_t lane = best < MODEL_TURNS ? model->turns[best].lane : 0;
	unsigned level = best < MODEL_TURNS ? model->turns[best].level : 0;
	const struct turn *turn = lanes_take(&lanes);

	if (best == MODEL_TURNS) {
		assert_null(turn);
		return;
	}
	assert_ptr_equal(turn, &model->turns[best]);
	model->since[best] = 0;
	if (model->turn_of[level][model->served[level]] == LAST)
		model->turn_of[level][model->served[level]] = ++model->now;
	model->turn_of[level][lane] = LAST;
	model->served[level] = lane;
}

static void many_lanes_as_the_model_says(void **state)
{
	static struct model model;
	unsigned seed = 1, round, spread;

	(void)state;
	for (round = 0; round < 40000; round++) {
		size_t i = (size_t)rand_r(&seed) % MODEL_TURNS;

		/* Few lanes with much in them, then many with little. */
		spread = round % 10000 < 5000 ? 5 : MODEL_LANES;
		if (rand_r(&seed) % 3 == 0) {
			check_take(&model);
		} else if (model.since[i] == 0) {
			model_push(&model, i, (unsigned)rand_r(&seed) % LANES_CLASSES,
				   (uint32_t)rand_r(&seed) % spread);
		} else {
			assert_true(lanes_remove(&lanes, &model.turns[i]));
			model.since[i] = 0;
		}
	}
	while (model_first(&model, 0) + model_first(&model, 1) + model_first(&model, 2) <
	       3 * MODEL_TURNS)
		check_take(&model);
	check_take(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_lane_is_first_come_first_served, setup),
		cmocka_unit_test_setup(a_flood_delays_others_by_one, setup),
		cmocka_unit_test_setup(lanes_take_turns, setup),
		cmocka_unit_test_setup(the_urgent_goes_first_and_nothing_starves, setup),
		cmocka_unit_test_setup(shares_are_not_wasted, setup),
		cmocka_unit_test_setup(removing_keeps_the_order, setup),
		cmocka_unit_test_setup(many_lanes_as_the_model_says, setup),
	};

	return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
