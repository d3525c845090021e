/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw commands through any TCTI: one that names nothing, and one that names an object which this
 * program has in the chip, or in what stands for it.
 *
 *   raw TCTI	operations: random public sign
 */

#include <string.h>

#include <tss2/tss2_tctildr.h>

#include "bench/bench.h"

#define RESPONSE_MAX 4096u
#define HEADER	     10u

struct bench_raw {
	TSS2_TCTI_CONTEXT *tcti;
	uint8_t response[RESPONSE_MAX];
	uint8_t handle[4];
};

/* TPM2_GetRandom of 16 bytes. */
static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 16};

/* TPM2_CreatePrimary: a P-256 storage key of the null hierarchy, with empty passwords. */
static const char create_primary[] =
	"\x80\x02\0\0\0\x43\0\0\x01\x31\x40\0\0\x07"
	/* TPM_RS_PW, nothing sensitive */
	"\0\0\0\x09\x40\0\0\x09\0\0\0\0\0\0\x04\0\0\0\0"
	/* a template of 26 bytes: ECC, SHA-256, attributes, no policy */
	"\0\x1a\0\x23\0\x0b\0\x03\x04\x72\0\0"
	/* AES-128-CFB, no scheme, P-256, no KDF, no point */
	"\0\x06\0\x80\0\x43\0\x10\0\x03\0\x10\0\0\0\0"
	/* nothing outside, no registers */
	"\0\0\0\0\0\0";

/* The same for a P-256 key that signs by ECDSA with SHA-256. */
static const char create_signer[] = "\x80\x02\0\0\0\x41\0\0\x01\x31\x40\0\0\x07"
				    "\0\0\0\x09\x40\0\0\x09\0\0\0\0\0\0\x04\0\0\0\0"
				    /* a template of 24 bytes */
				    "\0\x18\0\x23\0\x0b\0\x04\x04\x72\0\0"
				    /* no symmetric cipher, ECDSA, P-256, no KDF, no point */
				    "\0\x10\0\x18\0\x0b\0\x03\0\x10\0\0\0\0"
				    "\0\0\0\0\0\0";

static uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int exchange(struct bench_raw *bench, const void *bytes, size_t size)
{
	const uint8_t *command = bytes;
	size_t len = sizeof(bench->response);
	TSS2_RC rc = Tss2_Tcti_Transmit(bench->tcti, size, command);

	if (!rc)
		rc = Tss2_Tcti_Receive(bench->tcti, &len, bench->response, TSS2_TCTI_TIMEOUT_BLOCK);
	if (rc)
		return bench_say("TCTI: 0x%x", rc);
	if (len < HEADER)
		return bench_say("a response of %zu bytes", len);
	rc = get_u32(bench->response + 6);
	return rc ? bench_say("command 0x%02x%02x: 0x%x", command[8], command[9], rc) : 0;
}

static int random_bytes(void *arg)
{
	return exchange(arg, get_random, sizeof(get_random));
}

static int make(struct bench_raw *bench, const char *command, size_t size)
{
	if (exchange(bench, command, size) != 0)
		return -1;
	memcpy(bench->handle, bench->response + HEADER, sizeof(bench->handle));
	return 0;
}

static int make_object(void *arg)
{
	return make(arg, create_primary, sizeof(create_primary) - 1);
}

static int make_signer(void *arg)
{
	return make(arg, create_signer, sizeof(create_signer) - 1);
}

/* TPM2_ReadPublic, TPM2_FlushContext: a header and a handle. */
static int on_object(struct bench_raw *bench, uint8_t code)
{
	uint8_t command[] = {0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, code, 0, 0, 0, 0};

	memcpy(command + HEADER, bench->handle, sizeof(bench->handle));
	return exchange(bench, command, sizeof(command));
}

static int read_public(void *arg)
{
	return on_object(arg, 0x73);
}

/* TPM2_Sign: a digest of zeros, the key's own scheme, no ticket. */
static int sign(void *arg)
{
	struct bench_raw *bench = arg;
	uint8_t command[71] = {0x80, 0x02, 0, 0, 0, 71, 0, 0, 0x01, 0x5d};
	static const uint8_t password[] = {0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0, 32};
	static const uint8_t behind[] = {0, 0x10, 0x80, 0x24, 0x40, 0, 0, 7, 0, 0};

	memcpy(command + HEADER, bench->handle, sizeof(bench->handle));
	memcpy(command + HEADER + sizeof(bench->handle), password, sizeof(password));
	memcpy(command + sizeof(command) - sizeof(behind), behind, sizeof(behind));
	return exchange(bench, command, sizeof(command));
}

static void flush_object(void *arg)
{
	(void)on_object(arg, 0x65);
}

int main(int argc, char **argv)
{
	struct bench_raw bench = {.tcti = NULL};
	const struct bench_op ops[] = {
		{"random", NULL, random_bytes, NULL, &bench},
		{"public", make_object, read_public, flush_object, &bench},
		{"sign", make_signer, sign, flush_object, &bench},
	};
	TSS2_RC rc;

	if (argc != 2)
		bench_die("usage: raw TCTI");
	rc = Tss2_TctiLdr_Initialize(argv[1], &bench.tcti);
	if (rc)
		bench_die("TCTI %s: 0x%x", argv[1], rc);
	return bench_serve(ops, sizeof(ops) / sizeof(ops[0]));
}
