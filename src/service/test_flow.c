/* SPDX-License-Identifier: Apache-2.0 */
/* A stream and its provider: who waits for a client must not keep the chip from being changed. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"

#define BODY	 (4u * 1024u * 1024u)
#define SENT_MAX (2u * HTTP_PIECE) /* more than a piece, and far from all */

static unsigned idle_calls;

static void note_idle(void *arg)
{
	(void)arg;
	idle_calls++;
}

/* Runs the loop until @count of the spool's bytes are reserved. */
static void run_until_reserved(struct fixture *fixture, uint64_t count)
{
	unsigned i;

	for (i = 0; i < 10000 && fixture->service->spooled != count; i++)
		turn(fixture);
	assert_int_equal(fixture->service->spooled, count);
}

static void send_all(struct fixture *fixture, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		ssize_t n = send(fixture->client, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			turn(fixture);
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void begin(struct fixture *fixture, const char *path)
{
	char head[256];
	int len = snprintf(head, sizeof(head),
			   "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n"
			   "Content-Type: application/octet-stream\r\n\r\n",
			   path, BODY);

	send_all(fixture, head, (size_t)len);
}

static void take(struct fixture *fixture)
{
	idle_calls = 0;
	service_take_provider(fixture->service, "a test", note_idle, NULL);
}

static void connect_again(struct fixture *fixture)
{
	close(fixture->client);
	connect_client(fixture);
}

static void leave(struct fixture *fixture)
{
	loop_unwatch(TAKE(fixture->watch));
	assert_int_equal(shutdown(fixture->client, SHUT_RDWR), 0);
	run_until_reserved(fixture, 0);
	assert_int_equal(fixture->service->users, 0);
}

static void run_until_called(struct fixture *fixture, unsigned calls)
{
	unsigned i;

	for (i = 0; i < 10000 && (fixture->chip.calls < calls || fixture->service->users > 0); i++)
		turn(fixture);
	assert_int_equal(fixture->chip.calls, calls);
	assert_int_equal(fixture->service->provider_status.commands, calls);
	assert_int_not_equal(fixture->service->spooled, 0); /* it is still at work */
}

/* The chip has done its part before the first byte of the body. */
static void sealing_holds_it_for_the_key(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	begin(fixture, "/v1/seal");
	run_until_called(fixture, 1);
	take(fixture);
	assert_int_equal(idle_calls, 1);
	leave(fixture);
}

/* What begins as a blob of ours does, and is long. */
static void make_blob(struct fixture *fixture, uint8_t blob[static SENT_MAX])
{
	static const char NAME[] = "\"blob\":\"";
	char body[512];
	const char *text;
	size_t len;

	(void)snprintf(body, sizeof(body), "{\"data\":\"%0300d\"}", 0);
	assert_int_equal(ask(fixture, "POST", "/v1/seal", body), 200);
	text = strstr(fixture->answer, NAME);
	assert_non_null(text);
	text += strlen(NAME);
	len = strcspn(text, "\"");
	assert_true(base64_decoded_max(len) <= SENT_MAX);
	assert_true(base64_decode(slice_of(text, len), blob, &len));
}

/* Unsealing has not begun with it, and does not while it is taken away. */
static void unsealing_waits_without_it(void **state)
{
	static uint8_t sent[SENT_MAX];
	struct fixture *fixture = *state;
	unsigned calls;

	use_chip(fixture);
	make_blob(fixture, sent);
	calls = fixture->chip.calls;
	begin(fixture, "/v1/unseal");
	run_until_reserved(fixture, BODY);
	take(fixture);
	assert_int_equal(idle_calls, 1);
	send_all(fixture, sent, sizeof(sent));
	run_until_reserved(fixture, 0); /* refused */
	assert_int_equal(fixture->chip.calls, calls);
	leave(fixture);
	/* Given back, the chip is asked, and no longer held either. */
	use_chip(fixture);
	connect_again(fixture);
	begin(fixture, "/v1/unseal");
	send_all(fixture, sent, sizeof(sent));
	run_until_called(fixture, calls + 1);
	take(fixture);
	assert_int_equal(idle_calls, 1);
}

/* What is no blob is refused before anything is held. */
static void no_blob_leaves_nothing(void **state)
{
	static const uint8_t SENT[SENT_MAX];
	struct fixture *fixture = *state;

	use_chip(fixture);
	begin(fixture, "/v1/unseal");
	run_until_reserved(fixture, BODY);
	send_all(fixture, SENT, sizeof(SENT));
	run_until_reserved(fixture, 0);
	leave(fixture);
	take(fixture);
	assert_int_equal(idle_calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sealing_holds_it_for_the_key),
		TEST(unsealing_waits_without_it),
		TEST(no_blob_leaves_nothing),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
