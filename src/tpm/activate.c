/* SPDX-License-Identifier: Apache-2.0 */

/*
 * TPM2_ActivateCredential: the chip opens a challenge only when both keys are in it, the
 * attestation key, or our storage key in its place, by its password, and the endorsement key by its
 * policy or, of the high range, by an empty password. The policy is TPM2_PolicySecret with the
 * endorsement hierarchy (EK Credential Profile 2.5, B.6). Its session lives for one command,
 * whatever comes of it.
 */

#include <string.h>
#include <tss2/tss2_mu.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

struct op_activate {
	struct loadable aik;
	bool storage; /* the HSK, and no attestation key */
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

/* The two keys, and what authorises each. */
struct pair {
	struct root key, ek;
	struct slice auth;
	enum line_session second;
};

static TSS2_RC chip_activate(struct engine *engine, const struct pair *pair, struct op_activate *op)
{
	const struct command command = {
		.code = TPM2_CC_ActivateCredential,
		.names = {name_slice(&pair->key.name), name_slice(&pair->ek.name)},
		.name_count = 2,
		.authorised = true,
		.auth = pair->auth,
		.secret_out = true,
		.second = pair->second,
	};
	TSS2_RC rc = Tss2_Sys_ActivateCredential_Prepare(engine->line.sys, pair->key.handle,
							 pair->ek.handle, &op->blob, &op->secret);

	memset(&op->opened, 0, sizeof(op->opened));
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_ActivateCredential_Complete(engine->line.sys, &op->opened);
	if (!rc && op->opened.size == 0)
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	line_wipe(&engine->line);
	if (rc == TPM2_RC_FAILURE && chip_is_well(engine))
		rc = TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_2;
	op->rc = rc;
	return rc;
}

static TSS2_RC prepare_session(struct engine *engine, enum line_session second)
{
	TSS2_RC rc = session_want(engine, second);

	return rc || second != LINE_POLICY ? rc : chip_policy_secret(engine);
}

/* With room for the endorsement key, which may need a slot of its own. */
static TSS2_RC key_resident(struct engine *engine, struct op_activate *op, struct pair *ret_pair)
{
	static const struct resident_parent HSK = {.parent = ENGINE_HSK, .more = 1};

	if (op->storage)
		return resident_parent(engine, &HSK, &ret_pair->key, &ret_pair->auth);
	ret_pair->auth = op->aik.auth;
	return resident_object(engine, &op->aik, &ret_pair->key);
}

static TSS2_RC run_activate(struct engine *engine, void *arg)
{
	struct op_activate *op = arg;
	struct pair pair = {.second = LINE_SECOND};
	enum pkey_type type = op->type;
	TSS2_RC rc = ek_choose(engine, op->type, &type);

	op->rc = TSS2_RC_SUCCESS;
	/* In the order in which the fewest slots are wanted at once: the salt's key is one, too. */
	if (!rc) {
		if (ek_by_policy(&engine->eks.keys[type]))
			pair.second = LINE_POLICY;
		rc = prepare_session(engine, pair.second);
	}
	if (!rc)
		rc = key_resident(engine, op, &pair);
	if (!rc)
		rc = ek_resident(engine, type, &pair.ek);
	if (!rc)
		rc = chip_activate(engine, &pair, op);
	session_end(engine, LINE_POLICY);
	session_rest(engine);
	return rc;
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

static int activate(struct engine *engine, struct op_activate *activate, struct secret **ret_secret,
		    struct err *err)
{
	const struct engine_op op = {
		.what = "activating a credential", .run = run_activate, .arg = activate};
	int r;

	ek_begin(engine);
	r = ek_err(engine, engine_do(engine, &op, err), err);
	/* There are two parameters, and both are the challenge. */
	if (r < 0 && rc_is_of_parameter(activate->rc))
		return err_set(err, ERR_DAMAGED, "the credential is for another %s or another TPM",
			       activate->storage ? "storage key" : "attestation key");
	if (r < 0)
		return r;
	return secret_copy(slice_of(activate->opened.buffer, activate->opened.size), ret_secret,
			   err);
}

int engine_activate(struct engine *engine, const struct engine_object *aik,
		    const struct engine_credential *credential, struct secret **ret_secret,
		    struct err *err)
{
	struct op_activate op = {.type = credential->ek};
	int r = unmarshal(credential, &op, err);

	if (r == 0)
		r = loadable_parse(engine, aik, &op.aik, err);
	if (r == 0)
		r = activate(engine, &op, ret_secret, err);
	wipe(&op, sizeof(op));
	return r;
}

int engine_activate_storage(struct engine *engine, const struct engine_credential *credential,
			    struct secret **ret_secret, struct err *err)
{
	struct op_activate op = {.type = credential->ek, .storage = true};
	int r = unmarshal(credential, &op, err);

	if (r == 0)
		r = activate(engine, &op, ret_secret, err);
	wipe(&op, sizeof(op));
	return r;
}
