/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_V1_KEY_H
#define ARTIFACT_V1_KEY_H

/*
 * V1 key: the keys of the binary-split scheme (docs/ARTIFACT.md, "Keys"). They are hashes of what
 * many know, one of them the same on a whole fleet: they make us compatible, they protect little.
 * Salts are secrets of whoever runs the servers and come from configuration.
 */

#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

#define V1_KEY_TEXT  64u   /* characters of a derived text: base64 of a SHA-384 */
#define V1_FIELD_MAX 1024u /* bytes of each salt, email, password, fingerprint and fragment */

/* Which formula the servers speak: "v1-hw" binds to the fingerprint, "v1-nohw" does not. */
enum v1_formula { V1_HW, V1_NOHW, V1_FORMULAS };
int v1_formula_of_name(const char *name, enum v1_formula *ret_formula, struct err *err) MUST_CHECK;
const char *v1_formula_name(enum v1_formula formula);

/* UTF-8 without a NUL, borrowed. A salt that a formula takes may not be empty. */
struct v1_salts {
	struct slice prefix;   /* before the fingerprint */
	struct slice hw;       /* behind it */
	struct slice api;      /* of a user's key */
	struct slice resource; /* of the fleet's key */
};

/*
 * Who asks. Borrowed; V1_NOHW takes neither fingerprint nor hash. Tokens (JWT) have no part in any
 * key.
 */
struct v1_user {
	struct slice email;
	struct slice password;
	struct slice fingerprint;
	struct slice hardware; /* for servers, who know the hash only: V1_KEY_TEXT; else empty */
};

/*
 * Below: ERR_INVALID when a field that is needed is empty or any is over V1_FIELD_MAX, or a hash of
 * another length; the error names the field, never its content.
 */

/* The hardware hash that servers know a machine by: V1_KEY_TEXT characters, no NUL. */
int v1_key_hardware(const struct v1_salts *salts, struct slice fingerprint,
		    char ret_text[V1_KEY_TEXT], struct err *err) MUST_CHECK;

/* AES keys of CIPHER_KEY256 bytes: what a user is sent; all resources; the images' archive. */
int v1_key_user(enum v1_formula formula, const struct v1_salts *salts, const struct v1_user *user,
		struct secret **ret_key, struct err *err) MUST_CHECK;
int v1_key_resource(const struct v1_salts *salts, struct secret **ret_key, struct err *err)
	MUST_CHECK;
int v1_key_archive(struct slice fragment, struct secret **ret_key, struct err *err) MUST_CHECK;

/* The text before it becomes a key, of V1_KEY_TEXT characters: for who speaks with such servers. */
int v1_key_user_text(enum v1_formula formula, const struct v1_salts *salts,
		     const struct v1_user *user, struct secret **ret_text, struct err *err)
	MUST_CHECK;

#endif
