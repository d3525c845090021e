/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_SIGV4_H
#define FETCH_SIGV4_H

/*
 * Sigv4: requests to S3 and its likes, signed by "AWS Signature Version 4" in headers. Pure; the
 * time is the caller's. The path in the signature is the path as it is sent, escaped once, as S3
 * wants it. Requests have no query: nothing but whole objects is asked for.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

/* Borrowed. */
struct sigv4_who {
	const char *region;
	const char *access_key;
	const struct secret *secret_key;
};

struct sigv4_request {
	const char *method; /* "GET" */
	const char *host; /* as the Host header has it, with a port that is not the scheme's own */
	const char *path; /* escaped, begins with '/' */
	const uint8_t *body_sha256; /* 32 bytes; NULL: UNSIGNED-PAYLOAD */
	int64_t at;		    /* seconds since 1970 */
};

#define SIGV4_DATE_MAX 17u /* "20130524T000000Z" */
#define SIGV4_HASH_MAX 65u

/* The headers to add: x-amz-date, x-amz-content-sha256, authorization. */
struct sigv4_headers {
	char date[SIGV4_DATE_MAX];
	char content[SIGV4_HASH_MAX];
	struct buf authorization; /* text with a NUL; the caller inits and frees it */
};

/*
 * ERR_INVALID: a text that cannot be in a header, or a path that is not escaped as fetch_escape()
 * does it. On failure *ret_headers is untouched.
 */
int sigv4_sign(const struct sigv4_who *who, const struct sigv4_request *request,
	       struct sigv4_headers *ret_headers, struct err *err) MUST_CHECK;

#endif
