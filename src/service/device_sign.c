/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures by the device's key. What is signed says for whom and for what, or is what TLS 1.3
 * signs; only `raw` takes whatever comes. The key is the view's that was in force when the request
 * came: on the chip, or in software, and never the one for the other.
 */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/tls.h"
#include "crypto/hash.h"
#include "service/device.h"
#include "service/key.h"
#include "service/routes.h"

#define SIGNATURE_MAX 1024u
#define MESSAGE_MAX   65536u
#define PURPOSE_MAX   64u

static const char PREFIX[] = "holdfast device signature v1"; /* its NUL goes along */

struct device_op {
	struct op op;		    /* its name is the purpose */
	struct identity_view *view; /* held */
	struct secret *message;	    /* of `sign` */
	enum hash_alg hash;
	uint8_t digest[HASH_MAX_SIZE];
	struct buf signature;
	bool missed; /* by a step: the chip has no such key */
};

/* --- steps --- */

static int hash_message(void *arg, struct err *err)
{
	struct device_op *device = arg;
	static const uint8_t NUL[1];
	const struct slice parts[] = {
		slice_of(PREFIX, sizeof(PREFIX)), slice_str(device->op.tenant.name),
		slice_of(NUL, sizeof(NUL)),	  slice_str(device->op.name),
		slice_of(NUL, sizeof(NUL)),	  secret_slice(device->message),
	};

	return hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), device->digest, err);
}

static int sign_digest(void *arg, struct err *err)
{
	struct device_op *device = arg;
	const struct slice digest = slice_of(device->digest, hash_size(device->hash));
	struct provider *p;
	int r;

	if (!device->view->on_chip)
		return identity_sign(device->view, NULL, device->hash, digest, &device->signature,
				     err);
	p = op_provider_enter(&device->op);
	r = identity_sign(device->view, p, device->hash, digest, &device->signature, err);
	device->missed = r == ERR_TPM_CHANGED;
	return op_provider_leave(&device->op, r);
}

/* --- the requests --- */

/* 1 to 64 of A-Z a-z 0-9 . _ - */
static int read_purpose(struct device_op *device, const json_t *body, struct err *err)
{
	static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	const char *purpose = "";
	size_t len;
	int r;

	r = json_get_string(body, "purpose", true, &purpose, err);
	if (r < 0)
		return r;
	len = strlen(purpose);
	if (len < 1 || len > PURPOSE_MAX || strspn(purpose, LETTERS) != len)
		return err_set(err, ERR_INVALID, "/purpose: must be 1 to %u of A-Z a-z 0-9 . _ -",
			       PURPOSE_MAX);
	memcpy(device->op.name, purpose, len + 1);
	return 0;
}

