/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an attestation key signs of the chip (Part 3, "Attestation Commands"). The session's HMAC
 * says that the answer is the chip's; that it is the answer to the question is looked at here.
 */

#include <string.h>
#include <tss2/tss2_mu.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

/* --- statements ---------------------------------------------------------------------------- */

void engine_attested_fini(struct engine_attested *attested)
{
	buf_fini(&attested->attest);
	buf_fini(&attested->signature);
}

int statement_nonce(struct slice nonce, TPM2B_DATA *ret_data, struct err *err)
{
	if (nonce.len > sizeof(ret_data->buffer))
		return err_set(err, ERR_INVALID, "a nonce of %zu bytes is too long", nonce.len);
	ret_data->size = (UINT16)nonce.len;
	if (nonce.len)
		memcpy(ret_data->buffer, nonce.data, nonce.len);
	return 0;
}

TSS2_RC statement_check(struct statement *statement, TPMI_ST_ATTEST type, struct slice nonce)
{
	const TPM2B_ATTEST *bytes = &statement->bytes;
	TPMS_ATTEST *said = &statement->said;
	size_t at = 0;

	if (Tss2_MU_TPMS_ATTEST_Unmarshal(bytes->attestationData, bytes->size, &at, said) ||
	    at != bytes->size || said->magic != TPM2_GENERATED_VALUE || said->type != type ||
	    !slice_equal(slice_of(said->extraData.buffer, said->extraData.size), nonce))
		return TSS2_SYS_RC_MALFORMED_RESPONSE;
	return TSS2_RC_SUCCESS;
}

int statement_hand_over(const struct statement *statement, struct engine_attested *ret_attested,
			struct err *err)
{
	CLEANUP(engine_attested_cleanup) struct engine_attested attested = ENGINE_ATTESTED_INIT;
	uint8_t bytes[sizeof(TPMT_SIGNATURE)];
	size_t len = 0;

	buf_put(&attested.attest,
		slice_of(statement->bytes.attestationData, statement->bytes.size));
	if (Tss2_MU_TPMT_SIGNATURE_Marshal(&statement->signature, bytes, sizeof(bytes), &len))
		return err_set(err, ERR_TPM_FAILED, "the TPM answered with no signature");
	buf_put(&attested.signature, slice_of(bytes, len));
	if (!buf_ok(&attested.attest) || !buf_ok(&attested.signature))
		return err_set(err, ERR_INTERNAL, "no room for what the TPM says");
	engine_attested_fini(ret_attested);
	*ret_attested = attested;
	attested = (struct engine_attested)ENGINE_ATTESTED_INIT;
	return 0;
}

/* --- quote --------------------------------------------------------------------------------- */

struct op_quote {
	struct loadable aik;
	const struct engine_quote *request;
	TPM2B_DATA nonce;
	bool with_values;
	struct statement statement;
	struct engine_pcr_values values;
};

static TSS2_RC chip_quote(struct engine *engine, const TPML_PCR_SELECTION *pcrs,
			  struct op_quote *op)
{
	static const TPMT_SIG_SCHEME of_the_key = {.scheme = TPM2_ALG_NULL};
	struct command command = {
		.code = TPM2_CC_Quote,
		.name_count = 1,
		.authorised = true,
		.auth = op->aik.auth,
	};
	struct statement *statement = &op->statement;
	struct root aik;
	TSS2_RC rc = resident_object(engine, &op->aik, &aik);

	if (rc)
		return rc;
	memset(statement, 0, sizeof(*statement));
	command.names[0] = name_slice(&aik.name);
	rc = Tss2_Sys_Quote_Prepare(engine->line.sys, aik.handle, &op->nonce, &of_the_key, pcrs);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_Quote_Complete(engine->line.sys, &statement->bytes,
					     &statement->signature);
	if (!rc)
		rc = statement_check(statement, TPM2_ST_ATTEST_QUOTE, op->request->nonce);
	if (!rc && !pcr_same(&op->request->pcrs, &statement->said.attested.quote.pcrSelect))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	return rc;
}

/* Are the values those that were quoted? The digest is by the hash of the signature. */
static TSS2_RC compare(struct engine *engine, const struct op_quote *op, bool *ret_same)
{
	const TPM2B_DIGEST *quoted = &op->statement.said.attested.quote.pcrDigest;
	uint8_t digest[HASH_MAX_SIZE];
	enum hash_alg alg = HASH_SHA256;
	struct err *fault = &engine->line.fault;

	if (public_hash_of_id(op->statement.signature.signature.any.hashAlg, &alg, fault) < 0 ||
	    pcr_digest(&op->values, alg, digest, fault) < 0)
		return COMMAND_OURS;
	*ret_same = slice_equal(slice_of(quoted->buffer, quoted->size),
				slice_of(digest, hash_size(alg)));
	return TSS2_RC_SUCCESS;
}

static TSS2_RC run_quote(struct engine *engine, void *arg)
{
	struct op_quote *op = arg;
	TPML_PCR_SELECTION pcrs;
	TSS2_RC rc = pcr_select(engine, &op->request->pcrs, &pcrs);
	bool same = false;

	for (unsigned round = 0; round < PCR_ROUNDS && !rc && !same; round++) {
		rc = chip_quote(engine, &pcrs, op);
		if (!rc && !op->with_values)
			return rc;
		if (!rc)
			rc = pcr_read(engine, &op->request->pcrs, &op->values);
		if (!rc)
			rc = compare(engine, op, &same);
	}
	return rc || same ? rc : pcr_restless(engine);
}

int engine_quote(struct engine *engine, const struct engine_object *aik,
		 const struct engine_quote *request, struct engine_attested *ret_quote,
		 struct engine_pcr_values *ret_values, struct err *err)
{
	struct op_quote quote = {.request = request, .with_values = ret_values != NULL};
	const struct engine_op op = {.what = "quoting", .run = run_quote, .arg = &quote};
	int r = statement_nonce(request->nonce, &quote.nonce, err);

	if (r == 0)
		r = loadable_parse(engine, aik, &quote.aik, err);
	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r == 0)
		r = statement_hand_over(&quote.statement, ret_quote, err);
	if (r == 0 && ret_values)
		*ret_values = quote.values;
	return r;
}
