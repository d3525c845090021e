/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tpm_handles.h"

#include <stdlib.h>

static int by_number(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

bool tpm_handles_in_order(uint32_t *handles, size_t count, bool more, uint32_t first)
{
	uint64_t least = first;
	size_t i;

	if (!more && count > 0)
		qsort(handles, count, sizeof(*handles), by_number);
	for (i = 0; i < count; i++) {
		if (handles[i] < least)
			return false;
		least = (uint64_t)handles[i] + 1;
	}
	return count > 0 || !more;
}