static int read_message(struct device_op *device, struct err *err)
{
	static const char *const NAMES[] = {"purpose", "message"};
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_body(&device->op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = read_purpose(device, body, err);
	if (r < 0)
		return r;
	device->hash = HASH_SHA256;
	r = json_get_secret(body, "message", true, MESSAGE_MAX, &device->message, err);
	if (r < 0)
		return r;
	if (secret_size(device->message) <= KEY_HASH_INLINE_MAX)
		return hash_message(device, err);
	op_step(&device->op, JOB_POOL, hash_message);
	return 0;
}

/* The key is a P-256 one, for which TLS 1.3 has one scheme (RFC 8446, 4.2.3). */
static int read_tls_hash(const json_t *body, enum hash_alg *ret_hash, struct err *err)
{
	const char *word = "sha256";
	int r = json_get_string(body, "hash", false, &word, err);

	if (r < 0)
		return r;
	if (strcmp(word, "sha256") != 0)
		return err_set(
			err, ERR_INVALID,
			"/hash: must be \"sha256\", with which a P-256 key signs in TLS 1.3");
	*ret_hash = HASH_SHA256;
	return 0;
}

static int read_tls(struct device_op *device, struct err *err)
{
	static const char *const NAMES[] = {"hash", "content"};
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	CLEANUP(buf_fini) struct buf content = BUF_INIT(TLS_CONTENT_MAX);
	struct slice part;
	int r;

	r = op_body(&device->op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = read_tls_hash(body, &device->hash, err);
	if (r < 0)
		return r;
	r = json_get_bytes(body, "content", true, &content, err);
	if (r < 0 && r != ERR_TOO_LARGE)
		return r;
	part = buf_slice(&content);
	if (r < 0 || !tls_is_content(part))
		return err_set(err, ERR_INVALID,
			       "/content: is not what TLS 1.3 signs (RFC 8446, 4.4.3)");
	return hash_digest(device->hash, &part, 1, device->digest, err);
}

static int read_raw(struct device_op *device, struct err *err)
{
	static const char *const NAMES[] = {"hash", "digest"};
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_body(&device->op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = key_read_hash(body, &device->hash, err);
	return r < 0 ? r : key_read_digest(body, device->hash, device->digest, err);
}

/* Who signs is settled here: nothing that changes later makes it another key. */
static int take_view(struct device_op *device, struct err *err)
{
	const struct service *service = device->op.service;
	const struct provider *p = device->op.provider;
	int r;

	r = device_known(service, err);
	if (r < 0)
		return r;
	r = identity_usable(service->identity, err);
	if (r < 0)
		return r;
	if (service->identity->on_chip && (!p || !p->ops->on_chip))
		return err_set(err, ERR_TPM_FAILED, "the key of the device is in its TPM: %s",
			       service->reason);
	device->view = identity_view_hold(service->identity);
	return 0;
}

static int prepare(struct op *op, int (*read)(struct device_op *device, struct err *err),
		   struct err *err)
{
	struct device_op *device = (struct device_op *)op;
	int r;

	device->signature = (struct buf)BUF_INIT(SIGNATURE_MAX);
	r = read(device, err);
	if (r < 0)
		return r;
	r = take_view(device, err);
	if (r < 0)
		return r;
	op_step(op, device->view->on_chip ? op_provider_place(op) : JOB_POOL, sign_digest);
	return 0;
}

static int prepare_sign(struct op *op, struct err *err)
{
	return prepare(op, read_message, err);
}

static int prepare_tls(struct op *op, struct err *err)
{
	return prepare(op, read_tls, err);
}

static int prepare_raw(struct op *op, struct err *err)
{
	return prepare(op, read_raw, err);
}

static void answer(struct op *op)
{
	const struct device_op *device = (const struct device_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:o, s:s, s:s, s:s, s:s}", "signature",
				 op_json_base64(buf_slice(&device->signature)), "protection",
				 device_protection(device->view), "hash", hash_name(device->hash),
				 "scheme", pkey_scheme_name(PKEY_ECDSA), "format", "der"));
}

/* Whoever settled the identity looks again, unless it is another one since. */
static void tell_missed(const struct device_op *device)
{
	const struct service *service = device->op.service;

	if (service->admin.device_missed && service->identity == device->view)
		service->admin.device_missed(service->admin.arg);
}

static void fini(struct op *op)
{
	struct device_op *device = (struct device_op *)op;

	if (device->missed)
		tell_missed(device);
	secret_free(device->message);
	wipe(device->digest, sizeof(device->digest));
	buf_fini(&device->signature);
	identity_view_free(device->view);
}

/* A key in software needs no provider, so none is asked for; take_view() asks where one must be. */
#define DEVICE(counts, begins)                                                                     \
	{                                                                                          \
		.operation = (counts), .needs = OP_NEEDS_STORE, .size = sizeof(struct device_op),  \
		.prepare = (begins), .answer = answer, .fini = fini,                               \
	}

static const struct op_kind SIGN = DEVICE(METRICS_DEVICE_SIGN, prepare_sign);
static const struct op_kind TLS = DEVICE(METRICS_DEVICE_TLS, prepare_tls);
static const struct op_kind RAW = DEVICE(METRICS_DEVICE_RAW, prepare_raw);

void service_device_sign(struct http_request *request, void *app)
{
	op_run(app, request, &SIGN);
}

void service_device_tls(struct http_request *request, void *app)
{
	op_run(app, request, &TLS);
}

void service_device_raw(struct http_request *request, void *app)
{
	op_run(app, request, &RAW);
}
