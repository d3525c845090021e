/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls.h"

#include <stddef.h>

#define SPACES 64u

static const char *const contexts[] = {
	"TLS 1.3, client CertificateVerify",
	"TLS 1.3, server CertificateVerify",
};

bool tls_is_content(struct slice message)
{
	size_t context = 33, i;

	if (message.len != SPACES + context + 1 + 32 && message.len != SPACES + context + 1 + 48)
		return false;
	for (i = 0; i < SPACES; i++)
		if (message.data[i] != ' ')
			return false;
	for (i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++)
		/* With the NUL that follows it. */
		if (slice_equal(slice_of(message.data + SPACES, context + 1),
				slice_of(contexts[i], context + 1)))
			return true;
	return false;
}
