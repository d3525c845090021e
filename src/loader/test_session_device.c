/* SPDX-License-Identifier: Apache-2.0 */
/* Session: manifests and device keys, and one proof of the device for all who wait. */
#include "loader/test_fake.h"

#include <stdatomic.h>
#include <stdio.h>

#include "artifact/payload.h"
#include "base/base64.h"
#include "loader/fault.h"
#include "loader/session_impl.h"

#define MANY	  4u
#define DEVICE	  "{\"protection\":\"tpm\"}"
#define CHALLENGE "{\"credential\":\"Y2hhbGxlbmdl\"}" /* "challenge" */
#define TAIL_KEY  "/key?manifest=" HEX
#define HEX	  "0100000000000000000000000000000000000000000000000000000000000000"
#define SESSIONS  "/v2/devices/session"

/* The service with the storage key; it is asked on the pool. */
static struct service {
	atomic_uint described, activated, unwrapped;
	int describe_code, open_code;
	size_t secret_size;
	uint8_t secret_byte;
	char credential[64];
} service;

static int describe(void *arg, struct buf *ret_json, struct err *err)
{
	(void)arg;
	atomic_fetch_add(&service.described, 1);
	if (service.describe_code < 0)
		return err_set(err, service.describe_code, "the service says no");
	buf_put_str(ret_json, DEVICE);
	return 0;
}

static int open_secret(struct secret **ret_secret, struct err *err)
{
	int r;

	if (service.open_code < 0)
		return err_set(err, service.open_code, "the service says no");
	r = secret_new(service.secret_size, ret_secret, err);
	if (r == 0)
		memset(secret_data(*ret_secret), service.secret_byte, service.secret_size);
	return r;
}

static int activate(void *arg, struct slice credential, struct secret **ret_secret, struct err *err)
{
	(void)arg;
	atomic_fetch_add(&service.activated, 1);
	(void)snprintf(service.credential, sizeof(service.credential), "%.*s", (int)credential.len,
		       (const char *)credential.data);
	return open_secret(ret_secret, err);
}

static int unwrap(void *arg, const struct duplicate *wrapped, struct secret **ret_key,
		  struct err *err)
{
	(void)arg;
	atomic_fetch_add(&service.unwrapped, 1);
	return duplicate_check(wrapped, err) < 0 ? err->code : open_secret(ret_key, err);
}

static const struct loader_device device = {
	.describe = describe,
	.activate = activate,
	.unwrap = unwrap,
};

/* --- who asks --- */

struct heard {
	unsigned times;
	int code;
	char text[sizeof(((struct err *)0)->text)];
	struct buf bytes;
	struct session_call *call;
};

static void hear(void *arg, struct slice bytes, const struct err *err)
{
	struct heard *heard = arg;

	heard->times++;
	heard->code = err ? err->code : 0;
	(void)snprintf(heard->text, sizeof(heard->text), "%s", err ? err->text : "");
	heard->bytes = (struct buf)BUF_INIT(4096);
	buf_put(&heard->bytes, bytes);
}

static void check_heard(struct heard *heard, int code, const char *bytes)
{
	assert_int_equal(heard->times, 1);
	assert_int_equal(heard->code, code);
	assert_true(slice_equal(buf_slice(&heard->bytes), slice_str(bytes)));
	buf_fini(&heard->bytes);
}

static const struct resource *net_bin(void)
{
	static struct resource resource;

	resource = (struct resource){slice_str("models"), slice_str("net.bin")};
	return &resource;
}

static const uint8_t MANIFEST[MANIFEST_DIGEST] = {1};

static void ask(struct world *world, struct heard *heard)
{
	*heard = (struct heard){0};
	assert_int_equal(session_device_key(world->session, net_bin(), MANIFEST, hear, heard,
					    &heard->call, &world->err),
			 0);
}

static int device_setup(void **state)
{
	struct world *world;

	assert_int_equal(world_setup(state), 0);
	world = *state;
	service = (struct service){.secret_size = 32};
	world->config.device = &device;
	world_login(world);
	fake_reset();
	return 0;
}

