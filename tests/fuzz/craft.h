/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_CRAFT_H
#define TESTS_FUZZ_CRAFT_H

/*
 * Craft: raw TPM commands out of a fuzzer's bytes. Each byte is a choice: which command of the
 * table, which handles, how many authorisations, what sizes. Most choices make what a chip would
 * take, some a command whose counts or sizes are wrong, so that mutations walk from one shape to
 * the next instead of breaking the header each time. Without bytes left every choice is 0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "broker/commands.h"

/* What can be named. Borrowed. */
struct craft_handle {
	uint32_t handle;
	unsigned kind; /* enum handle_kind, 0 = none that may stand anywhere */
};

struct craft_palette {
	const struct craft_handle *handles;
	size_t handle_count;
	const struct slice *contexts; /* for ContextLoad */
	size_t context_count;
};

/* Those that every chip has, and some that are nobody's: a beginning for a palette. */
#define CRAFT_COMMON 24u
extern const struct craft_handle CRAFT_HANDLES[CRAFT_COMMON];

/* Two that the tests reserve. */
#define CRAFT_RESERVED_HSK UINT32_C(0x81000101)
#define CRAFT_RESERVED_EK  UINT32_C(0x81010042)

/* Appends a command, and returns the row of the table that it was made after. */
const struct command *craft_command(struct cursor *choices, const struct craft_palette *palette,
				    struct buf *bytes);

#endif
