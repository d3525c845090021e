/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLIENT_H
#define HOLDFAST_CLIENT_H

/*
 * libholdfast: the C client of the Holdfast service. It speaks HTTP over the service's Unix
 * socket; keys never come through here, only what is made with them.
 *
 *   struct hf *hf;
 *   void *blob;
 *   size_t len;
 *
 *   if (hf_open(NULL, &hf) < 0)
 *           return -1;
 *   if (hf_seal(hf, "secret", 6, &blob, &len) < 0)
 *           fprintf(stderr, "%s; %s\n", hf_error_text(hf), hf_error_remedy(hf));
 *   else
 *           hf_free(blob);
 *   hf_close(hf);
 *
 * Errors. Every int function returns 0 or a negative enum hf_code (holdfast/error.h) and leaves a
 * text and a remedy for people in the handle. Outputs (ret_*) are untouched on failure. The codes
 * come from the service; these the library makes itself:
 *   HF_INVALID    an argument is malformed; nothing was sent
 *   HF_FORBIDDEN  the socket may not be opened by this user (also sent by the service)
 *   HF_TIMEOUT    the deadline passed; the outcome is unknown
 *   HF_INTERNAL   the service is not there, broke off, or does not speak as it must; or memory is
 *                 short. The text says which.
 *
 * Threads. A handle is used by one thread at a time; handles do not share anything. The library
 * starts no thread, keeps no global state, does not touch signals, and never raises SIGPIPE.
 * After fork() a child may go on with a copy of the handle: it connects anew.
 *
 * Time. Each call has one deadline for everything it does, connecting and repeating included; that
 * of a stream is one of silence: it counts anew whenever bytes have moved, and not while the
 * caller's functions run. While the service is starting, calls are repeated until then. A kept
 * connection that the service has closed meanwhile is replaced once, when repeating cannot do
 * anything twice.
 *
 * Memory. Bytes and texts that a call gives are the caller's, end in a NUL that is not counted,
 * and are freed by hf_free(), which wipes them. Borrowed texts (const char *) of a handle are good
 * until its next call. Names of keys and secrets are 1 to 128 of A-Z a-z 0-9 . _ - and do not
 * begin with a dot. Texts are UTF-8.
 */

#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define HF_SOCKET_DEFAULT     "/run/holdfast/holdfast.sock"
#define HF_TIMEOUT_MS_DEFAULT 60000u
#define HF_RANDOM_MAX	      65536u	/* bytes of one hf_random() */
#define HF_SEAL_MAX	      67108864u /* bytes of plaintext that the service seals at once */

struct hf; /* a connection to the service, made at the first call that needs it */

/*
 * A new handle. @socket is a path, or NULL for the environment's HOLDFAST_SOCKET, else
 * HF_SOCKET_DEFAULT. Does not connect. HF_INVALID when the path is empty or over 107 bytes,
 * HF_INTERNAL when memory is short.
 */
int hf_open(const char *socket, struct hf **ret_hf);

/* Closes and frees; what calls have given stays the caller's. NULL is allowed. */
void hf_close(struct hf *hf);

/* The deadline of each later call, in milliseconds; 0 means HF_TIMEOUT_MS_DEFAULT. */
void hf_set_timeout_ms(struct hf *hf, unsigned timeout_ms);

/* The path of the socket. */
const char *hf_socket(const struct hf *hf);

/* What the last call ended with: a code (HF_OK after success), and texts, "" after success. */
int hf_error_code(const struct hf *hf);
const char *hf_error_text(const struct hf *hf);
const char *hf_error_remedy(const struct hf *hf);

/*
 * Who protects what the last call used: "tpm", "software" or "none"; "" when the answer did not
 * say, as after an error.
 */
const char *hf_protection(const struct hf *hf);

/*
 * The JSON object that the service answered the last call with, when that was hf_secret_put()
 * (name, protection, created, size) or a call that signs (signature, protection, hash, scheme,
 * format); else, and after an error, "".
 */
const char *hf_answer_json(const struct hf *hf);

