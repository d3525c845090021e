/* SPDX-License-Identifier: Apache-2.0 */
/* FAPI's operations, with the helper, its folder and its objects played. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <string.h>

#define PATH_48 "/HS/SRK/0123456789012345678901234567890123456789"

int __wrap_fapi_folder_make(const struct fapi_place *place, const struct fapi_wish *wish,
			    struct err *err);
int __wrap_fapi_run(const struct fapi_place *place, const struct fapi_request *request,
		    struct buf *ret_json, struct err *err);
int __wrap_fapi_object_read(const struct fapi_place *place, const char *path,
			    struct fapi_object *ret_object, struct err *err);

/* --- the players --- */

static struct {
	unsigned folders, runs, reads, listens, unlistens, provisions, shared, shares_ended;
	bool shares_nothing;
	struct service *service;
	int listen_fails, chip_fails;		 /* enum err_code, 0 = works */
	int folder_fails, run_fails, read_fails; /* enum err_code, 0 = works */
	const char *json;
	struct fapi_object object;
	/* The last run's. */
	enum fapi_verb verb;
	char path[FAPI_PATH_MAX];
	char data[129];
	uint64_t seconds; /* that it may take, at most */
} player;

static int start_listening(void *arg, struct err *err)
{
	assert_ptr_equal(arg, &player);
	assert_int_equal(player.listens, player.unlistens);
	if (player.listen_fails)
		return err_set(err, player.listen_fails, "no socket");
	player.listens++;
	return 0;
}

static void end_listening(void *arg)
{
	assert_ptr_equal(arg, &player);
	player.unlistens++;
}

static void *begin_share(void *arg)
{
	assert_ptr_equal(arg, &player);
	player.provisions++;
	return player.shares_nothing ? NULL : arg;
}

static void work_on_share(void *share)
{
	assert_ptr_equal(share, &player);
	player.shared++;
}

/* Before the client has its answer. */
static void end_share(void *share)
{
	assert_ptr_equal(share, &player);
	assert_int_equal(player.shared, player.shares_ended + 1);
	player.shares_ended++;
}

static const struct service_fapi SETUP = {
	.place = {.program = "/p", .folder = "/f", .run = "/r"},
	.wish = {.profile_name = "P_ECCP256SHA256"},
	.stop_fd = 77,
	.listen = start_listening,
	.unlisten = end_listening,
	.share_begin = begin_share,
	.share_work = work_on_share,
	.share_end = end_share,
	.arg = &player,
};

int __wrap_fapi_folder_make(const struct fapi_place *place, const struct fapi_wish *wish,
			    struct err *err)
{
	assert_string_equal(place->folder, "/f");
	assert_string_equal(wish->profile_name, "P_ECCP256SHA256");
	player.folders++;
	return player.folder_fails ? err_set(err, player.folder_fails, "no folder") : 0;
}

int __wrap_fapi_run(const struct fapi_place *place, const struct fapi_request *request,
		    struct buf *ret_json, struct err *err)
{
	assert_string_equal(place->program, "/p");
	assert_int_equal(request->stop_fd, 77);
	assert_int_equal(player.listens, player.unlistens + 1);
	player.runs++;
	player.verb = request->verb;
	player.seconds = (request->deadline_us - clock_monotonic_us()) / 1000000 + 1;
	(void)snprintf(player.path, sizeof(player.path), "%s", request->path);
	(void)snprintf(player.data, sizeof(player.data), "%.*s", (int)request->data.len,
		       request->data.len > 0 ? (const char *)request->data.data : "");
	if (player.chip_fails)
		(void)err_set(&player.service->raw.helper_fault, player.chip_fails,
			      "the chip is gone");
	if (player.run_fails)
		return err_set(err, player.run_fails, "Fapi_Initialize: as told");
	buf_put_str(ret_json, player.json);
	return 0;
}

