/* SPDX-License-Identifier: Apache-2.0 */

/* "seeds TARGET FOLDER": what a fuzzer begins with, made by our own writers. */

#include <string.h>

#include "artifact/v1.h"
#include "artifact/v1_key.h"
#include "base/base64.h"
#include "base/json.h"
#include "broker/commands.h"
#include "crypto/keyfile.h"
#include "provider/blob.h"
#include "service/service.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seeds.h"
#include "tpm/public.h"

static const char *folder;
static unsigned made;

void put_seed(struct slice bytes)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/seed-%04u", folder, made++);
	file = fopen(path, "wb");
	FUZZ_REQUIRE(file && fwrite(bytes.data, 1, bytes.len, file) == bytes.len);
	FUZZ_REQUIRE(fclose(file) == 0);
}

static void keyfile_seeds(void)
{
	static const enum keyfile_type types[] = {KEYFILE_LOADABLE, KEYFILE_SEALED};
	uint8_t part[300];
	size_t i;

	memset(part, 0x42, sizeof(part));
	for (i = 0; i < 8; i++) {
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
		CLEANUP(keyfile_cleanup)
		struct keyfile file = {
			.type = types[i & 1],
			.empty_auth = i & 2,
			.parent = i & 4 ? 0x40000001u : 0x81000001u,
			.pubkey = BUF_INIT(KEYFILE_PART_MAX),
			.privkey = BUF_INIT(KEYFILE_PART_MAX),
		};
		struct err err;

		buf_put_u16(&file.pubkey, i < 4 ? 90 : 300);
		buf_put(&file.pubkey, slice_of(part, i < 4 ? 90 : 300));
		buf_put_u16(&file.privkey, i < 4 ? 126 : 222);
		buf_put(&file.privkey, slice_of(part, i < 4 ? 126 : 222));
		FUZZ_REQUIRE(keyfile_write(&file, &pem, &err) == 0);
		put_seed(buf_slice(&pem));
	}
}

/* DER of the optional fields that we never write, around the OID and the rest by hand. */
static void keyfile_optional_seeds(void)
{
	static const uint8_t oid[] = {0x06, 0x06, 0x67, 0x81, 0x05, 0x0a, 0x01, 0x03};
	static const uint8_t end[] = {0x02, 0x05, 0x00, 0x81, 0x00, 0x00, 0x01, 0x04, 0x03,
				      0x00, 0x01, 0xaa, 0x04, 0x03, 0x00, 0x01, 0xaa};
	static const struct {
		size_t len;
		uint8_t bytes[12];
	} fields[] = {
		{5, {0xa0, 0x03, 0x01, 0x01, 0xff}},	   {4, {0xa1, 0x02, 0x30, 0x00}},
		{6, {0xa2, 0x04, 0x04, 0x02, 0x00, 0x00}}, {4, {0xa3, 0x02, 0x30, 0x00}},
		{6, {0xa4, 0x04, 0x0c, 0x02, 'h', 'i'}},   {5, {0xa5, 0x03, 0x01, 0x01, 0xff}},
		{5, {0xa5, 0x03, 0x01, 0x01, 0x00}},	   {4, {0xa6, 0x02, 0x05, 0x00}},
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		CLEANUP(buf_fini) struct buf der = BUF_INIT(256), pem = BUF_INIT(1024);

		buf_put_u8(&der, 0x30);
		buf_put_u8(&der, (uint8_t)(sizeof(oid) + fields[i].len + sizeof(end)));
		buf_put(&der, slice_of(oid, sizeof(oid)));
		buf_put(&der, slice_of(fields[i].bytes, fields[i].len));
		buf_put(&der, slice_of(end, sizeof(end)));
		buf_put_str(&pem, "-----BEGIN TSS2 PRIVATE KEY-----\n");
		base64_encode(&pem, buf_slice(&der));
		buf_put_str(&pem, "\n-----END TSS2 PRIVATE KEY-----\n");
		put_seed(buf_slice(&pem));
	}
}

