/* SPDX-License-Identifier: Apache-2.0 */

/* Persistent objects of tenants: recipes, their shelf, and answers in plain sessions. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/recipe.h"
#include "broker/test_world.h"
#include "broker/wire.h"
#include "crypto/hash.h"

#define NO_DA	 TPMA_OBJECT_NODA
#define CONTINUE TPMA_SESSION_CONTINUESESSION
#define PLACE	 0x81000005u

static uint32_t primary(struct tenant *tenant)
{
	assert_int_equal(tenant_primary(tenant, NO_DA, "secret"), 0);
	return TENANT_HANDLE(tenant);
}

/* --- coming and going ---------------------------------------------------------------------- */

static void test_persist_and_remove(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a);

	assert_int_equal(tenant_evict(&world->a, key, PLACE), 0);
	assert_int_equal(tenant_u32(&world->a, 0), 0x80020000); /* with an empty session */
	assert_int_equal(tenant_evict(&world->a, key, PLACE), TPM2_RC_NV_DEFINED);
	assert_int_equal(tenant_flush(&world->a, key), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
	assert_int_equal(tenant_use(&world->b, TPM2_CC_Sign, PLACE), 0x18b);
	assert_int_equal(tenant_evict(&world->b, PLACE, PLACE), 0x28b);
	assert_int_equal(tenant_evict(&world->a, PLACE, PLACE + 1), 0x28b);
	assert_int_equal(tenant_evict(&world->a, PLACE, PLACE), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0x18b);
	assert_int_equal(world->a.shelf_count, 0);
}

static void test_places(void **state)
{
	static const uint32_t reserved[] = {0x81000101};
	static const struct {
		uint32_t handle, rc;
	} cases[] = {
		{0x81000000, 0},     {0x81000002, 0}, /* something lies there that nobody sees */
		{0x817fffff, 0},     {0x81010001, TPM2_RC_NV_DEFINED}, /* the endorsement key */
		{0x81010002, 0},     {0x81000101, 0x1c4},	       /* by the filter */
		{0x81800000, 0x1cd}, {0x80000000, 0x1c4},
		{0x81000001, 0x1c4},
	};
	struct world *world = *state;
	uint32_t key = primary(&world->a);
	size_t i;

	world->a.limits.reserved = reserved;
	world->a.limits.reserved_count = ARRAY_LEN(reserved);
	world->guests.persistent[0] = 0x81000002;
	world->guests.persistent[1] = 0x81010001;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(tenant_evict(&world->a, key, cases[i].handle), cases[i].rc);
}

static void test_quota(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a), i;
	struct vchip_usage usage;

	for (i = 0; i < BROKER_PERSISTENT_MAX; i++)
		assert_int_equal(tenant_evict(&world->a, key, PLACE + i), 0);
	assert_int_equal(tenant_evict(&world->a, key, PLACE + i), TPM2_RC_NV_SPACE);
	vchip_usage(world->a.vchip, &usage);
	assert_int_equal(usage.persistent, BROKER_PERSISTENT_MAX);
}

/* The place of the SRK is the chip's own, for who provisions. */
static void test_the_chips_own(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a);

	world->a.policy.set = SET_PROVISION;
	assert_int_equal(tenant_evict(&world->a, key, 0x81000001), 0);
	assert_int_equal(world->a.shelf_count, 0);
	assert_int_equal(world->guests.last[8] << 8 | world->guests.last[9], TPM2_CC_EvictControl);
}

/* --- recipes ------------------------------------------------------------------------------- */

static void test_a_reset_heals(void **state)
{
	struct world *world = *state;
	uint32_t parent = primary(&world->a), child;

	assert_int_equal(tenant_child(&world->a, parent, "secret"), 0);
	child = TENANT_HANDLE(&world->a);
	assert_int_equal(tenant_evict(&world->a, child, PLACE), 0);
	assert_int_equal(tenant_evict(&world->a, parent, PLACE + 1), 0);
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
	assert_int_equal(world->guests.alive, 1); /* of what it took on the way nothing stays */
	vchip_free(world->a.vchip);
	tenant_move(&world->a, world->broker, 1); /* and so after a start of the service */
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE + 1), 0);
}

static void test_a_reset_on_the_way(void **state)
{
	struct world *world = *state;

	assert_int_equal(tenant_evict(&world->a, primary(&world->a), PLACE), 0);
	world->guests.resets = true; /* seen only when the object is named */
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
	assert_int_equal(world->guests.alive, 1);
}

