/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_ACCESS_H
#define CMD_HOLDFASTD_ACCESS_H

/* Access: what the configuration says of the way to the chip, and the passwords of its hierarchies.
 */

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "crypto/pkey.h"
#include "provider/tpm/tpm.h"

/* NULL = none. Zero-initialised by its owner. */
struct access {
	struct secret *owner_auth;
	struct secret *endorsement_auth;
	struct secret *lockout_auth;
};

/* Reads the files of passwords: in the pool. An error names the key. */
int access_read(struct access *access, const struct conf *conf, struct err *err) MUST_CHECK;
void access_fini(struct access *access);

/* Borrows both. */
struct tpm_options access_options(const struct access *access, const struct conf *conf);

/* The algorithm of a storage root key that we make: FAPI's profile names it, so both share one. */
enum pkey_type access_srk_type(const struct conf *conf);

#endif
