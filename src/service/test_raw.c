/* SPDX-License-Identifier: Apache-2.0 */
/* Raw commands, on a provider that has guests and no chip (tests/support/guests.h). */
#include "service/test_fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/connections.h"
#include "service/op.h"
#include "tests/support/guests.h"

#define CLIENTS_MAX (TENANT_IN_FLIGHT_MAX + 2u)
#define NO_ANSWER   0xffffffffu

static const uint8_t GET_RANDOM[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8};
static const uint8_t STARTUP[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0};
static const uint8_t CLEAR[] = {0x80, 2, 0, 0, 0,    27, 0, 0, 1, 0x26, 0x40, 0, 0, 0x0a,
				0,    0, 0, 9, 0x40, 0,	 0, 9, 0, 0,	1,    0, 0};
static const uint8_t CREATE_PRIMARY[] = {0x80, 2, 0, 0,	   0, 29, 0, 0, 1, 0x31, 0x40, 0, 0, 1, 0,
					 0,    0, 9, 0x40, 0, 0,  9, 0, 0, 0,	 0,    0, 0, 0};
static const uint8_t EVICT_CONTROL[] = {0x80, 2, 0,    0,    0, 35, 0, 0,    1, 0x20, 0x40, 0,
					0,    1, 0x80, 0xff, 0, 0,  0, 0,    0, 9,    0x40, 0,
					0,    9, 0,    0,    0, 0,  0, 0x81, 0, 0,    0x10};
static const uint8_t HASH_START[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x86, 0, 0, 0, 0x0b};

struct world {
	struct fixture *fixture;
	struct guests guests;
	struct provider_ops ops;
	struct provider_status status;
	struct secret *key;
	struct connections *connections;
	int clients[CLIENTS_MAX];
	size_t count;
	unsigned closed;
	unsigned idle;
	_Atomic bool stands;  /* a command that comes to the chip waits until this changes */
	_Atomic bool arrived; /* one did */
};

static unsigned submits_fail;

int __real_jobs_submit(struct jobs *jobs, const struct job_plan *plan, struct job **ret_job,
		       struct err *err);
int __wrap_jobs_submit(struct jobs *jobs, const struct job_plan *plan, struct job **ret_job,
		       struct err *err);

int __wrap_jobs_submit(struct jobs *jobs, const struct job_plan *plan, struct job **ret_job,
		       struct err *err)
{
	if (submits_fail == 0)
		return __real_jobs_submit(jobs, plan, ret_job, err);
	submits_fail--;
	return err_set(err, ERR_INTERNAL, "memory is short");
}

/* --- the world --- */

static void status_of_guests(struct provider *p, struct provider_status *ret_status)
{
	struct guests *guests = (struct guests *)p;
	struct world *world = (struct world *)((char *)guests - offsetof(struct world, guests));

	atomic_store(&world->arrived, true);
	while (atomic_load(&world->stands))
		sched_yield();
	*ret_status = (struct provider_status){.commands = guests->commands};
}

static void on_command(void *arg, struct connection *connection, struct slice bytes)
{
	struct world *world = arg;

	raw_command(world->fixture->service, connection_tag(connection), connection, bytes);
}

static void on_gone(void *arg, struct connection *connection)
{
	(void)arg;
	raw_gone(connection);
}

static void on_closed(void *arg, void *tag)
{
	(void)tag;
	((struct world *)arg)->closed++;
}

static int make(void **state)
{
	static const struct connections_ops OPS_OF = {
		.command = on_command, .gone = on_gone, .closed = on_closed};
	static const uint32_t RESERVED[] = {0x81000101};
	struct world *world = calloc(1, sizeof(*world));
	struct service_tenant *tenant;
	struct err err;

	assert_non_null(world);
	submits_fail = 0;
	assert_int_equal(fixture_make(state), 0);
	world->fixture = *state;
	guests_init(&world->guests);
	world->ops = *world->guests.provider.ops;
	world->ops.on_chip = true;
	world->ops.status = status_of_guests;
	world->guests.provider.ops = &world->ops;
	assert_int_equal(secret_new(32, &world->key, &err), 0);
	service_set_raw(world->fixture->service, world->key, RESERVED, 1);
	tenant = &world->fixture->tenant;
	tenant->tenant.raw.set = SET_STANDARD;
	tenant->tenant.objects_max = tenant->tenant.sessions_max = 8;
	tenant->tenant.number = TENANT_NUMBER_FIRST;
	assert_int_equal(connections_new(world->fixture->loop, &OPS_OF, world, CLIENTS_MAX,
					 &world->connections, &err),
			 0);
	*state = world;
	return 0;
}

