/* SPDX-License-Identifier: Apache-2.0 */

#include "tpm/test_guests.h"

#include <string.h>

#include "tpm/impl.h"

#define NOBODY 0x80fedcbau /* what a client sees of its objects, and no chip knows */

#define EXCLUSIVE 0x02u /* the chip's remark on an audit session */

static void put_session(struct buf *command, struct held_session *held, uint8_t attributes,
			const uint8_t hmac[SESSION_HASH_SIZE])
{
	buf_put_u32(command, held ? held->session.handle : TPM2_RS_PW);
	if (!held) {
		buf_put_u16(command, 0);
		buf_put_u8(command, 1);
		buf_put_u16(command, 0);
		return;
	}
	buf_put_u16(command, SESSION_HASH_SIZE);
	buf_put(command, slice_of(held->session.nonce_caller, SESSION_HASH_SIZE));
	buf_put_u8(command, attributes);
	buf_put_u16(command, SESSION_HASH_SIZE);
	buf_put(command, slice_of(hmac, SESSION_HASH_SIZE));
}

static void put_area(struct bench *bench, const struct ask *ask, struct buf *command)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(512);
	uint8_t code[4] = {0, 0, (uint8_t)(ask->code >> 8), (uint8_t)ask->code};
	struct slice parts[4] = {slice_of(code, 4)};
	uint8_t hmac[SESSION_HASH_SIZE] = {0};
	size_t i, n = 1;

	for (i = 0; i < ask->handle_count; i++)
		parts[n++] = ask->names[i];
	parts[n++] = ask->parameters;
	for (i = 0; i < ask->session_count; i++) {
		struct held_session *held = ask->sessions[i];
		struct session_use use = {.attributes = ask->attributes[i]};

		if (held) {
			assert_int_equal(session_roll(&held->session, &bench->err), 0);
			assert_int_equal(session_command_hmac(&held->session, &use, parts, n, hmac,
							      &bench->err),
					 0);
		}
		put_session(&area, held, ask->attributes[i], hmac);
	}
	buf_put_u32(command, (uint32_t)area.len);
	buf_put(command, buf_slice(&area));
}

static void build(struct bench *bench, const struct ask *ask, struct buf *command,
		  struct engine_guest_command *ret_command)
{
	struct engine_guest_command built = {.handle_count = ask->handle_count,
					     .session_count = ask->session_count,
					     .makes = ask->makes,
					     .takes_slot = ask->takes_slot,
					     .ends_handles = ask->ends_handles};
	size_t i;

	raw_begin(command, ask->session_count ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, ask->code);
	for (i = 0; i < ask->handle_count; i++) {
		buf_put_u32(command, ask->handles[i] ? ask->handles[i] : NOBODY);
		built.handles[i] = ask->guests[i];
	}
	if (ask->session_count)
		put_area(bench, ask, command);
	for (i = 0; i < ask->session_count; i++) {
		built.sessions[i] = ask->sessions[i] ? ask->sessions[i]->guest : NULL;
		if (ask->sessions[i] && !(ask->attributes[i] & SESSION_CONTINUE))
			built.ends_sessions |= 1u << i;
	}
	buf_put(command, ask->parameters);
	raw_end(command);
	built.bytes = buf_slice(command);
	*ret_command = built;
}

/* Each session's nonce goes on. */
static void accept(struct bench *bench, const struct ask *ask, struct cursor *cursor,
		   struct slice parameters)
{
	for (size_t i = 0; i < ask->session_count; i++) {
		struct session_use use = {.attributes = ask->attributes[i]};
		struct session_answer answer = {.code = ask->code, .parameters = parameters};

		answer.nonce_tpm = cursor_take(cursor, cursor_u16(cursor));
		answer.attributes = cursor_u8(cursor);
		use.attributes |= answer.attributes & EXCLUSIVE;
		answer.hmac = cursor_take(cursor, cursor_u16(cursor));
		if (ask->sessions[i])
			assert_int_equal(session_accept(&ask->sessions[i]->session, &use, &answer,
							&bench->err),
					 0);
	}
}

uint32_t ask(struct bench *bench, const struct ask *ask, struct buf *ret_answer,
	     struct engine_guest **ret_made)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	struct engine_guest_command built;
	struct engine_guest *made = NULL;
	struct cursor cursor;
	struct slice parameters;
	uint32_t code;

	build(bench, ask, &command, &built);
	assert_int_equal(engine_guest_run(bench->engine, &built, &answer, &made, &bench->err), 0);
	cursor = cursor_of(buf_slice(&answer));
	(void)cursor_take(&cursor, 6);
	code = cursor_u32(&cursor);
	assert_int_equal(made != NULL, !code && ask->makes);
	if (code) {
		assert_int_equal(answer.len, 10);
		return code;
	}
	if (made) {
		assert_int_equal(cursor_u32(&cursor), engine_guest_handle(bench->engine, made));
		*ret_made = made;
	}
	parameters = ask->session_count ? cursor_take(&cursor, cursor_u32(&cursor)) : cursor.rest;
	accept(bench, ask, &cursor, parameters);
	assert_false(cursor.failed);
	if (ret_answer) {
		buf_reset(ret_answer);
		buf_put(ret_answer, parameters);
		assert_true(buf_ok(ret_answer));
	}
	return 0;
}

