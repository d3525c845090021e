/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

/*
 * SecurityProvider: keeps keys and uses them, and never lets a private half out unless the key
 * was made for export. Two implementations, one contract (tests/contract): `tpm` on the chip,
 * `legacy` in software. Bytes in, bytes out: a provider writes no file. What it returns as
 * "object" is opaque to everybody else and opens only with the same provider on the same device.
 *
 * Every object is bound to a header (provider/blob.h): its exact bytes are given at creation and
 * at each use, and an object presented with other header bytes does not open (ERR_DAMAGED).
 *
 * A provider is used by one thread at a time: the worker when `on_chip`, else any of the pool's
 * (a provider that is not on_chip must be safe for several threads).
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

enum provider_kind {
	PROVIDER_TPM = 1, /* the values are stored in blobs */
	PROVIDER_SOFTWARE = 2,
};

/* What a provider seals directly: 1 to this many bytes (a TPM's limit); more goes by envelope. */
#define PROVIDER_SEAL_MAX   128u
#define PROVIDER_OBJECT_MAX 4096u
#define PROVIDER_ROOT_MAX   66u /* name algorithm and digest of the largest Name */

/*
 * What a key may do; the provider itself holds it to that. A pair has one or more of the first
 * three that fit its type: RSA signs and decrypts, ECC signs and agrees. KEY_USE_MAC stands alone:
 * an HMAC-SHA-256 key, which has no public half and no pkey_type.
 */
enum key_use {
	KEY_USE_SIGN = 1 << 0,
	KEY_USE_DECRYPT = 1 << 1, /* RSA-OAEP */
	KEY_USE_AGREE = 1 << 2,	  /* ECDH */
	KEY_USE_MAC = 1 << 3,
};

struct key_spec {
	enum pkey_type type; /* PKEY_TYPES with KEY_USE_MAC */
	bool exportable;     /* the private half may leave as PEM; not with KEY_USE_MAC */
	bool empty_auth;     /* with exportable: usable by tools without a passphrase */
	unsigned uses;	     /* enum key_use; 0 = KEY_USE_SIGN */
};

/* A key that was made elsewhere. */
struct key_source {
	struct slice pem;
	const struct secret *passphrase; /* NULL = none */
	unsigned uses; /* enum key_use; 0 = all that the PEM says, PKCS#8: KEY_USE_SIGN */
};

struct sign_request {
	enum pkey_scheme scheme;
	enum hash_alg hash;
	struct slice digest; /* hash_size(hash) bytes */
};

/* The ciphertext is as long as the key's modulus; the label, if any, ends in its NUL (Part 1, B.4).
 */
struct decrypt_request {
	enum hash_alg hash; /* of OAEP and its MGF1 */
	struct slice label; /* at most PROVIDER_LABEL_MAX bytes, NUL included; empty = none */
	struct slice ciphertext;
};
#define PROVIDER_LABEL_MAX 64u

/* What a provider takes of a message at once: more goes piece by piece (provider_pieces). */
#define PROVIDER_PIECE_MAX 1024u
/*
 * Of messages that come in pieces so many may be under way on a chip; more may be ERR_TPM_BUSY.
 * They are so few that all of them stay in the chip: it may have no more than three places, of
 * which one is left free. With more each piece would save one message, load another and only then
 * be hashed: three commands for one, and nobody is served earlier.
 */
#define PROVIDER_MESSAGES_MAX 2u

/* A new or imported key. */
struct key_result {
	struct buf object; /* to be stored with its header */
	struct buf spki;   /* DER SubjectPublicKeyInfo; empty with KEY_USE_MAC */
	struct buf name;   /* the TPM Name; empty in software */
	struct buf public; /* TPM2B_PUBLIC, marshalled; empty in software */
	enum pkey_type type;
	unsigned uses; /* enum key_use */
};