static int drop(void **state)
{
	struct world *world = *state;
	struct fixture *fixture = world->fixture;
	size_t i;

	for (i = 0; i < world->count; i++)
		if (world->clients[i] >= 0)
			close(world->clients[i]);
	connections_end(world->connections, &fixture->tenant, true);
	connections_end(world->connections, &fixture->service->helper, true);
	for (i = 0; i < 1000 && jobs_count(fixture->jobs) > 0; i++)
		turn(fixture);
	assert_int_equal(jobs_count(fixture->jobs), 0);
	assert_int_equal(fixture->tenant.tenant.in_flight, 0);
	connections_free(world->connections);
	service_sweep(fixture->service);
	assert_null(fixture->service->raw.open);
	guests_fini(&world->guests);
	secret_free(world->key);
	*state = fixture;
	free(world);
	return fixture_remove(state);
}

static void use_guests(struct world *world)
{
	service_set_provider(world->fixture->service, &world->guests.provider, &world->status,
			     "for the test");
}

/* A client of the tenant that has sent that; its number. */
static size_t send_as(struct world *world, struct service_tenant *tenant, const uint8_t *bytes,
		      size_t len)
{
	struct err err;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	assert_int_equal(connections_add(world->connections, fds[1], CONNECTION_DATA, tenant, &err),
			 0);
	assert_int_equal(write(fds[0], bytes, len), len);
	world->clients[world->count] = fds[0];
	return world->count++;
}

#define SEND(world, bytes) send_as(world, &(world)->fixture->tenant, bytes, sizeof(bytes))

/* The code of what is answered; turns the loop for it. */
static uint32_t hear(struct world *world, size_t client, unsigned turns)
{
	uint8_t answer[4096];
	ssize_t n = -1;

	while (n < 0 && turns-- > 0) {
		turn(world->fixture);
		n = recv(world->clients[client], answer, sizeof(answer), MSG_DONTWAIT);
	}
	if (n < 0)
		return NO_ANSWER;
	assert_true(n >= 10);
	return (uint32_t)answer[6] << 24 | (uint32_t)answer[7] << 16 | (uint32_t)answer[8] << 8 |
	       answer[9];
}

#define PATIENCE 60000u
#define MOMENT	 20u

static uint32_t ask_raw(struct world *world, const uint8_t *bytes, size_t len)
{
	return hear(world, send_as(world, &world->fixture->tenant, bytes, len), PATIENCE);
}

#define ASK(world, bytes) ask_raw(world, bytes, sizeof(bytes))

/* For what others wait beside. */
static void turns(struct world *world)
{
	unsigned i;

	for (i = 0; i < PATIENCE && world->idle == 0; i++)
		turn(world->fixture);
}

static void settle(struct world *world)
{
	unsigned i;

	for (i = 0; i < PATIENCE && jobs_count(world->fixture->jobs) > 0; i++)
		turn(world->fixture);
	assert_int_equal(jobs_count(world->fixture->jobs), 0);
}

/* --- what may pass --- */

static void handles_are_reserved(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;
	uint8_t command[] = {0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x73, 0x81, 0, 0x01, 0};
	struct err err;
	uint32_t i;

	world->fixture->tenant.tenant.policy.raw.set = SET_FULL;
	use_guests(world);
	assert_int_not_equal(ASK(world, command), 0x18b);
	assert_int_equal(service_reserve_raw(service, 0x81000100, &err), 0);
	assert_int_equal(ASK(world, command), 0x18b);
	command[13] = 1; /* the one from the beginning */
	assert_int_equal(ASK(world, command), 0x18b);
	command[13] = 2;
	assert_int_not_equal(ASK(world, command), 0x18b);
	for (i = 0; i < RAW_RESERVED_MAX - 2; i++)
		assert_int_equal(service_reserve_raw(service, 0x81000200 + i, &err), 0);
	assert_int_equal(service_reserve_raw(service, 0x81000300, &err), ERR_QUOTA);
	assert_int_equal(service_reserve_raw(service, 0x81000100, &err), 0);
	assert_int_equal(service->raw.reserved_count, RAW_RESERVED_MAX);
}

