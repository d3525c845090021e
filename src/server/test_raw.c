/* SPDX-License-Identifier: Apache-2.0 */
/* The pairs of sockets for raw commands: where they lie, who may use them, how they go. */
#include "server/raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/test_fixture.h"

static const uint8_t STARTUP[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0};
static const uint8_t LOCALITY_0[] = {0, 0, 0, 5, 0};

struct world {
	struct fixture *fixture;
	struct service *service;
	struct raw_server *raw;
	struct service_tenant web;
	struct err err;
};

static int make(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(fixture_make(state), 0);
	world->fixture = *state;
	assert_int_equal(service_new(NULL, NULL, "1", &world->service, &world->err), 0);
	assert_int_equal(raw_server_new(world->fixture->loop, world->fixture->server,
					world->service, &world->raw, &world->err),
			 0);
	world->web.tenant = (struct tenant){
		.name = "web", .holders = 1, .connections_max = 2, .raw = {.set = SET_STANDARD}};
	*state = world;
	return 0;
}

static int drop(void **state)
{
	struct world *world = *state;
	struct fixture *fixture = world->fixture;

	raw_server_free(world->raw);
	assert_int_equal(world->web.tenant.connections, 0);
	assert_int_equal(world->web.tenant.holders, 1);
	service_free(world->service);
	free(world);
	*state = fixture;
	return fixture_remove(state);
}

static int listen_as(struct world *world, enum raw_place place)
{
	return raw_server_listen(world->raw, world->fixture->run, place, &world->web.tenant,
				 &world->err);
}

static mode_t mode_of(const struct world *world, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", world->fixture->run, name);
	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

/* So long as the loop has something to do, or a millisecond. */
static void turn(struct world *world)
{
	struct fixture *fixture = world->fixture;

	assert_int_equal(loop_timer_set(&fixture->give_up, 1000, &world->err), 0);
	assert_int_equal(loop_run(fixture->loop, &world->err), 0);
	loop_timer_clear(&fixture->give_up);
}

#define NOTHING -1

/* Sends, and runs the loop until there is an answer; its last byte but one, NOTHING at the end. */
static int tell(struct world *world, int fd, const uint8_t *bytes, size_t len)
{
	uint8_t answer[64];
	ssize_t n = -1;
	unsigned i;

	if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		return NOTHING;
	for (i = 0; n < 0 && i < 5000; i++) {
		turn(world);
		n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	}
	return n > 1 ? answer[n - 2] : NOTHING;
}

#define TELL(world, fd, bytes) tell(world, fd, bytes, sizeof(bytes))

static const struct {
	enum raw_place place;
	const char *data, *control;
	mode_t mode;
} PLACES[] = {
	{RAW_RUN, "tpm.sock", "tpm.sock.ctrl", 0660},
	{RAW_TENANT, "tenants/web/tpm.sock", "tenants/web/tpm.sock.ctrl", 0666},
	{RAW_HELPER, "fapi/tpm.sock", "fapi/tpm.sock.ctrl", 0600},
};

static void pairs_come_and_go(void **state)
{
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PLACES); i++) {
		int data, control;

		assert_int_equal(listen_as(world, PLACES[i].place), 0);
		assert_int_equal(listen_as(world, PLACES[i].place), 0); /* it has it */
		assert_int_equal(mode_of(world, PLACES[i].data), PLACES[i].mode);
		assert_int_equal(mode_of(world, PLACES[i].control), PLACES[i].mode);
		data = dial_name(world->fixture, PLACES[i].data);
		control = dial_name(world->fixture, PLACES[i].control);
		assert_int_equal(TELL(world, data, STARTUP), 1);
		assert_int_equal(TELL(world, control, LOCALITY_0), 0);
		assert_int_equal(world->web.tenant.connections, 2);
		raw_server_unlisten(world->raw, &world->web.tenant, i % 2 == 0);
		assert_int_equal(world->web.tenant.connections, 0);
		assert_int_equal(TELL(world, data, STARTUP), NOTHING);
		assert_int_equal(mode_of(world, PLACES[i].data), 0);
		assert_int_equal(mode_of(world, PLACES[i].control), 0);
		close(data);
		close(control);
	}
	assert_int_equal(mode_of(world, "fapi"), 0700);
}