/* Asks, and answers as far as the request of the key. */
static void ask_proved(struct world *world, struct heard *heard)
{
	size_t before = fake.count;

	ask(world, heard);
	if (fake.count > before)
		return;
	world_until_requests(world);
	assert_string_equal(fake_last()->url, "https://api.example" SESSIONS);
	assert_string_equal(fake_last()->bearer, "T1");
	assert_true(slice_equal(buf_slice(&fake_last()->body), slice_str(DEVICE)));
	fake_answer(fake_last(), 200, CHALLENGE);
	world_until_requests(world);
	assert_string_equal(fake_last()->url,
			    "https://api.example/v2/artifacts/models/net.bin" TAIL_KEY);
}

/* --- tests --- */

static void a_manifest_comes_as_it_is(void **state)
{
	struct world *world = *state;
	struct heard heard = {0};
	const struct resource bad[] = {
		{slice_str("models"), slice_str("net.manifest")},
		{slice_str("models"), slice_str("../net")},
		{slice_str(""), slice_str("net")},
	};

	assert_int_equal(
		session_manifest(world->session, net_bin(), hear, &heard, &heard.call, &world->err),
		0);
	assert_string_equal(fake_last()->url,
			    "https://api.example/v2/artifacts/models/net.bin/manifest");
	assert_string_equal(fake_last()->bearer, "T1");
	/* A token that has run out is exchanged here too. */
	fake_answer(fake_last(), 401, "");
	assert_string_equal(fake_last()->url, "https://api.example/login");
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	assert_string_equal(fake_last()->bearer, "T2");
	fake_answer(fake_last(), 200, "DER");
	check_heard(&heard, 0, "DER");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(session_manifest(world->session, &bad[i], hear, &heard,
						  &heard.call, &world->err),
				 ERR_INVALID);
		assert_int_equal(session_device_key(world->session, &bad[i], MANIFEST, hear, &heard,
						    &heard.call, &world->err),
				 ERR_INVALID);
	}
	assert_int_equal(atomic_load(&service.described), 0);
}

static struct fake_request *ask_manifest(struct world *world, struct heard *heard)
{
	*heard = (struct heard){0};
	assert_int_equal(
		session_manifest(world->session, net_bin(), hear, heard, &heard->call, &world->err),
		0);
	return fake_last();
}

static bool is_cancelled(struct world *world)
{
	(void)world;
	return fake_last()->cancelled;
}

/* An API that hangs is left, and known to; half a minute, or until it answers. */
static void an_api_that_hangs_is_known(void **state)
{
	struct world *world = *state;
	struct heard heard;

	(void)ask_manifest(world, &heard);
	assert_int_equal(session_hurry(heard.call, 1000, &world->err), 0);
	world_until(world, is_cancelled);
	check_heard(&heard, FAULT_UPSTREAM, "");
	assert_true(session_is_silent(world->session));
	world->session->silent_us = clock_monotonic_us() - SESSION_SILENT_US;
	assert_false(session_is_silent(world->session));
	fake_end(ask_manifest(world, &heard), FETCH_BROKEN);
	check_heard(&heard, FAULT_UPSTREAM, "");
	assert_true(session_is_silent(world->session));
	/* Any answer is one. */
	fake_answer(ask_manifest(world, &heard), 500, "");
	check_heard(&heard, FAULT_UPSTREAM, "");
	assert_false(session_is_silent(world->session));
	/* In time, and left in time. */
	(void)ask_manifest(world, &heard);
	assert_int_equal(session_hurry(heard.call, 60000000, &world->err), 0);
	fake_answer(fake_last(), 200, "DER");
	check_heard(&heard, 0, "DER");
	(void)ask_manifest(world, &heard);
	assert_int_equal(session_hurry(heard.call, 60000000, &world->err), 0);
	session_leave(heard.call);
	assert_false(session_is_silent(world->session));
}

