/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_ORIGIN_EK_FILE_H
#define CMD_HOLDFAST_ORIGIN_EK_FILE_H

/*
 * Ek_file: whose endorsement keys are believed to be in a TPM. A list of Names, one a line, 68 hex
 * digits in small letters; empty lines, and those that begin with #, are passed over. And the
 * makers' certificates as PEM. Both only root and we may write to.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define EK_FILE_MAX    (16u * 1024u * 1024u)
#define EK_FILE_NAMES  200000u
#define EK_ANCHORS_DER 131072u

/* Appends the Names. ERR_INVALID with the line's number: it is none, or there are none at all. */
int ek_file_parse(struct slice text, struct buf *ret_names, struct err *err) MUST_CHECK;
/* The same of the file @path. ERR_FORBIDDEN: others may write to it; ERR_TOO_LARGE. */
int ek_file_read(const char *path, struct buf *ret_names, struct err *err) MUST_CHECK;

/* Appends the certificates of the PEM file @path in DER. */
int ek_anchors_read(const char *path, struct buf *ret_der, struct err *err) MUST_CHECK;

#endif
