/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large bodies in turn.
 *
 * The library reads from every connection that has something, so that a tenant with many clients
 * that send much would have most of the loop's time, and whoever sends little would wait behind
 * all of it. Therefore the library gets to see one large body at a time: each is parked when it
 * has had HTTP_TURN bytes and its socket holds more, and waits until it is its turn again. In one
 * turn of the loop there is one turn of a body. Those that wait are in groups (http_ops.share),
 * groups take turns, and within one the bodies that were begun go first (streams do not): so few
 * are in memory at once, and the first is whole before the last has begun.
 *
 * No more than HTTP_BODIES_AT_WORK bodies of a group are with their handlers. The group's others
 * wait until one of those is answered, so that a client cannot send faster than it is served.
 * Neither is more than one let go to its handler in one turn of the loop, since the handler parses
 * it there; the library may take up one that was let go in the turn before. Both are seen to when a
 * body is whole and about to go, for it may have become whole without its turn: with its last
 * bytes, which its client had kept back. Then it waits as it is.
 *
 * A body whose client stalls is not kept waiting here but with the library, as its socket is
 * empty: it takes nobody's turn. For the same reason a parked connection always has something to
 * read when it is resumed, so that the end of a half-closed client cannot be met too early. The
 * deadline stands still meanwhile (stream.c); the wait ends, as turns and handlers do. What is left
 * of a refused body, and is read to be dropped, takes turns too.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "http/impl.h"

struct http_group {
	const void *share;
	struct http_request *first; /* of those that wait */
	struct http_request *last;
	size_t members; /* requests that know it */
	size_t at_work;
	struct http_group *next;
};

/* --- groups --- */

static struct http_group **find_group(struct http *http, const void *share)
{
	struct http_group **at = &http->groups;

	while (*at && (*at)->share != share)
		at = &(*at)->next;
	return at;
}

/* At the end: whoever comes has the next turn after all others. */
static void append_group(struct http *http, struct http_group *group)
{
	struct http_group **at = &http->groups;

	while (*at)
		at = &(*at)->next;
	group->next = NULL;
	*at = group;
}

/* False when memory is short: then the body is read as it comes. */
static bool join(struct http_request *request)
{
	struct http *http = request->conn->http;
	const void *share =
		http->ops.share ? http->ops.share(http->app, request->conn->peer) : NULL;
	struct http_group *group = request->turn.group;

	if (group)
		return true;
	group = *find_group(http, share);
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group)
			return false;
		group->share = share;
		append_group(http, group);
	}
	group->members++;
	request->turn.group = group;
	return true;
}

static void unjoin(struct http_request *request)
{
	struct http *http = request->conn->http;
	struct http_group *group = TAKE(request->turn.group);

	if (!group || --group->members > 0)
		return;
	*find_group(http, group->share) = group->next;
	free(group);
}

/* --- waiting --- */

static bool goes_first(const struct http_request *request)
{
	return request->turn.begun && !request->in.on;
}

/* Behind all, or behind those that go first, too. */
static void push(struct http_request *request)
{
	struct http_turn *turn = &request->turn;
	struct http_group *group = turn->group;

	turn->next = goes_first(request) ? group->first : NULL;
	while (turn->next && goes_first(turn->next))
		turn->next = turn->next->turn.next;
	turn->prev = turn->next ? turn->next->turn.prev : group->last;
	if (turn->prev)
		turn->prev->turn.next = request;
	else
		group->first = request;
	if (turn->next)
		turn->next->turn.prev = request;
	else
		group->last = request;
	turn->waiting = true;
}

void http_turn_leave(struct http_request *request)
{
	struct http_turn *turn = &request->turn;

	if (!turn->waiting)
		return;
	turn->waiting = false;
	if (turn->prev)
		turn->prev->turn.next = turn->next;
	else
		turn->group->first = turn->next;
	if (turn->next)
		turn->next->turn.prev = turn->prev;
	else
		turn->group->last = turn->prev;
	turn->prev = turn->next = NULL;
}

/* It knows its group. */
static void line_up(struct http_request *request)
{
	assert(request->parked != request->turn.waiting);
	push(request);
	http_wake(request->conn->http);
}

bool http_turn_wait(struct http_request *request)
{
	if (!join(request))
		return false;
	line_up(request);
	return true;
}

static bool has_more(const struct http_conn *conn)
{
	int waiting = 0;

	return ioctl(conn->fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

void http_turn_took(struct http_request *request, size_t bytes)
{
	struct http_turn *turn = &request->turn;

	turn->left -= bytes < turn->left ? bytes : turn->left;
	/* Of a chunked body the library hands on all that it has, parked or not. */
	if (turn->left > 0 || request->parked || request->conn->cut || !has_more(request->conn))
		return;
	if (!request->paced)
		http_pace_take_over(request);
	http_request_park(request);
	if (!http_turn_wait(request))
		http_request_unpark(request);
}

/* --- whose turn it is --- */

/* Streams are never whole in memory, and what is dropped is not kept: these wait for no answer. */
static bool waits_for_answers(const struct http_request *request)
{
	return request->state == HTTP_READING || request->state == HTTP_WHOLE;
}

static struct http_request *next_of(const struct http_group *group)
{
	struct http_request *request = group->first;

	while (request && group->at_work >= HTTP_BODIES_AT_WORK && waits_for_answers(request))
		request = request->turn.next;
	return request;
}

static struct http_request *next(const struct http *http)
{
	const struct http_group *group = http->groups;
	struct http_request *request = NULL;

	for (; group && !request; group = group->next)
		request = next_of(group);
	return request;
}

bool http_turn_due(const struct http *http)
{
	return next(http) != NULL;
}

static void begin_work(struct http_request *request)
{
	request->turn.at_work = true;
	request->turn.group->at_work++;
	request->conn->http->one_began = true;
}

void http_turn_give(struct http *http)
{
	struct http_request *request = next(http);
	struct http_group *group;

	http->one_began = false;
	if (!request)
		return;
	group = request->turn.group;
	*find_group(http, group->share) = group->next;
	append_group(http, group);
	request->turn.begun = true;
	request->turn.left = HTTP_TURN;
	/* Its place, before another can take it. */
	if (request->state == HTTP_WHOLE)
		begin_work(request);
	http_request_unpark(request);
}

/* --- at work --- */

bool http_turn_work(struct http_request *request)
{
	const struct http_turn *turn = &request->turn;

	if (turn->at_work || request->body.len <= HTTP_SMALL_BODY)
		return true;
	if (!join(request))
		return false;
	if (turn->group->at_work < HTTP_BODIES_AT_WORK && !request->conn->http->one_began) {
		begin_work(request);
		return true;
	}
	http_request_park(request);
	line_up(request);
	return false;
}

void http_turn_answered(struct http_request *request)
{
	struct http_turn *turn = &request->turn;

	if (!turn->at_work)
		return;
	turn->at_work = false;
	turn->group->at_work--;
	if (turn->group->first)
		http_wake(request->conn->http);
}

void http_turn_end(struct http_request *request)
{
	http_turn_leave(request);
	http_turn_answered(request);
	unjoin(request);
}
