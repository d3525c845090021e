/* SPDX-License-Identifier: Apache-2.0 */
/* What attestation keys, the endorsement key and the PCRs say. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/body.h"
#include "client/pcrs.h"

#define AIKS	       "/v1/aiks"
#define EK	       "/v1/ek"
#define REQUEST_MAX    4096u
#define PCRS_MAX       2048u
#define CREDENTIAL_MAX 2048u /* of a file; those of RSA-2048 have 400 bytes */
#define PART_MAX       4096u /* of one member of an answer */
#define LOG_MAX	       (1024u * 1024u)
#define PEM_MAX	       (256u * 1024u)

/* --- what an AIK has signed --- */

void hf_attestation_free(struct hf_attestation *attestation)
{
	if (!attestation)
		return;
	hf_free(attestation->attest);
	hf_free(attestation->signature);
	hf_free(attestation->plain_signature);
	hf_free(attestation->key_public);
	hf_free(attestation->event_log);
	hf_free(attestation->json);
	free(attestation);
}
MEM_DEFINE_CLEANUP(hf_attestation)

/* A member of the answer, and where it goes. */
struct part {
	const char *name;
	bool required; /* else it may be null or missing */
	size_t max;    /* bytes */
	void **data;
	size_t *len;
};

static int take_part(struct hf *hf, const struct json_t *json, const struct part *part)
{
	const json_t *value = json_object_get(json, part->name);
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(part->max);
	struct err ignored;

	if (!part->required && (!value || json_is_null(value)))
		return 0;
	if (json_get_bytes(json, part->name, true, &bytes, &ignored) < 0)
		return call_unexpected(hf, "what was signed is missing");
	return call_give(hf, buf_slice(&bytes), part->data, part->len);
}

static int take_parts(struct hf *hf, const struct json_t *json, struct hf_attestation *out)
{
	const struct part parts[] = {
		{"attest", true, PART_MAX, &out->attest, &out->attest_len},
		{"signature", true, PART_MAX, &out->signature, &out->signature_len},
		{"plain_signature", true, PART_MAX, &out->plain_signature,
		 &out->plain_signature_len},
		{"public", false, PART_MAX, &out->key_public, &out->key_public_len},
		{"event_log", false, LOG_MAX, &out->event_log, &out->event_log_len},
	};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ARRAY_LEN(parts); i++)
		r = take_part(hf, json, &parts[i]);
	return r;
}

static int attest(struct hf *hf, const char *path, struct buf *body,
		  struct hf_attestation **ret_attestation)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(hf_attestation_cleanup) struct hf_attestation *out = NULL;
	const struct post post = {
		.path = path, .body = body, .repeatable = true, .answer_max = CALL_ANSWER_LOG};
	int r;

	r = ask_post(hf, &post, &answer, &json);
	if (r < 0)
		return r;
	out = calloc(1, sizeof(*out));
	if (!out)
		return err_set(&hf->err, ERR_INTERNAL, "memory is short");
	r = take_parts(hf, json, out);
	if (r == 0)
		r = call_give_text(hf, buf_slice(&answer.body), &out->json);
	if (r < 0)
		return r;
	*ret_attestation = TAKE(out);
	return 0;
}

static int put_nonce(struct hf *hf, struct buf *body, struct slice nonce)
{
	if (nonce.len > HF_NONCE_MAX)
		return err_set(&hf->err, ERR_TOO_LARGE, "a nonce is up to %u bytes", HF_NONCE_MAX);
	if (nonce.len > 0)
		body_put_bytes(body, "nonce", nonce);
	return 0;
}

static int put_pcrs(struct hf *hf, struct buf *body, const char *text)
{
	CLEANUP(buf_fini) struct buf pcrs = BUF_INIT(PCRS_MAX);
	int r;

	if (!text)
		return 0;
	r = pcrs_put(&pcrs, text, &hf->err);
	if (r < 0)
		return r;
	buf_put_u8(&pcrs, '\0');
	if (!buf_ok(&pcrs))
		return err_set(&hf->err, ERR_TOO_LARGE, "the names of the banks are too long");
	body_put_json(body, "pcrs", (const char *)pcrs.data);
	return 0;
}

int hf_aik_quote(struct hf *hf, const struct hf_quote *request,
		 struct hf_attestation **ret_attestation)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, AIKS, request->aik, "/quote");
	if (r < 0)
		return r;
	body_begin(&body);
	r = put_nonce(hf, &body, slice_of(request->nonce, request->nonce_len));
	if (r == 0)
		r = put_pcrs(hf, &body, request->pcrs);
	if (r < 0)
		return r;
	if (request->flags & HF_QUOTE_NO_VALUES)
		body_put_bool(&body, "values", false);
	if (request->flags & HF_QUOTE_EVENT_LOG)
		body_put_bool(&body, "event_log", true);
	return attest(hf, path, &body, ret_attestation);
}

