/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_FINDINGS_H
#define CMD_HOLDFAST_FINDINGS_H

/* Findings, as verbs print them: lines for people, or members of a JSON object. */

#include "base/buf.h"
#include "stack/finding.h"

struct json_t;

/* "state  id  found", and what is to be done on a line of its own. */
void findings_put(struct buf *out, const struct findings *findings);

/* {"good", "checks": [{"id", "state", "found", "remedy"}]}; owned; NULL without memory. */
struct json_t *findings_json(const struct findings *findings);

#endif
