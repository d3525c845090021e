/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to see, as whole texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/v1.h"
#include "base/json.h"
#include "front/test_fixture.h"
#include "loader/fault.h"

#define GET(path)  "GET " path " HTTP/1.1\r\n" HOST
#define UNLOCK_END ",\"done\":0,\"total\":0}"

static void expect(const char *head, const char *body)
{
	struct client client;

	client_begin(&client);
	client_send(&client, slice_str(head));
	client_send(&client, slice_str("\r\n"));
	assert_int_equal(client_status(&client), 200);
	assert_true(client_has_header(&client, "Content-Type: application/json"));
	assert_string_equal(client_body(&client), body);
	client_end(&client);
}

static void test_status(void **state)
{
	static const struct front_machine TPM = {"tpm", "it \"is\" there", "eve"};
	static const struct front_machine NONE = {"legacy", "no holdfastd", NULL};

	(void)state;
	expect(GET("/health"), "{\"status\":\"healthy\"}");
	front_set_machine(fixture.front, &TPM);
	expect(GET("/status"),
	       "{\"status\":\"healthy\",\"authenticated\":true,\"modelCacheDir\":\"models\","
	       "\"provider\":\"tpm\",\"providerReason\":\"it \\\"is\\\" "
	       "there\",\"deviceMode\":\"eve\"}");
	front_set_machine(fixture.front, &NONE);
	fake.logged_in = false;
	expect(GET("/status"),
	       "{\"status\":\"healthy\",\"authenticated\":false,\"modelCacheDir\":\"models\","
	       "\"provider\":\"legacy\",\"providerReason\":\"no holdfastd\",\"deviceMode\":null}");
}

static void test_unlock_status(void **state)
{
	(void)state;
	expect(GET("/unlock/status"), "{\"state\":\"idle\",\"error\":null}");
	fake.status.state = UNLOCK_LOADING_IMAGES;
	expect(GET("/unlock/status"), "{\"state\":\"loading_images\",\"error\":null}");
	fake.status.state = UNLOCK_ERROR;
	(void)err_set(&fake.status.err, FAULT_DIGEST, "another id");
	expect(GET("/unlock/status"),
	       "{\"state\":\"error\",\"error\":\"digest_mismatch: another id\"}");
	(void)err_set(&fake.status.err, ERR_DAMAGED, "inside knowledge");
	expect(GET("/unlock/status"),
	       "{\"state\":\"error\",\"error\":\"decrypt_failed: " V1_DOES_NOT_OPEN "\"}");
}

static void test_v2_status(void **state)
{
	static const struct front_machine TPM = {"tpm", "found", NULL};
	static const struct err UPSTREAM = {.code = FAULT_UPSTREAM, .text = "no route"};
	static const struct download_progress ROWS[] = {
		{.resource = {{(const uint8_t *)"models", 6}, {(const uint8_t *)"net.bin", 7}},
		 .state = DOWNLOAD_RUNNING,
		 .done = 5000000000,
		 .total = 6000000000,
		 .rate = 1000,
		 .eta_s = 1000000,
		 .attempts = 1},
		{.resource = {{(const uint8_t *)"F", 1}, {(const uint8_t *)"x", 1}},
		 .state = DOWNLOAD_WAITING,
		 .eta_s = -1,
		 .attempts = 3,
		 .retry_s = 60,
		 .err = &UPSTREAM},
	};

	(void)state;
	front_set_machine(fixture.front, &TPM);
	expect(GET("/v2/status"),
	       "{\"provider\":\"tpm\",\"reason\":\"found\",\"device_mode\":null,"
	       "\"authenticated\":true,\"unlock\":{\"state\":\"idle\",\"error\":null" UNLOCK_END
	       ",\"downloads\":[]}");
	fake.progress = ROWS;
	fake.progress_count = ARRAY_LEN(ROWS);
	fake.status = (struct unlock_status){.state = UNLOCK_ERROR, .done = 1, .total = 2};
	(void)err_set(&fake.status.err, FAULT_DOCKER, "down");
	expect(GET("/v2/status"),
	       "{\"provider\":\"tpm\",\"reason\":\"found\",\"device_mode\":null,"
	       "\"authenticated\":true,\"unlock\":{\"state\":\"error\",\"error\":{\"detail\":"
	       "\"down\",\"code\":\"docker_failed\"},\"done\":1,\"total\":2},\"downloads\":["
	       "{\"folder\":\"models\",\"name\":\"net.bin\",\"state\":\"running\","
	       "\"done\":5000000000,\"total\":6000000000,\"rate\":1000,\"eta\":1000000,"
	       "\"attempts\":1,\"retry_in\":null,\"error\":null},"
	       "{\"folder\":\"F\",\"name\":\"x\",\"state\":\"waiting\",\"done\":0,\"total\":null,"
	       "\"rate\":0,\"eta\":null,\"attempts\":3,\"retry_in\":60,\"error\":{\"detail\":"
	       "\"no route\",\"code\":\"upstream_unreachable\"}}]}");
}

static void test_cancel(void **state)
{
	(void)state;
	ask("DELETE /v2/artifacts/net.bin?folder=F HTTP/1.1\r\n" HOST, NULL, 204, NULL);
	assert_string_equal(fake.folder, "F");
	assert_string_equal(fake.name, "net.bin");
	ask("DELETE /v2/artifacts/x HTTP/1.1\r\n" HOST, NULL, 204, NULL);
	assert_string_equal(fake.folder, "models");
	assert_int_equal(fake.cancels, 2);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_status, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_unlock_status, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_v2_status, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_cancel, fixture_begin, fixture_end),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