static void the_device_is_proved_once(void **state)
{
	struct world *world = *state;
	struct heard heard;

	ask_proved(world, &heard);
	assert_string_equal(service.credential, "challenge");
	/* 32 zero bytes as base64url without padding. */
	assert_string_equal(fake_header(fake_last(), "Holdfast-Device"),
			    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	assert_true(fake_last()->credentials[0]);
	fake_answer(fake_last(), 200, "{}\n");
	check_heard(&heard, 0, "{}");
	/* Then only the key is asked for. */
	ask_proved(world, &heard);
	fake_answer(fake_last(), 404, "");
	check_heard(&heard, FAULT_NO_KEY, "");
	assert_int_equal(fake_count(SESSIONS), 1);
	assert_int_equal(atomic_load(&service.described), 1);
	assert_int_equal(atomic_load(&service.activated), 1);
	assert_int_equal(atomic_load(&service.unwrapped), 0);
}

static void many_wait_for_one_proof(void **state)
{
	struct world *world = *state;
	struct heard heard[MANY];

	for (size_t i = 0; i < MANY; i++)
		ask(world, &heard[i]);
	assert_int_equal(fake.count, 0);
	world_until_requests(world);
	assert_int_equal(fake.count, 1);
	/* One more, who comes while the API thinks; and one goes. */
	session_leave(heard[0].call);
	ask(world, &heard[0]);
	fake_answer(fake_last(), 200, CHALLENGE);
	world_until_requests(world);
	assert_int_equal(fake.count, 1 + MANY);
	for (size_t i = 0; i < MANY; i++)
		fake_answer(&fake.requests[1 + i], 200, "{}");
	for (size_t i = 0; i < MANY; i++)
		check_heard(&heard[i], 0, "{}");
	assert_int_equal(atomic_load(&service.described), 1);
}

static void a_wrapped_challenge_is_unwrapped(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX), body = BUF_INIT(8192);
	CLEANUP(wrap_public_cleanup) struct wrap_public *parent = NULL;
	CLEANUP(secret_cleanup) struct secret *data = NULL;
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	struct world *world = *state;
	struct heard heard;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pkey, &world->err), 0);
	assert_int_equal(wrap_public_of_software(pkey, &area, &world->err), 0);
	assert_int_equal(wrap_public_read(buf_slice(&area), &parent, &world->err), 0);
	assert_int_equal(secret_new(32, &data, &world->err), 0);
	assert_int_equal(duplicate_make(parent, data, &made, &world->err), 0);
	buf_put_str(&body, "{\"wrapped\":{\"public\":\"");
	base64_encode(&body, buf_slice(&made.public_area));
	buf_put_str(&body, "\",\"duplicate\":\"");
	base64_encode(&body, buf_slice(&made.private_area));
	buf_put_str(&body, "\",\"seed\":\"");
	base64_encode(&body, buf_slice(&made.seed));
	buf_put_str(&body, "\"}}");
	ask(world, &heard);
	world_until_requests(world);
	fake_answer_bytes(fake_last(), 200, buf_slice(&body));
	world_until_requests(world);
	assert_int_equal(atomic_load(&service.unwrapped), 1);
	assert_int_equal(atomic_load(&service.activated), 0);
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard, 0, "{}");
}

