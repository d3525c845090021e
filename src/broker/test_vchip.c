/* SPDX-License-Identifier: Apache-2.0 */

/* Handles, sessions, contexts, lists and quotas of tenants, on guests without a chip. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/test_world.h"
#include "broker/wire.h"

#define NO_DA	 TPMA_OBJECT_NODA
#define CONTINUE TPMA_SESSION_CONTINUESESSION

static uint32_t primary(struct tenant *tenant)
{
	assert_int_equal(tenant_primary(tenant, NO_DA, ""), 0);
	return TENANT_HANDLE(tenant);
}

static uint32_t session(struct tenant *tenant, uint8_t type)
{
	assert_int_equal(tenant_session(tenant, type, TPM2_RH_NULL), 0);
	return TENANT_HANDLE(tenant);
}

static unsigned objects(const struct tenant *tenant)
{
	struct vchip_usage usage;

	vchip_usage(tenant->vchip, &usage);
	return usage.objects;
}

static unsigned sessions(const struct tenant *tenant)
{
	struct vchip_usage usage;

	vchip_usage(tenant->vchip, &usage);
	return usage.sessions;
}

/* --- handles ------------------------------------------------------------------------------- */

static void test_each_has_its_own_numbers(void **state)
{
	struct world *world = *state;
	uint32_t first = primary(&world->a), second = primary(&world->a);

	assert_int_equal(first, 0x80000000);
	assert_int_equal(second, 0x80000001);
	assert_int_equal(primary(&world->b), 0x80000000);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, second), 0);
	assert_int_equal(world->guests.last[13], 1); /* the chip has its own number */
	assert_int_equal(tenant_use(&world->b, TPM2_CC_ReadPublic, first), 0);
	assert_int_equal(world->guests.last[13], 2);
	assert_int_equal(tenant_use(&world->b, TPM2_CC_ReadPublic, second), 0x910);
}

static void test_stale_handles_name_nothing(void **state)
{
	struct world *world = *state;
	uint32_t first = primary(&world->a), i;

	for (i = 0; i < 100; i++) {
		assert_int_equal(tenant_flush(&world->a, first + i), 0);
		assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, first), 0x910);
		assert_int_equal(primary(&world->a), first + i + 1);
	}
	assert_int_equal(tenant_flush(&world->a, first), 0x1cb);
	assert_int_equal(world->guests.alive, 1);
}

#define ABSENT 0x80000077u

static uint32_t send_with(struct tenant *tenant, uint32_t code, const uint32_t handles[2],
			  const uint32_t auths[2])
{
	struct test_command command = {.code = code};
	size_t i;

	for (i = 0; i < 2 && handles[i]; i++)
		command.handles[command.handle_count++] = handles[i];
	for (i = 0; i < 2 && auths[i]; i++) {
		command.auths[i].handle = auths[i];
		command.auths[i].attributes = CONTINUE;
		command.auth_count++;
	}
	return tenant_send(tenant, &command);
}

static void test_which_handle_is_unknown(void **state)
{
	struct world *world = *state;
	const uint32_t key = primary(&world->a);
	const uint32_t policy = session(&world->b, TPM2_SE_POLICY); /* of another tenant */
	const uint32_t hmac = session(&world->b, TPM2_SE_HMAC);
	const struct {
		uint32_t code, handles[2], auths[2], rc;
	} cases[] = {
		{TPM2_CC_Certify, {key, ABSENT}, {TPM2_RS_PW, TPM2_RS_PW}, 0x911},
		{TPM2_CC_Certify, {ABSENT, key}, {TPM2_RS_PW, TPM2_RS_PW}, 0x910},
		{TPM2_CC_Certify, {key, 0x81000002}, {TPM2_RS_PW, TPM2_RS_PW}, 0x28b},
		{TPM2_CC_ReadPublic, {0x81000002}, {0}, 0x18b},
		{TPM2_CC_PolicyGetDigest, {policy}, {0}, 0x910},
		{TPM2_CC_PolicySigned, {key, policy}, {0}, 0x911},
		{TPM2_CC_Sign, {key}, {hmac}, 0x918},
		{TPM2_CC_Sign, {key}, {policy}, 0x918},
		{TPM2_CC_Sign, {key}, {TPM2_RS_PW, hmac}, 0x919},
		{TPM2_CC_GetRandom, {0}, {hmac}, 0x918},
		{TPM2_CC_ContextSave, {ABSENT}, {0}, 0x910},
		{TPM2_CC_ContextSave, {hmac}, {0}, 0x910},
	};
	unsigned before = world->guests.commands;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
			send_with(&world->a, cases[i].code, cases[i].handles, cases[i].auths),
			cases[i].rc);
	assert_int_equal(tenant_flush(&world->a, hmac), 0x1cb);
	assert_int_equal(tenant_flush(&world->a, ABSENT), 0x1cb);
	assert_int_equal(world->guests.commands, before); /* none of them was sent */
}

