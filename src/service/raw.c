/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command holds its tenant, its provider and its virtual chip until its step has ended, whoever
 * still waits for the answer. Its client is told by the TPM's own codes: RETRY means that nothing
 * was done and the same may be sent again, FAILURE that nobody knows.
 */
#include "service/raw.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "broker/connections.h"
#include "broker/filter.h"
#include "broker/wire.h"
#include "service/op.h"
#include "service/raw_chip.h"

#define SECOND_US    1000000u
#define COMMAND_S    30u  /* from when the chip has it */
#define KEY_S	     150u /* a firmware TPM may look for the primes of an RSA key so long */
#define WAIT_S	     600u /* for others' commands, which may make keys, and for a provider */
#define LOG_EVERY_US (10u * SECOND_US)

/* A change of what is persistent waits for the disk, and the chip's worker with it. */
#define KEEPS_AT_ONCE 16u
#define KEEP_EVERY_US (SECOND_US / 4)

/* TPM 2.0 Part 2, 6.6.3 */
#define RC_SUCCESS    0x000u
#define RC_INITIALIZE 0x100u
#define RC_FAILURE    0x101u
#define RC_MEMORY     0x904u
#define RC_NV_RATE    0x920u
#define RC_RETRY      0x922u
#define RC_NV_UNAVAIL 0x923u

/* Part 2, 6.5.2 */
#define CC_EVICT_CONTROL  0x120u
#define CC_CREATE_PRIMARY 0x131u
#define CC_CREATE	  0x153u
#define CC_CREATE_LOADED  0x191u

/* Part 2, 7: the machine's persistent keys lie where the chip keeps them. */
#define PERSISTENT_FIRST 0x81000000u
#define PERSISTENT_LAST	 0x81ffffffu
#define SRK_HANDLE	 0x81000001u

/* Whoever is first decides: the worker that begins it, or the loop that ends it before. */
enum stage { STAGE_WAITS, STAGE_BEGAN, STAGE_GIVEN_UP };

struct raw_op {
	struct raw_op *next, **at; /* of those without an answer; at: what points to this one */
	struct service *service;
	struct service_tenant *tenant; /* held */
	struct connection *connection; /* NULL = it has its answer */
	struct job *job;	       /* NULL = it was answered */
	struct raw_chip *chip;	       /* held; NULL = it waits */
	struct filter_facts facts;
	struct raw_call call;	       /* on bytes */
	struct provider_status status; /* after the step */
	uint64_t commands;	       /* of the chip that it took */
	bool keeps;		       /* it may change what is stored, .. */
	struct quota_change quota;     /* .. and what that means for the tenant's limit */
	uint64_t begin_by_us;	       /* CLOCK_MONOTONIC: it waits no longer */
	unsigned seconds;	       /* that it may take then */
	uint32_t refused;	       /* by a step before the chip's; 0 = by none */
	bool ran;
	_Atomic int stage; /* enum stage */
	size_t len;
	uint8_t bytes[];
};

static bool is_helper(const struct service_tenant *tenant)
{
	return tenant->tenant.number == TENANT_NUMBER_FAPI;
}

static void list_add(struct raw_op *op, struct raw_op **head)
{
	op->next = *head;
	op->at = head;
	if (op->next)
		op->next->at = &op->next;
	*head = op;
}

static void list_take(struct raw_op *op)
{
	if (!op->at)
		return;
	*op->at = op->next;
	if (op->next)
		op->next->at = op->at;
	op->next = NULL;
	op->at = NULL;
}

/* Each of them once, whatever becomes of it: those that are still to come stand apart. */
static void list_begin(struct raw_state *raw)
{
	raw->rest = TAKE(raw->ops);
	if (raw->rest)
		raw->rest->at = &raw->rest;
}

static struct raw_op *list_next(struct raw_state *raw)
{
	struct raw_op *op = raw->rest;

	if (op) {
		list_take(op);
		list_add(op, &raw->ops);
	}
	return op;
}

/* True when @op is at the stage that is wanted, and nobody else's any more. */
static bool reach(struct raw_op *op, enum stage stage)
{
	int waits = STAGE_WAITS;

	return atomic_compare_exchange_strong(&op->stage, &waits, (int)stage);
}

static void answer_code(struct connection *connection, uint32_t code)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_HEADER);

	wire_refuse(&answer, code);
	connection_answer(connection, buf_slice(&answer));
}

/* --- may it begin? --- */

