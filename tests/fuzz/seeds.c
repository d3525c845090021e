/* SPDX-License-Identifier: Apache-2.0 */

/* "seeds TARGET FOLDER": what a fuzzer begins with, made by our own writers. */

#include <string.h>

#include "artifact/v1.h"
#include "artifact/v1_key.h"
#include "base/base64.h"
#include "base/json.h"
#include "crypto/keyfile.h"
#include "provider/blob.h"
#include "service/service.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seeds.h"

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
	{"cms", seeds_cms},
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
	{"response", seeds_response},
	{"command", seeds_command},
	{"connections", seeds_connection},
	{"vchip", seeds_vchip},
	{"identity", seeds_identity},
	{"v1", v1_seeds},
	{"v2", seeds_v2},
	{"wrap", seeds_wrap},
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