static void commands_are_judged_and_counted(void **state)
{
	struct world *world = *state;
	struct tenant *tenant = &world->fixture->tenant.tenant;

	use_guests(world);
	assert_int_equal(ASK(world, GET_RANDOM), 0);
	assert_int_equal(world->guests.commands, 1);
	assert_int_equal(ASK(world, CLEAR), 0x143);
	assert_int_equal(ASK(world, STARTUP), 0x100);
	assert_int_equal(world->guests.commands, 1);
	assert_int_equal(metric_get(&tenant->raw_commands), 3);
	assert_int_equal(metric_get(&tenant->raw_refused), 1);
	tenant->raw.set = SET_NONE;
	assert_int_equal(ASK(world, GET_RANDOM), 0x143);
	tenant->raw.set = SET_READ_ONLY;
	assert_int_equal(ASK(world, HASH_START), 0x143);
	command_list_add(&tenant->raw.allow, commands_by_name("HashSequenceStart"));
	assert_int_equal(ASK(world, HASH_START), 0);
	command_list_add(&tenant->raw.deny, commands_by_name("GetRandom"));
	assert_int_equal(ASK(world, GET_RANDOM), 0x143);
	settle(world);
	assert_int_equal(tenant->in_flight, 0);
	assert_int_equal(world->fixture->service->provider_status.commands, 2);
}

/* --- when --- */

static void they_wait_for_the_provider(void **state)
{
	struct world *world = *state;
	size_t first = SEND(world, GET_RANDOM), second = SEND(world, HASH_START);

	assert_int_equal(hear(world, first, MOMENT), NO_ANSWER);
	assert_int_equal(world->fixture->tenant.tenant.in_flight, 2);
	assert_string_equal(raw_word(world->fixture->service), "starting");
	/* What is refused does not. */
	assert_int_equal(ASK(world, CLEAR), 0x143);
	use_guests(world);
	assert_int_equal(hear(world, first, PATIENCE), 0);
	assert_int_equal(hear(world, second, PATIENCE), 0);
	assert_string_equal(raw_word(world->fixture->service), "ready");
	assert_int_equal(world->guests.commands, 2);
}

static void there_may_be_none(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;
	size_t waits = SEND(world, GET_RANDOM);
	struct err refusal;

	assert_int_equal(hear(world, waits, MOMENT), NO_ANSWER);
	(void)err_set(&refusal, ERR_TPM_REQUIRED, "there is none");
	service_set_refusal(service, SERVICE_NONE, &refusal);
	assert_int_equal(hear(world, waits, PATIENCE), 0x101);
	assert_int_equal(ASK(world, GET_RANDOM), 0x101);
	assert_string_equal(raw_word(service), "none");
	/* In software it is the same. */
	world->ops.on_chip = false;
	use_guests(world);
	assert_int_equal(ASK(world, GET_RANDOM), 0x101);
	assert_null(service->raw.open);
	world->ops.on_chip = true;
	/* A tenant whose id is being read waits; one whose data are lost does not. */
	use_guests(world);
	(void)err_set(&world->fixture->tenant.fault, ERR_STARTING, "not yet");
	waits = SEND(world, GET_RANDOM);
	assert_int_equal(hear(world, waits, MOMENT), NO_ANSWER);
	world->fixture->tenant.fault.code = ERR_UNREADABLE;
	raw_resume(service);
	assert_int_equal(hear(world, waits, PATIENCE), 0x101);
	world->fixture->tenant.fault.code = 0;
	assert_int_equal(ASK(world, GET_RANDOM), 0);
}

static void no_more_than_so_many(void **state)
{
	struct world *world = *state;
	size_t i, last;

	for (i = 0; i < TENANT_IN_FLIGHT_MAX; i++)
		(void)SEND(world, GET_RANDOM);
	last = SEND(world, GET_RANDOM);
	assert_int_equal(hear(world, last, PATIENCE), 0x922);
	assert_int_equal(world->fixture->tenant.tenant.in_flight, TENANT_IN_FLIGHT_MAX);
	use_guests(world);
	for (i = 0; i < last; i++)
		assert_int_equal(hear(world, i, PATIENCE), 0);
}

