/* SPDX-License-Identifier: Apache-2.0 */
/* The device's identity, for everybody: what it is, and signatures by its key. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/body.h"
#include "client/call.h"

#define DEVICE		"/v1/device"
#define PURPOSE_MAX	64u
#define CONTENT_MAX	256u /* bytes; TLS 1.3 makes 146 at most */
#define DIGEST_MAX	64u
#define REQUEST_SPARE	1024u /* of JSON beside the data */
#define REQUEST_SMALL	2048u
#define WRAPPED_MAX	512u /* bytes of each part of what is wrapped */
#define REQUEST_WRAPPED (REQUEST_SPARE + 3u * 4u * (WRAPPED_MAX / 3u + 1u))
/* Base64 takes 4 bytes for 3. */
#define REQUEST_MESSAGE (REQUEST_SPARE + HF_DEVICE_MESSAGE_MAX / 3u * 4u + 4u)

int hf_device_json(struct hf *hf, char **ret_json)
{
	call_begin(hf);
	return ask_text(hf, DEVICE, ret_json);
}

static int give_member(struct hf *hf, const json_t *object, const char *member, char **ret_pem)
{
	const char *pem = json_string_value(json_object_get(object, member));

	if (!pem || pem[0] == '\0')
		return call_unexpected(hf, "a certificate is missing");
	return call_give_text(hf, slice_str(pem), ret_pem);
}

int hf_device_certificate(struct hf *hf, char **ret_pem)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const json_t *certificate;
	int r;

	call_begin(hf);
	r = ask_get(hf, DEVICE, &answer, &json);
	if (r < 0)
		return r;
	certificate = json_object_get(json, "certificate");
	if (json_is_null(certificate)) {
		(void)err_set(&hf->err, ERR_NO_CERTIFICATE, "the device has no certificate");
		return err_add_remedy(&hf->err, "`holdfast device status` tells why.");
	}
	return give_member(hf, certificate, "pem", ret_pem);
}

int hf_device_pending(struct hf *hf, enum hf_device_pending which, char **ret_pem)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const json_t *pending;
	int r;

	call_begin(hf);
	r = ask_get(hf, DEVICE, &answer, &json);
	if (r < 0)
		return r;
	pending = json_object_get(json, "pending");
	if (!json_is_object(pending))
		return err_set(&hf->err, ERR_NO_CERTIFICATE, "no migration waits to be confirmed");
	return give_member(hf, pending, which == HF_PENDING_CROSS ? "cross" : "pem", ret_pem);
}

int hf_device_storage_key(struct hf *hf, char **ret_json)
{
	call_begin(hf);
	return ask_text(hf, DEVICE "/storage-key", ret_json);
}

/* --- what is wrapped to the storage key --- */

static int put_part(struct hf *hf, struct buf *body, const char *name, struct slice part)
{
	if (!part.data || part.len == 0 || part.len > WRAPPED_MAX)
		return err_set(&hf->err, ERR_INVALID, "what is wrapped has parts of 1 to %u bytes",
			       WRAPPED_MAX);
	body_put_bytes(body, name, part);
	return 0;
}

int hf_unwrap(struct hf *hf, const struct hf_wrapped *wrapped, void **ret_data, size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_WRAPPED);
	const struct post post = {.path = "/v1/unwrap", .body = &body, .repeatable = true};
	int r;

	call_begin(hf);
	body_begin(&body);
	r = put_part(hf, &body, "public", slice_of(wrapped->public_area, wrapped->public_len));
	if (r == 0)
		r = put_part(hf, &body, "duplicate",
			     slice_of(wrapped->duplicate, wrapped->duplicate_len));
	if (r == 0)
		r = put_part(hf, &body, "seed", slice_of(wrapped->seed, wrapped->seed_len));
	return r < 0 ? r : ask_bytes(hf, &post, "data", ret_data, ret_len);
}

/* --- signing --- */

static bool purpose_is_valid(const char *purpose)
{
	size_t len = purpose ? strspn(purpose, CALL_NAME_CHARS) : 0;

	return len >= 1 && len <= PURPOSE_MAX && purpose[len] == '\0';
}

int hf_device_sign(struct hf *hf, const char *purpose, const void *message, size_t len,
		   void **ret_signature, size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MESSAGE);
	const struct post post = {
		.path = DEVICE "/sign", .body = &body, .repeatable = true, .keep = true};

	call_begin(hf);
	if (!purpose_is_valid(purpose))
		return err_set(&hf->err, ERR_INVALID, "a purpose is 1 to %u of A-Z a-z 0-9 . _ -",
			       PURPOSE_MAX);
	if (len > HF_DEVICE_MESSAGE_MAX)
		return err_set(&hf->err, ERR_TOO_LARGE, "it is over the limit of %u bytes",
			       HF_DEVICE_MESSAGE_MAX);
	body_begin(&body);
	body_put(&body, "purpose", purpose);
	body_put_bytes(&body, "message", len > 0 ? slice_of(message, len) : slice_str(""));
	return ask_bytes(hf, &post, "signature", ret_signature, ret_len);
}

int hf_device_tls(struct hf *hf, const char *hash, const void *content, size_t len,
		  void **ret_signature, size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_SMALL);
	const struct post post = {
		.path = DEVICE "/tls", .body = &body, .repeatable = true, .keep = true};

	call_begin(hf);
	if (!content || len == 0 || len > CONTENT_MAX)
		return err_set(&hf->err, ERR_INVALID,
			       "it is not what TLS 1.3 signs in a CertificateVerify");
	body_begin(&body);
	body_put(&body, "hash", hash ? hash : "sha256");
	body_put_bytes(&body, "content", slice_of(content, len));
	return ask_bytes(hf, &post, "signature", ret_signature, ret_len);
}

int hf_device_raw(struct hf *hf, const char *hash, const void *digest, size_t len,
		  void **ret_signature, size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_SMALL);
	const struct post post = {
		.path = DEVICE "/raw", .body = &body, .repeatable = true, .keep = true};

	call_begin(hf);
	if (!digest || len == 0 || len > DIGEST_MAX)
		return err_set(&hf->err, ERR_INVALID, "a digest is 1 to %u bytes", DIGEST_MAX);
	body_begin(&body);
	body_put(&body, "hash", hash ? hash : "sha256");
	body_put_bytes(&body, "digest", slice_of(digest, len));
	return ask_bytes(hf, &post, "signature", ret_signature, ret_len);
}
