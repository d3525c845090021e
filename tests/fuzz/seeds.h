/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_SEEDS_H
#define TESTS_FUZZ_SEEDS_H

/* Seeds that stand in files of their own; put() is called for each. */

#include "base/slice.h"

void seeds_identity(void (*put)(struct slice seed));

#endif
