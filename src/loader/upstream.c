/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call owns all that its request consists of until it ends, since it may be sent three times. It
 * is sent again only when no byte of it can have got anywhere: the connection did not come about.
 */
#include "loader/upstream.h"

#include <jansson.h>
#include <stdio.h>

#include "artifact/device_key.h"
#include "artifact/v1.h"
#include "artifact/v1_key.h"
#include "base/base64.h"
#include "base/json.h"
#include "crypto/cipher.h"
#include "crypto/cms.h"
#include "fetch/backoff.h"
#include "loader/fault.h"

#define JSON_TYPE	"application/json"
#define JSON_BODY_MAX	(32u * 1024u)
#define PUT_MAX		(V1_BYTES_MAX + 4096u)
#define ANSWER_MAX	(64u * 1024u) /* of what is no resource */
#define TOKEN_MAX	8192u
#define REPEATS		2u
#define DEVICE_TEXT_MAX 64u /* of what a challenge hid, as text with a NUL */
#define BOUNDARY	16u /* random bytes */

enum {
	CODE_NO_SUCH_EMAIL = 10,
	CODE_WRONG_PASSWORD = 30,
};

/* What the kinds of call differ in. */
struct kind {
	const char *what; /* for people */
	uint64_t max;	  /* bytes of an answer */
	int refused;	  /* 401, 403 */
	int forbidden;	  /* 403 where that is another thing; 0: it is not */
	int missing;	  /* 404 */
	int ended;	  /* 428; 0: an answer like others */
	/* Of a good answer: gives what the caller gets. NULL: nothing of it. */
	int (*read)(struct slice body, struct slice *ret_bytes, struct json_t **ret_json,
		    struct err *err);
};

struct upstream {
	struct loop *loop;
	struct fetch *fetch;
	char *api_url; /* without a slash at its end */
	struct upstream_call *calls;
	bool silent;
};

struct upstream_call {
	struct upstream *upstream;
	struct upstream_call *prev, *next;
	const struct kind *kind;
	enum fetch_method method;
	struct buf url;	 /* with a NUL */
	struct buf type; /* Content-Type, with a NUL; or empty */
	struct buf body;
	struct secret *token;
	struct buf device; /* Holdfast-Device, with a NUL; or empty */
	struct fetch_transfer *transfer;
	struct backoff backoff;
	struct loop_timer timer;
	unsigned repeats;
	upstream_fn done;
	void *arg;
};

int upstream_new(struct loop *loop, struct fetch *fetch, const char *api_url,
		 struct upstream **ret_upstream, struct err *err)
{
	CLEANUP(upstream_cleanup) struct upstream *upstream = calloc(1, sizeof(*upstream));
	size_t len = strlen(api_url);

	while (len > 0 && api_url[len - 1] == '/')
		len--;
	if (len > FETCH_URL_MAX / 2)
		return err_set(err, ERR_INVALID, "the API's address is too long");
	if (upstream)
		upstream->api_url = strndup(api_url, len);
	if (!upstream || !upstream->api_url)
		return err_set(err, ERR_INTERNAL, "memory is short");
	upstream->loop = loop;
	upstream->fetch = fetch;
	*ret_upstream = TAKE(upstream);
	return 0;
}

void upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return;
	while (upstream->calls)
		upstream_leave(upstream->calls);
	free(upstream->api_url);
	free(upstream);
}

bool upstream_is_silent(const struct upstream *upstream)
{
	return upstream->silent;
}

/* --- one call --- */

static void call_free(struct upstream_call *call)
{
	if (!call)
		return;
	buf_fini(&call->url);
	buf_fini(&call->type);
	buf_fini(&call->body);
	buf_fini(&call->device);
	secret_free(call->token);
	free(call);
}

static void call_cleanup(struct upstream_call **call)
{
	call_free(*call);
}

static void call_link(struct upstream_call *call)
{
	call->next = call->upstream->calls;
	if (call->next)
		call->next->prev = call;
	call->upstream->calls = call;
}

static void call_unlink(struct upstream_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		call->upstream->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	loop_timer_clear(&call->timer);
}

void upstream_leave(struct upstream_call *call)
{
	if (!call)
		return;
	call_unlink(call);
	fetch_cancel(call->transfer);
	call_free(call);
}

/* The upstream may be gone when this returns. */
static void call_end(struct upstream_call *call, struct slice bytes, const struct err *err)
{
	call_unlink(call);
	call->done(call->arg, bytes, err);
	call_free(call);
}

/* --- answers --- */

