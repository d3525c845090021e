/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/guests.h"

#include <stdlib.h>
#include <string.h>

#include <tss2/tss2_tpm2_types.h>

#define HEADER	   10u
#define NONCE_SIZE 16u
#define HASH_SIZE  32u

struct provider_guest {
	struct provider_guest *next;
	enum guest_kind kind;
	uint32_t handle;
	bool lost;
	uint32_t attributes;
	uint64_t name;
};

static struct guests *guests_of(const struct provider *p)
{
	return (struct guests *)(uintptr_t)p;
}

static uint64_t mix(uint64_t hash, struct slice bytes)
{
	size_t i;

	for (i = 0; i < bytes.len; i++)
		hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
	return hash;
}

/* --- guests -------------------------------------------------------------------------------- */

static struct provider_guest *add(struct guests *guests, enum guest_kind kind)
{
	struct provider_guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		abort();
	guest->kind = kind;
	guest->handle = kind == GUEST_SESSION ? guests->next_session++ : guests->next_object++;
	guest->next = guests->first;
	guests->first = guest;
	guests->alive++;
	return guest;
}

static void guest_free(struct provider *p, struct provider_guest *guest)
{
	struct guests *guests = guests_of(p);
	struct provider_guest **at = &guests->first;

	while (*at != guest)
		at = &(*at)->next;
	*at = guest->next;
	guests->alive--;
	free(guest);
}

static uint32_t guest_handle(const struct provider *p, const struct provider_guest *guest)
{
	(void)p;
	return guest->handle;
}

static bool guest_lost(const struct provider *p, const struct provider_guest *guest)
{
	(void)p;
	return guest->lost;
}

void guests_lose(struct guests *guests, struct provider_guest *guest)
{
	(void)guests;
	guest->lost = true;
}

static unsigned count_sessions(const struct guests *guests)
{
	const struct provider_guest *guest;
	unsigned count = 0;

	for (guest = guests->first; guest; guest = guest->next)
		count += guest->kind == GUEST_SESSION && !guest->lost;
	return count;
}

/* --- a command ----------------------------------------------------------------------------- */

struct command {
	uint16_t tag;
	uint32_t code;
	uint32_t handle; /* its first one as it came, 0 = none */
	struct slice parameters;
	struct slice nonces[GUEST_SESSIONS_MAX];
	uint8_t attributes[GUEST_SESSIONS_MAX];
};

static void take_apart(const struct guest_command *guest, struct command *ret_command)
{
	struct cursor cursor = cursor_of(guest->bytes), area;
	size_t i;

	ret_command->tag = cursor_u16(&cursor);
	(void)cursor_u32(&cursor);
	ret_command->code = cursor_u32(&cursor);
	for (i = 0; i < guest->handle_count; i++) {
		uint32_t handle = cursor_u32(&cursor);

		if (i == 0)
			ret_command->handle = handle;
	}
	area = cursor_of(slice_of(NULL, 0));
	if (ret_command->tag == TPM2_ST_SESSIONS)
		area = cursor_of(cursor_take(&cursor, cursor_u32(&cursor)));
	for (i = 0; i < guest->session_count; i++) {
		(void)cursor_u32(&area);
		ret_command->nonces[i] = cursor_take(&area, cursor_u16(&area));
		ret_command->attributes[i] = cursor_u8(&area);
		(void)cursor_take(&area, cursor_u16(&area));
	}
	ret_command->parameters = cursor.rest;
}

/* As it goes to a chip: with its handles. */
static void keep_last(struct guests *guests, const struct guest_command *command)
{
	size_t i, j;

	guests->last_len = command->bytes.len < sizeof(guests->last) ? command->bytes.len
								     : sizeof(guests->last);
	memcpy(guests->last, command->bytes.data, guests->last_len);
	for (i = 0; i < command->handle_count; i++)
		for (j = 0; command->handles[i] && j < 4; j++)
			guests->last[HEADER + 4 * i + j] =
				(uint8_t)(command->handles[i]->handle >> (24 - 8 * j));
}