/* Wipes and frees what a call gave. NULL is allowed. */
void hf_free(void *data);

/* The service's state as one JSON object (docs/API.yaml, GET /v1/status). */
int hf_status_json(struct hf *hf, char **ret_json);

/*
 * What the container of this program uses, as its host counts it: memory, processors, processes
 * and traffic, as one JSON object (docs/API.yaml, Usage). What the host does not tell is null.
 */
int hf_usage_json(struct hf *hf, char **ret_json);

/* Fills @data with @len random bytes, 1 to HF_RANDOM_MAX. */
int hf_random(struct hf *hf, void *data, size_t len);

/*
 * The service's counters in the OpenMetrics text format. For the tenant `host` only: others get
 * HF_NOT_FOUND or HF_FORBIDDEN.
 */
int hf_metrics(struct hf *hf, char **ret_text);

/*
 * Seals: only this service on this device opens the blob again, for this tenant. The service keeps
 * nothing. HF_TOO_LARGE over HF_SEAL_MAX.
 */
int hf_seal(struct hf *hf, const void *data, size_t len, void **ret_blob, size_t *ret_len);

/*
 * Opens a blob. HF_DAMAGED, HF_WRONG_TENANT, HF_WRONG_TPM, or HF_TPM_REQUIRED when it was made by
 * a TPM and none is in use.
 */
int hf_unseal(struct hf *hf, const void *blob, size_t len, void **ret_data, size_t *ret_len);

/*
 * The same piece by piece, with 64 KiB of memory whatever the size.
 *
 * @read puts up to @room bytes at @data, 1 at least, and their number into *ret_len; 0 bytes are
 * the end. @write gets the result in pieces, in order. A non-zero result of either ends the call
 * at once and becomes its result; use positive ones, which are no error codes. Neither may use the
 * same handle. @read runs first, and may be called while @write still gets bytes.
 *
 * When a call fails, @write may already have got bytes: discard them. The beginning of a damaged
 * blob opens, and only its damaged part is noticed; what was written is good only after 0. When
 * the service breaks off in the middle of the result, that is HF_INTERNAL.
 *
 * A stream that is longer than one piece is not repeated once more of it was read than that;
 * one that the service cannot take now is refused before. HF_INVALID when the input is longer or
 * shorter than @total; else the errors of hf_seal() and hf_unseal().
 */
#define HF_TOTAL_UNKNOWN UINT64_MAX
typedef int (*hf_read_fn)(void *arg, void *data, size_t room, size_t *ret_len);
typedef int (*hf_write_fn)(void *arg, const void *data, size_t len);

struct hf_stream {
	hf_read_fn read;
	hf_write_fn write;
	void *arg;	/* of both */
	uint64_t total; /* bytes that @read will give, or HF_TOTAL_UNKNOWN */
};
int hf_seal_stream(struct hf *hf, const struct hf_stream *stream);
int hf_unseal_stream(struct hf *hf, const struct hf_stream *stream);

/* Named secrets, kept by the service in sealed form. */
enum hf_secret_flags {
	HF_SECRET_CREATE = 1, /* only a new name: HF_CONFLICT when it exists, else it is replaced */
};
int hf_secret_put(struct hf *hf, const char *name, const void *data, size_t len, unsigned flags);
int hf_secret_get(struct hf *hf, const char *name, void **ret_data, size_t *ret_len);
int hf_secret_delete(struct hf *hf, const char *name);

/*
 * Calls @visit for each name, in the service's order. A non-zero result ends the walk and becomes
 * the result of the list function; use positive ones, which are no error codes. @visit must not
 * use the same handle.
 */
typedef int (*hf_name_fn)(void *arg, const char *name);
int hf_secret_list(struct hf *hf, hf_name_fn visit, void *arg);
int hf_key_list(struct hf *hf, hf_name_fn visit, void *arg);

