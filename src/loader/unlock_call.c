/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever asks gets his answer from a timer of his own, so nothing of ours is on the stack when his
 * callback does what it likes.
 */
#include "loader/fault.h"
#include "loader/unlock_impl.h"

#define UNLOCK_CALLS 64u /* that wait for an answer */

const char *unlock_state_name(enum unlock_state state)
{
	static const char *const names[] = {
		[UNLOCK_IDLE] = "idle",
		[UNLOCK_AUTHENTICATING] = "authenticating",
		[UNLOCK_DOWNLOADING_KEY] = "downloading_key",
		[UNLOCK_DECRYPTING] = "decrypting",
		[UNLOCK_LOADING_IMAGES] = "loading_images",
		[UNLOCK_READY] = "ready",
		[UNLOCK_ERROR] = "error",
	};

	return names[state];
}

static void call_unlink(struct unlock_call *call)
{
	struct unlock_call **at = &call->unlock->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->unlock->call_count--;
}

void unlock_call_end(struct unlock_call *call)
{
	call_unlink(call);
	loop_timer_clear(&call->timer);
	free(call);
}

static void call_tell(void *arg)
{
	struct unlock_call *call = arg;
	struct unlock_call told = *call;

	unlock_call_end(call);
	told.done(told.arg, told.state, told.err.code != 0 ? &told.err : NULL);
}

int unlock_call_answer(struct unlock_call *call, enum unlock_state state, const struct err *err,
		       struct err *ret_err)
{
	call->state = state;
	if (err)
		call->err = *err;
	return loop_timer_set(&call->timer, 0, ret_err);
}

int unlock_call_new(struct unlock *unlock, loader_unlock_fn done, void *arg,
		    struct unlock_call **ret_call, struct err *err)
{
	struct unlock_call *call;

	if (unlock->call_count == UNLOCK_CALLS)
		return err_set(err, FAULT_BUSY, "too many wait for the images");
	call = calloc(1, sizeof(*call));
	if (!call)
		return err_set(err, ERR_INTERNAL, "memory is short");
	call->unlock = unlock;
	call->done = done;
	call->arg = arg;
	loop_timer_init(&call->timer, jobs_loop(unlock->jobs), call_tell, call);
	call->next = unlock->calls;
	unlock->calls = call;
	unlock->call_count++;
	*ret_call = call;
	return 0;
}

static struct unlock_call *unanswered(const struct unlock *unlock)
{
	struct unlock_call *call = unlock->calls;

	while (call && call->timer.slot != 0)
		call = call->next;
	return call;
}

/* Without memory for a timer the callback comes at once. */
void unlock_answer_all(struct unlock *unlock, enum unlock_state state, const struct err *err)
{
	struct unlock_call *call;

	unlock->looking = false;
	while ((call = unanswered(unlock)) != NULL) {
		struct err short_of = {0};

		if (unlock_call_answer(call, state, err, &short_of) < 0)
			call_tell(call);
	}
}

void unlock_leave(struct unlock_call *call)
{
	if (call)
		unlock_call_end(call);
}
