/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/test_tenant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/wire.h"

struct broker *test_broker(struct provider *p)
{
	struct secret *key = NULL;
	struct broker *broker = NULL;
	struct err err;

	assert_int_equal(secret_new(BROKER_KEY_SIZE, &key, &err), 0);
	memset(secret_data(key), 'k', BROKER_KEY_SIZE);
	assert_int_equal(broker_new(p, key, &broker, &err), 0);
	secret_free(key);
	return broker;
}

/* --- a shelf in memory --------------------------------------------------------------------- */

static int shelf_fails(struct tenant *tenant, struct err *err)
{
	int fails = tenant->shelf_fails;

	tenant->shelf_fails = 0;
	return fails ? err_set(err, fails, "as the test wants it") : 0;
}

static size_t shelf_find(const struct tenant *tenant, uint32_t handle)
{
	size_t i = 0;

	while (i < tenant->shelf_count && tenant->shelf[i].handle != handle)
		i++;
	return i;
}

static int shelf_put(void *arg, uint32_t handle, const struct secret *recipe, struct err *err)
{
	struct tenant *tenant = arg;
	struct err ignored;
	int r = shelf_fails(tenant, err);

	if (r < 0 && !tenant->shelf_does)
		return r;
	assert_true(tenant->shelf_count < TENANT_SHELF_MAX);
	assert_true(secret_size(recipe) <= BROKER_RECIPE_MAX);
	assert_int_equal(shelf_find(tenant, handle), tenant->shelf_count);
	tenant->shelf[tenant->shelf_count].handle = handle;
	assert_int_equal(secret_copy(secret_slice(recipe),
				     &tenant->shelf[tenant->shelf_count].recipe, &ignored),
			 0);
	tenant->shelf_count++;
	tenant->shelf_does = false;
	return r;
}

static int shelf_get(void *arg, uint32_t handle, struct secret **ret_recipe, struct err *err)
{
	struct tenant *tenant = arg;
	size_t i = shelf_find(tenant, handle);
	int r = shelf_fails(tenant, err);

	tenant->shelf_gets++;
	if (r < 0)
		return r;
	if (i == tenant->shelf_count)
		return err_set(err, ERR_NOT_FOUND, "nothing there");
	return secret_copy(secret_slice(tenant->shelf[i].recipe), ret_recipe, err);
}

static int shelf_remove(void *arg, uint32_t handle, struct err *err)
{
	struct tenant *tenant = arg;
	size_t i = shelf_find(tenant, handle);
	int r = shelf_fails(tenant, err);

	if (r < 0 && !tenant->shelf_does)
		return r;
	if (i == tenant->shelf_count)
		return err_set(err, ERR_NOT_FOUND, "nothing there");
	secret_free(tenant->shelf[i].recipe);
	tenant->shelf[i] = tenant->shelf[--tenant->shelf_count];
	tenant->shelf_does = false;
	return r;
}

static int shelf_list(void *arg, uint32_t ret_handles[BROKER_PERSISTENT_MAX], size_t *ret_count,
		      struct err *err)
{
	struct tenant *tenant = arg;
	int r = shelf_fails(tenant, err);
	size_t i;

	if (r < 0)
		return r;
	for (i = 0; i < tenant->shelf_count; i++)
		ret_handles[i] = tenant->shelf[i].handle;
	*ret_count = tenant->shelf_count;
	return 0;
}

/* --- a tenant ------------------------------------------------------------------------------ */

void tenant_move(struct tenant *tenant, struct broker *broker, uint8_t id)
{
	const struct broker_shelf shelf = {
		.put = shelf_put,
		.get = shelf_get,
		.remove = shelf_remove,
		.list = shelf_list,
		.arg = tenant,
	};
	uint8_t bytes[BROKER_TENANT_ID_SIZE] = {id};

	assert_int_equal(vchip_new(broker, bytes, &shelf, &tenant->vchip, &tenant->fault), 0);
}

void tenant_init(struct tenant *tenant, struct broker *broker, uint8_t id)
{
	*tenant = (struct tenant){
		.limits = {.objects_max = 40, .sessions_max = 40},
		.policy = {.set = SET_STANDARD},
		.answer = BUF_INIT(WIRE_MAX),
	};
	tenant_move(tenant, broker, id);
}