/* Where all tenants together have too much, it goes before what cannot come back. */
static void test_it_gives_way(void **state)
{
	struct world *world = *state;
	struct vchip_usage usage;
	unsigned before, i;

	assert_int_equal(tenant_evict(&world->a, primary(&world->a), PLACE), 0);
	world->b.limits.objects_max = BROKER_GUESTS_MAX;
	for (i = 2; i <= BROKER_GUESTS_MAX; i++)
		(void)primary(&world->b);
	assert_int_equal(world->guests.alive, BROKER_GUESTS_MAX);
	vchip_usage(world->b.vchip, &usage);
	assert_int_equal(usage.objects, BROKER_GUESTS_MAX - 1);
	before = world->guests.commands;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
	/* made, looked at, compared with what the chip has, looked at, used */
	assert_int_equal(world->guests.commands, before + 5);
	assert_int_equal(world->guests.alive, BROKER_GUESTS_MAX);
	vchip_usage(world->b.vchip, &usage);
	assert_int_equal(usage.objects, BROKER_GUESTS_MAX - 2); /* who has most gives one */
}

/* What is made below a persistent object can be persistent too. */
static void test_below_a_persistent_one(void **state)
{
	struct world *world = *state;

	assert_int_equal(tenant_evict(&world->a, primary(&world->a), PLACE), 0);
	assert_int_equal(tenant_child(&world->a, PLACE, "secret"), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE + 1), 0);
	assert_int_equal(tenant_child(&world->a, 0x81000001, ""), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE + 2), 0);
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE + 1), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE + 2), 0);
}

static void test_depth(void **state)
{
	struct world *world = *state;
	uint32_t object = primary(&world->a), i;

	for (i = 1; i < RECIPE_STEPS_MAX; i++) {
		assert_int_equal(tenant_child(&world->a, object, "secret"), 0);
		object = TENANT_HANDLE(&world->a);
	}
	assert_int_equal(tenant_evict(&world->a, object, PLACE), 0);
	assert_int_equal(tenant_child(&world->a, object, "secret"), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE + 1),
			 TPM2_RC_NV_SPACE);
}

/* The recipe goes along in a saved context, as tools pass them on. */
static void test_through_a_context(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	uint32_t key = primary(&world->a);

	assert_int_equal(tenant_save(&world->a, key, &context), 0);
	assert_int_equal(tenant_flush(&world->a, key), 0);
	assert_int_equal(tenant_load(&world->a, &context), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE), 0);
}

/* What nobody could make again is refused now: encrypted, of the null hierarchy, public only. */
static void test_without_a_recipe(void **state)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(64);
	struct world *world = *state;
	uint32_t parent = primary(&world->a), session;
	const uint8_t decrypt = CONTINUE | TPMA_SESSION_DECRYPT;
	struct test_command commands[] = {
		{TPM2_CC_Load,
		 {parent},
		 1,
		 {TEST_PASSWORD("secret"), {0, decrypt, {NULL, 0}, {NULL, 0}}},
		 2,
		 {NULL, 0}},
		{TPM2_CC_Load, {parent}, 1, {{0, CONTINUE, {NULL, 0}, {NULL, 0}}}, 1, {NULL, 0}},
		{TPM2_CC_CreatePrimary, {TPM2_RH_NULL}, 1, {TEST_PASSWORD("")}, 1, {NULL, 0}},
		{.code = TPM2_CC_LoadExternal},
	};
	size_t i;

	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, TPM2_RH_NULL), 0);
	session = TENANT_HANDLE(&world->a);
	commands[0].auths[1].handle = session;
	assert_int_equal(tenant_session(&world->a, TPM2_SE_POLICY, TPM2_RH_NULL), 0);
	commands[1].auths[0].handle = TENANT_HANDLE(&world->a);
	buf_put_u16(&parameters, 0);
	tenant_put_public(&parameters, NO_DA);
	for (i = 0; i < ARRAY_LEN(commands); i++) {
		commands[i].parameters = buf_slice(&parameters);
		assert_int_equal(tenant_send(&world->a, &commands[i]), 0);
		assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE),
				 TPM2_RC_NV_SPACE);
	}
	assert_int_equal(world->a.shelf_count, 0);
}

/* An HMAC session proves the password that the primary key was made with. */
static void test_parent_in_a_session(void **state)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(64);
	struct world *world = *state;
	struct test_command load = {
		.code = TPM2_CC_Load,
		.handles = {primary(&world->a)},
		.handle_count = 1,
		.auths = {{.attributes = CONTINUE}},
		.auth_count = 1,
	};

	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, TPM2_RH_NULL), 0);
	load.auths[0].handle = TENANT_HANDLE(&world->a);
	buf_put_u16(&parameters, 0);
	tenant_put_public(&parameters, NO_DA);
	load.parameters = buf_slice(&parameters);
	assert_int_equal(tenant_send(&world->a, &load), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE), 0);
}

