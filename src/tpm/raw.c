/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Commands of others, byte for byte. Whoever filters them cannot tell our objects and sessions from
 * the client's by their handles, so nothing of ours is in the chip while one runs: it goes before
 * the first of a row, and again when commands of our own came between. Objects and sessions of
 * theirs that we do not know lie in slots that we count as free.
 */

#include <string.h>

#include "base/secret.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

#define HEADER_SIZE 10u

struct answer {
	uint8_t bytes[TRANSPORT_BUFFER];
	size_t len;
};

static uint32_t code_of(const struct answer *answer)
{
	struct cursor cursor = cursor_of(slice_of(answer->bytes, answer->len));

	(void)cursor_take(&cursor, 6); /* tag, size */
	return cursor_u32(&cursor);
}

/*
 * Part 1, "Command Header". With another tag a chip answers as a TPM 1.2, and where the length is
 * too large a simulator waits for the rest: both look like a chip that is lost.
 */
static bool is_whole(struct slice command)
{
	struct cursor cursor = cursor_of(command);
	uint16_t tag = cursor_u16(&cursor);

	return command.len >= HEADER_SIZE && command.len <= TRANSPORT_BUFFER &&
	       (tag == TPM2_ST_NO_SESSIONS || tag == TPM2_ST_SESSIONS) &&
	       cursor_u32(&cursor) == command.len;
}

static TSS2_RC exchange(struct engine *engine, struct slice command, struct answer *ret_answer)
{
	TSS2_TCTI_CONTEXT *tcti = transport_tcti(engine->line.transport);
	TSS2_RC rc = Tss2_Tcti_Transmit(tcti, command.len, command.data);

	ret_answer->len = sizeof(ret_answer->bytes);
	if (!rc)
		rc = Tss2_Tcti_Receive(tcti, &ret_answer->len, ret_answer->bytes,
				       TSS2_TCTI_TIMEOUT_BLOCK);
	return rc;
}

/* In failure mode a chip reaches nothing by any handle. */
static bool is_out(TSS2_RC rc)
{
	return !rc || (!rc_is_layer(rc) && rc_base(rc) == TPM2_RC_FAILURE);
}

/* Nothing of ours stays. Saved sessions of programs on /dev/tpmrm0 must survive raw_end. */
static TSS2_RC begin(struct engine *engine)
{
	TSS2_RC rc = resident_leave(engine);

	if (!is_out(rc))
		return rc;
	if (!engine->raw && !transport_is_managed(engine->line.transport)) {
		rc = chip_handles(engine, GROUP_SAVED_SESSION, &engine->before);
		if (rc_is_layer(rc))
			return rc;
		engine->raw = !rc;
	}
	rc = session_park(engine);
	return is_out(rc) ? TSS2_RC_SUCCESS : rc;
}

/* A saved session is still flushed by its handle, and ours is nobody else's to name. */
static bool flushes_ours(const struct engine *engine, struct slice command)
{
	struct cursor cursor = cursor_of(command);

	uint32_t handle;

	(void)cursor_take(&cursor, 6); /* tag, size */
	if (cursor_u32(&cursor) != TPM2_CC_FlushContext)
		return false;
	handle = cursor_u32(&cursor);
	for (size_t i = 0; i < LINE_SESSIONS; i++)
		if (engine->parked[i].len && engine->line.sessions[i].handle == handle)
			return true;
	return false;
}

/* As the chip answers where there is no such session. */
static void answer_absent(struct answer *ret_answer)
{
	static const uint8_t absent[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0xcb};

	memcpy(ret_answer->bytes, absent, sizeof(absent));
	ret_answer->len = sizeof(absent);
}

/*
 * Nothing of ours can make room any more. But our saved session may be the one that holds the
 * others up; and to send the same bytes again is safe, since a refused command moves no nonce
 * (Part 1, "Nonces").
 */
static TSS2_RC run(struct engine *engine, struct slice command, struct answer *ret_answer)
{
	TSS2_RC rc = begin(engine);

	if (!rc && flushes_ours(engine, command)) {
		answer_absent(ret_answer);
		return TSS2_RC_SUCCESS;
	}
	if (!rc)
		rc = exchange(engine, command, ret_answer);
	if (!rc && rc_want(code_of(ret_answer)) == RC_WANTS_GAP && session_renew(engine))
		rc = exchange(engine, command, ret_answer);
	if (!rc)
		(void)lockout_note(engine, code_of(ret_answer));
	return rc;
}

static void answer_wipe(struct answer *answer)
{
	wipe(answer, sizeof(*answer));
}

int engine_raw(struct engine *engine, struct slice command, struct buf *ret_answer, struct err *err)
{
	CLEANUP(answer_wipe) struct answer answer = {.len = 0};
	size_t before = ret_answer->len;
	TSS2_RC rc;
	int r;

	if (!is_whole(command))
		return err_set(err, ERR_INVALID, "these %zu bytes are no TPM command", command.len);
	r = engine_linked(engine, err);
	if (r < 0)
		return r;
	rc = run(engine, command, &answer);
	if (rc) {
		/* Nobody knows what it did: away with all that it may have left. */
		engine_drop(engine);
		transport_close(engine->line.transport);
		return rc_err(err, rc, "a raw command");
	}
	buf_put(ret_answer, slice_of(answer.bytes, answer.len));
	if (buf_ok(ret_answer))
		return 0;
	ret_answer->len = before;
	return err_set(err, ERR_INTERNAL, "no room for the TPM's answer");
}

bool raw_end_saved(struct engine *engine)
{
	if (!engine->raw)
		return false;
	session_end_parked(engine);
	return !chip_flush_group(engine, GROUP_SAVED_SESSION, &engine->before);
}

/*
 * Everything goes, ours too: who sends raw commands may have put something in its place. What must
 * come back as it was (a message under way) is saved before.
 */
static TSS2_RC empty(struct engine *engine)
{
	TSS2_RC rc = resident_leave(engine);

	session_discard(engine);
	if (rc)
		return rc;
	if (transport_is_managed(engine->line.transport)) {
		transport_close(engine->line.transport);
	} else {
		rc = chip_flush_group(engine, GROUP_TRANSIENT, NULL);
		if (!rc)
			rc = chip_flush_group(engine, GROUP_LOADED_SESSION, NULL);
		if (!rc && engine->raw)
			rc = chip_flush_group(engine, GROUP_SAVED_SESSION, &engine->before);
	}
	slots_unload(&engine->slots);
	memset(engine->others, 0, sizeof(engine->others));
	engine->raw = false;
	return rc;
}

int engine_raw_end(struct engine *engine, struct err *err)
{
	TSS2_RC rc;
	int r = engine_linked(engine, err);

	if (r < 0)
		return r;
	rc = empty(engine);
	if (rc) {
		engine_drop(engine);
		return rc_err(err, rc, "emptying the TPM's slots");
	}
	r = roots_verify(engine, err);
	if (r < 0)
		engine->ready = false;
	return r;
}