void tenant_fini(struct tenant *tenant)
{
	size_t i;

	vchip_free(tenant->vchip);
	for (i = 0; i < tenant->shelf_count; i++)
		secret_free(tenant->shelf[i].recipe);
	buf_fini(&tenant->answer);
}

uint32_t tenant_u32(const struct tenant *tenant, size_t at)
{
	struct cursor cursor = cursor_of(buf_slice(&tenant->answer));
	uint32_t number;

	(void)cursor_take(&cursor, at);
	number = cursor_u32(&cursor);
	assert_false(cursor.failed);
	return number;
}

/* Every answer is one whole response. */
uint32_t tenant_send_bytes(struct tenant *tenant, struct slice bytes)
{
	const struct filter_facts facts = {
		.policy = tenant->policy,
		.reserved = tenant->limits.reserved,
		.reserved_count = tenant->limits.reserved_count,
	};
	struct filter_view view;

	buf_reset(&tenant->answer);
	tenant->fault = (struct err){.code = 0};
	if (filter_judge(&facts, bytes, &view, &tenant->answer) == FILTER_PASS)
		vchip_run(tenant->vchip, &view, &tenant->limits, &tenant->answer, &tenant->fault);
	assert_true(buf_ok(&tenant->answer));
	assert_int_equal(tenant_u32(tenant, 2), tenant->answer.len);
	return tenant_u32(tenant, 6);
}

static void put_auths(struct buf *bytes, const struct test_command *command)
{
	struct buf area = BUF_INIT(WIRE_MAX);
	size_t i;

	for (i = 0; i < command->auth_count; i++) {
		const struct test_auth *auth = &command->auths[i];

		buf_put_u32(&area, auth->handle);
		buf_put_u16(&area, (uint16_t)auth->nonce.len);
		buf_put(&area, auth->nonce);
		buf_put_u8(&area, auth->attributes);
		buf_put_u16(&area, (uint16_t)auth->hmac.len);
		buf_put(&area, auth->hmac);
	}
	buf_put_u32(bytes, (uint32_t)area.len);
	buf_put(bytes, buf_slice(&area));
	buf_fini(&area);
}

uint32_t tenant_send(struct tenant *tenant, const struct test_command *command)
{
	struct buf body = BUF_INIT(WIRE_MAX), bytes = BUF_INIT(WIRE_MAX);
	uint32_t rc;
	size_t i;

	for (i = 0; i < command->handle_count; i++)
		buf_put_u32(&body, command->handles[i]);
	if (command->auth_count > 0)
		put_auths(&body, command);
	buf_put(&body, command->parameters);
	buf_put_u16(&bytes, command->auth_count > 0 ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS);
	buf_put_u32(&bytes, (uint32_t)(WIRE_HEADER + body.len));
	buf_put_u32(&bytes, command->code);
	buf_put(&bytes, buf_slice(&body));
	assert_true(buf_ok(&bytes));
	rc = tenant_send_bytes(tenant, buf_slice(&bytes));
	buf_fini(&body);
	buf_fini(&bytes);
	return rc;
}

/* --- commands ------------------------------------------------------------------------------ */

void tenant_put_public(struct buf *parameters, uint32_t attributes)
{
	buf_put_u16(parameters, 8);
	buf_put_u16(parameters, TPM2_ALG_ECC);
	buf_put_u16(parameters, TPM2_ALG_SHA256);
	buf_put_u32(parameters, attributes);
}

static struct test_auth password_auth(const char *password)
{
	return (struct test_auth){
		.handle = TPM2_RS_PW, .attributes = 1, .hmac = slice_str(password)};
}

/* inSensitive with @unique as its password, inPublic, then what nobody looks at. */
uint32_t tenant_primary(struct tenant *tenant, uint32_t attributes, const char *unique)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(256);
	struct slice password = slice_str(unique);
	struct test_command command = {
		.code = TPM2_CC_CreatePrimary,
		.handles = {TPM2_RH_OWNER},
		.handle_count = 1,
		.auths = {TEST_PASSWORD("")},
		.auth_count = 1,
	};

	buf_put_u16(&parameters, (uint16_t)(4 + password.len));
	buf_put_u16(&parameters, (uint16_t)password.len);
	buf_put(&parameters, password);
	buf_put_u16(&parameters, 0);
	tenant_put_public(&parameters, attributes);
	buf_put(&parameters, password);
	command.parameters = buf_slice(&parameters);
	return tenant_send(tenant, &command);
}

