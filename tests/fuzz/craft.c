/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/craft.h"

#define PASSWORD 0x40000009u
#define SIZE_AT	 2u

const struct craft_handle CRAFT_HANDLES[] = {
	{0x40000001, HANDLE_OWNER},
	{0x4000000b, HANDLE_ENDORSEMENT},
	{0x40000007, HANDLE_NULL},
	{0x4000000a, HANDLE_LOCKOUT},
	{0x4000000c, 0}, /* platform */
	{PASSWORD, 0},
	{0x40000110, 0},
	{0x80000000, HANDLE_TRANSIENT},
	{0x80000001, HANDLE_TRANSIENT},
	{0x80ffffff, HANDLE_TRANSIENT},
	{0x81000001, HANDLE_PERSISTENT}, /* SRK */
	{0x81000002, HANDLE_PERSISTENT},
	{0x81010001, HANDLE_PERSISTENT}, /* EK */
	{0x81800000, HANDLE_PERSISTENT}, /* the platform's */
	{CRAFT_RESERVED_HSK, HANDLE_PERSISTENT},
	{CRAFT_RESERVED_EK, HANDLE_PERSISTENT},
	{0x01c00002, HANDLE_NV},
	{0x01500000, HANDLE_NV},
	{0x02000000, HANDLE_HMAC},
	{0x03000000, HANDLE_POLICY},
	{0x03ffffff, HANDLE_POLICY},
	{0x00000010, HANDLE_PCR},
	{0x90000000, 0},
	{0xffffffff, 0},
};

/* What is wrong with a command; most have nothing. */
enum {
	WRONG_TAG = 1u << 0,
	WRONG_HANDLES = 1u << 1, /* how many */
	WRONG_AUTHS = 1u << 2,	 /* how many */
	WRONG_AREA = 1u << 3,	 /* its size */
	WRONG_SIZE = 1u << 4,	 /* the command's own */
	WRONG_LENGTHS = 1u << 5, /* of what is sized within */
	SOMETHING_WRONG = 0xc0u, /* both bits: the others count */
};

/*
 * Parameters by the letter: 1, 2, 4 bytes; `b` sized bytes; `n` sized, with two sized ones in it;
 * `p` a public area; `h` a handle; `c` a saved context; `k` a capability; `s` a hash.
 */
static const struct {
	const char *name, *parameters;
} SHAPES[] = {
	{"FlushContext", "h"},	     {"EvictControl", "h"},
	{"ContextLoad", "c"},	     {"ContextSave", ""},
	{"GetCapability", "kh4"},    {"StartAuthSession", "bb122"},
	{"CreatePrimary", "npb4"},   {"Create", "npb4"},
	{"CreateLoaded", "np"},	     {"Load", "bp"},
	{"LoadExternal", "bp4"},     {"Import", "bpbb2"},
	{"HashSequenceStart", "b2"}, {"HMAC_Start", "b2"},
	{"SequenceComplete", "b4"},  {"SequenceUpdate", "b"},
	{"ReadPublic", ""},	     {"NV_ReadPublic", ""},
	{"NV_Read", "22"},	     {"GetRandom", "2"},
	{"ECC_Parameters", "2"},     {"TestParms", "22"},
	{"PolicySecret", "bbb4"},    {"PolicyAuthValue", ""},
	{"PolicyPassword", ""},	     {"PolicyRestart", ""},
	{"PolicyGetDigest", ""},
};

struct craft {
	struct cursor *choices;
	const struct craft_palette *palette;
	struct buf *bytes;
	unsigned wrong;
};

static uint8_t choose(struct craft *craft)
{
	return cursor_u8(craft->choices);
}

static uint32_t edge(struct craft *craft)
{
	static const uint32_t edges[] = {0,	 1,	 2,	  0x10,	    0xff,	0x100,
					 0xffff, 0x8000, 0x10000, 0xffffff, 0x80000000, 0xffffffff};
	uint8_t choice = choose(craft);

	return choice < 0x80 ? choice & 0x1f : edges[choice % ARRAY_LEN(edges)];
}

static void patch(struct buf *bytes, size_t at, uint32_t value, size_t width)
{
	size_t i;

	for (i = 0; buf_ok(bytes) && i < width; i++)
		bytes->data[at + i] = (uint8_t)(value >> 8 * (width - 1 - i));
}

/* --- handles --- */

/* Any, or the next of those that fit; every one has 1 chance in 4 to be of the wrong kind. */
static uint32_t choose_handle(struct craft *craft, unsigned kinds)
{
	const struct craft_palette *palette = craft->palette;
	uint8_t choice = choose(craft);
	size_t i, at = (choice & 0x3f) % palette->handle_count;

	if ((choice & 0xc0) == 0xc0)
		return palette->handles[at].handle;
	for (i = 0; i < palette->handle_count; i++) {
		const struct craft_handle *handle =
			&palette->handles[(at + i) % palette->handle_count];

		if (handle->kind & kinds)
			return handle->handle;
	}
	return palette->handles[at].handle;
}

static void put_handles(struct craft *craft, const struct command *command)
{
	size_t i, count = command_handle_count(command);

	if (craft->wrong & WRONG_HANDLES)
		count = choose(craft) % 5u;
	for (i = 0; i < count; i++) {
		unsigned kinds = ~0u;

		if (i < COMMANDS_HANDLES_MAX && command->set != SET_NEVER)
			kinds = (unsigned)command->handles[i] | command->provision[i] |
				command->full[i];
		buf_put_u32(craft->bytes, choose_handle(craft, kinds));
	}
}

/* --- what is sized --- */

static uint16_t length(struct craft *craft, uint16_t right)
{
	return craft->wrong & WRONG_LENGTHS ? (uint16_t)edge(craft) : right;
}