/*
 * Keys. Types: "ecc-p256", "ecc-p384", "rsa-2048", "rsa-3072", "hmac-sha256". @ret_json gets the
 * description of the key as a JSON object (docs/API.yaml, Key); NULL when it is not wanted.
 *
 * What a key may be used for is settled when it is made, and the TPM holds it to that. RSA keys
 * sign and decrypt, ECC keys sign and agree, one or both; an HMAC key signs alone, which is
 * hf_mac(). A use that does not fit the type is HF_INVALID.
 */
enum hf_key_flags {
	HF_KEY_EXPORT = 1,	  /* hf_key_export() will be possible */
	HF_KEY_NO_PASSPHRASE = 2, /* with HF_KEY_EXPORT: the exported key opens without one */
};
enum hf_key_uses {
	HF_USE_SIGN = 1,    /* hf_sign_digest(), hf_sign_message(), hf_key_request(), hf_mac() */
	HF_USE_DECRYPT = 2, /* hf_key_decrypt() */
	HF_USE_AGREE = 4,   /* hf_key_agree() */
};
int hf_key_create(struct hf *hf, const char *name, const char *type, unsigned flags,
		  char **ret_json);
/* The same for @uses, of enum hf_key_uses; 0 means HF_USE_SIGN. */
int hf_key_create_for(struct hf *hf, const char *name, const char *type, unsigned uses,
		      unsigned flags, char **ret_json);

/*
 * Takes a key over from a PEM: PKCS#8, or a TSS2 PRIVATE KEY of this TPM while it is in use.
 * @passphrase may be NULL. HF_AUTH_FAILED when it is missing or wrong, HF_TPM_REQUIRED or
 * HF_WRONG_TPM for a TSS2 PRIVATE KEY that this TPM does not open.
 */
int hf_key_import(struct hf *hf, const char *name, const char *pem, const char *passphrase,
		  char **ret_json);
/* The same for @uses; HF_NOT_SUPPORTED when the key of the PEM lacks one of them. */
int hf_key_import_for(struct hf *hf, const char *name, const char *pem, const char *passphrase,
		      unsigned uses, char **ret_json);

/*
 * The private half as a PEM, and the passphrase that opens it: NULL when there is none.
 * HF_CONFLICT unless the key was created with HF_KEY_EXPORT.
 */
int hf_key_export(struct hf *hf, const char *name, char **ret_pem, char **ret_passphrase);

/*
 * The description, and of it the public half alone: a PEM SubjectPublicKeyInfo. An HMAC key has
 * none: HF_NOT_SUPPORTED.
 */
int hf_key_describe(struct hf *hf, const char *name, char **ret_json);
int hf_key_public(struct hf *hf, const char *name, char **ret_pem);
int hf_key_delete(struct hf *hf, const char *name);

/* A request to sign. Members left zero take what the comment says. */
struct hf_sign {
	const char *key;    /* name */
	const char *hash;   /* "sha256" (NULL), "sha384", "sha512": what made the digest */
	const char *scheme; /* "ecdsa", "rsassa", "rsapss"; NULL: ecdsa for ECC, rsassa for RSA */
	const char *format; /* ECDSA: "der" (NULL) or "raw", r and s side by side */
	const void *digest;
	size_t digest_len; /* bytes; as long as the hash makes them */
};
int hf_sign_digest(struct hf *hf, const struct hf_sign *request, void **ret_signature,
		   size_t *ret_len);

/*
 * The same of a message of up to HF_MESSAGE_MAX bytes, which the service hashes; for programs that
 * have no hash of their own. The request's digest is NULL. HF_TOO_LARGE when it is longer.
 */
#define HF_MESSAGE_MAX 1048576u
int hf_sign_message(struct hf *hf, const struct hf_sign *request, const void *message, size_t len,
		    void **ret_signature, size_t *ret_len);

/*
 * What was encrypted to an RSA key by OAEP (RFC 8017, 7.1). Members left zero take what the comment
 * says. HF_DAMAGED when it does not open with this key, hash and label.
 */