#define KEY_RESULT_INIT                                                                            \
	{                                                                                          \
		.object = BUF_INIT(PROVIDER_OBJECT_MAX), .spki = BUF_INIT(1024),                   \
		.name = BUF_INIT(PROVIDER_ROOT_MAX), .public = BUF_INIT(1024)                      \
	}
void key_result_fini(struct key_result *result);
static inline void key_result_cleanup(struct key_result *result)
{
	key_result_fini(result);
}

/* --- attestation: what only a TPM can do. Structures are those of TPM 2.0 Part 2, marshalled. ---
 */

/* A restricted signing key: fixedTPM, fixedParent, sensitiveDataOrigin (Part 2, 8.3). */
struct aik_spec {
	enum pkey_type type;
	enum hash_alg hash; /* the only one that it signs with; with RSA by RSASSA, else ECDSA */
};

/* Platform configuration registers: of each bank those whose bit is set. */
#define PCR_COUNT 24u
#define PCR_BANKS 4u
struct pcr_selection {
	struct {
		enum hash_alg hash;
		uint32_t mask; /* bit n = PCR n */
	} banks[PCR_BANKS];
	size_t count; /* of banks; a bank stands once */
};

struct pcr_values {
	struct pcr_selection
		selection; /* what was asked for; a bank that the chip lacks is refused */
	uint8_t digest[PCR_BANKS][PCR_COUNT][HASH_MAX_SIZE]; /* where the bit is set */
	uint32_t update_counter;
};

#define PROVIDER_NONCE_MAX 64u /* TPM2B_DATA of a chip with SHA-512 at most */
struct quote_request {
	struct slice nonce; /* at most PROVIDER_NONCE_MAX bytes; may be empty */
	struct pcr_selection pcrs;
	bool values; /* read them too, as they were when the quote was made */
};

/* What a chip says and signs. */
struct attestation {
	struct buf attest;    /* TPMS_ATTEST, the bytes that are signed */
	struct buf signature; /* TPMT_SIGNATURE */
};
#define ATTESTATION_INIT                                                                           \
	{                                                                                          \
		.attest = BUF_INIT(2048), .signature = BUF_INIT(1024)                              \
	}
void attestation_fini(struct attestation *attestation);
static inline void attestation_cleanup(struct attestation *attestation)
{
	attestation_fini(attestation);
}

/* The endorsement key of a type. */
#define PROVIDER_EK_REMARK 160u
struct ek_result {
	enum pkey_type type;
	uint32_t handle;	/* where it lies persistently; 0 = nowhere */
	struct buf public;	/* TPM2B_PUBLIC */
	struct buf spki;	/* DER SubjectPublicKeyInfo */
	struct buf name;	/* its Name */
	struct buf certificate; /* DER, of this very key; empty = the chip has none */
	struct buf chain; /* DER certificates of its issuers, one after the other; may be empty */
	/* Why one of the two is empty though the chip keeps something for it; "" if not so. */
	char remark[PROVIDER_EK_REMARK];
};
#define EK_CERTIFICATE_MAX 8192u
#define EK_CHAIN_MAX	   32768u
#define EK_RESULT_INIT                                                                             \
	{                                                                                          \
		.public = BUF_INIT(1024), .spki = BUF_INIT(1024),                                  \
		.name = BUF_INIT(PROVIDER_ROOT_MAX), .certificate = BUF_INIT(EK_CERTIFICATE_MAX),  \
		.chain = BUF_INIT(EK_CHAIN_MAX)                                                    \
	}
void ek_result_fini(struct ek_result *result);
static inline void ek_result_cleanup(struct ek_result *result)
{
	ek_result_fini(result);
}

/* For whom a challenge was made (TPM2_MakeCredential), and the challenge. */
struct credential {
	enum pkey_type ek;   /* PKEY_TYPES = the one that provider_ek() gives for PKEY_TYPES */
	struct slice blob;   /* TPM2B_ID_OBJECT, marshalled */
	struct slice secret; /* TPM2B_ENCRYPTED_SECRET, marshalled */
};