static void put_sized(struct craft *craft, uint16_t len)
{
	uint16_t i;

	buf_put_u16(craft->bytes, length(craft, len));
	for (i = 0; i < len; i++)
		buf_put_u8(craft->bytes, (uint8_t)(i * 7 + len));
}

static void put_auth(struct craft *craft)
{
	uint8_t choice = choose(craft);

	if (choice & 1) {
		buf_put_u32(craft->bytes, choose_handle(craft, HANDLE_SESSION));
		put_sized(craft, choice & 2 ? 32 : 16);
		buf_put_u8(craft->bytes, choose(craft));
		put_sized(craft, choice & 4 ? 32 : 0);
		return;
	}
	buf_put_u32(craft->bytes, PASSWORD);
	put_sized(craft, 0);
	buf_put_u8(craft->bytes, choice & 0x10 ? choose(craft) : 1);
	put_sized(craft, choice & 8 ? 5 : 0);
}

static void put_auths(struct craft *craft, unsigned count)
{
	size_t at = craft->bytes->len;
	unsigned i;

	buf_put_u32(craft->bytes, 0);
	for (i = 0; i < count; i++)
		put_auth(craft);
	patch(craft->bytes, at,
	      craft->wrong & WRONG_AREA ? edge(craft) : (uint32_t)(craft->bytes->len - at - 4), 4);
}

static void put_nested(struct craft *craft)
{
	size_t at = craft->bytes->len;
	uint8_t choice = choose(craft);

	buf_put_u16(craft->bytes, 0);
	put_sized(craft, choice & 0x0f);
	put_sized(craft, choice >> 4);
	patch(craft->bytes, at, length(craft, (uint16_t)(craft->bytes->len - at - 2)), 2);
}

static void put_public(struct craft *craft)
{
	size_t at = craft->bytes->len;
	uint8_t choice = choose(craft);

	buf_put_u16(craft->bytes, 0);
	buf_put_u16(craft->bytes, choice & 1 ? 0x0001 : 0x0023); /* RSA, ECC */
	buf_put_u16(craft->bytes, 0x000b);
	buf_put_u32(craft->bytes, choice & 2 ? 0x00030472 : 0x00060072); /* with noDA or not */
	put_sized(craft, choice >> 4);
	patch(craft->bytes, at, length(craft, (uint16_t)(craft->bytes->len - at - 2)), 2);
}

/* One of the saved ones, perhaps with a byte changed. */
static void put_context(struct craft *craft)
{
	const struct craft_palette *palette = craft->palette;
	uint8_t choice = choose(craft);
	size_t at = craft->bytes->len, len;

	if (palette->context_count == 0) {
		buf_put_u64(craft->bytes, choice);
		buf_put_u32(craft->bytes, choose_handle(craft, HANDLE_TRANSIENT | HANDLE_SESSION));
		buf_put_u32(craft->bytes, 0x40000001);
		put_sized(craft, choose(craft));
		return;
	}
	buf_put(craft->bytes, palette->contexts[(choice & 0x1f) % palette->context_count]);
	len = craft->bytes->len - at;
	if (buf_ok(craft->bytes) && len > 0 && (choice & 0xc0) == 0xc0)
		craft->bytes->data[at + choose(craft) % len] ^= (uint8_t)(choose(craft) | 1u);
}

static void put_parameter(struct craft *craft, char letter)
{
	switch (letter) {
	case '1':
		buf_put_u8(craft->bytes, choose(craft));
		break;
	case '2':
		buf_put_u16(craft->bytes, choose(craft) & 1 ? 0x000b : 0x0010); /* SHA-256, null */
		break;
	case 'b':
		put_sized(craft, choose(craft) & 0x3f);
		break;
	case 'n':
		put_nested(craft);
		break;
	case 'p':
		put_public(craft);
		break;
	case 'h':
		buf_put_u32(craft->bytes, choose_handle(craft, ~0u));
		break;
	case 'c':
		put_context(craft);
		break;
	case 'k':
		buf_put_u32(craft->bytes, choose(craft) & 0x0f);
		break;
	default:
		buf_put_u32(craft->bytes, edge(craft));
		break;
	}
}

static const char *shape_of(const struct command *command)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(SHAPES); i++)
		if (commands_by_name(SHAPES[i].name) == command)
			return SHAPES[i].parameters;
	return "bn4";
}

const struct command *craft_command(struct cursor *choices, const struct craft_palette *palette,
				    struct buf *bytes)
{
	struct craft craft = {.choices = choices, .palette = palette, .bytes = bytes};
	size_t count, begin = bytes->len;
	const struct command *command = commands_all(&count);
	unsigned auths;
	const char *shape;

	command += choose(&craft) % count;
	craft.wrong = choose(&craft);
	if ((craft.wrong & SOMETHING_WRONG) != SOMETHING_WRONG)
		craft.wrong = 0;
	auths = craft.wrong & WRONG_AUTHS ? choose(&craft) % 5u : command->auths;
	/* Some carry a session more than they need. */
	if (!craft.wrong && !(command->effects & NO_SESSIONS) && choose(&craft) >= 0xe0)
		auths++;
	buf_put_u16(bytes, craft.wrong & WRONG_TAG ? (uint16_t)(0x8000 + choose(&craft) % 4)
						   : (auths > 0 ? 0x8002 : 0x8001));
	buf_put_u32(bytes, 0);
	buf_put_u32(bytes, command->code);
	put_handles(&craft, command);
	if (auths > 0)
		put_auths(&craft, auths);
	for (shape = shape_of(command); *shape; shape++)
		put_parameter(&craft, *shape);
	patch(bytes, begin + SIZE_AT,
	      craft.wrong & WRONG_SIZE ? edge(&craft) : (uint32_t)(bytes->len - begin), 4);
	return command;
}
