/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_LEGACY_LEGACY_H
#define PROVIDER_LEGACY_LEGACY_H

/*
 * The legacy SecurityProvider: the same operations with software keys on OpenSSL. Objects are
 * AES-256-GCM records under keys derived from one 32-byte host key, with the header as associated
 * data. It protects against whoever has the blobs but not the host's files, and no more; every
 * answer says "software". Safe for several threads: all that changes is the cache of parsed keys
 * (provider/legacy/key_cache.h), whose keys are wiped when an object is forgotten and at the end.
 */

#include "base/err.h"
#include "base/secret.h"
#include "provider/provider.h"

/* @host_key is 32 bytes and is copied. */
int legacy_open(const struct secret *host_key, struct provider **ret_provider, struct err *err)
	MUST_CHECK;

#endif