int __wrap_fapi_object_read(const struct fapi_place *place, const char *path,
			    struct fapi_object *ret_object, struct err *err)
{
	assert_string_equal(place->folder, "/f");
	(void)snprintf(player.path, sizeof(player.path), "%s", path);
	player.reads++;
	if (player.read_fails)
		return err_set(err, player.read_fails, "there is no such FAPI object");
	*ret_object = player.object;
	return 0;
}

static int make(void **state)
{
	int r = fixture_make(state);
	struct fixture *fixture = *state;

	memset(&player, 0, sizeof(player));
	player.json = "{\"ok\":true}";
	player.object = (struct fapi_object){.parent_handle = 0x81000001,
					     .parent_name_len = 34,
					     .public_part = "public",
					     .public_len = 6,
					     .private_part = "private",
					     .private_len = 7,
					     .sealed = true};
	player.service = fixture->service;
	service_set_fapi(fixture->service, &SETUP);
	use_chip(fixture);
	return r;
}

/* --- runs --- */

static const struct {
	const char *method;
	const char *path;
	const char *body;
	const char *json;
	enum fapi_verb verb;
	unsigned seconds;
	int status;
	const char *answer;
} RUNS[] = {
	{"POST", "/v1/admin/fapi/probe", "{}",
	 "{\"ok\":true,\"connects\":true,\"provisioned\":false}", FAPI_PROBE, 10, 200,
	 "{\"connects\":true,\"provisioned\":false}"},
	{"POST", "/v1/admin/fapi/provision", "{}", "{\"ok\":true,\"srk\":\"made\"}", FAPI_PROVISION,
	 60, 200, "{\"srk\":\"made\"}"},
	{"POST", "/v1/admin/fapi/seal", "{\"path\":\"/HS/SRK/x\",\"data\":\"aGVsbG8=\"}",
	 "{\"path\":\"/HS/SRK/x\",\"ok\":true}", FAPI_SEAL, 20, 201, "{\"path\":\"/HS/SRK/x\"}"},
	{"GET", "/v1/admin/fapi/objects", NULL, "{\"ok\":true,\"objects\":[\"/HS/SRK/x\"]}",
	 FAPI_LIST, 10, 200, "{\"objects\":[\"/HS/SRK/x\"]}"},
	{"DELETE", "/v1/admin/fapi/object?path=/HS/SRK/x", NULL, "{\"ok\":true}", FAPI_DELETE, 10,
	 204, ""},
};

static void runs(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(RUNS); i++) {
		player.json = RUNS[i].json;
		assert_int_equal(ask(fixture, RUNS[i].method, RUNS[i].path, RUNS[i].body),
				 RUNS[i].status);
		assert_string_equal(strstr(fixture->answer, "\r\n\r\n") + 4, RUNS[i].answer);
		assert_int_equal(player.verb, RUNS[i].verb);
		assert_int_equal(player.seconds, RUNS[i].seconds);
		assert_int_equal(player.folders, i + 1);
		assert_int_equal(player.listens, i + 1);
		if (RUNS[i].verb == FAPI_SEAL)
			assert_string_equal(player.data, "hello");
		if (RUNS[i].verb == FAPI_SEAL || RUNS[i].verb == FAPI_DELETE)
			assert_string_equal(player.path, "/HS/SRK/x");
	}
	assert_int_equal(player.provisions, 1);
	assert_int_equal(player.shared, 1);
	player.shares_nothing = true;
	player.json = RUNS[1].json;
	assert_int_equal(ask(fixture, RUNS[1].method, RUNS[1].path, RUNS[1].body), 200);
	assert_int_equal(player.provisions, 2);
	assert_int_equal(player.shared, 1);
	assert_int_equal(player.shares_ended, 1);
}

