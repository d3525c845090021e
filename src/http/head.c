/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request judged by its header alone, before a byte of its body is kept. The order is that of
 * the trust it needs: is the message framed in one way only, does the path exist, may this peer
 * use it, does the body fit. The library takes two Content-Lengths and a Content-Length beside a
 * Transfer-Encoding, where a proxy in front might see other boundaries than we do: refused here.
 * It is run in its lenient mode, as its own strict refusals send their header twice; a missing
 * Host or a space in the URL is found here instead.
 */
#include <inttypes.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/impl.h"

enum field { LENGTH, ENCODING, TYPE, HOST, UPGRADE, CODING, IF_MATCH, IF_NONE_MATCH, FIELDS };

static const char *const FIELD_NAMES[FIELDS] = {
	[LENGTH] = MHD_HTTP_HEADER_CONTENT_LENGTH, [ENCODING] = MHD_HTTP_HEADER_TRANSFER_ENCODING,
	[TYPE] = MHD_HTTP_HEADER_CONTENT_TYPE,	   [HOST] = MHD_HTTP_HEADER_HOST,
	[UPGRADE] = MHD_HTTP_HEADER_UPGRADE,	   [CODING] = MHD_HTTP_HEADER_CONTENT_ENCODING,
	[IF_MATCH] = MHD_HTTP_HEADER_IF_MATCH,	   [IF_NONE_MATCH] = MHD_HTTP_HEADER_IF_NONE_MATCH,
};

struct head {
	struct {
		const char *value;
		unsigned count;
	} fields[FIELDS];
	bool bad_name;
};

bool http_is_token(struct slice text)
{
	static const char TOKEN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789!#$%&'*+-.^_`|~";
	size_t i;

	for (i = 0; i < text.len; i++)
		if (text.data[i] == '\0' || !strchr(TOKEN, text.data[i]))
			return false;
	return text.len > 0;
}

static enum MHD_Result see_header(void *cls, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	struct head *head = cls;
	size_t i;

	(void)kind;
	head->bad_name = head->bad_name || !http_is_token(slice_str(name));
	for (i = 0; i < FIELDS; i++) {
		if (strcasecmp(name, FIELD_NAMES[i]) != 0)
			continue;
		head->fields[i].value = value ? value : "";
		head->fields[i].count++;
	}
	return MHD_YES;
}

static int check_size(struct MHD_Connection *mhd, struct err *err)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (!info || info->header_size > HTTP_HEADER_MAX)
		return err_set(err, ERR_TOO_LARGE, "the header is longer than %u bytes",
			       HTTP_HEADER_MAX);
	return 0;
}

static int check_framing(const struct head *head, const char *version, struct err *err)
{
	size_t i;

	if (head->bad_name)
		return err_set(err, ERR_INVALID, "a header has a malformed name");
	for (i = 0; i < FIELDS; i++)
		if (head->fields[i].count > 1)
			return err_set(err, ERR_INVALID, "the header %s is given twice",
				       FIELD_NAMES[i]);
	if (strcmp(version, MHD_HTTP_VERSION_1_1) == 0 && head->fields[HOST].count == 0)
		return err_set(err, ERR_INVALID, "the header Host is missing");
	if (head->fields[UPGRADE].count > 0)
		return err_set(err, ERR_INVALID, "no upgrade of the protocol is offered");
	if (head->fields[ENCODING].count == 0)
		return 0;
	if (head->fields[LENGTH].count > 0)
		return err_set(err, ERR_INVALID,
			       "Content-Length and Transfer-Encoding exclude each other");
	if (strcasecmp(head->fields[ENCODING].value, "chunked") != 0)
		return err_set(err, ERR_INVALID, "the only Transfer-Encoding taken is chunked");
	return 0;
}

/* What would change the meaning of the request if it were understood must not be passed over. */
static int check_meaning(const struct head *head, struct err *err)
{
	const char *none_match = head->fields[IF_NONE_MATCH].value;

	if (head->fields[CODING].count > 0)
		return err_set(err, ERR_INVALID, "Content-Encoding: no coding is known here");
	if (head->fields[IF_MATCH].count > 0)
		return err_set(err, ERR_INVALID, "If-Match: there are no entity tags here");
	if (none_match && strcmp(none_match, "*") != 0)
		return err_set(err, ERR_INVALID, "If-None-Match: only * is known here");
	return 0;
}

/* --- the query --- */

struct query_read {
	struct http_request *request;
	int code;
	struct err *err;
};

static int unescape_copy(const char *raw, char **ret_text, struct err *err)
{
	CLEANUP(mem_free_cleanup) char *text = strdup(raw);
	int r;

	if (!text)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = http_unescape(slice_str(text), text, strlen(text) + 1, err);
	if (r < 0)
		return r;
	*ret_text = TAKE(text);
	return 0;
}

static int add_query(struct http_request *request, const char *name, const char *value,
		     struct err *err)
{
	struct http_pair *pair = &request->query[request->query_count];
	int r;

	if (request->query_count == HTTP_QUERY_MAX)
		return err_set(err, ERR_INVALID, "the query has more than %u parameters",
			       HTTP_QUERY_MAX);
	r = unescape_copy(name, &pair->name, err);
	if (r < 0)
		return r;
	/* Counted in already: the request owns what there is of the pair. */
	request->query_count++;
	r = unescape_copy(value ? value : "", &pair->value, err);
	if (r < 0)
		return r;
	if (http_request_query(request, pair->name) != pair->value)
		return err_set(err, ERR_INVALID, "a parameter of the query is given twice");
	return 0;
}

