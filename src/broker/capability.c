/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GetCapability of handles (TPM 2.0 Part 3, 30.2): a tenant sees what is its own, and of what the
 * chip has for all (persistent keys, NV) what it may reach. Such a list cannot come in a session:
 * its HMAC or its audit would be the chip's.
 */
#include <string.h>

#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"

#define NUMBER_MASK 0x00ffffffu
#define NV_FIRST    0x01c00000u /* certificates, their templates and nonces */
#define NV_LAST	    0x01c07fffu
#define CHIP_MAX    2048u /* handles of one type in the chip that are looked at */
#define ANSWER_MAX  254u  /* that one answer holds (TPM_MAX_CAP_HANDLES of the reference code) */

struct question {
	uint32_t capability, first, count;
};

static bool read_question(struct slice parameters, struct question *ret_question)
{
	struct cursor cursor = cursor_of(parameters);

	ret_question->capability = cursor_u32(&cursor);
	ret_question->first = cursor_u32(&cursor);
	ret_question->count = cursor_u32(&cursor);
	return cursor_done(&cursor);
}

bool capability_is_own(const struct run *run)
{
	struct question question;

	if (run->view->command->code != TPM2_CC_GetCapability ||
	    !read_question(run->view->parameters, &question) ||
	    question.capability != TPM2_CAP_HANDLES)
		return false;
	switch (handle_type(question.first)) {
	case TPM2_HT_TRANSIENT:
	case TPM2_HT_LOADED_SESSION:
	case TPM2_HT_SAVED_SESSION:
	case TPM2_HT_PERSISTENT:
	case TPM2_HT_NV_INDEX:
		return true;
	default:
		return false;
	}
}

/* The lowest numbers there are: all that an answer holds, and one to tell that there are more. */
struct list {
	uint32_t handles[ANSWER_MAX + 1];
	size_t count;
};

static void list_add(struct list *list, uint32_t handle)
{
	uint32_t number = handle & NUMBER_MASK;
	size_t at = list->count, i;

	while (at > 0 && (list->handles[at - 1] & NUMBER_MASK) > number)
		at--;
	if (at == ARRAY_LEN(list->handles) || (at > 0 && list->handles[at - 1] == handle))
		return;
	if (list->count < ARRAY_LEN(list->handles))
		list->count++;
	for (i = list->count - 1; i > at; i--)
		list->handles[i] = list->handles[i - 1];
	list->handles[at] = handle;
}

/* --- who is in the list -------------------------------------------------------------------- */

static uint32_t list_transient(struct run *run, uint32_t first, struct list *list)
{
	const struct held *held;

	for (held = run->vchip->first; held; held = held->next)
		if (!held_is_session(held) && held->handle >= first)
			list_add(list, held->handle);
	return 0;
}

/* Sessions of both kinds are one list, in the order of their numbers (Part 2, 7.2). */
static uint32_t list_sessions(struct run *run, uint32_t first, struct list *list)
{
	bool saved = handle_type(first) == TPM2_HT_SAVED_SESSION;
	const struct held *held;

	for (held = run->vchip->first; held; held = held->next)
		if (held_is_session(held) && held->guest && held->saved == saved &&
		    (held->handle & NUMBER_MASK) >= (first & NUMBER_MASK))
			list_add(list, held->handle);
	return 0;
}

/* Of the chip's own those that @is_seen. */
static uint32_t list_chip(struct run *run, uint32_t first, struct list *list,
			  uint32_t (*is_seen)(struct run *run, uint32_t handle, bool *ret_seen))
{
	uint32_t handles[CHIP_MAX], rc = 0;
	size_t count = 0, i;
	struct err err;

	if (ask_handles(run->broker, first, handles, CHIP_MAX, &count, &err) < 0)
		return run_fault(run, &err);
	for (i = 0; !rc && i < count; i++) {
		bool seen = false;

		rc = is_seen(run, handles[i], &seen);
		if (!rc && seen)
			list_add(list, handles[i]);
	}
	return rc;
}

static uint32_t list_persistent(struct run *run, uint32_t first, struct list *list)
{
	struct kept *ignored;
	uint32_t rc = kept_at(run, first, &ignored);
	size_t i;

	if (!rc)
		rc = list_chip(run, first, list, handles_grant);
	for (i = 0; !rc && i < run->vchip->kept_count; i++)
		if (run->vchip->kept[i].handle >= first &&
		    !kept_is_foreign(run, &run->vchip->kept[i]))
			list_add(list, run->vchip->kept[i].handle);
	return rc;
}

static uint32_t nv_is_seen(struct run *run, uint32_t handle, bool *ret_seen)
{
	*ret_seen = run->limits->full || (handle >= NV_FIRST && handle <= NV_LAST);
	return 0;
}

static uint32_t list_nv(struct run *run, uint32_t first, struct list *list)
{
	return list_chip(run, first, list, nv_is_seen);
}

static const struct {
	uint8_t type;
	uint32_t (*fill)(struct run *run, uint32_t first, struct list *list);
} LISTS[] = {
	{TPM2_HT_TRANSIENT, list_transient},
	{TPM2_HT_LOADED_SESSION, list_sessions},
	{TPM2_HT_SAVED_SESSION, list_sessions},
	{TPM2_HT_PERSISTENT, list_persistent},
	{TPM2_HT_NV_INDEX, list_nv},
};

/* --- the answer ---------------------------------------------------------------------------- */

static void put_list(struct run *run, const struct list *list, uint32_t max)
{
	size_t count = max < ANSWER_MAX ? max : ANSWER_MAX, i;

	if (count > list->count)
		count = list->count;
	buf_put_u16(run->answer, TPM2_ST_NO_SESSIONS);
	buf_put_u32(run->answer, (uint32_t)(WIRE_HEADER + 1 + 4 + 4 + 4 * count));
	buf_put_u32(run->answer, TPM2_RC_SUCCESS);
	buf_put_u8(run->answer, count < list->count);
	buf_put_u32(run->answer, TPM2_CAP_HANDLES);
	buf_put_u32(run->answer, (uint32_t)count);
	for (i = 0; i < count; i++)
		buf_put_u32(run->answer, list->handles[i]);
}

uint32_t capability_answer(struct run *run)
{
	struct list list = {.count = 0};
	struct question question;
	uint32_t rc = 0;
	size_t i;

	if (!read_question(run->view->parameters, &question))
		return TPM2_RC_SIZE;
	if (run->view->auth_count > 0)
		return TPM2_RC_AUTH_CONTEXT;
	for (i = 0; i < ARRAY_LEN(LISTS); i++)
		if (LISTS[i].type == handle_type(question.first))
			rc = LISTS[i].fill(run, question.first, &list);
	if (rc)
		return rc;
	put_list(run, &list, question.count);
	return 0;
}
