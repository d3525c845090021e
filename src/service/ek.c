/* SPDX-License-Identifier: Apache-2.0 */
/* The endorsement key: what it is, and the certificate that its maker put into the chip. */
#include <jansson.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/certificate.h"
#include "service/key.h"
#include "service/routes.h"

#define PEM_LINE  48u /* bytes of each line, 64 characters (RFC 7468) */
#define PEM_MAX	  (2u * EK_CHAIN_MAX)
#define EK_MAKE_S 120u /* an RSA key from its seed takes a firmware TPM long */

struct ek_op {
	struct op op;
	enum pkey_type type; /* PKEY_TYPES = the chip's usual one */
	bool only_certificate;
	struct ek_result ek;
	struct buf pem;
};

/* --- certificates --- */

static void pem_of_certificate(struct slice der, struct buf *ret_pem)
{
	size_t at, len;

	buf_put_str(ret_pem, "-----BEGIN CERTIFICATE-----\n");
	for (at = 0; at < der.len; at += len) {
		len = der.len - at < PEM_LINE ? der.len - at : PEM_LINE;
		base64_encode(ret_pem, slice_of(der.data + at, len));
		buf_put_str(ret_pem, "\n");
	}
	buf_put_str(ret_pem, "-----END CERTIFICATE-----\n");
}

/* Null when there is none; NULL when memory is short. */
static json_t *certificate_json(struct slice der)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(PEM_MAX);

	if (der.len == 0)
		return json_null();
	pem_of_certificate(der, &pem);
	return buf_ok(&pem) ? json_stringn((const char *)pem.data, pem.len) : NULL;
}

/* What is no certificate any more ends the chain: the chip's NV may hold anything. */
static json_t *chain_json(struct slice chain)
{
	json_t *json = json_array();
	size_t len;

	while (json && (len = certificate_len(chain)) > 0) {
		if (json_array_append_new(json, certificate_json(slice_of(chain.data, len))) < 0) {
			json_free(json);
			json = NULL;
		}
		chain = slice_of(chain.data + len, chain.len - len);
	}
	return json;
}

/* --- the op --- */

static int read_ek(void *arg, struct err *err)
{
	struct ek_op *ek = arg;
	struct provider *p = op_provider_enter(&ek->op);

	return op_provider_leave(&ek->op, provider_ek(p, ek->type, &ek->ek, err));
}

static int show(void *arg, struct err *err)
{
	struct ek_op *ek = arg;

	if (ek->only_certificate && ek->ek.certificate.len == 0)
		return err_set(err, ERR_NO_CERTIFICATE,
			       "the TPM holds no certificate of its endorsement key of type %s%s%s",
			       pkey_type_name(ek->ek.type), ek->ek.remark[0] ? ": " : "",
			       ek->ek.remark);
	return key_spki_pem(buf_slice(&ek->ek.spki), &ek->pem, err);
}

static int prepare(struct op *op, struct err *err)
{
	struct ek_op *ek = (struct ek_op *)op;
	const char *type = http_request_query(op->request, "type");
	int r;

	ek->ek = (struct ek_result)EK_RESULT_INIT;
	ek->pem = (struct buf)BUF_INIT(KEY_PEM_MAX);
	ek->only_certificate = op->kind->operation == METRICS_EK_CERTIFICATE;
	ek->type = PKEY_TYPES;
	if (type) {
		r = pkey_type_of_name(type, &ek->type, err);
		if (r < 0)
			return err_wrap(err, "type");
	}
	op_deadline(op, EK_MAKE_S);
	op_step(op, op_provider_place(op), read_ek);
	op_step(op, JOB_POOL, show);
	return op_needs_chip(op, err);
}

static void answer_ek(struct op *op)
{
	const struct ek_op *ek = (const struct ek_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:s, s:o, s:s%, s:o, s:o, s:o, s:o, s:s}", "type",
				 pkey_type_name(ek->ek.type), "handle",
				 key_handle_json(ek->ek.handle), "public",
				 (const char *)ek->pem.data, ek->pem.len, "tpm_public",
				 op_json_base64(buf_slice(&ek->ek.public)), "tpm_name",
				 key_hex_json(buf_slice(&ek->ek.name)), "certificate",
				 certificate_json(buf_slice(&ek->ek.certificate)), "chain",
				 chain_json(buf_slice(&ek->ek.chain)), "protection",
				 op->provider->ops->protection));
}

static void answer_certificate(struct op *op)
{
	const struct ek_op *ek = (const struct ek_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:s, s:o, s:o, s:s}", "type", pkey_type_name(ek->ek.type),
				 "certificate", certificate_json(buf_slice(&ek->ek.certificate)),
				 "chain", chain_json(buf_slice(&ek->ek.chain)), "protection",
				 op->provider->ops->protection));
}

static void fini(struct op *op)
{
	struct ek_op *ek = (struct ek_op *)op;

	ek_result_fini(&ek->ek);
	buf_fini(&ek->pem);
}

static const struct op_kind EK = {
	.operation = METRICS_EK,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct ek_op),
	.prepare = prepare,
	.answer = answer_ek,
	.fini = fini,
};

static const struct op_kind CERTIFICATE = {
	.operation = METRICS_EK_CERTIFICATE,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct ek_op),
	.prepare = prepare,
	.answer = answer_certificate,
	.fini = fini,
};

void service_ek(struct http_request *request, void *app)
{
	op_run(app, request, &EK);
}

void service_ek_certificate(struct http_request *request, void *app)
{
	op_run(app, request, &CERTIFICATE);
}