/* What a killed one has left is nobody's. */
static void what_was_left_is_replaced(void **state)
{
	struct world *world = *state;
	struct raw_server *second = NULL;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PLACES); i++) {
		char from[256], to[256];

		snprintf(from, sizeof(from), "%s/%s", world->fixture->run, PLACES[i].data);
		snprintf(to, sizeof(to), "%s/left", world->fixture->run);
		assert_int_equal(listen_as(world, PLACES[i].place), 0);
		assert_int_equal(rename(from, to), 0);
		raw_server_unlisten(world->raw, &world->web.tenant, true);
		assert_int_equal(rename(to, from), 0);
		assert_int_equal(listen_as(world, PLACES[i].place), 0);
		raw_server_unlisten(world->raw, &world->web.tenant, true);
	}
	/* One that is somebody's is not. */
	assert_int_equal(raw_server_new(world->fixture->loop, world->fixture->server,
					world->service, &second, &world->err),
			 0);
	assert_int_equal(listen_as(world, RAW_RUN), 0);
	assert_int_equal(raw_server_listen(second, world->fixture->run, RAW_RUN, &world->web.tenant,
					   &world->err),
			 ERR_CONFLICT);
	raw_server_free(second);
	assert_int_equal(mode_of(world, "tpm.sock"), 0660);
}

static void others_cannot_write_the_helpers_folder(void **state)
{
	static const mode_t MODES[] = {0720, 0702};
	struct world *world = *state;
	char path[256];
	size_t i;

	assert_int_equal(listen_as(world, RAW_HELPER), 0);
	raw_server_unlisten(world->raw, &world->web.tenant, true);
	snprintf(path, sizeof(path), "%s/fapi", world->fixture->run);
	for (i = 0; i < ARRAY_LEN(MODES); i++) {
		assert_int_equal(chmod(path, MODES[i]), 0);
		assert_int_equal(listen_as(world, RAW_HELPER), ERR_UNREADABLE);
	}
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(listen_as(world, RAW_HELPER), 0);
}

static void only_who_may(void **state)
{
	const uid_t other = getuid() + 1;
	struct world *world = *state;
	int fds[3];
	size_t i;

	assert_int_equal(listen_as(world, RAW_RUN), 0);
	world->web.tenant.peers = &other;
	world->web.tenant.peer_count = 1;
	fds[0] = dial_name(world->fixture, "tpm.sock");
	assert_int_equal(TELL(world, fds[0], STARTUP), NOTHING);
	close(fds[0]);
	world->web.tenant.peer_count = 0;
	/* Two, on whichever socket; one more has no place until one is free. */
	for (i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial_name(world->fixture, i == 1 ? "tpm.sock.ctrl" : "tpm.sock");
		turn(world);
	}
	assert_int_equal(world->web.tenant.connections, 2);
	assert_int_equal(TELL(world, fds[2], STARTUP), NOTHING);
	close(fds[2]);
	close(fds[1]);
	for (i = 0; i < 5000 && world->web.tenant.connections > 1; i++)
		turn(world);
	fds[1] = dial_name(world->fixture, "tpm.sock");
	assert_int_equal(TELL(world, fds[1], STARTUP), 1);
	assert_int_equal(TELL(world, fds[0], STARTUP), 1);
	raw_server_stop(world->raw);
	assert_int_equal(mode_of(world, "tpm.sock"), 0);
	close(fds[0]);
	close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pairs_come_and_go),
		TEST(what_was_left_is_replaced),
		TEST(others_cannot_write_the_helpers_folder),
		TEST(only_who_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
