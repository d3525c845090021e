/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_SESSION_H
#define LOADER_SESSION_H

/*
 * Session: who is logged in, and what that is good for. Owns email, password, token and the user's
 * key in memory that is wiped. A token that is refused is exchanged, by all who wait for it
 * together. A call whose new token is refused too ends with ERR_FORBIDDEN; the session goes on.
 * Nobody is logged in any more only when the API refuses the credentials.
 */

#include "fetch/sigv4.h"
#include "loader/loader.h"
#include "loader/upstream.h"

struct session;
int session_new(struct jobs *jobs, struct fetch *fetch, const struct loader_config *config,
		struct session **ret_session, struct err *err) MUST_CHECK;
void session_free(struct session *session);
MEM_DEFINE_CLEANUP(session)

/* As loader_login(): fingerprint, POST /login, and cdn.yaml where nothing else says where the CDN
 * is; only then the new login is in force. */
struct session_call;
int session_login(struct session *session, struct slice email, struct slice password,
		  loader_done_fn done, void *arg, struct session_call **ret_call, struct err *err)
	MUST_CHECK;
bool session_active(const struct session *session);
/* The callback does not come any more; what was begun goes on. NULL is allowed. */
void session_leave(struct session_call *call);

/* A small part, opened (the user's seal is off): borrowed for the call. FAULT_NOT_LOGGED_IN. */
typedef void (*session_bytes_fn)(void *arg, struct slice bytes, const struct err *err);
int session_small(struct session *session, const struct resource *resource, session_bytes_fn done,
		  void *arg, struct session_call **ret_call, struct err *err) MUST_CHECK;
int session_put_small(struct session *session, const struct resource *resource, struct slice bytes,
		      loader_done_fn done, void *arg, struct session_call **ret_call,
		      struct err *err) MUST_CHECK;
int session_fragment(struct session *session, session_bytes_fn done, void *arg,
		     struct session_call **ret_call, struct err *err) MUST_CHECK;

/* --- version 2 --- */

/* A manifest as it came; borrowed for the call. FAULT_NOT_LOGGED_IN. */
int session_manifest(struct session *session, const struct resource *resource,
		     session_bytes_fn done, void *arg, struct session_call **ret_call,
		     struct err *err) MUST_CHECK;
/*
 * Of a manifest's call: all of it, with an exchange of the token, may take so long; then it ends
 * with FAULT_UPSTREAM. For who can do without.
 */
int session_hurry(struct session_call *call, uint64_t limit_us, struct err *err) MUST_CHECK;
/*
 * The API gave no answer when it was last asked for a manifest, less than SESSION_SILENT_US ago:
 * who can do without one need not ask now. Over with its first answer, and with a login.
 */
#define SESSION_SILENT_US UINT64_C(30000000)
bool session_is_silent(const struct session *session);

/*
 * This device's key of the release whose manifest has that digest: proves to the API that the
 * storage key is ours, where it has not done so in this session or the API has forgotten it
 * (describe(), activate() or unwrap() on the pool), once, for all who ask together.
 */
int session_device_key(struct session *session, const struct resource *resource,
		       const uint8_t manifest[MANIFEST_DIGEST], session_bytes_fn done, void *arg,
		       struct session_call **ret_call, struct err *err) MUST_CHECK;

/*
 * For who has heard elsewhere (at a CDN that is the API's) that the token of this number is
 * refused: done when there is another. Where there is one already *ret_call is NULL, and done()
 * does not come. FAULT_NOT_LOGGED_IN.
 */
int session_renew(struct session *session, uint64_t token, loader_done_fn done, void *arg,
		  struct session_call **ret_call, struct err *err) MUST_CHECK;

/* --- the CDN --- */

/*
 * A request to the CDN for a part of @resource, filled for fetch_start(): method, URL, and for S3
 * the signature of this very moment. A plain CDN gets no credentials for GET, and the API's token
 * for PUT where it has the API's host (scheme, name, port). @sha256 is that of a body, or NULL.
 * Owns what @request borrows, so it stays where it is; cdn_request_fini() after fetch_start().
 * FAULT_NOT_LOGGED_IN: only a login tells where the CDN is; ERR_NOT_SUPPORTED: no key for writing.
 */
struct cdn_request {
	struct fetch_request request;
	struct buf url;
	struct sigv4_headers signature; /* headers point into it */
	struct fetch_header headers[3];
	uint64_t token; /* the number of the API's token that goes along; 0: none does */
};
int session_cdn(struct session *session, const struct resource *resource, enum resource_part part,
		enum fetch_method method, const uint8_t *sha256, struct cdn_request *ret_request,
		struct err *err) MUST_CHECK;
void cdn_request_fini(struct cdn_request *request);

#endif