static void test_persistent_keys_of_the_chip(void **state)
{
	static const uint32_t reserved[] = {0x81000101, 0x81010042};
	static const struct {
		uint32_t handle;
		uint32_t rc, rc_full;
	} cases[] = {
		{0x81000001, 0, 0},	    {0x81010001, 0, 0},	    {0x81010042, 0x18b, 0x18b},
		{0x81000101, 0x18b, 0x18b}, {0x81000002, 0x18b, 0}, {0x81020000, 0x18b, 0},
	};
	struct world *world = *state;
	size_t i;

	world->a.limits.reserved = reserved;
	world->a.limits.reserved_count = ARRAY_LEN(reserved);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		world->a.limits.full = false;
		assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, cases[i].handle),
				 cases[i].rc);
		world->a.limits.full = true;
		assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, cases[i].handle),
				 cases[i].rc_full);
	}
}

/* --- sessions ------------------------------------------------------------------------------ */

static void test_a_session_ends_only_with_success(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a), handle = session(&world->a, TPM2_SE_HMAC);

	assert_int_equal(tenant_use_in(&world->a, key, handle, CONTINUE), 0);
	world->guests.answer = 0x9a2;
	assert_int_equal(tenant_use_in(&world->a, key, handle, 0), 0x9a2);
	assert_int_equal(sessions(&world->a), 1);
	assert_int_equal(tenant_use_in(&world->a, key, handle, 0), 0);
	assert_int_equal(sessions(&world->a), 0);
	assert_int_equal(tenant_use_in(&world->a, key, handle, 0), 0x918);
	assert_int_equal(tenant_flush(&world->a, handle), 0x1cb);
}

static void test_a_sequence_ends_with_its_completion(void **state)
{
	struct world *world = *state;
	const struct test_command start = {.code = TPM2_CC_HashSequenceStart};
	uint32_t handle;

	assert_int_equal(tenant_send(&world->a, &start), 0);
	handle = TENANT_HANDLE(&world->a);
	assert_int_equal(objects(&world->a), 1);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_SequenceUpdate, handle), 0);
	world->guests.answer = 0x1d5;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_SequenceComplete, handle), 0x1d5);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_SequenceComplete, handle), 0);
	assert_int_equal(objects(&world->a), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_SequenceUpdate, handle), 0x910);
}

/* --- contexts ------------------------------------------------------------------------------ */

static void test_contexts_of_objects(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	uint32_t key = primary(&world->a);

	assert_int_equal(tenant_save(&world->a, key, &context), 0);
	assert_int_equal(tenant_load(&world->a, &context), 0);
	assert_int_equal(TENANT_HANDLE(&world->a), key + 1);
	assert_int_equal(tenant_load(&world->a, &context), 0); /* as often as one likes */
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, key + 2), 0);
	assert_int_equal(tenant_load(&world->b, &context), 0x1df);
	context.data[context.len - 1] ^= 1;
	assert_int_equal(tenant_load(&world->a, &context), 0x1df);
	context.data[context.len - 1] ^= 1;
	context.data[0] ^= 1;
	assert_int_equal(tenant_load(&world->a, &context), 0x1df);
	context.data[0] ^= 1;
	context.len--;
	assert_int_equal(tenant_load(&world->a, &context), 0x1da);
	context.len++;
	buf_put_u8(&context, 0);
	assert_int_equal(tenant_load(&world->a, &context), TPM2_RC_SIZE);
}

