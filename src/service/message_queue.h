/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_MESSAGE_QUEUE_H
#define SERVICE_MESSAGE_QUEUE_H

/*
 * Message queue: which of the long messages are in the chip. Of a tenant it is one at a time, since
 * its sequence takes one of the few places there and two would drive each other out with every
 * piece; of all tenants PROVIDER_MESSAGES_MAX. Whoever ends makes room for the tenant that waits
 * longest, and its own tenant's next stands at the end of the line. What waits is held: it has
 * MESSAGE_WAIT_S for that, and its client may leave. Its turn begins with MESSAGE_WORK_S. On the
 * loop only.
 */

#include "service/message.h"

/*
 * What waits lies in memory, and so does what is in the chip: the message itself, which is counted,
 * and up to a page around it. The request's body is dropped when the message was taken
 * (message_plan()), so that it adds nothing, and takes no place of http's large bodies at work. A
 * tenant's first message is always taken, so of n tenants it is MESSAGE_QUEUE_MAX and n - 1
 * messages of MESSAGE_MAX at most.
 */
#define MESSAGE_QUEUE_MAX	 (128ull * 1024u * 1024u)
#define MESSAGE_QUEUE_TENANT_MAX (32ull * 1024u * 1024u)

/* For prepare, before the job is submitted. ERR_QUOTA with retry_after. */
int message_queue_enter(struct message_op *message, struct err *err) MUST_CHECK;

/* At its end, however it came to it, once nothing of it is in the chip. Nothing for others. */
void message_queue_leave(struct message_op *message);

#endif
