/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/*
 * Fuzz: each target is one function over hostile bytes. libFuzzer calls it (./do fuzz), or
 * replay.c with the seeds and a fixed number of their mutations (./do test). A target checks what
 * the parser promises, not only that it survives.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that was broken; both drivers keep the input. */
#define FUZZ_REQUIRE(condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A call of which either end is right; what it must not do is misbehave. */
#define FUZZ_EITHER(call)                                                                          \
	do {                                                                                       \
		if (call)                                                                          \
			continue;                                                                  \
	} while (0)

#endif