/* What a tenant saved outlives the service, but no reset. */
static void test_contexts_after_a_start(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX), reference = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	struct broker *broker = test_broker(&world->guests.provider);
	uint32_t key = primary(&world->a), handle = session(&world->a, TPM2_SE_HMAC);

	assert_int_equal(tenant_save(&world->a, key, &context), 0);
	assert_int_equal(tenant_save(&world->a, handle, &reference), 0);
	vchip_free(world->a.vchip);
	assert_int_equal(world->guests.alive, 0);
	tenant_move(&world->a, broker, 1);
	assert_int_equal(tenant_load(&world->a, &context), 0);
	assert_int_equal(tenant_load(&world->a, &reference), 0x1cb);
	guests_reset(&world->guests);
	assert_int_equal(tenant_load(&world->a, &context), 0x1df);
	broker_free(broker); /* with the tenant's virtual chip */
	world->a.vchip = NULL;
}

static void test_contexts_of_sessions(void **state)
{
	CLEANUP(buf_fini) struct buf first = BUF_INIT(WIRE_MAX), second = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	uint32_t key = primary(&world->a), handle = session(&world->a, TPM2_SE_POLICY);

	assert_int_equal(tenant_save(&world->a, handle, &first), 0);
	assert_int_equal(tenant_u32(&world->a, 10 + 8), handle);
	assert_int_equal(tenant_u32(&world->a, 10 + 12), TPM2_RH_NULL);
	assert_int_equal(tenant_use_in(&world->a, key, handle, CONTINUE), 0x918);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_PolicyGetDigest, handle), 0x910);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ContextSave, handle), 0x910);
	assert_int_equal(tenant_load(&world->b, &first), 0x1df);
	assert_int_equal(tenant_load(&world->a, &first), 0);
	assert_int_equal(TENANT_HANDLE(&world->a), handle);
	assert_int_equal(tenant_load(&world->a, &first), 0x1cb);
	assert_int_equal(tenant_use_in(&world->a, key, handle, CONTINUE), 0);
	assert_int_equal(tenant_save(&world->a, handle, &second), 0);
	assert_int_equal(tenant_load(&world->a, &first), 0x1cb); /* the older copy */
	assert_int_equal(tenant_load(&world->a, &second), 0);
	assert_int_equal(tenant_save(&world->a, handle, &second), 0);
	assert_int_equal(tenant_flush(&world->a, handle), 0); /* by its handle, though saved */
	assert_int_equal(tenant_load(&world->a, &second), 0x1cb);
}

/* --- lists --------------------------------------------------------------------------------- */

static void assert_list(struct tenant *tenant, uint32_t first, uint32_t max,
			const uint32_t *handles, size_t count, bool more)
{
	size_t i;

	assert_int_equal(tenant_capability(tenant, TPM2_CAP_HANDLES, first, max), 0);
	assert_int_equal(tenant->answer.data[10], more);
	assert_int_equal(tenant_u32(tenant, 11), TPM2_CAP_HANDLES);
	assert_int_equal(tenant_u32(tenant, 15), count);
	for (i = 0; i < count; i++)
		assert_int_equal(tenant_u32(tenant, 19 + 4 * i), handles[i]);
}

#define ASSERT_LIST(tenant, first, max, more, ...)                                                 \
	do {                                                                                       \
		const uint32_t list_[] = {__VA_ARGS__};                                            \
		assert_list(tenant, first, max, list_ + 1, ARRAY_LEN(list_) - 1, more);            \
	} while (0)

static void test_lists_of_handles(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	uint32_t key = primary(&world->a), first = session(&world->a, TPM2_SE_HMAC);
	uint32_t saved = session(&world->a, TPM2_SE_POLICY);

	(void)primary(&world->a);
	(void)primary(&world->b);
	(void)session(&world->b, TPM2_SE_HMAC);
	assert_int_equal(tenant_save(&world->a, saved, &context), 0);
	ASSERT_LIST(&world->a, 0x80000000, 254, false, 0, key, key + 1);
	ASSERT_LIST(&world->a, 0x80000000, 1, true, 0, key);
	ASSERT_LIST(&world->a, 0x80000000, 0, true, 0);
	ASSERT_LIST(&world->a, key + 1, 9, false, 0, key + 1);
	ASSERT_LIST(&world->a, 0x02000000, 254, false, 0, first);
	ASSERT_LIST(&world->a, 0x03000000, 254, false, 0, saved);
	ASSERT_LIST(&world->b, 0x03000000, 254, false, 0);
}