static uint32_t find_fault(const struct guests *guests, const struct guest_command *command)
{
	size_t i;

	for (i = 0; i < command->handle_count; i++)
		if (command->handles[i] && command->handles[i]->lost)
			return TPM2_RC_REFERENCE_H0 + (uint32_t)i;
	for (i = 0; i < command->session_count; i++)
		if (command->sessions[i] && command->sessions[i]->lost)
			return TPM2_RC_REFERENCE_S0 + (uint32_t)i;
	if (command->makes == GUEST_SESSION && guests->sessions_max &&
	    count_sessions(guests) >= guests->sessions_max)
		return TPM2_RC_SESSION_HANDLES;
	return 0;
}

/* --- its parameters ------------------------------------------------------------------------ */

static void put_name(struct buf *answer, uint64_t name)
{
	uint8_t digest[HASH_SIZE - 8] = {0};

	buf_put_u16(answer, 2 + HASH_SIZE);
	buf_put_u16(answer, TPM2_ALG_SHA256);
	buf_put_u64(answer, name);
	buf_put(answer, slice_of(digest, sizeof(digest)));
}

static void put_area(struct buf *answer, uint32_t attributes)
{
	buf_put_u16(answer, 2 + 2 + 4);
	buf_put_u16(answer, TPM2_ALG_ECC);
	buf_put_u16(answer, TPM2_ALG_SHA256);
	buf_put_u32(answer, attributes);
}

/* Of a persistent key: what the test says of this one, or of all. */
static void put_persistent(const struct guests *guests, uint32_t handle, struct buf *answer)
{
	uint32_t attributes = guests->attributes;
	uint64_t name = guests->seed;
	size_t i;

	for (i = 0; i < GUESTS_LIST_MAX; i++)
		if (guests->persistent[i] == handle && guests->keys[i].attributes) {
			attributes = guests->keys[i].attributes;
			name = guests->keys[i].name;
		}
	put_area(answer, attributes);
	put_name(answer, name);
	put_name(answer, name);
}

static void put_public(struct guests *guests, const struct guest_command *guest,
		       const struct command *command, struct buf *answer)
{
	const struct provider_guest *named = guest->handles[0];

	if (!named) {
		put_persistent(guests, command->handle, answer);
		return;
	}
	put_area(answer, named->attributes);
	put_name(answer, named->name);
	put_name(answer, ~named->name);
}

/* CreatePrimary: outPublic, creationData, creationHash, creationTicket, name. */
static void put_primary(const struct provider_guest *made, struct buf *answer)
{
	if (!made)
		return;
	put_area(answer, made->attributes);
	buf_put_u16(answer, 0);
	buf_put_u16(answer, 0);
	buf_put_u16(answer, TPM2_ST_CREATION);
	buf_put_u32(answer, TPM2_RH_OWNER);
	buf_put_u16(answer, 0);
	put_name(answer, made->name);
}

static void put_handles(const struct guests *guests, const struct command *command,
			struct buf *answer)
{
	struct cursor cursor = cursor_of(command->parameters);
	uint32_t first, found[GUESTS_LIST_MAX];
	const uint32_t *list;
	size_t count = 0, told, i;

	(void)cursor_u32(&cursor);
	first = cursor_u32(&cursor);
	list = first >> 24 == TPM2_HT_PERSISTENT ? guests->persistent : guests->nv;
	for (i = 0; i < GUESTS_LIST_MAX && list[i]; i++)
		if (list[i] >= first)
			found[count++] = list[i];
	told = guests->page && guests->page < count ? guests->page : count;
	buf_put_u8(answer, told < count);
	buf_put_u32(answer, TPM2_CAP_HANDLES);
	buf_put_u32(answer, (uint32_t)told);
	for (i = 0; i < told; i++)
		buf_put_u32(answer, found[i]);
}

/* One property, and the number of this command, by which a test knows it again. */
static void put_property(const struct guests *guests, const struct command *command,
			 struct buf *answer)
{
	struct cursor cursor = cursor_of(command->parameters);
	uint32_t capability = cursor_u32(&cursor);

	uint32_t property = cursor_u32(&cursor);

	if (capability == TPM2_CAP_HANDLES) {
		put_handles(guests, command, answer);
		return;
	}
	buf_put_u8(answer, 0);
	buf_put_u32(answer, capability);
	buf_put_u32(answer, 1);
	buf_put_u32(answer, property);
	buf_put_u32(answer,
		    property == TPM2_PT_LOCKOUT_COUNTER ? guests->counter : guests->commands);
}

static void put_nonce(struct buf *answer, unsigned number)
{
	size_t i;

	buf_put_u16(answer, NONCE_SIZE);
	for (i = 0; i < NONCE_SIZE; i++)
		buf_put_u8(answer, (uint8_t)(number + i));
}

