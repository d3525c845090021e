/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API but for uploads. What it speaks is given: a login that fails is 409 with a number, all
 * else that goes wrong a plain status.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "artifact/v1.h"
#include "base/json.h"
#include "origin/impl.h"
#include "origin/token.h"

#define LIST_MAX (4u * 1024u * 1024u)

enum { UNKNOWN_EMAIL = 10, WRONG_PASSWORD = 30 };

_Static_assert(ORIGIN_SMALL_MAX + 2 * V1_BLOCK <= V1_BYTES_MAX, "it is still taken when sealed");

/* --- what JSON says --- */

static int get_field(const struct json_t *body, const char *name, bool required,
		     struct slice *ret_text, struct err *err)
{
	const char *text = "";
	int r = json_get_string(body, name, required, &text, err);

	if (r < 0)
		return r;
	*ret_text = slice_str(text);
	if (ret_text->len == 0 && required)
		return err_set(err, ERR_INVALID, "/%s: empty", name);
	if (ret_text->len > V1_FIELD_MAX)
		return err_set(err, ERR_INVALID, "/%s: over %u bytes", name, V1_FIELD_MAX);
	return 0;
}

static void answer_object(struct http_request *request, unsigned status, struct json_t *take_json)
{
	CLEANUP(json_cleanup) struct json_t *json = take_json;
	struct err err;

	if (json) {
		http_answer_json(request, status, json);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "memory is short");
	http_answer_error(request, &err);
}

/* A login, or a password beside a token, that was not right. */
static void refuse(struct origin *origin, struct http_request *request, const struct err *err)
{
	int number = err->code == ERR_NOT_FOUND ? UNKNOWN_EMAIL : WRONG_PASSWORD;

	origin_note(origin, "a login was refused: %s", err->text);
	if (err->code == ERR_NOT_FOUND || err->code == ERR_AUTH_FAILED)
		answer_object(request, 409,
			      json_pack("{s:i, s:s}", "ErrorCode", number, "Message", err->text));
	else
		http_answer_error(request, err);
}

/* --- login --- */

static int make_token(const struct origin *origin, unsigned id, struct buf *ret_token,
		      struct err *err)
{
	const struct secret *email = users_email(origin->users, id);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(V1_FIELD_MAX + 1);
	int r;

	buf_put(&text, secret_slice(email));
	buf_put_u8(&text, '\0');
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = token_make(origin->key,
		       &(struct token_user){.id = id, .email = (const char *)text.data},
		       (int64_t)time(NULL), ret_token, err);
	buf_put_u8(ret_token, '\0');
	return r == 0 && !buf_ok(ret_token) ? err_set(err, ERR_INTERNAL, "memory is short") : r;
}

void api_login(struct http_request *request, void *app)
{
	struct origin *origin = app;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	CLEANUP(buf_fini) struct buf token = BUF_INIT(TOKEN_MAX + 1);
	struct slice email, password;
	unsigned id = 0;
	struct err err;

	if (json_parse(http_request_body(request), &body, &err) < 0 ||
	    get_field(body, "email", true, &email, &err) < 0 ||
	    get_field(body, "password", true, &password, &err) < 0) {
		http_answer_error(request, &err);
		return;
	}
	if (users_login(origin->users, email, password, clock_monotonic_us(), &id, &err) < 0) {
		refuse(origin, request, &err);
		return;
	}
	if (make_token(origin, id, &token, &err) < 0) {
		http_answer_error(request, &err);
		return;
	}
	origin_note(origin, "user %u logged in", id + 1);
	answer_object(request, 200, json_pack("{s:s}", "token", (const char *)token.data));
}

/* --- a file for a user --- */

struct get {
	struct op op;
	unsigned user;
	bool in_folder;
	char folder[HTTP_SEGMENT_MAX + 1];
	char *file;
	struct secret *password;
	struct secret *hardware;
	struct buf sealed;
};

static void get_fini(struct op *op)
{
	struct get *get = (struct get *)op;

	free(get->file);
	secret_free(get->password);
	secret_free(get->hardware);
	buf_fini(&get->sealed);
}

/* Reads only what does not change while the origin lives: its folder, its salts, its users. */
static int get_step(void *arg, struct err *err)
{
	struct get *get = arg;
	const struct origin_config *config = &get->op.origin->config;
	const struct v1_user user = {
		.email = secret_slice(users_email(get->op.origin->users, get->user)),
		.password = secret_slice(get->password),
		.hardware = secret_slice(get->hardware),
	};
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(ORIGIN_SMALL_MAX);
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r = v1_key_user(config->formula, &config->salts, &user, &key, err);

	if (r == 0)
		r = folder_read(get->op.origin->dir, get->in_folder ? get->folder : NULL, get->file,
				&plain, err);
	return r < 0 ? r : v1_seal_bytes(key, buf_slice(&plain), &get->sealed, err);
}

static void get_answer(struct op *op)
{
	http_answer_bytes(op_answer(op), 200, "application/octet-stream",
			  buf_slice(&((struct get *)op)->sealed));
}