struct hf_decrypt {
	const char *key;   /* name */
	const char *hash;  /* of OAEP and its MGF1: "sha256" (NULL), "sha384", "sha512" */
	const char *label; /* of OAEP, its NUL included, as TPMs want it; NULL = none */
	const void *ciphertext;
	size_t len; /* bytes; as long as the key's modulus */
};
int hf_key_decrypt(struct hf *hf, const struct hf_decrypt *request, void **ret_data,
		   size_t *ret_len);

/*
 * The x-coordinate of the point that the ECC key shares with @peer_pem, a PEM SubjectPublicKeyInfo
 * on the same curve: 32 bytes for P-256, 48 for P-384. Derive keys from it, do not use it as one.
 */
int hf_key_agree(struct hf *hf, const char *key, const char *peer_pem, void **ret_secret,
		 size_t *ret_len);

/* HMAC-SHA-256 of up to HF_MESSAGE_MAX bytes with a key of type "hmac-sha256": 32 bytes. */
int hf_mac(struct hf *hf, const char *key, const void *data, size_t len, void **ret_mac,
	   size_t *ret_len);

/*
 * A request for a certificate, as PEM (PKCS#10, RFC 2986), signed by the key; RSA by PKCS#1 v1.5.
 * The lists end in NULL, and may be NULL.
 */
struct hf_certificate_request {
	const char *key;	 /* name */
	const char *subject;	 /* RFC 4514: "CN=gw-1,O=Example" */
	const char *const *dns;	 /* subject alternative names: host names, */
	const char *const *ip;	 /* .. addresses of IPv4 and IPv6, */
	const char *const *mail; /* .. addresses of mail, */
	const char *const *uri;	 /* .. URIs */
	const char *hash;	 /* "sha256" (NULL), "sha384", "sha512" */
};
int hf_key_request(struct hf *hf, const struct hf_certificate_request *request, char **ret_pem);

/*
 * Attestation keys (AIKs) live in the TPM and sign what the TPM itself says, and messages that it
 * has hashed; others cannot make it sign what looks as if the TPM had said it. There are none in
 * software: HF_TPM_REQUIRED, as of everything from here to hf_eventlog().
 *
 * @name may be NULL: then it is the handle, a text such as "0x81010000". Handles are names of this
 * interface alone, one for each AIK of the tenant, and never used again. @type is as of keys, NULL
 * "ecc-p256"; @hash is the one that the AIK signs with, NULL "sha256". @ret_json gets the
 * description (docs/API.yaml, Aik), with the public half as PEM and as the TPM has it; NULL when
 * it is not wanted.
 */
int hf_aik_create(struct hf *hf, const char *name, const char *type, const char *hash,
		  char **ret_json);
int hf_aik_describe(struct hf *hf, const char *name, char **ret_json);
int hf_aik_public(struct hf *hf, const char *name, char **ret_pem);
int hf_aik_delete(struct hf *hf, const char *name);

/* Calls @visit for each, as hf_key_list() does. A row is good during the call. */
struct hf_aik {
	const char *name;
	const char *handle; /* "0x81010000" */
	const char *type;
	const char *hash;
};
typedef int (*hf_aik_fn)(void *arg, const struct hf_aik *aik);
int hf_aik_list(struct hf *hf, hf_aik_fn visit, void *arg);

/* What an AIK has signed. Freed by hf_attestation_free(); members are NULL where none are. */
struct hf_attestation {
	void *attest; /* TPMS_ATTEST, the bytes that are signed */
	size_t attest_len;
	void *signature; /* TPMT_SIGNATURE, as tools for TPMs want it */
	size_t signature_len;
	void *plain_signature; /* DER of ECDSA, or the bytes of RSA, as other tools want it */
	size_t plain_signature_len;
	void *key_public; /* of hf_aik_certify(): TPM2B_PUBLIC of the key, when it is known */
	size_t key_public_len;
	void *event_log; /* of hf_aik_quote(): as asked for; NULL also when it is not readable */
	size_t event_log_len;
	char *json; /* the whole answer, with hash, scheme and values of PCRs (docs/API.yaml) */
};
void hf_attestation_free(struct hf_attestation *attestation); /* NULL is allowed */