static void who_left_is_not_worked_for(void **state)
{
	struct world *world = *state;
	size_t client = SEND(world, HASH_START);

	assert_int_equal(hear(world, client, MOMENT), NO_ANSWER);
	close(world->clients[client]);
	world->clients[client] = -1;
	settle(world);
	assert_int_equal(world->closed, 1);
	use_guests(world);
	settle(world);
	assert_int_equal(world->guests.commands, 0);
}

/* --- whose turn it is --- */

static uint32_t last_code(const struct world *world)
{
	const uint8_t *last = world->guests.last;

	return (uint32_t)last[6] << 24 | (uint32_t)last[7] << 16 | (uint32_t)last[8] << 8 | last[9];
}

static void keys_let_others_go_first(void **state)
{
	struct world *world = *state;
	size_t first, key, other;
	uint64_t released_us;
	unsigned i;

	use_guests(world);
	atomic_store(&world->stands, true);
	first = SEND(world, GET_RANDOM);
	for (i = 0; i < PATIENCE && !atomic_load(&world->arrived); i++)
		turn(world->fixture);
	key = SEND(world, CREATE_PRIMARY);
	assert_int_equal(hear(world, key, MOMENT), NO_ANSWER);
	other = SEND(world, HASH_START);
	assert_int_equal(hear(world, other, MOMENT), NO_ANSWER);
	released_us = clock_monotonic_us();
	atomic_store(&world->stands, false);
	assert_int_equal(hear(world, first, PATIENCE), 0);
	assert_int_equal(hear(world, other, PATIENCE), 0);
	assert_int_equal(hear(world, key, PATIENCE), 0);
	settle(world);
	/* The look at what else lies in the chip, which follows CreatePrimary. */
	assert_int_equal(last_code(world), 0x17a);
	/* Its time began when the others were done. */
	assert_true(world->guests.provider.deadline_us >= released_us + 150u * 1000000u);
}

/* A tenant's own persistent object may have to be made, wherever it lies; only the SRK is there. */
static void what_may_make_a_key_has_longer(void **state)
{
	static const struct {
		uint32_t handle;
		unsigned seconds;
		uint32_t code;
	} CASES[] = {{0x81000001, 30, 0},
		     {0x81000010, 150, 0x18b},
		     {0x8100ffff, 150, 0x18b},
		     {0x81010001, 150, 0},
		     {0x81020000, 150, 0x18b}};
	struct world *world = *state;
	size_t i;

	use_guests(world);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		uint8_t read_public[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x73, 0x81, 0, 0, 0};
		uint64_t before = clock_monotonic_us(), seconds = CASES[i].seconds;

		read_public[11] = (uint8_t)(CASES[i].handle >> 16);
		read_public[12] = (uint8_t)(CASES[i].handle >> 8);
		read_public[13] = (uint8_t)CASES[i].handle;
		assert_int_equal(ASK(world, read_public), CASES[i].code);
		settle(world);
		assert_in_range(world->guests.provider.deadline_us, before + seconds * 1000000u,
				clock_monotonic_us() + seconds * 1000000u);
	}
}

static void what_is_persistent_changes_so_often(void **state)
{
	struct world *world = *state;
	struct service_tenant *tenant = &world->fixture->tenant;
	uint64_t soon;

	use_guests(world);
	assert_int_equal(ASK(world, EVICT_CONTROL), 0x911);
	soon = tenant->keeps_due_us;
	assert_true(soon > clock_monotonic_us() - GIVE_UP_US);
	/* All that there may be at once were there. */
	tenant->keeps_due_us = clock_monotonic_us() + 3600u * 1000000ull;
	assert_int_equal(ASK(world, EVICT_CONTROL), 0x920);
	assert_int_equal(metric_get(&tenant->tenant.raw_refused), 1);
	assert_int_equal(ASK(world, GET_RANDOM), 0);
	tenant->keeps_due_us = soon;
	assert_int_equal(ASK(world, EVICT_CONTROL), 0x911);
	settle(world);
	assert_int_equal(tenant->quotas[QUOTA_STORED].at_work, 0);
	assert_int_equal(tenant->quotas[QUOTA_STORED].reserved, 0);
	assert_int_equal(tenant->quotas[QUOTA_STORED].begun, 2);
}

/* --- the helper --- */