static void put_parameters(struct guests *guests, const struct guest_command *guest,
			   const struct command *command, const struct provider_guest *made,
			   struct buf *answer)
{
	switch (command->code) {
	case TPM2_CC_ReadPublic:
		put_public(guests, guest, command, answer);
		break;
	case TPM2_CC_CreatePrimary:
		put_primary(made, answer);
		break;
	case TPM2_CC_GetCapability:
		put_property(guests, command, answer);
		break;
	case TPM2_CC_StartAuthSession:
		put_nonce(answer, guests->commands);
		break;
	case TPM2_CC_NV_ReadPublic:
		buf_put_u16(answer, 4 + 2 + 4);
		buf_put_u32(answer, command->handle);
		buf_put_u16(answer, TPM2_ALG_SHA256);
		buf_put_u32(answer, guests->attributes);
		break;
	case TPM2_CC_CreateLoaded: /* outPrivate, outPublic and name */
		buf_put_u16(answer, 1);
		buf_put_u8(answer, 'p');
		put_area(answer, guests->attributes);
		if (made)
			put_name(answer, made->name);
		break;
	default:
		break;
	}
}

/* --- its response -------------------------------------------------------------------------- */

static void put_sessions(struct guests *guests, const struct guest_command *guest,
			 const struct command *command, struct buf *answer)
{
	size_t i;

	for (i = 0; i < guest->session_count; i++) {
		if (guest->sessions[i])
			put_nonce(answer, guests->commands + 100 * (unsigned)i);
		else
			buf_put_u16(answer, 0);
		buf_put_u8(answer, command->attributes[i]);
		buf_put_u16(answer, 0);
	}
}

/* What made it: the parent's Name, and the second parameter, which is the public part. */
static void describe(const struct guests *guests, const struct guest_command *guest,
		     const struct command *command, struct provider_guest *made)
{
	struct cursor cursor = cursor_of(command->parameters);
	const struct provider_guest *parent = guest->handle_count ? guest->handles[0] : NULL;

	(void)cursor_take(&cursor, cursor_u16(&cursor));
	if (made->kind == GUEST_SESSION) {
		(void)cursor_take(&cursor, cursor_u16(&cursor));
		if (cursor_u8(&cursor) != TPM2_SE_HMAC)
			made->handle += TPM2_POLICY_SESSION_FIRST - TPM2_HMAC_SESSION_FIRST;
		return;
	}
	made->name = mix(guests->seed + (parent ? parent->name : command->handle), cursor.rest);
	(void)cursor_take(&cursor, 2 + 2 + 2);
	made->attributes = cursor_u32(&cursor);
}

static void put_header(struct buf *answer, uint16_t tag, size_t size, uint32_t rc)
{
	buf_put_u16(answer, tag);
	buf_put_u32(answer, (uint32_t)size);
	buf_put_u32(answer, rc);
}

static void succeed(struct guests *guests, const struct guest_command *guest,
		    const struct command *command, struct provider_guest *made, struct buf *answer)
{
	struct buf parameters = BUF_INIT(GUEST_BYTES_MAX), sessions = BUF_INIT(GUEST_BYTES_MAX);
	bool has_sessions = command->tag == TPM2_ST_SESSIONS;

	put_parameters(guests, guest, command, made, &parameters);
	if (has_sessions)
		put_sessions(guests, guest, command, &sessions);
	put_header(answer, command->tag,
		   HEADER + (made ? 4 : 0) + (has_sessions ? 4 : 0) + parameters.len + sessions.len,
		   0);
	if (made)
		buf_put_u32(answer, made->handle);
	if (has_sessions)
		buf_put_u32(answer, (uint32_t)parameters.len);
	buf_put(answer, buf_slice(&parameters));
	buf_put(answer, buf_slice(&sessions));
	buf_fini(&parameters);
	buf_fini(&sessions);
}

static void end(const struct guest_command *command)
{
	size_t i;

	for (i = 0; i < command->session_count; i++)
		if (command->ends_sessions & 1u << i && command->sessions[i])
			command->sessions[i]->lost = true;
	for (i = 0; i < command->handle_count; i++)
		if (command->ends_handles & 1u << i && command->handles[i])
			command->handles[i]->lost = true;
}

