/* SPDX-License-Identifier: Apache-2.0 */
/* What is read is host/test_usage.c's; here is who may ask, for whom, and in which state. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/process.h"

/* This process asks, and sees itself. No provider is needed. */
static void test_self(void **state)
{
	struct fixture *fixture = *state;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	service_set_deciding(fixture->service, "waiting");
	fixture->peer.socket = pair[0];
	fixture->peer.pid = getpid();
	fixture->peer.since_us = process_clock_us();
	assert_int_equal(ask(fixture, "GET", "/v1/usage", NULL), 200);
	answer_has(fixture, "{\"cgroup\":");
	answer_has(fixture, "\"container\":");
	answer_has(fixture, "\"network\":{\"interfaces\":[{\"name\":\"");
	answer_has(fixture, "network: the process uses the host's own network");
	close(pair[0]);
	close(pair[1]);
}

/* Of a namespace whose processes cannot be seen: nulls and a reason, and no error. */
static void test_unseen(void **state)
{
	struct fixture *fixture = *state;

	fixture->peer.pid = 0;
	assert_int_equal(ask(fixture, "GET", "/v1/usage", NULL), 200);
	answer_has(fixture, "{\"cgroup\":null,\"container\":null,\"runtime\":null,\"memory\":null,"
			    "\"cpu\":null,\"network\":null,\"pids\":null,\"remarks\":[\"all: ");
}

static void test_named(void **state)
{
	static const char NAMED[] =
		"/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct fixture *fixture = *state;

	fixture->peer.pid = 0;
	(void)snprintf(fixture->tenant.tenant.cgroup, sizeof(fixture->tenant.tenant.cgroup), "%s",
		       NAMED);
	assert_int_equal(ask(fixture, "GET", "/v1/usage", NULL), 200);
	answer_has(fixture, NAMED);
	answer_has(fixture, "\"container\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
			    "0123456789abcdef\",\"runtime\":\"docker\",\"memory\":null");
	answer_has(fixture, "network: the process that asks cannot be seen");
}

static void test_forbidden(void **state)
{
	struct fixture *fixture = *state;

	fixture->tenant.tenant.rights &= ~(uint32_t)TENANT_USAGE;
	assert_int_equal(ask(fixture, "GET", "/v1/usage", NULL), 403);
	answer_has(fixture, "'usage'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_self),
		TEST(test_unseen),
		TEST(test_named),
		TEST(test_forbidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