static void a_challenge_that_is_none_is_told(void **state)
{
	static char large[4096];
	const char *const bad[] = {
		"{}",
		"[]",
		"null",
		"{",
		CHALLENGE "x",
		"{\"credential\":null}",
		"{\"credential\":17}",
		"{\"credential\":\"\"}",
		"{\"credential\":\"Y2h!\"}",
		"{\"credential\":[\"Y2hhbGxlbmdl\"]}",
		"{\"credential\":\"Y2hhbGxlbmdl\",\"more\":1}",
		"{\"credential\":\"Y2hhbGxlbmdl\",\"wrapped\":{}}",
		"{\"credential\":\"Y2hhbGxlbmdl\",\"credential\":\"Y2hhbGxlbmdl\"}",
		"{\"wrapped\":{}}",
		"{\"wrapped\":null}",
		"{\"wrapped\":\"Y2hhbGxlbmdl\"}",
		"{\"wrapped\":{\"public\":\"AAAA\",\"duplicate\":\"AAAA\"}}",
		"{\"wrapped\":{\"public\":\"AAAA\",\"duplicate\":\"AAAA\",\"seed\":\"AAAA\"}}",
		"{\"wrapped\":{\"public\":\"AAAA\",\"duplicate\":\"AAAA\",\"seed\":\"AAAA\","
		"\"more\":1}}",
		large,
	};
	struct world *world = *state;
	struct heard heard;

	(void)snprintf(large, sizeof(large), "{\"credential\":\"%02000u\"}", 0u);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ask(world, &heard);
		world_until_requests(world);
		assert_int_equal(heard.times, 0);
		fake_answer(fake_last(), 200, bad[i]);
		check_heard(&heard, FAULT_UPSTREAM, "");
	}
	/* The service, and so the chip, was not asked for any of it. */
	assert_int_equal(atomic_load(&service.activated), 0);
	assert_int_equal(atomic_load(&service.unwrapped), 0);
	assert_int_equal(fake_count(TAIL_KEY), 0);
}

static bool has_heard(struct world *world);
static struct heard *awaited;

static bool has_heard(struct world *world)
{
	(void)world;
	return awaited->times > 0;
}

static void until_heard(struct world *world, struct heard *heard)
{
	awaited = heard;
	world_until(world, has_heard);
}

/*
 * The API may hand over somebody's device key as its challenge: what is in it has another size, and
 * is not passed on.
 */
static void only_a_proof_is_passed_on(void **state)
{
	static const size_t sizes[] = {0, 1, 31, 33, PAYLOAD_KEY + MANIFEST_DIGEST};
	struct world *world = *state;
	struct heard heard;

	service.secret_byte = 0x42;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		service.secret_size = sizes[i];
		ask(world, &heard);
		world_until_requests(world);
		fake_answer(fake_last(), 200, CHALLENGE);
		until_heard(world, &heard);
		check_heard(&heard, FAULT_UPSTREAM, "");
		assert_int_equal(fake.count, i + 1);
	}
}

static void what_the_service_says_is_told(void **state)
{
	static const struct {
		int service;
		int told;
	} rows[] = {
		{ERR_TPM_REQUIRED, ERR_TPM_REQUIRED},
		{ERR_TPM_BUSY, ERR_TPM_BUSY},
		{ERR_STARTING, ERR_STARTING},
		{ERR_DAMAGED, FAULT_UPSTREAM}, /* of the challenge; describing has no such */
	};
	struct world *world = *state;
	struct heard heard[2];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		service.open_code = rows[i].service;
		ask(world, &heard[0]);
		ask(world, &heard[1]);
		world_until_requests(world);
		fake_answer(fake_last(), 200, CHALLENGE);
		until_heard(world, &heard[0]);
		check_heard(&heard[0], rows[i].told, "");
		check_heard(&heard[1], rows[i].told, "");
	}
	fake_reset();
	service.describe_code = ERR_TPM_REQUIRED;
	ask(world, &heard[0]);
	until_heard(world, &heard[0]);
	check_heard(&heard[0], ERR_TPM_REQUIRED, "");
	assert_int_equal(fake.count, 0);
	/* It is no end: the next one is asked again. */
	service.describe_code = service.open_code = 0;
	ask_proved(world, &heard[0]);
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard[0], 0, "{}");
}

static void a_device_that_is_refused_hears_it(void **state)
{
	struct world *world = *state;
	struct heard heard;

	ask(world, &heard);
	world_until_requests(world);
	fake_answer(fake_last(), 403, "{\"code\":\"device_unknown\",\"detail\":\"x\"}");
	check_heard(&heard, ERR_FORBIDDEN, "");
	assert_non_null(strstr(heard.text, "know this device"));
	assert_true(session_active(world->session));
	assert_int_equal(atomic_load(&service.activated), 0);
}

