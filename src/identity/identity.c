/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts, decision, actions, until there is nothing more to do: what is mended is looked at again
 * before anything else is decided. What people are told is what is there at the end.
 */
#include "identity/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "identity/impl.h"

/* Each thing that can be out of order is mended once; more is a fault of ours. */
#define ROUNDS_MAX 16u

int identity_new(const struct identity_options *options, struct identity **ret_identity,
		 struct err *err)
{
	CLEANUP(identity_cleanup) struct identity *identity = calloc(1, sizeof(*identity));
	int r;

	if (!identity)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (options->subject && strlen(options->subject) > IDENTITY_SUBJECT_MAX)
		return err_set(err, ERR_INVALID, "the subject of the certificate is too long");
	identity->policy = options->tpm;
	identity->handle = options->handle;
	identity->provision = options->provision;
	identity->ask = options->ask;
	identity->days = options->days ? options->days : IDENTITY_DAYS;
	(void)snprintf(identity->subject, sizeof(identity->subject), "%s",
		       options->subject ? options->subject : "");
	r = identity_files_new(&options->places, &identity->files, err);
	if (r < 0)
		return r;
	*ret_identity = TAKE(identity);
	return 0;
}

void identity_free(struct identity *identity)
{
	if (!identity)
		return;
	identity_view_free(identity->view);
	identity_files_free(identity->files);
	free(identity);
}

struct identity_files *identity_files_of(struct identity *identity)
{
	return identity->files;
}

struct identity_view *identity_view_of(struct identity *identity)
{
	return identity_view_hold(identity->view);
}

/* --- one settling --- */

struct run {
	struct identity *identity;
	const struct identity_world *world;
	struct doing doing;
	struct story story;
	enum identity_mode last; /* of the view, then of each row */
	enum state_wish wish;	 /* until it is done or refused */
	bool heard;		 /* it was one of both */
	bool changed;		 /* something was mended or done */
	struct err refusal;
	bool retry;
};

static const enum state_wish WISHES_OF[] = {
	[IDENTITY_INIT] = WISH_INIT,	   [IDENTITY_APPROVE] = WISH_APPROVE,
	[IDENTITY_RENEW] = WISH_RENEW,	   [IDENTITY_INSTALL] = WISH_INSTALL,
	[IDENTITY_REQUEST] = WISH_REQUEST, [IDENTITY_MIGRATE] = WISH_MIGRATE,
	[IDENTITY_CONFIRM] = WISH_CONFIRM, [IDENTITY_ROLLBACK] = WISH_ROLLBACK,
};

static enum state_wish wish_of(const struct identity_order *order)
{
	if (!order)
		return WISH_NONE;
	return order->wish == IDENTITY_INIT && order->software ? WISH_SOFTWARE
							       : WISHES_OF[order->wish];
}

static bool serves(enum state_wish wish, enum identity_event event)
{
	if (wish == WISH_INIT)
		return event == EVENT_FIRST || event == EVENT_FIRST_SOFTWARE;
	return event >= EVENT_ORDER_SOFTWARE && event <= EVENT_ORDER_ROLLBACK;
}

/* What is normal does not hide how it came to be so. */
static void tell(struct run *run, enum identity_event event, const struct identity_row *row,
		 unsigned round)
{
	bool rests = event == EVENT_NORMAL || event == EVENT_CERTIFICATE_UNREADABLE;

	if (round == 0 || !rests || run->story.reason[0] == '\0')
		(void)snprintf(run->story.reason, sizeof(run->story.reason), "%s", row->reason);
	story_alarm(&run->story, row->alarm);
}

static void hear(struct run *run, enum identity_event event, const struct identity_row *row)
{
	if (run->wish == WISH_NONE || (!row->refuse && !serves(run->wish, event)))
		return;
	run->heard = true;
	run->wish = WISH_NONE;
	if (!row->refuse)
		return;
	err_set(&run->refusal, row->refuse, "%s", row->reason);
	if (row->remedy)
		err_add_remedy(&run->refusal, row->remedy);
}

