/* SPDX-License-Identifier: Apache-2.0 */

/*
 * TPM2_Certify: one key vouches for another. Both want an authorisation, so it takes two sessions;
 * the object's is the administrator's role, for which our objects take their password as well.
 */

#include <string.h>

#include "tpm/impl.h"

struct op_certify {
	struct loadable aik, key;
	struct slice nonce;
	TPM2B_DATA data;
	struct statement statement;
};

static TSS2_RC chip_certify(struct engine *engine, const struct root *key, const struct root *aik,
			    struct op_certify *op)
{
	static const TPMT_SIG_SCHEME of_the_key = {.scheme = TPM2_ALG_NULL};
	const struct command command = {
		.code = TPM2_CC_Certify,
		.names = {name_slice(&key->name), name_slice(&aik->name)},
		.name_count = 2,
		.authorised = true,
		.auth = op->key.auth,
		.second = LINE_SECOND,
		.second_auth = op->aik.auth,
	};
	struct statement *statement = &op->statement;
	const TPM2B_NAME *name = &statement->said.attested.certify.name;
	TSS2_RC rc;

	memset(statement, 0, sizeof(*statement));
	rc = Tss2_Sys_Certify_Prepare(engine->line.sys, key->handle, aik->handle, &op->data,
				      &of_the_key);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_Certify_Complete(engine->line.sys, &statement->bytes,
					       &statement->signature);
	if (!rc)
		rc = statement_check(statement, TPM2_ST_ATTEST_CERTIFY, op->nonce);
	if (!rc && !slice_equal(slice_of(name->name, name->size), name_slice(&key->name)))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	return rc;
}

static TSS2_RC run_certify(struct engine *engine, void *arg)
{
	struct op_certify *op = arg;
	struct root aik, key;
	TSS2_RC rc = session_want(engine, LINE_SECOND);

	if (!rc)
		rc = resident_object(engine, &op->aik, &aik);
	if (!rc)
		rc = resident_object(engine, &op->key, &key);
	if (!rc)
		rc = chip_certify(engine, &key, &aik, op);
	session_rest(engine);
	return rc;
}

int engine_certify(struct engine *engine, const struct engine_object *aik,
		   const struct engine_object *key, struct slice nonce,
		   struct engine_attested *ret_certified, struct err *err)
{
	struct op_certify certify = {.nonce = nonce};
	const struct engine_op op = {.what = "certifying", .run = run_certify, .arg = &certify};
	int r = statement_nonce(nonce, &certify.data, err);

	if (r == 0)
		r = loadable_parse(engine, aik, &certify.aik, err);
	if (r == 0)
		r = loadable_parse(engine, key, &certify.key, err);
	if (r == 0)
		r = engine_do(engine, &op, err);
	return r < 0 ? r : statement_hand_over(&certify.statement, ret_certified, err);
}
