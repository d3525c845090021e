/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_SESSION_H
#define TPM_SESSION_H

/*
 * Session: our own HMAC session with the chip (TPM 2.0 Part 1, sessions and authorisations),
 * SHA-256 throughout, AES-128-CFB for parameters. Salted to a key whose Name we knew beforehand, so
 * that nobody between us and the chip learns the session key. Pure but for random nonces: it
 * computes what goes into the authorisation area and checks what comes back; it sends nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

#define SESSION_HASH_SIZE 32u
#define SESSION_NONE	  0u
#define SESSION_NONCES	  16u

/* Bits of the session attributes (Part 2, 8.4). */
enum session_attribute {
	SESSION_CONTINUE = 1 << 0,
	SESSION_DECRYPT = 1 << 5, /* the first command parameter is encrypted */
	SESSION_ENCRYPT = 1 << 6, /* the first response parameter is encrypted */
};

struct session {
	uint32_t handle; /* SESSION_NONE when there is none */
	uint8_t key[SESSION_HASH_SIZE];
	size_t key_len; /* 0 for a session without salt and binding */
	uint8_t nonce_caller[SESSION_HASH_SIZE];
	uint8_t nonce_tpm[SESSION_HASH_SIZE];
	size_t nonce_tpm_len;
	/* For commands to come; each is sent in clear when its turn comes, so none is a secret. */
	uint8_t nonces[SESSION_NONCES][SESSION_HASH_SIZE];
	unsigned nonces_left;
};

/* What one command or response authorises. */
struct session_use {
	struct slice auth; /* authValue of the entity that the session authorises; else empty */
	uint8_t attributes;
};

/*
 * After TPM2_StartAuthSession: @salt is empty for an unsalted session. The caller's nonce is the
 * one that was sent.
 */
int session_begin(struct session *session, uint32_t handle, struct slice salt,
		  struct slice nonce_caller, struct slice nonce_tpm, struct err *err) MUST_CHECK;

/* A fresh caller nonce for the next command. */
int session_roll(struct session *session, struct err *err) MUST_CHECK;

/* Encrypts the first parameter of a command, decrypts that of a response; in place. */
int session_encrypt(const struct session *session, const struct session_use *use, uint8_t *data,
		    size_t len, struct err *err) MUST_CHECK;
int session_decrypt(const struct session *session, const struct session_use *use, uint8_t *data,
		    size_t len, struct err *err) MUST_CHECK;

/*
 * The HMAC of a command: over cpHash (code, Names of the handles, parameters as sent). Parts are
 * handed in the order in which they are hashed.
 */
int session_command_hmac(const struct session *session, const struct session_use *use,
			 const struct slice *parts, size_t count,
			 uint8_t ret_hmac[SESSION_HASH_SIZE], struct err *err) MUST_CHECK;

/*
 * Checks the HMAC of a successful response and takes its nonce over: over rpHash (success, code,
 * parameters as received). ERR_TPM_FAILED when it does not fit; the session is then unchanged.
 */
struct session_answer {
	uint32_t code;
	struct slice parameters;
	struct slice nonce_tpm;
	struct slice hmac;
	uint8_t attributes;
};
int session_accept(struct session *session, const struct session_use *use,
		   const struct session_answer *answer, struct err *err) MUST_CHECK;

void session_fini(struct session *session);

#endif