/* What the chip failed with counts, but only when the helper did as well. */
static void failures(void **state)
{
	struct fixture *fixture = *state;

	player.run_fails = ERR_CONFLICT;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/provision", "{}"), 409);
	answer_has(fixture, "\"detail\":\"Fapi_Initialize: as told\"");
	player.chip_fails = ERR_TPM_CHANGED;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/provision", "{}"), 503);
	answer_has(fixture, "\"code\":\"tpm_changed\"");
	answer_has(fixture, "\"detail\":\"while holdfast-fapi ran: the chip is gone\"");
	player.run_fails = 0;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/provision", "{}"), 200);
	player.listen_fails = ERR_UNREADABLE;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/probe", "{}"), 500);
	player.folder_fails = ERR_DISK_FULL;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/probe", "{}"), 507);
	assert_int_equal(player.runs, 3);
	assert_int_equal(player.provisions, 1);
}

/* The helper has one folder and one socket. */
static void one_at_a_time(void **state)
{
	struct fixture *fixture = *state;
	struct asker askers[3];
	size_t i;

	for (i = 0; i < ARRAY_LEN(askers); i++)
		asker_begin(&askers[i], fixture, "POST", "/v1/admin/fapi/probe", "{}");
	for (i = 0; i < ARRAY_LEN(askers); i++)
		assert_int_equal(asker_end(&askers[i]), 200);
	assert_int_equal(player.runs, 3);
	/* One that is not waited for any more lets the next begin. */
	for (i = 0; i < ARRAY_LEN(askers); i++)
		asker_begin(&askers[i], fixture, "POST", "/v1/admin/fapi/probe", "{}");
	turn(fixture);
	asker_leave(&askers[0]);
	asker_leave(&askers[1]);
	assert_int_equal(asker_end(&askers[2]), 200);
}

static void probe_in_status(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"fapi\":{\"probe\":\"off\",\"detail\":null}");
	service_set_probe(fixture->service, SERVICE_PROBE_FAILED, "Fapi_Initialize: no");
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"fapi\":{\"probe\":\"failed\",\"detail\":\"Fapi_Initialize: no\"}");
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/probe", "{}"), 200);
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"fapi\":{\"probe\":\"succeeded\",\"detail\":null}");
	player.run_fails = ERR_TPM_FAILED;
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/probe", "{}"), 503);
	player.run_fails = 0;
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"fapi\":{\"probe\":\"failed\",\"detail\":\"");
	/* Other verbs are no probe. */
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/provision", "{}"), 200);
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"fapi\":{\"probe\":\"failed\",\"detail\":\"");
}

static const struct {
	const char *method;
	const char *path;
	const char *body;
} BAD[] = {
	{"POST", "/v1/admin/fapi/probe", "{\"x\":1}"},
	{"POST", "/v1/admin/fapi/provision", NULL},
	{"POST", "/v1/admin/fapi/seal", "{}"},
	{"POST", "/v1/admin/fapi/seal", "{\"path\":\"/HS/SRK/x\"}"},
	{"POST", "/v1/admin/fapi/seal", "{\"path\":\"/HS/SRK/x\",\"data\":\"\"}"},
	{"POST", "/v1/admin/fapi/seal", "{\"path\":\"/HS/SRK/../x\",\"data\":\"aGk=\"}"},
	{"POST", "/v1/admin/fapi/seal", "{\"path\":\"HS/SRK/x\",\"data\":\"aGk=\"}"},
	{"POST", "/v1/admin/fapi/seal", "{\"path\":7,\"data\":\"aGk=\"}"},
	{"DELETE", "/v1/admin/fapi/object", NULL},
	{"DELETE", "/v1/admin/fapi/object?path=/HS/SRK", NULL},
	{"DELETE", "/v1/admin/fapi/object?path=/HE/EK", NULL},
	{"GET", "/v1/fapi/object", NULL},
	{"GET", "/v1/fapi/object?path=", NULL},
	{"GET", "/v1/fapi/object?path=/HS/SRK/a/b", NULL},
	{"GET", "/v1/fapi/object?path=/HS/SRK/..", NULL},
	{"GET",
	 "/v1/fapi/object?path=" PATH_48 PATH_48 PATH_48 PATH_48 PATH_48 PATH_48 PATH_48 PATH_48,
	 NULL},
};