static void the_helper_does_not_wait(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;
	size_t others = SEND(world, GET_RANDOM), client;
	struct err err;

	client = send_as(world, &service->helper, GET_RANDOM, sizeof(GET_RANDOM));
	assert_int_equal(hear(world, client, PATIENCE), 0x101);
	assert_int_equal(raw_open(service, &world->guests.provider, &err), 0);
	client = send_as(world, &service->helper, HASH_START, sizeof(HASH_START));
	assert_int_equal(hear(world, client, PATIENCE), 0);
	assert_int_equal(hear(world, others, MOMENT), NO_ANSWER);
	assert_int_equal(service->raw.helper_commands, 1);
}

static void what_it_fails_with_is_kept(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;
	size_t client;

	use_guests(world);
	world->guests.fails = ERR_TPM_FAILED;
	assert_int_equal(ASK(world, GET_RANDOM), 0x101);
	assert_int_equal(service->raw.helper_fault.code, 0);
	world->guests.fails = ERR_TPM_CHANGED;
	client = send_as(world, &service->helper, GET_RANDOM, sizeof(GET_RANDOM));
	assert_int_equal(hear(world, client, PATIENCE), 0x101);
	assert_int_equal(service->raw.helper_fault.code, ERR_TPM_CHANGED);
	/* One line in ten seconds. */
	assert_int_equal(service->raw.unlogged, 1);
}

/* --- ends --- */

static void is_idle(void *arg)
{
	((struct world *)arg)->idle++;
}

static void a_forgotten_tenant_leaves_nothing(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;
	size_t client;

	use_guests(world);
	assert_int_equal(ASK(world, HASH_START), 0);
	client = send_as(world, &service->helper, HASH_START, sizeof(HASH_START));
	assert_int_equal(hear(world, client, PATIENCE), 0);
	settle(world);
	assert_int_equal(world->guests.alive, 2);
	raw_forget(service, &service->helper);
	settle(world);
	assert_int_equal(world->guests.alive, 1);
	raw_forget(service, &world->fixture->tenant);
	raw_forget(service, &world->fixture->tenant);
	settle(world);
	assert_int_equal(world->guests.alive, 0);
	assert_int_equal(service->users, 0);
	/* It may begin anew. */
	assert_int_equal(ASK(world, HASH_START), 0);
}

static void taken_away_nothing_is_left_in_it(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;
	size_t waits;

	use_guests(world);
	assert_int_equal(ASK(world, HASH_START), 0);
	settle(world);
	service_take_provider(service, "another one comes", is_idle, world);
	waits = SEND(world, GET_RANDOM);
	turns(world);
	assert_int_equal(world->idle, 1);
	assert_int_equal(world->guests.alive, 0);
	assert_null(service->raw.open);
	use_guests(world);
	assert_int_equal(hear(world, waits, PATIENCE), 0);
}

/* Who takes it waits for the one command that the chip has begun, and not for those behind. */
static void taken_away_from_many(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;
	size_t first, i, again;

	use_guests(world);
	atomic_store(&world->stands, true);
	first = SEND(world, GET_RANDOM);
	for (i = 0; i < PATIENCE && !atomic_load(&world->arrived); i++)
		turn(world->fixture);
	for (i = 1; i < TENANT_IN_FLIGHT_MAX; i++)
		(void)(i % 8 ? SEND(world, CREATE_PRIMARY) : SEND(world, EVICT_CONTROL));
	for (i = 0; i < PATIENCE && world->fixture->tenant.tenant.in_flight < TENANT_IN_FLIGHT_MAX;
	     i++)
		turn(world->fixture);
	service_take_provider(service, "another one comes", is_idle, world);
	for (i = 1; i < TENANT_IN_FLIGHT_MAX; i++)
		assert_int_equal(hear(world, first + i, PATIENCE), 0x922);
	again = SEND(world, GET_RANDOM);
	assert_int_equal(hear(world, again, MOMENT), NO_ANSWER);
	assert_int_equal(world->idle, 0);
	atomic_store(&world->stands, false);
	assert_int_equal(hear(world, first, PATIENCE), 0);
	turns(world);
	assert_int_equal(world->idle, 1);
	assert_int_equal(world->guests.commands, 1);
	assert_int_equal(world->fixture->tenant.quotas[QUOTA_STORED].reserved, 0);
	use_guests(world);
	assert_int_equal(hear(world, again, PATIENCE), 0);
}

