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

struct key_spec {
	enum pkey_type type;
	bool exportable; /* the private half may leave as PEM */
	bool empty_auth; /* with exportable: usable by tools without a passphrase */
};

struct sign_request {
	enum pkey_scheme scheme;
	enum hash_alg hash;
	struct slice digest; /* hash_size(hash) bytes */
};

/* A new or imported key. */
struct key_result {
	struct buf object; /* to be stored with its header */
	struct buf spki;   /* DER SubjectPublicKeyInfo */
	struct buf name;   /* the TPM Name; empty in software */
	enum pkey_type type;
};

#define KEY_RESULT_INIT                                                                            \
	{                                                                                          \
		.object = BUF_INIT(PROVIDER_OBJECT_MAX), .spki = BUF_INIT(1024),                   \
		.name = BUF_INIT(PROVIDER_ROOT_MAX)                                                \
	}
void key_result_fini(struct key_result *result);
static inline void key_result_cleanup(struct key_result *result)
{
	key_result_fini(result);
}

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

struct provider; /* what an implementation embeds first in its own state (impl below) */

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
	int (*key_import)(struct provider *p, struct slice header, struct slice pem,
			  const struct secret *passphrase, struct key_result *ret_key,
			  struct err *err);
	int (*key_export)(struct provider *p, struct slice header, struct slice object,
			  struct buf *ret_pem, struct secret **ret_passphrase, struct err *err);
	int (*key_sign)(struct provider *p, struct slice header, struct slice object,
			const struct sign_request *request, struct buf *ret_signature,
			struct err *err);
	int (*unseal_loadable)(struct provider *p, const struct provider_loadable *object,
			       struct secret **ret_plain, struct err *err);
	int (*raw)(struct provider *p, struct slice command, struct buf *ret_answer,
		   struct err *err);
	int (*raw_end)(struct provider *p, struct err *err);
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
 * tpm: a TSS2 PRIVATE KEY under this chip's SRK; its password is replaced by one bound to
 * @header. legacy: PKCS#8. ERR_TPM_REQUIRED: a TSS2 key in legacy. ERR_WRONG_TPM: of another chip.
 * ERR_AUTH_FAILED: the passphrase is wrong or missing. @passphrase may be NULL.
 */
int provider_key_import(struct provider *p, struct slice header, struct slice pem,
			const struct secret *passphrase, struct key_result *ret_key,
			struct err *err) MUST_CHECK;

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
 * Sealed data of other TPM software, without password and policy; one TPM command when loaded.
 * ERR_TPM_REQUIRED in software; ERR_WRONG_TPM when the parent is not the one of that Name.
 */
int provider_unseal_loadable(struct provider *p, const struct provider_loadable *object,
			     struct secret **ret_plain, struct err *err) MUST_CHECK;

/*
 * One raw TPM command of somebody else, sent as it is, and the chip's answer, whatever its code
 * (at most PROVIDER_RAW_MAX bytes each way); the caller has filtered it. ERR_TPM_REQUIRED in
 * software. After the last one provider_raw_end() empties the chip of what is not ours and looks
 * whether the roots are still there (ERR_TPM_CHANGED).
 */
#define PROVIDER_RAW_MAX 4096u
int provider_raw(struct provider *p, struct slice command, struct buf *ret_answer, struct err *err)
	MUST_CHECK;
int provider_raw_end(struct provider *p, struct err *err) MUST_CHECK;

/* The object was deleted: drop it from the chip's slots. Never fails. */
void provider_forget(struct provider *p, struct slice object);

void provider_status(struct provider *p, struct provider_status *ret_status);
void provider_free(struct provider *p);
MEM_DEFINE_CLEANUP(provider)

#endif
