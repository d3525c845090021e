/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that a chip gives the same each time, kept by the exact bytes of the command, for all
 * tenants, as long as it is the same chip since the same reset. Only commands without sessions: a
 * response in a session is good once.
 */
#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"

#define FIXED_FIRST 0x100u /* TPM_PT_FIXED; the group ends where TPM_PT_VAR begins */
#define FIXED_LAST  0x1ffu

/* --- the table ----------------------------------------------------------------------------- */

static void constant_free(struct constant *constant)
{
	buf_fini(&constant->command);
	buf_fini(&constant->answer);
	free(constant);
}

void constants_drop(struct constants *constants)
{
	while (constants->count > 0)
		constant_free(constants->rows[--constants->count]);
}

static struct constants *constants_now(struct broker *broker)
{
	struct constants *constants = &broker->constants;
	uint64_t epoch = provider_guest_epoch(broker->p);

	if (constants->epoch != epoch)
		constants_drop(constants);
	constants->epoch = epoch;
	constants->uses++;
	return constants;
}

static struct constant *find(struct constants *constants, struct slice command)
{
	size_t i;

	for (i = 0; i < constants->count; i++)
		if (slice_equal(buf_slice(&constants->rows[i]->command), command))
			return constants->rows[i];
	return NULL;
}

bool constants_find(struct broker *broker, struct slice command, struct buf *ret_answer)
{
	struct constants *constants = constants_now(broker);
	struct constant *row = find(constants, command);

	if (!row)
		return false;
	row->used = constants->uses;
	buf_put(ret_answer, buf_slice(&row->answer));
	return true;
}

/* A new place: the last one, or that of what was asked for least lately. */
static size_t place(struct constants *constants)
{
	size_t i, oldest = 0;

	if (constants->count < CONSTANTS_MAX)
		return constants->count++;
	for (i = 1; i < constants->count; i++)
		if (constants->rows[i]->used < constants->rows[oldest]->used)
			oldest = i;
	constant_free(constants->rows[oldest]);
	return oldest;
}

void constants_forget(struct broker *broker, struct slice command)
{
	struct constants *constants = constants_now(broker);
	struct constant *row = find(constants, command);
	size_t i = 0;

	if (!row)
		return;
	while (constants->rows[i] != row)
		i++;
	constants->rows[i] = constants->rows[--constants->count];
	constant_free(row);
}

void constants_put(struct broker *broker, struct slice command, struct slice answer)
{
	struct constants *constants = constants_now(broker);
	struct constant *row;

	if (command.len > CONSTANTS_KEY_MAX)
		return;
	constants_forget(broker, command);
	row = calloc(1, sizeof(*row));
	if (!row)
		return;
	row->command = (struct buf)BUF_INIT(CONSTANTS_KEY_MAX);
	row->answer = (struct buf)BUF_INIT(WIRE_MAX);
	row->used = constants->uses;
	buf_put(&row->command, command);
	buf_put(&row->answer, answer);
	if (buf_ok(&row->command) && buf_ok(&row->answer))
		constants->rows[place(constants)] = row;
	else
		constant_free(row);
}

/* --- what is constant ---------------------------------------------------------------------- */

static bool capability_is_constant(struct slice parameters)
{
	struct cursor cursor = cursor_of(parameters);
	uint32_t capability = cursor_u32(&cursor), property = cursor_u32(&cursor);

	switch (capability) {
	case TPM2_CAP_ALGS:
	case TPM2_CAP_COMMANDS:
	case TPM2_CAP_ECC_CURVES:
	case TPM2_CAP_PCRS:
		return true;
	case TPM2_CAP_TPM_PROPERTIES:
		return property >= FIXED_FIRST && property <= FIXED_LAST;
	case TPM2_CAP_HANDLES:
		return handle_type(property) == TPM2_HT_PCR ||
		       handle_type(property) == TPM2_HT_PERMANENT;
	default:
		return false;
	}
}

static bool is_constant(const struct run *run)
{
	const struct filter_view *view = run->view;

	if (view->auth_count > 0)
		return false;
	switch (view->command->code) {
	case TPM2_CC_GetCapability:
		return capability_is_constant(view->parameters);
	case TPM2_CC_ECC_Parameters:
	case TPM2_CC_TestParms:
		return true;
	case TPM2_CC_ReadPublic:
		return handle_type(view->handles[0]) == TPM2_HT_PERSISTENT && !run->kept[0];
	default:
		return false;
	}
}

/* The chip's word about the parameters stays as it is too; that it lacks memory now does not. */
static bool stays(const struct run *run)
{
	uint32_t rc = response_code(run_answer(run));
	bool is_format_one = rc & TPM2_RC_FMT1;

	return !rc || (is_format_one && run->view->command->code == TPM2_CC_TestParms);
}

/* Should a chip go on from the fixed properties to those that change: they are not kept. */
static bool is_fixed(const struct run *run)
{
	struct cursor cursor = cursor_of(run_answer(run));
	uint32_t capability, count;

	if (run->view->command->code != TPM2_CC_GetCapability)
		return true;
	(void)cursor_take(&cursor, WIRE_HEADER + 1);
	capability = cursor_u32(&cursor);
	if (capability != TPM2_CAP_TPM_PROPERTIES)
		return !cursor.failed;
	for (count = cursor_u32(&cursor); count > 0 && !cursor.failed; count--) {
		if (cursor_u32(&cursor) > FIXED_LAST)
			return false;
		(void)cursor_u32(&cursor);
	}
	return cursor_done(&cursor);
}

bool constants_get(struct run *run)
{
	return is_constant(run) && constants_find(run->broker, run->view->bytes, run->answer);
}

void constants_note(struct run *run)
{
	if (is_constant(run) && stays(run) && is_fixed(run))
		constants_put(run->broker, run->view->bytes, run_answer(run));
}
