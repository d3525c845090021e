/* SPDX-License-Identifier: Apache-2.0 */

#include "tpm/test_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/chip.h"
#include "tpm/impl.h"

const struct slice bench_password = {.data = (const uint8_t *)"an authValue of ours", .len = 20};

static struct slice text_of(const char *text)
{
	return text ? slice_str(text) : slice_of(NULL, 0);
}

int bench_reopen(struct bench *bench, bool recorded, bool *ret_new)
{
	struct engine_options options = {
		.tcti = bench->tcti[0] ? bench->tcti : bench->chip->conf,
		.srk_type = bench->rsa ? PKEY_RSA_2048 : PKEY_ECC_P256,
		.srk_handle = bench->srk_handle ? bench->srk_handle : OUR_HANDLE,
		.hsk_handle = HSK_HANDLE,
		.encrypt = !bench->in_clear,
		.owner_auth = text_of(bench->owner),
		.endorsement_auth = text_of(bench->endorsement),
		.lockout_auth = text_of(bench->lockout),
		.hsk_auth = slice_str("the password of the HSK"),
		.recorded = recorded ? &bench->roots : NULL,
	};
	int r;

	engine_free(bench->engine);
	bench->engine = NULL;
	bench->err = (struct err){0};
	r = engine_open(&options, &bench->engine, ret_new, &bench->err);
	if (r == 0)
		bench->roots = *engine_roots(bench->engine);
	return r;
}

void bench_through(struct bench *bench, const char *tcti)
{
	bool made = true;

	snprintf(bench->tcti, sizeof(bench->tcti), "%s", tcti);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_false(made);
}

void bench_through_refuser(struct bench *bench)
{
	char tcti[sizeof(bench->tcti)];

	snprintf(tcti, sizeof(tcti), "%s:%s", REFUSE_TCTI, bench->chip->conf);
	bench_through(bench, tcti);
}

static struct bench *bench_new(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	bench->chip = calloc(1, sizeof(*bench->chip));
	assert_non_null(bench->chip);
	return bench;
}

static int bench_start(struct bench *bench, void **state)
{
	bool made = false;

	assert_int_equal(bench_reopen(bench, false, &made), 0);
	assert_true(made);
	assert_int_equal(engine_persist_hsk(bench->engine, &bench->err), 0);
	*state = bench;
	return 0;
}

int bench_setup(void **state)
{
	struct bench *bench = bench_new();

	chip_new(bench->chip);
	return bench_start(bench, state);
}

int bench_setup_made(void **state)
{
	struct bench *bench = bench_new();

	chip_new_made(bench->chip, "2048");
	return bench_start(bench, state);
}

int bench_setup_made_3072(void **state)
{
	struct bench *bench = bench_new();

	chip_new_made(bench->chip, "3072");
	return bench_start(bench, state);
}

int bench_teardown(void **state)
{
	struct bench *bench = *state;

	engine_free(bench->engine);
	chip_free(bench->chip);
	free(bench->chip);
	free(bench);
	return 0;
}

void bench_seal(struct bench *bench, const char *text, struct engine_made *ret_made)
{
	struct secret *plain = NULL;

	assert_int_equal(secret_copy(slice_str(text), &plain, &bench->err), 0);
	assert_int_equal(engine_seal(bench->engine, bench_password, plain, ret_made, &bench->err),
			 0);
	secret_free(plain);
}

struct engine_object bench_object(const struct engine_made *made, enum engine_parent parent)
{
	return (struct engine_object){.parent = parent,
				      .public = buf_slice(&made->public),
				      .private = buf_slice(&made->private),
				      .auth = bench_password};
}

int bench_unseal(struct bench *bench, const struct engine_made *made, const char *expected)
{
	struct engine_object object = bench_object(made, ENGINE_HSK);
	struct secret *plain = NULL;
	int r = engine_unseal(bench->engine, &object, &plain, &bench->err);

	if (r < 0) {
		assert_null(plain);
		return r;
	}
	assert_true(slice_equal(secret_slice(plain), slice_str(expected)));
	secret_free(plain);
	return 0;
}

void bench_key(struct bench *bench, enum engine_parent parent, struct engine_made *ret_made)
{
	assert_int_equal(engine_create_key(bench->engine,
					   &(struct engine_key){.parent = parent,
								.type = PKEY_ECC_P256,
								.uses = ENGINE_SIGN,
								.auth = bench_password},
					   ret_made, &bench->err),
			 0);
}

void bench_mac_key(struct bench *bench, struct slice secret, struct engine_made *ret_made)
{
	const struct resident_parent wanted = {.parent = ENGINE_HSK, .more = 1};
	TPM2B_PUBLIC template, public;
	TPM2B_PRIVATE private;
	struct root hsk;
	struct chip_create create = {
		.parent = &hsk, .template = &template, .auth = bench_password, .data = secret};

	assert_int_equal(public_key(PKEY_TYPES, ENGINE_MAC, &template, &bench->err), 0);
	template.publicArea.objectAttributes &= ~(TPMA_OBJECT)TPMA_OBJECT_SENSITIVEDATAORIGIN;
	assert_int_equal(engine_ready(bench->engine, &bench->err), 0);
	assert_int_equal(resident_parent(bench->engine, &wanted, &hsk, &create.parent_auth), 0);
	assert_int_equal(chip_create(bench->engine, &create, &public, &private), 0);
	assert_int_equal(made_marshal(&public, &private, ret_made, &bench->err), 0);
}