enum gate { GATE_OPEN, GATE_WAIT, GATE_NONE };

static enum gate gate_of_helper(const struct service *service)
{
	return service->raw.open && !raw_is_closing(service->raw.open) && !service->taken.p
		       ? GATE_OPEN
		       : GATE_NONE;
}

static enum gate gate_of(const struct service *service, const struct service_tenant *tenant)
{
	const struct raw *open = service->raw.open;

	if (!service->jobs || tenant->tenant.over)
		return GATE_NONE;
	if (is_helper(tenant))
		return gate_of_helper(service);
	if (service->state == SERVICE_DECIDING || tenant->fault.code == ERR_STARTING)
		return GATE_WAIT;
	if (tenant->fault.code != 0 || service->state != SERVICE_READY ||
	    !service->provider->ops->on_chip || !open)
		return GATE_NONE;
	return raw_is_closing(open) ? GATE_WAIT : GATE_OPEN;
}

/* --- the steps --- */

static int refuse(struct raw_op *op, uint32_t code, struct err *err)
{
	op->refused = code;
	return err_set(err, ERR_QUOTA, "the command is refused");
}

/* So many at once after a pause, then one every so often. */
static bool take_keep(struct service_tenant *tenant)
{
	uint64_t now = clock_monotonic_us();
	uint64_t due = tenant->keeps_due_us > now ? tenant->keeps_due_us : now;

	if (due - now > (KEEPS_AT_ONCE - 1) * KEEP_EVERY_US)
		return false;
	tenant->keeps_due_us = due + KEEP_EVERY_US;
	return true;
}

/* Loop. What is removed is named by its own handle, and needs no room. */
static int begin_to_keep(void *arg, struct err *err)
{
	struct raw_op *op = arg;
	bool removes = op->call.view.handles[1] >= PERSISTENT_FIRST;

	if (!take_keep(op->tenant)) {
		metric_add(&op->tenant->tenant.raw_refused, 1);
		return refuse(op, RC_NV_RATE, err);
	}
	quota_other_begins(op->tenant, removes ? 0 : keystore_shelf_bytes(BROKER_RECIPE_MAX),
			   &op->quota);
	return 0;
}

/* Pool. The loop tells what it fails with. */
static int count_kept(void *arg, struct err *err)
{
	struct raw_op *op = arg;

	(void)err;
	(void)!quota_other_count(op->service->store, op->tenant->tenant.name, &op->quota,
				 &op->call.fault);
	return 0;
}

static void tell_fault(struct raw_op *op);

/* Loop. */
static int admit_kept(void *arg, struct err *err)
{
	struct raw_op *op = arg;

	if (op->call.fault.code != 0) {
		tell_fault(op);
		return refuse(op, RC_NV_UNAVAIL, err);
	}
	op->call.room = quota_other_admits(op->tenant, &op->quota);
	return 0;
}

/* Its seconds begin now: what others did before is not its time. */
static int run(void *arg, struct err *err)
{
	struct raw_op *op = arg;
	struct provider *p = raw_chip_provider(op->chip);
	uint64_t now = clock_monotonic_us();
	struct provider_status before;

	if (now > op->begin_by_us)
		return err_set(err, ERR_TIMEOUT, "the command waited too long");
	if (!reach(op, STAGE_BEGAN))
		return err_set(err, ERR_TIMEOUT, "the command was given up");
	op->call.limits.deadline_us = now + (uint64_t)op->seconds * SECOND_US;
	provider_status(p, &before);
	p->deadline_us = op->call.limits.deadline_us;
	raw_chip_run(op->chip, &op->call);
	provider_status(p, &op->status);
	op->commands = op->status.commands - before.commands;
	op->ran = true;
	return 0;
}

/* --- the ends --- */

static void tell_fault(struct raw_op *op)
{
	struct raw_state *raw = &op->service->raw;
	uint64_t now = clock_monotonic_us();

	if (is_helper(op->tenant) && raw->helper_fault.code == 0)
		raw->helper_fault = op->call.fault;
	if (raw->logged_us != 0 && now - raw->logged_us < LOG_EVERY_US) {
		raw->unlogged++;
		return;
	}
	log_err(LOG_LEVEL_WARNING, &op->call.fault, "TPM command %s of tenant %s",
		op->call.view.command->name, op->tenant->tenant.name);
	if (raw->unlogged > 0)
		log_warning("%u more TPM commands failed before that", raw->unlogged);
	raw->logged_us = now;
	raw->unlogged = 0;
}

