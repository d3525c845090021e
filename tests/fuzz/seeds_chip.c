/* SPDX-License-Identifier: Apache-2.0 */
/* What passes between the chip, the broker and their clients: commands, answers, whole plays. */

#include <string.h>

#include "broker/commands.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seeds.h"
#include "tpm/public.h"

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
void seeds_response(void)
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

/* One with how / 2 handles, and a password where @how is odd. */
static void put_command(uint32_t code, uint32_t handle, uint8_t set, size_t how)
{
	static const uint8_t password[] = {0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0};
	CLEANUP(buf_fini) struct buf body = BUF_INIT(256);
	CLEANUP(buf_fini) struct buf seed = BUF_INIT(256);

	for (size_t i = 0; i < how / 2; i++)
		buf_put_u32(&body, i ? 0x80000001 : handle);
	if (how & 1)
		buf_put(&body, slice_of(password, sizeof(password)));
	buf_put_u32(&body, code == 0x120 ? 0x81000001 : 0);
	buf_put_u8(&seed, set);
	buf_put_u16(&seed, 0);
	buf_put_u16(&seed, how & 1 ? 0x8002 : 0x8001);
	buf_put_u32(&seed, (uint32_t)(10 + body.len));
	buf_put_u32(&seed, code);
	buf_put(&seed, buf_slice(&body));
	put_seed(buf_slice(&seed));
}

/* Commands without sessions and with a password, for handles of every kind. */
void seeds_command(void)
{
	static const uint32_t codes[] = {0x144, 0x145, 0x17a, 0x17b, 0x173, 0x157, 0x131, 0x15e,
					 0x176, 0x165, 0x162, 0x161, 0x120, 0x13a, 0x14e, 0x151,
					 0x15d, 0x17f, 0x153, 0x126, 0x148, 0x169};
	static const uint32_t handles[] = {0x80000000, 0x81000001, 0x81000101, 0x40000001,
					   0x4000000b, 0x40000007, 0x4000000a, 0x4000000c,
					   0x01c00002, 0x02000000, 0x03000000};
	size_t code, handle, how;

	for (code = 0; code < sizeof(codes) / sizeof(codes[0]); code++)
		for (handle = 0; handle < sizeof(handles) / sizeof(handles[0]); handle++)
			for (how = 0; how < 6; how++)
				put_command(codes[code], handles[handle], handle & 1 ? 3 : 4, how);
	put_seed(slice_of("\1\0\0\0\0\0\5\0", 8)); /* SET_LOCALITY 0 */
	put_seed(slice_of("\1\0\0\0\0\0\1", 7));
	crafted_seeds();
}

/* Plays of fuzz_connections.c: who (of 6), what (of 10), and whether more comes before a turn. */
void seeds_connection(void)
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
void seeds_vchip(void)
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
