/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recipe needs what the command said in clear: none is kept where a parameter was encrypted, or
 * where the parent's authValue is not known for certain and a wrong one would count as a guess.
 * Whether it gives the same object is seen when it is used first (evict.c, kept.c).
 */
#include "broker/make.h"

#include <tss2/tss2_tpm2_types.h>

#include "broker/recipe.h"

#define SRK_HANDLE 0x81000001u

/* Parameters of a response that begins with a handle. */
static struct cursor made_parameters(const struct run *run)
{
	struct cursor cursor = cursor_of(run_answer(run));
	bool has_sessions = cursor_u16(&cursor) == TPM2_ST_SESSIONS;

	(void)cursor_take(&cursor, WIRE_HEADER - 2 + 4);
	if (has_sessions)
		cursor = cursor_of(cursor_take(&cursor, cursor_u32(&cursor)));
	return cursor;
}

static bool any_session(const struct run *run, uint8_t attribute)
{
	size_t i;

	for (i = 0; i < run->view->auth_count; i++)
		if (run->view->auths[i].attributes & attribute)
			return true;
	return false;
}

/* --- the parent ---------------------------------------------------------------------------- */

struct parent {
	struct slice recipe; /* empty: it is a hierarchy */
	struct secret *owned;
	struct slice auth;
};

static void parent_fini(struct parent *parent)
{
	secret_free(parent->owned);
}

/* What an HMAC session proved to know, as far as we know it too. */
static bool known_auth(struct run *run, struct parent *parent)
{
	struct recipe_steps steps;
	struct err err;
	uint32_t handle = run->view->handles[0];
	const struct recipe_step *last;

	if (handle_type(run->view->auths[0].handle) != TPM2_HT_HMAC_SESSION)
		return false;
	if (handle_type(handle) == TPM2_HT_PERMANENT)
		return true; /* empty, most likely; a wrong guess at a hierarchy does not count */
	if (recipe_read(parent->recipe, &steps, &err) < 0)
		return false;
	last = &steps.steps[steps.count - 1];
	if (last->code == 0)
		/* Which is shared, so empty; and were it not, trying that would cost nothing. */
		return last->handle == SRK_HANDLE && !guesses_count_at(run, 0);
	parent->auth = recipe_primary_auth(last);
	return last->code != TPM2_CC_Load || (run->held[0] && run->held[0]->no_da);
}

/* The chip's own persistent key, as the beginning of a recipe. */
static bool begin_persistent(struct run *run, uint32_t handle, struct parent *parent)
{
	struct recipe_step step = {.code = 0, .handle = handle};
	struct ask_public public;
	struct err err;

	if (ask_read_public(run->broker, NULL, handle, &public, &err) < 0 || public.rc)
		return false;
	step.parameters = ask_name(&public);
	if (recipe_add(slice_of(NULL, 0), &step, &parent->owned, &err) < 0)
		return false;
	parent->recipe = secret_slice(parent->owned);
	return true;
}

static bool find_parent(struct run *run, struct parent *parent)
{
	uint32_t handle = run->view->handles[0];

	if (run->view->handle_count < 1 || run->view->auth_count < 1)
		return false;
	if (run->held[0]) {
		if (!run->held[0]->recipe)
			return false;
		parent->recipe = secret_slice(run->held[0]->recipe);
	} else if (run->kept[0]) {
		parent->recipe = kept_recipe(run->kept[0]);
		if (parent->recipe.len == 0)
			return false;
	} else if (handle_type(handle) == TPM2_HT_PERSISTENT) {
		if (!begin_persistent(run, handle, parent))
			return false;
	} else if (handle != TPM2_RH_OWNER && handle != TPM2_RH_ENDORSEMENT) {
		return false; /* nothing of the null hierarchy can be persistent */
	}
	if (run->view->auths[0].handle != TPM2_RS_PW)
		return known_auth(run, parent);
	parent->auth = run->view->auths[0].hmac;
	return true;
}

/* --- the object ---------------------------------------------------------------------------- */

/* CreateLoaded answers with what Load takes: outPrivate and outPublic, then the Name. */
static struct slice made_by_create_loaded(const struct run *run)
{
	struct cursor cursor = made_parameters(run), all = cursor;
	size_t private_len = cursor_u16(&cursor), public_len;

	(void)cursor_take(&cursor, private_len);
	public_len = cursor_u16(&cursor);
	if (cursor.failed || private_len == 0)
		return slice_of(NULL, 0);
	return cursor_take(&all, 2 + private_len + 2 + public_len);
}

/* False: it cannot be told how it would be made again. */
static bool describe(struct run *run, const struct parent *parent, struct recipe_step *ret_step)
{
	struct recipe_step step = {
		.code = run->view->command->code,
		.auth = parent->auth,
		.parameters = run->view->parameters,
	};

	if (parent->recipe.len == 0) {
		step.handle = run->view->handles[0];
	} else if (step.code == TPM2_CC_CreateLoaded) {
		step.code = TPM2_CC_Load;
		step.parameters = made_by_create_loaded(run);
	}
	*ret_step = step;
	return step.parameters.len > 0;
}