static uint32_t code_of_end(const struct raw_op *op)
{
	if (atomic_load(&op->stage) == STAGE_BEGAN)
		return RC_FAILURE;
	return op->refused ? op->refused : RC_RETRY;
}

/* What is empty, for want of memory, is no answer. */
static void answer_client(struct raw_op *op, bool ended)
{
	struct connection *connection = TAKE(op->connection);

	connection_set_work(connection, NULL);
	if (ended && buf_ok(&op->call.answer) && op->call.answer.len >= WIRE_HEADER)
		connection_answer(connection, buf_slice(&op->call.answer));
	else
		answer_code(connection, code_of_end(op));
}

static void done(void *arg, const struct err *err)
{
	struct raw_op *op = arg;

	op->job = NULL;
	list_take(op);
	if (!err && is_helper(op->tenant))
		op->service->raw.helper_commands += op->commands;
	if (!err && op->call.fault.code != 0)
		tell_fault(op);
	if (op->connection)
		answer_client(op, !err);
}

static void raw_op_free(struct raw_op *op)
{
	struct service *service = op->service;
	struct service_tenant *tenant = op->tenant;
	struct raw_chip *chip = op->chip;

	if (op->keeps)
		quota_other_ends(tenant, &op->quota, &op->call.kept);
	tenant->tenant.in_flight--;
	buf_fini(&op->call.answer);
	wipe(op, sizeof(*op) + op->len);
	free(op);
	if (chip)
		raw_chip_drop(service, chip);
	tenant_drop(&tenant->tenant);
}

static void release(void *arg)
{
	struct raw_op *op = arg;

	if (op->ran)
		raw_chip_note(op->service, op->chip, &op->status);
	raw_op_free(op);
}

void raw_gone(struct connection *connection)
{
	struct raw_op *op = connection_work(connection);

	if (op && op->job && reach(op, STAGE_GIVEN_UP))
		jobs_cancel(op->job);
}

void raw_put_off(struct service *service)
{
	struct raw_op *op;

	list_begin(&service->raw);
	while ((op = list_next(&service->raw)))
		if (op->chip && reach(op, STAGE_GIVEN_UP))
			jobs_cancel(op->job);
}

/* --- the start --- */

/* A tenant's own persistent object may have to be made again. */
static bool is_kept(uint32_t handle)
{
	return handle >= PERSISTENT_FIRST && handle <= PERSISTENT_LAST && handle != SRK_HANDLE;
}

/* A key may have to be made: that takes longest, and others go first. */
static bool may_make_key(const struct filter_view *view)
{
	static const uint32_t CODES[] = {CC_CREATE_PRIMARY, CC_CREATE, CC_CREATE_LOADED,
					 CC_EVICT_CONTROL};
	bool may = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(CODES); i++)
		may |= view->command->code == CODES[i];
	for (i = 0; i < view->handle_count; i++)
		may |= is_kept(view->handles[i]);
	return may;
}

static struct raw_op *raw_op_new(struct service *service, struct service_tenant *tenant,
				 struct slice bytes)
{
	struct raw_op *op = calloc(1, sizeof(*op) + bytes.len);
	const struct tenant_policy *policy = &tenant->tenant.policy;

	if (!op)
		return NULL;
	op->service = service;
	op->tenant = tenant;
	(void)tenant_hold(&tenant->tenant);
	tenant->tenant.in_flight++;
	op->call.answer = (struct buf)BUF_INIT(WIRE_MAX);
	op->len = bytes.len;
	memcpy(op->bytes, bytes.data, bytes.len);
	op->facts = (struct filter_facts){
		.policy = policy->raw,
		.reserved = service->raw.reserved,
		.reserved_count = service->raw.reserved_count,
	};
	op->call.limits = (struct vchip_limits){
		.objects_max = policy->objects_max,
		.sessions_max = policy->sessions_max,
		.reserved = service->raw.reserved,
		.reserved_count = service->raw.reserved_count,
	};
	return op;
}

static uint32_t code_of(struct slice answer)
{
	struct cursor cursor = cursor_of(answer);

	(void)cursor_take(&cursor, WIRE_HEADER - sizeof(uint32_t));
	return cursor_u32(&cursor);
}

