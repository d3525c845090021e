/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two orders: each tenant's messages as they came, and of the first of each those that still wait.
 * Both are lists through the messages themselves, so entering and leaving take no memory.
 */
#include "service/message_queue.h"

#define RETRY_AFTER_S 1u

static struct service_tenant *tenant_of(const struct message_op *message)
{
	return (struct service_tenant *)message->op.peer.tenant;
}

/* Its time at work begins, however long it waited. One that is entering has no job yet. */
static void begin_one(struct message_op *message)
{
	struct op *op = &message->op;

	op->service->messages.at_work++;
	message->at_work = true;
	op_deadline(op, MESSAGE_WORK_S);
	if (!op->job)
		return;
	jobs_set_deadline(op->job, op->plan.deadline_us);
	jobs_resume(op->job);
}

/* One that has ended meanwhile, and so has no job, is on its way to leave. */
static void begin(struct service *service)
{
	while (service->messages.next && service->messages.at_work < PROVIDER_MESSAGES_MAX) {
		struct message_op *message = service->messages.next;

		service->messages.next = message->next_turn;
		begin_one(message);
	}
}

/* The first of its tenant, behind all others that wait. */
static void line_up(struct message_op *message)
{
	struct message_op **at = &message->op.service->messages.next;

	while (*at)
		at = &(*at)->next_turn;
	message->next_turn = NULL;
	*at = message;
	begin(message->op.service);
}

static int check_room(const struct message_op *message, struct err *err)
{
	const struct service_tenant *tenant = tenant_of(message);
	uint64_t size = secret_size(message->message);

	if (!tenant->messages || (tenant->message_bytes + size <= MESSAGE_QUEUE_TENANT_MAX &&
				  message->op.service->messages.bytes + size <= MESSAGE_QUEUE_MAX))
		return 0;
	(void)err_set(err, ERR_QUOTA, "too many long messages wait for the TPM already");
	err->retry_after = RETRY_AFTER_S;
	return err_add_remedy(err, "Wait as long as Retry-After says, then repeat.");
}

int message_queue_enter(struct message_op *message, struct err *err)
{
	struct service_tenant *tenant = tenant_of(message);
	struct message_op **at = &tenant->messages;
	int r = check_room(message, err);

	if (r < 0)
		return r;
	while (*at)
		at = &(*at)->next;
	*at = message;
	message->queued = true;
	tenant->message_bytes += secret_size(message->message);
	message->op.service->messages.bytes += secret_size(message->message);
	op_deadline(&message->op, MESSAGE_WAIT_S);
	if (tenant->messages == message)
		line_up(message);
	message->op.plan.held = !message->at_work;
	return 0;
}

/* Out of the line, where it stands when it is its tenant's first and has not begun. */
static void step_out(struct message_op *message)
{
	struct message_op **at = &message->op.service->messages.next;

	while (*at != message)
		at = &(*at)->next_turn;
	*at = message->next_turn;
}

void message_queue_leave(struct message_op *message)
{
	struct service *service = message->op.service;
	struct service_tenant *tenant = tenant_of(message);
	struct message_op **at = &tenant->messages;
	bool was_first = tenant->messages == message;

	if (!message->queued)
		return;
	while (*at != message)
		at = &(*at)->next;
	*at = message->next;
	message->queued = false;
	tenant->message_bytes -= secret_size(message->message);
	service->messages.bytes -= secret_size(message->message);
	if (message->at_work)
		service->messages.at_work--;
	else if (was_first)
		step_out(message);
	if (was_first && tenant->messages)
		line_up(tenant->messages);
	begin(service);
}
