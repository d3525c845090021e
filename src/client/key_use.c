/* SPDX-License-Identifier: Apache-2.0 */
/* What a key does, and how an AIK signs. What it opens or agrees on is a secret, and is wiped on
 * its way out. */
#include "base/mem.h"
#include "client/ask.h"
#include "client/body.h"
#include "client/call.h"

#define KEYS	       "/v1/keys"
#define AIKS	       "/v1/aiks"
#define DIGEST_MAX     64u
#define REQUEST_SPARE  4096u /* of JSON beside the data */
#define REQUEST_SMALL  (16u * 1024u)
#define CIPHERTEXT_MAX 1024u

/* Base64 takes 4 bytes for 3. */
#define REQUEST_MESSAGE (REQUEST_SPARE + HF_MESSAGE_MAX / 3u * 4u + 4u)

/* Every call begins so: nothing is left of the one before, and the path names the key. */
static int begin(struct hf *hf, char path[CALL_PATH_MAX], const char *key, const char *use)
{
	call_begin(hf);
	return call_path(hf, path, KEYS, key, use);
}

/* --- signing --- */

static void put_options(struct buf *body, const struct hf_sign *request)
{
	body_put(body, "hash", request->hash);
	body_put(body, "scheme", request->scheme);
	body_put(body, "format", request->format);
}

int hf_sign_digest(struct hf *hf, const struct hf_sign *request, void **ret_signature,
		   size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_SMALL);
	char path[CALL_PATH_MAX];
	const struct post post = {.path = path, .body = &body, .repeatable = true, .keep = true};
	int r = begin(hf, path, request->key, "/sign");

	if (r < 0)
		return r;
	if (!request->digest || request->digest_len == 0 || request->digest_len > DIGEST_MAX)
		return err_set(&hf->err, ERR_INVALID, "a digest is 1 to %u bytes", DIGEST_MAX);
	body_begin(&body);
	body_put_bytes(&body, "digest", slice_of(request->digest, request->digest_len));
	put_options(&body, request);
	return ask_bytes(hf, &post, "signature", ret_signature, ret_len);
}

/* A message that travels as one member of the body, which is begun with it. */
static int begin_message(struct hf *hf, struct buf *body, const char *member, struct slice message)
{
	if (message.len > HF_MESSAGE_MAX)
		return err_set(&hf->err, ERR_TOO_LARGE, "it is over the limit of %u bytes",
			       HF_MESSAGE_MAX);
	body_begin(body);
	body_put_bytes(body, member, message.len > 0 ? message : slice_str(""));
	return 0;
}

static int sign_message(struct hf *hf, const char *path, const struct hf_sign *request,
			struct slice message, void **ret_signature, size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MESSAGE);
	const struct post post = {.path = path, .body = &body, .repeatable = true, .keep = true};
	int r;

	if (request->digest)
		return err_set(&hf->err, ERR_INVALID, "a message and a digest are too much");
	r = begin_message(hf, &body, "message", message);
	if (r < 0)
		return r;
	put_options(&body, request);
	return ask_bytes(hf, &post, "signature", ret_signature, ret_len);
}

int hf_sign_message(struct hf *hf, const struct hf_sign *request, const void *message, size_t len,
		    void **ret_signature, size_t *ret_len)
{
	char path[CALL_PATH_MAX];
	int r = begin(hf, path, request->key, "/sign");

	if (r < 0)
		return r;
	return sign_message(hf, path, request, slice_of(message, len), ret_signature, ret_len);
}

int hf_aik_sign(struct hf *hf, const struct hf_sign *request, const void *message, size_t len,
		void **ret_signature, size_t *ret_len)
{
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, AIKS, request->key, "/sign");
	if (r < 0)
		return r;
	if (request->scheme || request->format)
		return err_set(&hf->err, ERR_INVALID, "an AIK has one scheme and one format");
	if (len == 0)
		return err_set(&hf->err, ERR_INVALID, "an AIK signs 1 byte at least");
	return sign_message(hf, path, request, slice_of(message, len), ret_signature, ret_len);
}

/* --- what is a secret --- */

int hf_key_decrypt(struct hf *hf, const struct hf_decrypt *request, void **ret_data,
		   size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_SMALL);
	char path[CALL_PATH_MAX];
	const struct post post = {.path = path, .body = &body, .repeatable = true};
	int r = begin(hf, path, request->key, "/decrypt");

	if (r < 0)
		return r;
	if (!request->ciphertext || request->len == 0 || request->len > CIPHERTEXT_MAX)
		return err_set(&hf->err, ERR_INVALID,
			       "what was encrypted is as long as the key's modulus");
	body_begin(&body);
	body_put_bytes(&body, "ciphertext", slice_of(request->ciphertext, request->len));
	body_put(&body, "hash", request->hash);
	if (request->label)
		body_put_bytes(&body, "label", slice_str(request->label));
	return ask_bytes(hf, &post, "data", ret_data, ret_len);
}

int hf_key_agree(struct hf *hf, const char *key, const char *peer_pem, void **ret_secret,
		 size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_SMALL);
	char path[CALL_PATH_MAX];
	const struct post post = {.path = path, .body = &body, .repeatable = true};
	int r = begin(hf, path, key, "/agree");

	if (r < 0)
		return r;
	if (!peer_pem)
		return err_set(&hf->err, ERR_INVALID, "the peer's public key is missing");
	body_begin(&body);
	body_put(&body, "peer", peer_pem);
	return ask_bytes(hf, &post, "secret", ret_secret, ret_len);
}

/* --- HMAC --- */

int hf_mac(struct hf *hf, const char *key, const void *data, size_t len, void **ret_mac,
	   size_t *ret_len)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MESSAGE);
	char path[CALL_PATH_MAX];
	const struct post post = {.path = path, .body = &body, .repeatable = true};
	int r = begin(hf, path, key, "/mac");

	if (r < 0)
		return r;
	r = begin_message(hf, &body, "data", slice_of(data, len));
	if (r < 0)
		return r;
	return ask_bytes(hf, &post, "mac", ret_mac, ret_len);
}

/* --- requests for certificates --- */

int hf_key_request(struct hf *hf, const struct hf_certificate_request *request, char **ret_pem)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_REQUEST_MAX);
	char path[CALL_PATH_MAX];
	const struct post post = {.path = path, .body = &body, .repeatable = true};
	int r = begin(hf, path, request->key, "/certificate-request");

	if (r < 0)
		return r;
	if (!request->subject)
		return err_set(&hf->err, ERR_INVALID, "the subject is missing");
	body_begin(&body);
	body_put_request(&body, request);
	return ask_member(hf, &post, "request", ret_pem);
}
