/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's identity, on the administrator's socket. Nothing is repeated but a request for a
 * certificate: one event never makes two identities.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/body.h"
#include "client/call.h"

#define DEVICE	      "/v1/admin/device"
#define REQUEST_SMALL 256u
#define REQUEST_CHAIN (64u * 1024u)

/* POST of @body, answered by the device. */
static int order(struct hf *hf, const char *path, struct buf *body, char **ret_json)
{
	const struct post post = {.path = path, .body = body};

	return ask_post_text(hf, &post, ret_json);
}

static int check_flags(struct hf *hf, unsigned flags, unsigned allowed)
{
	if ((flags | allowed) == allowed)
		return 0;
	return err_set(&hf->err, ERR_INVALID, "a flag that does not belong here");
}

int hf_device_init(struct hf *hf, unsigned flags, char **ret_json)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_SMALL);

	call_begin(hf);
	if (check_flags(hf, flags, HF_DEVICE_SOFTWARE) < 0)
		return hf->err.code;
	body_begin(&body);
	body_put_bool(&body, "software", (flags & HF_DEVICE_SOFTWARE) != 0);
	return order(hf, DEVICE "/init", &body, ret_json);
}

int hf_device_approve(struct hf *hf, char **ret_json)
{
	return ask_order(hf, DEVICE "/approve", ret_json);
}

int hf_device_renew(struct hf *hf, char **ret_json)
{
	return ask_order(hf, DEVICE "/renew", ret_json);
}

int hf_device_install(struct hf *hf, const char *pem, char **ret_json)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_CHAIN);

	call_begin(hf);
	if (!pem)
		return err_set(&hf->err, ERR_INVALID, "the certificate is missing");
	body_begin(&body);
	body_put(&body, "pem", pem);
	return order(hf, DEVICE "/certificate", &body, ret_json);
}

int hf_device_request(struct hf *hf, const struct hf_certificate_request *request, char **ret_pem)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_REQUEST_MAX);
	const struct post post = {
		.path = DEVICE "/certificate-request", .body = &body, .repeatable = true};

	call_begin(hf);
	if (request->key)
		return err_set(&hf->err, ERR_INVALID, "the device has one key, without a name");
	body_begin(&body);
	body_put_request(&body, request);
	return ask_member(hf, &post, "pem", ret_pem);
}

int hf_device_migrate(struct hf *hf, enum hf_device_migrate step, char **ret_json)
{
	static const char *const STEPS[] = {
		[HF_MIGRATE_BEGIN] = "begin",
		[HF_MIGRATE_CONFIRM] = "confirm",
		[HF_MIGRATE_ROLLBACK] = "rollback",
	};
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_SMALL);

	call_begin(hf);
	if ((unsigned)step >= ARRAY_LEN(STEPS))
		return err_set(&hf->err, ERR_INVALID, "a step that is not known");
	body_begin(&body);
	body_put(&body, "step", STEPS[step]);
	return order(hf, DEVICE "/migrate", &body, ret_json);
}

int hf_device_reset(struct hf *hf, unsigned flags)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_SMALL);
	const struct post post = {.path = DEVICE "/reset", .body = &body};
	const char *mode = "";
	struct err ignored;
	int r;

	call_begin(hf);
	if (check_flags(hf, flags,
			HF_DEVICE_CLEAR_TPM | HF_DEVICE_ACCEPT_FOREIGN | HF_DEVICE_WITHOUT_TPM) < 0)
		return hf->err.code;
	body_begin(&body);
	body_put_bool(&body, "clear_tpm", (flags & HF_DEVICE_CLEAR_TPM) != 0);
	body_put_bool(&body, "accept_foreign", (flags & HF_DEVICE_ACCEPT_FOREIGN) != 0);
	if (flags & HF_DEVICE_WITHOUT_TPM) /* which services of before do not know */
		body_put_bool(&body, "without_tpm", true);
	r = ask_post(hf, &post, &answer, &json);
	if (r < 0)
		return r;
	if (json_get_string(json, "mode", true, &mode, &ignored) < 0 ||
	    strcmp(mode, "resetting") != 0)
		return call_unexpected(hf, "it does not say that it resets");
	return 0;
}
