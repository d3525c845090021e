/* SPDX-License-Identifier: Apache-2.0 */

/* Keys of the chip that a tenant may not reach, by their handle or by their template. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/test_world.h"
#include "broker/wire.h"

#define EK	 0x81010001u
#define AK	 0x81010203u
#define OTHER	 0x81000040u
#define PLACE	 0x81000010u
#define SRK_BITS 0x00030472u /* the TCG's attributes of an SRK */
#define AK_BITS	 0x00050072u /* restricted, sign, and the same */
#define VALUE_2	 0x2c4u

/* Of the last answer, which is that of ReadPublic. */
static uint64_t name_of(const struct tenant *tenant)
{
	const size_t at = WIRE_HEADER + 2 + 8 + 2 + 2;

	return (uint64_t)tenant_u32(tenant, at) << 32 | tenant_u32(tenant, at + 4);
}

/* The chip has persistent what the tenant's template gives. */
static void put_key(struct world *world, uint32_t handle, uint32_t attributes)
{
	assert_int_equal(tenant_primary(&world->b, attributes, "template"), 0);
	assert_int_equal(tenant_use(&world->b, TPM2_CC_ReadPublic, TENANT_HANDLE(&world->b)), 0);
	world->guests.persistent[0] = handle;
	world->guests.keys[0].attributes = attributes;
	world->guests.keys[0].name = name_of(&world->b);
}

/* --- by template --------------------------------------------------------------------------- */

static void test_who_derives_a_key(void **state)
{
	static const uint32_t reserved[] = {OTHER};
	static const struct {
		uint32_t handle, attributes;
		bool full, is_reserved;
		uint32_t rc;
	} cases[] = {
		{OTHER, AK_BITS, false, false, VALUE_2},
		{OTHER, AK_BITS, false, true, VALUE_2},
		{OTHER, AK_BITS, true, true, VALUE_2},
		{OTHER, AK_BITS, true, false, 0}, /* which it reaches by its handle */
		{AK, AK_BITS, false, false, VALUE_2},
		{OTHER, 0x00030072, false, false, VALUE_2}, /* somebody's storage key */
		{OTHER, SRK_BITS, false, true, 0},	    /* an SRK, wherever it lies */
		{OTHER, GUESTS_EK, false, false, 0},
		{0x81000001, AK_BITS, false, false, 0},
		{EK, GUESTS_EK, false, false, 0},
	};
	struct world *world = *state;
	size_t i;

	world->b.limits.full = true;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct vchip_usage usage;

		world->guests.persistent[0] = 0;
		guests_reset(&world->guests);
		put_key(world, cases[i].handle, cases[i].attributes);
		world->a.limits.full = cases[i].full;
		world->a.limits.reserved = reserved;
		world->a.limits.reserved_count = cases[i].is_reserved;
		assert_int_equal(tenant_primary(&world->a, cases[i].attributes, "template"),
				 cases[i].rc);
		vchip_usage(world->a.vchip, &usage);
		assert_int_equal(usage.objects, !cases[i].rc);
		assert_int_equal(tenant_primary(&world->a, cases[i].attributes, "mine"), 0);
	}
}

/* The chip has ten keys, of which the last is what the tenant's template gives. */
static void put_keys(struct world *world)
{
	struct guests *guests = &world->guests;

	memset(guests->persistent, 0, sizeof(guests->persistent));
	guests_reset(guests);
	put_key(world, OTHER, AK_BITS);
	for (uint32_t i = 1; i < 10; i++)
		guests->persistent[i] = OTHER + i;
	guests->keys[9] = guests->keys[0];
	guests->keys[0].attributes = 0;
}

/* What stands behind in the chip's lists is guarded as well, and lists that hide some guard none.
 */