/* What frees the virtual chips is a job; for want of memory it comes later. */
static void taken_away_when_memory_is_short(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;

	use_guests(world);
	assert_int_equal(ASK(world, HASH_START), 0);
	settle(world);
	submits_fail = 2;
	service_take_provider(service, "another one comes", is_idle, world);
	assert_int_equal(submits_fail, 1);
	assert_string_equal(raw_word(service), "starting");
	turns(world);
	assert_int_equal(submits_fail, 0);
	assert_int_equal(world->idle, 1);
	assert_null(service->raw.open);
	assert_int_equal(world->guests.alive, 0);
}

/* One whose end found no memory ends with what comes next. */
static void forgotten_when_memory_is_short(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;
	size_t client;

	use_guests(world);
	client = send_as(world, &service->helper, HASH_START, sizeof(HASH_START));
	assert_int_equal(hear(world, client, PATIENCE), 0);
	settle(world);
	submits_fail = 1;
	raw_forget(service, &service->helper);
	settle(world);
	assert_int_equal(submits_fail, 0);
	assert_int_equal(world->guests.alive, 1);
	assert_int_equal(service->users, 0);
	assert_int_equal(ASK(world, GET_RANDOM), 0);
	settle(world);
	assert_int_equal(world->guests.alive, 0);
	/* Or with the chip. */
	client = send_as(world, &service->helper, HASH_START, sizeof(HASH_START));
	assert_int_equal(hear(world, client, PATIENCE), 0);
	settle(world);
	submits_fail = 1;
	raw_forget(service, &service->helper);
	service_take_provider(service, "another one comes", is_idle, world);
	turns(world);
	assert_int_equal(world->idle, 1);
	assert_int_equal(world->guests.alive, 0);
}

/* Given back before it was idle, or while its virtual chips are freed: it serves again. */
static void given_back_it_serves_again(void **state)
{
	struct world *world = *state;
	struct service *service = world->fixture->service;

	use_guests(world);
	assert_int_equal(ASK(world, HASH_START), 0);
	settle(world);
	(void)service_hold(service, service->provider);
	service_take_provider(service, "another one comes", is_idle, world);
	service_give_back(service);
	service_drop(service, service->provider);
	assert_int_equal(ASK(world, GET_RANDOM), 0);
	assert_int_equal(world->guests.alive, 1);
	settle(world);
	service_take_provider(service, "another one comes", is_idle, world);
	service_give_back(service);
	assert_string_equal(raw_word(service), "starting");
	assert_int_equal(ASK(world, GET_RANDOM), 0);
	assert_int_equal(world->guests.alive, 0);
	assert_int_equal(world->idle, 0);
}

static void a_stop_sends_nothing(void **state)
{
	struct world *world = *state;
	unsigned commands;

	use_guests(world);
	assert_int_equal(ASK(world, HASH_START), 0);
	settle(world);
	commands = world->guests.commands;
	service_stop(world->fixture->service);
	assert_int_equal(ASK(world, GET_RANDOM), 0x101);
	service_sweep(world->fixture->service);
	assert_int_equal(world->guests.alive, 0);
	assert_int_equal(world->guests.commands, commands);
	assert_null(world->fixture->tenant.chip);
}

#define RAW_TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RAW_TEST(commands_are_judged_and_counted),
		RAW_TEST(handles_are_reserved),
		RAW_TEST(they_wait_for_the_provider),
		RAW_TEST(there_may_be_none),
		RAW_TEST(no_more_than_so_many),
		RAW_TEST(who_left_is_not_worked_for),
		RAW_TEST(keys_let_others_go_first),
		RAW_TEST(what_may_make_a_key_has_longer),
		RAW_TEST(what_is_persistent_changes_so_often),
		RAW_TEST(the_helper_does_not_wait),
		RAW_TEST(what_it_fails_with_is_kept),
		RAW_TEST(a_forgotten_tenant_leaves_nothing),
		RAW_TEST(taken_away_nothing_is_left_in_it),
		RAW_TEST(taken_away_from_many),
		RAW_TEST(taken_away_when_memory_is_short),
		RAW_TEST(forgotten_when_memory_is_short),
		RAW_TEST(given_back_it_serves_again),
		RAW_TEST(a_stop_sends_nothing),
	};

	return cmocka_run_group_tests_name("raw", tests, NULL, NULL);
}
