/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_DEVICE_H
#define CMD_HOLDFAST_DEVICE_H

/* Device: the answer that tells of the device's identity (docs/API.yaml, Device), in words. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cmd/holdfast/cli.h"

/* The mode in words, then what there is to know; for cli_print_answer(). Pure. */
void device_put(struct buf *out, const struct json_t *device);

/* What a mode means, and what leads on from it, for a person; NULL for none, and for unknown modes.
 */
const char *device_mode_meaning(const char *mode);
const char *device_mode_remedy(const char *mode);

/* A member's text; "" for null, what is no text, and what is not there. */
const char *device_text(const struct json_t *object, const char *member);

/* Seconds since 1970 as "2026-01-31 12:00:00 UTC"; false when there is no such date. */
#define DEVICE_DATE_SIZE 40u
bool device_date(int64_t seconds, char out[DEVICE_DATE_SIZE]);

/* Ends a verb: @r is what the library gave, @take_json only good for 0. In verb_device.c. */
int device_print(const struct cli *cli, int r, char *take_json);

#endif
