/* SPDX-License-Identifier: Apache-2.0 */

/* Names of keys and what key files hold. What was taken is within its limits. */

#include <string.h>

#include "openssl/uri.h"
#include "tests/fuzz/fuzz.h"

static void check(int r, const struct uri *uri, const struct err *err)
{
	FUZZ_REQUIRE(r == 0 || (r == err->code && err->text[0]));
	if (r < 0)
		return;
	FUZZ_REQUIRE(uri->device == (uri->name[0] == '\0'));
	FUZZ_REQUIRE(strnlen(uri->name, sizeof(uri->name)) <= URI_NAME_MAX);
	FUZZ_REQUIRE(strnlen(uri->socket, sizeof(uri->socket)) <= URI_SOCKET_MAX);
	FUZZ_REQUIRE(uri->socket[0] == '\0' || uri->socket[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uri uri = {.device = false};
	struct err err = {0};

	check(uri_parse(slice_of(data, size), &uri, &err), &uri, &err);
	memset(&uri, 0, sizeof(uri));
	check(uri_parse_pem(slice_of(data, size), &uri, &err), &uri, &err);
	return 0;
}
