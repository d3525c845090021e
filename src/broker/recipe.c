/* SPDX-License-Identifier: Apache-2.0 */
/* A recipe grows at its end only: a child's is its parent's with one step more. */
#include "broker/recipe.h"

#include <tss2/tss2_tpm2_types.h>

#include "base/buf.h"

#define VERSION 1u

int recipe_read(struct slice bytes, struct recipe_steps *ret_steps, struct err *err)
{
	struct cursor cursor = cursor_of(bytes);
	struct recipe_steps steps = {.count = 0};
	bool known = cursor_u8(&cursor) == VERSION;

	while (known && !cursor.failed && cursor.rest.len > 0 && steps.count < RECIPE_STEPS_MAX) {
		struct recipe_step *step = &steps.steps[steps.count++];

		step->code = cursor_u32(&cursor);
		step->handle = cursor_u32(&cursor);
		step->auth = cursor_take(&cursor, cursor_u16(&cursor));
		step->parameters = cursor_take(&cursor, cursor_u16(&cursor));
	}
	if (!known || !cursor_done(&cursor) || steps.count == 0)
		return err_set(err, ERR_DAMAGED, "the recipe of an object makes no sense");
	*ret_steps = steps;
	return 0;
}

static void put_step(struct buf *recipe, const struct recipe_step *step)
{
	buf_put_u32(recipe, step->code);
	buf_put_u32(recipe, step->handle);
	buf_put_u16(recipe, (uint16_t)step->auth.len);
	buf_put(recipe, step->auth);
	buf_put_u16(recipe, (uint16_t)step->parameters.len);
	buf_put(recipe, step->parameters);
}

int recipe_add(struct slice parent, const struct recipe_step *step, struct secret **ret_recipe,
	       struct err *err)
{
	CLEANUP(buf_fini) struct buf recipe = BUF_INIT(RECIPE_MAX);
	struct recipe_steps steps = {.count = 0};
	int r;

	if (parent.len > 0) {
		r = recipe_read(parent, &steps, err);
		if (r < 0)
			return r;
	}
	if (parent.len > 0)
		buf_put(&recipe, parent);
	else
		buf_put_u8(&recipe, VERSION);
	put_step(&recipe, step);
	if (steps.count == RECIPE_STEPS_MAX || !buf_ok(&recipe))
		return err_set(err, ERR_TOO_LARGE, "the recipe of an object is too long");
	return secret_copy(buf_slice(&recipe), ret_recipe, err);
}

/* CreatePrimary and CreateLoaded: inSensitive is TPM2B_SENSITIVE_CREATE, userAuth its first part.
 */
struct slice recipe_primary_auth(const struct recipe_step *step)
{
	struct cursor cursor = cursor_of(step->parameters);

	if (step->code != TPM2_CC_CreatePrimary && step->code != TPM2_CC_CreateLoaded)
		return slice_of(NULL, 0);
	(void)cursor_u16(&cursor);
	return cursor_take(&cursor, cursor_u16(&cursor));
}