static void note_recipe(struct run *run, struct held *held)
{
	CLEANUP(parent_fini) struct parent parent = {.owned = NULL};
	struct recipe_step step;
	struct err err;

	if (any_session(run, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT))
		return;
	if (find_parent(run, &parent) && describe(run, &parent, &step) &&
	    recipe_add(parent.recipe, &step, &held->recipe, &err) < 0)
		held->recipe = NULL; /* too deep or too long: it cannot be persistent */
}

/* inPublic or its template: the second parameter, whose attributes follow type and nameAlg. */
static bool is_no_da(struct slice parameters)
{
	struct cursor cursor = cursor_of(parameters);
	uint32_t attributes;

	(void)cursor_take(&cursor, cursor_u16(&cursor));
	(void)cursor_u16(&cursor);
	(void)cursor_u32(&cursor);
	attributes = cursor_u32(&cursor);
	return !cursor.failed && attributes & TPMA_OBJECT_NODA;
}

void make_note(struct run *run, struct held *held)
{
	switch (run->view->command->code) {
	case TPM2_CC_CreatePrimary:
	case TPM2_CC_CreateLoaded:
	case TPM2_CC_Load:
		note_recipe(run, held);
		break;
	default:
		break;
	}
	/* Sequences are noDA, all of them (Part 3, 17.1). */
	held->no_da = held->kind == GUEST_SEQUENCE || is_no_da(run->view->parameters);
}

/* --- making it again ----------------------------------------------------------------------- */

static int make_step(struct broker *broker, const struct recipe_step *step,
		     struct provider_guest **guest, uint32_t *ret_rc, struct err *err)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(WIRE_MAX), answer = BUF_INIT(ASK_MAX);
	struct provider_guest *made = NULL;
	struct ask question = {.handle = *guest, .has_handle = true, .makes = GUEST_OBJECT};
	int r;

	ask_begin_password(&command, step->code, step->handle, step->auth);
	buf_put(&command, step->parameters);
	ask_end(&command);
	if (!buf_ok(&command))
		return err_set(err, ERR_DAMAGED, "the recipe of an object makes no sense");
	question.command = buf_slice(&command);
	r = ask_chip(broker, &question, &answer, &made, err);
	provider_guest_free(broker->p, TAKE(*guest));
	if (r < 0)
		return r;
	*ret_rc = response_code(buf_slice(&answer));
	*guest = made;
	return 0;
}

bool make_may_work_later(uint32_t rc)
{
	bool is_warning = !(rc & TPM2_RC_FMT1) && (rc & TPM2_RC_WARN) == TPM2_RC_WARN;

	return is_warning && (rc < TPM2_RC_REFERENCE_H0 || rc > TPM2_RC_REFERENCE_S6);
}

/* Is the persistent key the one that it was? Its password is for no other. */
static int check_parent(struct broker *broker, const struct recipe_step *step, bool *ret_no_da,
			uint32_t *ret_rc, struct err *err)
{
	struct ask_public public;
	int r = ask_read_public_now(broker, step->handle, &public, err);

	if (r < 0)
		return r;
	*ret_rc = public.rc || slice_equal(ask_name(&public), step->parameters) ? public.rc
										: TPM2_RC_HANDLE;
	*ret_no_da = public.attributes & TPMA_OBJECT_NODA;
	return 0;
}

static bool is_guarded_step(const struct recipe_step *step)
{
	return step->code == TPM2_CC_CreatePrimary &&
	       (step->handle == TPM2_RH_OWNER || step->handle == TPM2_RH_ENDORSEMENT);
}

int make_again(struct run *run, struct slice recipe, struct provider_guest **ret_guest,
	       uint32_t *ret_rc, struct err *err)
{
	struct provider_guest *guest = NULL;
	struct recipe_steps steps;
	bool no_da = true; /* of what authorises the next step; hierarchies have no such count */
	uint32_t rc = 0;
	size_t i = 0;
	int r = recipe_read(recipe, &steps, err);

	if (r == 0 && steps.steps[0].code == 0 && steps.count > 1) {
		steps.steps[1].handle = steps.steps[0].handle;
		r = check_parent(run->broker, &steps.steps[0], &no_da, &rc, err);
		i = 1;
	}
	for (; r == 0 && !rc && i < steps.count; i++) {
		if (!no_da && guesses_are_spent(run))
			rc = TPM2_RC_LOCKOUT;
		else
			r = make_step(run->broker, &steps.steps[i], &guest, &rc, err);
		if (r == 0)
			guesses_note_code(run, rc);
		/* The key may have been put where the tenant may not reach it since. */
		if (r == 0 && !rc && is_guarded_step(&steps.steps[i]) && guard_again(run, guest))
			rc = TPM2_RC_HANDLE;
		no_da = is_no_da(steps.steps[i].parameters);
	}
	if (r < 0)
		return r;
	*ret_rc = rc;
	if (rc)
		provider_guest_free(run->broker->p, guest);
	else
		*ret_guest = guest;
	return 0;
}