/* A request to quote PCRs. Members left zero take what the comment says. */
enum hf_quote_flags {
	HF_QUOTE_NO_VALUES = 1, /* without the values of the PCRs, which take a command for 8 */
	HF_QUOTE_EVENT_LOG = 2, /* with the firmware's event log */
};
struct hf_quote {
	const char *aik;   /* name */
	const char *pcrs;  /* "sha256:0,1,2+sha1:7", a range "sha256:0-7", "sha256:all"; NULL: the
			      service's choice, PCRs 0 to 7 of SHA-256 where the TPM has it */
	const void *nonce; /* what the one who checks has chosen; it is part of what is signed */
	size_t nonce_len;  /* up to HF_NONCE_MAX */
	unsigned flags;
};
#define HF_NONCE_MAX 64u
int hf_aik_quote(struct hf *hf, const struct hf_quote *request,
		 struct hf_attestation **ret_attestation);

/* The AIK says that @key, one of the tenant's keys, is in this TPM, and how it was made. */
int hf_aik_certify(struct hf *hf, const char *aik, const char *key, const void *nonce,
		   size_t nonce_len, struct hf_attestation **ret_attestation);

/*
 * Signs a message of 1 to HF_MESSAGE_MAX bytes. Of @request only the key, which is the AIK's name,
 * and the hash count; that is the AIK's own, or NULL, else HF_NOT_SUPPORTED with a text that names
 * the right one. Gives a signature as hf_sign_message() does, DER of ECDSA or RSA's bytes.
 */
int hf_aik_sign(struct hf *hf, const struct hf_sign *request, const void *message, size_t len,
		void **ret_signature, size_t *ret_len);

/*
 * Opens a challenge that somebody has made for this AIK and the endorsement key of this TPM, and
 * gives the secret that is in it: proof that both are in one TPM. HF_DAMAGED when it was made for
 * another AIK or another endorsement key.
 */
struct hf_credential {
	const char *aik;  /* name */
	const char *ek;	  /* type of the endorsement key; NULL: as hf_ek_json() gives for NULL */
	const void *data; /* a file of tpm2_makecredential */
	size_t len;
};
int hf_aik_activate(struct hf *hf, const struct hf_credential *credential, void **ret_secret,
		    size_t *ret_len);

/*
 * The same for the service's storage key in the place of an AIK (the member `aik` is not looked
 * at): proof that what hf_device_storage_key() shows is in this TPM. Takes the right `unwrap`.
 * HF_TPM_REQUIRED without a TPM.
 */
int hf_storage_key_activate(struct hf *hf, const struct hf_credential *credential,
			    void **ret_secret, size_t *ret_len);

/*
 * Opens what somebody has encrypted to the storage key of this device, 1 to 128 bytes: the three
 * parts of a device key (docs/ARTIFACT.md), as bytes, not base64. Takes the right `unwrap`.
 * HF_DAMAGED when it was made for another device, or changed. The result is wiped and freed by
 * hf_free().
 */
struct hf_wrapped {
	const void *public_area;
	size_t public_len;
	const void *duplicate;
	size_t duplicate_len;
	const void *seed;
	size_t seed_len;
};
int hf_unwrap(struct hf *hf, const struct hf_wrapped *wrapped, void **ret_data, size_t *ret_len);

/*
 * The TPM's endorsement key of a type, "ecc-p256", "ecc-p384", "rsa-2048" or "rsa-3072", or for
 * NULL the one that has a certificate, as a JSON object (docs/API.yaml, EndorsementKey). Its
 * certificate alone as PEM, with those of its chain that the TPM holds behind it;
 * HF_NO_CERTIFICATE when there is none.
 */
int hf_ek_json(struct hf *hf, const char *type, char **ret_json);
int hf_ek_certificate(struct hf *hf, const char *type, char **ret_pem);

/* The values of all PCRs as a JSON object: {"banks": {"sha256": {"0": "hex", ..}}, "protection"} */
int hf_pcrs_json(struct hf *hf, char **ret_json);

