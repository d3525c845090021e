/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_MESSAGE_H
#define SERVICE_MESSAGE_H

/*
 * Message: an op that gives a message to a key, whole or, over PROVIDER_PIECE_MAX bytes, piece by
 * piece. Each piece is a job of its own, so that others have their turn at the chip between two.
 * Long ones wait for their turn in the chip (message_queue.h), and end with their key.
 */

#include "service/op.h"

#define MESSAGE_MAX (1024u * 1024u)
/* .. in base64, with what is around it. */
#define MESSAGE_JSON_MAX (MESSAGE_MAX / 3u * 4u + 4096u)

/* From its turn on: 1 MiB is a thousand commands, and others have their turns in between. */
#define MESSAGE_WORK_S 120u
/* .. and before that so long for those before it, while its client stays. */
#define MESSAGE_WAIT_S 600u

struct message_op {
	struct op op;
	struct secret *message;
	struct keystore_key key; /* described by the first step */
	struct buf result;
	/* May the key take it? After the description, before anything is sent. */
	int (*check)(struct message_op *message, struct err *err);
	/* Up to PROVIDER_PIECE_MAX bytes. */
	int (*whole)(struct provider *p, const struct keystore_target *target, struct slice record,
		     struct slice message, struct buf *ret_result, struct err *err);
	struct pieces *pieces;
	size_t at; /* so much of it was given */
	_Atomic bool key_gone;
	/* Of message_queue.c: */
	bool queued, at_work;
	struct message_op *next;      /* of the tenant's long ones */
	struct message_op *next_turn; /* of those that are next for their tenants */
};

/*
 * For prepare, once all else is read: plans the steps with the record of the op's name. ERR_QUOTA:
 * too much is waiting already.
 */
int message_plan(struct message_op *message, enum store_kind kind, struct err *err) MUST_CHECK;

/* On the loop: the key @name was deleted. Its long messages that are in the chip, or wait, end. */
void message_end_key(struct tenant *tenant, enum store_kind kind, const char *name);

/* Of the op_kind. */
void message_turn(struct op *op);
int message_sweep(void *op, struct err *err);
void message_fini(struct op *op);

#endif