static void test_lists_of_keys(void **state)
{
	static const struct {
		unsigned page;
		uint32_t third, rc;
	} cases[] = {
		{0, OTHER + 2, VALUE_2},	 {2, OTHER + 2, VALUE_2},
		{1, OTHER + 2, TPM2_RC_FAILURE}, /* more answers than any chip needs */
		{0, OTHER + 20, VALUE_2},	 {4, OTHER + 20, TPM2_RC_FAILURE},
		{0, OTHER, TPM2_RC_FAILURE},	 {4, OTHER, TPM2_RC_FAILURE},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_keys(world);
		world->guests.page = cases[i].page;
		world->guests.persistent[2] = cases[i].third;
		assert_int_equal(tenant_primary(&world->a, AK_BITS, "template"), cases[i].rc);
		assert_int_equal(world->a.fault.code,
				 cases[i].rc == TPM2_RC_FAILURE ? ERR_TPM_FAILED : 0);
		world->guests.page = 0;
	}
}

/* What was made persistent before the key was there is not made again when it is. */
static void test_by_a_recipe(void **state)
{
	struct world *world = *state;

	assert_int_equal(tenant_primary(&world->a, AK_BITS, "template"), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE), 0);
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0);
	put_key(world, OTHER, AK_BITS);
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE), 0x18b);
}

/* What the chip does not tell is not given. */
static void test_a_key_that_is_not_shown(void **state)
{
	static const struct {
		uint32_t code, answer, rc;
	} cases[] = {
		{TPM2_CC_ReadPublic, 0x101, TPM2_RC_FAILURE},
		{TPM2_CC_GetCapability, 0x101, TPM2_RC_FAILURE},
		{TPM2_CC_ReadPublic, 0x18b, 0}, /* gone while it was looked at */
	};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		guests_reset(&world->guests);
		world->guests.persistent[0] = OTHER;
		world->guests.answer_to = cases[i].code;
		world->guests.answer = cases[i].answer;
		assert_int_equal(tenant_primary(&world->a, AK_BITS, "mine"), cases[i].rc);
		assert_int_equal(world->a.fault.code, cases[i].rc ? ERR_TPM_FAILED : 0);
	}
}

/* The chip's nonce is another one after a command that it has done. */
static void test_the_sessions_of_a_refused_key(void **state)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(256);
	struct world *world = *state;
	struct test_command command = {
		.code = TPM2_CC_CreatePrimary,
		.handles = {TPM2_RH_OWNER},
		.handle_count = 1,
		.auths = {{.attributes = TPMA_SESSION_CONTINUESESSION}},
		.auth_count = 1,
	};
	struct vchip_usage usage;

	put_key(world, OTHER, AK_BITS);
	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, TPM2_RH_NULL), 0);
	command.auths[0].handle = TENANT_HANDLE(&world->a);
	buf_put_u16(&parameters, 4 + 8);
	buf_put_u16(&parameters, 8);
	buf_put_str(&parameters, "template");
	buf_put_u16(&parameters, 0);
	tenant_put_public(&parameters, AK_BITS);
	buf_put_str(&parameters, "template");
	command.parameters = buf_slice(&parameters);
	assert_int_equal(tenant_send(&world->a, &command), VALUE_2);
	vchip_usage(world->a.vchip, &usage);
	assert_int_equal(usage.objects + usage.sessions, 0);
	assert_int_equal(tenant_send(&world->a, &command), 0x918);
}

/* It stands below a hierarchy only for who has the full set. */
static void test_create_loaded(void **state)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(64);
	static const uint32_t reserved[] = {OTHER};
	struct world *world = *state;
	struct test_command command = {
		.code = TPM2_CC_CreateLoaded,
		.handles = {TPM2_RH_OWNER},
		.handle_count = 1,
		.auths = {TEST_PASSWORD("")},
		.auth_count = 1,
	};

	world->a.policy.set = SET_FULL;
	world->a.limits.full = true;
	world->a.limits.reserved = reserved;
	world->a.limits.reserved_count = ARRAY_LEN(reserved);
	buf_put_u16(&parameters, 0);
	tenant_put_public(&parameters, AK_BITS);
	command.parameters = buf_slice(&parameters);
	assert_int_equal(tenant_send(&world->a, &command), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, TENANT_HANDLE(&world->a)), 0);
	world->guests.persistent[0] = OTHER;
	world->guests.keys[0].attributes = AK_BITS;
	world->guests.keys[0].name = name_of(&world->a);
	assert_int_equal(tenant_send(&world->a, &command), VALUE_2);
}