static void blob_seed(const struct blob_header *header, struct slice body)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(BLOB_HEADER_MAX), blob = BUF_INIT(8192);

	blob_header_write(header, &bytes);
	blob_write(buf_slice(&bytes), slice_str("object"), body, &blob);
	FUZZ_REQUIRE(buf_ok(&blob));
	put_seed(buf_slice(&blob));
}

/* The body that a blob of the kind has. */
static struct slice body_seed(const struct blob_header *header, const struct buf bodies[2])
{
	static const uint8_t stream[40];

	if (header->kind == BLOB_KEY || header->kind == BLOB_AIK)
		return buf_slice(&bodies[header->kind == BLOB_AIK]);
	return slice_of(stream, header->flags & BLOB_ENVELOPE ? sizeof(stream) : 0);
}

static void blob_seeds(void)
{
	static const uint8_t spki[] = {0x30, 0x03, 1, 2, 3};
	static const uint8_t flags[][2] = {
		[BLOB_SEALED] = {0, BLOB_ENVELOPE},
		[BLOB_SECRET] = {0, BLOB_ENVELOPE},
		[BLOB_KEY] = {BLOB_EXPORTABLE, BLOB_IMPORTED},
		[BLOB_AIK] = {0, 0},
		[BLOB_PERSISTENT] = {0, BLOB_ENVELOPE},
	};
	struct blob_key_public key = {.type = PKEY_ECC_P256,
				      .uses = KEY_USE_SIGN,
				      .spki = slice_of(spki, sizeof(spki)),
				      .name = slice_of(spki, 5),
				      .public = slice_of(spki, 3),
				      .hash = HASH_SHA256,
				      .handle = BLOB_AIK_HANDLE};
	struct blob_key_public mac = {.type = PKEY_TYPES, .uses = KEY_USE_MAC};
	struct buf bodies[] = {BUF_INIT(4096), BUF_INIT(4096), BUF_INIT(4096)};
	struct blob_header header = {.time = 1700000000, .tenant = {7, 7, 7}, .root_len = 34};
	unsigned i;

	put_seed(slice_str("a-name_1.x"));
	blob_key_public_write(&key, &bodies[0]);
	blob_aik_public_write(&key, &bodies[1]);
	blob_key_public_write(&mac, &bodies[2]);
	for (i = 0; i < 3; i++)
		put_seed(buf_slice(&bodies[i]));
	/* One of before. */
	put_seed(slice_of(bodies[0].data, bodies[0].len - 3 - key.public.len));
	for (i = 0; i < 10; i++) {
		header.provider = i & 1 ? PROVIDER_TPM : PROVIDER_SOFTWARE;
		header.kind = (enum blob_kind)(BLOB_SEALED + i / 2);
		header.flags = flags[header.kind][i & 1];
		snprintf(header.name, sizeof(header.name), "%s",
			 header.kind == BLOB_SEALED ? "" : "name-1");
		blob_seed(&header, body_seed(&header, bodies));
	}
	for (i = 0; i < 3; i++)
		buf_fini(&bodies[i]);
}