static void test_lists_of_the_chip(void **state)
{
	static const uint32_t reserved[] = {0x81000101};
	struct world *world = *state;
	struct guests *guests = &world->guests;
	const uint32_t persistent[] = {0x81000001, 0x81000002, 0x81000101, 0x81010001};
	const uint32_t nv[] = {0x01400001, 0x01c00002, 0x01c08000};
	size_t i;

	for (i = 0; i < ARRAY_LEN(persistent); i++)
		guests->persistent[i] = persistent[i];
	for (i = 0; i < ARRAY_LEN(nv); i++)
		guests->nv[i] = nv[i];
	world->a.limits.reserved = reserved;
	world->a.limits.reserved_count = 1;
	assert_int_equal(tenant_evict(&world->a, primary(&world->a), 0x81000005), 0);
	ASSERT_LIST(&world->a, 0x81000000, 254, false, 0, 0x81000001, 0x81000005, 0x81010001);
	ASSERT_LIST(&world->a, 0x81000002, 1, true, 0, 0x81000005);
	ASSERT_LIST(&world->a, 0x01000000, 254, false, 0, 0x01c00002);
	world->a.limits.full = true;
	ASSERT_LIST(&world->a, 0x81000000, 254, false, 0, 0x81000001, 0x81000002, 0x81000005,
		    0x81010001);
	ASSERT_LIST(&world->a, 0x01000000, 254, false, 0, 0x01400001, 0x01c00002, 0x01c08000);
}

/* Its response would have to be the chip's. */
static void test_no_list_in_a_session(void **state)
{
	static const uint8_t parameters[] = {0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 1};
	struct world *world = *state;
	const struct test_command command = {
		.code = TPM2_CC_GetCapability,
		.auths = {{session(&world->a, TPM2_SE_HMAC), CONTINUE, {NULL, 0}, {NULL, 0}}},
		.auth_count = 1,
		.parameters = {parameters, sizeof(parameters)},
	};

	assert_int_equal(tenant_send(&world->a, &command), TPM2_RC_AUTH_CONTEXT);
}

/* --- constants ----------------------------------------------------------------------------- */

static void test_constants(void **state)
{
	static const struct {
		uint32_t capability, property;
		bool constant;
	} cases[] = {
		{TPM2_CAP_ALGS, 1, true},
		{TPM2_CAP_COMMANDS, 0x11f, true},
		{TPM2_CAP_ECC_CURVES, 3, true},
		{TPM2_CAP_PCRS, 0, true},
		{TPM2_CAP_TPM_PROPERTIES, 0x100, true},
		{TPM2_CAP_TPM_PROPERTIES, 0x200, false},
		{TPM2_CAP_AUTH_POLICIES, 0x40000001, false},
	};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned before = world->guests.commands;

		assert_int_equal(
			tenant_capability(&world->a, cases[i].capability, cases[i].property, 1), 0);
		assert_int_equal(world->guests.commands, before + 1);
		assert_int_equal(
			tenant_capability(&world->b, cases[i].capability, cases[i].property, 1), 0);
		assert_int_equal(world->guests.commands, before + (cases[i].constant ? 1 : 2));
	}
}

/* The chip's word on parameters is kept, its troubles are not, and a reset ends it all. */
static void test_what_is_not_kept(void **state)
{
	static const struct {
		uint32_t code, rc;
		unsigned sent;
	} cases[] = {
		{TPM2_CC_TestParms, 0, 1},     {TPM2_CC_TestParms, 0x1c4, 1},
		{TPM2_CC_TestParms, 0x922, 2}, {TPM2_CC_ECC_Parameters, 0x101, 2},
		{TPM2_CC_GetRandom, 0, 2},
	};
	struct world *world = *state;
	uint8_t number = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		const struct test_command command = {.code = cases[i].code,
						     .parameters = slice_of(&number, 1)};
		unsigned before = world->guests.commands;

		number++;
		world->guests.answer = cases[i].rc;
		assert_int_equal(tenant_send(&world->a, &command), cases[i].rc);
		(void)tenant_send(&world->a, &command);
		assert_int_equal(world->guests.commands, before + cases[i].sent);
		guests_reset(&world->guests);
		(void)tenant_send(&world->a, &command);
		assert_int_equal(world->guests.commands, before + cases[i].sent + 1);
	}
}