static void a_proof_exchanges_the_token(void **state)
{
	struct world *world = *state;
	struct heard heard;

	ask(world, &heard);
	world_until_requests(world);
	fake_answer(fake_last(), 401, "");
	assert_string_equal(fake_last()->url, "https://api.example/login");
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	assert_string_equal(fake_last()->url, "https://api.example" SESSIONS);
	assert_string_equal(fake_last()->bearer, "T2");
	fake_answer(fake_last(), 200, CHALLENGE);
	world_until_requests(world);
	assert_string_equal(fake_last()->bearer, "T2");
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard, 0, "{}");
}

static void a_log_out_ends_the_proof(void **state)
{
	struct world *world = *state;
	struct heard heard;

	ask(world, &heard);
	world_until_requests(world);
	fake_answer(fake_last(), 401, "");
	fake_answer(fake_last(), 401, "");
	check_heard(&heard, FAULT_NOT_LOGGED_IN, "");
	assert_false(session_active(world->session));
	assert_int_equal(session_device_key(world->session, net_bin(), MANIFEST, hear, &heard,
					    &heard.call, &world->err),
			 FAULT_NOT_LOGGED_IN);
}

static void what_is_forgotten_is_proved_again_once(void **state)
{
	struct world *world = *state;
	struct heard heard[2];

	ask_proved(world, &heard[0]);
	ask_proved(world, &heard[1]);
	/* Both hear of it: one proof. */
	service.secret_byte = 0xff;
	fake_answer(&fake.requests[fake.count - 2], 428, "");
	fake_answer(fake_last(), 428, "");
	world_until_requests(world);
	assert_int_equal(fake_count(SESSIONS), 2);
	fake_answer(fake_last(), 200, CHALLENGE);
	world_until_requests(world);
	assert_int_equal(fake_count(TAIL_KEY), 4);
	assert_string_equal(fake_header(fake_last(), "Holdfast-Device"),
			    "__________________________________________8");
	fake_answer(fake_last(), 200, "{}");
	/* .. and who is forgotten again hears that. */
	fake_answer(&fake.requests[fake.count - 2], 428, "");
	assert_int_equal(heard[0].code + heard[1].code, FAULT_UPSTREAM);
	for (size_t i = 0; i < 2; i++)
		check_heard(&heard[i], heard[i].code, heard[i].code ? "" : "{}");
	assert_int_equal(fake_count(SESSIONS), 2);
	/* What the first one showed is in force: nothing was dropped for the second time. */
	ask_proved(world, &heard[0]);
	assert_int_equal(fake_count(SESSIONS), 2);
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard[0], 0, "{}");
}

/* An answer that comes late is of a proof that was replaced: the one in force stays. */
static void a_late_answer_drops_no_newer_proof(void **state)
{
	struct world *world = *state;
	struct heard heard[2];
	struct fake_request *late;

	ask_proved(world, &heard[0]);
	late = fake_last();
	ask(world, &heard[1]);
	fake_answer(fake_last(), 428, "");
	world_until_requests(world);
	fake_answer(fake_last(), 200, CHALLENGE);
	world_until_requests(world);
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard[1], 0, "{}");
	fake_answer(late, 428, "");
	assert_int_equal(fake_count(SESSIONS), 2);
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard[0], 0, "{}");
}

