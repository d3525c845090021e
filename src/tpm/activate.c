/* SPDX-License-Identifier: Apache-2.0 */

/*
 * TPM2_ActivateCredential: the chip opens a challenge only when both keys are in it, the
 * attestation key by its password, and the endorsement key by its policy or, of the high range, by
 * an empty password. The policy is TPM2_PolicySecret with the endorsement hierarchy (EK Credential
 * Profile 2.5, B.6). Its session lives for one command, whatever comes of it.
 */

#include <string.h>
#include <tss2/tss2_mu.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

struct op_activate {
	struct loadable aik;
	enum pkey_type type;
	TPM2B_ID_OBJECT blob;
	TPM2B_ENCRYPTED_SECRET secret;
	TPM2B_DIGEST opened;
	TSS2_RC rc; /* of the command itself */
};

static TSS2_RC chip_policy_secret(struct engine *engine)
{
	const struct session *policy = &engine->line.sessions[LINE_POLICY];
	uint8_t hierarchy[4], session[4];
	const struct command command = {
		.code = TPM2_CC_PolicySecret,
		.names = {chip_handle_name(TPM2_RH_ENDORSEMENT, hierarchy),
			  chip_handle_name(policy->handle, session)},
		.name_count = 2,
		.authorised = true,
		.auth = engine_auth(engine->endorsement_auth),
	};
	const TPM2B_NONCE nonce = {0}, reference = {0};
	const TPM2B_DIGEST any_command = {0};
	TPM2B_TIMEOUT timeout = {0};
	TPMT_TK_AUTH ticket = {0};
	TSS2_RC rc;

	rc = Tss2_Sys_PolicySecret_Prepare(engine->line.sys, TPM2_RH_ENDORSEMENT, policy->handle,
					   &nonce, &any_command, &reference, 0);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_PolicySecret_Complete(engine->line.sys, &timeout, &ticket);
	engine->eks.refused = rc_is_refusal(rc);
	return rc;
}

/*
 * A secret that an RSA key cannot open is a failure to some chips, the simulator among them, though
 * nothing is wrong with them: one in failure mode does not read keys (Part 1, "Failure Mode").
 */
static bool is_well(struct engine *engine)
{
	TPM2B_PUBLIC unused;

	return !chip_read_public(engine, engine->srk.handle, &unused);
}

static TSS2_RC chip_activate(struct engine *engine, const struct root *aik, const struct root *ek,
			     enum line_session second, struct op_activate *op)
{
	const struct command command = {
		.code = TPM2_CC_ActivateCredential,
		.names = {name_slice(&aik->name), name_slice(&ek->name)},
		.name_count = 2,
		.authorised = true,
		.auth = op->aik.auth,
		.secret_out = true,
		.second = second,
	};
	TSS2_RC rc = Tss2_Sys_ActivateCredential_Prepare(engine->line.sys, aik->handle, ek->handle,
							 &op->blob, &op->secret);

	memset(&op->opened, 0, sizeof(op->opened));
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_ActivateCredential_Complete(engine->line.sys, &op->opened);
	if (!rc && op->opened.size == 0)
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	line_wipe(&engine->line);
	if (rc == TPM2_RC_FAILURE && is_well(engine))
		rc = TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_2;
	op->rc = rc;
	return rc;
}

static TSS2_RC prepare_session(struct engine *engine, enum line_session second)
{
	TSS2_RC rc = session_want(engine, second);

	return rc || second != LINE_POLICY ? rc : chip_policy_secret(engine);
}

static TSS2_RC run_activate(struct engine *engine, void *arg)
{
	struct op_activate *op = arg;
	enum line_session second = LINE_SECOND;
	enum pkey_type type = op->type;
	struct root aik, ek;
	TSS2_RC rc = ek_choose(engine, op->type, &type);

	op->rc = TSS2_RC_SUCCESS;
	/* In the order in which the fewest slots are wanted at once: the salt's key is one, too. */
	if (!rc) {
		second = ek_by_policy(&engine->eks.keys[type]) ? LINE_POLICY : LINE_SECOND;
		rc = prepare_session(engine, second);
	}
	if (!rc)
		rc = resident_object(engine, &op->aik, &aik);
	if (!rc)
		rc = ek_resident(engine, type, &ek);
	if (!rc)
		rc = chip_activate(engine, &aik, &ek, second, op);
	session_end(engine, LINE_POLICY);
	session_rest(engine);
	return rc;
}

/* Part 2, 6.6.3: of a parameter. There are two, and both are the challenge. */
static bool is_of_challenge(TSS2_RC rc)
{
	return rc && !rc_is_layer(rc) && !rc_is_refusal(rc) && !rc_is_stale(rc) &&
	       (rc & (TPM2_RC_FMT1 | TPM2_RC_P)) == (TPM2_RC_FMT1 | TPM2_RC_P);
}

static int unmarshal(const struct engine_credential *credential, struct op_activate *op,
		     struct err *err)
{
	struct slice blob = credential->blob, secret = credential->secret;
	size_t at = 0, end = 0;

	if (Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(blob.data, blob.len, &at, &op->blob) ||
	    Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(secret.data, secret.len, &end, &op->secret) ||
	    at != blob.len || end != secret.len)
		return err_set(err, ERR_INVALID, "the credential is none that a TPM could open");
	return 0;
}

int engine_activate(struct engine *engine, const struct engine_object *aik,
		    const struct engine_credential *credential, struct secret **ret_secret,
		    struct err *err)
{
	struct op_activate activate = {.type = credential->ek};
	const struct engine_op op = {
		.what = "activating a credential", .run = run_activate, .arg = &activate};
	int r = unmarshal(credential, &activate, err);

	if (r == 0)
		r = loadable_parse(engine, aik, &activate.aik, err);
	ek_begin(engine);
	if (r == 0)
		r = ek_err(engine, engine_do(engine, &op, err), err);
	if (r < 0 && is_of_challenge(activate.rc))
		r = err_set(err, ERR_DAMAGED,
			    "the credential is for another attestation key or another TPM");
	if (r == 0)
		r = secret_copy(slice_of(activate.opened.buffer, activate.opened.size), ret_secret,
				err);
	wipe(&activate, sizeof(activate));
	return r;
}
