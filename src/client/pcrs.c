/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the TPM has such a bank is for the service to say; here it only has to be a word that
 * needs no escape.
 */
#include "client/pcrs.h"

#include <string.h>

#define PCR_COUNT    24u
#define BANKS_MAX    8u
#define BANK_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_-"

struct bank {
	struct slice name;
	uint32_t pcrs; /* bit n stands for PCR n */
};

/* A number below PCR_COUNT at the front of *text, which moves behind it. */
static bool take_number(const char **text, unsigned *ret_value)
{
	size_t digits = strspn(*text, "0123456789");
	unsigned value = 0;
	size_t i;

	if (digits < 1 || digits > 2)
		return false;
	for (i = 0; i < digits; i++)
		value = value * 10 + (unsigned)((*text)[i] - '0');
	*text += digits;
	*ret_value = value;
	return value < PCR_COUNT;
}

static bool take_range(const char **text, uint32_t *pcrs)
{
	unsigned first, last;

	if (!take_number(text, &first))
		return false;
	last = first;
	if (**text == '-') {
		++*text;
		if (!take_number(text, &last) || last < first)
			return false;
	}
	for (; first <= last; first++)
		*pcrs |= UINT32_C(1) << first;
	return true;
}

static bool take_bank(const char **text, struct bank *bank)
{
	size_t len = strspn(*text, BANK_LETTERS);

	*bank = (struct bank){.name = slice_of(*text, len)};
	if (len == 0 || (*text)[len] != ':')
		return false;
	*text += len + 1;
	if (strncmp(*text, "all", 3) == 0) {
		*text += 3;
		bank->pcrs = (UINT32_C(1) << PCR_COUNT) - 1;
		return true;
	}
	do {
		if (!take_range(text, &bank->pcrs))
			return false;
	} while (*(*text)++ == ',');
	--*text;
	return true;
}

static bool has_bank(const struct bank *banks, size_t count, struct slice name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (slice_equal(banks[i].name, name))
			return true;
	return false;
}

static bool parse(const char *text, struct bank banks[BANKS_MAX], size_t *ret_count)
{
	size_t count = 0;

	do {
		if (count == BANKS_MAX || !take_bank(&text, &banks[count]) ||
		    has_bank(banks, count, banks[count].name))
			return false;
		count++;
	} while (*text++ == '+');
	*ret_count = count;
	return text[-1] == '\0';
}

static void put_bank(struct buf *out, const struct bank *bank)
{
	const char *comma = "";
	unsigned pcr;

	buf_put_u8(out, '"');
	buf_put(out, bank->name);
	buf_put_str(out, "\":[");
	for (pcr = 0; pcr < PCR_COUNT; pcr++) {
		if (!(bank->pcrs >> pcr & 1u))
			continue;
		buf_printf(out, "%s%u", comma, pcr);
		comma = ",";
	}
	buf_put_u8(out, ']');
}

int pcrs_put(struct buf *out, const char *text, struct err *err)
{
	struct bank banks[BANKS_MAX];
	size_t count = 0, i;

	if (!parse(text, banks, &count))
		return err_set(err, ERR_INVALID,
			       "PCRs are written as \"sha256:0,1,2\", \"sha256:0-7+sha1:all\", "
			       "from 0 to %u, each bank once",
			       PCR_COUNT - 1);
	for (i = 0; i < count; i++) {
		buf_put_u8(out, i > 0 ? ',' : '{');
		put_bank(out, &banks[i]);
	}
	buf_put_u8(out, '}');
	return 0;
}
