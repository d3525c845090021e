/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One command of a tenant, from the filter to its response: some are answered here, from the
 * tenant's tables or from what is constant, the others are sent.
 */
#include "broker/broker.h"

#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"

uint32_t run_fault(struct run *run, const struct err *err)
{
	*run->fault = *err;
	return TPM2_RC_FAILURE;
}

struct slice run_answer(const struct run *run)
{
	return slice_of(run->answer->data + run->begin, run->answer->len - run->begin);
}

uint32_t response_code(struct slice answer)
{
	struct cursor cursor = cursor_of(answer);

	(void)cursor_take(&cursor, 6); /* tag, size */
	return cursor.rest.len < 4 ? TPM2_RC_FAILURE : cursor_u32(&cursor);
}

void run_succeed(struct run *run)
{
	wire_refuse(run->answer, TPM2_RC_SUCCESS);
}

static const struct {
	uint32_t code;
	uint32_t (*answer)(struct run *run);
} OURS[] = {
	{TPM2_CC_FlushContext, context_flush},
	{TPM2_CC_ContextSave, context_save},
	{TPM2_CC_ContextLoad, context_load},
	{TPM2_CC_EvictControl, evict_control},
};

static uint32_t answer_own(struct run *run)
{
	bool done = false;
	uint32_t rc;
	size_t i;

	for (i = 0; i < ARRAY_LEN(OURS); i++)
		if (OURS[i].code == run->view->command->code)
			return OURS[i].answer(run);
	if (capability_is_own(run))
		return capability_answer(run);
	if (constants_get(run))
		return 0;
	rc = kept_read_public(run, &done);
	return done ? rc : forward(run);
}

/*
 * A chip that was reset has forgotten what it had. That may be seen only while a command is on its
 * way, and what that one made is there: so each is asked for.
 */
static void look_at_chip(struct run *run)
{
	uint64_t epoch = provider_guest_epoch(run->broker->p);

	if (run->vchip->epoch != epoch)
		handles_sweep(run->vchip);
	run->vchip->epoch = epoch;
}

void vchip_run(struct vchip *vchip, const struct filter_view *view,
	       const struct vchip_limits *limits, struct buf *ret_answer, struct err *ret_fault)
{
	struct run run = {
		.vchip = vchip,
		.broker = vchip->broker,
		.view = view,
		.limits = limits,
		.answer = ret_answer,
		.begin = ret_answer->len,
		.fault = ret_fault,
	};
	uint32_t rc;

	*ret_fault = (struct err){.code = 0};
	broker_gather(run.broker);
	run.broker->uses++;
	run.broker->p->deadline_us = limits->deadline_us;
	look_at_chip(&run);
	rc = handles_resolve(&run);
	if (!rc)
		rc = answer_own(&run);
	if (rc) {
		ret_answer->len = run.begin;
		wire_refuse(ret_answer, rc);
	}
}