/* For status; strings are borrowed from the provider and live as long as it does. */
struct provider_status {
	const char *manufacturer; /* NULL in software, as are the next ones */
	const char *firmware;
	const char *resource_manager; /* beside us: "none", "kernel" or "unknown" */
	const char *tcti;
	uint64_t commands; /* TPM commands sent since start */
	uint32_t reset_count;
	uint32_t restart_count;
	uint32_t ek_handle;   /* of a persistent endorsement key; 0 = none seen at the start */
	struct slice ek_name; /* its Name */
	/* As the chip told when it was opened, and whenever it has counted a failure since. */
	uint32_t lockout_counter;
	uint32_t lockout_max;
	bool in_lockout;
	bool has_lockout;	   /* the three above were read */
	uint32_t lockout_resets;   /* that we sent, with lockout_auth */
	bool lockout_auth_refused; /* by the chip; it is not tried again */
	const char
		*fault; /* NULL, or the code's name while the chip does not serve: "tpm_failed" */
};

/* An object that other TPM software made and that is loaded below a persistent key as it is. */
struct provider_loadable {
	uint32_t parent_handle;	   /* of the owner's range */
	struct slice parent_name;  /* must be the Name of what lies there */
	struct slice public_part;  /* marshalled TPM2B_PUBLIC */
	struct slice private_part; /* marshalled TPM2B_PRIVATE */
};

/* Said by both when a key was not made for export. */
#define PROVIDER_REMEDY_EXPORT                                                                     \
	"Create a new key for export and use that one; a key made without can never leave."

/* What somebody has encrypted to our storage key (docs/ARTIFACT.md, "Device keys"), borrowed. */
#define PROVIDER_WRAPPED_MAX 512u /* bytes of each part */
struct provider_wrapped {
	struct slice public_area;  /* marshalled TPM2B_PUBLIC of the sealed data */
	struct slice private_area; /* marshalled TPM2B_PRIVATE, a duplicate for TPM2_Import */
	struct slice seed;	   /* marshalled TPM2B_ENCRYPTED_SECRET */
};

struct provider; /* what an implementation embeds first in its own state (impl below) */

/* A key that lives in the chip, persistently. */
struct provider_resident {
	uint32_t handle;   /* of the owner's range */
	struct slice name; /* the TPM Name that must lie there */
};

/* Those of the handles that provider_persist() tries where something lies, rising. */
#define PROVIDER_RESIDENT_TRIES 64u
struct provider_taken {
	uint32_t handle[PROVIDER_RESIDENT_TRIES];
	size_t count;
};

/* An object with the header that it is bound to, where a call takes two. */
struct provider_object {
	struct slice header;
	struct slice object;
};

/* What a message that comes in pieces becomes. */
enum pieces_of {
	PIECES_MAC, /* of a key with KEY_USE_MAC */
	PIECES_AIK, /* the signature of an AIK */
};
struct pieces; /* a message on its way through the provider; every implementation has its own */

struct guest_ops; /* provider/guest.h */

struct provider_ops {
	const char *name; /* "tpm" | "legacy" */
	enum provider_kind kind;
	const char *protection; /* "tpm" | "software" */
	bool on_chip;

