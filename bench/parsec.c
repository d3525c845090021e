/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of Parsec, as small as ours: its requests are built by hand (wire protocol 1.0, a
 * 36-byte header, a protobuf body, the user's number as authentication), one connection for each,
 * since Parsec serves one request and closes.
 *
 * The key "bench" is there already (parsec-tool create-ecc-key).
 *
 *   parsec SOCKET	operation: sign
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

#define SIGNATURE_SIZE 64u
#define HEADER_SIZE    36u
#define PROVIDER_TPM   3u
#define AUTH_PEER      3u
#define KEY	       "bench"
#define OP_SIGN	       4u

struct parsec {
	const char *socket;
	uint8_t request[512], answer[4096];
};

static void put_le(uint8_t **at, uint64_t v, size_t len)
{
	for (; len > 0; len--, v >>= 8)
		*(*at)++ = (uint8_t)v;
}

static size_t put_request(struct parsec *parsec, const uint8_t *body, size_t body_len)
{
	uint8_t *at = parsec->request;

	put_le(&at, 0x5ec0a710, 4);
	put_le(&at, HEADER_SIZE - 6, 2);
	put_le(&at, 1, 2); /* version 1.0 */
	put_le(&at, 0, 2); /* flags */
	put_le(&at, PROVIDER_TPM, 1);
	put_le(&at, 0, 8); /* session */
	put_le(&at, 0, 2); /* content, accept: protobuf */
	put_le(&at, AUTH_PEER, 1);
	put_le(&at, body_len, 4);
	put_le(&at, 4, 2); /* of the authentication */
	put_le(&at, OP_SIGN, 4);
	put_le(&at, 0, 4); /* status, reserved */
	memcpy(at, body, body_len);
	at += body_len;
	put_le(&at, getuid(), 4);
	return (size_t)(at - parsec->request);
}

static int exchange(struct parsec *parsec, size_t len)
{
	int fd = bench_connect(parsec->socket), r = 0;
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -1;
	if (write(fd, parsec->request, len) != (ssize_t)len)
		r = bench_say("sending: %s", strerror(errno));
	while (r == 0 && n > 0) {
		n = read(fd, parsec->answer + have, sizeof(parsec->answer) - have);
		have += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (r == 0 && have < HEADER_SIZE)
		return bench_say("Parsec broke off");
	if (r == 0 && (parsec->answer[32] || parsec->answer[33]))
		return bench_say("Parsec answers status %d",
				 parsec->answer[33] << 8 | parsec->answer[32]);
	if (r == 0 && have < HEADER_SIZE + SIGNATURE_SIZE)
		return bench_say("Parsec gave no signature");
	return r;
}

/* ECDSA with SHA-256: asymmetric_signature.ecdsa.hash_alg.specific = SHA_256 */
#define ALG "\x22\x04\x0a\x02\x10\x07"

static int sign(void *arg)
{
	static const uint8_t body[] =
		"\x0a\x05" KEY "\x12\x06" ALG "\x1a\x20thirty-two bytes of any hash....";

	return exchange(arg, put_request(arg, body, sizeof(body) - 1));
}

int main(int argc, char **argv)
{
	static struct parsec parsec;
	const struct bench_op ops[] = {
		{"sign", NULL, sign, NULL, &parsec},
	};

	if (argc != 2)
		bench_die("usage: parsec SOCKET");
	parsec.socket = argv[1];
	return bench_serve(ops, sizeof(ops) / sizeof(ops[0]));
}
