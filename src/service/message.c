/* SPDX-License-Identifier: Apache-2.0 */
#include "service/message.h"

#include <stdatomic.h>
#include <string.h>

#include "service/message_queue.h"

#define RESULT_MAX 1024u
/* Software has no queue to share: pieces of which a turn takes none of it from the others. */
#define SOFT_PIECES 64u

static struct keystore_target target_of(const struct message_op *message)
{
	return op_target(&message->op,
			 message->op.record.id.kind == STORE_AIKS ? BLOB_AIK : BLOB_KEY);
}

static bool is_long(const struct message_op *message)
{
	return secret_size(message->message) > PROVIDER_PIECE_MAX;
}

/* --- steps --- */

static int check_key(const struct message_op *message, struct err *err)
{
	if (!atomic_load(&message->key_gone))
		return 0;
	return err_set(err, ERR_NOT_FOUND, "the key %s was deleted while its message was at work",
		       message->op.name);
}

static int start_pieces(struct message_op *message, struct provider *p, struct err *err)
{
	const struct keystore_target target = target_of(message);
	int r = keystore_pieces_start(p, &target, buf_slice(&message->op.record.bytes),
				      &message->pieces, err);

	message->op.left = message->op.more = r == 0;
	return r;
}

static int give_first(void *arg, struct err *err)
{
	struct message_op *message = arg;
	const struct keystore_target target = target_of(message);
	struct slice record = buf_slice(&message->op.record.bytes);
	struct provider *p;
	int r;

	r = check_key(message, err);
	if (r == 0)
		r = keystore_key_describe(&target, record, &message->key, err);
	if (r == 0)
		r = message->check(message, err);
	if (r < 0)
		return r;
	p = op_provider_enter(&message->op);
	if (is_long(message))
		r = start_pieces(message, p, err);
	else
		r = message->whole(p, &target, record, secret_slice(message->message),
				   &message->result, err);
	return op_provider_leave(&message->op, r);
}

/* What ends the pieces frees them too, also when it fails. */
static int end_pieces(struct message_op *message, struct provider *p, struct slice last,
		      struct err *err)
{
	message->op.left = false;
	return provider_pieces_end(p, TAKE(message->pieces), last, &message->result, err);
}

static int give_piece(struct message_op *message, struct provider *p, struct err *err)
{
	struct slice rest = secret_slice(message->message);
	int r;

	rest = slice_of(rest.data + message->at, rest.len - message->at);
	if (rest.len <= PROVIDER_PIECE_MAX)
		return end_pieces(message, p, rest, err);
	rest.len = PROVIDER_PIECE_MAX;
	r = provider_pieces_add(p, message->pieces, rest, err);
	message->at += PROVIDER_PIECE_MAX;
	message->op.more = r == 0;
	return r;
}

static int give_next(void *arg, struct err *err)
{
	struct message_op *message = arg;
	struct provider *p;
	unsigned left;
	int r = check_key(message, err);

	if (r < 0)
		return r;
	p = op_provider_enter(&message->op);
	left = p->ops->on_chip ? 1 : SOFT_PIECES;
	do {
		message->op.more = false;
		r = give_piece(message, p, err);
	} while (message->op.more && --left > 0);
	return op_provider_leave(&message->op, r);
}

int message_sweep(void *arg, struct err *err)
{
	struct message_op *message = arg;
	struct provider *p = op_provider_enter(&message->op);

	(void)err;
	provider_pieces_free(p, TAKE(message->pieces));
	message->op.left = false;
	return op_provider_leave(&message->op, 0);
}

/* --- on the loop --- */

/* One that waits begins, and ends by that before it takes anything of the chip. */
void message_end_key(struct tenant *tenant, enum store_kind kind, const char *name)
{
	struct message_op *message = ((struct service_tenant *)tenant)->messages;

	for (; message; message = message->next) {
		const struct store_id *id = &message->op.record.id;

		if (id->kind != kind || strcmp(id->name, name) != 0)
			continue;
		atomic_store(&message->key_gone, true);
		if (message->op.job)
			jobs_resume(message->op.job);
	}
}

int message_plan(struct message_op *message, enum store_kind kind, struct err *err)
{
	struct op *op = &message->op;
	int r;

	message->result = (struct buf)BUF_INIT(RESULT_MAX);
	op_reads_record(op, kind);
	op_step(op, op_provider_place(op), give_first);
	if (!is_long(message))
		return 0;
	op_deadline(op, MESSAGE_WORK_S);
	if (!op->provider->ops->on_chip)
		return 0;
	r = message_queue_enter(message, err);
	/* The queue counts the message and nothing else, and it may be long until its turn. */
	if (r == 0)
		http_request_drop_body(op->request);
	return r;
}

void message_turn(struct op *op)
{
	op_step(op, op_provider_place(op), give_next);
}

void message_fini(struct op *op)
{
	struct message_op *message = (struct message_op *)op;

	message_queue_leave(message);
	secret_free(message->message);
	keystore_key_fini(&message->key);
	buf_fini(&message->result);
}
