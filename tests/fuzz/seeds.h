/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_SEEDS_H
#define TESTS_FUZZ_SEEDS_H

/* Seeds that stand in files of their own. */

#include "base/slice.h"

/* One more seed of the target that was asked for. */
void put_seed(struct slice bytes);

void seeds_cache(void);
void seeds_cms(void);
void seeds_command(void);
void seeds_connection(void);
void seeds_form(void);
void seeds_head(void);
void seeds_identity(void);
void seeds_response(void);
void seeds_v2(void);
void seeds_vchip(void);
void seeds_wrap(void);

#endif
