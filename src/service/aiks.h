/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_AIKS_H
#define SERVICE_AIKS_H

/* Attestation keys, as their list shows them and as other operations use them. */

#include "service/key.h"

#define AIK_HANDLE_TEXT 11u /* "0x81010000" with its NUL */

/* What a list shows beside the name; an unreadable record shows nothing more. */
struct aik_line {
	bool readable;
	uint32_t handle;
	enum pkey_type type;
	enum hash_alg hash;
};
/* A part of a step. */
void aik_line_read(const struct op *op, const char *name, struct aik_line *ret_line);
/* For answers; a new reference. */
struct json_t *aik_line_json(const char *name, const struct aik_line *line);

/* "ecdsa" or "rsassa": the only scheme of an attestation key. */
enum pkey_scheme aik_scheme(enum pkey_type type);

#endif
