/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Raw commands of tenants. The first bytes choose the set, lists and what follows: what a client
 * sends as it is, or choices of which a command is made (craft.h). What passes was understood up to
 * its parameters, which is looked at by a reading of our own, and names no handle that the set
 * forbids; what does not pass has a whole response, which is what a TPM would have said.
 */

#include <string.h>

#include "broker/filter.h"
#include "broker/wire.h"
#include "tests/fuzz/craft.h"
#include "tests/fuzz/fuzz.h"

#define OWNER	    UINT32_C(0x40000001)
#define LOCKOUT	    UINT32_C(0x4000000a)
#define ENDORSEMENT UINT32_C(0x4000000b)
#define PLATFORM    UINT32_C(0x4000000c)
#define PASSWORD    UINT32_C(0x40000009)
#define SRK	    UINT32_C(0x81000001)

static const uint32_t RESERVED[] = {CRAFT_RESERVED_HSK, CRAFT_RESERVED_EK};

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void check_response(struct slice response)
{
	FUZZ_REQUIRE(response.len == WIRE_HEADER);
	FUZZ_REQUIRE(get_u32(response.data + 2) == response.len);
	FUZZ_REQUIRE(response.data[0] == 0x80 && response.data[1] == 0x01);
}

/* Where nothing wider was granted. */
static void check_narrow(const struct filter_facts *facts, const struct filter_view *view,
			 uint32_t handle, size_t i)
{
	const char *name = view->command->name;
	bool provision = facts->policy.set == SET_PROVISION;

	FUZZ_REQUIRE(handle != OWNER || !strcmp(name, "CreatePrimary") ||
		     !strcmp(name, "EvictControl") ||
		     (provision && !strcmp(name, "NV_Read") && i == 0));
	FUZZ_REQUIRE(handle != ENDORSEMENT || !strcmp(name, "CreatePrimary") ||
		     !strcmp(name, "PolicySecret"));
	FUZZ_REQUIRE(handle != LOCKOUT || (provision && view->handle_count == 1));
	FUZZ_REQUIRE(handle >> 24 != 0);
	FUZZ_REQUIRE(handle >> 24 != 1 || (handle >= 0x01c00000 && handle <= 0x01c07fff));
	FUZZ_REQUIRE(handle >> 24 != 0x81 || handle < 0x81800000);
}

static void check_handle(const struct filter_facts *facts, const struct filter_view *view, size_t i)
{
	uint32_t handle = view->handles[i];

	FUZZ_REQUIRE(handle == get_u32(view->bytes.data + WIRE_HEADER + 4 * i));
	FUZZ_REQUIRE(handle != PLATFORM);
	FUZZ_REQUIRE(handle != RESERVED[0] && handle != RESERVED[1]);
	FUZZ_REQUIRE(handle != LOCKOUT ||
		     !strcmp(view->command->name, "DictionaryAttackParameters"));
	if (facts->policy.set < SET_FULL && !command_list_has(&facts->policy.allow, view->command))
		check_narrow(facts, view, handle, i);
}

/* Where @view's pieces lie: one behind the other, and nothing between them. */
static size_t check_auths(const struct filter_view *view, size_t at)
{
	const uint8_t *bytes = view->bytes.data;
	size_t i, begin = at + 4;

	at = begin;
	for (i = 0; i < view->auth_count; i++) {
		const struct filter_auth *auth = &view->auths[i];

		FUZZ_REQUIRE(auth->handle == get_u32(bytes + at));
		FUZZ_REQUIRE(auth->handle == PASSWORD || auth->handle >> 24 == 2 ||
			     auth->handle >> 24 == 3);
		FUZZ_REQUIRE(auth->nonce.len <= 64 && auth->hmac.len <= 64);
		FUZZ_REQUIRE(auth->nonce.data == bytes + at + 6);
		FUZZ_REQUIRE(auth->attributes == bytes[at + 6 + auth->nonce.len]);
		FUZZ_REQUIRE(auth->hmac.data == bytes + at + 9 + auth->nonce.len);
		at += 9 + auth->nonce.len + auth->hmac.len;
	}
	FUZZ_REQUIRE(get_u32(bytes + begin - 4) == at - begin);
	return at;
}

static void check_parameter(const struct filter_facts *facts, const struct filter_view *view)
{
	uint32_t handle;

	if (strcmp(view->command->name, "EvictControl") != 0)
		return;
	FUZZ_REQUIRE(view->parameters.len == 4);
	handle = get_u32(view->parameters.data);
	FUZZ_REQUIRE(handle >> 24 == 0x81 && handle < 0x81800000);
	FUZZ_REQUIRE(handle != RESERVED[0] && handle != RESERVED[1]);
	FUZZ_REQUIRE(handle != SRK ||
		     (view->handles[1] >> 24 == 0x80 && facts->policy.set >= SET_PROVISION));
}