void bench_aik(struct bench *bench, enum pkey_type type, enum hash_alg hash,
	       struct engine_made *ret_made)
{
	const struct engine_aik aik = {.type = type, .hash = hash};

	assert_int_equal(
		engine_create_aik(bench->engine, &aik, bench_password, ret_made, &bench->err), 0);
}

void bench_lie(struct bench *bench, const char *how, uint32_t code)
{
	bool made;

	/* Directly first: there the chip is ours alone and is emptied. */
	bench->tcti[0] = '\0';
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	unsetenv("HOLDFAST_TEST_EVIL_TOLD");
	snprintf(bench->tcti, sizeof(bench->tcti), "%s:%s,%x,%s", EVIL_TCTI, how, code,
		 bench->chip->conf);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
}

void bench_sign(struct bench *bench, const struct engine_made *made, enum engine_parent parent)
{
	const uint8_t digest[32] = {1, 2, 3};
	struct engine_sign request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};
	struct engine_object key = bench_object(made, parent);
	struct buf signature = BUF_INIT(512);
	struct engine_public public;

	assert_int_equal(engine_public_parse(key.public, &public, &bench->err), 0);
	assert_int_equal(engine_sign(bench->engine, &key, &request, &signature, &bench->err), 0);
	assert_int_equal(pkey_verify(public.key, PKEY_ECDSA, HASH_SHA256, request.digest,
				     buf_slice(&signature), &bench->err),
			 0);
	pkey_free(public.key);
	buf_fini(&signature);
}

void bench_transient_hsk(struct bench *bench)
{
	bool made = true;

	assert_int_equal(chip_persist(bench->engine, &bench->engine->hsk, HSK_HANDLE), 0);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_false(made);
	assert_int_equal(bench->engine->hsk.handle, 0);
}

unsigned bench_cost(void)
{
	static uint64_t before;
	uint64_t now = transport_command_count();
	unsigned cost = (unsigned)(now - before);

	before = now;
	return cost;
}

int bench_connect(const struct bench *bench, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", bench->chip->dir, name);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

uint32_t bench_send(int fd, const struct buf *command, struct buf *ret_answer)
{
	struct cursor cursor;
	ssize_t n;

	assert_int_equal(write(fd, command->data, command->len), (ssize_t)command->len);
	buf_reset(ret_answer);
	n = read(fd, buf_grow(ret_answer, 4096), 4096);
	assert_true(n >= 10);
	ret_answer->len = (size_t)n;
	cursor = cursor_of(buf_slice(ret_answer));
	(void)cursor_take(&cursor, 6);
	return cursor_u32(&cursor);
}

void bench_reset_line(struct bench *bench)
{
	static const uint8_t init[] = {0, 0, 0, 2, 0, 0, 0, 0}; /* CMD_INIT, no flags */
	int fd = bench_connect(bench, "s.ctrl");
	uint8_t answer[4] = {1};

	assert_int_equal(write(fd, init, sizeof(init)), sizeof(init));
	assert_int_equal(recv(fd, answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
	assert_int_equal(answer[0] | answer[1] | answer[2] | answer[3], 0);
	close(fd);
}

uint32_t bench_power(struct bench *bench, uint32_t code, uint16_t type)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	CLEANUP(fd_close_cleanup) int fd = bench_connect(bench, "s");

	raw_begin(&command, TPM2_ST_NO_SESSIONS, code);
	buf_put_u16(&command, type);
	raw_end(&command);
	return bench_send(fd, &command, &answer);
}

void bench_refuse(uint32_t code, uint32_t rc, unsigned times)
{
	char demand[40];

	snprintf(demand, sizeof(demand), "%x,%x,%x", code, rc, times);
	setenv("HOLDFAST_TEST_REFUSE", demand, 1);
}

bool bench_refused(void)
{
	const char *demand = getenv("HOLDFAST_TEST_REFUSE");
	bool all = demand && strcmp(demand + strlen(demand) - 2, ",0") == 0;

	unsetenv("HOLDFAST_TEST_REFUSE");
	return all;
}

/* --- raw commands -------------------------------------------------------------------------- */

void raw_begin(struct buf *command, uint16_t tag, uint32_t code)
{
	buf_reset(command);
	buf_put_u16(command, tag);
	buf_put_u32(command, 0);
	buf_put_u32(command, code);
}

void raw_auth(struct buf *command, uint32_t session)
{
	buf_put_u32(command, 9); /* handle, empty nonce, attributes, empty HMAC */
	buf_put_u32(command, session);
	buf_put_u16(command, 0);
	buf_put_u8(command, 1);
	buf_put_u16(command, 0);
}

void raw_end(struct buf *command)
{
	assert_true(buf_ok(command));
	command->data[4] = (uint8_t)(command->len >> 8);
	command->data[5] = (uint8_t)command->len;
}

uint32_t raw_send(struct bench *bench, const struct buf *command, struct buf *ret_answer)
{
	CLEANUP(fd_close_cleanup) int fd = bench_connect(bench, "s");

	return bench_send(fd, command, ret_answer);
}

/* For answers that begin with a handle. */
static uint32_t send_for_handle(struct bench *bench, const struct buf *command,
				uint32_t *ret_handle)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	uint32_t code = raw_send(bench, command, &answer);
	struct cursor cursor = cursor_of(buf_slice(&answer));

	(void)cursor_take(&cursor, 10);
	if (!code)
		*ret_handle = cursor_u32(&cursor);
	return code;
}

uint32_t raw_primary(struct bench *bench, uint32_t *ret_handle)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf template = BUF_INIT(1024);
	TPM2B_PUBLIC public;

	assert_int_equal(public_storage(PKEY_ECC_P256, &public, &bench->err), 0);
	assert_int_equal(public_marshal(&public, &template, &bench->err), 0);
	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_CreatePrimary);
	buf_put_u32(&command, TPM2_RH_OWNER);
	raw_auth(&command, TPM2_RS_PW);
	buf_put_u16(&command, 4); /* sensitive: no password, no data */
	buf_put_u32(&command, 0);
	buf_put(&command, buf_slice(&template));
	buf_put_u16(&command, 0); /* outside info */
	buf_put_u32(&command, 0); /* PCRs */
	raw_end(&command);
	return send_for_handle(bench, &command, ret_handle);
}

