/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who this device is, answered at once: what is read from the certificate is read when the identity
 * changes, and the rest is what the loop knows anyway.
 */
#include "service/device.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "crypto/certificate.h"
#include "crypto/x509.h"
#include "service/key.h"
#include "service/metrics.h"
#include "service/routes.h"

#define CHAIN_PEM_MAX (2u * IDENTITY_CHAIN_MAX)
#define SETTLE_S      1u /* until an unsettled identity is worth another look */

struct shown_certificate {
	struct buf pem; /* with its issuers; empty = there is none */
	struct x509_facts facts;
};

/* What is told of a view and costs more to find out than to keep. */
struct device_shown {
	struct buf public; /* PEM */
	struct shown_certificate certificate, pending, cross;
};

static void certificate_fini(struct shown_certificate *certificate)
{
	buf_fini(&certificate->pem);
	x509_facts_fini(&certificate->facts);
}

static void shown_free(struct device_shown *shown)
{
	if (!shown)
		return;
	buf_fini(&shown->public);
	certificate_fini(&shown->certificate);
	certificate_fini(&shown->pending);
	certificate_fini(&shown->cross);
	free(shown);
}

static int read_chain(struct slice chain, struct shown_certificate *ret_certificate,
		      struct err *err)
{
	struct slice first = slice_of(chain.data, certificate_len(chain));
	int r = x509_read(first, &ret_certificate->facts, err);

	return r < 0 ? r : x509_chain_to_pem(chain, &ret_certificate->pem, err);
}

/* One that cannot be read is not shown; the rest is. */
static void show_chain(struct slice chain, struct shown_certificate *ret_certificate)
{
	struct err err;

	ret_certificate->pem = (struct buf)BUF_INIT(CHAIN_PEM_MAX);
	ret_certificate->facts = (struct x509_facts)X509_FACTS_INIT;
	if (chain.len == 0 || read_chain(chain, ret_certificate, &err) == 0)
		return;
	buf_reset(&ret_certificate->pem);
	log_err(LOG_LEVEL_WARNING, &err, "a certificate of the device cannot be shown");
}

/* Whoever has settled the identity has read all of this before. */
static struct device_shown *show(const struct identity_view *view)
{
	struct device_shown *shown = calloc(1, sizeof(*shown));
	struct err err;

	if (!shown)
		return NULL;
	shown->public = (struct buf)BUF_INIT(KEY_PEM_MAX);
	if (view->spki.len > 0 && key_spki_pem(buf_slice(&view->spki), &shown->public, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "the key of the device cannot be shown");
	show_chain(buf_slice(&view->chain), &shown->certificate);
	show_chain(buf_slice(&view->pending), &shown->pending);
	show_chain(buf_slice(&view->cross), &shown->cross);
	return shown;
}

void service_set_identity(struct service *service, struct identity_view *view)
{
	shown_free(service->shown);
	identity_view_free(service->identity);
	service->identity = view;
	service->shown = view ? show(view) : NULL;
}

/* --- what is so --- */

/* Why the TPM's key cannot be used by this service now; NULL = it can, as far as is known. */
static const char *why_not(const struct service *service)
{
	const char *fault = service->provider_status.fault;

	if (!service->provider || !service->provider->ops->on_chip)
		return service->reason;
	return fault ? err_info(err_code_of_name(fault))->title : NULL;
}

enum identity_mode device_mode(const struct service *service, const char **ret_cause)
{
	const struct identity_view *view = service->identity;
	const char *why = NULL;

	if (!view)
		return IDENTITY_MODES;
	if (view->mode == IDENTITY_ENABLED)
		why = why_not(service);
	if (ret_cause)
		*ret_cause = why ? why : view->reason;
	return why ? IDENTITY_DEGRADED : view->mode;
}

int device_known(const struct service *service, struct err *err)
{
	if (service->identity)
		return 0;
	(void)err_set(err, ERR_STARTING, "the identity of the device is not settled yet");
	err->retry_after = SETTLE_S;
	return err->code;
}

const char *device_protection(const struct identity_view *view)
{
	if (view->spki.len == 0)
		return "none";
	return view->on_chip ? "tpm" : "software";
}

/* --- as JSON --- */

struct json_t *device_mode_json(const struct service *service)
{
	enum identity_mode mode = device_mode(service, NULL);