/* True when the filter answered it. What needs no chip, as Startup, is no refusal. */
static bool is_judged(struct raw_op *op, struct connection *connection)
{
	uint32_t code;

	if (filter_judge(&op->facts, slice_of(op->bytes, op->len), &op->call.view,
			 &op->call.answer) == FILTER_PASS) {
		op->call.limits.full =
			command_policy_is_full(&op->facts.policy, op->call.view.command);
		return false;
	}
	code = code_of(buf_slice(&op->call.answer));
	if (code != RC_SUCCESS && code != RC_INITIALIZE)
		metric_add(&op->tenant->tenant.raw_refused, 1);
	connection_answer(connection, buf_slice(&op->call.answer));
	return true;
}

/* Gives it its chip. */
static uint32_t bind_chip(struct raw_op *op)
{
	op->chip = raw_chip_hold(op->service, op->tenant);
	return op->chip ? RC_SUCCESS : RC_MEMORY;
}

static void add_step(struct job_plan *plan, enum job_place place,
		     int (*step)(void *arg, struct err *err))
{
	plan->steps[plan->count++] = (struct job_step){place, step};
}

static uint32_t submit(struct raw_op *op, bool waits)
{
	bool may_make = may_make_key(&op->call.view);
	struct job_plan plan = {
		.done = done,
		.release = release,
		.arg = op,
		.lane = op->tenant->tenant.number,
		.priority = may_make ? JOB_BULK : JOB_NORMAL,
		.held = waits,
	};
	struct err err;

	op->seconds = may_make ? KEY_S : COMMAND_S;
	op->begin_by_us = clock_monotonic_us() + (uint64_t)WAIT_S * SECOND_US;
	plan.deadline_us = op->begin_by_us + (uint64_t)op->seconds * SECOND_US;
	op->keeps = op->call.view.command->code == CC_EVICT_CONTROL;
	if (op->keeps) {
		add_step(&plan, JOB_LOOP, begin_to_keep);
		add_step(&plan, JOB_POOL, count_kept);
		add_step(&plan, JOB_LOOP, admit_kept);
	}
	add_step(&plan, JOB_WORKER, run);
	return service_submit(op->service, &plan, &op->job, &err) < 0 ? RC_RETRY : RC_SUCCESS;
}

static uint32_t start(struct raw_op *op)
{
	enum gate gate = gate_of(op->service, op->tenant);
	uint32_t code = RC_SUCCESS;

	if (gate == GATE_NONE)
		return RC_FAILURE;
	if (op->tenant->tenant.in_flight > TENANT_IN_FLIGHT_MAX) {
		metric_add(&op->tenant->tenant.raw_refused, 1);
		return RC_RETRY;
	}
	if (gate == GATE_OPEN)
		code = bind_chip(op);
	if (code == RC_SUCCESS)
		code = submit(op, gate == GATE_WAIT);
	if (code == RC_SUCCESS)
		list_add(op, &op->service->raw.ops);
	return code;
}

void raw_command(struct service *service, struct service_tenant *tenant,
		 struct connection *connection, struct slice bytes)
{
	struct raw_op *op = raw_op_new(service, tenant, bytes);
	uint32_t code;

	metric_add(&tenant->tenant.raw_commands, 1);
	if (!op) {
		answer_code(connection, RC_MEMORY);
		return;
	}
	if (is_judged(op, connection)) {
		raw_op_free(op);
		return;
	}
	op->connection = connection;
	connection_set_work(connection, op);
	code = start(op);
	if (code == RC_SUCCESS)
		return;
	connection_set_work(connection, NULL);
	answer_code(connection, code);
	raw_op_free(op);
}

/* One that waited. */
static void resume(struct raw_op *op, enum gate gate)
{
	uint32_t code = gate == GATE_OPEN ? bind_chip(op) : RC_FAILURE;

	if (code == RC_SUCCESS) {
		jobs_resume(op->job);
		return;
	}
	connection_set_work(op->connection, NULL);
	answer_code(TAKE(op->connection), code);
	jobs_cancel(op->job);
}

void raw_resume(struct service *service)
{
	struct raw_op *op;

	list_begin(&service->raw);
	while ((op = list_next(&service->raw))) {
		enum gate gate = op->chip ? GATE_WAIT : gate_of(service, op->tenant);

		if (gate != GATE_WAIT)
			resume(op, gate);
	}
}

const char *raw_word(const struct service *service)
{
	const struct raw *open = service->raw.open;

	if (service->state == SERVICE_DECIDING || (open && raw_is_closing(open)))
		return "starting";
	return service->state == SERVICE_READY && open ? "ready" : "none";
}
