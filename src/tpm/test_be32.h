/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_TEST_BE32_H
#define TPM_TEST_BE32_H

/* 32 bits as a TPM has them, for transports of tests that look into commands and answers. */

#include <stdint.h>

static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#endif
