/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A class is a list of lanes in the order of their turns, a lane a list of what waits in it. There
 * is no record of a lane beside its first one, which carries it: when that one leaves, the next
 * takes the lane over, and an empty lane is nothing at all. So lanes cost no memory, and it does
 * not matter how many there are.
 */
#include "jobs/impl.h"

/* Which class a turn is offered to first: a share that no flood of better ones can take away. */
static const unsigned OFFERS[] = {0, 0, 0, 1, 0, 0, 0, 2};

/* --- lanes of a class --- */

/* By multiplication, so that numbers with the same low bits do not meet. */
static struct turn **bucket_of(struct lanes_class *class, uint32_t lane)
{
	return &class->buckets[(lane * UINT32_C(2654435761)) >> 24];
}

static struct turn *find_lane(struct lanes_class *class, uint32_t lane)
{
	struct turn *first = *bucket_of(class, lane);

	while (first && first->lane != lane)
		first = first->neighbour;
	return first;
}

static void append(struct lanes_class *class, struct turn *first)
{
	first->earlier = class->last;
	first->later = NULL;
	if (class->last)
		class->last->later = first;
	else
		class->first = first;
	class->last = first;
}

/* The lane that had the last turn lets whoever comes before the next go first. */
static void enter(struct lanes_class *class, struct turn *first)
{
	struct turn *last = class->last;

	if (!last || !class->any_served || last->lane != class->served) {
		append(class, first);
		return;
	}
	first->later = last;
	first->earlier = last->earlier;
	if (last->earlier)
		last->earlier->later = first;
	else
		class->first = first;
	last->earlier = first;
}

/* Puts @after in the place of @first, or nothing. */
static void replace(struct lanes_class *class, struct turn *first, struct turn *after)
{
	struct turn *from_left = after ? after : first->later;
	struct turn *from_right = after ? after : first->earlier;

	if (after) {
		after->earlier = first->earlier;
		after->later = first->later;
	}
	if (first->earlier)
		first->earlier->later = from_left;
	else
		class->first = from_left;
	if (first->later)
		first->later->earlier = from_right;
	else
		class->last = from_right;
}

static void open_lane(struct lanes_class *class, struct turn *first)
{
	struct turn **bucket = bucket_of(class, first->lane);

	first->last = first;
	first->neighbour = *bucket;
	*bucket = first;
	enter(class, first);
}

/* The next of the lane takes it over in the same place; where there is none the lane is gone. */
static void hand_over(struct lanes_class *class, struct turn *first)
{
	struct turn **place = bucket_of(class, first->lane);
	struct turn *heir = first->next;

	while (*place != first)
		place = &(*place)->neighbour;
	*place = first->neighbour;
	if (heir) {
		heir->prev = NULL;
		heir->last = first->last;
		heir->neighbour = first->neighbour;
		*place = heir;
	}
	replace(class, first, heir);
}

/* --- turns --- */

void lanes_push(struct lanes *lanes, struct turn *turn, unsigned level, uint32_t lane)
{
	struct lanes_class *class = &lanes->classes[level];
	struct turn *first = find_lane(class, lane);

	*turn = (struct turn){.lane = lane, .level = level, .queued = true};
	if (!first) {
		open_lane(class, turn);
		return;
	}
	turn->prev = first->last;
	first->last->next = turn;
	first->last = turn;
}

static struct lanes_class *next_class(struct lanes *lanes)
{
	struct lanes_class *class = &lanes->classes[OFFERS[lanes->turns]];
	size_t i;

	for (i = 0; i < LANES_CLASSES && !class->first; i++)
		class = &lanes->classes[i];
	return class;
}

struct turn *lanes_take(struct lanes *lanes)
{
	struct lanes_class *class = next_class(lanes);
	struct turn *first = class->first;
	struct turn *heir;

	if (!first)
		return NULL;
	lanes->turns = (lanes->turns + 1) % ARRAY_LEN(OFFERS);
	heir = first->next;
	hand_over(class, first);
	if (heir) {
		replace(class, heir, NULL);
		append(class, heir);
	}
	class->served = first->lane;
	class->any_served = true;
	*first = (struct turn){.queued = false};
	return first;
}

bool lanes_remove(struct lanes *lanes, struct turn *turn)
{
	struct lanes_class *class = &lanes->classes[turn->level];

	if (!turn->queued)
		return false;
	if (!turn->prev) {
		hand_over(class, turn);
	} else {
		turn->prev->next = turn->next;
		if (turn->next)
			turn->next->prev = turn->prev;
		else
			find_lane(class, turn->lane)->last = turn->prev;
	}
	*turn = (struct turn){.queued = false};
	return true;
}
