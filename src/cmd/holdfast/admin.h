/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_ADMIN_H
#define CMD_HOLDFAST_ADMIN_H

/* Admin: what the verbs for administrators share: their socket, and lines of answers. */

#include "cmd/holdfast/cli.h"

struct json_t;

/*
 * Puts a handle for admin.sock in the place of the one that cli_parse() made. Without --timeout
 * its deadline is 5 minutes, since a TPM may take that long for keys. Returns a negative number to
 * go on, else the exit code.
 */
int admin_open(struct cli *cli) MUST_CHECK;

/* cli_parse() and that. */
int admin_parse(struct cli *cli, const struct opt *opts, size_t count, struct opt_words words)
	MUST_CHECK;

/*
 * A person is asked where there is one, after @meaning; a script has to say that it means it by
 * --yes. Returns a negative number to go on, else the exit code.
 */
int admin_confirm(const struct cli *cli, const char *meaning) MUST_CHECK;

/* Appends "label     text"; nothing when the member is missing or no text. */
void admin_put_text(struct buf *out, const char *label, const struct json_t *object,
		    const char *member);

/* Appends "label     yes" or "no"; nothing when the member is no truth value. */
void admin_put_bool(struct buf *out, const char *label, const struct json_t *object,
		    const char *member);

#endif