static void test_create_loaded(void **state)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(64);
	struct world *world = *state;
	struct test_command create = {
		.code = TPM2_CC_CreateLoaded,
		.handles = {primary(&world->a)},
		.handle_count = 1,
		.auths = {TEST_PASSWORD("secret")},
		.auth_count = 1,
	};

	world->guests.attributes = NO_DA;
	buf_put_u16(&parameters, 0);
	tenant_put_public(&parameters, NO_DA);
	create.parameters = buf_slice(&parameters);
	assert_int_equal(tenant_send(&world->a, &create), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE), 0);
}

/* Another seed: what the recipe gives now is another key, and nobody gets that. */
static void test_another_chip(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a);

	assert_int_equal(tenant_evict(&world->a, key, PLACE), 0);
	world->guests.seed++;
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0x18b);
	assert_int_equal(world->a.fault.code, ERR_WRONG_TPM);
	assert_int_equal(world->guests.alive, 0);
	assert_int_equal(tenant_evict(&world->a, PLACE, PLACE), 0); /* but it can go */
}

static void test_a_recipe_that_is_refused(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a);

	world->guests.answer_to = TPM2_CC_CreatePrimary;
	world->guests.answer = 0x9a2;
	assert_int_equal(tenant_evict(&world->a, key, PLACE), TPM2_RC_NV_SPACE);
	assert_int_equal(tenant_evict(&world->a, key, PLACE), 0);
	world->guests.answer = 0x921; /* what passes is said as it is */
	assert_int_equal(tenant_evict(&world->a, key, PLACE + 1), 0x921);
	guests_reset(&world->guests);
	world->guests.answer = 0x902;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0x902);
	world->guests.answer = 0x9a2;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0x18b);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
}

/* --- the shelf ----------------------------------------------------------------------------- */

static void test_the_shelf_fails(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a);
	struct secret *junk;

	assert_int_equal(tenant_evict(&world->a, key, PLACE), 0);
	world->a.shelf_fails = ERR_DISK_FULL;
	assert_int_equal(tenant_evict(&world->a, key, PLACE + 1), TPM2_RC_NV_SPACE);
	world->a.shelf_fails = ERR_UNREADABLE;
	assert_int_equal(tenant_evict(&world->a, key, PLACE + 1), TPM2_RC_NV_UNAVAILABLE);
	assert_int_equal(world->a.fault.code, ERR_UNREADABLE);
	guests_reset(&world->guests);
	world->a.shelf_fails = ERR_UNREADABLE;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), TPM2_RC_NV_UNAVAILABLE);
	world->a.shelf_fails = ERR_UNREADABLE;
	assert_int_equal(tenant_evict(&world->a, PLACE, PLACE), TPM2_RC_NV_UNAVAILABLE);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
	guests_reset(&world->guests);
	junk = world->a.shelf[0].recipe;
	secret_data(junk)[0] ^= 1;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), TPM2_RC_NV_UNAVAILABLE);
	assert_int_equal(world->a.fault.code, ERR_DAMAGED);
	vchip_free(world->a.vchip);
	tenant_move(&world->a, world->broker, 1);
	world->a.shelf_fails = ERR_UNREADABLE;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), TPM2_RC_NV_UNAVAILABLE);
}

static void test_every_cut_of_a_recipe(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a);
	struct recipe_steps steps;
	struct slice whole;
	struct err err;
	size_t i;

	assert_int_equal(tenant_evict(&world->a, key, PLACE), 0);
	whole = secret_slice(world->a.shelf[0].recipe);
	i = 4 + (size_t)(whole.data[2] << 8 | whole.data[3]);
	i += 2 + (size_t)(whole.data[i] << 8 | whole.data[i + 1]); /* the public area */
	whole = slice_of(whole.data + i, whole.len - i);
	assert_int_equal(recipe_read(whole, &steps, &err), 0);
	assert_int_equal(steps.count, 1);
	for (i = 0; i < whole.len; i++)
		assert_int_equal(recipe_read(slice_of(whole.data, i), &steps, &err), ERR_DAMAGED);
}

/* --- answers in a plain session ------------------------------------------------------------ */

struct evict {
	uint32_t object, handle, session;
	uint8_t attributes;
	uint8_t name[34];
	uint8_t nonce[16]; /* of the chip */
};