	return op_json_text(mode == IDENTITY_MODES ? NULL : identity_mode_name(mode));
}

static json_t *text_or_null(const char *text)
{
	return op_json_text(text[0] != '\0' ? text : NULL);
}

static json_t *key_json(const struct identity_view *view, const struct device_shown *shown)
{
	if (view->spki.len == 0)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:s%}", "type", pkey_type_name(view->type), "name",
			 key_hex_json(slice_of(view->name, view->name_len)), "handle",
			 key_handle_json(view->on_chip ? view->handle : 0), "public",
			 (const char *)shown->public.data, shown->public.len);
}

/* The clock may be wrong as well: it is said, and nothing is done about it. */
static const char *problem_of(const struct x509_facts *facts)
{
	time_t now = time(NULL);

	if (now < facts->not_before)
		return "not_yet_valid";
	return now > facts->not_after ? "expired" : NULL;
}

static json_t *certificate_json(const struct shown_certificate *certificate)
{
	const struct x509_facts *facts = &certificate->facts;

	if (certificate->pem.len == 0)
		return json_null();
	return json_pack("{s:s%, s:o, s:o, s:s, s:I, s:I, s:b, s:o}", "pem",
			 (const char *)certificate->pem.data, certificate->pem.len, "subject",
			 op_json_text(facts->subject), "issuer", op_json_text(facts->issuer),
			 "serial", facts->serial, "not_before", (json_int_t)facts->not_before,
			 "not_after", (json_int_t)facts->not_after, "self_signed",
			 (int)facts->self_signed, "problem", op_json_text(problem_of(facts)));
}

/* With the proof that the key in force has signed. */
static json_t *pending_json(const struct device_shown *shown)
{
	const struct buf *cross = &shown->cross.pem;
	json_t *json = certificate_json(&shown->pending);

	if (json_is_object(json) &&
	    json_object_set_new(json, "cross",
				cross->len > 0 ? json_stringn((const char *)cross->data, cross->len)
					       : json_null()) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/* Of a chip that is not in use only what was found when the identity was settled is known. */
static json_t *tpm_json(const struct service *service)
{
	static const char *const FOUND[IDENTITY_TPM_STATES] = {
		[IDENTITY_TPM_ABSENT] = "absent",
		[IDENTITY_TPM_FAILED] = "failed",
	};
	const struct provider_status *status = &service->provider_status;
	const char *found = FOUND[service->identity->tpm];

	if (service->provider && service->provider->ops->on_chip)
		return json_pack("{s:s, s:o, s:o, s:o}", "state", status->fault ? "failed" : "ok",
				 "manufacturer", op_json_text(status->manufacturer), "firmware",
				 op_json_text(status->firmware), "in_lockout",
				 status->has_lockout ? json_boolean(status->in_lockout)
						     : json_null());
	if (!found)
		return json_null();
	return json_pack("{s:s, s:n, s:n, s:n}", "state", found, "manufacturer", "firmware",
			 "in_lockout");
}

struct json_t *device_json(const struct service *service)
{
	const struct identity_view *view = service->identity;
	const struct device_shown *shown = service->shown;
	const char *cause = "";
	enum identity_mode mode = device_mode(service, &cause);

	if (!shown)
		return NULL;
	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:o}",
			 "mode", identity_mode_name(mode), "since", text_or_null(view->since),
			 "reason", text_or_null(cause), "alarm", text_or_null(view->alarm),
			 "protection", device_protection(view), "generation",
			 (json_int_t)view->generation, "key", key_json(view, shown), "found_name",
			 key_hex_json(slice_of(view->found_name, view->found_name_len)),
			 "certificate", certificate_json(&shown->certificate), "pending",
			 pending_json(shown), "tpm_available", (int)view->tpm_available,
			 "confirming", (int)view->confirming, "marker_lost", (int)view->marker_lost,
			 "tpm", tpm_json(service));
}

void service_device(struct http_request *request, void *app)
{
	const struct service *service = app;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct err err;

	metrics_count_request(METRICS_DEVICE);
	if (device_known(service, &err) < 0) {
		metrics_count_error(err.code);
		http_answer_error(request, &err);
		return;
	}
	json = device_json(service);
	if (json) {
		http_answer_json(request, 200, json);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "no memory for the answer");
	http_answer_error(request, &err);
}
