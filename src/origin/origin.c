/* SPDX-License-Identifier: Apache-2.0 */
/* The routes, and what holds for all of them: tokens, errors, limits. */

#include "origin/origin.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/json.h"
#include "crypto/cipher.h"
#include "origin/challenge.h"
#include "origin/impl.h"
#include "origin/token.h"

#define JSON_MAX  16384u
#define REQUEST_S 30u
#define IDLE_S	  60u
#define ANSWER_S  60u
#define NOTE_MAX  512u

/* stream_max of what is UPLOAD is the configuration's. */
#define UPLOAD	 UINT64_MAX
#define FORM_MAX ((uint64_t)ORIGIN_SMALL_MAX + 16384u) /* with what is around the file */

static const struct http_route ROUTES[] = {
	{HTTP_POST, "/login", 0, HTTP_BODY_JSON, 0, api_login, 0, 0},
	{HTTP_POST, "/resources/get/{folder}", 0, HTTP_BODY_JSON, 0, api_get, 0, 0},
	{HTTP_POST, "/resources/get", 0, HTTP_BODY_JSON, 0, api_get_settings, 0, 0},
	{HTTP_POST, "/resources/check", 0, HTTP_BODY_JSON, 0, api_check, 0, 0},
	{HTTP_GET, "/resources/list/{folder}", 0, HTTP_BODY_NONE, 0, api_list, 0, 0},
	{HTTP_POST, "/resources/{folder}", 0, HTTP_BODY_FORM, 0, upload_small, FORM_MAX, 0},
	{HTTP_GET, "/binary-split/key-fragment", 0, HTTP_BODY_NONE, 0, api_fragment, 0, 0},
	{HTTP_GET, "/cdn/{folder}/{file}", 0, HTTP_BODY_NONE, 0, cdn_get, 0, 0},
	{HTTP_HEAD, "/cdn/{folder}/{file}", 0, HTTP_BODY_NONE, 0, cdn_get, 0, 0},
	{HTTP_PUT, "/cdn/{folder}/{file}", 0, HTTP_BODY_STREAM, 0, cdn_put, UPLOAD, 0},
	{HTTP_GET, "/v2/artifacts/{folder}/{name}/manifest", 0, HTTP_BODY_NONE, 0, v2_manifest, 0,
	 0},
	{HTTP_POST, "/v2/devices/session", 0, HTTP_BODY_JSON, 0, v2_session, 0, CHALLENGE_JSON_MAX},
	{HTTP_GET, "/v2/artifacts/{folder}/{name}/key", 0, HTTP_BODY_NONE, 0, v2_key, 0, 0},
	{HTTP_GET, "/health", 0, HTTP_BODY_NONE, 0, api_health, 0, 0},
};
_Static_assert(ARRAY_LEN(ROUTES) <= ORIGIN_ROUTES, "there is room for all of them");

void origin_note(const struct origin *origin, const char *format, ...)
{
	char text[NOTE_MAX];
	va_list args;

	if (!origin->config.note)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	origin->config.note(origin->config.note_arg, text);
}

/* --- for all requests --- */

/* Whose connection it is: told when it is closed. */
struct peer {
	void (*closed)(void *arg);
	void *arg;
};

static int admit(void *app, void *peer, const struct http_route *route, struct err *err)
{
	(void)app;
	(void)peer;
	(void)route;
	(void)err;
	return 0;
}

static void finished(void *app, void *peer, const struct http_route *route)
{
	(void)app;
	(void)peer;
	(void)route;
}

static void connection_closed(void *app, void *arg)
{
	struct peer *peer = arg;

	(void)app;
	peer->closed(peer->arg);
	free(peer);
}

static const char *tell(void *app, const struct http_request *request, const struct err *err,
			unsigned *status, struct buf *body)
{
	(void)app;
	(void)request;
	if (err->code == ERR_AUTH_FAILED)
		*status = 401;
	buf_put_str(body, "{\"detail\":");
	json_put_string(body, err->text);
	buf_put_u8(body, '}');
	return "application/json";
}

static const struct http_ops OPS = {
	.admit = admit,
	.finished = finished,
	.closed = connection_closed,
	.tell = tell,
};

bool origin_authorise(struct origin *origin, struct http_request *request, unsigned *ret_id)
{
	static const char SCHEME[] = "Bearer ";
	const char *value = http_request_header(request, "Authorization");
	struct slice token = slice_of(NULL, 0);
	struct err err = {0};
	int r;

	if (value && strncasecmp(value, SCHEME, sizeof(SCHEME) - 1) == 0)
		token = slice_str(value + sizeof(SCHEME) - 1);
	r = token_check(origin->key, token, (int64_t)time(NULL), ret_id, &err);
	if (r == 0 && users_email(origin->users, *ret_id))
		return true;
	if (r == 0)
		(void)err_set(&err, ERR_AUTH_FAILED, "the token is nobody's");
	if (err.code == ERR_AUTH_FAILED)
		http_request_add_header(request, "WWW-Authenticate", "Bearer");
	http_answer_error(request, &err);
	return false;
}

/* --- life --- */

static int start(struct origin *origin, struct err *err)
{
	const struct http_limits limits = {
		.json_max = JSON_MAX,
		.request_s = REQUEST_S,
		.idle_s = IDLE_S,
		.answer_s = ANSWER_S,
		.connections = origin->config.connections,
	};

	for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++) {
		origin->routes[i] = ROUTES[i];
		if (ROUTES[i].stream_max == UPLOAD)
			origin->routes[i].stream_max = origin->config.upload_max;
	}
	return http_new(jobs_loop(origin->jobs), origin->routes, ARRAY_LEN(ROUTES), &limits, &OPS,
			origin, &origin->http, err);
}

int origin_new(struct jobs *jobs, const struct origin_config *config, struct origin **ret_origin,
	       struct err *err)
{
	CLEANUP(origin_cleanup) struct origin *origin = calloc(1, sizeof(*origin));
	int r;

	if (!origin)
		return err_set(err, ERR_INTERNAL, "memory is short");
	origin->jobs = jobs;
	origin->config = *config;
	origin->dir = fcntl(config->dir, F_DUPFD_CLOEXEC, 3);
	if (origin->dir < 0)
		return err_set(err, ERR_INTERNAL, "there is no folder, or no descriptor for it");
	r = secret_new(TOKEN_KEY, &origin->key, err);
	if (r == 0)
		r = cipher_random(secret_data(origin->key), TOKEN_KEY, err);
	if (r == 0)
		r = users_new(config->users, config->user_count, &origin->users, err);
	if (r == 0)
		r = devices_new(&origin->devices, err);
	if (r == 0)
		r = start(origin, err);
	if (r == 0)
		*ret_origin = TAKE(origin);
	return r;
}

void origin_free(struct origin *origin)
{
	if (!origin)
		return;
	http_free(origin->http);
	users_free(origin->users);
	devices_free(origin->devices);
	secret_free(origin->key);
	fd_close_cleanup(&origin->dir);
	free(origin);
}

void origin_take(struct origin *origin, int fd, void (*closed)(void *arg), void *arg)
{
	struct peer *peer = malloc(sizeof(*peer));
	struct err err;

	if (!peer)
		close(fd);
	else
		*peer = (struct peer){.closed = closed, .arg = arg};
	if (peer && http_add(origin->http, fd, peer, &err) == 0)
		return;
	free(peer);
	closed(arg);
}

bool origin_drain(struct origin *origin)
{
	return http_drain(origin->http) == 0;
}