static enum MHD_Result see_query(void *cls, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct query_read *read = cls;

	(void)kind;
	read->code = add_query(read->request, name, value, read->err);
	return read->code < 0 ? MHD_NO : MHD_YES;
}

static int read_query(struct http_request *request, struct err *err)
{
	struct query_read read = {.request = request, .err = err};

	(void)MHD_get_connection_values(request->conn->mhd, MHD_GET_ARGUMENT_KIND, see_query,
					&read);
	return read.code;
}

/* --- the body to come --- */

static int check_type(struct http_request *request, const struct head *head, struct err *err)
{
	static const char *const OTHERS[] = {
		[HTTP_BODY_JSON] = NULL,
		[HTTP_BODY_OCTETS_OR_JSON] = "application/octet-stream",
		[HTTP_BODY_STREAM_OR_JSON] = "application/octet-stream",
		[HTTP_BODY_FORM] = "multipart/form-data",
	};
	const char *type = head->fields[TYPE].value;
	enum http_body body = request->route->body;
	const char *other;

	if (body == HTTP_BODY_STREAM)
		return 0;
	other = OTHERS[body];
	request->json =
		body != HTTP_BODY_FORM && (!type || http_media_is(type, "application/json"));
	if (request->json || (other && type && http_media_is(type, other)))
		return 0;
	if (body == HTTP_BODY_FORM)
		return err_set(err, ERR_INVALID, "Content-Type must be %s", other);
	return err_set(err, ERR_INVALID, "Content-Type must be application/json%s%s",
		       other ? " or " : "", other ? other : "");
}

/* How much of the body is kept in memory, and what becomes of the rest. */
static void plan_body(struct http_request *request, const char *length, uint64_t announced)
{
	const struct http_route *route = request->route;
	bool always = route->body > HTTP_BODY_STREAM_OR_JSON;
	bool may = route->body == HTTP_BODY_STREAM_OR_JSON;

	if (request->json) {
		request->body.max =
			route->json_max ? route->json_max : request->conn->http->limits.json_max;
		return;
	}
	request->body.max = route->octets_max;
	request->may_stream = may && !length;
	request->in.on = always || (may && announced > route->octets_max);
	request->in.length = request->in.on ? announced : 0;
	if (request->may_stream || request->in.on)
		request->body.max = HTTP_STREAM_BUFFER;
}

static int check_body(struct http_request *request, const struct head *head, struct err *err)
{
	const char *length = head->fields[LENGTH].value;
	uint64_t announced = length ? strtoull(length, NULL, 10) : 0;
	uint64_t max;
	int r;

	if (request->route->body == HTTP_BODY_NONE) {
		if (request->body_due)
			return err_set(err, ERR_INVALID, "this path takes no body");
		return 0;
	}
	r = check_type(request, head, err);
	if (r < 0)
		return r;
	plan_body(request, length, announced);
	request->announced = request->in.on ? 0 : (size_t)announced;
	max = request->in.on ? request->route->stream_max : request->body.max;
	/* The library has checked that it is a number; an overflow saturates. */
	if (announced > max)
		return err_set(err, ERR_TOO_LARGE, "the body is longer than %" PRIu64 " bytes",
			       max);
	return 0;
}

/* Its client sends it without waiting for a word of ours, and waiting for its end costs little. */
static bool is_read_anyway(const struct http_request *request, const struct head *head)
{
	const char *length = head->fields[LENGTH].value;

	return request->conn->tcp && length && strtoull(length, NULL, 10) <= HTTP_SURPLUS_MAX &&
	       !http_request_header(request, MHD_HTTP_HEADER_EXPECT);
}

static int find_route(struct http_request *request, const struct http_step *step, struct err *err)
{
	const struct http *http = request->conn->http;
	int r = http_path_parse(step->url, &request->path, err);

	if (r < 0)
		return r;
	return http_route_find(http->routes, http->route_count, http_method_of(step->method),
			       &request->path, &request->route, &request->allowed, err);
}

static int greet(const struct http_request *request, struct err *err)
{
	const struct http *http = request->conn->http;

	if (!http->ops.greet)
		return 0;
	return http->ops.greet(http->app, request->conn->peer, request, err);
}

static int admit(struct http_request *request, struct err *err)
{
	const struct http *http = request->conn->http;
	int r = http->ops.admit(http->app, request->conn->peer, request->route, err);

	request->admitted = r == 0;
	return r;
}

int http_head_read(struct http_request *request, const struct http_step *step, struct err *err)
{
	struct head head = {.bad_name = false};
	struct MHD_Connection *mhd = request->conn->mhd;
	const char *length;
	int r;

	(void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, see_header, &head);
	length = head.fields[LENGTH].value;
	request->body_due =
		head.fields[ENCODING].count > 0 || (length && strtoull(length, NULL, 10) > 0);
	r = check_size(mhd, err);
	if (r == 0)
		r = check_framing(&head, step->version, err);
	/* Where such a request ends is in doubt: answered at once, which closes the connection. */
	request->body_due = request->body_due || r < 0;
	request->body_is_read = r == 0 && is_read_anyway(request, &head);
	if (r == 0)
		r = greet(request, err);
	if (r == 0)
		r = find_route(request, step, err);
	if (r == 0)
		r = admit(request, err);
	if (r == 0)
		r = check_meaning(&head, err);
	if (r == 0)
		r = read_query(request, err);
	if (r == 0)
		r = check_body(request, &head, err);
	return r;
}