static void mac_of(const uint8_t hash[32], struct slice newer, struct slice older,
		   uint8_t attributes, uint8_t ret_mac[32])
{
	const struct slice parts[] = {slice_of(hash, 32), newer, older, slice_of(&attributes, 1)};
	struct err err;

	assert_int_equal(
		hash_hmac(HASH_SHA256, slice_of(NULL, 0), parts, ARRAY_LEN(parts), ret_mac, &err),
		0);
}

/* What tpm2_evictcontrol sends; @wrong flips a bit of its HMAC. */
static uint32_t evict_in_session(struct tenant *tenant, const struct evict *evict, uint8_t wrong)
{
	CLEANUP(buf_fini) struct buf code = BUF_INIT(8), parameters = BUF_INIT(4);
	const struct slice nonce = slice_str("nonce of caller!");
	uint8_t hash[32], mac[32];
	struct err err;
	struct test_command command = {
		.code = TPM2_CC_EvictControl,
		.handles = {TPM2_RH_OWNER, evict->object},
		.handle_count = 2,
		.auths = {{evict->session, evict->attributes, nonce, {mac, sizeof(mac)}}},
		.auth_count = 1,
	};
	struct slice parts[3];

	buf_put_u32(&code, TPM2_CC_EvictControl);
	buf_put_u32(&code, TPM2_RH_OWNER);
	buf_put_u32(&parameters, evict->handle);
	parts[0] = buf_slice(&code);
	parts[1] = slice_of(evict->name, sizeof(evict->name));
	parts[2] = buf_slice(&parameters);
	assert_int_equal(hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), hash, &err), 0);
	mac_of(hash, nonce, slice_of(evict->nonce, 16), evict->attributes, mac);
	mac[5] ^= wrong;
	command.parameters = parts[2];
	return tenant_send(tenant, &command);
}

/* As the client holds it against what it computes itself. */
static void assert_answer(const struct tenant *tenant, uint8_t attributes)
{
	struct cursor cursor = cursor_of(buf_slice(&tenant->answer));
	static const uint8_t parameters[] = {0, 0, 0, 0, 0, 0, 1, 0x20};
	const struct slice part = slice_of(parameters, sizeof(parameters));
	uint8_t hash[32], mac[32];
	struct slice nonce;
	struct err err;

	(void)cursor_take(&cursor, WIRE_HEADER);
	assert_int_equal(cursor_u32(&cursor), 0);
	nonce = cursor_take(&cursor, cursor_u16(&cursor));
	assert_int_equal(nonce.len, 16);
	assert_int_equal(cursor_u8(&cursor), attributes);
	assert_int_equal(hash_digest(HASH_SHA256, &part, 1, hash, &err), 0);
	mac_of(hash, nonce, slice_str("nonce of caller!"), attributes, mac);
	assert_true(slice_equal(cursor_take(&cursor, cursor_u16(&cursor)), slice_of(mac, 32)));
	assert_true(cursor_done(&cursor));
}

/* Name and nonce as an unmodified client has them. */
static void prepare(struct tenant *tenant, struct evict *evict)
{
	memset(evict, 0, sizeof(*evict));
	evict->object = primary(tenant);
	evict->handle = PLACE;
	evict->attributes = CONTINUE;
	assert_int_equal(tenant_use(tenant, TPM2_CC_ReadPublic, evict->object), 0);
	memcpy(evict->name, tenant->answer.data + WIRE_HEADER + 10 + 2, sizeof(evict->name));
	assert_int_equal(tenant_session(tenant, TPM2_SE_HMAC, TPM2_RH_NULL), 0);
	evict->session = TENANT_HANDLE(tenant);
	memcpy(evict->nonce, tenant->answer.data + WIRE_HEADER + 4 + 2, 16);
}

static void test_in_a_plain_session(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX);
	struct evict evict;

	prepare(&world->a, &evict);
	assert_int_equal(evict_in_session(&world->a, &evict, 1), 0x9a2);
	assert_int_equal(evict_in_session(&world->a, &evict, 0), 0);
	assert_answer(&world->a, CONTINUE);
	/* It is spent, but its client may end it as it would on a chip. */
	assert_int_equal(tenant_use_in(&world->a, evict.object, evict.session, CONTINUE), 0x918);
	assert_int_equal(tenant_save(&world->a, evict.session, &context), 0);
	assert_int_equal(tenant_load(&world->a, &context), 0);
	assert_int_equal(tenant_flush(&world->a, evict.session), 0);
	assert_int_equal(tenant_flush(&world->a, evict.session), 0x1cb);
}

