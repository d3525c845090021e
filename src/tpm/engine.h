/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_ENGINE_H
#define TPM_ENGINE_H

/*
 * Engine: what we do with a TPM 2.0, in its own terms, for one thread. It knows objects by their
 * public and private bytes and loads them on demand; it knows no tenant, no disk and no queue.
 *
 * At the root stand two storage keys (roots.c): the SRK, shared with all TPM software, and the HSK
 * below it, ours alone. Both are known by Name ever after: a chip without them is another chip.
 * After a loss of the device, a reset or a restart the engine opens again by itself.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"

#define ENGINE_NAME_MAX	   66u /* nameAlg and its digest */
#define ENGINE_PUBLIC_MAX  1024u
#define ENGINE_PRIVATE_MAX 1536u
#define ENGINE_RANDOM_MAX  32u

struct engine_name {
	uint8_t bytes[ENGINE_NAME_MAX];
	size_t len;
};

/* What is recorded of a chip and compared ever after. */
struct engine_roots {
	uint32_t srk_handle;
	struct engine_name srk;
	struct engine_name hsk;
	uint8_t hsk_public[ENGINE_PUBLIC_MAX]; /* TPM2B_PUBLIC as marshalled */
	size_t hsk_public_len;
	uint8_t hsk_private[ENGINE_PRIVATE_MAX]; /* TPM2B_PRIVATE as marshalled */
	size_t hsk_private_len;
};

struct engine_options {
	const char *tcti;	 /* "" = the device nodes */
	enum pkey_type srk_type; /* of an SRK that has to be made */
	uint32_t srk_handle;	 /* for ours, when 0x81000001 cannot be used */
	uint32_t hsk_handle;	 /* 0 = not persistent */
	bool encrypt;
	struct slice owner_auth;	     /* copied */
	struct slice endorsement_auth;	     /* copied */
	struct slice lockout_auth;	     /* copied; empty = the lockout counter is left alone */
	struct slice hsk_auth;		     /* copied */
	const struct engine_roots *recorded; /* NULL = no chip was ever recorded */
};

struct engine;

/*
 * Opens the chip and its roots. Without a record the SRK is adopted or made and a new HSK is made
 * below it; *ret_new then tells the caller to record engine_roots(). With a record nothing is made
 * but the same SRK from the same seed. A chip that answers but cannot be verified against the
 * record opens too, and every use is refused: ERR_TPM_CHANGED, ERR_OWNER_AUTH_REQUIRED (the SRK
 * is gone and only the owner can make it), ERR_DAMAGED (the record's HSK).
 */
int engine_open(const struct engine_options *options, struct engine **ret_engine, bool *ret_new,
		struct err *err) MUST_CHECK;

/* Flushes what is ours and, on a bare chip, sends TPM2_Shutdown(CLEAR). */
void engine_free(struct engine *engine);
MEM_DEFINE_CLEANUP(engine)

/* Makes the HSK persistent, once its record is durable. Failing leaves it a transient object. */
int engine_persist_hsk(struct engine *engine, struct err *err) MUST_CHECK;

const struct engine_roots *engine_roots(const struct engine *engine);
uint32_t engine_hsk_handle(const struct engine *engine); /* 0 = it is a transient object */
const char *engine_remark(const struct engine *engine);	 /* for the log; "" when there is none */

/* 0, or the code that every use of this chip is refused with until it is another one. */
int engine_refusal(const struct engine *engine);

/* Is the password known, and taken, that sets the count of failures to 0? */
bool engine_resets_lockout(const struct engine *engine);

/* For repetitions; 0 = the transport's own patience. */
void engine_set_deadline(struct engine *engine, uint64_t deadline_us);

