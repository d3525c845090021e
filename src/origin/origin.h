/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_ORIGIN_H
#define ORIGIN_ORIGIN_H

/*
 * Origin: the counterpart of the loader on a folder, for tests and small sites: the resource API
 * and a CDN with ranges (docs/LOADER.md, "The origin").
 *
 *   POST /login {email, password}            200 {"token": JWT}; 409 {"ErrorCode": 10 | 30}
 *   POST /resources/get/{folder}             {password, hardware, fileName} -> <fileName>, sealed
 *   POST /resources/get                      the same of the root folder (cdn.yaml)
 *   POST /resources/check                    {hardware} -> 200
 *   POST /resources/{folder}                 multipart `data`: stores it under its file name
 *   GET  /resources/list/{folder}            the names
 *   GET  /binary-split/key-fragment          the bytes of DIR/key-fragment
 *   GET, HEAD, PUT /cdn/{folder}/{file}      <name>.big, <name>.sig; ranges; PUT needs the token;
 *                                            <digest>.payload, which cannot be PUT
 *   GET  /v2/artifacts/{folder}/{name}/manifest
 *   POST /v2/devices/session {"storage_key", "ek", ..}   a challenge (origin/devices.h)
 *   GET  /v2/artifacts/{folder}/{name}/key?manifest=HEX   with Holdfast-Device: the line of this
 *                                            device; 404 none for it, 428 who does not say who it
 * is GET  /health
 *
 * What needs a token takes it as Authorization: Bearer; 401 without a good one. JWTs are HS256 with
 * a key that is drawn at the start, for 4 hours, with the claims nameid, unique_name, role.
 */

#include "artifact/v1_key.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "jobs/jobs.h"

struct origin_user {
	struct secret *email;
	struct secret *password;
};

struct origin_config {
	int dir;			 /* an open folder; duplicated */
	const struct origin_user *users; /* borrowed, with what it points to */
	size_t user_count;
	enum v1_formula formula;
	struct v1_salts salts; /* borrowed */
	/*
	 * Whose TPMs are believed to be TPMs: certificates of makers (DER, one behind the other),
	 * and Names of endorsement keys, WRAP_NAME_SIZE bytes each. Devices of DIR/devices are
	 * known without.
	 */
	struct slice ek_anchors;
	struct slice ek_names;
	uint64_t upload_max;
	unsigned connections;
	/* NULL: nobody wants lines. Texts without secrets. */
	void (*note)(void *arg, const char *text);
	void *note_arg;
};

struct origin;
int origin_new(struct jobs *jobs, const struct origin_config *config, struct origin **ret_origin,
	       struct err *err) MUST_CHECK;
/* After jobs_free(), which ends what is at work. */
void origin_free(struct origin *origin);
MEM_DEFINE_CLEANUP(origin)
/* Takes an accepted socket over; @closed is called when it is closed, also on failure. */
void origin_take(struct origin *origin, int fd, void (*closed)(void *arg), void *arg);
/* Takes no more requests; true when none is at work or being answered any more. */
bool origin_drain(struct origin *origin);

#endif