uint32_t tenant_child(struct tenant *tenant, uint32_t parent, const char *password)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(256);
	struct test_command command = {
		.code = TPM2_CC_Load,
		.handles = {parent},
		.handle_count = 1,
		.auths = {password_auth(password)},
		.auth_count = 1,
	};

	buf_put_u16(&parameters, 4);
	buf_put_str(&parameters, "priv");
	tenant_put_public(&parameters, TPMA_OBJECT_NODA);
	command.parameters = buf_slice(&parameters);
	return tenant_send(tenant, &command);
}

uint32_t tenant_session(struct tenant *tenant, uint8_t type, uint32_t bind)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(256);
	struct test_command command = {
		.code = TPM2_CC_StartAuthSession,
		.handles = {TPM2_RH_NULL, bind},
		.handle_count = 2,
	};

	buf_put_u16(&parameters, 16);
	buf_put_str(&parameters, "nonce of caller.");
	buf_put_u16(&parameters, 0);
	buf_put_u8(&parameters, type);
	buf_put_u16(&parameters, TPM2_ALG_NULL);
	buf_put_u16(&parameters, TPM2_ALG_SHA256);
	command.parameters = buf_slice(&parameters);
	return tenant_send(tenant, &command);
}

uint32_t tenant_use(struct tenant *tenant, uint32_t code, uint32_t handle)
{
	const struct test_command command = {
		.code = code,
		.handles = {handle},
		.handle_count = 1,
		.auths = {TEST_PASSWORD("guess")},
		.auth_count = commands_by_code(code)->auths,
	};

	return tenant_send(tenant, &command);
}

uint32_t tenant_use_in(struct tenant *tenant, uint32_t handle, uint32_t session, uint8_t attributes)
{
	const struct test_command command = {
		.code = TPM2_CC_Sign,
		.handles = {handle},
		.handle_count = 1,
		.auths = {{.handle = session,
			   .attributes = attributes,
			   .nonce = slice_str("nonce")}},
		.auth_count = 1,
	};

	return tenant_send(tenant, &command);
}

static uint32_t send_numbers(struct tenant *tenant, uint32_t code, const uint32_t *numbers,
			     size_t count)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(256);
	struct test_command command = {.code = code};
	size_t i;

	for (i = 0; i < count; i++)
		buf_put_u32(&parameters, numbers[i]);
	command.parameters = buf_slice(&parameters);
	return tenant_send(tenant, &command);
}

uint32_t tenant_flush(struct tenant *tenant, uint32_t handle)
{
	return send_numbers(tenant, TPM2_CC_FlushContext, &handle, 1);
}

uint32_t tenant_capability(struct tenant *tenant, uint32_t capability, uint32_t property,
			   uint32_t count)
{
	const uint32_t numbers[] = {capability, property, count};

	return send_numbers(tenant, TPM2_CC_GetCapability, numbers, ARRAY_LEN(numbers));
}

uint32_t tenant_save(struct tenant *tenant, uint32_t handle, struct buf *ret_context)
{
	uint32_t rc = tenant_use(tenant, TPM2_CC_ContextSave, handle);

	buf_reset(ret_context);
	buf_put(ret_context,
		slice_of(tenant->answer.data + WIRE_HEADER, tenant->answer.len - WIRE_HEADER));
	return rc;
}

uint32_t tenant_load(struct tenant *tenant, const struct buf *context)
{
	const struct test_command command = {.code = TPM2_CC_ContextLoad,
					     .parameters = buf_slice(context)};

	return tenant_send(tenant, &command);
}

uint32_t tenant_evict(struct tenant *tenant, uint32_t object, uint32_t handle)
{
	CLEANUP(buf_fini) struct buf parameters = BUF_INIT(4);
	struct test_command command = {
		.code = TPM2_CC_EvictControl,
		.handles = {TPM2_RH_OWNER, object},
		.handle_count = 2,
		.auths = {TEST_PASSWORD("")},
		.auth_count = 1,
	};

	buf_put_u32(&parameters, handle);
	command.parameters = buf_slice(&parameters);
	return tenant_send(tenant, &command);
}