struct engine_facts {
	char manufacturer[5];
	char firmware[24];
	char tcti[128];
	const char *manager; /* of the chip's slots, beside us: "none", "kernel", "unknown" */
	uint32_t object_slots, session_slots; /* that the chip has at least, or 3 */
	uint32_t sessions_max;		      /* loaded and saved at once; 0 = not told */
	uint32_t context_gap; /* between a session's saving and the newest; likewise */
	uint32_t nv_buffer;   /* bytes that it reads of NV at once; 0 = not told */
	uint32_t reset_count, restart_count;
	uint32_t ek_handle; /* of a persistent endorsement key; 0 = none where they usually lie */
	struct engine_name ek;
	/* Read again whenever the chip counts a failure; the interval is in seconds. */
	uint32_t lockout_counter, lockout_max, lockout_interval;
	bool in_lockout;
	uint32_t lockout_resets;   /* that we sent since engine_open() */
	bool lockout_auth_refused; /* and is not tried again */
};
void engine_facts(const struct engine *engine, struct engine_facts *ret_facts);

/* The values of the first two are stored in objects. */
enum engine_parent { ENGINE_SRK = 1, ENGINE_HSK = 2, ENGINE_OTHER = 3 };

/* An object as it is kept outside the chip. */
struct engine_object {
	enum engine_parent parent;
	/* With ENGINE_OTHER: a persistent key with an empty password, verified by its Name. */
	uint32_t other_handle;
	struct slice other_name;
	struct slice public;  /* marshalled TPM2B_PUBLIC */
	struct slice private; /* marshalled TPM2B_PRIVATE */
	struct slice auth;    /* its authValue */
};

/* A new one; 0-initialised with ENGINE_MADE_INIT. */
struct engine_made {
	struct buf public;
	struct buf private;
};
#define ENGINE_MADE_INIT                                                                           \
	{                                                                                          \
		.public = BUF_INIT(ENGINE_PUBLIC_MAX), .private = BUF_INIT(ENGINE_PRIVATE_MAX)     \
	}
void engine_made_fini(struct engine_made *made);
static inline void engine_made_cleanup(struct engine_made *made)
{
	engine_made_fini(made);
}

/*
 * Each is one TPM command when the objects it names are loaded; else one to load each and one Flush
 * for each that makes room (slots.h). ERR_WRONG_TPM: below ENGINE_OTHER lies another key or none.
 */
int engine_random(struct engine *engine, uint8_t *ret_bytes, size_t len, struct err *err)
	MUST_CHECK;
int engine_seal(struct engine *engine, struct slice auth, const struct secret *plain,
		struct engine_made *ret_made, struct err *err) MUST_CHECK;
int engine_unseal(struct engine *engine, const struct engine_object *object,
		  struct secret **ret_plain, struct err *err) MUST_CHECK;

/* A new private part with another authValue; the object itself is the same. */
int engine_change_auth(struct engine *engine, const struct engine_object *object,
		       struct slice new_auth, struct buf *ret_private, struct err *err) MUST_CHECK;

/* --- keys ---------------------------------------------------------------------------------- */

/* What a key may do: by its public area, so that the chip holds it to that. */
enum engine_use {
	ENGINE_SIGN = 1 << 0,
	ENGINE_DECRYPT = 1 << 1, /* RSA-OAEP */
	ENGINE_AGREE = 1 << 2,	 /* ECDH */
	ENGINE_MAC = 1 << 3,	 /* HMAC-SHA-256, and nothing else */
};

struct engine_key {
	enum engine_parent parent;
	enum pkey_type type; /* with ENGINE_MAC any */
	unsigned uses;	     /* enum engine_use, as they fit the type */
	struct slice auth;
};
int engine_create_key(struct engine *engine, const struct engine_key *key,
		      struct engine_made *ret_made, struct err *err) MUST_CHECK;

/*
 * A pair that was made elsewhere, below the HSK from now on. What leaves us on the way is readable
 * by the HSK alone (Part 1, "Protected Storage", outer duplication wrapper). ERR_NOT_SUPPORTED: RSA
 * with another exponent than 65537, or with more than two primes.
 */
int engine_import_key(struct engine *engine, const struct pkey *pair, unsigned uses,
		      struct slice auth, struct engine_made *ret_made, struct err *err) MUST_CHECK;

