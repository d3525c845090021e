/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An alphabet is five runs of neighbouring characters. Both directions walk all five runs for
 * every character and keep the one that fits by a mask, so that neither time nor addresses tell
 * what is being coded. Hexadecimal is the same with two runs. Lengths, and with them the padding,
 * are not secret.
 */
#include "base/base64.h"

#include "base/secret.h"

/* Values first..last stand as the characters from @ch on. */
struct run {
	int first;
	int last;
	int ch;
};

struct alphabet {
	const struct run *runs;
	size_t count;
};

static const struct run RUNS_STD[] = {
	{0, 25, 'A'}, {26, 51, 'a'}, {52, 61, '0'}, {62, 62, '+'}, {63, 63, '/'},
};
static const struct run RUNS_URL[] = {
	{0, 25, 'A'}, {26, 51, 'a'}, {52, 61, '0'}, {62, 62, '-'}, {63, 63, '_'},
};
static const struct run RUNS_HEX[] = {{0, 9, '0'}, {10, 15, 'a'}};

static const struct alphabet STD = {RUNS_STD, ARRAY_LEN(RUNS_STD)};
static const struct alphabet URL = {RUNS_URL, ARRAY_LEN(RUNS_URL)};
static const struct alphabet HEX = {RUNS_HEX, ARRAY_LEN(RUNS_HEX)};

/* All ones when low <= v <= high, else zero. The numbers here are below 256. */
static unsigned mask_within(int v, int low, int high)
{
	unsigned outside = ((unsigned)(v - low) | (unsigned)(high - v)) >> 31;

	return outside - 1u;
}

static uint8_t to_char(const struct alphabet *alphabet, unsigned value)
{
	unsigned ch = 0;
	size_t i;

	for (i = 0; i < alphabet->count; i++) {
		const struct run *run = &alphabet->runs[i];

		ch |= mask_within((int)value, run->first, run->last) &
		      (unsigned)((int)value - run->first + run->ch);
	}
	return (uint8_t)ch;
}

/* The value of @ch; *bad becomes non-zero when it is not of the alphabet. */
static unsigned to_value(const struct alphabet *alphabet, uint8_t ch, unsigned *bad)
{
	unsigned value = 0;
	unsigned found = 0;
	size_t i;

	for (i = 0; i < alphabet->count; i++) {
		const struct run *run = &alphabet->runs[i];
		unsigned mask = mask_within(ch, run->ch, run->ch + run->last - run->first);

		value |= mask & (unsigned)(ch - run->ch + run->first);
		found |= mask;
	}
	*bad |= ~found;
	return value;
}

/* Three bytes give four characters; of one or two bytes at the end the last are left out. */
static void encode_group(uint8_t *out, struct slice in, const struct alphabet *alphabet)
{
	uint32_t bits = 0;
	size_t i;

	for (i = 0; i < 3; i++)
		bits = bits << 8 | (i < in.len ? in.data[i] : 0u);
	for (i = 0; i < in.len + 1; i++)
		out[i] = to_char(alphabet, bits >> (18 - 6 * i) & 63u);
}

static void encode(struct buf *buf, struct slice bytes, const struct alphabet *alphabet, bool pad)
{
	size_t full = bytes.len / 3;
	size_t left = bytes.len % 3;
	size_t tail = left > 0 ? left + 1 : 0;
	uint8_t *out;
	size_t i;

	if (full > SIZE_MAX / 4 - 1) {
		buf->failed = true;
		return;
	}
	out = buf_grow(buf, full * 4 + (pad && left > 0 ? 4 : tail));
	if (!out)
		return;
	for (i = 0; i < full; i++)
		encode_group(out + i * 4, slice_of(bytes.data + i * 3, 3), alphabet);
	if (left == 0)
		return;
	encode_group(out + full * 4, slice_of(bytes.data + full * 3, left), alphabet);
	for (i = tail; pad && i < 4; i++)
		out[full * 4 + i] = '=';
}

void base64_encode(struct buf *buf, struct slice bytes)
{
	encode(buf, bytes, &STD, true);
}

void base64url_encode(struct buf *buf, struct slice bytes)
{
	encode(buf, bytes, &URL, false);
}

/* Four characters, the last @pad of which are padding. Writes 3 - @pad bytes. */
static unsigned decode_group(const uint8_t *text, size_t pad, uint8_t *out)
{
	unsigned bad = 0;
	uint32_t bits = 0;
	size_t i;

	for (i = 0; i < 4; i++)
		bits = bits << 6 | (i < 4 - pad ? to_value(&STD, text[i], &bad) : 0u);
	for (i = 0; i < 3 - pad; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	/* What remains below the last byte must be zero, else one value had several texts. */
	return bad | (bits & ((1u << (8 * pad)) - 1u));
}

bool base64_decode(struct slice text, uint8_t *out, size_t *ret_len)
{
	size_t groups = text.len / 4;
	unsigned bad = 0;
	size_t pad = 0;
	size_t i;

	if (text.len % 4 != 0) {
		wipe(out, base64_decoded_max(text.len));
		return false;
	}
	if (groups > 0 && text.data[text.len - 1] == '=')
		pad = text.data[text.len - 2] == '=' ? 2 : 1;
	for (i = 0; i < groups; i++)
		bad |= decode_group(text.data + i * 4, i + 1 == groups ? pad : 0, out + i * 3);
	if (bad != 0) {
		wipe(out, base64_decoded_max(text.len));
		return false;
	}
	*ret_len = groups * 3 - pad;
	return true;
}

void hex_encode(struct buf *buf, struct slice bytes)
{
	uint8_t *out;
	size_t i;

	if (bytes.len > SIZE_MAX / 2) {
		buf->failed = true;
		return;
	}
	out = buf_grow(buf, bytes.len * 2);
	for (i = 0; out && i < bytes.len; i++) {
		out[i * 2] = to_char(&HEX, bytes.data[i] >> 4);
		out[i * 2 + 1] = to_char(&HEX, bytes.data[i] & 15u);
	}
}

bool hex_decode(struct slice text, uint8_t *out, size_t out_len)
{
	unsigned bad = 0;
	size_t i;

	if (text.len % 2 != 0 || text.len / 2 != out_len) {
		wipe(out, out_len);
		return false;
	}
	for (i = 0; i < out_len; i++)
		out[i] = (uint8_t)(to_value(&HEX, text.data[i * 2], &bad) << 4 |
				   to_value(&HEX, text.data[i * 2 + 1], &bad));
	if (bad == 0)
		return true;
	wipe(out, out_len);
	return false;
}
