/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of all sessions we know what concerns dictionary attacks; of plain ones (no salt, not bound)
 * also the last nonce, with which a response can be made that its client takes for the chip's: the
 * key of its HMAC is empty (TPM 2.0 Part 1, "sessionKey Creation" and "HMAC Computation").
 */
#include <string.h>

#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"
#include "crypto/cipher.h"

static bool alg_of(uint16_t id, enum hash_alg *ret_alg)
{
	static const struct {
		uint16_t id;
		enum hash_alg alg;
	} known[] = {
		{TPM2_ALG_SHA1, HASH_SHA1},
		{TPM2_ALG_SHA256, HASH_SHA256},
		{TPM2_ALG_SHA384, HASH_SHA384},
		{TPM2_ALG_SHA512, HASH_SHA512},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].id != id)
			continue;
		*ret_alg = known[i].alg;
		return true;
	}
	return false;
}

/* Parameters of StartAuthSession (Part 3, 11.1): the hash is the last of them. */
static bool read_alg(struct slice parameters, enum hash_alg *ret_alg)
{
	if (parameters.len < 2)
		return false;
	parameters.data += parameters.len - 2;
	return alg_of((uint16_t)(parameters.data[0] << 8 | parameters.data[1]), ret_alg);
}

static void keep_nonce(struct vsession *session, struct slice nonce)
{
	session->nonce_len = 0;
	if (nonce.len > sizeof(session->nonce))
		return; /* no chip gives such a one */
	memcpy(session->nonce, nonce.data, nonce.len);
	session->nonce_len = nonce.len;
}

/* Behind header, handle and, where the command has sessions, the size of the parameters. */
static struct slice first_nonce(struct slice answer)
{
	struct cursor cursor = cursor_of(answer);
	bool has_sessions = cursor_u16(&cursor) == TPM2_ST_SESSIONS;

	(void)cursor_take(&cursor, WIRE_HEADER - 2 + 4);
	if (has_sessions)
		(void)cursor_u32(&cursor);
	return cursor_take(&cursor, cursor_u16(&cursor));
}

void vsession_began(struct run *run, struct held *held)
{
	const struct filter_view *view = run->view;
	struct vsession *session = &held->session;

	session->generation = ++run->broker->generation;
	if (view->handle_count < 2)
		return;
	session->da_bound = guesses_count_at(run, 1);
	session->plain = view->handles[0] == TPM2_RH_NULL && view->handles[1] == TPM2_RH_NULL &&
			 view->auth_count == 0 && read_alg(view->parameters, &session->alg);
	if (session->plain)
		keep_nonce(session, first_nonce(run_answer(run)));
}

/* Policy commands that change which authorisation the session will ask for. */
static void note_policy(struct run *run)
{
	struct held *held = run->held[0];

	if (!held || !held_is_session(held))
		return;
	switch (run->view->command->code) {
	case TPM2_CC_PolicyAuthValue:
	case TPM2_CC_PolicyPassword:
		held->session.needs_auth = true;
		break;
	case TPM2_CC_PolicyRestart:
		held->session.needs_auth = false;
		break;
	default:
		break;
	}
}

/* Response: .. parameterSize, parameters, then nonce, attributes and HMAC of each session. */
void vsession_note(struct run *run)
{
	struct cursor cursor = cursor_of(run_answer(run));
	size_t i;

	note_policy(run);
	if (cursor_u16(&cursor) != TPM2_ST_SESSIONS)
		return;
	(void)cursor_take(&cursor, WIRE_HEADER - 2);
	if (run->view->command->effects & (MAKES_OBJECT | MAKES_SEQUENCE | MAKES_SESSION))
		(void)cursor_u32(&cursor);
	(void)cursor_take(&cursor, cursor_u32(&cursor));
	for (i = 0; i < run->view->auth_count; i++) {
		struct slice nonce = cursor_take(&cursor, cursor_u16(&cursor));

		(void)cursor_u8(&cursor);
		(void)cursor_take(&cursor, cursor_u16(&cursor));
		if (run->sessions[i] && run->sessions[i]->session.plain)
			keep_nonce(&run->sessions[i]->session, nonce);
	}
}

/* --- answering in a plain session ---------------------------------------------------------- */

