/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_IMPL_H
#define IDENTITY_IMPL_H

/* What the files of the identity share, but for files*.c. For this room only. */

#include "identity/files.h"
#include "identity/identity.h"
#include "identity/state.h"

#define IDENTITY_DAYS	     7300u
#define IDENTITY_SUBJECT_MAX 1024u

/* SHA-256 over Name and header. */
#define PROOF_SIZE 32u

struct identity {
	struct identity_files *files;
	enum identity_policy policy;
	uint32_t handle;
	bool provision, ask;
	char subject[IDENTITY_SUBJECT_MAX + 1];
	unsigned days;
	struct identity_view *view; /* as it was told last; NULL before that */
	uint8_t proven[PROOF_SIZE]; /* the key that was seen to sign in this process; else zeros */
};

/* A key that lies in the chip. */
struct identity_key {
	uint32_t handle;
	uint8_t name[IDENTITY_NAME_MAX];
	size_t name_len;
	struct buf header;
	struct buf spki;
};
#define IDENTITY_KEY_INIT                                                                          \
	{                                                                                          \
		.header = BUF_INIT(IDENTITY_HEADER_MAX), .spki = BUF_INIT(1024)                    \
	}
void identity_key_fini(struct identity_key *key);
static inline void identity_key_cleanup(struct identity_key *key)
{
	identity_key_fini(key);
}
/* Copies, over what is there; ERR_INTERNAL when memory is short. */
int identity_copy(struct buf *to, struct slice from, struct err *err) MUST_CHECK;
int identity_key_name(struct identity_key *key, struct slice name, struct err *err) MUST_CHECK;
static inline struct provider_resident identity_key_resident(const struct identity_key *key)
{
	return (struct provider_resident){.handle = key->handle,
					  .name = slice_of(key->name, key->name_len)};
}

/* What was found, beyond the facts. */
struct found {
	struct identity_facts facts;
	struct identity_records records; /* all that are not the same */
	struct identity_record record;	 /* RECORD_BLANK, RECORD_KEY: the one of them that counts */
	struct identity_journal journal; /* what it is doing is a fact too */
	struct identity_key key;	 /* KEY_OURS: in the chip */
	uint8_t other[IDENTITY_NAME_MAX]; /* Name of what lies where the record's key should */
	size_t other_len;
	struct buf chain; /* of the file, as it is */
	struct pkey *soft;
	struct buf soft_spki;
	char trouble[IDENTITY_REASON_MAX]; /* what cannot be read, and why; "" */
};
void found_init(struct found *found);
void found_fini(struct found *found);

/* All facts but the last mode and the wish. An error is of memory only: what cannot be read is a
 * fact. */
int identity_gather(struct identity *identity, const struct identity_world *world,
		    struct found *found, struct err *err) MUST_CHECK;

/* The header of every identity key of this device: always the same bytes (docs/IDENTITY.md). */
int identity_key_header(const struct provider *p, struct buf *ret_header, struct err *err)
	MUST_CHECK;
/* Where below the tries of provider_persist() does the key with this Name lie, and what is it
 * (NULL is allowed)? ERR_NOT_FOUND; other errors: nobody knows. */
int identity_key_find(struct provider *p, uint32_t from, struct slice name, uint32_t *ret_handle,
		      struct key_result *ret_key, struct err *err) MUST_CHECK;
/* What lies there, as if it were ours. ERR_NOT_FOUND: nothing, or nothing of the type of ours. */
int identity_key_at(struct provider *p, uint32_t handle, struct identity_key *ret_key,
		    struct err *err) MUST_CHECK;
/* Signs with it and verifies that in software. Of a key that is subject to lockout no password is
 * tried (ERR_DAMAGED). */
int identity_key_prove(struct provider *p, const struct identity_key *key, struct err *err)
	MUST_CHECK;

/* Who signs: one in software, or one in the chip. */
struct signer {
	const struct pkey *soft;
	struct provider *provider;
	const struct identity_key *key;
};
int signer_sign(const struct signer *signer, enum hash_alg alg, struct slice digest,
		struct buf *ret_signature, struct err *err) MUST_CHECK;

/* Appends one certificate for @spki, signed by @signer, who is that of @issuer. */
struct certificate_order {
	struct slice spki;
	struct slice issuer; /* certificates; the first names the issuer; empty = it signs itself */
	int64_t now;
};
int identity_certify(const struct identity *identity, const struct signer *signer,
		     const struct certificate_order *order, struct buf *ret_der, struct err *err)
	MUST_CHECK;
/* Appends the public key of the first certificate. ERR_DAMAGED, ERR_NOT_SUPPORTED. */
int identity_chain_spki(struct slice chain, struct buf *ret_spki, struct err *err) MUST_CHECK;
/* A request by @signer for @spki; the subject that is not asked for is that of @chain. */
int identity_request(const struct signer *signer, const struct identity_order *order,
		     struct slice spki, struct slice chain, struct buf *ret_pem, struct err *err)
	MUST_CHECK;
/*
 * May it become this device's? Each is signed by the next; ERR_INVALID too where the first is a
 * CA's or has expired.
 */
int identity_chain_check(struct slice chain, int64_t now, struct err *err) MUST_CHECK;
/* "" or what an operator should know of its dates and uses. */
const char *identity_chain_problem(struct slice chain, int64_t now);
/* "2026-01-31T23:59:59Z" */
void identity_time(int64_t when, char ret_text[IDENTITY_TIME_MAX]);

/* What actions work on: one settling, or one order. */
struct doing {
	struct identity *identity;
	const struct identity_world *world;
	const struct identity_order *order; /* NULL = none */
	struct found *found;		    /* anew for each row */
	const struct identity_row *row;
	struct buf object; /* of a key that was made */
	struct buf chain;  /* certificates that were made or brought */
	struct buf cross;  /* the one by the software key */
	struct buf *ret_pem;
	uint32_t stays;	  /* where the journal names a key that nothing proves to be ours; 0 */
	bool soft_is_new; /* a software key was made just now */
	bool marked;	  /* tpm_in_use was written already .. */
	bool marker_lost; /* .. and before that was not as we had left it */
};
int identity_act(struct doing *doing, enum identity_action action, struct err *err) MUST_CHECK;

/* How it came to be so; alarms are added to what is there already. */
struct story {
	char reason[IDENTITY_REASON_MAX];
	char alarm[IDENTITY_REASON_MAX];
};
void story_alarm(struct story *story, const char *text);

/* What everybody is told from now on. */
struct view_order {
	const struct found *found;
	enum identity_mode mode;
	const struct identity_world *world;
	const struct story *story;
	const struct identity_view *before; /* may be NULL */
	bool marker_lost;
};
int identity_view_make(const struct view_order *order, struct identity_view **ret_view,
		       struct err *err) MUST_CHECK;

#endif