/* The firmware's event log as it is (TCG PC Client Platform Firmware Profile, 10). */
int hf_eventlog(struct hf *hf, void **ret_log, size_t *ret_len);

/*
 * Objects of FAPI, the TCG's Feature API, that lie below the storage root: data that FAPI or
 * hf_fapi_seal() has sealed. A path begins with a slash, "/HS/SRK/name", and has up to 255 of
 * A-Z a-z 0-9 . _ - and slashes; else HF_INVALID. HF_NOT_FOUND, HF_DAMAGED, HF_WRONG_TPM, or
 * HF_TPM_REQUIRED where no TPM is in use.
 */
int hf_fapi_unseal(struct hf *hf, const char *path, void **ret_data, size_t *ret_len);

/*
 * A handle for the service's other socket, admin.sock in the folder of @socket (as in hf_open()).
 * Only root and the service's own user may open it. The functions below need such a handle; with
 * another one they end in HF_NOT_FOUND.
 */
int hf_open_admin(const char *socket, struct hf **ret_hf);

/*
 * FAPI, run by the service: does it connect to the TPM and find its keys, as a JSON object
 * ("connects", "provisioned", "profile", "confined", "milliseconds"); make its keys ("profile",
 * "srk", "already"), which may take a TPM minutes; seal 1 to HF_FAPI_SEAL_MAX bytes under a path
 * (HF_CONFLICT when it is taken); walk its paths, as hf_key_list() does; delete one.
 */
#define HF_FAPI_SEAL_MAX 128u
int hf_fapi_probe_json(struct hf *hf, char **ret_json);
int hf_fapi_provision_json(struct hf *hf, char **ret_json);
int hf_fapi_seal(struct hf *hf, const char *path, const void *data, size_t len);
int hf_fapi_list(struct hf *hf, hf_name_fn visit, void *arg);
int hf_fapi_delete(struct hf *hf, const char *path);

/*
 * Accepts the TPM that is there in the place of the one that was: from now on the service makes
 * its objects with this one, and what only the other could open stays closed. HF_CONFLICT when
 * nothing has changed. Gives the Names of both chips' roots as a JSON object ("accepted",
 * "previous", "srk", "hsk", "kept_as").
 */
int hf_tpm_accept_json(struct hf *hf, char **ret_json);

/*
 * Tenants: who besides the host is served, each on a socket of its own in a folder of its own.
 * What a new one may do; members left NULL take the defaults of holdfast.conf(5), which also
 * says what the words are. Lists end in NULL, numbers are in decimal digits, "0" is no limit.
 */
struct hf_tenant_policy {
	const char *const *operations;
	const char *const *peers; /* "uid:N" */
	const char *broker;
	const char *cgroup;
	const char *keys;
	const char *stored; /* bytes */
	const char *rate;   /* requests a second */
	const char *connections;
	const char *sessions;
	const char *objects;
	const char *const *allow; /* names of TPM commands */
	const char *const *deny;
};

/*
 * HF_CONFLICT when there is one of that name, or what an earlier one has left. @policy may be
 * NULL; @ret_json gets the description, as hf_tenant_describe() does, and may be NULL.
 */
int hf_tenant_add(struct hf *hf, const char *name, const struct hf_tenant_policy *policy,
		  char **ret_json);

/* The tenant as a JSON object (docs/API.yaml, Tenant). */
int hf_tenant_describe(struct hf *hf, const char *name, char **ret_json);

/*
 * The tenant with its folder, keys, attestation keys and secrets is gone, for good. HF_CONFLICT
 * for one of the configuration, HF_FORBIDDEN for the host.
 */
int hf_tenant_remove(struct hf *hf, const char *name);

/* Each tenant; texts are valid during the call, "" where there is none. As hf_key_list(). */
struct hf_tenant {
	const char *name;
	const char *source; /* "configuration", "command", or "none": it only has data */
	const char *folder; /* on the host, for mounting */
	const char *fault;  /* why it is not served */
};
typedef int (*hf_tenant_fn)(void *arg, const struct hf_tenant *tenant);
int hf_tenant_list(struct hf *hf, hf_tenant_fn visit, void *arg);