/* More than there is room for: what was asked for last is there. */
static void test_constants_have_an_end(void **state)
{
	struct world *world = *state;
	unsigned before;
	uint32_t i;

	for (i = 0; i < 500; i++)
		assert_int_equal(tenant_capability(&world->a, TPM2_CAP_ALGS, i, 1), 0);
	before = world->guests.commands;
	for (i = 400; i < 500; i++)
		assert_int_equal(tenant_capability(&world->a, TPM2_CAP_ALGS, i, 1), 0);
	assert_int_equal(world->guests.commands, before);
	assert_int_equal(tenant_capability(&world->a, TPM2_CAP_ALGS, 0, 1), 0);
	assert_int_equal(world->guests.commands, before + 1);
}

/* --- quotas -------------------------------------------------------------------------------- */

static void test_quota_of_objects(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	uint32_t first = primary(&world->a), i;

	world->a.limits.objects_max = 4;
	for (i = 1; i < 4; i++)
		(void)primary(&world->a);
	assert_int_equal(tenant_save(&world->a, first + 2, &context), 0);
	(void)primary(&world->a); /* what was saved goes first, though it was used last */
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, first + 2), 0x910);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, first), 0);
	(void)primary(&world->a); /* then what was used least lately */
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, first + 1), 0x910);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, first), 0);
	assert_int_equal(tenant_load(&world->a, &context), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, first + 3), 0x910);
	assert_int_equal(objects(&world->a), 4);
}

/* What the command names stays, whatever it is; where there is nothing else, it cannot be done. */
static void test_quota_spares_what_is_named(void **state)
{
	static const struct test_command start = {.code = TPM2_CC_HashSequenceStart};
	struct world *world = *state;
	uint32_t parent = primary(&world->a);

	world->a.limits.objects_max = 1;
	assert_int_equal(tenant_child(&world->a, parent, ""), 0x902);
	world->a.limits.objects_max = 2;
	assert_int_equal(tenant_child(&world->a, parent, ""), 0);
	assert_int_equal(tenant_child(&world->a, parent, ""), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, parent), 0);
	assert_int_equal(tenant_send(&world->a, &start), 0); /* sequences count too */
	assert_int_equal(objects(&world->a), 2);
	world->a.limits.objects_max = 0;
	assert_int_equal(tenant_send(&world->a, &start), 0x902);
}

static void test_quota_of_sessions(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a), first, i;

	world->a.limits.sessions_max = 3;
	first = session(&world->a, TPM2_SE_HMAC);
	for (i = 1; i < 70; i++)
		assert_int_equal(session(&world->a, TPM2_SE_HMAC), first + i);
	assert_int_equal(sessions(&world->a), 3);
	assert_int_equal(tenant_use_in(&world->a, key, first + 66, CONTINUE), 0x918);
	assert_int_equal(tenant_use_in(&world->a, key, first + 67, CONTINUE), 0);
	world->a.limits.sessions_max = 0;
	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, TPM2_RH_NULL), 0x905);
}

/* The chip has none left: whoever has most gives one. */
static void test_the_chips_sessions(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a), first, mine, i;

	world->guests.sessions_max = 5;
	mine = session(&world->b, TPM2_SE_HMAC);
	first = session(&world->a, TPM2_SE_HMAC);
	for (i = 1; i < 4; i++)
		(void)session(&world->a, TPM2_SE_HMAC);
	(void)session(&world->b, TPM2_SE_HMAC);
	assert_int_equal(sessions(&world->a), 3);
	assert_int_equal(tenant_use_in(&world->a, key, first, CONTINUE), 0x918);
	assert_int_equal(tenant_use_in(&world->a, key, first + 1, CONTINUE), 0);
	(void)primary(&world->b);
	assert_int_equal(tenant_use_in(&world->b, TENANT_HANDLE(&world->b), mine, CONTINUE), 0);
	world->guests.sessions_max = 0;
	world->guests.answer = 0x905; /* only ours are left, none is to be had */
	tenant_fini(&world->a);
	tenant_fini(&world->b);
	tenant_init(&world->a, world->broker, 1);
	tenant_init(&world->b, world->broker, 2);
	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, TPM2_RH_NULL), 0x905);
}

