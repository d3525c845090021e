/* SPDX-License-Identifier: Apache-2.0 */
/* The table of well-formed byte sequences of RFC 3629, section 4. */
#include "base/utf8.h"

#include "base/mem.h"

static const struct {
	uint8_t first_low, first_high;	 /* leading byte */
	uint8_t second_low, second_high; /* the byte after it; all later ones are 80..bf */
	uint8_t len;
} FORMS[] = {
	{0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool within(uint8_t byte, uint8_t low, uint8_t high)
{
	return byte >= low && byte <= high;
}

static bool tail_fits(struct slice text, size_t form)
{
	size_t i;

	if (text.len < FORMS[form].len)
		return false;
	for (i = 1; i < FORMS[form].len; i++)
		if (!within(text.data[i], i == 1 ? FORMS[form].second_low : 0x80,
			    i == 1 ? FORMS[form].second_high : 0xbf))
			return false;
	return true;
}

size_t utf8_next(struct slice text)
{
	size_t i;

	for (i = 0; text.len > 0 && i < ARRAY_LEN(FORMS); i++)
		if (within(text.data[0], FORMS[i].first_low, FORMS[i].first_high))
			return tail_fits(text, i) ? FORMS[i].len : 0;
	return 0;
}