static int do_row(struct run *run, const struct identity_row *row, struct err *err)
{
	int r = 0;

	run->doing.row = row;
	for (size_t i = 0; r == 0 && i < IDENTITY_ROW_MAX && row->actions[i] != ACT_NONE; i++)
		r = identity_act(&run->doing, row->actions[i], err);
	return r;
}

static bool makes_one(const struct identity_row *row)
{
	for (size_t i = 0; i < IDENTITY_ROW_MAX; i++)
		if (row->actions[i] == ACT_CREATE || row->actions[i] == ACT_MAKE_SOFT)
			return true;
	return false;
}

/* An order that changed nothing is no news. */
static bool is_news(const struct run *run, enum identity_mode mode)
{
	return !run->doing.order || run->changed || !run->identity->view ||
	       run->identity->view->mode != mode;
}

static void alarm_of_key(struct run *run)
{
	char text[IDENTITY_REASON_MAX];

	if (run->doing.stays == 0)
		return;
	(void)snprintf(text, sizeof(text),
		       "the journal names the key at 0x%08" PRIx32
		       " as half made; nothing proves that it is ours, so it stays",
		       run->doing.stays);
	story_alarm(&run->story, text);
}

static int publish(struct run *run, enum identity_mode mode, struct err *err)
{
	const struct found *found = run->doing.found;
	const struct view_order order = {.found = found,
					 .mode = mode,
					 .world = run->world,
					 .story = &run->story,
					 .before = run->identity->view,
					 .marker_lost = run->doing.marker_lost};
	struct identity_view *view = NULL;
	int r;

	if (!is_news(run, mode))
		return 0;
	if (found->facts.record == RECORD_TORN)
		story_alarm(&run->story, "all copies of the record are torn");
	story_alarm(&run->story, identity_files_problem(run->identity->files));
	/* Also where they are not written again, as without the TPM. */
	if (found->facts.foreign)
		story_alarm(&run->story,
			    identity_row(IDENTITY_ENABLED, EVENT_RECORD_FOREIGN)->alarm);
	if (mode != IDENTITY_UNPROVISIONED && mode != IDENTITY_RESETTING)
		story_alarm(&run->story,
			    identity_chain_problem(found->facts.record == RECORD_KEY
							   ? buf_slice(&found->record.chain)
							   : buf_slice(&found->chain),
						   run->world->now));
	if (mode == IDENTITY_DEGRADED || run->retry)
		story_alarm(&run->story, found->trouble);
	alarm_of_key(run);
	r = identity_view_make(&order, &view, err);
	if (r < 0)
		return r;
	identity_view_free(run->identity->view);
	run->identity->view = view;
	return 0;
}

static int look(struct run *run, struct found *found, enum identity_event *ret_event,
		const struct identity_row **ret_row, struct err *err)
{
	enum identity_mode from;
	int r = identity_gather(run->identity, run->world, found, err);

	if (r < 0)
		return r;
	found->facts.last = run->last;
	found->facts.wish = run->wish;
	identity_classify(&found->facts, &from, ret_event);
	*ret_row = identity_row(from, *ret_event);
	return 0;
}

/* What everybody reads who has no service to ask is as true as can be, whatever failed. */
static void mark_failure(struct run *run, const struct identity_row *row, enum identity_mode mode)
{
	static const enum identity_action marks[IDENTITY_MODES] = {
		[IDENTITY_UNPROVISIONED] = ACT_UNMARK, [IDENTITY_SOFTWARE] = ACT_UNMARK,
		[IDENTITY_ENABLED] = ACT_MARK,	       [IDENTITY_DEGRADED] = ACT_MARK,
		[IDENTITY_CONFLICT] = ACT_MARK,
	};
	enum identity_action mark = marks[mode];
	struct err ignored;

	/* Of a record that cannot be read the row itself knows what to do, if anything. */
	if (run->doing.found->facts.record == RECORD_UNREADABLE || row->actions[0] == ACT_NONE)
		mark = row->actions[0] == ACT_MARK_UNSURE ? ACT_MARK_UNSURE : ACT_NONE;
	run->doing.row = row;
	if (mark != ACT_NONE)
		(void)!identity_act(&run->doing, mark, &ignored);
}

