/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that the broker sends for itself: few, small, and without sessions. */
#include <string.h>

#include <tss2/tss2_tpm2_types.h>

#include "base/tpm_handles.h"
#include "broker/impl.h"

#define SIZE_AT	    2u	 /* of the command's size in its header */
#define HANDLES_ASK 254u /* TPM_MAX_CAP_HANDLES of the reference code */
#define PAGES_MAX   8u

void ask_begin(struct buf *command, uint32_t code)
{
	buf_put_u16(command, TPM2_ST_NO_SESSIONS);
	buf_put_u32(command, 0);
	buf_put_u32(command, code);
}

void ask_begin_password(struct buf *command, uint32_t code, uint32_t handle, struct slice password)
{
	buf_put_u16(command, TPM2_ST_SESSIONS);
	buf_put_u32(command, 0);
	buf_put_u32(command, code);
	buf_put_u32(command, handle);
	buf_put_u32(command, (uint32_t)(4 + 2 + 1 + 2 + password.len));
	buf_put_u32(command, TPM2_RS_PW);
	buf_put_u16(command, 0);
	buf_put_u8(command, TPMA_SESSION_CONTINUESESSION);
	buf_put_u16(command, (uint16_t)password.len);
	buf_put(command, password);
}

void ask_end(struct buf *command)
{
	size_t i;

	if (!buf_ok(command))
		return;
	for (i = 0; i < 4; i++)
		command->data[SIZE_AT + i] = (uint8_t)(command->len >> (24 - 8 * i));
}

int ask_chip(struct broker *broker, const struct ask *question, struct buf *ret_answer,
	     struct provider_guest **ret_made, struct err *err)
{
	struct guest_command command = {
		.bytes = question->command,
		.handle_count = question->has_handle,
		.handles = {question->handle},
		.session_count = 0,
		.makes = question->makes,
		.takes_slot = question->makes != GUEST_NONE,
	};
	struct provider_guest *made = NULL;
	struct cursor cursor = cursor_of(question->command);
	int r;

	if (cursor_u16(&cursor) == TPM2_ST_SESSIONS)
		command.session_count = 1; /* a password */
	r = provider_guest_run(broker->p, &command, ret_answer, &made, err);
	if (r == 0 && ret_made)
		*ret_made = made;
	else
		provider_guest_free(broker->p, made);
	return r;
}

/* --- ReadPublic ---------------------------------------------------------------------------- */

/* Response: outPublic, then name and qualifiedName, each with its size (Part 3, 12.4). */
static bool parse_public(struct slice answer, struct ask_public *ret_public)
{
	struct cursor cursor = cursor_of(answer), public;
	struct ask_public found = {.rc = response_code(answer)};
	struct slice area;

	if (found.rc) {
		*ret_public = found;
		return true;
	}
	(void)cursor_take(&cursor, WIRE_HEADER);
	area = cursor_take(&cursor, cursor_u16(&cursor));
	public = cursor_of(area);
	(void)cursor_u32(&public); /* type, nameAlg */
	found.attributes = cursor_u32(&public);
	found.names_len = cursor.rest.len;
	found.area_len = area.len;
	if (cursor.failed || public.failed || found.names_len > sizeof(found.names) ||
	    found.area_len > sizeof(found.area))
		return false;
	memcpy(found.area, area.data, found.area_len);
	memcpy(found.names, cursor.rest.data, found.names_len);
	*ret_public = found;
	return true;
}

enum source { KNOWN_OR_CHIP, CHIP };

static void begin_read_public(struct buf *command, uint32_t handle)
{
	ask_begin(command, TPM2_CC_ReadPublic);
	buf_put_u32(command, handle);
	ask_end(command);
}

static int read_public(struct broker *broker, struct provider_guest *guest, uint32_t handle,
		       enum source source, struct ask_public *ret_public, struct err *err)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64), answer = BUF_INIT(ASK_MAX);
	struct ask question = {.handle = guest, .has_handle = true};
	int r = 0;

	begin_read_public(&command, handle);
	if (!buf_ok(&command))
		return err_set(err, ERR_INTERNAL, "no memory for a command");
	question.command = buf_slice(&command);
	if (guest || source == CHIP || !constants_find(broker, question.command, &answer)) {
		r = ask_chip(broker, &question, &answer, NULL, err);
		if (r == 0 && !guest && !response_code(buf_slice(&answer)))
			constants_put(broker, question.command, buf_slice(&answer));
	}
	if (r == 0 && !parse_public(buf_slice(&answer), ret_public))
		r = err_set(err, ERR_TPM_FAILED, "the TPM's answer to ReadPublic makes no sense");
	return r;
}

