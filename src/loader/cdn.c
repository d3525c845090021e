/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the CDN is and who may ask it: an address for all (cdn_url), an S3 server of the
 * configuration, or the one that cdn.yaml names. The first that is there is it.
 */
#include "loader/session_impl.h"

#include <time.h>

#include "crypto/hash.h"
#include "fetch/sigv4.h"
#include "loader/fault.h"

#define DEFAULT_REGION "us-east-1"

/* --- cdn.yaml --- */

bool cdn_unknown(const struct loader_config *config)
{
	return !config->cdn_url && !config->s3_endpoint;
}

void cdn_fini(struct loader_cdn *cdn)
{
	buf_fini(&cdn->endpoint);
	buf_fini(&cdn->reader_key);
	buf_fini(&cdn->writer_key);
	secret_free(cdn->reader_secret);
	secret_free(cdn->writer_secret);
	*cdn = (struct loader_cdn){0};
}

/* The text, or NULL when it is empty or none. */
static const char *text_of(const struct buf *buf)
{
	if (buf->len < 2 || buf->data[buf->len - 1] != '\0' ||
	    strlen((const char *)buf->data) != buf->len - 1)
		return NULL;
	return (const char *)buf->data;
}

/* A host alone means https; else the scheme is the file's, and has to be one that is allowed. */
static int check_endpoint(const struct loader_config *config, struct loader_cdn *cdn,
			  struct err *err)
{
	CLEANUP(buf_fini) struct buf url = BUF_INIT(FETCH_URL_MAX / 2);
	const char *text = text_of(&cdn->endpoint);
	int r;

	if (!text)
		return err_set(err, FAULT_UPSTREAM, "it names no host");
	buf_put_str(&url, strstr(text, "://") ? "" : "https://");
	buf_put_str(&url, text);
	buf_put_u8(&url, '\0');
	if (!buf_ok(&url))
		return err_set(err, FAULT_UPSTREAM, "the host that it names is too long");
	r = fetch_check_url((const char *)url.data, config->dev, err);
	if (r < 0 || strchr((const char *)url.data, '?'))
		return err_set(err, FAULT_UPSTREAM, "the host that it names cannot be used");
	buf_fini(&cdn->endpoint);
	cdn->endpoint = url;
	url = (struct buf){0};
	return 0;
}

int cdn_learn(const struct loader_config *config, struct slice yaml, struct who *who,
	      struct err *err)
{
	struct loader_cdn cdn = {
		.endpoint = BUF_INIT(FETCH_URL_MAX),
		.reader_key = BUF_INIT(FETCH_URL_MAX),
		.writer_key = BUF_INIT(FETCH_URL_MAX),
	};
	int r;

	if (!config->parse_cdn)
		return err_set(err, ERR_INVALID, "nothing says where the CDN is");
	r = config->parse_cdn(config->parse_arg, yaml, &cdn, err);
	if (r < 0 && r != ERR_INTERNAL)
		r = err->code = FAULT_UPSTREAM;
	if (r == 0)
		r = check_endpoint(config, &cdn, err);
	if (r < 0) {
		cdn_fini(&cdn);
		return r;
	}
	cdn_fini(&who->cdn);
	who->cdn = cdn;
	return 0;
}

/* --- requests --- */

/* An S3 server, with the keys for this method. */
struct s3 {
	const char *endpoint;
	const char *key;
	const struct secret *secret;
};

static const char *const method_names[FETCH_METHODS] = {
	[FETCH_GET] = "GET", [FETCH_HEAD] = "HEAD",	[FETCH_POST] = "POST",
	[FETCH_PUT] = "PUT", [FETCH_DELETE] = "DELETE",
};

static bool only_reads(enum fetch_method method)
{
	return method == FETCH_GET || method == FETCH_HEAD;
}

static int s3_of(const struct session *session, bool reads, struct s3 *ret_s3, struct err *err)
{
	const struct loader_config *config = session->config;
	const struct loader_cdn *cdn = session->who ? &session->who->cdn : NULL;
	struct s3 s3 = {
		.endpoint = config->s3_endpoint,
		.key = reads ? config->reader_key : config->writer_key,
		.secret = reads ? config->reader_secret : config->writer_secret,
	};

	if (!s3.endpoint && cdn) {
		s3.endpoint = text_of(&cdn->endpoint);
		s3.key = text_of(reads ? &cdn->reader_key : &cdn->writer_key);
		s3.secret = reads ? cdn->reader_secret : cdn->writer_secret;
	}
	if (!s3.endpoint)
		return err_set(err, FAULT_NOT_LOGGED_IN,
			       "nobody is logged in, and only a login tells where the CDN is");
	if (!s3.key || !s3.secret) {
		s3.key = NULL;
		if (!reads)
			return err_set(err, ERR_NOT_SUPPORTED,
				       "there is no key for writing at the CDN");
	}
	*ret_s3 = s3;
	return 0;
}

/* "<path>[/<bucket>]/<folder>/<file>" */
static int put_path(const struct loader_config *config, const struct resource *resource,
		    const char *file, struct buf *path, struct err *err)
{
	int r = 0;

	if (!config->cdn_url && config->s3_bucket) {
		buf_put_u8(path, '/');
		r = fetch_escape(slice_str(config->s3_bucket), false, path, err);
	}
	buf_put_u8(path, '/');
	if (r == 0)
		r = fetch_escape(resource->folder, false, path, err);
	buf_put_u8(path, '/');
	if (r == 0)
		r = fetch_escape(slice_str(file), false, path, err);
	return r;
}