/* The first byte is the kind; the fifth is the subject. */
static void name_seeds(void)
{
	static const char *const names[] = {
		"\5gw-1.example.net",
		"\5*.example.net",
		"\1192.0.2.7",
		"\0012001:db8::1",
		"\2a.b+c@example.net",
		"\3urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		"\3https://u@example.net:8/%20?a=b#c",
		"\4CN=gw-1,OU=a+L=b,O=Example,STREET=s 1,ST=x,C=DE",
		"\4UID=jo,DC=example,DC=net",
		"\4serialNumber=A-1,emailAddress=a@example.net",
		"\4CN=Smith\\, J\\2B\\C4\\8d\\ ",
		"\4CN=\xe2\x82\xac",
		"\4CN=#0c0161",
		"\4CN= a",
		"\4CN=a ",
		"\4CN=a\"",
		"\4CN=\\q",
		"\4CN=\\",
		"\4CN=\xff",
		"\4C=de",
		"\4X=1",
		"\4CN",
		"\4CN=a+O=b+L=c+ST=d+OU=e",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put_seed(slice_str(names[i]));
}

static void config_seeds(void)
{
	static const char *const texts[] = {
		"provider = \"auto\"\n",
		"tpm { tcti = \"swtpm:path=/x\" wait = 3 srk = \"rsa-2048\" srk_handle = "
		"0x81000002 "
		"hsk_handle = 0 encrypt = false owner_auth_file = \"/a\" }\n",
		"paths { state = \"/s\" run = \"/r\" }\nfapi { probe = false }\n",
		"device { config_dir = \"/c\" persist_dir = \"/p\" tpm = \"off\" handle = "
		"0x81000100 "
		"provision = \"auto\" restore = \"auto\" }\n",
		"tenant web { operations = {\"seal\", \"key\"} broker = \"standard\" allow = "
		"{\"Sign\"} "
		"deny = {} keys = 256 stored = 16777216 rate = 200 connections = 64 sessions = 16 "
		"objects = 64 peers = {\"uid:201000\"} cgroup = \"\" }\ntenant host { rate = 2 }\n",
		"tpm2 { enable = true tssUser = \"tss\" abrmd { enable = true } fapi { profileName "
		"= "
		"\"P_ECCP256SHA256\" systemPcrs = {0, 7} ekCertLess = true } }\n",
		"# comment\n/* another */ provider = 'tpm' // end\n",
		"provider = \"a\\x41\\101\\n\\\n\"\n",
		"x { y = ${HOME} }\n",
		"tpm { wait = 99999999999999999999 }\n",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		put_seed(slice_str(texts[i]));
}

static void json_seeds(void)
{
	static const char *const texts[] = {
		"{\"s\":\"\\u00e9\\ud83d\\ude00\",\"b\":true,\"u\":7,\"d\":\"aGk=\",\"x\":[1,{}]}",
		"{\"s\":5,\"b\":\"no\",\"u\":-1,\"d\":\"***\"}",
		"{\"u\":9223372036854775808}",
		"{\"s\":\"\\u0000\"}",
		"{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}",
		"{\"a\":1,\"a\":2}",
		"{} x",
		"[]",
		"aGVsbG8gd29ybGQ=",
		"00ff",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		put_seed(slice_str(texts[i]));
}

static void request_seeds(void)
{
	static const char *const bodies[] = {
		"{\"bytes\":16}",
		"{\"data\":\"aGk=\"}",
		"{\"blob\":\"aGk=\"}",
		"{\"name\":\"k\",\"type\":\"ecc-p256\",\"use\":[\"sign\"],\"export\":true,\"auth\":"
		"\"none\"}",
		"{\"name\":\"k\",\"pem\":\"-----BEGIN TSS2 PRIVATE "
		"KEY-----\",\"passphrase\":\"p\"}",
		"{\"digest\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"hash\":\"sha256\","
		"\"scheme\":\"ecdsa\",\"format\":\"raw\"}",
		"{\"message\":\"aGk=\"}",
		"{}",
	};
	static const char *const raw[] = {
		"\377GET /v1/status HTTP/1.1\r\nHost: h\r\n\r\n",
		"\377GET /metrics HTTP/1.1\r\nHost: h\r\nAccept: application/json;q=0.5, "
		"*/*\r\n\r\n",
		"\377POST /v1/random?x=%41&y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
		"Content-Type: application/json; "
		"charset=utf-8\r\n\r\nc\r\n{\"bytes\":16}\r\n0\r\n\r\n",
		"\377PUT /v1/secrets/a%2Fb HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
		"Content-Length: 2\r\n\r\nhi",
		"\377GET /v1/secrets/..%00 HTTP/1.1\r\nHost: h\r\nOrigin: http://x\r\n\r\n",
		"\377PUT /v1/secrets/s HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\nExpect: "
		"100-continue\r\n"
		"Content-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\nhi",
		"\377GET /v1/secrets/n1 HTTP/1.1\r\nHost: h\r\nAccept: application/octet-stream; "
		"q=1.0 , "
		"text/*;q=0.3,application/*;q=0.500, */*;q=0\r\n\r\n",
		"\377GET /v1/secrets/n1 HTTP/1.1\r\nHost: h\r\nAccept: "
		"application/json;a=\"b,c\\\"\";q=2, "
		";,application/octet-stream\r\n\r\n",
		"\377POST /v1/seal HTTP/1.1\r\nHost: h\r\nContent-Type: Application/OCTET-stream "
		";x\r\n"
		"Content-Length: 3\r\n\r\nabc",
		"\377POST /v1/seal HTTP/1.1\r\nHost: h\r\nContent-Type: "
		"text/plain\r\nContent-Length: 3\r\n\r\nabc",
		"\377DELETE /v1/keys/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
		"\377GET /v1/keys?after=a&limit=3&a=b&c=d&e=f&g=h&i=j&k=l&m=n HTTP/1.1\r\nHost: "
		"h\r\n\r\n",
		"\377PATCH /v1/keys HTTP/1.0\r\n\r\n",
		"\377GET /v1/keys HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\n\r\n",
	};
	size_t count, route, body;

	(void)service_routes(&count);
	for (route = 0; route < count; route++)
		for (body = 0; body < sizeof(bodies) / sizeof(bodies[0]); body++) {
			CLEANUP(buf_fini) struct buf seed = BUF_INIT(4096);

			buf_put_u8(&seed, (uint8_t)(route | (body & 1 ? 0x80 : 0)));
			buf_put_str(&seed, bodies[body]);
			put_seed(buf_slice(&seed));
			seed.data[0] ^= 0x80;
			put_seed(buf_slice(&seed));
		}
	for (body = 0; body < sizeof(raw) / sizeof(raw[0]); body++)
		put_seed(slice_str(raw[body]));
}

/* The public areas that there are, with a point and a modulus, for the question about bytes. */
static void public_seeds(void)
{
	static const enum pkey_type types[] = {PKEY_ECC_P256, PKEY_ECC_P384, PKEY_RSA_2048};
	TPM2B_PUBLIC public;
	struct err err;
	unsigned i;

	for (i = 0; i < 2 * sizeof(types) / sizeof(types[0]) + 1; i++) {
		CLEANUP(buf_fini) struct buf seed = BUF_INIT(4096);
		TPMU_PUBLIC_ID *unique = &public.publicArea.unique;
		enum pkey_type type = types[i / 2 % 3];

		memset(&public, 0, sizeof(public));
		if (i == 6)
			public_sealed(&public);
		else if ((i & 1 ? public_key(type, ENGINE_SIGN, &public, &err)
				: public_storage(type, &public, &err)) < 0)
			continue;
		if (i < 4) {
			unique->ecc.x.size = unique->ecc.y.size = 32;
			memset(unique->ecc.x.buffer, 0x6b, 32);
		} else if (i < 6) {
			unique->rsa.size = 256;
			memset(unique->rsa.buffer, 0xc5, 256);
		}
		buf_put_u16(&seed, 0x0c00); /* question 12 */
		FUZZ_REQUIRE(public_marshal(&public, &seed, &err) == 0);
		put_seed(buf_slice(&seed));
	}
}

#define RESPONSE_ASKS 20 /* questions of fuzz_response.c */
#define ASK_QUOTE     15

/* To a quote: the banks, a Load, what the chip says of three PCRs and its signature; then values.
 */
static void quote_seeds(void)
{
	static const uint8_t banks[] = {0, 15, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0x0b, 3, 7, 0, 0};
	static const uint8_t load[] = {0, 4, 0, 2, 0, 0x0b};
	static const uint8_t said[] = {0xff, 'T', 'C', 'G', 0x80, 0x18, 0,   0,
				       0,    5,	  'n', 'o', 'n',  'c',	'e', 0};
	static const uint8_t pcrs[] = {0, 0, 0, 1, 0, 0x0b, 3, 7, 0, 0, 0, 32};
	static const uint8_t counter_and_pcrs[] = {0,	 0, 0, 9, 0, 0, 0, 1, 0,
						   0x0b, 3, 7, 0, 0, 0, 0, 0, 3};
	CLEANUP(buf_fini) struct buf seed = BUF_INIT(4096);
	unsigned i;

	buf_put_u8(&seed, ASK_QUOTE);
	buf_put_u8(&seed, 0);
	buf_put(&seed, slice_of(banks, sizeof(banks)));
	buf_put(&seed, slice_of(load, sizeof(load)));
	for (i = 0; i < 2; i++) {
		buf_put_u16(&seed, 2 + 15 + 25 + 12 + 32 + 72);
		buf_put_u16(&seed, 15 + 25 + 12 + 32);
		buf_put(&seed, slice_of(said, 15));
		buf_put(&seed, slice_of("0123456789abcdef012345678", 25));
		buf_put(&seed, slice_of(pcrs, sizeof(pcrs)));
		buf_put(&seed, slice_of("0123456789abcdef0123456789abcdef", 32));
		buf_put_u32(&seed, 0x0018000b);
		buf_put_u16(&seed, 32);
		buf_put(&seed, slice_of("0123456789abcdef0123456789abcdef", 32));
		buf_put_u16(&seed, 32);
		buf_put(&seed, slice_of("0123456789abcdef0123456789abcdef", 32));
	}
	buf_put_u16(&seed, sizeof(counter_and_pcrs) + 3 * 34);
	buf_put(&seed, slice_of(counter_and_pcrs, sizeof(counter_and_pcrs)));
	for (i = 0; i < 3; i++) {
		buf_put_u16(&seed, 32);
		buf_put(&seed, slice_of("0123456789abcdef0123456789abcdef", 32));
	}
	put_seed(buf_slice(&seed));
}

/* To the reading of an index, twice: its public area, its Name, and its bytes. */
static void nv_seeds(void)
{
	static const uint8_t index[] = {0,    14, 0x01, 0xc0, 0, 2, 0, 0x0b,
					0x62, 7,  0x20, 0x01, 0, 0, 0, 8};
	static const uint8_t name[] = {0, 2, 0, 0x0b};
	static const uint8_t bytes[] = {0, 10, 0, 8, 0x30, 3, 2, 1, 1, 0xff, 0xff, 0xff};
	CLEANUP(buf_fini) struct buf seed = BUF_INIT(4096);
	unsigned i;

	buf_put_u8(&seed, RESPONSE_ASKS - 1);
	buf_put_u8(&seed, 0);
	for (i = 0; i < 2; i++) {
		buf_put_u16(&seed, sizeof(index) + sizeof(name));
		buf_put(&seed, slice_of(index, sizeof(index)));
		buf_put(&seed, slice_of(name, sizeof(name)));
		if (i)
			seed.data[seed.len - sizeof(name) - sizeof(index) + 5] = 0x0a;
		buf_put(&seed, slice_of(bytes, sizeof(bytes)));
	}
	put_seed(buf_slice(&seed));
}

/* For each question and framing, a few answers: a success, an error, parameters of some length. */
static void response_seeds(void)
{
	static const uint8_t success[] = {0, 10, 0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0};
	static const uint32_t codes[] = {0x922, 0x902, 0x901, 0x910, 0x18b, 0x98e, 0x9a2, 0x101};
	/* A GetCapability of properties, a public area of a P-256 storage key, a digest. */
	static const uint8_t facts[] = {0,   29,  0,   0, 0, 0, 6,  0, 0, 0, 2, 0, 0, 1, 5, 'I',
					'B', 'M', ' ', 0, 0, 2, 14, 0, 0, 0, 0, 0, 0, 0, 0};
	/* To an unseal: a loaded object's Name, then a secret longer than the whole answer. */
	static const uint8_t too_long[] = {7, 2, 0, 4, 0, 2, 0, 0x0b, 0, 4, 0x10, 0, 1, 2};
	/* A signature by ECDSA, r and s of 32 bytes, after a Load. */
	static const uint8_t sign[] = {8, 2, 0, 4, 0, 2, 0, 0x0b, 0, 72, 0, 0x18, 0, 0x0b};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(256);
	unsigned ask, how, i;

	put_seed(slice_of(too_long, sizeof(too_long)));
	buf_put(&signature, slice_of(sign, sizeof(sign)));
	for (i = 0; i < 2; i++) {
		buf_put_u16(&signature, 32);
		buf_put(&signature, slice_of("0123456789abcdef0123456789abcdef", 32));
	}
	buf_put(&signature, slice_of("\0\4\0\2ok", 6));
	put_seed(buf_slice(&signature));
	public_seeds();
	quote_seeds();
	nv_seeds();
	for (ask = 0; ask < RESPONSE_ASKS; ask++)
		for (how = 0; how < 4; how++) {
			CLEANUP(buf_fini) struct buf seed = BUF_INIT(4096);

			buf_put_u8(&seed, (uint8_t)ask);
			buf_put_u8(&seed, (uint8_t)how);
			for (i = 0; i < 6; i++)
				buf_put(&seed, how & 1 ? slice_of(success, sizeof(success))
						       : slice_of(facts, sizeof(facts)));
			put_seed(buf_slice(&seed));
		}
	for (ask = 0; ask < RESPONSE_ASKS; ask++)
		for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
			CLEANUP(buf_fini) struct buf seed = BUF_INIT(4096);

			buf_put_u8(&seed, (uint8_t)ask);
			buf_put_u8(&seed, 1);
			buf_put(&seed, slice_of(success, 8));
			buf_put_u32(&seed, codes[i]);
			buf_put(&seed, slice_of(success, sizeof(success)));
			put_seed(buf_slice(&seed));
		}
}

static uint8_t command_index(const char *name)
{
	size_t count;

	return (uint8_t)(commands_by_name(name) - commands_all(&count));
}

/* Every command of the table as it should be, in every set, and with each thing wrong. */
static void crafted_seeds(void)
{
	size_t i, count, wrong;
	const struct command *commands = commands_all(&count);

	for (i = 0; i < count; i++)
		for (wrong = 0; wrong < 7; wrong++) {
			CLEANUP(buf_fini) struct buf seed = BUF_INIT(64);

			buf_put_u8(&seed, (uint8_t)(8 | (wrong == 6 ? 4 : commands[i].set)));
			buf_put_u16(&seed, wrong == 6 ? 0x0305 : 0);
			buf_put_u8(&seed, command_index(commands[i].name));
			buf_put_u8(&seed, (uint8_t)(wrong < 6 ? 0xc0 | 1u << wrong : 0));
			buf_put(&seed, slice_of("\0\0\7\7\1\22\1\5\5\5\5\5\5\5\5\5", 16));
			put_seed(buf_slice(&seed));
		}
}

/* Commands without sessions and with a password, for handles of every kind. */
static void command_seeds(void)
{
	static const uint32_t codes[] = {0x144, 0x145, 0x17a, 0x17b, 0x173, 0x157, 0x131, 0x15e,
					 0x176, 0x165, 0x162, 0x161, 0x120, 0x13a, 0x14e, 0x151,
					 0x15d, 0x17f, 0x153, 0x126, 0x148, 0x169};
	static const uint32_t handles[] = {0x80000000, 0x81000001, 0x81000101, 0x40000001,
					   0x4000000b, 0x40000007, 0x4000000a, 0x4000000c,
					   0x01c00002, 0x02000000, 0x03000000};
	static const uint8_t password[] = {0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0};
	size_t code, handle, how;

	for (code = 0; code < sizeof(codes) / sizeof(codes[0]); code++)
		for (handle = 0; handle < sizeof(handles) / sizeof(handles[0]); handle++)
			for (how = 0; how < 6; how++) {
				CLEANUP(buf_fini) struct buf body = BUF_INIT(256);
				CLEANUP(buf_fini) struct buf seed = BUF_INIT(256);

				for (size_t i = 0; i < how / 2; i++)
					buf_put_u32(&body, i ? 0x80000001 : handles[handle]);
				if (how & 1)
					buf_put(&body, slice_of(password, sizeof(password)));
				buf_put_u32(&body, codes[code] == 0x120 ? 0x81000001 : 0);
				buf_put_u8(&seed, (uint8_t)(handle & 1 ? 3 : 4)); /* set */
				buf_put_u16(&seed, 0);
				buf_put_u16(&seed, how & 1 ? 0x8002 : 0x8001);
				buf_put_u32(&seed, (uint32_t)(10 + body.len));
				buf_put_u32(&seed, codes[code]);
				buf_put(&seed, buf_slice(&body));
				put_seed(buf_slice(&seed));
			}
	put_seed(slice_of("\1\0\0\0\0\0\5\0", 8)); /* SET_LOCALITY 0 */
	put_seed(slice_of("\1\0\0\0\0\0\1", 7));
	crafted_seeds();
}

/* Plays of fuzz_connections.c: who (of 6), what (of 10), and whether more comes before a turn. */
static void connection_seeds(void)
{
	static const uint8_t join[] = {0, 1, 2, 3, 4, 6 + 5}, say = 7 * 6, later = 0x80;
	static const uint8_t lengths[] = {12, 9, 0, 63, 0x40 | 20, 0x80 | 3};
	size_t echo, what, length;

	for (echo = 0; echo < 2; echo++)
		for (what = 0; what < 7; what++)
			for (length = 0; length < sizeof(lengths); length++) {
				CLEANUP(buf_fini) struct buf seed = BUF_INIT(256);

				buf_put_u8(&seed, (uint8_t)echo);
				buf_put(&seed, slice_of(join, sizeof(join)));
				buf_put_u8(&seed, say);
				buf_put_u8(&seed, lengths[length]);
				buf_put_u8(&seed, (uint8_t)(what * 6));
				buf_put_u16(&seed, 1);
				buf_put_u8(&seed, (uint8_t)(say + 1 + (what & 1 ? later : 0)));
				buf_put_u8(&seed, 12);
				buf_put_u8(&seed, (uint8_t)(what * 6 + 1));
				put_seed(buf_slice(&seed));
			}
	/* SET_LOCALITY 0 in two pieces; an answer that is too late. */
	put_seed(slice_of("\0\6\x2a\x83\0\0\0\x2a\x82\5\0", 11));
	put_seed(slice_of("\0\0\x2a\14\14\x1e\0\1", 8));
}

/* --- plays of fuzz_vchip.c --- */

static void put_step(struct buf *seed, uint8_t sender, const char *name, struct slice choices)
{
	buf_put_u8(seed, sender);
	buf_put_u8(seed, command_index(name));
	buf_put_u8(seed, 0);
	if (!(commands_by_name(name)->effects & NO_SESSIONS))
		buf_put_u8(seed, 0);
	buf_put(seed, choices);
}

/*
 * Each with an object, a session and a sequence before it, by their owner and by the other one.
 * Those have the places 24 (0x18) and up in the palette.
 */
static void vchip_seeds(void)
{
	static const struct {
		const char *name, *choices;
		size_t len;
	} steps[] = {
		{"CreatePrimary", "\0\0\x11\2\0\0", 6},
		{"Create", "\x18\0\x11\2\0\0", 6},
		{"Load", "\x18\0\5\2", 4},
		{"LoadExternal", "\5\2\0", 3},
		{"ReadPublic", "\x18", 1},
		{"ReadPublic", "\12", 1}, /* the SRK */
		{"ReadPublic", "\xcb", 1},
		{"Sign", "\x18\0\5\5\0", 5},
		{"Sign", "\x18\1\x19\1\5\5\0", 7},
		{"ContextSave", "\x18", 1},
		{"ContextSave", "\x19", 1},
		{"ContextLoad", "\0", 1},
		{"ContextLoad", "\xc0\x1e\1", 3},
		{"FlushContext", "\x18", 1},
		{"FlushContext", "\x19", 1},
		{"EvictControl", "\0\x18\0\13", 4},
		{"EvictControl", "\0\x18\1\x19\1\13", 6},
		{"EvictControl", "\0\xcb\0\13", 4},
		{"EvictControl", "\0\x18\0\12", 4},
		{"GetCapability", "\1\7\12", 3},
		{"GetCapability", "\1\12\12", 3},
		{"GetCapability", "\1\20\12", 3},
		{"GetCapability", "\1\22\12", 3},
		{"GetCapability", "\1\23\12", 3},
		{"GetCapability", "\6\2\12", 3},
		{"SequenceUpdate", "\x1a\0\5", 3},
		{"SequenceComplete", "\x1a\0\5\0", 4},
		{"PolicySecret", "\1\x19\0\0\0\0\0", 7},
		{"PolicyAuthValue", "\x19", 1},
		{"TestParms", "\0\0", 2},
		{"NV_Read", "\20\20\0\0\0", 5},
		{"Clear", "", 0},
	};
	static const uint8_t limits[] = {2 | 2 << 3, 7 | 7 << 3, 1 | 1 << 3};
	size_t i, j, how;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		for (how = 0; how < 12; how++) {
			struct slice choices = slice_of(steps[i].choices, steps[i].len);
			CLEANUP(buf_fini) struct buf seed = BUF_INIT(512);

			buf_put_u8(&seed, (uint8_t)(how << 1 | (how & 1)));
			buf_put_u8(&seed, limits[how % 3]);
			for (j = 0; j < 2; j++) {
				put_step(&seed, 0, "CreatePrimary", slice_of("\0\0\x11\2\0\0", 6));
				put_step(&seed, 0, "StartAuthSession",
					 slice_of(how & 2 ? "\2\2\20\0\1\0\1" : "\2\2\20\0\0\0\1",
						  7));
				put_step(&seed, 0, "HashSequenceStart", slice_of("\0\1", 2));
				put_step(&seed, 0, "ContextSave", slice_of("\x18", 1));
				put_step(&seed, 0, steps[i].name, choices);
				put_step(&seed, 1, steps[i].name, choices);
				put_step(&seed, 0, steps[i].name, choices);
				buf_put_u8(&seed, (uint8_t)(0xe0 + 2 * how)); /* it befalls */
				buf_put_u8(&seed, (uint8_t)how);
			}
			put_seed(buf_slice(&seed));
		}
}

/* A name, and the same as a key file holds it. */
static void uri_seeds(void)
{
	static const char *const names[] = {
		"holdfast:device",
		"holdfast:key/a-name_1.2",
		"holdfast:device?socket=/run/holdfast/holdfast.sock",
		"holdfast:key/k?socket=/s",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(1024);

		base64_encode(&text, slice_str(names[i]));
		put_seed(slice_str(names[i]));
		put_seed(buf_slice(&text));
	}
}

/* Blobs under the key of fuzz_v1.c, of a few sizes, in steps of 17. */
static void v1_seeds(void)
{
	static const uint8_t plain[3000];
	static const size_t sizes[] = {0, 1, 16, 100, sizeof(plain)};
	struct secret *key = NULL;
	struct err err;
	size_t i;

	FUZZ_REQUIRE(v1_key_archive(slice_str("fuzz"), &key, &err) == 0);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CLEANUP(buf_fini) struct buf seed = BUF_INIT(4096);

		buf_put(&seed, slice_of("\2\20", 2));
		FUZZ_REQUIRE(v1_seal_bytes(key, slice_of(plain, sizes[i]), &seed, &err) == 0);
		put_seed(buf_slice(&seed));
	}
	secret_free(key);
}

static const struct {
	const char *target;
	void (*make)(void);
} targets[] = {
	{"cache", seeds_cache},
	{"form", seeds_form},
	{"head", seeds_head},
	{"uri", uri_seeds},
	{"names", name_seeds},
	{"keyfile", keyfile_seeds},
	{"keyfile", keyfile_optional_seeds},
	{"blob", blob_seeds},
	{"config", config_seeds},
	{"json", json_seeds},
	{"request", request_seeds},
	{"response", response_seeds},
	{"command", command_seeds},
	{"connections", connection_seeds},
	{"vchip", vchip_seeds},
	{"identity", seeds_identity},
	{"v1", v1_seeds},
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 3) {
		fprintf(stderr, "usage: seeds TARGET FOLDER\n");
		return 2;
	}
	folder = argv[2];
	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (!strcmp(targets[i].target, argv[1]))
			targets[i].make();
	return made ? 0 : 1;
}