static int take_token(struct slice body, struct slice *ret_bytes, struct json_t **ret_json,
		      struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *token = "";
	bool good = true;
	size_t len;
	int r = json_parse(body, &json, err);

	if (r == 0)
		r = json_get_string(json, "token", true, &token, err);
	if (r == ERR_INTERNAL)
		return r;
	len = strlen(token);
	for (size_t i = 0; i < len; i++)
		good = good && token[i] > 0x20 && token[i] < 0x7f;
	if (r < 0 || !good || len == 0 || len > TOKEN_MAX)
		return err_set(err, FAULT_UPSTREAM, "the API's answer has no token");
	*ret_bytes = slice_of(token, len);
	*ret_json = TAKE(json);
	return 0;
}

static int take_bytes(struct slice body, struct slice *ret_bytes, struct json_t **ret_json,
		      struct err *err)
{
	(void)ret_json;
	(void)err;
	*ret_bytes = body;
	return 0;
}

static int take_fragment(struct slice body, struct slice *ret_bytes, struct json_t **ret_json,
			 struct err *err)
{
	(void)ret_json;
	if (body.len == 0 || body.len > V1_FIELD_MAX)
		return err_set(err, FAULT_UPSTREAM, "the API's key fragment is not 1 to %u bytes",
			       V1_FIELD_MAX);
	*ret_bytes = body;
	return 0;
}

static int take_some(struct slice body, struct slice *ret_bytes, struct json_t **ret_json,
		     struct err *err)
{
	(void)ret_json;
	if (body.len == 0)
		return err_set(err, FAULT_UPSTREAM, "the API's answer is empty");
	*ret_bytes = body;
	return 0;
}

/* One line of printable characters, since it becomes a line of a file. */
static int take_line(struct slice body, struct slice *ret_bytes, struct json_t **ret_json,
		     struct err *err)
{
	bool good;

	(void)ret_json;
	if (body.len > 0 && body.data[body.len - 1] == '\n')
		body.len--;
	good = body.len > 0 && body.len < DEVICE_KEY_LINE_MAX;
	for (size_t i = 0; good && i < body.len; i++)
		good = body.data[i] >= 0x20 && body.data[i] < 0x7f;
	if (!good)
		return err_set(err, FAULT_UPSTREAM, "the API's answer is no line of a device key");
	*ret_bytes = body;
	return 0;
}

/* "ErrorCode" of a business error; 0: it says none. Its message is not for us to repeat. */
static uint64_t business_code(struct slice body)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	uint64_t code = 0;
	struct err err;

	if (json_parse(body, &json, &err) < 0 ||
	    json_get_u64(json, "ErrorCode", true, 0, UINT32_MAX, &code, &err) < 0)
		return 0;
	return code;
}

static int refuse_409(const struct kind *kind, struct slice body, struct err *err)
{
	uint64_t code = business_code(body);

	if (code == CODE_NO_SUCH_EMAIL || code == CODE_WRONG_PASSWORD)
		return err_set(err, FAULT_CREDENTIALS,
			       "the API does not take the email or the password");
	return err_set(err, FAULT_UPSTREAM, "%s: the API refuses, its error code is %llu",
		       kind->what, (unsigned long long)code);
}

/* What the API has against this device, in our own words. */
static int refuse_device(const struct kind *kind, struct slice body, struct err *err)
{
	static const struct {
		const char *code;
		const char *text;
	} rows[] = {
		{"device_unknown", "it does not know this device"},
		{"ek_untrusted", "it does not know the maker of this device's TPM"},
		{"storage_key_unfit", "this device's storage key is not fit for it"},
	};
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *code = "", *text = "it does not take this device";
	struct err ignored;

	if (json_parse(body, &json, &ignored) == 0 &&
	    json_get_string(json, "code", true, &code, &ignored) == 0)
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			if (strcmp(code, rows[i].code) == 0)
				text = rows[i].text;
	(void)err_set(err, kind->forbidden, "%s: the API refuses: %s", kind->what, text);
	return err_add_remedy(err, "Have this device enrolled: `holdfast device storage-key` here, "
				   "`holdfast artifact enrol` at the origin.");
}

static int refuse_login(const struct kind *kind, struct err *err)
{
	if (kind->refused == FAULT_CREDENTIALS)
		return err_set(err, FAULT_CREDENTIALS,
			       "the API does not take the email or the password");
	return err_set(err, kind->refused, "%s: the API does not take the login any more",
		       kind->what);
}

