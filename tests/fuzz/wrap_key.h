/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_WRAP_KEY_H
#define TESTS_FUZZ_WRAP_KEY_H

/* The storage key of fuzz_wrap.c, always the same, so that seeds can be sealed to it. */

#include "crypto/pkey_parts.h"
#include "tests/fuzz/fuzz.h"
#include "wrap/public.h"

#define WRAP_KEY_FILL 0x42 /* every byte of what is sealed to it */

static inline void wrap_key_make(struct pkey **ret_pair, struct wrap_public **ret_public)
{
	static const uint8_t seed[40] = "storage key of a fuzz target";
	struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
	struct err err = {0};

	FUZZ_REQUIRE(pkey_from_seed(PKEY_ECC_P256, slice_of(seed, sizeof(seed)), ret_pair, &err) ==
		     0);
	FUZZ_REQUIRE(wrap_public_of_software(*ret_pair, &area, &err) == 0);
	FUZZ_REQUIRE(wrap_public_read(buf_slice(&area), ret_public, &err) == 0);
	buf_fini(&area);
}

/* The coordinate stands before y and its size, which end the area. */
static inline struct slice wrap_key_x(const struct wrap_public *public)
{
	struct slice area = wrap_public_area(public);

	return slice_of(area.data + area.len - 66, 32);
}

#endif