static int get_read(struct get *get, const struct json_t *body, struct err *err)
{
	struct slice password, hardware, file;
	bool bound = get->op.origin->config.formula == V1_HW;
	const char *folder = get->in_folder ? get->folder : NULL;
	int r = get_field(body, "password", true, &password, err);

	if (r == 0)
		r = get_field(body, "hardware", bound, &hardware, err);
	if (r == 0)
		r = get_field(body, "fileName", true, &file, err);
	if (r == 0)
		r = folder_check_api(folder, (const char *)file.data, err);
	if (r == 0 && bound && hardware.len != V1_KEY_TEXT)
		r = err_set(err, ERR_INVALID, "/hardware: is no hash of hardware");
	if (r == 0)
		r = secret_copy(password, &get->password, err);
	if (r == 0)
		r = secret_copy(bound ? hardware : slice_of(NULL, 0), &get->hardware, err);
	if (r < 0)
		return r;
	get->file = strdup((const char *)file.data);
	return get->file ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static void get_begin(struct get *get)
{
	struct op *op = &get->op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	struct err err;

	if (json_parse(http_request_body(op->request), &body, &err) < 0 ||
	    get_read(get, body, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	if (users_confirm(op->origin->users, get->user, secret_slice(get->password),
			  clock_monotonic_us(), &err) < 0) {
		refuse(op->origin, op_answer(op), &err);
		return;
	}
	op_run(op, get_step, get_answer);
}

/* @folder is NULL for the origin's own. */
static void get_for(struct origin *origin, struct http_request *request, const char *folder)
{
	struct get *get;
	unsigned user;

	if (!origin_authorise(origin, request, &user))
		return;
	get = calloc(1, sizeof(*get));
	if (!op_begin(get ? &get->op : NULL, origin, request, get_fini))
		return;
	get->user = user;
	get->sealed = (struct buf)BUF_INIT(V1_BYTES_MAX);
	get->in_folder = folder != NULL;
	(void)snprintf(get->folder, sizeof(get->folder), "%s", folder ? folder : "");
	op_enter(&get->op);
	get_begin(get);
	op_leave(&get->op);
}

void api_get(struct http_request *request, void *app)
{
	get_for(app, request, http_request_segment(request, 0));
}

void api_get_settings(struct http_request *request, void *app)
{
	get_for(app, request, NULL);
}

/* --- what needs no key --- */

void api_check(struct http_request *request, void *app)
{
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	struct slice hardware;
	struct err err;
	unsigned user;

	if (!origin_authorise(app, request, &user))
		return;
	if (json_parse(http_request_body(request), &body, &err) < 0 ||
	    get_field(body, "hardware", true, &hardware, &err) < 0)
		http_answer_error(request, &err);
	else
		answer_object(request, 200, json_pack("{s:s}", "status", "ok"));
}

void api_health(struct http_request *request, void *app)
{
	(void)app;
	answer_object(request, 200, json_pack("{s:s}", "status", "healthy"));
}

/* One that reads something and gives it away as it is. */
struct look {
	struct op op;
	const char *type;
	char folder[HTTP_SEGMENT_MAX + 1];
	struct buf bytes;
};

static void look_fini(struct op *op)
{
	buf_fini(&((struct look *)op)->bytes);
}

static void look_answer(struct op *op)
{
	struct look *look = (struct look *)op;

	http_answer_bytes(op_answer(op), 200, look->type, buf_slice(&look->bytes));
}

static struct look *look_begin(struct origin *origin, struct http_request *request, size_t max)
{
	struct look *look = calloc(1, sizeof(*look));

	if (!op_begin(look ? &look->op : NULL, origin, request, look_fini))
		return NULL;
	look->bytes = (struct buf)BUF_INIT(max);
	return look;
}

static int fragment_step(void *arg, struct err *err)
{
	struct look *look = arg;

	return folder_read(look->op.origin->dir, NULL, FOLDER_FRAGMENT, &look->bytes, err);
}

void api_fragment(struct http_request *request, void *app)
{
	struct look *look;
	unsigned user;

	if (!origin_authorise(app, request, &user))
		return;
	look = look_begin(app, request, V1_FIELD_MAX);
	if (!look)
		return;
	look->type = "application/octet-stream";
	op_enter(&look->op);
	op_run(&look->op, fragment_step, look_answer);
	op_leave(&look->op);
}

static int list_step(void *arg, struct err *err)
{
	struct look *look = arg;

	return folder_list(look->op.origin->dir, look->folder, &look->bytes, err);
}

void api_list(struct http_request *request, void *app)
{
	const char *folder = http_request_segment(request, 0);
	struct look *look;
	struct err err;
	unsigned user;

	if (!origin_authorise(app, request, &user))
		return;
	if (folder_check(folder, &err) < 0) {
		http_answer_error(request, &err);
		return;
	}
	look = look_begin(app, request, LIST_MAX);
	if (!look)
		return;
	look->type = "application/json";
	(void)snprintf(look->folder, sizeof(look->folder), "%s", folder);
	op_enter(&look->op);
	op_run(&look->op, list_step, look_answer);
	op_leave(&look->op);
}