	int (*random)(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err);
	int (*seal)(struct provider *p, struct slice header, const struct secret *plain,
		    struct buf *ret_object, struct err *err);
	int (*unseal)(struct provider *p, struct slice header, struct slice object,
		      struct secret **ret_plain, struct err *err);
	int (*key_create)(struct provider *p, struct slice header, const struct key_spec *spec,
			  struct key_result *ret_key, struct err *err);
	int (*key_import)(struct provider *p, struct slice header, const struct key_source *source,
			  struct key_result *ret_key, struct err *err);
	int (*key_export)(struct provider *p, struct slice header, struct slice object,
			  struct buf *ret_pem, struct secret **ret_passphrase, struct err *err);
	int (*key_sign)(struct provider *p, struct slice header, struct slice object,
			const struct sign_request *request, struct buf *ret_signature,
			struct err *err);
	int (*key_decrypt)(struct provider *p, struct slice header, struct slice object,
			   const struct decrypt_request *request, struct secret **ret_plain,
			   struct err *err);
	int (*key_agree)(struct provider *p, struct slice header, struct slice object,
			 const struct pkey *peer, struct secret **ret_shared, struct err *err);
	int (*key_mac)(struct provider *p, struct slice header, struct slice object,
		       struct slice data, struct buf *ret_mac, struct err *err);
	int (*pieces_start)(struct provider *p, enum pieces_of of, struct slice header,
			    struct slice object, struct pieces **ret_pieces, struct err *err);
	int (*pieces_add)(struct provider *p, struct pieces *pieces, struct slice piece,
			  struct err *err);
	int (*pieces_end)(struct provider *p, struct pieces *pieces, struct slice last,
			  struct buf *ret_result, struct err *err);
	void (*pieces_free)(struct provider *p, struct pieces *pieces);

	int (*aik_create)(struct provider *p, struct slice header, const struct aik_spec *spec,
			  struct key_result *ret_key, struct err *err);
	int (*aik_sign)(struct provider *p, struct slice header, struct slice object,
			struct slice message, struct buf *ret_signature, struct err *err);
	int (*quote)(struct provider *p, struct slice header, struct slice object,
		     const struct quote_request *request, struct attestation *ret_quote,
		     struct pcr_values *ret_values, struct err *err);
	int (*certify)(struct provider *p, const struct provider_object *aik,
		       const struct provider_object *key, struct slice nonce,
		       struct attestation *ret_certified, struct err *err);
	int (*activate)(struct provider *p, struct slice header, struct slice object,
			const struct credential *credential, struct secret **ret_secret,
			struct err *err);
	int (*ek)(struct provider *p, enum pkey_type type, struct ek_result *ret_ek,
		  struct err *err);
	int (*pcrs)(struct provider *p, const struct pcr_selection *selection,
		    struct pcr_values *ret_values, struct err *err);
	int (*pcr_banks)(struct provider *p, struct pcr_selection *ret_banks, struct err *err);

	int (*unseal_loadable)(struct provider *p, const struct provider_loadable *object,
			       struct secret **ret_plain, struct err *err);
	int (*persist)(struct provider *p, struct slice header, struct slice object,
		       uint32_t handle, uint32_t *ret_handle, struct err *err);
	int (*taken)(struct provider *p, uint32_t handle, struct provider_taken *ret_taken,
		     struct err *err);
	int (*resident)(struct provider *p, uint32_t handle, struct key_result *ret_key,
			struct err *err);
	int (*resident_sign)(struct provider *p, struct slice header,
			     const struct provider_resident *key,
			     const struct sign_request *request, struct buf *ret_signature,
			     struct err *err);
	int (*evict)(struct provider *p, const struct provider_resident *key, struct err *err);
	int (*storage_key)(struct provider *p, struct key_result *ret_key, struct err *err);
	int (*unwrap)(struct provider *p, const struct provider_wrapped *wrapped,
		      struct secret **ret_plain, struct err *err);
	int (*storage_activate)(struct provider *p, const struct credential *credential,
				struct secret **ret_secret, struct err *err);
	const struct guest_ops *guests; /* NULL in software */
	void (*forget)(struct provider *p, struct slice object);
	void (*status)(struct provider *p, struct provider_status *ret_status);
	void (*close)(struct provider *p);
};

struct provider {
	const struct provider_ops *ops;
	/* What a blob's header names as its root: HSK Name, or the id of the host key. Immutable.
	 */
	uint8_t root[PROVIDER_ROOT_MAX];
	size_t root_len;
	/* The id of the key that authorises objects (first 8 bytes of its SHA-256). Immutable. */
	uint8_t auth_id[8];
	/* CLOCK_MONOTONIC, 0 = none. When on_chip, the worker sets it before each call. */
	uint64_t deadline_us;
};