/*
 * Sealed data that somebody has wrapped to the HSK: from now on an object below it, for
 * engine_unseal() with an empty password. Each part is as TPM2_Import has it, at most 512 bytes.
 * Only sealed data without a policy are taken. ERR_DAMAGED: those that the HSK does not open.
 */
struct engine_wrapped {
	struct slice public_area;
	struct slice private_area;
	struct slice seed;
};
int engine_import_sealed(struct engine *engine, const struct engine_wrapped *wrapped,
			 struct engine_made *ret_made, struct err *err) MUST_CHECK;

/* Of the uses below, each is ERR_INVALID for a key that was not made for it. */
struct engine_sign {
	enum pkey_scheme scheme;
	enum hash_alg hash;
	struct slice digest;
};
int engine_sign(struct engine *engine, const struct engine_object *key,
		const struct engine_sign *request, struct buf *ret_signature, struct err *err)
	MUST_CHECK;

/* ERR_INVALID: not as long as the modulus. ERR_DAMAGED: not by this key, hash and label. */
struct engine_decrypt {
	enum hash_alg hash; /* of OAEP and MGF1 */
	struct slice label; /* at most 64 bytes, the NUL at its end included; empty = none */
	struct slice ciphertext;
};
int engine_decrypt(struct engine *engine, const struct engine_object *key,
		   const struct engine_decrypt *request, struct secret **ret_plain, struct err *err)
	MUST_CHECK;

/* The shared x-coordinate, as long as the field. ERR_INVALID: a peer of another curve. */
int engine_agree(struct engine *engine, const struct engine_object *key, const struct pkey *peer,
		 struct secret **ret_shared, struct err *err) MUST_CHECK;

/* At most ENGINE_PIECE_MAX bytes; 32 bytes are appended. */
#define ENGINE_PIECE_MAX 1024u
int engine_mac(struct engine *engine, const struct engine_object *key, struct slice data,
	       struct buf *ret_mac, struct err *err) MUST_CHECK;

/* --- messages: hashed by the chip ---------------------------------------------------------- */

/*
 * The signature of a restricted key, by its own scheme and hash, of 1 to ENGINE_PIECE_MAX bytes:
 * two TPM commands. ERR_INVALID: the message begins as what a TPM says itself.
 */
int engine_sign_message(struct engine *engine, const struct engine_object *key,
			struct slice message, struct buf *ret_signature, struct err *err)
	MUST_CHECK;

/*
 * The same, or a MAC, of what comes in pieces of 1 to ENGINE_PIECE_MAX bytes: one command to
 * start, one for each piece, one more to sign; between them all else may be done. What @key names
 * must live until the end. Each may fail with ERR_CONFLICT: the chip was reset or lost, or nobody
 * knows whether it took the last piece; the message is over then. At most ENGINE_MESSAGES_MAX at
 * once, more are ERR_TPM_BUSY.
 */
#define ENGINE_MESSAGES_MAX 8u
struct engine_message;
int engine_message_start(struct engine *engine, const struct engine_object *key,
			 enum engine_use use, struct engine_message **ret_message, struct err *err)
	MUST_CHECK;
int engine_message_add(struct engine *engine, struct engine_message *message, struct slice piece,
		       struct err *err) MUST_CHECK;
/* With the last piece; the MAC or the signature is appended. The message is freed by _free(). */
int engine_message_end(struct engine *engine, struct engine_message *message, struct slice last,
		       struct buf *ret_result, struct err *err) MUST_CHECK;
/* Out of the chip, too. NULL is allowed. engine_free() frees all that are left. */
void engine_message_free(struct engine *engine, struct engine_message *message);

/* --- keys that the chip keeps ---------------------------------------------------------------- */

/* Handles are of the owner's range, else ERR_INVALID. */
#define ENGINE_PERSIST_TRIES 64u
struct engine_persistent {
	uint32_t handle;
	struct slice name; /* the Name that must lie there */
	struct slice auth; /* its authValue; not for engine_evict() */
};

/*
 * Makes a key that lies below the HSK persistent at @handle or at the next that is free, out of
 * ENGINE_PERSIST_TRIES; those of the roots are never free. Where it lies there already that is
 * where it stays, so any failure is mended by repeating. ERR_INVALID: not a key that the chip made
 * and will not let go. ERR_CONFLICT: no handle or no room. ERR_OWNER_AUTH_REQUIRED.
 */