int ask_fails(struct bench *bench, const struct ask *ask)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	struct engine_guest_command built;
	struct engine_guest *made = NULL;
	int r;

	build(bench, ask, &command, &built);
	r = engine_guest_run(bench->engine, &built, &answer, &made, &bench->err);
	assert_null(made);
	assert_int_equal(answer.len, 0);
	return r;
}

/* --- objects ------------------------------------------------------------------------------- */

void sealed_fini(struct sealed *sealed)
{
	buf_fini(&sealed->made);
	buf_fini(&sealed->name);
}

void sealed_make(struct bench *bench, const char *text, struct sealed *ret_sealed)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf template = BUF_INIT(1024);
	struct ask create = {.code = TPM2_CC_Create,
			     .handle_count = 1,
			     .handles = {bench->engine->srk.handle},
			     .session_count = 1,
			     .takes_slot = true};
	struct cursor cursor;
	TPM2B_PUBLIC public;

	public_sealed(&public);
	assert_int_equal(public_marshal(&public, &template, &bench->err), 0);
	buf_put_u16(&parameters, (uint16_t)(4 + strlen(text)));
	buf_put_u16(&parameters, 0);
	buf_put_u16(&parameters, (uint16_t)strlen(text));
	buf_put_str(&parameters, text);
	buf_put(&parameters, buf_slice(&template));
	buf_put_u16(&parameters, 0);
	buf_put_u32(&parameters, 0);
	create.parameters = buf_slice(&parameters);
	assert_int_equal(ask(bench, &create, &answer, NULL), 0);
	cursor = cursor_of(buf_slice(&answer));
	for (int i = 0; i < 2; i++) {
		uint16_t len = cursor_u16(&cursor);

		buf_put_u16(&ret_sealed->made, len);
		buf_put(&ret_sealed->made, cursor_take(&cursor, len));
	}
	assert_false(cursor.failed);
}

uint32_t sealed_load(struct bench *bench, struct sealed *sealed, struct engine_guest **ret_guest)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	struct ask load = {.code = TPM2_CC_Load,
			   .handle_count = 1,
			   .handles = {bench->engine->srk.handle},
			   .session_count = 1,
			   .parameters = buf_slice(&sealed->made),
			   .makes = ENGINE_GUEST_OBJECT};
	uint32_t code = ask(bench, &load, &answer, ret_guest);
	struct cursor cursor = cursor_of(buf_slice(&answer));

	buf_reset(&sealed->name);
	if (!code)
		buf_put(&sealed->name, cursor_take(&cursor, cursor_u16(&cursor)));
	return code;
}

uint32_t guest_unseal(struct bench *bench, struct engine_guest *guest, const char *expected)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	const struct ask unseal = {
		.code = TPM2_CC_Unseal, .handle_count = 1, .guests = {guest}, .session_count = 1};
	uint32_t code = ask(bench, &unseal, &answer, NULL);

	if (!code)
		assert_true(slice_equal(slice_of(answer.data + 2, answer.len - 2),
					slice_str(expected)));
	return code;
}

uint32_t guest_unseal_by(struct bench *bench, struct engine_guest *guest,
			 const struct sealed *sealed, struct held_session *session)
{
	const struct ask unseal = {.code = TPM2_CC_Unseal,
				   .handle_count = 1,
				   .guests = {guest},
				   .names = {buf_slice(&sealed->name)},
				   .session_count = 1,
				   .sessions = {session},
				   .attributes = {SESSION_CONTINUE}};

	return ask(bench, &unseal, NULL, NULL);
}

uint32_t guest_primary(struct bench *bench, struct engine_guest **ret_guest)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf template = BUF_INIT(1024);
	struct ask create = {.code = TPM2_CC_CreatePrimary,
			     .handle_count = 1,
			     .handles = {TPM2_RH_OWNER},
			     .session_count = 1,
			     .makes = ENGINE_GUEST_OBJECT};
	TPM2B_PUBLIC public;

	assert_int_equal(public_storage(PKEY_ECC_P256, &public, &bench->err), 0);
	assert_int_equal(public_marshal(&public, &template, &bench->err), 0);
	buf_put_u16(&parameters, 4);
	buf_put_u32(&parameters, 0);
	buf_put(&parameters, buf_slice(&template));
	buf_put_u16(&parameters, 0);
	buf_put_u32(&parameters, 0);
	create.parameters = buf_slice(&parameters);
	return ask(bench, &create, NULL, ret_guest);
}