uint32_t raw_session(struct bench *bench, uint32_t *ret_handle)
{
	static const uint8_t nonce[16] = {1};
	CLEANUP(buf_fini) struct buf command = BUF_INIT(1024);

	raw_begin(&command, TPM2_ST_NO_SESSIONS, TPM2_CC_StartAuthSession);
	buf_put_u32(&command, TPM2_RH_NULL);
	buf_put_u32(&command, TPM2_RH_NULL);
	buf_put_u16(&command, sizeof(nonce));
	buf_put(&command, slice_of(nonce, sizeof(nonce)));
	buf_put_u16(&command, 0); /* no salt */
	buf_put_u8(&command, TPM2_SE_HMAC);
	buf_put_u16(&command, TPM2_ALG_NULL);
	buf_put_u16(&command, TPM2_ALG_SHA256);
	raw_end(&command);
	return send_for_handle(bench, &command, ret_handle);
}

uint32_t raw_flush(struct bench *bench, uint32_t handle)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, TPM2_ST_NO_SESSIONS, TPM2_CC_FlushContext);
	buf_put_u32(&command, handle);
	raw_end(&command);
	return raw_send(bench, &command, &answer);
}

uint32_t raw_evict(struct bench *bench, uint32_t object, uint32_t persistent)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_EvictControl);
	buf_put_u32(&command, TPM2_RH_OWNER);
	buf_put_u32(&command, object);
	raw_auth(&command, TPM2_RS_PW);
	buf_put_u32(&command, persistent);
	raw_end(&command);
	return raw_send(bench, &command, &answer);
}

void raw_squat(struct bench *bench, uint32_t handle)
{
	uint32_t transient = 0;

	assert_int_equal(raw_primary(bench, &transient), 0);
	assert_int_equal(raw_evict(bench, transient, handle), 0);
	assert_int_equal(raw_flush(bench, transient), 0);
}

void raw_password(struct bench *bench, uint32_t hierarchy, const char *text)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(128);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_HierarchyChangeAuth);
	buf_put_u32(&command, hierarchy);
	raw_auth(&command, TPM2_RS_PW);
	buf_put_u16(&command, (uint16_t)strlen(text));
	buf_put_str(&command, text);
	raw_end(&command);
	assert_int_equal(raw_send(bench, &command, &answer), 0);
}

static void list(struct bench *bench, uint32_t group, struct chip_handles *ret_handles)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	struct cursor cursor;
	uint32_t count;

	raw_begin(&command, TPM2_ST_NO_SESSIONS, TPM2_CC_GetCapability);
	buf_put_u32(&command, TPM2_CAP_HANDLES);
	buf_put_u32(&command, group);
	buf_put_u32(&command, CHIP_HANDLES_MAX);
	raw_end(&command);
	assert_int_equal(raw_send(bench, &command, &answer), 0);
	cursor = cursor_of(buf_slice(&answer));
	(void)cursor_take(&cursor, 15); /* header, more, capability */
	count = cursor_u32(&cursor);
	ret_handles->count = 0;
	for (uint32_t i = 0; i < count; i++)
		chip_handles_add(ret_handles, cursor_u32(&cursor));
	assert_true(cursor_done(&cursor));
}

unsigned raw_count(struct bench *bench, uint32_t group)
{
	struct chip_handles handles;

	list(bench, group, &handles);
	return (unsigned)handles.count;
}

void raw_flush_all(struct bench *bench, uint32_t group)
{
	struct chip_handles handles;

	list(bench, group, &handles);
	for (size_t i = 0; i < handles.count; i++)
		assert_int_equal(raw_flush(bench, handles.handle[i]), 0);
}
