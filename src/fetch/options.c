/* SPDX-License-Identifier: Apache-2.0 */
/* How libcurl is told what to do, anew for each hop: an option that was left over would be a trap.
 */
#include "fetch/impl.h"

#define PIECE_MAX (128u * 1024u)
#define PIECE_MIN 1024u

static const struct {
	CURLoption option;
	long value;
} FIXED[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_NOPROGRESS, 0},
	{CURLOPT_PATH_AS_IS, 1},
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
	{CURLOPT_HTTP09_ALLOWED, 0},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
	{CURLOPT_HEADEROPT, CURLHEADER_SEPARATE}, /* ours are not for a proxy */
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_PROXY_SSL_VERIFYPEER, 1},
	{CURLOPT_PROXY_SSL_VERIFYHOST, 2},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name that is still looked up would else be waited for when its transfer is cancelled.
	 */
	{CURLOPT_QUICK_EXIT, 1},
#endif
};

static CURLcode set_fixed(CURL *easy)
{
	CURLcode code = CURLE_OK;
	size_t i;

	for (i = 0; i < ARRAY_LEN(FIXED) && code == CURLE_OK; i++)
		code = curl_easy_setopt(easy, FIXED[i].option, FIXED[i].value);
	return code;
}

static CURLcode set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static CURLcode set_text(CURL *easy, CURLoption option, const char *text)
{
	return text ? curl_easy_setopt(easy, option, text) : CURLE_OK;
}

/* The environment may name a proxy for https, through which TLS passes whole; for nothing else. */
static CURLcode set_way(const struct fetch_transfer *transfer)
{
	CURL *easy = transfer->easy;
	CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, transfer->url);

	if (code == CURLE_OK)
		code = set_text(easy, CURLOPT_UNIX_SOCKET_PATH, transfer->socket);
	if (code == CURLE_OK && (transfer->socket || !transfer->now.secure))
		code = curl_easy_setopt(easy, CURLOPT_PROXY, "");
	return code;
}

/* In the place of the system's: libcurl would else look into the system's folder as well. */
static CURLcode set_trust(const struct fetch_transfer *transfer)
{
	const struct fetch *fetch = transfer->fetch;
	CURLcode code = CURLE_OK;

	if (fetch->ca_file)
		code = curl_easy_setopt(transfer->easy, CURLOPT_CAINFO, fetch->ca_file);
	if (fetch->ca_file && code == CURLE_OK)
		code = curl_easy_setopt(transfer->easy, CURLOPT_CAPATH, NULL);
	/* The client's key is a credential as any other. */
	if (code == CURLE_OK && transfer->now.secure &&
	    url_same_origin(&transfer->first, &transfer->now))
		code = key_set(fetch, transfer->easy);
	return code;
}

/* A small rate wants small pieces, or each would be a debt of many seconds. */
static long piece_size(const struct fetch_transfer *transfer)
{
	uint64_t rate = transfer->paced ? transfer->fetch->pace.rate : 0;

	if (rate == 0 || rate / 8 > PIECE_MAX)
		return PIECE_MAX;
	return rate / 8 > PIECE_MIN ? (long)(rate / 8) : (long)PIECE_MIN;
}

static CURLcode set_body(const struct fetch_transfer *transfer)
{
	curl_off_t length = (curl_off_t)transfer->body_length;
	CURL *easy = transfer->easy;
	CURLcode code;

	switch (transfer->method) {
	case FETCH_HEAD:
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	case FETCH_DELETE:
		return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
	case FETCH_POST:
		code = curl_easy_setopt(easy, CURLOPT_POST, 1L);
		if (code == CURLE_OK)
			code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, length);
		return code;
	case FETCH_PUT:
		code = curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		if (code == CURLE_OK)
			code = curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, length);
		return code;
	default:
		return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
}

static CURLcode set_options(struct fetch_transfer *transfer)
{
	CURL *easy = transfer->easy;
	CURLcode codes[] = {
		set_fixed(easy),
		set_protocols(easy),
		set_way(transfer),
		set_trust(transfer),
		set_body(transfer),
		set_text(easy, CURLOPT_USERAGENT, transfer->fetch->agent),
		transfer_set_callbacks(transfer),
		curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer),
		curl_easy_setopt(easy, CURLOPT_SHARE, transfer->fetch->share),
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->why),
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer_lines(transfer)),
		curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
				 (long)(transfer->connect_us / 1000)),
		curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, piece_size(transfer)),
		/* What cannot be sent twice is not sent on a connection that may be gone. */
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, transfer->pulled ? 1L : 0L),
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i] != CURLE_OK)
			return codes[i];
	return CURLE_OK;
}

int transfer_prepare(struct fetch_transfer *transfer, struct err *err)
{
	CURLcode code;

	curl_easy_reset(transfer->easy);
	code = set_options(transfer);
	if (code != CURLE_OK)
		return err_set(err, ERR_INTERNAL, "libcurl refuses a request: %s",
			       curl_easy_strerror(code));
	transfer->head = (struct head){.size = 0};
	transfer->follows = transfer->connected = transfer->denied = false;
	transfer->sent = transfer->got = 0;
	transfer->moved = 0;
	transfer->why[0] = '\0';
	return 0;
}