/* Of a persistent key of the chip it is a constant, as long as nobody else is at the chip. */
int ask_read_public(struct broker *broker, struct provider_guest *guest, uint32_t handle,
		    struct ask_public *ret_public, struct err *err)
{
	return read_public(broker, guest, handle, KNOWN_OR_CHIP, ret_public, err);
}

int ask_read_public_now(struct broker *broker, uint32_t handle, struct ask_public *ret_public,
			struct err *err)
{
	return read_public(broker, NULL, handle, CHIP, ret_public, err);
}

void ask_forget_public(struct broker *broker, uint32_t handle)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);

	begin_read_public(&command, handle);
	if (buf_ok(&command))
		constants_forget(broker, buf_slice(&command));
	else
		constants_drop(&broker->constants);
}

struct slice ask_name(const struct ask_public *public)
{
	struct cursor cursor = cursor_of(slice_of(public->names, public->names_len));

	return cursor_take(&cursor, cursor_u16(&cursor));
}

/* --- lists of handles ---------------------------------------------------------------------- */

/* One page (Part 3, 30.2): moreData, capability, then a count and the handles. */
static int ask_page(struct broker *broker, uint32_t first, struct buf *ret_answer, struct err *err)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	struct ask question = {.has_handle = false};
	uint32_t rc;
	int r;

	ask_begin(&command, TPM2_CC_GetCapability);
	buf_put_u32(&command, TPM2_CAP_HANDLES);
	buf_put_u32(&command, first);
	buf_put_u32(&command, HANDLES_ASK);
	ask_end(&command);
	if (!buf_ok(&command))
		return err_set(err, ERR_INTERNAL, "no memory for a command");
	question.command = buf_slice(&command);
	r = ask_chip(broker, &question, ret_answer, NULL, err);
	if (r < 0)
		return r;
	rc = response_code(buf_slice(ret_answer));
	return rc ? err_set(err, ERR_TPM_FAILED, "the TPM refused to list handles (0x%x)", rc) : 0;
}

/* Up to where the list is known, and to where it is to go. */
struct walk {
	uint32_t *handles;
	size_t max, count;
	uint64_t next; /* the least that is not known of yet */
	bool more;
};

/* false where something is passed over, which would never be asked for again, or told twice. */
static bool walk_page(struct walk *walk, struct slice answer)
{
	struct cursor cursor = cursor_of(answer);
	uint32_t page[HANDLES_ASK], count, i;

	(void)cursor_take(&cursor, WIRE_HEADER);
	walk->more = cursor_u8(&cursor);
	(void)cursor_u32(&cursor);
	count = cursor_u32(&cursor);
	if (count > HANDLES_ASK)
		return false;
	for (i = 0; i < count; i++)
		page[i] = cursor_u32(&cursor);
	if (cursor.failed || !tpm_handles_in_order(page, count, walk->more, (uint32_t)walk->next))
		return false;
	for (i = 0; i < count && walk->count < walk->max; i++)
		walk->handles[walk->count++] = page[i];
	if (count > 0)
		walk->next = (uint64_t)page[count - 1] + 1;
	return true;
}

static int no_list(struct err *err)
{
	return err_set(err, ERR_TPM_FAILED, "the TPM's lists of handles make no sense");
}

int ask_handles(struct broker *broker, uint32_t first, uint32_t *ret_handles, size_t max,
		size_t *ret_count, struct err *err)
{
	struct walk walk = {.handles = ret_handles, .max = max, .next = first, .more = true};
	size_t page;
	int r;

	for (page = 0; walk.more && walk.count < max && walk.next <= UINT32_MAX; page++) {
		CLEANUP(buf_fini) struct buf answer = BUF_INIT(ASK_MAX);

		r = page < PAGES_MAX ? ask_page(broker, (uint32_t)walk.next, &answer, err)
				     : no_list(err);
		if (r == 0 && !walk_page(&walk, buf_slice(&answer)))
			r = no_list(err);
		if (r < 0)
			return r;
	}
	*ret_count = walk.count;
	return 0;
}
