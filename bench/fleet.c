/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage keys of a fleet, as a publisher has them, with nobody behind them:
 *
 *   fleet FOLDER COUNT ecc-p256|rsa-2048
 *
 * Moduli are odd numbers of the right size; whoever encrypts cannot tell.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "bench/bench.h"
#include "crypto/cipher.h"
#include "wrap/public.h"

#define RSA_SIZE     256u
#define AREA_FLAGS   9u	   /* the lowest byte of the attributes */
#define FLAGS_OF_TPM 0x32u /* fixedTPM, fixedParent, sensitiveDataOrigin */

/* A TPMT_PUBLIC up to its modulus (TPM 2.0 Part 2, 12.2.4): attributes 0x30472, AES-128-CFB. */
static const uint8_t RSA_HEAD[] = {0x01, 0x1a, 0x00, 0x01, 0x00, 0x0b, 0x00, 0x03, 0x04, 0x72,
				   0x00, 0x00, 0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10,
				   0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00};

static int make_ecc(struct buf *ret_area, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	int r = pkey_generate(PKEY_ECC_P256, &pair, err);

	if (r == 0)
		r = wrap_public_of_software(pair, ret_area, err);
	if (r == 0)
		ret_area->data[AREA_FLAGS] |= FLAGS_OF_TPM;
	return r;
}

static int make_rsa(struct buf *ret_area, struct err *err)
{
	uint8_t modulus[RSA_SIZE];
	int r = cipher_random(modulus, sizeof(modulus), err);

	modulus[0] |= 0x80u;
	modulus[RSA_SIZE - 1] |= 1u;
	buf_put(ret_area, slice_of(RSA_HEAD, sizeof(RSA_HEAD)));
	buf_put(ret_area, slice_of(modulus, sizeof(modulus)));
	return r;
}

static int put_json(const struct buf *area, struct buf *ret_json, struct err *err)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
	char hex[WRAP_NAME_HEX];
	int r = wrap_public_read(buf_slice(area), &public, err);

	if (r < 0)
		return r;
	wrap_public_hex(public, hex);
	buf_printf(ret_json, "{\"name\":\"%s\",\"public\":\"", hex);
	base64_encode(ret_json, buf_slice(area));
	buf_put_str(ret_json, "\",\"protection\":\"tpm\"}");
	return 0;
}

static void write_one(int dir, unsigned long number, const struct buf *json)
{
	char name[32];
	int fd;

	(void)snprintf(name, sizeof(name), "%lu.json", number);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, json->data, json->len) != (ssize_t)json->len || close(fd) < 0)
		bench_die("cannot write %s", name);
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	int dir = argc == 4 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct err err = {0};

	if (dir < 0 || count == 0)
		bench_die("usage: fleet FOLDER COUNT ecc-p256|rsa-2048");
	for (unsigned long i = 0; i < count; i++) {
		CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
		CLEANUP(buf_fini) struct buf json = BUF_INIT(2048);
		int r = strcmp(argv[3], "rsa-2048") == 0 ? make_rsa(&area, &err)
							 : make_ecc(&area, &err);

		if (r < 0 || put_json(&area, &json, &err) < 0)
			bench_die("%s", err.text);
		write_one(dir, i, &json);
	}
	return 0;
}
