/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the administrator asks of the service itself. Accepting a TPM closes one provider and opens
 * another, which is not for an operation to do: it is begun here and done where providers are
 * chosen.
 */
#include <jansson.h>

#include "base/json.h"
#include "service/op.h"
#include "service/routes.h"

struct accept_op {
	struct op op;
	struct service_accepted accepted;
};

static int prepare(struct op *op, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *body = NULL;

	return op_body(op, NULL, 0, &body, err);
}

static void accepted(void *arg, const struct service_accepted *accepted, const struct err *err)
{
	struct accept_op *accept = arg;

	if (accepted) {
		accept->accepted = *accepted;
		atomic_store(&accept->op.tpm_commands, accepted->commands);
	}
	op_finish(&accept->op, err);
}

static int launch(struct op *op, struct err *err)
{
	const struct service_admin *admin = &op->service->admin;

	if (!admin->accept)
		return err_set(err, ERR_NOT_SUPPORTED, "this service has no TPM to accept");
	return admin->accept(admin->arg, accepted, op, err);
}

static struct json_t *text_or_null(const char *text)
{
	return op_json_text(text[0] != '\0' ? text : NULL);
}

static void answer(struct op *op)
{
	const struct service_accepted *accepted = &((struct accept_op *)op)->accepted;

	op_answer_json(op, 200,
		       json_pack("{s:b, s:{s:o, s:o}, s:s, s:s, s:o}", "accepted", 1, "previous",
				 "srk", text_or_null(accepted->previous_srk), "hsk",
				 text_or_null(accepted->previous_hsk), "srk", accepted->srk, "hsk",
				 accepted->hsk, "kept_as", text_or_null(accepted->kept_as)));
}

static const struct op_kind ACCEPT = {
	.operation = METRICS_TPM_ACCEPT,
	.needs = OP_NEEDS_NOTHING,
	.size = sizeof(struct accept_op),
	.prepare = prepare,
	.launch = launch,
	.answer = answer,
};

void service_tpm_accept(struct http_request *request, void *app)
{
	op_run(app, request, &ACCEPT);
}