/* --- the device's identity (docs/IDENTITY.md) --------------------------------------------------
 */

/* Mode, certificate and key, as one JSON object (docs/API.yaml, Device). */
int hf_device_json(struct hf *hf, char **ret_json);

/* The certificate and its issuers in PEM. HF_NO_CERTIFICATE while there is none. */
int hf_device_certificate(struct hf *hf, char **ret_pem);
/*
 * While a migration waits to be confirmed: the certificates of the key that waits, or the proof by
 * the present key that it succeeds it (docs/IDENTITY.md). HF_NO_CERTIFICATE: none waits.
 */
enum hf_device_pending { HF_PENDING_OWN, HF_PENDING_CROSS };
int hf_device_pending(struct hf *hf, enum hf_device_pending which, char **ret_pem);

/*
 * Signatures by the device's key: ECDSA in DER. HF_NOT_FOUND: it has no identity yet;
 * HF_TPM_FAILED: its key is in a TPM that does not serve now; HF_TPM_CHANGED: in another TPM.
 *
 * hf_device_sign() takes a message of up to HF_DEVICE_MESSAGE_MAX bytes and says with it which
 * tenant asked, and for which @purpose (1 to 64 of A-Z a-z 0-9 . _ -): SHA-256 over what
 * docs/IDENTITY.md lays down. hf_device_tls() takes what TLS 1.3 signs in a CertificateVerify (RFC
 * 8446, 4.4.3) and nothing else. hf_device_raw() takes any digest, which is to be the device for
 * everybody: a right of its own. @hash may be NULL: "sha256".
 */
#define HF_DEVICE_MESSAGE_MAX 65536u
int hf_device_sign(struct hf *hf, const char *purpose, const void *message, size_t len,
		   void **ret_signature, size_t *ret_len);
int hf_device_tls(struct hf *hf, const char *hash, const void *content, size_t len,
		  void **ret_signature, size_t *ret_len);
int hf_device_raw(struct hf *hf, const char *hash, const void *digest, size_t len,
		  void **ret_signature, size_t *ret_len);

/* What a publisher needs to wrap a key for this device, as one JSON object. */
int hf_device_storage_key(struct hf *hf, char **ret_json);

/* For the administrator, by admin.sock. @ret_json gets the device as it is then; it may be NULL. */
enum hf_device_flags {
	HF_DEVICE_SOFTWARE = 1,	      /* hf_device_init(): without a TPM */
	HF_DEVICE_CLEAR_TPM = 2,      /* hf_device_reset(): TPM2_Clear, too .. */
	HF_DEVICE_ACCEPT_FOREIGN = 4, /* .. though others keep keys in it */
	HF_DEVICE_WITHOUT_TPM = 8,    /* or the TPM, gone or dead, is not asked */
};
enum hf_device_migrate { HF_MIGRATE_BEGIN, HF_MIGRATE_CONFIRM, HF_MIGRATE_ROLLBACK };
int hf_device_init(struct hf *hf, unsigned flags, char **ret_json);
int hf_device_approve(struct hf *hf, char **ret_json);
int hf_device_renew(struct hf *hf, char **ret_json);
/* @pem: the device's certificate first, then its issuers. */
int hf_device_install(struct hf *hf, const char *pem, char **ret_json);
/* A request for a CA; @request's key is NULL, its subject may be: that of the certificate. */
int hf_device_request(struct hf *hf, const struct hf_certificate_request *request, char **ret_pem);
int hf_device_migrate(struct hf *hf, enum hf_device_migrate step, char **ret_json);
/*
 * Returns when it was begun for good; the service starts anew and answers again after that. With
 * HF_DEVICE_WITHOUT_TPM also while one is under way, which ends then.
 */
int hf_device_reset(struct hf *hf, unsigned flags);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