static void test_in_a_session_that_ends(void **state)
{
	struct world *world = *state;
	struct evict evict;

	prepare(&world->a, &evict);
	evict.attributes = 0;
	assert_int_equal(evict_in_session(&world->a, &evict, 0), 0);
	assert_answer(&world->a, 0);
	assert_int_equal(tenant_flush(&world->a, evict.session), 0x1cb);
}

/* The nonce is that of the last response; and what is removed is authorised likewise. */
static void test_nonces_roll(void **state)
{
	struct world *world = *state;
	struct evict evict;

	prepare(&world->a, &evict);
	assert_int_equal(tenant_use_in(&world->a, evict.object, evict.session, CONTINUE), 0);
	assert_int_equal(evict_in_session(&world->a, &evict, 0), 0x9a2);
	assert_int_equal(tenant_use_in(&world->a, evict.object, evict.session, CONTINUE), 0);
	memcpy(evict.nonce, world->a.answer.data + WIRE_HEADER + 4 + 2, 16);
	assert_int_equal(tenant_evict(&world->a, evict.object, PLACE), 0);
	evict.object = PLACE;
	assert_int_equal(evict_in_session(&world->a, &evict, 1), 0x9a2);
	assert_int_equal(world->a.shelf_count, 1);
	assert_int_equal(evict_in_session(&world->a, &evict, 0), 0);
	assert_int_equal(world->a.shelf_count, 0);
}

/* What is of another seed is authorised by the Name that it had. */
static void test_removed_in_a_session(void **state)
{
	struct world *world = *state;
	struct evict evict, other;

	prepare(&world->a, &evict);
	assert_int_equal(evict_in_session(&world->a, &evict, 0), 0);
	world->guests.seed++;
	guests_reset(&world->guests);
	prepare(&world->a, &other);
	memcpy(other.name, evict.name, sizeof(other.name));
	other.object = PLACE;
	assert_int_equal(evict_in_session(&world->a, &other, 1), 0x9a2);
	assert_int_equal(evict_in_session(&world->a, &other, 0), 0);
	assert_int_equal(world->a.shelf_count, 0);
}

/* The chip has them no more: to drop them is no help to who needs one. */
static void test_spent_sessions_free_nothing(void **state)
{
	struct world *world = *state;
	struct evict evict;
	unsigned i;

	for (i = 0; i < 8; i++) {
		prepare(&world->a, &evict);
		evict.handle = PLACE + i;
		assert_int_equal(evict_in_session(&world->a, &evict, 0), 0);
	}
	assert_int_equal(tenant_session(&world->b, TPM2_SE_HMAC, TPM2_RH_NULL), 0);
	world->guests.sessions_max = 1;
	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, TPM2_RH_NULL), 0);
}

/* Where the response would have to be the chip's. */
static void test_in_other_sessions(void **state)
{
	struct world *world = *state;
	struct evict evict;

	prepare(&world->a, &evict);
	evict.attributes = CONTINUE | TPMA_SESSION_AUDIT;
	assert_int_equal(evict_in_session(&world->a, &evict, 0), TPM2_RC_AUTH_UNAVAILABLE);
	evict.attributes = CONTINUE;
	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, evict.object), 0);
	evict.session = TENANT_HANDLE(&world->a);
	assert_int_equal(evict_in_session(&world->a, &evict, 0), TPM2_RC_AUTH_UNAVAILABLE);
	assert_int_equal(tenant_session(&world->a, TPM2_SE_POLICY, TPM2_RH_NULL), 0);
	evict.session = TENANT_HANDLE(&world->a);
	assert_int_equal(evict_in_session(&world->a, &evict, 0), TPM2_RC_AUTH_UNAVAILABLE);
	assert_int_equal(world->a.shelf_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(test_persist_and_remove),
		CASE(test_places),
		CASE(test_quota),
		CASE(test_the_chips_own),
		CASE(test_a_reset_heals),
		CASE(test_a_reset_on_the_way),
		CASE(test_it_gives_way),
		CASE(test_below_a_persistent_one),
		CASE(test_depth),
		CASE(test_through_a_context),
		CASE(test_without_a_recipe),
		CASE(test_parent_in_a_session),
		CASE(test_create_loaded),
		CASE(test_another_chip),
		CASE(test_a_recipe_that_is_refused),
		CASE(test_the_shelf_fails),
		CASE(test_every_cut_of_a_recipe),
		CASE(test_in_a_plain_session),
		CASE(test_in_a_session_that_ends),
		CASE(test_nonces_roll),
		CASE(test_removed_in_a_session),
		CASE(test_spent_sessions_free_nothing),
		CASE(test_in_other_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