static void check_passed(const struct filter_facts *facts, struct slice bytes,
			 const struct filter_view *view)
{
	uint16_t tag = (uint16_t)(bytes.data[0] << 8 | bytes.data[1]);
	size_t i, at;

	FUZZ_REQUIRE(tag == 0x8001 || tag == 0x8002);
	FUZZ_REQUIRE(get_u32(bytes.data + 2) == bytes.len);
	FUZZ_REQUIRE(view->bytes.data == bytes.data && view->bytes.len == bytes.len);
	FUZZ_REQUIRE(view->command && view->command->code == get_u32(bytes.data + 6));
	FUZZ_REQUIRE(view->command->set != SET_NEVER);
	FUZZ_REQUIRE(!command_list_has(&facts->policy.deny, view->command));
	FUZZ_REQUIRE(view->handle_count == command_handle_count(view->command));
	for (i = 0; i < view->handle_count; i++)
		check_handle(facts, view, i);
	at = WIRE_HEADER + 4 * view->handle_count;
	FUZZ_REQUIRE((tag == 0x8002) == (view->auth_count > 0));
	FUZZ_REQUIRE(view->auth_count >= view->command->auths);
	FUZZ_REQUIRE(view->auth_count == 0 || !(view->command->effects & NO_SESSIONS));
	if (view->auth_count > 0)
		at = check_auths(view, at);
	FUZZ_REQUIRE(view->parameters.len == bytes.len - at);
	FUZZ_REQUIRE(view->parameters.len == 0 || view->parameters.data == bytes.data + at);
	check_parameter(facts, view);
}

static void check_command(const struct filter_facts *facts, struct slice received)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_MAX);
	size_t size = wire_command_size(received);
	struct filter_view view;

	if (size == 0 || size == WIRE_BAD)
		return;
	FUZZ_REQUIRE(size >= WIRE_HEADER && size <= WIRE_MAX && size <= received.len);
	received.len = size;
	if (filter_judge(facts, received, &view, &answer) == FILTER_PASS) {
		FUZZ_REQUIRE(facts->policy.set != SET_NONE ||
			     command_list_has(&facts->policy.allow, view.command));
		FUZZ_REQUIRE(answer.len == 0);
		check_passed(facts, received, &view);
	} else {
		check_response(buf_slice(&answer));
	}
}

/* In memory of exactly its size, so that a byte too many is noticed. */
static void check_crafted(const struct filter_facts *facts, struct slice choices)
{
	const struct craft_palette palette = {CRAFT_HANDLES, CRAFT_COMMON, NULL, 0};
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(2 * WIRE_MAX);
	CLEANUP(mem_free_cleanup) uint8_t *exact = NULL;
	struct cursor cursor = cursor_of(choices);

	(void)craft_command(&cursor, &palette, &bytes);
	if (!buf_ok(&bytes))
		return;
	exact = malloc(bytes.len);
	if (!exact)
		exit(2);
	memcpy(exact, bytes.data, bytes.len);
	check_command(facts, slice_of(exact, bytes.len));
}

/* Every message is consumed, or more is waited for; nothing turns without progress. */
static void check_control(struct slice received)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(1u << 20);

	while (received.len) {
		size_t used = wire_control(received, &answer);

		FUZZ_REQUIRE(used <= received.len);
		if (used == 0)
			return;
		received = slice_of(received.data + used, received.len - used);
	}
}

static void list_some(struct command_list *list, uint8_t choice)
{
	size_t i, count;
	const struct command *commands = commands_all(&count);

	for (i = 0; choice && i < count; i += choice)
		command_list_add(list, &commands[i]);
}

/* The set (3 bits) and whether it is crafted, then what is allowed, and denied. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_facts facts = {.reserved = RESERVED, .reserved_count = 2};
	struct slice rest;

	if (size < 3)
		return 0;
	facts.policy.set = (enum command_set)((data[0] & 7) % SET_NEVER);
	list_some(&facts.policy.allow, data[1]);
	list_some(&facts.policy.deny, data[2]);
	rest = slice_of(data + 3, size - 3);
	if (data[0] & 8) {
		check_crafted(&facts, rest);
		return 0;
	}
	check_command(&facts, rest);
	check_control(rest);
	return 0;
}