static int check_status(const struct kind *kind, unsigned status, struct slice body,
			struct err *err)
{
	if (status == 428 && kind->ended)
		return err_set(err, kind->ended, "%s: the device's session is over", kind->what);
	switch (status) {
	case 401:
		return refuse_login(kind, err);
	case 403:
		return kind->forbidden ? refuse_device(kind, body, err) : refuse_login(kind, err);
	case 404:
		return err_set(err, kind->missing, "%s: the API has nothing there", kind->what);
	case 409:
		return refuse_409(kind, body, err);
	default:
		if (status / 100 == 2)
			return 0;
		return err_set(err, FAULT_UPSTREAM, "%s: the API answers %u", kind->what, status);
	}
}

static int check_result(const struct kind *kind, const struct fetch_result *result,
			struct slice body, struct err *err)
{
	if (result->end != FETCH_DONE)
		return err_set(err, FAULT_UPSTREAM, "%s: %s", kind->what, result->err->text);
	return check_status(kind, result->status, body, err);
}

/* --- sending --- */

static int call_send(struct upstream_call *call, struct err *err);

static void call_again(void *arg)
{
	struct upstream_call *call = arg;
	struct err err;

	if (call_send(call, &err) < 0)
		call_end(call, slice_of(NULL, 0), &err);
}

/* False: it is not to be, or cannot be, repeated. */
static bool call_repeat(struct upstream_call *call, const struct fetch_result *result)
{
	uint32_t random;
	uint64_t pause_ms;
	struct err err;

	if (result->end != FETCH_UNREACHABLE || call->repeats == REPEATS ||
	    cipher_random((uint8_t *)&random, sizeof(random), &err) < 0)
		return false;
	call->repeats++;
	pause_ms = backoff_after(&call->backoff, false, 0, random);
	return loop_timer_set(&call->timer, pause_ms * 1000, &err) == 0;
}

static void fetched(void *arg, const struct fetch_result *result, struct slice body)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct upstream_call *call = arg;
	struct slice bytes = slice_of(NULL, 0);
	struct err err;
	int r;

	call->transfer = NULL;
	call->upstream->silent = result->end == FETCH_UNREACHABLE || result->end == FETCH_BROKEN;
	if (call_repeat(call, result))
		return;
	r = check_result(call->kind, result, body, &err);
	if (r == 0 && call->kind->read)
		r = call->kind->read(body, &bytes, &json, &err);
	call_end(call, bytes, r < 0 ? &err : NULL);
}

static int call_send(struct upstream_call *call, struct err *err)
{
	const struct fetch_header all[] = {
		{.name = "Content-Type", .value = (const char *)call->type.data},
		{.name = "Holdfast-Device",
		 .value = (const char *)call->device.data,
		 .credential = true},
	};
	/* No call has both. */
	const struct fetch_header *header = call->device.len > 0 ? &all[1] : &all[0];
	const struct fetch_request request = {
		.method = call->method,
		.url = (const char *)call->url.data,
		.headers = header,
		.header_count = call->type.len > 0 || call->device.len > 0 ? 1 : 0,
		.bearer = call->token,
		.body = buf_slice(&call->body),
		.max = call->kind->max,
	};

	return fetch_whole(call->upstream->fetch, &request, fetched, call, &call->transfer, err);
}

/* --- the kinds --- */

static int call_new(struct upstream *upstream, const struct kind *kind, const char *path,
		    struct upstream_call **ret_call, struct err *err)
{
	CLEANUP(call_cleanup) struct upstream_call *call = calloc(1, sizeof(*call));

	if (!call)
		return err_set(err, ERR_INTERNAL, "memory is short");
	call->upstream = upstream;
	call->kind = kind;
	call->method = FETCH_POST;
	call->url = (struct buf)BUF_INIT(FETCH_URL_MAX);
	call->type = (struct buf)BUF_INIT(256);
	call->body = (struct buf)BUF_INIT(PUT_MAX);
	call->device = (struct buf)BUF_INIT(DEVICE_TEXT_MAX);
	loop_timer_init(&call->timer, upstream->loop, call_again, call);
	buf_put_str(&call->url, upstream->api_url);
	buf_put_str(&call->url, path);
	*ret_call = TAKE(call);
	return 0;
}

/* @json is wiped when it is freed (json_setup()). */
static int put_json(struct upstream_call *call, struct json_t *json, struct err *err)
{
	if (!json)
		return err_set(err, ERR_INVALID, "a field is not UTF-8");
	call->body.max = JSON_BODY_MAX;
	json_write(&call->body, json);
	buf_put_str(&call->type, JSON_TYPE);
	buf_put_u8(&call->type, '\0');
	return 0;
}

static int set_token(struct upstream_call *call, const struct secret *token, struct err *err)
{
	return secret_copy(secret_slice(token), &call->token, err);
}