/* HMAC with an empty key over a hash of the parameters, both nonces and the attributes. */
static int hmac(const struct vsession *session, const uint8_t *hash, struct slice newer,
		struct slice older, uint8_t attributes, uint8_t *ret_mac)
{
	const struct slice parts[] = {
		slice_of(hash, hash_size(session->alg)),
		newer,
		older,
		slice_of(&attributes, 1),
	};
	struct err err;

	return hash_hmac(session->alg, slice_of(NULL, 0), parts, ARRAY_LEN(parts), ret_mac, &err);
}

static struct slice code_bytes(uint32_t code, uint8_t ret_bytes[4])
{
	size_t i;

	for (i = 0; i < 4; i++)
		ret_bytes[i] = (uint8_t)(code >> (24 - 8 * i));
	return slice_of(ret_bytes, 4);
}

uint32_t vsession_check(struct run *run, struct slice name)
{
	const struct filter_auth *auth = &run->view->auths[0];
	const struct vsession *session = &run->sessions[0]->session;
	uint8_t hash[HASH_MAX_SIZE], mac[HASH_MAX_SIZE], code[4], owner[4];
	const struct slice parts[] = {
		code_bytes(run->view->command->code, code),
		code_bytes(run->view->handles[0], owner), /* a hierarchy's Name is its handle */
		name,
		run->view->parameters,
	};
	struct err err;
	int r = hash_digest(session->alg, parts, ARRAY_LEN(parts), hash, &err);

	if (r == 0)
		r = hmac(session, hash, auth->nonce, slice_of(session->nonce, session->nonce_len),
			 auth->attributes, mac);
	if (r < 0)
		return run_fault(run, &err);
	if (!secret_equal(slice_of(mac, hash_size(session->alg)), auth->hmac))
		return TPM2_RC_BAD_AUTH + TPM2_RC_S + TPM2_RC_1;
	return 0;
}

static void put_answer(struct run *run, struct slice nonce, struct slice mac)
{
	uint8_t attributes = run->view->auths[0].attributes;

	buf_put_u16(run->answer, TPM2_ST_SESSIONS);
	buf_put_u32(run->answer, (uint32_t)(WIRE_HEADER + 4 + 2 + nonce.len + 1 + 2 + mac.len));
	buf_put_u32(run->answer, TPM2_RC_SUCCESS);
	buf_put_u32(run->answer, 0);
	buf_put_u16(run->answer, (uint16_t)nonce.len);
	buf_put(run->answer, nonce);
	buf_put_u8(run->answer, attributes);
	buf_put_u16(run->answer, (uint16_t)mac.len);
	buf_put(run->answer, mac);
}

/* The chip's nonce is another one from now on, so the session is at its end. */
static void spend(struct run *run, struct held *held)
{
	provider_guest_free(run->broker->p, TAKE(held->guest));
	if (!(run->view->auths[0].attributes & TPMA_SESSION_CONTINUESESSION))
		handles_drop(run->vchip, held);
}

uint32_t vsession_answer(struct run *run)
{
	const struct filter_auth *auth = &run->view->auths[0];
	uint8_t nonce[HASH_MAX_SIZE], hash[HASH_MAX_SIZE], mac[HASH_MAX_SIZE], code[4];
	uint8_t success[4] = {0};
	struct slice own, parts[2];
	struct held *held = run->sessions[0];
	struct err err;
	int r;

	if (!held) { /* a password: its response is as empty */
		put_answer(run, slice_of(NULL, 0), slice_of(NULL, 0));
		return 0;
	}
	own = slice_of(nonce, held->session.nonce_len);
	parts[0] = slice_of(success, sizeof(success));
	parts[1] = code_bytes(run->view->command->code, code);
	r = cipher_random(nonce, own.len, &err);
	if (r == 0)
		r = hash_digest(held->session.alg, parts, ARRAY_LEN(parts), hash, &err);
	if (r == 0)
		r = hmac(&held->session, hash, own, auth->nonce, auth->attributes, mac);
	if (r < 0)
		return run_fault(run, &err);
	put_answer(run, own, slice_of(mac, hash_size(held->session.alg)));
	spend(run, held);
	return 0;
}
