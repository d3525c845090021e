/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The order matters (TPM 2.0 Part 1, "Session-based encryption"): encrypt the parameter, then hash
 * what is sent; on the way back check the HMAC over what was received, then decrypt.
 */

#include "tpm/command.h"

#include <string.h>

#include "base/secret.h"
#include "tpm/rc.h"

/* What no TPM says: the answer is not authentic, or not a response to this command. */
#define RC_FORGED TSS2_SYS_RC_MALFORMED_RESPONSE

#define HEADER_SIZE	    10u /* tag, size, code */
#define PARAMETER_SIZE_SIZE 4u

static TSS2_RC sys_start(struct line *line)
{
	TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;

	return Tss2_Sys_Initialize(line->sys, Tss2_Sys_GetContextSize(0),
				   transport_tcti(line->transport), &abi);
}

int line_open(const char *conf, struct line *ret_line, struct err *err)
{
	struct line line = {0};
	TSS2_RC rc;
	int r;

	r = transport_open(conf, &line.transport, err);
	if (r < 0)
		return r;
	line.sys = calloc(1, Tss2_Sys_GetContextSize(0));
	if (!line.sys) {
		line_close(&line);
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	rc = sys_start(&line);
	if (rc) {
		line_close(&line);
		return rc_err(err, rc, "starting the TPM interface");
	}
	*ret_line = line;
	return 0;
}

void line_wipe(struct line *line)
{
	wipe(line->sys, Tss2_Sys_GetContextSize(0));
	(void)sys_start(line); /* it succeeded with the same arguments in line_open() */
}

void line_close(struct line *line)
{
	if (line->sys) {
		Tss2_Sys_Finalize(line->sys);
		wipe(line->sys, Tss2_Sys_GetContextSize(0));
		free(line->sys);
	}
	transport_free(line->transport);
	for (size_t i = 0; i < LINE_SESSIONS; i++)
		session_fini(&line->sessions[i]);
	memset(line, 0, sizeof(*line));
}

static struct slice code_bytes(uint32_t code, uint8_t out[4])
{
	out[0] = (uint8_t)(code >> 24);
	out[1] = (uint8_t)(code >> 16);
	out[2] = (uint8_t)(code >> 8);
	out[3] = (uint8_t)code;
	return slice_of(out, 4);
}

/* The sessions that a command goes through, each with what it authorises. */
struct passage {
	struct session *sessions[2];
	struct session_use uses[2];
	size_t count;
};

static struct passage passage_of(struct line *line, const struct command *command)
{
	bool in = line->encrypt && command->secret_in;
	bool out = command->covered || (line->encrypt && command->secret_out);
	struct passage passage = {.sessions = {&line->sessions[LINE_FIRST]}, .count = 1};

	passage.uses[0].auth = command->auth;
	passage.uses[0].attributes = (uint8_t)(SESSION_CONTINUE | (in ? SESSION_DECRYPT : 0) |
					       (out ? SESSION_ENCRYPT : 0));
	if (command->second == LINE_FIRST)
		return passage;
	passage.sessions[1] = &line->sessions[command->second];
	passage.uses[1].auth = command->second_auth;
	passage.uses[1].attributes = command->second == LINE_POLICY ? 0 : SESSION_CONTINUE;
	passage.count = 2;
	return passage;
}

static TSS2_RC encrypt_parameter(struct line *line, const struct session_use *use)
{
	uint8_t copy[TRANSPORT_BUFFER];
	const uint8_t *data;
	size_t len;
	TSS2_RC rc;

	rc = Tss2_Sys_GetDecryptParam(line->sys, &len, &data);
	if (rc || len == 0) /* which SYS does not take back */
		return rc;
	if (len > sizeof(copy))
		return TSS2_SYS_RC_BAD_SIZE;
	memcpy(copy, data, len);
	if (session_encrypt(&line->sessions[LINE_FIRST], use, copy, len, &line->fault) < 0)
		rc = COMMAND_OURS;
	else
		rc = Tss2_Sys_SetDecryptParam(line->sys, len, copy);
	wipe(copy, len);
	return rc;
}

/* A chip that authorises its answer may still claim a parameter that is longer than all of them. */
static TSS2_RC decrypt_parameter(struct line *line, const struct session_use *use,
				 struct slice parameters)
{
	uint8_t copy[TRANSPORT_BUFFER];
	const uint8_t *data;
	size_t len;
	TSS2_RC rc;

	rc = Tss2_Sys_GetEncryptParam(line->sys, &len, &data);
	if (rc)
		return rc;
	if (len > sizeof(copy) || len > parameters.len)
		return RC_FORGED;
	memcpy(copy, data, len);
	if (session_decrypt(&line->sessions[LINE_FIRST], use, copy, len, &line->fault) < 0)
		rc = COMMAND_OURS;
	else
		rc = Tss2_Sys_SetEncryptParam(line->sys, len, copy);
	wipe(copy, len);
	return rc;
}

static TSS2_RC put_hmacs(struct line *line, const struct command *command,
			 const struct passage *passage)
{
	TSS2L_SYS_AUTH_COMMAND auths = {.count = (uint16_t)passage->count};
	struct slice parts[2 + COMMAND_NAMES_MAX];
	uint8_t code[4];
	size_t n = 0, i, len;
	const uint8_t *data;
	TSS2_RC rc;

	rc = Tss2_Sys_GetCpBuffer(line->sys, &len, &data);
	if (rc)
		return rc;
	parts[n++] = code_bytes(command->code, code);
	for (i = 0; i < command->name_count; i++)
		parts[n++] = command->names[i];
	parts[n++] = slice_of(data, len);

	for (i = 0; i < passage->count; i++) {
		const struct session *session = passage->sessions[i];
		TPMS_AUTH_COMMAND *auth = &auths.auths[i];

		auth->sessionHandle = session->handle;
		auth->sessionAttributes = passage->uses[i].attributes;
		auth->nonce.size = sizeof(session->nonce_caller);
		memcpy(auth->nonce.buffer, session->nonce_caller, auth->nonce.size);
		auth->hmac.size = SESSION_HASH_SIZE;
		if (session_command_hmac(session, &passage->uses[i], parts, n, auth->hmac.buffer,
					 &line->fault) < 0)
			return COMMAND_OURS;
	}
	return Tss2_Sys_SetCmdAuths(line->sys, &auths);
}

/*
 * The parameters of the answer. SYS 3.2 hands out the size that the answer claims without looking
 * whether so much was received, so this stands before everything that reads or hashes them.
 */
static TSS2_RC answer_parameters(struct line *line, const struct command *command,
				 struct slice *ret_parameters)
{
	size_t before = HEADER_SIZE + PARAMETER_SIZE_SIZE + 4 * command->answer_handles;
	const uint8_t *data;
	size_t len;
	TSS2_RC rc = Tss2_Sys_GetRpBuffer(line->sys, &len, &data);

	if (rc)
		return rc;
	if (before > transport_answer_len(line->transport) ||
	    len > transport_answer_len(line->transport) - before)
		return RC_FORGED;
	*ret_parameters = slice_of(data, len);
	return TSS2_RC_SUCCESS;
}

static TSS2_RC check_hmacs(struct line *line, const struct command *command,
			   const struct passage *passage, struct slice *ret_parameters)
{
	TSS2L_SYS_AUTH_RESPONSE auths = {.count = (uint16_t)passage->count};
	struct session_answer answer = {.code = command->code};
	struct err err;
	size_t i;
	TSS2_RC rc;

	rc = answer_parameters(line, command, &answer.parameters);
	if (!rc)
		rc = Tss2_Sys_GetRspAuths(line->sys, &auths);
	if (!rc && auths.count != passage->count)
		rc = RC_FORGED;
	for (i = 0; i < passage->count && !rc; i++) {
		const TPMS_AUTH_RESPONSE *auth = &auths.auths[i];

		answer.nonce_tpm = slice_of(auth->nonce.buffer, auth->nonce.size);
		answer.hmac = slice_of(auth->hmac.buffer, auth->hmac.size);
		answer.attributes = auth->sessionAttributes;
		if (session_accept(passage->sessions[i], &passage->uses[i], &answer, &err) < 0)
			rc = RC_FORGED;
	}
	if (!rc)
		*ret_parameters = answer.parameters;
	return rc;
}

static TSS2_RC run_in_sessions(struct line *line, const struct command *command)
{
	struct passage passage = passage_of(line, command);
	const struct session_use *first = &passage.uses[0];
	struct slice parameters = slice_of(NULL, 0);
	TSS2_RC rc = TSS2_RC_SUCCESS;
	size_t i;

	for (i = 0; i < passage.count; i++)
		if (session_roll(passage.sessions[i], &line->fault) < 0)
			return COMMAND_OURS;
	if (first->attributes & SESSION_DECRYPT)
		rc = encrypt_parameter(line, first);
	if (!rc)
		rc = put_hmacs(line, command, &passage);
	if (!rc)
		rc = Tss2_Sys_Execute(line->sys);
	if (command->empties)
		passage.uses[0].auth = slice_of(NULL, 0);
	if (!rc)
		rc = check_hmacs(line, command, &passage, &parameters);
	if (!rc && first->attributes & SESSION_ENCRYPT)
		rc = decrypt_parameter(line, first, parameters);
	if (!rc && command->second == LINE_POLICY)
		session_fini(&line->sessions[LINE_POLICY]);
	return rc;
}

/* Part 1, "Password Authorizations": such a session carries
 * the value itself, so it serves only for empty ones, before any session can be had. */
static TSS2_RC run_by_password(struct line *line, const struct command *command)
{
	TSS2L_SYS_AUTH_COMMAND auths = {.count = 1};
	TPMS_AUTH_COMMAND *auth = &auths.auths[0];
	TSS2_RC rc;

	if (command->auth.len > sizeof(auth->hmac.buffer))
		return TSS2_SYS_RC_BAD_SIZE;
	auth->sessionHandle = TPM2_RS_PW;
	auth->hmac.size = (UINT16)command->auth.len;
	if (command->auth.len)
		memcpy(auth->hmac.buffer, command->auth.data, command->auth.len);
	rc = Tss2_Sys_SetCmdAuths(line->sys, &auths);
	wipe(&auths, sizeof(auths));
	return rc ? rc : Tss2_Sys_Execute(line->sys);
}

TSS2_RC command_run(struct line *line, const struct command *command)
{
	/* A session that neither authorises nor encrypts is refused by the chip: what is only to be
	 * covered by its HMAC is encrypted on the way back. */
	bool secret =
		command->covered || (line->encrypt && (command->secret_in || command->secret_out));

	if (line->sessions[LINE_FIRST].handle != SESSION_NONE && (command->authorised || secret))
		return run_in_sessions(line, command);
	if (command->authorised)
		return run_by_password(line, command);
	return Tss2_Sys_Execute(line->sys);
}
