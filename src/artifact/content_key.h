/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_CONTENT_KEY_H
#define ARTIFACT_CONTENT_KEY_H

/*
 * Content key: the file that a publisher keeps of a release, to wrap its key for more devices
 * later. Who has it can open the payload; it never goes to a server.
 */

#include "artifact/manifest.h"
#include "base/secret.h"

#define CONTENT_KEY_MAX 2048u

/* The file's JSON, as a secret: folder, name, serial, the manifest's digest, the key. */
int content_key_write(const struct manifest *manifest, const struct secret *key,
		      struct secret **ret_json, struct err *err) MUST_CHECK;
/* ERR_DAMAGED: no such file; ERR_WRONG_NAME: of another release than @manifest. */
int content_key_read(const struct secret *json, const struct manifest *manifest,
		     struct secret **ret_key, struct err *err) MUST_CHECK;

#endif
