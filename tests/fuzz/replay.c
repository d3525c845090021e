/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver for builds without libFuzzer: "replay MUTATIONS FILE..". Each file as it is, then so
 * many mutations of it by a fixed generator, so that every run is the same run. The input that is
 * under way lies in a file named by FUZZ_KEEP, if that is set, for when the target dies of it.
 */

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (64u * 1024u)

static uint64_t state = 0x9e3779b97f4a7c15u;

/* xorshift64*: quality is of no matter, being the same everywhere is. */
static uint64_t next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1du;
}

static size_t below(size_t n)
{
	return n ? (size_t)(next_random() % n) : 0;
}

static size_t read_file(const char *path, uint8_t *bytes)
{
	FILE *file = fopen(path, "rb");
	size_t len;

	if (!file) {
		perror(path);
		exit(2);
	}
	len = fread(bytes, 1, INPUT_MAX, file);
	fclose(file);
	return len;
}

static void run(const uint8_t *bytes, size_t len)
{
	const char *keep = getenv("FUZZ_KEEP");
	FILE *file = keep ? fopen(keep, "wb") : NULL;
	uint8_t *exact = malloc(len ? len : 1); /* so that a byte too many is noticed */

	if (file) {
		(void)fwrite(bytes, 1, len, file);
		fclose(file);
	}
	if (!exact)
		exit(2);
	memcpy(exact, bytes, len);
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

/* One of: a bit, a byte, a number that parsers trip over, a cut, a doubled piece. */
static size_t mutate(uint8_t *bytes, size_t len)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '"', '\\', '{', '\n'};
	size_t at = below(len), piece;

	if (len == 0)
		return 0;
	switch (below(5)) {
	case 0:
		bytes[at] ^= (uint8_t)(1u << below(8));
		return len;
	case 1:
		bytes[at] = (uint8_t)next_random();
		return len;
	case 2:
		bytes[at] = edges[below(ARRAY_LEN(edges))];
		return len;
	case 3:
		return at;
	default:
		piece = below(len - at) + 1;
		if (len + piece > INPUT_MAX)
			return len;
		memmove(bytes + at + piece, bytes + at, len - at);
		return len + piece;
	}
}

int main(int argc, char **argv)
{
	static uint8_t seed[INPUT_MAX], bytes[INPUT_MAX];
	unsigned long mutations = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, runs = 0, i;
	int file;

	if (argc < 3) {
		fprintf(stderr, "usage: replay MUTATIONS FILE..\n");
		return 2;
	}
	for (file = 2; file < argc; file++) {
		size_t len = read_file(argv[file], seed);

		run(seed, len);
		runs++;
		for (i = 0; i < mutations; i++, runs++) {
			size_t now = len, steps = 1 + below(4);

			memcpy(bytes, seed, len);
			while (steps--)
				now = mutate(bytes, now);
			run(bytes, now);
		}
	}
	printf("%lu inputs\n", runs);
	return 0;
}
