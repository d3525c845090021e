/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_EVE_H
#define CMD_HOLDFAST_EVE_H

/*
 * Eve: the names that EVE gave to its tools for containers, as links to this program. They take the
 * options of the tpm2-tools that they stood for; handles are names of attestation keys.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cmd/holdfast/cli.h"

/* True when the program was called by such a name, known or not. */
bool eve_is_tool(const char *argv0);

/* Runs the tool of that name; returns an exit code. */
int eve_run(struct cli *cli, const char *argv0, struct opt_words words);

/* --- pure, in eve_words.c --- */

/* 0x0b, 0x00B or 11; false when it is no number, or over 32 bits. */
bool eve_read_number(const char *text, uint32_t *ret_value);

/*
 * What a number or name of the TPM (TPM 2.0 Part 2, 6.3) is called here: a type of key for 0x1,
 * rsa, 0x23, ecc; a hash for 0x4, sha1, 0xb, sha256 and so on. NULL for others.
 */
const char *eve_type(const char *text);
const char *eve_hash(const char *text);

/* What to give as -g for a hash of this name, as advice; NULL for others. */
const char *eve_hash_advice(const char *hash);

#endif