/* Sends it, and hands it to the list. */
static int call_begin(struct upstream_call **call, upstream_fn done, void *arg,
		      struct upstream_call **ret_call, struct err *err)
{
	int r;

	buf_put_u8(&(*call)->url, '\0');
	if (!buf_ok(&(*call)->url) || !buf_ok(&(*call)->type) || !buf_ok(&(*call)->body) ||
	    !buf_ok(&(*call)->device))
		return err_set(err, ERR_TOO_LARGE, "the request is too large for the API");
	(*call)->done = done;
	(*call)->arg = arg;
	r = call_send(*call, err);
	if (r < 0)
		return r;
	call_link(*call);
	*ret_call = TAKE(*call);
	return 0;
}

int upstream_login(struct upstream *upstream, const struct secret *email,
		   const struct secret *password, upstream_fn done, void *arg,
		   struct upstream_call **ret_call, struct err *err)
{
	static const struct kind kind = {
		.what = "login",
		.max = ANSWER_MAX,
		.refused = FAULT_CREDENTIALS,
		.missing = FAULT_UPSTREAM,
		.read = take_token,
	};
	CLEANUP(call_cleanup) struct upstream_call *call = NULL;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct slice e = secret_slice(email), p = secret_slice(password);
	int r = call_new(upstream, &kind, "/login", &call, err);

	json = json_pack("{s:s%,s:s%}", "email", e.data, e.len, "password", p.data, p.len);
	if (r == 0)
		r = put_json(call, json, err);
	return r < 0 ? r : call_begin(&call, done, arg, ret_call, err);
}

static int put_folder(struct upstream_call *call, struct slice folder, struct err *err)
{
	if (folder.len == 0)
		return 0;
	buf_put_u8(&call->url, '/');
	return fetch_escape(folder, false, &call->url, err);
}

int upstream_get(struct upstream *upstream, const struct upstream_wish *wish, upstream_fn done,
		 void *arg, struct upstream_call **ret_call, struct err *err)
{
	static const struct kind kind = {
		.what = "resource",
		.max = V1_BYTES_MAX,
		.refused = FAULT_NOT_LOGGED_IN,
		.missing = ERR_NOT_FOUND,
		.read = take_bytes,
	};
	CLEANUP(call_cleanup) struct upstream_call *call = NULL;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct slice p = secret_slice(wish->password), h = wish->hardware;
	int r = call_new(upstream, &kind, "/resources/get", &call, err);

	json = json_pack("{s:s%,s:s%,s:s}", "password", p.data, p.len, "hardware",
			 h.len > 0 ? (const char *)h.data : "", h.len, "fileName", wish->file);
	if (r == 0)
		r = put_folder(call, wish->folder, err);
	if (r == 0)
		r = put_json(call, json, err);
	if (r == 0)
		r = set_token(call, wish->token, err);
	return r < 0 ? r : call_begin(&call, done, arg, ret_call, err);
}

int upstream_fragment(struct upstream *upstream, const struct secret *token, upstream_fn done,
		      void *arg, struct upstream_call **ret_call, struct err *err)
{
	static const struct kind kind = {
		.what = "key fragment",
		.max = ANSWER_MAX,
		.refused = FAULT_NOT_LOGGED_IN,
		.missing = ERR_NOT_FOUND,
		.read = take_fragment,
	};
	CLEANUP(call_cleanup) struct upstream_call *call = NULL;
	int r = call_new(upstream, &kind, "/binary-split/key-fragment", &call, err);

	if (r < 0)
		return r;
	call->method = FETCH_GET;
	r = set_token(call, token, err);
	return r < 0 ? r : call_begin(&call, done, arg, ret_call, err);
}

/*
 * RFC 7578. A boundary of 128 random bits does not occur in the content; the file's name is escaped
 * like a part of a URL, which leaves names of resources as they are and lets nothing end its
 * quotes.
 */
static int put_form(struct upstream_call *call, const char *file, struct slice bytes,
		    struct err *err)
{
	CLEANUP(buf_fini) struct buf boundary = BUF_INIT(64);
	uint8_t random[BOUNDARY];
	int r = cipher_random(random, sizeof(random), err);