int hf_aik_certify(struct hf *hf, const char *aik, const char *key, const void *nonce,
		   size_t nonce_len, struct hf_attestation **ret_attestation)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, AIKS, key, "");
	if (r == 0)
		r = call_path(hf, path, AIKS, aik, "/certify");
	if (r < 0)
		return r;
	body_begin(&body);
	body_put(&body, "key", key);
	r = put_nonce(hf, &body, slice_of(nonce, nonce_len));
	return r < 0 ? r : attest(hf, path, &body, ret_attestation);
}

/* A challenge, for the key whose path this is. */
static int activate(struct hf *hf, const char *path, const struct hf_credential *credential,
		    void **ret_secret, size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	const struct post post = {.path = path, .body = &body, .repeatable = true};

	if (!credential->data || credential->len == 0 || credential->len > CREDENTIAL_MAX)
		return err_set(&hf->err, ERR_INVALID, "a credential is 1 to %u bytes",
			       CREDENTIAL_MAX);
	body_begin(&body);
	body_put_bytes(&body, "credential", slice_of(credential->data, credential->len));
	body_put(&body, "ek", credential->ek);
	return ask_bytes(hf, &post, "secret", ret_secret, ret_len);
}

int hf_aik_activate(struct hf *hf, const struct hf_credential *credential, void **ret_secret,
		    size_t *ret_len)
{
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, AIKS, credential->aik, "/activate");
	return r < 0 ? r : activate(hf, path, credential, ret_secret, ret_len);
}

int hf_storage_key_activate(struct hf *hf, const struct hf_credential *credential,
			    void **ret_secret, size_t *ret_len)
{
	call_begin(hf);
	return activate(hf, "/v1/device/storage-key/activate", credential, ret_secret, ret_len);
}

/* --- the endorsement key --- */

static int type_path(struct hf *hf, char out[CALL_PATH_MAX], const char *room, const char *type)
{
	int len;

	if (type && !call_name_is_valid(type))
		return err_set(&hf->err, ERR_INVALID, "no such type of key");
	len = snprintf(out, CALL_PATH_MAX, "%s%s%s", room, type ? "?type=" : "", type ? type : "");
	if (len < 0 || (unsigned)len >= CALL_PATH_MAX)
		return err_set(&hf->err, ERR_INTERNAL, "a path is too long");
	return 0;
}

int hf_ek_json(struct hf *hf, const char *type, char **ret_json)
{
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = type_path(hf, path, EK, type);
	return r < 0 ? r : ask_text(hf, path, ret_json);
}

static int put_pem(struct hf *hf, struct buf *out, const json_t *pem)
{
	const char *text = json_string_value(pem);

	if (!text || !text[0])
		return call_unexpected(hf, "a certificate");
	buf_put_str(out, text);
	buf_put_str(out, text[strlen(text) - 1] == '\n' ? "" : "\n");
	return 0;
}

static int give_certificates(struct hf *hf, const struct json_t *json, char **ret_pem)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);
	const json_t *chain = json_object_get(json, "chain");
	size_t i;
	int r;

	r = put_pem(hf, &pem, json_object_get(json, "certificate"));
	for (i = 0; r == 0 && i < json_array_size(chain); i++)
		r = put_pem(hf, &pem, json_array_get(chain, i));
	if (r < 0)
		return r;
	if (!buf_ok(&pem))
		return call_unexpected(hf, "the certificates are too long");
	return call_give_text(hf, buf_slice(&pem), ret_pem);
}

int hf_ek_certificate(struct hf *hf, const char *type, char **ret_pem)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = type_path(hf, path, EK "/certificate", type);
	if (r == 0)
		r = ask_get(hf, path, &answer, &json);
	return r < 0 ? r : give_certificates(hf, json, ret_pem);
}

/* --- what the firmware measured --- */

int hf_pcrs_json(struct hf *hf, char **ret_json)
{
	call_begin(hf);
	return ask_text(hf, "/v1/pcrs", ret_json);
}

int hf_eventlog(struct hf *hf, void **ret_log, size_t *ret_len)
{
	static const struct call CALL = {
		.method = "GET",
		.path = "/v1/eventlog",
		.accept = CALL_OCTETS,
		.repeatable = true,
		.answer_max = LOG_MAX,
	};

	call_begin(hf);
	return call_octets(hf, &CALL, ret_log, ret_len);
}
