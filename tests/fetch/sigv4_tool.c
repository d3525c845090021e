/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs the requests of its input, for tests/fetch/sigv4.py to compare. A line is: region, access
 * key, secret key, method, host, path, body's SHA-256 in hex or "-", time; with tabs between. The
 * answer is a line: date, content hash, authorization, or "error CODE".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fetch/sigv4.h"

#define FIELDS 8u

static struct secret *secret_of(const char *text)
{
	struct secret *secret = NULL;
	struct err err;

	if (secret_copy(slice_str(text), &secret, &err) < 0)
		abort();
	return secret;
}

static void sign(char *const *field)
{
	CLEANUP(secret_cleanup) struct secret *key = secret_of(field[2]);
	struct sigv4_headers headers = {.authorization = BUF_INIT(4096)};
	unsigned digest[32];
	uint8_t hash[32];
	bool hashed = strcmp(field[6], "-") != 0;
	size_t i;
	const struct sigv4_who who = {field[0], field[1], key};
	const struct sigv4_request request = {
		.method = field[3],
		.host = field[4],
		.path = field[5],
		.body_sha256 = hashed ? hash : NULL,
		.at = strtoll(field[7], NULL, 10),
	};
	struct err err;

	for (i = 0; hashed && i < sizeof(hash); i++) {
		if (sscanf(field[6] + 2 * i, "%2x", &digest[i]) != 1)
			abort();
		hash[i] = (uint8_t)digest[i];
	}
	if (sigv4_sign(&who, &request, &headers, &err) < 0)
		printf("error %d\n", err.code);
	else
		printf("%s\t%s\t%s\n", headers.date, headers.content,
		       (const char *)headers.authorization.data);
	buf_fini(&headers.authorization);
}

int main(void)
{
	static char line[65536];
	char *field[FIELDS], *rest;
	size_t i;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		for (i = 0, rest = line; i < FIELDS; i++)
			field[i] = strsep(&rest, "\t");
		if (!field[FIELDS - 1] || rest)
			return 1;
		sign(field);
	}
	return 0;
}