	if (r < 0)
		return r;
	buf_put_str(&boundary, "holdfast-");
	hex_encode(&boundary, slice_of(random, sizeof(random)));
	buf_put_str(&call->body, "--");
	buf_put(&call->body, buf_slice(&boundary));
	buf_put_str(&call->body, "\r\nContent-Disposition: form-data; name=\"data\"; filename=\"");
	r = fetch_escape(slice_str(file), false, &call->body, err);
	if (r < 0)
		return r;
	buf_put_str(&call->body, "\"\r\nContent-Type: application/octet-stream\r\n\r\n");
	buf_put(&call->body, bytes);
	buf_put_str(&call->body, "\r\n--");
	buf_put(&call->body, buf_slice(&boundary));
	buf_put_str(&call->body, "--\r\n");
	buf_put_str(&call->type, "multipart/form-data; boundary=");
	buf_put(&call->type, buf_slice(&boundary));
	buf_put_u8(&call->type, '\0');
	return buf_ok(&boundary) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int upstream_put(struct upstream *upstream, const struct upstream_gift *gift, upstream_fn done,
		 void *arg, struct upstream_call **ret_call, struct err *err)
{
	static const struct kind kind = {
		.what = "upload",
		.max = ANSWER_MAX,
		.refused = FAULT_NOT_LOGGED_IN,
		.missing = ERR_NOT_FOUND,
	};
	CLEANUP(call_cleanup) struct upstream_call *call = NULL;
	int r = call_new(upstream, &kind, "/resources", &call, err);

	if (r == 0)
		r = put_folder(call, gift->folder, err);
	if (r == 0)
		r = put_form(call, gift->file, gift->bytes, err);
	if (r == 0)
		r = set_token(call, gift->token, err);
	return r < 0 ? r : call_begin(&call, done, arg, ret_call, err);
}

/* --- version 2 --- */

/* "/<folder>/<name>/<what>", behind the path of artifacts. */
static int put_artifact(struct upstream_call *call, const struct resource *resource,
			const char *what, struct err *err)
{
	int r = put_folder(call, resource->folder, err);

	if (r == 0)
		r = put_folder(call, resource->name, err);
	buf_put_str(&call->url, what);
	return r;
}

int upstream_manifest(struct upstream *upstream, const struct secret *token,
		      const struct resource *resource, upstream_fn done, void *arg,
		      struct upstream_call **ret_call, struct err *err)
{
	static const struct kind kind = {
		.what = "manifest",
		.max = CMS_WHOLE_MAX,
		.refused = FAULT_NOT_LOGGED_IN,
		.missing = ERR_NOT_FOUND,
		.read = take_some,
	};
	CLEANUP(call_cleanup) struct upstream_call *call = NULL;
	int r = call_new(upstream, &kind, "/v2/artifacts", &call, err);

	if (r < 0)
		return r;
	call->method = FETCH_GET;
	r = put_artifact(call, resource, "/manifest", err);
	if (r == 0)
		r = set_token(call, token, err);
	return r < 0 ? r : call_begin(&call, done, arg, ret_call, err);
}

int upstream_device(struct upstream *upstream, const struct secret *token, struct slice device,
		    upstream_fn done, void *arg, struct upstream_call **ret_call, struct err *err)
{
	static const struct kind kind = {
		.what = "device session",
		.max = ANSWER_MAX,
		.refused = FAULT_NOT_LOGGED_IN,
		.forbidden = ERR_FORBIDDEN,
		.missing = FAULT_UPSTREAM,
		.read = take_some,
	};
	CLEANUP(call_cleanup) struct upstream_call *call = NULL;
	int r = call_new(upstream, &kind, "/v2/devices/session", &call, err);

	if (r < 0)
		return r;
	call->body.max = JSON_BODY_MAX;
	buf_put(&call->body, device);
	buf_put_str(&call->type, JSON_TYPE);
	buf_put_u8(&call->type, '\0');
	r = set_token(call, token, err);
	return r < 0 ? r : call_begin(&call, done, arg, ret_call, err);
}

int upstream_key(struct upstream *upstream, const struct upstream_key_wish *wish, upstream_fn done,
		 void *arg, struct upstream_call **ret_call, struct err *err)
{
	static const struct kind kind = {
		.what = "device key",
		.max = ANSWER_MAX,
		.refused = FAULT_NOT_LOGGED_IN,
		.missing = FAULT_NO_KEY,
		.ended = UPSTREAM_NO_DEVICE,
		.read = take_line,
	};
	CLEANUP(call_cleanup) struct upstream_call *call = NULL;
	int r = call_new(upstream, &kind, "/v2/artifacts", &call, err);

	if (r < 0)
		return r;
	call->method = FETCH_GET;
	r = put_artifact(call, &wish->resource, "/key?manifest=", err);
	if (r == 0)
		r = fetch_escape(slice_str(wish->manifest), false, &call->url, err);
	buf_put(&call->device, secret_slice(wish->device));
	buf_put_u8(&call->device, '\0');
	if (r == 0)
		r = set_token(call, wish->token, err);
	return r < 0 ? r : call_begin(&call, done, arg, ret_call, err);
}
