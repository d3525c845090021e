/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_CHALLENGE_H
#define ORIGIN_CHALLENGE_H

/*
 * Challenge: what a device says of itself, whether it is let in (origin/devices.h), and what it is
 * given to open. Every byte comes from the device. Both steps are the pool's: keys are parsed,
 * chains are verified.
 */

#include "base/buf.h"
#include "base/err.h"
#include "origin/device_file.h"
#include "origin/devices.h"
#include "wrap/credential.h"
#include "wrap/duplicate.h"

#define CHALLENGE_CERTIFICATE_MAX 8192u
#define CHALLENGE_CHAIN_MAX	  32768u
#define CHALLENGE_JSON_MAX	  65536u

struct json_t;

/* The JSON of POST /v2/devices/session. */
struct challenge_wish {
	struct buf storage_key; /* TPM2B_PUBLIC */
	bool in_tpm;		/* protection */
	bool has_ek;
	enum pkey_type ek_type;
	struct buf ek;	  /* TPM2B_PUBLIC */
	struct buf chain; /* DER, the endorsement key's own first; empty: it has none */
};
#define CHALLENGE_WISH_INIT                                                                        \
	{                                                                                          \
		.storage_key = BUF_INIT(WRAP_PUBLIC_MAX), .ek = BUF_INIT(WRAP_PUBLIC_MAX),         \
		.chain = BUF_INIT(CHALLENGE_CERTIFICATE_MAX + CHALLENGE_CHAIN_MAX)                 \
	}
void challenge_wish_fini(struct challenge_wish *wish);
/* ERR_INVALID names the member, ERR_TOO_LARGE. */
int challenge_wish_read(const struct json_t *object, struct challenge_wish *ret_wish,
			struct err *err) MUST_CHECK;

enum refusal { REFUSED_NOT, REFUSED_UNKNOWN, REFUSED_EK, REFUSED_STORAGE_KEY, REFUSALS };
const char *refusal_name(enum refusal refusal); /* "device_unknown" .. */

/* Who is believed, all borrowed. @file is NULL for a device that has none. */
struct challenge_trust {
	struct slice ek_anchors; /* as in struct origin_config */
	struct slice ek_names;
	const struct device_file *file;
};

/* What is to be done with a wish: at first whose it is .. */
struct challenge {
	struct wrap_public *storage_key, *ek; /* ek: NULL, or what it is challenged by */
	struct device device;
};
void challenge_fini(struct challenge *challenge);
/* .. by the storage key's Name. ERR_INVALID: it is none; ERR_FORBIDDEN with *ret_refusal, @err's
 * text being the detail. */
int challenge_begin(const struct challenge_wish *wish, struct challenge *ret_challenge,
		    enum refusal *ret_refusal, struct err *err) MUST_CHECK;
/* .. then whether it is let in. ERR_INVALID; ERR_FORBIDDEN with *ret_refusal. */
int challenge_judge(const struct challenge_wish *wish, const struct challenge_trust *trust,
		    struct challenge *challenge, enum refusal *ret_refusal, struct err *err)
	MUST_CHECK;
/* .. and what it is answered: JSON that hides DEVICE_SECRET bytes, drawn here, and their digest. */
int challenge_put(const struct challenge *challenge, struct buf *ret_json,
		  uint8_t ret_digest[DEVICE_DIGEST], struct err *err) MUST_CHECK;

#endif
