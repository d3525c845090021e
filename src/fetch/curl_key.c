/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's key. A file is libcurl's own business; a key of the service comes in where libcurl
 * has made the OpenSSL context of a new connection, so that each finds the key and the certificate
 * of now. The two must mean the same OpenSSL by that, hence the look at libcurl's flavour.
 *
 * The handshake asks the service for a signature and waits for it, up to the module's timeout:
 * libcurl has no way to come back to it later. A proxy that speaks TLS itself would be offered the
 * same certificate, if it asked.
 */
#include <string.h>

#include "fetch/impl.h"
#include "holdfast/openssl.h"

#define SCHEME "holdfast:"

static void ctx_cleanup(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

static bool is_ours(const char *key)
{
	return key && strncmp(key, SCHEME, strlen(SCHEME)) == 0;
}

/* The first of OpenSSL's errors is the cause; the queue is empty afterwards. */
static int fail(struct err *err, const char *what)
{
	const char *data = NULL;
	int flags = 0;
	unsigned long code = ERR_peek_last_error_data(&data, &flags);
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (!(flags & ERR_TXT_STRING) || !data)
		data = "";
	(void)err_set(err, ERR_INVALID, "%s: %s%s%.100s", what, reason ? reason : "no reason given",
		      *data ? ": " : "", data);
	ERR_clear_error();
	return err_add_origin(err, ERR_ORIGIN_OPENSSL, code);
}

/* "OpenSSL/3.0.11", perhaps with others behind it. */
bool key_flavour(const char *ssl_version)
{
	static const char name[] = "OpenSSL/";

	return ssl_version && strncmp(ssl_version, name, sizeof(name) - 1) == 0 &&
	       ssl_version[sizeof(name) - 1] >= '3' && ssl_version[sizeof(name) - 1] <= '9' &&
	       ssl_version[sizeof(name)] == '.';
}

static int check_flavour(struct err *err)
{
	const char *version = curl_version_info(CURLVERSION_NOW)->ssl_version;

	if (key_flavour(version))
		return 0;
	(void)err_set(err, ERR_NOT_SUPPORTED, "libcurl here does TLS by %s, and not by OpenSSL 3",
		      version ? version : "nothing");
	return err_add_remedy(err, "Install the OpenSSL flavour of libcurl (Debian: libcurl4).");
}

static int check_key(const struct fetch_config *config, SSL_CTX *ctx, struct err *err)
{
	const char *cert = config->client_cert;

	if (!config->client_key)
		return cert ? err_set(err, ERR_INVALID, "client_cert is given without client_key")
			    : 0;
	if (!cert && !is_ours(config->client_key))
		cert = config->client_key;
	if (cert && SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return fail(err, "client_cert");
	/* The service may not run yet: what it has is asked at each connection. */
	if (is_ours(config->client_key))
		return hf_ssl_load() < 0 ? fail(err, "the OpenSSL module of Holdfast") : 0;
	if (SSL_CTX_use_PrivateKey_file(ctx, config->client_key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return fail(err, "client_key");
	return 0;
}

int key_check(const struct fetch_config *config, struct err *err)
{
	CLEANUP(ctx_cleanup) SSL_CTX *ctx = NULL;
	int r = check_flavour(err);

	if (r < 0)
		return r;
	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		return fail(err, "TLS cannot be set up");
	if (config->ca_file && SSL_CTX_load_verify_file(ctx, config->ca_file) != 1)
		return fail(err, "ca_file");
	return check_key(config, ctx, err);
}

static CURLcode on_context(CURL *easy, void *context, void *arg)
{
	const struct fetch *fetch = arg;
	struct fetch_transfer *transfer = NULL;
	SSL_CTX *ctx = context;
	struct err err;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
	ERR_clear_error();
	if ((!fetch->client_cert ||
	     SSL_CTX_use_certificate_chain_file(ctx, fetch->client_cert) == 1) &&
	    hf_ssl_use(ctx, fetch->client_key) == 0)
		return CURLE_OK;
	(void)fail(&err, "the client's key");
	if (transfer)
		transfer_fail(transfer, FETCH_UNREACHABLE, &err);
	return CURLE_SSL_CERTPROBLEM;
}

CURLcode key_set(const struct fetch *fetch, CURL *easy)
{
	const char *cert = fetch->client_cert ? fetch->client_cert : fetch->client_key;
	CURLcode code;

	if (!fetch->client_key)
		return CURLE_OK;
	/* A session that is taken up again would be the old certificate's. */
	code = curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (code == CURLE_OK && is_ours(fetch->client_key)) {
		code = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
		if (code == CURLE_OK)
			code = curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, fetch);
		return code;
	}
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_SSLCERT, cert);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_SSLKEY, fetch->client_key);
	return code;
}