static void bad_requests(void **state)
{
	struct fixture *fixture = *state;
	char body[256];
	size_t i;

	for (i = 0; i < ARRAY_LEN(BAD); i++)
		if (ask(fixture, BAD[i].method, BAD[i].path, BAD[i].body) != 400)
			fail_msg("row %zu: %s", i, fixture->answer);
	/* 129 bytes: one more than a TPM seals. */
	(void)snprintf(body, sizeof(body), "{\"path\":\"/HS/SRK/x\",\"data\":\"%0172d\"}", 0);
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/seal", body), 413);
	assert_int_equal(player.folders + player.runs + player.reads, 0);
}

/* --- objects --- */

static void objects(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 200);
	answer_has(fixture, "{\"data\":\"cHJpdmF0ZQ==\",\"protection\":\"tpm\"}");
	assert_string_equal(player.path, "/HS/SRK/x");
	assert_int_equal(fixture->chip.parent, 0x81000001);
	assert_int_equal(fixture->chip.calls, 1);
	/* FAPI's record of an SRK that it did not make tells no handle. */
	fixture->chip.parent = 0;
	player.object.parent_handle = 0;
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 200);
	assert_int_equal(fixture->chip.parent, 0x81000001);
	player.object.parent_handle = 0x81000002;
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 200);
	assert_int_equal(fixture->chip.parent, 0x81000002);
	fixture->chip.fails_with = ERR_WRONG_TPM;
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 422);
	answer_has(fixture, "\"code\":\"wrong_tpm\"");
	/* Nothing of the kind starts a helper. */
	assert_int_equal(player.runs + player.folders + player.listens, 0);
}

static void refused_objects(void **state)
{
	struct fixture *fixture = *state;

	player.object.sealed = false;
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 422);
	answer_has(fixture, "\"code\":\"not_supported\"");
	player.object.sealed = true;
	player.object.with_auth = true;
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 422);
	answer_has(fixture, "sealed with a password");
	answer_has(fixture, "tss2_unseal");
	player.object.with_policy = true;
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 422);
	answer_has(fixture, "sealed with a policy");
	player.read_fails = ERR_NOT_FOUND;
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 404);
	assert_int_equal(fixture->chip.calls, 0);
}

/* --- without --- */

static void in_software(void **state)
{
	static const struct provider_ops SOFTWARE = {.name = "legacy", .protection = "software"};
	struct fixture *fixture = *state;
	size_t i;

	fixture->chip.provider.ops = &SOFTWARE;
	for (i = 0; i < ARRAY_LEN(RUNS); i++) {
		assert_int_equal(ask(fixture, RUNS[i].method, RUNS[i].path, RUNS[i].body), 503);
		answer_has(fixture, "\"code\":\"tpm_required\"");
	}
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 503);
	answer_has(fixture, "\"code\":\"tpm_required\"");
	assert_int_equal(player.folders + player.runs + player.reads, 0);
}

static void without_fapi(void **state)
{
	struct fixture *fixture = *state;

	service_set_fapi(fixture->service, &(struct service_fapi){.stop_fd = -1});
	assert_int_equal(ask(fixture, "POST", "/v1/admin/fapi/probe", "{}"), 422);
	assert_int_equal(ask(fixture, "GET", "/v1/fapi/object?path=/HS/SRK/x", NULL), 422);
	assert_int_equal(player.folders + player.runs + player.reads, 0);
}

#define FAPI_TEST(name) cmocka_unit_test_setup_teardown(name, make, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAPI_TEST(runs),	 FAPI_TEST(failures),	  FAPI_TEST(probe_in_status),
		FAPI_TEST(bad_requests), FAPI_TEST(objects),	  FAPI_TEST(refused_objects),
		FAPI_TEST(in_software),	 FAPI_TEST(without_fapi), FAPI_TEST(one_at_a_time),
	};

	return cmocka_run_group_tests_name("fapi", tests, NULL, NULL);
}