static uint32_t take_answer(struct guests *guests, uint32_t code)
{
	uint32_t answer = guests->answer;

	if (guests->answer_to && guests->answer_to != code)
		return 0;
	guests->answer = 0;
	return answer;
}

static int run(struct provider *p, const struct guest_command *guest, struct buf *ret_answer,
	       struct provider_guest **ret_made, struct err *err)
{
	struct guests *guests = guests_of(p);
	struct command command = {.code = 0};
	struct provider_guest *made = NULL;
	int fails = guests->fails;
	uint32_t rc;

	guests->commands++;
	guests->fails = 0;
	if (fails)
		return err_set(err, fails, "as the test wants it");
	if (guests->resets)
		guests_reset(guests);
	take_apart(guest, &command);
	keep_last(guests, guest);
	rc = find_fault(guests, guest);
	if (!rc)
		rc = take_answer(guests, command.code);
	if (rc) {
		put_header(ret_answer, TPM2_ST_NO_SESSIONS, HEADER, rc);
		*ret_made = NULL;
		return 0;
	}
	if (guest->makes != GUEST_NONE) {
		made = add(guests, guest->makes);
		describe(guests, guest, &command, made);
	}
	succeed(guests, guest, &command, made, ret_answer);
	end(guest);
	*ret_made = made;
	return 0;
}

/* --- contexts ------------------------------------------------------------------------------ */

static int save(struct provider *p, struct provider_guest *guest, struct buf *ret_context,
		struct err *err)
{
	struct guests *guests = guests_of(p);

	if (guest->lost)
		return err_set(err, ERR_NOT_FOUND, "it is lost");
	buf_put_u64(ret_context, guests->commands);
	buf_put_u32(ret_context, guest->kind == GUEST_SEQUENCE ? 0x80000001u : 0x80000000u);
	buf_put_u32(ret_context, TPM2_RH_OWNER);
	buf_put_u16(ret_context, 8 + 8 + 4);
	buf_put_u64(ret_context, guests->epoch);
	buf_put_u64(ret_context, guest->name);
	buf_put_u32(ret_context, guest->attributes);
	return 0;
}

static int load(struct provider *p, enum guest_kind kind, struct slice context, uint32_t *ret_rc,
		struct provider_guest **ret_guest, struct err *err)
{
	struct guests *guests = guests_of(p);
	struct cursor cursor = cursor_of(context);
	struct provider_guest *guest;
	int fails = guests->fails;

	guests->commands++;
	guests->fails = 0;
	if (fails)
		return err_set(err, fails, "as the test wants it");
	(void)cursor_take(&cursor, 8 + 4 + 4 + 2);
	if (cursor_u64(&cursor) != guests->epoch) {
		*ret_rc = TPM2_RC_INTEGRITY + TPM2_RC_P + TPM2_RC_1;
		return 0;
	}
	guest = add(guests, kind);
	guest->name = cursor_u64(&cursor);
	guest->attributes = cursor_u32(&cursor);
	*ret_rc = 0;
	*ret_guest = guest;
	return 0;
}

/* --- the rest ------------------------------------------------------------------------------ */

static uint64_t epoch(const struct provider *p)
{
	return guests_of(p)->epoch;
}

static void lockout(const struct provider *p, struct guest_lockout *ret_lockout)
{
	*ret_lockout = guests_of(p)->lockout;
}

static const struct guest_ops OPS = {
	.run = run,
	.save = save,
	.load = load,
	.handle = guest_handle,
	.lost = guest_lost,
	.free = guest_free,
	.epoch = epoch,
	.lockout = lockout,
};

static const struct provider_ops PROVIDER = {
	.name = "guests",
	.kind = PROVIDER_TPM,
	.protection = "none",
	.on_chip = true,
	.guests = &OPS,
};

void guests_init(struct guests *guests)
{
	*guests = (struct guests){
		.provider.ops = &PROVIDER,
		.next_object = 0x80000000u,
		.next_session = TPM2_HMAC_SESSION_FIRST,
		.epoch = 1,
		.attributes = GUESTS_EK,
	};
}

void guests_fini(struct guests *guests)
{
	while (guests->first)
		guest_free(&guests->provider, guests->first);
}

void guests_reset(struct guests *guests)
{
	struct provider_guest *guest;

	for (guest = guests->first; guest; guest = guest->next)
		guest->lost = true;
	guests->resets = false;
	guests->epoch++;
}