uint32_t guest_read(struct bench *bench, struct engine_guest *guest)
{
	const struct ask read = {.code = TPM2_CC_ReadPublic, .handle_count = 1, .guests = {guest}};

	return ask(bench, &read, NULL, NULL);
}

/* --- sequences ----------------------------------------------------------------------------- */

uint32_t guest_sequence(struct bench *bench, struct engine_guest **ret_guest)
{
	static const uint8_t parameters[] = {0, 0, 0, TPM2_ALG_SHA256};
	const struct ask start = {.code = TPM2_CC_HashSequenceStart,
				  .parameters = slice_of(parameters, sizeof(parameters)),
				  .makes = ENGINE_GUEST_SEQUENCE};

	return ask(bench, &start, NULL, ret_guest);
}

uint32_t guest_update(struct bench *bench, struct engine_guest *guest, const char *text)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(1024);
	struct ask update = {.code = TPM2_CC_SequenceUpdate,
			     .handle_count = 1,
			     .guests = {guest},
			     .session_count = 1};

	buf_put_u16(&parameters, (uint16_t)strlen(text));
	buf_put_str(&parameters, text);
	update.parameters = buf_slice(&parameters);
	return ask(bench, &update, NULL, NULL);
}

uint32_t guest_complete(struct bench *bench, struct engine_guest *guest, const char *whole)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(1024);
	struct ask complete = {.code = TPM2_CC_SequenceComplete,
			       .handle_count = 1,
			       .guests = {guest},
			       .session_count = 1,
			       .ends_handles = 1};
	struct slice text = slice_str(whole);
	uint8_t digest[HASH_MAX_SIZE];
	uint32_t code;

	buf_put_u16(&parameters, 0);
	buf_put_u32(&parameters, TPM2_RH_NULL);
	complete.parameters = buf_slice(&parameters);
	code = ask(bench, &complete, &answer, NULL);
	if (code)
		return code;
	assert_int_equal(hash_digest(HASH_SHA256, &text, 1, digest, &bench->err), 0);
	assert_memory_equal(answer.data + 2, digest, 32);
	return 0;
}

/* --- sessions ------------------------------------------------------------------------------ */

uint32_t guest_session(struct bench *bench, uint8_t type, bool salted,
		       struct held_session *ret_session)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(1024);
	const uint8_t nonce[SESSION_HASH_SIZE] = {type, 7};
	uint8_t salt[SESSION_HASH_SIZE];
	TPM2B_ENCRYPTED_SECRET sealed = {0};
	const struct ask start = {
		.code = TPM2_CC_StartAuthSession,
		.handle_count = 2,
		.handles = {salted ? bench->engine->srk.handle : TPM2_RH_NULL, TPM2_RH_NULL},
		.makes = ENGINE_GUEST_SESSION};
	struct ask filled = start;
	struct cursor cursor;
	uint32_t code;

	if (salted)
		assert_int_equal(share_make(&bench->engine->srk_public, "SECRET", salt, &sealed,
					    &bench->err),
				 0);
	buf_put_u16(&parameters, sizeof(nonce));
	buf_put(&parameters, slice_of(nonce, sizeof(nonce)));
	buf_put_u16(&parameters, sealed.size);
	buf_put(&parameters, slice_of(sealed.secret, sealed.size));
	buf_put_u8(&parameters, type);
	buf_put_u16(&parameters, TPM2_ALG_AES);
	buf_put_u16(&parameters, 128);
	buf_put_u16(&parameters, TPM2_ALG_CFB);
	buf_put_u16(&parameters, TPM2_ALG_SHA256);
	filled.parameters = buf_slice(&parameters);
	*ret_session = (struct held_session){0};
	code = ask(bench, &filled, &answer, &ret_session->guest);
	if (code)
		return code;
	cursor = cursor_of(buf_slice(&answer));
	assert_int_equal(session_begin(&ret_session->session,
				       engine_guest_handle(bench->engine, ret_session->guest),
				       slice_of(salt, salted ? sizeof(salt) : 0),
				       slice_of(nonce, sizeof(nonce)),
				       cursor_take(&cursor, cursor_u16(&cursor)), &bench->err),
			 0);
	return 0;
}

uint32_t guest_random(struct bench *bench, struct held_session *session)
{
	static const uint8_t parameters[] = {0, 16};
	const struct ask random = {.code = TPM2_CC_GetRandom,
				   .session_count = 1,
				   .sessions = {session},
				   .attributes = {SESSION_ENCRYPT | SESSION_CONTINUE},
				   .parameters = slice_of(parameters, sizeof(parameters))};

	return ask(bench, &random, NULL, NULL);
}

uint32_t guest_policy(struct bench *bench, struct held_session *session)
{
	const struct ask digest = {.code = TPM2_CC_PolicyGetDigest,
				   .handle_count = 1,
				   .handles = {session->session.handle},
				   .guests = {session->guest}};

	return ask(bench, &digest, NULL, NULL);
}
