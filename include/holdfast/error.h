/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ERROR_H
#define HOLDFAST_ERROR_H

/*
 * The closed set of error codes, the same in the C library, in the `code` member of every problem
 * document of the HTTP interface (RFC 9457) and in the exit message of the command line.
 * docs/ERRORS.md lists each with its HTTP status and what to do about it.
 */

#ifdef __cplusplus
extern "C" {
#endif

enum hf_code {
	HF_OK = 0,
	HF_INVALID = -1,       /* the request is malformed or out of range */
	HF_FORBIDDEN = -2,     /* this tenant may not do that */
	HF_NOT_FOUND = -3,     /* no such object or path */
	HF_CONFLICT = -4,      /* the name is taken, or the object is of another kind */
	HF_TOO_LARGE = -5,     /* over a limit of size */
	HF_NOT_SUPPORTED = -6, /* this device or this object cannot do that */
	HF_DAMAGED = -7,       /* bytes that should be whole are not */
	HF_WRONG_NAME = -8,    /* sealed under another name */
	HF_WRONG_TENANT = -9,  /* sealed by another tenant */
	HF_WRONG_TPM = -10,    /* sealed by another device */
	HF_AUTH_FAILED = -11,  /* the secret that authorises use is lost or wrong */
	HF_QUOTA = -12,	       /* too many objects or requests; try again later */
	HF_STARTING = -13,     /* the provider is not chosen yet; repeat */
	HF_TPM_REQUIRED = -14, /* made by a TPM, or only a TPM can do it, and none is in use */
	HF_TPM_BUSY = -15,     /* the TPM has no room or no time now; try again */
	HF_TPM_LOCKOUT = -16,  /* the TPM refused by dictionary-attack lockout */
	HF_TPM_FAILED = -17,   /* the TPM does not answer, or not as a TPM must */
	HF_TPM_CHANGED = -18,  /* the TPM is not the one that keys were made with */
	HF_OWNER_AUTH_REQUIRED = -19, /* the TPM's owner hierarchy has a password we lack */
	HF_NO_CERTIFICATE = -20,      /* the device has no such certificate */
	HF_TIMEOUT = -21,	      /* the deadline passed; the outcome is unknown */
	HF_UNREADABLE = -22,	      /* stored state exists but cannot be read */
	HF_DISK_FULL = -23,	      /* no room to store durably; nothing was changed */
	HF_INTERNAL = -24,	      /* a defect or a lack of memory; see the service's log */
};

/* The code's name as it stands in problem documents: "not_found", .. Never NULL. */
const char *hf_code_name(int code);

#ifdef __cplusplus
}
#endif

#endif
