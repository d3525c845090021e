/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_IDENTITY_H
#define IDENTITY_IDENTITY_H

/*
 * Identity: who this device is, by a key that lives in its TPM, or by one in software where there
 * is none (docs/IDENTITY.md). Facts are gathered, the table in state.h decides, and what it says is
 * done here. One thread at a time: where the provider's calls are made. What others need of it is
 * in a view, which never changes and is shared.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"
#include "crypto/request.h"
#include "identity/files.h"
#include "identity/state.h"
#include "provider/provider.h"

#define IDENTITY_REASON_MAX 256u

/* What is configured: section device. */
struct identity_options {
	struct identity_places places;
	enum identity_policy tpm; /* state.h: prefer, require, off */
	uint32_t handle;	  /* where a new key is to lie, or the next free above */
	bool provision;		  /* by itself at the first start, else only by INIT */
	bool ask;		  /* before a TPM's identity is restored over a software pair */
	const char
		*subject; /* RFC 4514; "" = CN=holdfast-<16 hex digits of the key's fingerprint> */
	unsigned days;	  /* that a self-signed certificate is good for */
};

/* What is so now; given anew at each call. */
struct identity_world {
	enum identity_tpm tpm; /* state.h: ok, absent, failed */
	bool expected;	       /* a TPM is configured, announced by firmware or may still come */
	const char *cause;     /* why it is not ok, in words; may be NULL */
	struct provider *provider; /* on the chip when tpm is ok; else NULL */
	const char *boot_id;
	int64_t now; /* seconds since 1970, as the clock says */
};

/* Immutable, counted; usable by all threads. */
struct identity_view {
	_Atomic unsigned users;
	enum identity_mode mode;
	char since[IDENTITY_TIME_MAX];
	char reason[IDENTITY_REASON_MAX]; /* how it came to be so, in words */
	char alarm[IDENTITY_REASON_MAX];  /* what an operator should look at; "" = nothing */
	uint64_t generation;
	bool tpm_available;    /* software identity though there is a TPM */
	bool confirming;       /* a migration waits to be confirmed */
	bool marker_lost;      /* tpm_in_use was not as we had left it */
	enum identity_tpm tpm; /* as the world said when it was settled */

	/* The key; spki is empty where there is none. */
	enum pkey_type type;
	bool on_chip;
	uint32_t handle;
	uint8_t name[IDENTITY_NAME_MAX];
	size_t name_len;
	uint8_t found_name[IDENTITY_NAME_MAX]; /* CONFLICT: of what lies there instead */
	size_t found_name_len;
	struct buf header;
	struct buf spki;
	struct buf chain;  /* DER certificates, the device's first */
	struct pkey *soft; /* SOFTWARE: NULL while its file cannot be read */

	/* confirming: of the key in the TPM that waits */
	uint32_t pending_handle;
	struct buf pending; /* its certificates */
	struct buf cross;   /* one by the software key, which says that it succeeds it; DER */
};
/* One more user; NULL stays NULL. */
struct identity_view *identity_view_hold(struct identity_view *view);
void identity_view_free(struct identity_view *view);
MEM_DEFINE_CLEANUP(identity_view)

/*
 * A signature (ECDSA, DER) over a digest. On the chip one TPM command, on @p's thread; in software
 * @p is not used and any thread will do. ERR_NOT_FOUND: no identity yet. ERR_TPM_FAILED: degraded,
 * never software instead. ERR_TPM_CHANGED: conflict. ERR_STARTING: resetting. ERR_UNREADABLE: the
 * software key cannot be read.
 */
int identity_sign(const struct identity_view *view, struct provider *p, enum hash_alg alg,
		  struct slice digest, struct buf *ret_signature, struct err *err) MUST_CHECK;
/* The same refusal without a key: 0 when this view signs. */
int identity_usable(const struct identity_view *view, struct err *err) MUST_CHECK;

struct identity;
int identity_new(const struct identity_options *options, struct identity **ret_identity,
		 struct err *err) MUST_CHECK; /* texts are copied */
void identity_free(struct identity *identity);
MEM_DEFINE_CLEANUP(identity)

/* Borrowed: for who resets (cmd/holdfastd). */
struct identity_files *identity_files_of(struct identity *identity);

/* As it is now; held for the caller. Never NULL after identity_settle(). */
struct identity_view *identity_view_of(struct identity *identity);

/*
 * A start, or the TPM came, went or was replaced: facts, decision, actions. An error is one of
 * doing: the view then tells what is, and settling again goes on from there. *ret_retry: it is
 * worth settling again later, by itself.
 */
int identity_settle(struct identity *identity, const struct identity_world *world, bool *ret_retry,
		    struct err *err) MUST_CHECK;

/*
 * For a reset: removes what lies at @handle from the chip when it opens by the password that the
 * identity keys of this device have. ERR_NOT_FOUND: nothing, or a key of others; any other error:
 * it may be ours and is still there.
 */
int identity_key_evict(struct provider *p, uint32_t handle, struct err *err) MUST_CHECK;

/* What an operator asks for. */
enum identity_wish {
	IDENTITY_INIT,	  /* make it now; with `software` without a TPM */
	IDENTITY_APPROVE, /* C: begin anew; or restore, where that is asked before */
	IDENTITY_RENEW,	  /* a new self-signed certificate of the same key */
	IDENTITY_INSTALL, /* the certificate that a CA made, with its chain: @pem */
	IDENTITY_REQUEST, /* a certificate request for that CA: *ret_pem; confirming: of the key
			   * that waits, for which INSTALL takes certificates then, too */
	IDENTITY_MIGRATE, /* software > TPM, in force when confirmed */
	IDENTITY_CONFIRM,
	IDENTITY_ROLLBACK,
};
struct identity_order {
	enum identity_wish wish;
	bool software;			  /* INIT */
	struct slice pem;		  /* INSTALL */
	struct slice subject;		  /* REQUEST: empty = that of the certificate */
	const struct request_name *names; /* REQUEST */
	size_t name_count;
};
/*
 * @ret_pem may be NULL but for REQUEST. ERR_CONFLICT with a remedy where the mode does not allow
 * it; the codes of identity_sign(); ERR_INVALID, ERR_DAMAGED: a certificate of another key, or
 * none.
 */
int identity_order(struct identity *identity, const struct identity_world *world,
		   const struct identity_order *order, struct buf *ret_pem, struct err *err)
	MUST_CHECK;

#endif