int engine_persist(struct engine *engine, const struct engine_object *key, uint32_t handle,
		   uint32_t *ret_handle, struct err *err) MUST_CHECK;

/* What lies at @handle: its Name; its TPM2B_PUBLIC is appended. ERR_NOT_FOUND: nothing. */
int engine_look(struct engine *engine, uint32_t handle, struct engine_name *ret_name,
		struct buf *ret_public, struct err *err) MUST_CHECK;

/* One command, once the key was looked at. ERR_TPM_CHANGED: it is gone, or another lies there. */
int engine_sign_persistent(struct engine *engine, const struct engine_persistent *key,
			   const struct engine_sign *request, struct buf *ret_signature,
			   struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: nothing lies there. ERR_CONFLICT: another key does. ERR_OWNER_AUTH_REQUIRED. */
int engine_evict(struct engine *engine, const struct engine_persistent *key, struct err *err)
	MUST_CHECK;

/*
 * The next persistent handles from @from on, rising. That the chip was there is vouched for, the
 * list is not: no more than that nothing lies at one handle. One that passes some over is none
 * (ERR_TPM_FAILED).
 */
#define ENGINE_HANDLES_MAX 64u
struct engine_handles {
	uint32_t handle[ENGINE_HANDLES_MAX];
	size_t count;
	bool more; /* behind the last of them; then there is one */
};
int engine_persistents(struct engine *engine, uint32_t from, struct engine_handles *ret_handles,
		       struct err *err) MUST_CHECK;

/*
 * Without roots: evicts what lies at its handle under its Name, and then, with @clear, has the chip
 * forget its owner (TPM2_Clear). What is gone is good. Needs a chip that no engine has open, and of
 * @options tcti, owner_auth, lockout_auth and srk_handle. A password that the chip does not have
 * set is not asked for. May be repeated at any point.
 */
struct engine_erase {
	const struct engine_persistent *keys;
	size_t count;
	bool clear;
};
struct engine_erased {
	unsigned left; /* another key's, or not to be evicted */
	bool cleared;
	char why[160]; /* one was left, or it was not cleared though asked for; "" */
};
int engine_erase(const struct engine_options *options, const struct engine_erase *erase,
		 struct engine_erased *ret_erased, struct err *err) MUST_CHECK;

/* --- attestation --------------------------------------------------------------------------- */

/* A restricted signing key below the HSK, which signs by RSASSA or ECDSA with one hash only. */
struct engine_aik {
	enum pkey_type type;
	enum hash_alg hash;
};
/* One TPM command. */
int engine_create_aik(struct engine *engine, const struct engine_aik *aik, struct slice auth,
		      struct engine_made *ret_made, struct err *err) MUST_CHECK;

/* Of each bank of platform configuration registers those whose bit is set. */
#define ENGINE_PCRS  24u
#define ENGINE_BANKS 4u
struct engine_pcrs {
	struct {
		enum hash_alg hash;
		uint32_t mask;
	} banks[ENGINE_BANKS];
	size_t count; /* of banks; a bank stands once */
};

struct engine_pcr_values {
	struct engine_pcrs pcrs;
	uint8_t digest[ENGINE_BANKS][ENGINE_PCRS][HASH_MAX_SIZE]; /* where the bit is set */
	uint32_t update_counter;
};

/* The banks of hashes that we know; asked of the chip once. */
int engine_pcr_banks(struct engine *engine, struct engine_pcrs *ret_banks, struct err *err)
	MUST_CHECK;

/*
 * One command for every eight, taken again when an update came between two: ERR_TPM_BUSY when that
 * does not end. ERR_INVALID: the chip does not have one of them.
 */
int engine_read_pcrs(struct engine *engine, const struct engine_pcrs *wanted,
		     struct engine_pcr_values *ret_values, struct err *err) MUST_CHECK;

/* What the chip says, and its signature; marshalled, 0-initialised with ENGINE_ATTESTED_INIT. */
struct engine_attested {
	struct buf attest;    /* TPMS_ATTEST */
	struct buf signature; /* TPMT_SIGNATURE */
};
#define ENGINE_ATTESTED_INIT                                                                       \
	{                                                                                          \
		.attest = BUF_INIT(2048), .signature = BUF_INIT(1024)                              \
	}
void engine_attested_fini(struct engine_attested *attested);
static inline void engine_attested_cleanup(struct engine_attested *attested)
{
	engine_attested_fini(attested);
}

/*
 * One command; with @ret_values, which may be NULL, those of engine_read_pcrs() besides, until
 * their digest is the quote's.
 */
struct engine_quote {
	struct slice nonce;
	struct engine_pcrs pcrs;
};
int engine_quote(struct engine *engine, const struct engine_object *aik,
		 const struct engine_quote *request, struct engine_attested *ret_quote,
		 struct engine_pcr_values *ret_values, struct err *err) MUST_CHECK;

/* @aik signs that @key is in this chip, under its Name. One command. */
int engine_certify(struct engine *engine, const struct engine_object *aik,
		   const struct engine_object *key, struct slice nonce,
		   struct engine_attested *ret_certified, struct err *err) MUST_CHECK;

/* The endorsement key of a type; borrowed from the engine until the next call. */
struct engine_ek {
	enum pkey_type type;
	uint32_t handle; /* where it lies persistently; 0 = nowhere */
	struct engine_name name;
	struct slice certificate; /* DER, of this very key; empty = none */
	struct slice chain;	  /* DER certificates, one after the other; may be empty */
	struct buf *public;	  /* TPM2B_PUBLIC is appended here */
};
/*
 * @type PKEY_TYPES: the first with a certificate, of P-256, RSA-2048, P-384; else the first that
 * the chip can make. What was told once costs no command again until the chip was reset; without a
 * certificate it is looked for each time. ERR_OWNER_AUTH_REQUIRED: the endorsement hierarchy has
 * another password. ERR_NOT_SUPPORTED: no such key.
 */
int engine_ek(struct engine *engine, enum pkey_type type, struct engine_ek *ret_ek, struct err *err)
	MUST_CHECK;

/* Why the last engine_ek() gave no certificate or chain though the chip keeps one; "" if not so. */
const char *engine_ek_remark(const struct engine *engine);

/* What TPM2_MakeCredential made for an attestation key and an endorsement key. */
struct engine_credential {
	enum pkey_type ek;   /* PKEY_TYPES as for engine_ek() */
	struct slice blob;   /* TPM2B_ID_OBJECT */
	struct slice secret; /* TPM2B_ENCRYPTED_SECRET */
};
/*
 * One command by password, where the endorsement key allows that, else three. ERR_DAMAGED: for
 * another pair of keys.
 */
int engine_activate(struct engine *engine, const struct engine_object *aik,
		    const struct engine_credential *credential, struct secret **ret_secret,
		    struct err *err) MUST_CHECK;

/* The same for the HSK in the place of an attestation key. */
int engine_activate_storage(struct engine *engine, const struct engine_credential *credential,
			    struct secret **ret_secret, struct err *err) MUST_CHECK;

/* Drops it from the chip when it is loaded. */
void engine_forget(struct engine *engine, const struct engine_object *object);

/*
 * What a public area says; needs no chip. ERR_DAMAGED when it is none, ERR_NOT_SUPPORTED for keys
 * that are neither of enum pkey_type nor for ENGINE_MAC.
 */
struct engine_public {
	enum pkey_type type; /* PKEY_TYPES with ENGINE_MAC */
	unsigned uses;	     /* enum engine_use */
	bool restricted;     /* signs or decrypts only what the TPM made itself */
	bool user_with_auth; /* usable with its password */
	struct engine_name name;
	struct pkey *key; /* freed by the caller; NULL with ENGINE_MAC */
};
int engine_public_parse(struct slice bytes, struct engine_public *ret_public, struct err *err)
	MUST_CHECK;

#endif
