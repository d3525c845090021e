/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A v1 resource opened whole, as the loader does it: two passes over the same ciphertext in pieces
 * of its size, the plaintext thrown away.
 *
 *   open KEY-HEX SMALL BIG	operation: open
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "artifact/v1.h"
#include "base/base64.h"
#include "bench/bench.h"
#include "crypto/cipher.h"

#define PIECE (256u * 1024u)

struct opening {
	struct secret *key;
	const char *parts[2];
	uint8_t bytes[PIECE];
	struct v1_check *check;
	struct v1_open *open;
	struct buf plain;
};

static int piece(struct opening *opening, struct slice bytes, struct err *err)
{
	if (!opening->open)
		return v1_check_add(opening->check, bytes, err);
	buf_reset(&opening->plain);
	return v1_open_add(opening->open, bytes, &opening->plain, err);
}

static int one_pass(struct opening *opening, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		int fd = open(opening->parts[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = 1;

		if (fd < 0)
			return err_set(err, ERR_UNREADABLE, "cannot open %s", opening->parts[i]);
		while (r == 0 && n > 0) {
			n = read(fd, opening->bytes, PIECE);
			if (n > 0)
				r = piece(opening, slice_of(opening->bytes, (size_t)n), err);
		}
		close(fd);
	}
	return r;
}

static int both_passes(struct opening *opening, struct err *err)
{
	CLEANUP(v1_check_cleanup) struct v1_check *check = NULL;
	CLEANUP(v1_open_cleanup) struct v1_open *second = NULL;
	struct v1_facts facts;
	int r = v1_check_new(&check, err);

	opening->check = check;
	opening->open = NULL;
	if (r == 0)
		r = one_pass(opening, err);
	if (r == 0)
		r = v1_check_end(check, &facts.seen, err);
	if (r == 0)
		r = v1_check_verdict(check, opening->key, NULL, &facts, err);
	if (r == 0)
		r = v1_open_new(opening->key, &facts, 0, &second, err);
	opening->open = second;
	if (r == 0)
		r = one_pass(opening, err);
	buf_reset(&opening->plain);
	return r < 0 ? r : v1_open_end(second, &opening->plain, err);
}

static int run(void *arg)
{
	struct err err = {0};

	return both_passes(arg, &err) < 0 ? bench_say("%s", err.text) : 0;
}

int main(int argc, char **argv)
{
	static struct opening opening = {.plain = BUF_INIT(PIECE + V1_GROWTH)};
	const struct bench_op ops[] = {{"open", NULL, run, NULL, &opening}};
	struct err err = {0};

	if (argc != 4)
		bench_die("usage: open KEY-HEX SMALL BIG");
	if (secret_new(CIPHER_KEY256, &opening.key, &err) < 0 ||
	    strlen(argv[1]) != 2 * CIPHER_KEY256 ||
	    !hex_decode(slice_str(argv[1]), secret_data(opening.key), CIPHER_KEY256))
		bench_die("a key is 64 digits");
	opening.parts[0] = argv[2];
	opening.parts[1] = argv[3];
	return bench_serve(ops, 1);
}
