/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FEED_H
#define TESTS_FUZZ_FEED_H

#include <stddef.h>
#include <stdint.h>

/* The program's: an answer for this command, at most @max bytes; SIZE_MAX = the device is gone. */
size_t fuzz_feed(const uint8_t *command, size_t len, uint8_t *answer, size_t max);

#endif