static void test_guests_of_all(void **state)
{
	struct world *world = *state;
	unsigned i;

	world->a.limits.objects_max = world->b.limits.objects_max = BROKER_GUESTS_MAX;
	(void)primary(&world->b);
	for (i = 1; i < BROKER_GUESTS_MAX; i++)
		(void)primary(&world->a);
	assert_int_equal(world->guests.alive, BROKER_GUESTS_MAX);
	(void)primary(&world->b);
	assert_int_equal(world->guests.alive, BROKER_GUESTS_MAX);
	assert_int_equal(objects(&world->b), 2);
}

/* --- losses -------------------------------------------------------------------------------- */

static void test_a_reset_takes_all(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	uint32_t key = primary(&world->a), handle = session(&world->a, TPM2_SE_HMAC);
	uint32_t saved = session(&world->a, TPM2_SE_HMAC);

	assert_int_equal(tenant_save(&world->a, saved, &context), 0);
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, key), 0x910);
	assert_int_equal(objects(&world->a) + sessions(&world->a), 0);
	assert_int_equal(tenant_load(&world->a, &context), 0x1cb);
	assert_true(primary(&world->a) > key);
	assert_int_equal(tenant_use_in(&world->a, key + 1, handle, CONTINUE), 0x918);
	assert_int_equal(world->guests.alive, 1);
}

/* It is seen only on the way: what that command made is there ever after. */
static void test_a_reset_on_the_way(void **state)
{
	struct world *world = *state;
	uint32_t key = primary(&world->a), made, handle;

	world->guests.resets = true;
	made = primary(&world->a);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, made), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, key), 0x910);
	world->guests.resets = true;
	handle = session(&world->a, TPM2_SE_HMAC);
	(void)primary(&world->a);
	assert_int_equal(tenant_use_in(&world->a, TENANT_HANDLE(&world->a), handle, CONTINUE), 0);
	world->guests.resets = true;
	assert_int_equal(tenant_use_in(&world->a, made + 1, handle, CONTINUE), 0x910);
	assert_int_equal(tenant_use_in(&world->a, made + 1, handle, CONTINUE), 0x910);
	assert_int_equal(world->guests.alive, 0);
}

static void test_the_chip_is_gone(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	uint32_t key = primary(&world->a);

	assert_int_equal(tenant_save(&world->a, key, &context), 0);
	world->guests.fails = ERR_TPM_FAILED;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, key), TPM2_RC_FAILURE);
	assert_int_equal(world->a.fault.code, ERR_TPM_FAILED);
	world->guests.fails = ERR_TPM_CHANGED;
	assert_int_equal(tenant_load(&world->a, &context), TPM2_RC_FAILURE);
	assert_int_equal(world->a.fault.code, ERR_TPM_CHANGED);
	world->guests.fails = ERR_TPM_FAILED;
	assert_int_equal(tenant_capability(&world->a, TPM2_CAP_HANDLES, 0x81000000, 1),
			 TPM2_RC_FAILURE);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, key), 0);
	assert_int_equal(world->a.fault.code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(test_each_has_its_own_numbers),
		CASE(test_stale_handles_name_nothing),
		CASE(test_which_handle_is_unknown),
		CASE(test_persistent_keys_of_the_chip),
		CASE(test_a_session_ends_only_with_success),
		CASE(test_a_sequence_ends_with_its_completion),
		CASE(test_contexts_of_objects),
		CASE(test_contexts_after_a_start),
		CASE(test_contexts_of_sessions),
		CASE(test_lists_of_handles),
		CASE(test_lists_of_the_chip),
		CASE(test_no_list_in_a_session),
		CASE(test_constants),
		CASE(test_what_is_not_kept),
		CASE(test_constants_have_an_end),
		CASE(test_quota_of_objects),
		CASE(test_quota_spares_what_is_named),
		CASE(test_quota_of_sessions),
		CASE(test_the_chips_sessions),
		CASE(test_guests_of_all),
		CASE(test_a_reset_takes_all),
		CASE(test_a_reset_on_the_way),
		CASE(test_the_chip_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