/* Exactly @len bytes, 1 to 65536. On a TPM at most one command. */
int provider_random(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err) MUST_CHECK;

/* Seals 1 to PROVIDER_SEAL_MAX bytes. One TPM command. */
int provider_seal(struct provider *p, struct slice header, const struct secret *plain,
		  struct buf *ret_object, struct err *err) MUST_CHECK;

/* One TPM command when the object is loaded. ERR_DAMAGED when object or header were changed. */
int provider_unseal(struct provider *p, struct slice header, struct slice object,
		    struct secret **ret_plain, struct err *err) MUST_CHECK;

int provider_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
			struct key_result *ret_key, struct err *err) MUST_CHECK;

/*
 * PKCS#8 everywhere: on a TPM it is imported below our storage key (TPM2_Import), @uses being what
 * it may do from then on. tpm: also a TSS2 PRIVATE KEY under this chip's SRK; its password is
 * replaced by one bound to @header, and its uses are those that it has, all of them.
 * ERR_NOT_SUPPORTED: it lacks one of source->uses. ERR_INVALID: uses that no key of its type can
 * have, and KEY_USE_MAC: HMAC keys are made here. ERR_TPM_REQUIRED: a TSS2 key in legacy.
 * ERR_WRONG_TPM: of another chip. ERR_AUTH_FAILED: the passphrase is wrong or missing.
 */
int provider_key_import(struct provider *p, struct slice header, const struct key_source *source,
			struct key_result *ret_key, struct err *err) MUST_CHECK;

/*
 * The PEM that stock tools load, and its passphrase (*ret_passphrase NULL for empty auth).
 * ERR_CONFLICT unless the key was created exportable.
 */
int provider_key_export(struct provider *p, struct slice header, struct slice object,
			struct buf *ret_pem, struct secret **ret_passphrase, struct err *err)
	MUST_CHECK;

/* One TPM command when the key is loaded. ECDSA as DER. */
int provider_key_sign(struct provider *p, struct slice header, struct slice object,
		      const struct sign_request *request, struct buf *ret_signature,
		      struct err *err) MUST_CHECK;

/*
 * What the key's pair had encrypted by RSA-OAEP. One TPM command when loaded. ERR_INVALID: the key
 * has no KEY_USE_DECRYPT, the ciphertext is not as long as its modulus. ERR_DAMAGED: it does not
 * open with this key, hash and label; no more is told.
 */
int provider_key_decrypt(struct provider *p, struct slice header, struct slice object,
			 const struct decrypt_request *request, struct secret **ret_plain,
			 struct err *err) MUST_CHECK;

/*
 * The x-coordinate shared with @peer, as long as the field. One TPM command when loaded.
 * ERR_INVALID: no KEY_USE_AGREE, or a peer of another curve.
 */
int provider_key_agree(struct provider *p, struct slice header, struct slice object,
		       const struct pkey *peer, struct secret **ret_shared, struct err *err)
	MUST_CHECK;

/*
 * HMAC-SHA-256 of up to PROVIDER_PIECE_MAX bytes: 32 bytes. One TPM command when loaded.
 * ERR_INVALID: no KEY_USE_MAC.
 */
int provider_key_mac(struct provider *p, struct slice header, struct slice object,
		     struct slice data, struct buf *ret_mac, struct err *err) MUST_CHECK;

/*
 * The same for what is longer, and for an AIK's signature: one command to start, one for each piece
 * (1 to PROVIDER_PIECE_MAX bytes; all but the last exactly as many), one to end, and one more to
 * sign. Between them others may use the provider, so each can have its turn. The slices given at
 * the start must live until the end. provider_pieces_end() and _free() end it; NULL is allowed for
 * _free(). ERR_CONFLICT: the chip was reset meanwhile, begin anew.
 */