/* --- by handle ----------------------------------------------------------------------------- */

/* Not all that lies among endorsement keys is one. */
static void test_what_is_an_endorsement_key(void **state)
{
	static const struct {
		uint32_t attributes;
		bool is;
	} cases[] = {
		{GUESTS_EK, true},
		{GUESTS_EK | TPMA_OBJECT_USERWITHAUTH, true},
		{SRK_BITS, true},
		{AK_BITS, false},
		{GUESTS_EK | TPMA_OBJECT_SIGN_ENCRYPT, false},
		{GUESTS_EK & ~TPMA_OBJECT_RESTRICTED, false},
		{GUESTS_EK & ~TPMA_OBJECT_DECRYPT, false},
		{GUESTS_EK & ~TPMA_OBJECT_FIXEDTPM, false},
		{GUESTS_EK & ~TPMA_OBJECT_FIXEDPARENT, false},
	};
	struct world *world = *state;
	size_t i;

	world->guests.persistent[0] = AK;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		const uint32_t rc = cases[i].is ? 0 : 0x18b;

		guests_reset(&world->guests);
		world->guests.keys[0].attributes = cases[i].attributes;
		assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, AK), rc);
		assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, AK), rc);
		assert_int_equal(tenant_capability(&world->a, TPM2_CAP_HANDLES, 0x81000000, 9), 0);
		assert_int_equal(tenant_u32(&world->a, 15), cases[i].is);
	}
	world->guests.fails = ERR_TPM_FAILED;
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, AK), TPM2_RC_FAILURE);
}

/* Another user of the chip puts another key there, and nothing tells us. */
static void test_a_key_that_was_exchanged(void **state)
{
	struct world *world = *state;
	unsigned before;

	world->guests.persistent[0] = AK;
	world->guests.keys[0].attributes = GUESTS_EK;
	world->guests.keys[0].name = 1;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, AK), 0);
	before = world->guests.commands;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, AK), 0);
	assert_int_equal(world->guests.commands, before);
	/* What it authorises is asked for, .. */
	world->guests.keys[0].attributes = AK_BITS;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, AK), 0x18b);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, AK), 0x18b);
	/* .. and who was refused is not for ever. */
	world->guests.keys[0].attributes = GUESTS_EK;
	world->guests.keys[0].name = 2;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, AK), 0);
	assert_int_equal(name_of(&world->a), 2);
	/* The chip's refusal is a reason to look again. */
	world->guests.keys[0].name = 3;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, AK), 0);
	assert_int_equal(name_of(&world->a), 2);
	world->guests.answer_to = TPM2_CC_RSA_Encrypt;
	world->guests.answer = 0x184;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_RSA_Encrypt, AK), 0x184);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, AK), 0);
	assert_int_equal(name_of(&world->a), 3);
}

/* What was an endorsement key when it was asked for last is guarded when it is none any more. */
static void test_a_template_of_what_was_exchanged(void **state)
{
	struct world *world = *state;

	world->guests.persistent[0] = AK;
	world->guests.keys[0].attributes = GUESTS_EK;
	world->guests.keys[0].name = 1;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, AK), 0);
	put_key(world, AK, AK_BITS);
	assert_int_equal(tenant_primary(&world->a, AK_BITS, "template"), VALUE_2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(test_who_derives_a_key),
		CASE(test_lists_of_keys),
		CASE(test_by_a_recipe),
		CASE(test_a_key_that_is_not_shown),
		CASE(test_the_sessions_of_a_refused_key),
		CASE(test_create_loaded),
		CASE(test_what_is_an_endorsement_key),
		CASE(test_a_key_that_was_exchanged),
		CASE(test_a_template_of_what_was_exchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
