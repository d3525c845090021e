/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_UPSTREAM_H
#define LOADER_UPSTREAM_H

/*
 * Upstream: the resource API as a client sees it (docs/LOADER.md, "The API"). Answers are limited
 * in size and time (fetch_whole()), redirects are not followed. What goes wrong has a code of
 * fault.h: 401 and 403 are FAULT_NOT_LOGGED_IN (for a login FAULT_CREDENTIALS), 409 with ErrorCode
 * 10 or 30 FAULT_CREDENTIALS, 404 ERR_NOT_FOUND, all else, and no answer, FAULT_UPSTREAM.
 *
 * Callbacks come once, not inside the call; a call can be left with upstream_leave(). One that did
 * not even connect is repeated twice, after the pauses of backoff.h.
 */

#include "artifact/resource.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/secret.h"
#include "fetch/fetch.h"

struct upstream;
struct upstream_call;
int upstream_new(struct loop *loop, struct fetch *fetch, const char *api_url,
		 struct upstream **ret_upstream, struct err *err) MUST_CHECK;
void upstream_free(struct upstream *upstream); /* ends calls without callbacks */
MEM_DEFINE_CLEANUP(upstream)
void upstream_leave(struct upstream_call *call); /* NULL is allowed */

/* The last transfer that ended had no answer: no connection, or one that hung or broke off. */
bool upstream_is_silent(const struct upstream *upstream);

/* @bytes are borrowed for the call of it, and wiped behind it. */
typedef void (*upstream_fn)(void *arg, struct slice bytes, const struct err *err);

/* POST /login {email, password} -> {token}: gives the token, 1 to 8,192 printable characters. */
int upstream_login(struct upstream *upstream, const struct secret *email,
		   const struct secret *password, upstream_fn done, void *arg,
		   struct upstream_call **ret_call, struct err *err) MUST_CHECK;

/*
 * POST /resources/get/{folder} {password, hardware, fileName}: gives the bytes as they come, still
 * sealed under the user's key; at most V1_BYTES_MAX. @folder may be empty (cdn.yaml). @hardware is
 * the hardware hash (v1_key.h), empty where the formula has none.
 */
struct upstream_wish {
	const struct secret *token;
	const struct secret *password;
	struct slice hardware;
	struct slice folder;
	const char *file;
};
int upstream_get(struct upstream *upstream, const struct upstream_wish *wish, upstream_fn done,
		 void *arg, struct upstream_call **ret_call, struct err *err) MUST_CHECK;

/* GET /binary-split/key-fragment: 1 to V1_FIELD_MAX bytes. */
int upstream_fragment(struct upstream *upstream, const struct secret *token, upstream_fn done,
		      void *arg, struct upstream_call **ret_call, struct err *err) MUST_CHECK;

/* --- version 2 (docs/LOADER.md, "The API of version 2") --- */

/* GET /v2/artifacts/{folder}/{name}/manifest: 1 to CMS_WHOLE_MAX bytes. ERR_NOT_FOUND. */
int upstream_manifest(struct upstream *upstream, const struct secret *token,
		      const struct resource *resource, upstream_fn done, void *arg,
		      struct upstream_call **ret_call, struct err *err) MUST_CHECK;

/*
 * POST /v2/devices/session with @device, a JSON object: gives the answer, JSON with a challenge.
 * ERR_FORBIDDEN: 403: the API does not know this device, or not its TPM's maker.
 */
int upstream_device(struct upstream *upstream, const struct secret *token, struct slice device,
		    upstream_fn done, void *arg, struct upstream_call **ret_call, struct err *err)
	MUST_CHECK;

/*
 * GET /v2/artifacts/{folder}/{name}/key?manifest=HEX, with Holdfast-Device: @device (what the
 * challenge hid, base64url): gives one line (artifact/device_key.h) without its end. FAULT_NO_KEY:
 * 404; UPSTREAM_NO_DEVICE: 428, the device's session is over.
 */
#define UPSTREAM_NO_DEVICE (-1901)
struct upstream_key_wish {
	const struct secret *token;
	const struct secret *device;
	struct resource resource;
	const char *manifest; /* hex */
};
int upstream_key(struct upstream *upstream, const struct upstream_key_wish *wish, upstream_fn done,
		 void *arg, struct upstream_call **ret_call, struct err *err) MUST_CHECK;

/* POST /resources/{folder}, multipart, @file as part `data`: gives nothing. */
struct upstream_gift {
	const struct secret *token;
	struct slice folder;
	const char *file;
	struct slice bytes; /* at most V1_BYTES_MAX */
};
int upstream_put(struct upstream *upstream, const struct upstream_gift *gift, upstream_fn done,
		 void *arg, struct upstream_call **ret_call, struct err *err) MUST_CHECK;

#endif