int provider_pieces_start(struct provider *p, enum pieces_of of, struct slice header,
			  struct slice object, struct pieces **ret_pieces, struct err *err)
	MUST_CHECK;
int provider_pieces_add(struct provider *p, struct pieces *pieces, struct slice piece,
			struct err *err) MUST_CHECK;
int provider_pieces_end(struct provider *p, struct pieces *pieces, struct slice last,
			struct buf *ret_result, struct err *err) MUST_CHECK;
void provider_pieces_free(struct provider *p, struct pieces *pieces);

/*
 * Attestation. All are ERR_TPM_REQUIRED in software. An AIK is opened by none of the key calls
 * above, and a key by none of these but as the one that is certified (ERR_DAMAGED: the header says
 * which it is).
 */
int provider_aik_create(struct provider *p, struct slice header, const struct aik_spec *spec,
			struct key_result *ret_key, struct err *err) MUST_CHECK;

/*
 * Signs a message of 1 to PROVIDER_PIECE_MAX bytes with the AIK's own hash: TPM2_Hash and Sign.
 * ERR_INVALID for one that begins with TPM_GENERATED_VALUE (Part 1, restricted signing). RSA: the
 * signature's bytes; ECDSA: DER.
 */
int provider_aik_sign(struct provider *p, struct slice header, struct slice object,
		      struct slice message, struct buf *ret_signature, struct err *err) MUST_CHECK;

/*
 * One command, and with values one more for every eight PCRs, as often as it takes until their
 * digest is the quote's; ERR_TPM_BUSY when they change too fast. ERR_INVALID: a bank that the chip
 * does not have, or none selected. @ret_values is untouched without request->values.
 */
int provider_quote(struct provider *p, struct slice header, struct slice object,
		   const struct quote_request *request, struct attestation *ret_quote,
		   struct pcr_values *ret_values, struct err *err) MUST_CHECK;

/* The AIK vouches that @key is in this chip. One command when both are loaded. */
int provider_certify(struct provider *p, const struct provider_object *aik,
		     const struct provider_object *key, struct slice nonce,
		     struct attestation *ret_certified, struct err *err) MUST_CHECK;

/*
 * Opens a challenge for this AIK in this chip: at most 4 commands when both keys are loaded. The
 * secret has 1 to 64 bytes. ERR_DAMAGED: it was made for another AIK or another endorsement key.
 */
int provider_activate(struct provider *p, struct slice header, struct slice object,
		      const struct credential *credential, struct secret **ret_secret,
		      struct err *err) MUST_CHECK;

/*
 * The endorsement key of @type by the TCG's templates (EK Credential Profile 2.5, B.3, B.4), and
 * its certificate from NV. PKEY_TYPES: the first that has a certificate, in the order P-256,
 * RSA-2048, P-384, else P-256, else what the chip can make. ERR_NOT_SUPPORTED: no such key.
 */
int provider_ek(struct provider *p, enum pkey_type type, struct ek_result *ret_ek, struct err *err)
	MUST_CHECK;

/* One command for every eight PCRs; taken again when an update came between two. */
int provider_pcrs(struct provider *p, const struct pcr_selection *selection,
		  struct pcr_values *ret_values, struct err *err) MUST_CHECK;
/* The banks that are allocated, with the PCRs of each; those of hashes that we do not know are left
 * out. No command after the first call. */
int provider_pcr_banks(struct provider *p, struct pcr_selection *ret_banks, struct err *err)
	MUST_CHECK;

/*
 * Sealed data of other TPM software, without password and policy; one TPM command when loaded.
 * ERR_TPM_REQUIRED in software; ERR_WRONG_TPM when the parent is not the one of that Name.
 */
int provider_unseal_loadable(struct provider *p, const struct provider_loadable *object,
			     struct secret **ret_plain, struct err *err) MUST_CHECK;