static int put_url(const char *base, struct slice path, struct cdn_request *request,
		   struct err *err)
{
	struct slice text = slice_str(base);

	while (text.len > 0 && text.data[text.len - 1] == '/')
		text.len--;
	buf_put(&request->url, text);
	buf_put(&request->url, path);
	buf_put_u8(&request->url, '\0');
	return buf_ok(&request->url) ? 0
				     : err_set(err, ERR_INVALID, "the CDN's address is too long");
}

/* What is signed is what is sent: the path and the host of the URL as fetch reads it. */
static int sign(const struct session *session, const struct s3 *s3, const char *url,
		struct sigv4_request *request, struct sigv4_headers *ret_headers, struct err *err)
{
	CLEANUP(buf_fini) struct buf host = BUF_INIT(FETCH_URL_MAX);
	CLEANUP(buf_fini) struct buf path = BUF_INIT(FETCH_URL_MAX);
	const struct sigv4_who who = {
		.region = session->config->s3_region ? session->config->s3_region : DEFAULT_REGION,
		.access_key = s3->key,
		.secret_key = s3->secret,
	};
	int r = fetch_target(url, &host, &path, err);

	if (r < 0)
		return r;
	buf_put_u8(&host, '\0');
	buf_put_u8(&path, '\0');
	if (!buf_ok(&host) || !buf_ok(&path))
		return err_set(err, ERR_INVALID, "the CDN's address is too long");
	request->host = (const char *)host.data;
	request->path = (const char *)path.data;
	request->at = (int64_t)time(NULL);
	return sigv4_sign(&who, request, ret_headers, err);
}

/* A request without a body has the digest of nothing; a body that nobody has digested has none. */
static int sign_s3(const struct session *session, const struct s3 *s3, const uint8_t *sha256,
		   struct cdn_request *request, struct err *err)
{
	enum fetch_method method = request->request.method;
	uint8_t nothing[HASH_MAX_SIZE];
	struct sigv4_request signing = {
		.method = method_names[method],
		.body_sha256 = sha256,
	};
	int r = 0;

	if (!s3->key)
		return 0;
	if (only_reads(method) || method == FETCH_DELETE) {
		r = hash_digest(HASH_SHA256, NULL, 0, nothing, err);
		signing.body_sha256 = nothing;
	}
	request->signature.authorization = (struct buf)BUF_INIT(FETCH_URL_MAX);
	if (r == 0)
		r = sign(session, s3, (const char *)request->url.data, &signing,
			 &request->signature, err);
	return r;
}

/* Pointers into the request, which therefore stays where it is. */
static void point_headers(struct cdn_request *request)
{
	const struct sigv4_headers *signature = &request->signature;
	const struct fetch_header headers[] = {
		{"x-amz-date", signature->date, true},
		{"x-amz-content-sha256", signature->content, true},
		{"authorization", (const char *)signature->authorization.data, true},
	};

	request->request.url = (const char *)request->url.data;
	request->request.headers = request->headers;
	if (signature->authorization.len == 0)
		return;
	_Static_assert(sizeof(headers) == sizeof(request->headers), "there is room for all");
	memcpy(request->headers, headers, sizeof(headers));
	request->request.header_count = ARRAY_LEN(headers);
}

static int fill_plain(const struct session *session, struct slice path, struct cdn_request *request,
		      struct err *err)
{
	const struct loader_config *config = session->config;

	if (!only_reads(request->request.method) && session->who &&
	    fetch_same_origin(config->cdn_url, config->api_url)) {
		request->request.bearer = session->who->token;
		request->token = session->who->number;
	}
	return put_url(config->cdn_url, path, request, err);
}

static int fill_s3(const struct session *session, struct slice path, const uint8_t *sha256,
		   struct cdn_request *request, struct err *err)
{
	struct s3 s3 = {0};
	int r = s3_of(session, only_reads(request->request.method), &s3, err);

	if (r == 0)
		r = put_url(s3.endpoint, path, request, err);
	return r < 0 ? r : sign_s3(session, &s3, sha256, request, err);
}

int session_cdn(struct session *session, const struct resource *resource, enum resource_part part,
		enum fetch_method method, const uint8_t *sha256, struct cdn_request *ret_request,
		struct err *err)
{
	CLEANUP(buf_fini) struct buf path = BUF_INIT(FETCH_URL_MAX);
	struct cdn_request request = {.request = {.method = method},
				      .url = BUF_INIT(FETCH_URL_MAX)};
	char file[RESOURCE_FILE_MAX + 1];
	int r = resource_check(resource, err);

	if (r == 0)
		r = resource_file(resource->name, part, file, err);
	if (r == 0)
		r = put_path(session->config, resource, file, &path, err);
	if (r < 0)
		return r;
	if (session->config->cdn_url)
		r = fill_plain(session, buf_slice(&path), &request, err);
	else
		r = fill_s3(session, buf_slice(&path), sha256, &request, err);
	if (r < 0) {
		cdn_request_fini(&request);
		return r;
	}
	*ret_request = request;
	point_headers(ret_request);
	return 0;
}

void cdn_request_fini(struct cdn_request *request)
{
	buf_fini(&request->url);
	buf_fini(&request->signature.authorization);
}