/* The proof is of the login that got the challenge. */
static void another_login_proves_anew(void **state)
{
	struct world *world = *state;
	struct session_call *login;
	struct heard heard;

	ask_proved(world, &heard);
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard, 0, "{}");
	ask(world, &heard);
	assert_int_equal(fake_count(TAIL_KEY), 2);
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard, 0, "{}");
	assert_int_equal(session_login(world->session, slice_str("c@d.e"), slice_str("pw"),
				       world_done, world, &login, &world->err),
			 0);
	fake_answer(fake_last(), 200, "{\"token\":\"T9\"}");
	ask(world, &heard);
	world_until_requests(world);
	assert_string_equal(fake_last()->url, "https://api.example" SESSIONS);
	assert_string_equal(fake_last()->bearer, "T9");
	/* One more login while the API thinks: the answer is not for it. */
	world->done = 0;
	assert_int_equal(session_login(world->session, slice_str("f@g.h"), slice_str("pw"),
				       world_done, world, &login, &world->err),
			 0);
	fake_answer(fake_last(), 200, "{\"token\":\"T10\"}");
	assert_int_equal(world->done, 1);
	fake_answer(&fake.requests[fake.count - 2], 200, CHALLENGE);
	world_until_requests(world);
	assert_string_equal(fake_last()->url, "https://api.example" SESSIONS);
	assert_string_equal(fake_last()->bearer, "T10");
	fake_answer(fake_last(), 200, CHALLENGE);
	world_until_requests(world);
	assert_string_equal(fake_last()->bearer, "T10");
	fake_answer(fake_last(), 200, "{}");
	check_heard(&heard, 0, "{}");
}

static void without_a_device_there_is_no_key(void **state)
{
	struct world *world = *state;
	struct heard heard = {0};

	world->config.device = NULL;
	assert_int_equal(session_device_key(world->session, net_bin(), MANIFEST, hear, &heard,
					    &heard.call, &world->err),
			 ERR_TPM_REQUIRED);
	assert_int_equal(fake.count, 0);
}

/* At each of its stages: on the pool, at the API, on the pool again, and with the key. */
static void all_ends_with_the_session(void **state)
{
	struct world *world = *state;
	struct heard heard;

	for (unsigned stage = 0; stage < 4; stage++) {
		fake_reset();
		ask(world, &heard);
		if (stage > 0)
			world_until_requests(world);
		if (stage > 1)
			fake_answer(fake_last(), 200, CHALLENGE);
		if (stage > 2)
			world_until_requests(world);
		session_free(TAKE(world->session));
		if (jobs_count(world->jobs) > 0)
			world_settle(world);
		assert_int_equal(heard.times, 0);
		secret_free(TAKE(world->loader.key));
		world_login(world);
	}
}

static void who_leaves_hears_nothing(void **state)
{
	struct world *world = *state;
	struct heard heard, other;

	ask(world, &heard);
	session_leave(heard.call);
	world_until_requests(world);
	/* The proof goes on, for whoever comes. */
	ask(world, &other);
	fake_answer(fake_last(), 200, CHALLENGE);
	world_until_requests(world);
	fake_answer(fake_last(), 200, "{}");
	check_heard(&other, 0, "{}");
	ask(world, &heard);
	session_leave(heard.call);
	assert_true(fake_last()->cancelled);
	assert_int_equal(heard.times, 0);
}

int main(void)
{
#define IN_SESSION(name) cmocka_unit_test_setup_teardown(name, device_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		IN_SESSION(an_api_that_hangs_is_known),
		IN_SESSION(a_manifest_comes_as_it_is),
		IN_SESSION(the_device_is_proved_once),
		IN_SESSION(many_wait_for_one_proof),
		IN_SESSION(a_wrapped_challenge_is_unwrapped),
		IN_SESSION(a_challenge_that_is_none_is_told),
		IN_SESSION(only_a_proof_is_passed_on),
		IN_SESSION(what_the_service_says_is_told),
		IN_SESSION(a_device_that_is_refused_hears_it),
		IN_SESSION(a_proof_exchanges_the_token),
		IN_SESSION(a_log_out_ends_the_proof),
		IN_SESSION(what_is_forgotten_is_proved_again_once),
		IN_SESSION(a_late_answer_drops_no_newer_proof),
		IN_SESSION(another_login_proves_anew),
		IN_SESSION(without_a_device_there_is_no_key),
		IN_SESSION(all_ends_with_the_session),
		IN_SESSION(who_leaves_hears_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