/* The object was deleted: drop it from the chip's slots. Never fails. */
void provider_forget(struct provider *p, struct slice object);

void provider_status(struct provider *p, struct provider_status *ret_status);
void provider_free(struct provider *p);
MEM_DEFINE_CLEANUP(provider)

/*
 * Keys that live in the chip, persistently, below our own storage key; made by
 * provider_key_create(). All are ERR_TPM_REQUIRED in software, and ERR_INVALID for a handle that is
 * not of the owner's range.
 *
 * Makes @object persistent at @handle, or where another key lies there at the next free one above
 * (PROVIDER_RESIDENT_TRIES are tried); it may lie there already, so that a power cut in between is
 * mended by repeating. The handles of SRK and HSK are never taken. *ret_handle is where it lies
 * now. ERR_CONFLICT: no free handle, or the chip has no room. ERR_OWNER_AUTH_REQUIRED. ERR_INVALID:
 * a key that was made for export or was imported.
 */
int provider_persist(struct provider *p, struct slice header, struct slice object, uint32_t handle,
		     uint32_t *ret_handle, struct err *err) MUST_CHECK;

/*
 * The handles that provider_persist() would try from @handle on and finds taken. Two commands,
 * where the chip tells all of them at once.
 */
int provider_taken(struct provider *p, uint32_t handle, struct provider_taken *ret_taken,
		   struct err *err) MUST_CHECK;

/*
 * What lies at @handle: its Name, and public half where it is of enum pkey_type (else spki stays
 * empty). ERR_NOT_FOUND: nothing; any other error: nobody knows.
 */
int provider_resident(struct provider *p, uint32_t handle, struct key_result *ret_key,
		      struct err *err) MUST_CHECK;

/*
 * One TPM command; @header is that of its creation, else ERR_DAMAGED. ERR_TPM_CHANGED: the key is
 * gone, or another one lies there, which is found without another command in the good case. The
 * first time after the chip was opened, reset or lost, and for another key than the last one, it is
 * one command more.
 */
int provider_resident_sign(struct provider *p, struct slice header,
			   const struct provider_resident *key, const struct sign_request *request,
			   struct buf *ret_signature, struct err *err) MUST_CHECK;

/* Removes it from the chip. ERR_NOT_FOUND: nothing lies there; ERR_CONFLICT: another key does. */
int provider_evict(struct provider *p, const struct provider_resident *key, struct err *err)
	MUST_CHECK;

/*
 * Our storage key: public half and Name, for who wraps to it; it has no uses. No command. In
 * software it is a P-256 key that comes from the host key, in the same form, with attributes that
 * say so (wrap/public.h): it changes when the host key does.
 */
int provider_storage_key(struct provider *p, struct key_result *ret_key, struct err *err)
	MUST_CHECK;

/*
 * What was sealed to the storage key by who knows its public half: 1 to 128 bytes, under no
 * password and no policy. On a TPM Import, Load and Unseal the first time (and one Flush where room
 * is needed), then one command while it is loaded; PROVIDER_UNWRAPPED imports are remembered for
 * this. ERR_DAMAGED: for another storage key, or changed, or something else than such sealed data,
 * in one text and without an origin: nobody can tell which.
 */
#define PROVIDER_UNWRAPPED 64u
int provider_unwrap(struct provider *p, const struct provider_wrapped *wrapped,
		    struct secret **ret_plain, struct err *err) MUST_CHECK;

/*
 * Opens a challenge that was made for the storage key's Name, as provider_activate() does for an
 * attestation key's: proof that it is in the TPM of that endorsement key. ERR_TPM_REQUIRED in
 * software; ERR_DAMAGED: made for another pair of keys.
 */
int provider_storage_activate(struct provider *p, const struct credential *credential,
			      struct secret **ret_secret, struct err *err) MUST_CHECK;

#endif