/*
 * Something could not be done: what is there now, without doing anything more. Where an identity
 * was to be made there is none; all other rows tell which mode it is already. What a row would
 * tell is not so where it was to do something first.
 */
static void tell_failure(struct run *run, const struct err *why)
{
	CLEANUP(found_fini) struct found found;
	const struct identity_row *row;
	enum identity_event event;
	enum identity_mode mode;
	struct err ignored;

	found_init(&found);
	run->doing.found = &found;
	run->wish = WISH_NONE;
	run->retry = true;
	if (look(run, &found, &event, &row, &ignored) < 0)
		return;
	mode = makes_one(row) ? IDENTITY_UNPROVISIONED : row->to;
	if (row->again)
		(void)snprintf(run->story.reason, sizeof(run->story.reason), "not done yet: %s",
			       why->text);
	else
		tell(run, event, row, 0);
	/* Who ordered is told himself. */
	if (!run->doing.order)
		story_alarm(&run->story, why->text);
	mark_failure(run, row, mode);
	(void)!publish(run, mode, &ignored);
}

/* *ret_again: the facts are other ones now, or the order is to be left out of them. */
static int round_of(struct run *run, unsigned round, bool *ret_again, struct err *err)
{
	CLEANUP(found_fini) struct found found;
	const struct identity_row *row;
	enum identity_event event;
	int r;

	found_init(&found);
	run->doing.found = &found;
	r = look(run, &found, &event, &row, err);
	if (r < 0)
		return r;
	hear(run, event, row);
	*ret_again = row->again || row->refuse != 0;
	if (row->refuse)
		return 0;
	tell(run, event, row, round);
	r = do_row(run, row, err);
	if (r < 0)
		return r;
	run->last = row->to;
	run->retry = row->retry;
	run->changed = run->changed || (row->again && event != EVENT_ORDER_REQUEST);
	return row->again ? 0 : publish(run, row->to, err);
}

static int settle(struct run *run, struct err *err)
{
	bool again = true;
	int r = 0;

	run->doing.identity = run->identity;
	run->doing.world = run->world;
	run->last = run->identity->view ? run->identity->view->mode : IDENTITY_MODES;
	for (unsigned round = 0; r == 0 && again; round++) {
		if (round == ROUNDS_MAX)
			r = err_set(err, ERR_INTERNAL, "the identity does not come to rest");
		else
			r = round_of(run, round, &again, err);
	}
	if (r < 0)
		tell_failure(run, err);
	buf_fini(&run->doing.object);
	buf_fini(&run->doing.chain);
	buf_fini(&run->doing.cross);
	return r;
}

int identity_settle(struct identity *identity, const struct identity_world *world, bool *ret_retry,
		    struct err *err)
{
	struct run run = {
		.identity = identity,
		.world = world,
		.doing = {.object = BUF_INIT(IDENTITY_OBJECT_MAX),
			  .chain = BUF_INIT(IDENTITY_CHAIN_MAX),
			  .cross = BUF_INIT(X509_MAX)},
	};
	int r = settle(&run, err);

	*ret_retry = run.retry;
	return r;
}

int identity_order(struct identity *identity, const struct identity_world *world,
		   const struct identity_order *order, struct buf *ret_pem, struct err *err)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(REQUEST_PEM_MAX);
	struct run run = {
		.identity = identity,
		.world = world,
		.doing = {.object = BUF_INIT(IDENTITY_OBJECT_MAX),
			  .chain = BUF_INIT(IDENTITY_CHAIN_MAX),
			  .cross = BUF_INIT(X509_MAX),
			  .order = order,
			  .ret_pem = &pem},
		.wish = wish_of(order),
	};
	int r = settle(&run, err);

	if (r < 0)
		return r;
	if (run.refusal.code) {
		*err = run.refusal;
		return err->code;
	}
	if (!run.heard) {
		err_set(err, ERR_CONFLICT, "something else was found just now: %s",
			identity->view->reason);
		return err_add_remedy(err, "See holdfast device status, and ask again.");
	}
	if (ret_pem)
		buf_put(ret_pem, buf_slice(&pem));
	return !ret_pem || buf_ok(ret_pem) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}
